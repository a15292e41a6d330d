//! Issuing: requests, relays, authorities from files, and what is refused before it is signed.
#![expect(clippy::unwrap_used, reason = "a helper that fails at an `unwrap` fails its test there")]

mod world;

use std::process::Command;

use kring_pki::issue::{
    Algorithm, AuthorityRequest, DeviceRequest, DeviceSubject, IssueError, MAX_REQUEST, OrganisationCa,
    OrganisationSubject, PrivateKey, RegionRoot, Validity,
};
use kring_pki::pem;
use kring_pki::verify::{Crls, TrustAnchors, Untrusted, Whose, verify_relay};
use kring_protocol::ids::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName};
use world::*;

#[test]
fn a_device_asks_for_its_certificate_and_proves_its_key() {
    let world = World::new();
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let request = DeviceRequest::make(&key).unwrap();
    let read = DeviceRequest::read(&request).unwrap();
    assert_eq!(Some(*read.public_key()), key.ed25519_public_key());
    let device = world.police.issue_device(&anne(), read.public_key(), Validity::device(NOW)).unwrap();
    assert_eq!(Some(*world.verify(device.chain()).unwrap().public_key()), key.ed25519_public_key());
}

#[test]
fn a_request_with_a_swapped_key_or_of_another_kind_is_refused() {
    let keys = [(); 2].map(|()| PrivateKey::generate(Algorithm::Ed25519).unwrap());
    let request = DeviceRequest::make(&keys[0]).unwrap();
    let [own, other] = keys.map(|key| key.ed25519_public_key().unwrap());
    let at = request.windows(32).position(|window| window == own).unwrap();
    let mut swapped = request.to_vec();
    swapped[at..at + 32].copy_from_slice(&other);
    assert_eq!(DeviceRequest::read(&swapped), Err(IssueError::Possession));
    assert_eq!(DeviceRequest::read(&[&request[..], &[0]].concat()), Err(IssueError::Request));
    assert_eq!(DeviceRequest::read(&vec![0x30; MAX_REQUEST + 1]), Err(IssueError::Request));

    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Rsa3072] {
        let key = PrivateKey::generate(algorithm).unwrap();
        assert_eq!(DeviceRequest::make(&key), Err(IssueError::DeviceKey));
        let request = AuthorityRequest::make(&key).unwrap();
        assert_eq!(DeviceRequest::read(&request), Err(IssueError::DeviceKey));
        assert!(AuthorityRequest::read(&request).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn an_organisation_that_keeps_its_key_is_signed_from_its_request() {
    let world = World::new();
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Rsa3072] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let request =
            AuthorityRequest::from_pem(pem::request(&AuthorityRequest::make(&key).unwrap()).as_bytes()).unwrap();
        let certificate = world.region.sign_organisation(&police(), &request, Validity::days(NOW, 900)).unwrap();
        let police = OrganisationCa::new(certificate, key).unwrap();
        let device = PrivateKey::generate(Algorithm::Ed25519).unwrap().ed25519_public_key().unwrap();
        let device = police.issue_device(&anne(), &device, Validity::device(NOW)).unwrap();
        assert!(world.verify(device.chain()).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn authorities_are_opened_from_their_files() {
    let world = World::new();
    let file = |certificate: &CertificateDer<'_>| pem::certificates([certificate]);
    let (region, police) = (&world.region, &world.police);
    let region = RegionRoot::from_pem(&file(region.certificate()), &region.key().to_pem()).unwrap();
    assert_eq!(region.certificate(), world.region.certificate());
    let opened = OrganisationCa::from_pem(&file(police.certificate()), &police.key().to_pem()).unwrap();
    assert_eq!((opened.name(), opened.domain()), (police.name(), police.domain()));
    assert_eq!(opened.functions(), police.functions());

    let open = |certificate: &CertificateDer<'_>, key: &PrivateKey| {
        OrganisationCa::from_pem(&file(certificate), &key.to_pem()).map(drop)
    };
    assert_eq!(open(police.certificate(), world.council.key()), Err(IssueError::OtherKey));
    let wrong = IssueError::NotAnOrganisation(Untrusted::Subject);
    assert_eq!(open(world.region.certificate(), world.region.key()), Err(wrong));
    let (device, key) = world.device();
    assert_eq!(open(&device.chain()[0], &key), Err(IssueError::NotAnAuthority));
    assert_eq!(OrganisationCa::from_pem("", &key.to_pem()).map(drop), Err(IssueError::Certificate));
    assert_eq!(OrganisationCa::from_pem(&file(police.certificate()), "").map(drop), Err(IssueError::Key));
}

#[test]
fn an_authority_whose_name_cannot_be_written_does_not_sign() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = organisation_params();
    params.distinguished_name.push(rcgen::DnType::CustomDnType(vec![2, 5, 4, 10]), "A second organisation");
    let certificate = CertificateDer::from(params.self_signed(&key).unwrap());
    let root = RegionRoot::from_pem(&pem::certificates([&certificate]), &key.serialize_pem()).unwrap();
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let organisation =
        root.issue_organisation(&police(), key, Validity { not_before: NOW, not_after: after(NOW, 9) });
    assert_eq!(organisation.map(drop), Err(IssueError::IssuerName));
}

#[test]
fn what_would_not_be_believed_is_not_issued() {
    let world = World::new();
    let key = ed25519_public();
    let device = |subject: &DeviceSubject, validity| world.police.issue_device(subject, &key, validity).map(drop);
    let mut elsewhere = anne();
    elsewhere.address.professional = "a.jansen@leiden.example".parse().unwrap();
    assert_eq!(device(&elsewhere, Validity::device(NOW)), Err(IssueError::OutsideOrganisation));
    let other = DeviceSubject { function: function("veilig-thuis"), ..anne() };
    assert_eq!(device(&other, Validity::device(NOW)), Err(IssueError::FunctionNotPermitted));
    assert_eq!(device(&anne(), Validity::days(NOW, 3000)), Err(IssueError::OutlivesIssuer));
    assert_eq!(device(&anne(), Validity::days(before(NOW, 1), 9)), Err(IssueError::OutlivesIssuer));
    let backwards = Validity { not_before: NOW, not_after: NOW };
    assert_eq!(device(&anne(), backwards), Err(IssueError::Validity));
    let endless = Validity { not_before: NOW, not_after: Timestamp(u64::MAX) };
    assert_eq!(device(&anne(), endless), Err(IssueError::Validity));

    let organisation = |subject: OrganisationSubject, validity| {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        world.region.issue_organisation(&subject, key, validity).map(drop)
    };
    let year = Validity::days(NOW, 365);
    for domain in ["example", "Politie.example", ".politie.example", "*.politie.example", ""] {
        let subject = OrganisationSubject { domain: domain.to_owned(), ..police() };
        assert_eq!(organisation(subject, year), Err(IssueError::Domain), "{domain}");
    }
    let none = OrganisationSubject { functions: Vec::new(), ..police() };
    assert_eq!(organisation(none, year), Err(IssueError::Functions));
    assert_eq!(organisation(police(), Validity::days(NOW, 9999)), Err(IssueError::OutlivesIssuer));
    assert_eq!(world.police.sign_crl(&[], 1, NOW, NOW), Err(IssueError::Validity));
}

#[test]
fn an_organisation_with_the_most_functions_and_the_largest_keys_fits() {
    let key = || PrivateKey::from_der(&rsa_4096()).unwrap();
    let region = RegionRoot::create_with(&name(&"é".repeat(64)), key(), Validity::days(NOW, 3650)).unwrap();
    let functions: Vec<_> = (0..64).map(|n| function(&format!("function-{n:023}"))).collect();
    let subject = OrganisationSubject { name: name(&"é".repeat(64)), domain: long_domain(), functions };
    let organisation = region.issue_organisation(&subject, key(), Validity::days(NOW, 900)).unwrap();
    let mut person = anne();
    person.address.professional = format!("{}@{}", "a".repeat(64), subject.domain).parse().unwrap();
    person.function = subject.functions[63].clone();
    let device = organisation.issue_device(&person, &ed25519_public(), Validity::device(NOW)).unwrap();
    let anchors = TrustAnchors::from_der([region.certificate()]).unwrap();
    let verdict =
        kring_pki::verify::verify_device(device.chain(), &anchors, kring_pki::verify::When::At(NOW), &Crls::none());
    assert_eq!(verdict.unwrap().address(), &person.address);
}

#[test]
fn a_relay_answers_to_its_own_names_only() {
    let world = World::new();
    let key = || PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let relay =
        world.region.issue_relay(&["relay.example", "192.0.2.1", "2001:db8::1"], key(), Validity::days(NOW, 90));
    let relay = relay.unwrap();
    let verify = |chain: &[CertificateDer<'_>], host: &str, now| {
        verify_relay(chain, &world.anchors, &ServerName::try_from(host.to_owned()).unwrap(), now, &Crls::none())
    };
    for host in ["relay.example", "192.0.2.1", "2001:db8::1"] {
        assert_eq!(verify(relay.chain(), host, NOW), Ok(()), "{host}");
    }
    for host in ["other.example", "a.relay.example", "192.0.2.2"] {
        assert_eq!(verify(relay.chain(), host, NOW), Err(Untrusted::OtherHost), "{host}");
    }
    let late = Untrusted::Expired { whose: Whose::Relay, at: after(NOW, 90) };
    assert_eq!(verify(relay.chain(), "relay.example", after(NOW, 91)), Err(late));
    for host in ["", "a b", "relay.example:443", "*"] {
        assert_eq!(
            world.region.issue_relay(&[host], key(), Validity::days(NOW, 90)).map(drop),
            Err(IssueError::Host),
            "{host}"
        );
    }
    assert_eq!(world.region.issue_relay(&[], key(), Validity::days(NOW, 90)).map(drop), Err(IssueError::Host));
}

#[test]
fn a_relay_is_no_device_and_a_device_is_no_relay() {
    let world = World::new();
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let relay = world.region.issue_relay(&["relay.example"], key, Validity::days(NOW, 90)).unwrap();
    assert_eq!(world.verify(relay.chain()), Err(Untrusted::WrongUsage));

    let verify = |chain: &[CertificateDer<'_>], host: &str| {
        verify_relay(chain, &world.anchors, &ServerName::try_from(host.to_owned()).unwrap(), NOW, &Crls::none())
    };
    let (device, _) = world.device();
    let host = anne().address.to_dns_name();
    assert_eq!(verify(device.chain(), &host), Err(Untrusted::WrongUsage));
    // An organisation's administrator makes a server within the organisation's own domain.
    let server = world.forge(|params| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(verify(&server, &host), Err(Untrusted::WrongUsage));
    let both = world.forge(|params| params.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ServerAuth));
    assert_eq!(verify(&both, &host), Err(Untrusted::WrongUsage));
}

/// The rest of the world reads what is made here, and what it makes is read here.
///
/// Where there is no openssl it says so and is not tried; continuous integration installs one, and fails without.
#[test]
fn openssl_makes_the_authority_of_an_organisation_and_believes_its_devices() {
    if let Err(error) = Command::new("openssl").arg("version").output() {
        assert!(std::env::var_os("CI").is_none(), "openssl is needed here: {error}");
        eprintln!("not tried, there is no openssl here: {error}");
        return;
    }
    let world = World::new();
    let folder = std::env::temp_dir().join(format!("kring-pki-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |arguments: &str| {
        let output =
            Command::new("openssl").current_dir(&folder).args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    // Locked and unlocked on the way, as an administrator's program keeps it.
    let through_the_lock =
        |key: PrivateKey| PrivateKey::unlock(&key.lock("vijf losse woorden").unwrap(), "vijf losse woorden");
    let kinds = [
        "RSA -pkeyopt rsa_keygen_bits:2048",
        "EC -pkeyopt ec_paramgen_curve:P-384",
        "EC -pkeyopt ec_paramgen_curve:P-521",
        "ED25519",
    ];
    for kind in kinds {
        run(&format!("genpkey -out key.pem -algorithm {kind}"));
        run("req -new -key key.pem -subj /O=Anything -out request.pem");
        let request = AuthorityRequest::from_pem(read("request.pem").as_bytes()).unwrap();
        let certificate = world.region.sign_organisation(&police(), &request, Validity::days(NOW, 900)).unwrap();
        let key = through_the_lock(PrivateKey::from_pem(&read("key.pem")).unwrap()).unwrap();
        let police = OrganisationCa::new(certificate, key).unwrap();
        let device = police.issue_device(&anne(), &ed25519_public(), Validity::device(NOW)).unwrap();
        assert!(world.verify(device.chain()).is_ok(), "{kind}");

        std::fs::write(folder.join("root.pem"), pem::certificates([world.region.certificate()])).unwrap();
        std::fs::write(folder.join("device.pem"), pem::certificates(&device.chain()[..1])).unwrap();
        std::fs::write(folder.join("police.pem"), pem::certificates(&device.chain()[1..])).unwrap();
        let when = NOW.0 / 1000;
        run(&format!(
            "verify -x509_strict -attime {when} -purpose sslclient -CAfile root.pem -untrusted police.pem device.pem"
        ));
        let list = police.sign_crl(&[], 1, NOW, after(NOW, 7)).unwrap();
        std::fs::write(folder.join("list.pem"), pem::crl(&list)).unwrap();
        run(&format!(
            "verify -attime {when} -crl_check -CRLfile list.pem -CAfile root.pem -untrusted police.pem device.pem"
        ));
    }
    // Keys in the forms of their own that older programs write.
    for make in ["genrsa -traditional -out old.pem 2048", "ecparam -name secp384r1 -genkey -noout -out old.pem"] {
        run(make);
        let key = PrivateKey::from_pem(&read("old.pem")).unwrap();
        let request = AuthorityRequest::read(&AuthorityRequest::make(&key).unwrap()).unwrap();
        let certificate = world.region.sign_organisation(&police(), &request, Validity::days(NOW, 900)).unwrap();
        let police = OrganisationCa::new(certificate, through_the_lock(key).unwrap()).unwrap();
        assert!(police.issue_device(&anne(), &ed25519_public(), Validity::device(NOW)).is_ok(), "{make}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn ed25519_public() -> [u8; 32] {
    PrivateKey::generate(Algorithm::Ed25519).unwrap().ed25519_public_key().unwrap()
}

fn rsa_4096() -> rustls_pki_types::PrivateKeyDer<'static> {
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA512, rcgen::RsaKeySize::_4096).unwrap();
    pair.into()
}

/// As long as an address allows: 220 characters.
fn long_domain() -> String {
    let label = "a".repeat(54);
    [label.as_str(); 4].join(".")
}
