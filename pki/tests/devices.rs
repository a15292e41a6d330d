//! Certificates of devices: a good one is believed, and each thing wrong with one is refused for its own reason.

mod world;

use kring_pki::issue::{Algorithm, OrganisationCa, PrivateKey, RegionRoot, Validity};
use kring_pki::verify::{
    AnchorError, Crls, MAX_CERTIFICATE, TrustAnchors, Untrusted, When, Whose, require_key, verify_device,
};
use kring_protocol::ids::Timestamp;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use rustls_pki_types::CertificateDer;
use world::*;

#[test]
fn a_good_certificate_says_who_and_what() {
    let world = World::new();
    let (device, key) = world.device();
    let verified = world.verify(device.chain()).unwrap();
    assert_eq!(verified.address(), &anne().address);
    assert_eq!(verified.name(), &anne().name);
    assert_eq!(verified.organisation(), &police().name);
    assert_eq!(verified.function(), &function("police"));
    assert_eq!(Some(*verified.public_key()), key.ed25519_public_key());
    assert_eq!(verified.serial(), device.serial());
    assert_eq!(verified.not_before(), Timestamp(NOW.0 - 3_600_000));
    assert_eq!(verified.not_after(), after(NOW, 365));
    assert_eq!(verified.valid_until(), after(NOW, 365));
    assert_eq!(verified.chain(), device.chain());
    assert_eq!(verified.organisation_certificate(), world.police.certificate());
    assert_eq!(verified.crl(), None);
}

#[test]
fn the_issuer_of_an_organisation_may_use_any_kind_of_key() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Rsa3072] {
        let world = World::with_keys(algorithm);
        assert!(world.verify(world.device().0.chain()).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn the_root_may_come_along_and_the_organisation_must() {
    let world = World::new();
    let (device, _) = world.device();
    let with_root = [device.chain(), &[world.region.certificate().clone()]].concat();
    assert_eq!(world.verify(&with_root).unwrap().chain(), device.chain());
    assert_eq!(world.verify(&device.chain()[..1]), Err(Untrusted::UnknownRoot));
}

#[test]
fn a_domain_below_the_organisations_is_its_own_and_one_that_ends_alike_is_not() {
    let world = World::new();
    let hex = "07".repeat(16);
    let at = |domain: &str| {
        let names = vec![dns(&format!("{hex}.{domain}")), uri(&format!("kring://{domain}/a.jansen/{hex}"))];
        world.verify(&world.forge(|params| params.subject_alt_names = names))
    };
    assert!(at("wijk.politie.example").is_ok());
    assert_eq!(at("anti-politie.example"), Err(Untrusted::OutsideOrganisation));
    assert_eq!(at("antipolitie.example"), Err(Untrusted::OutsideOrganisation));
}

/// What an organisation's administrator could write into a device's certificate with the organisation's own key.
#[test]
fn each_thing_wrong_with_a_device_is_refused_for_its_own_reason() {
    type Change = fn(&mut CertificateParams);
    let cases: &[(&str, Change, Untrusted)] = &[
        (
            "another organisation's address",
            |p| p.subject_alt_names = names("leiden.example", 7, 7),
            Untrusted::OutsideOrganisation,
        ),
        (
            "another organisation's address in the URI",
            |p| p.subject_alt_names[1] = names("leiden.example", 7, 7)[1].clone(),
            Untrusted::NamesDisagree,
        ),
        (
            "another organisation's address in the DNS name",
            |p| p.subject_alt_names[0] = names("leiden.example", 7, 7)[0].clone(),
            Untrusted::OutsideOrganisation,
        ),
        ("two devices", |p| p.subject_alt_names = names("politie.example", 7, 8), Untrusted::NamesDisagree),
        ("a wildcard", |p| p.subject_alt_names[0] = dns("*.politie.example"), Untrusted::NamesDisagree),
        ("no names", |p| p.subject_alt_names.clear(), Untrusted::Names),
        ("no URI", |p| p.subject_alt_names.truncate(1), Untrusted::Names),
        ("no DNS name", |p| drop(p.subject_alt_names.remove(0)), Untrusted::Names),
        ("an extra DNS name", |p| p.subject_alt_names.push(dns("relay.politie.example")), Untrusted::Names),
        ("an extra URI", |p| p.subject_alt_names.push(names("leiden.example", 7, 7)[1].clone()), Untrusted::Names),
        (
            "an extra IP address",
            |p| p.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into())),
            Untrusted::Names,
        ),
        (
            "an extra e-mail address",
            |p| p.subject_alt_names.push(SanType::Rfc822Name("a@b.example".try_into().unwrap())),
            Untrusted::Names,
        ),
        ("a URI of another scheme", |p| p.subject_alt_names[1] = uri("https://politie.example/"), Untrusted::Names),
        ("a function that it may not write", |p| subject(p, TITLE, "veilig-thuis"), Untrusted::FunctionNotPermitted),
        ("a function that is none", |p| subject(p, TITLE, "Police"), Untrusted::Subject),
        ("no function", |p| without(p, TITLE), Untrusted::Subject),
        (
            "another organisation's name",
            |p| subject(p, DnType::OrganizationName, "Gemeente Leiden"),
            Untrusted::OrganisationNameDiffers,
        ),
        ("two organisations", |p| subject(p, second(10), "Gemeente Leiden"), Untrusted::Subject),
        ("two names", |p| subject(p, second(3), "Bert Jansen"), Untrusted::Subject),
        ("no organisation", |p| without(p, DnType::OrganizationName), Untrusted::Subject),
        ("no name", |p| without(p, DnType::CommonName), Untrusted::Subject),
        ("a name that reads backwards", |p| subject(p, DnType::CommonName, "Anne\u{202e}nesnaJ"), Untrusted::Subject),
        ("a name without end", |p| subject(p, DnType::CommonName, &"a".repeat(65)), Untrusted::Subject),
        ("no usage", |p| p.extended_key_usages.clear(), Untrusted::WrongUsage),
        ("a TLS client of something else", |p| p.extended_key_usages.truncate(1), Untrusted::WrongUsage),
        ("any usage", |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any], Untrusted::WrongUsage),
        ("a server", |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth], Untrusted::WrongUsage),
        ("no signatures", |p| p.key_usages = vec![rcgen::KeyUsagePurpose::KeyAgreement], Untrusted::WrongUsage),
        ("no key usage", |p| p.key_usages.clear(), Untrusted::WrongUsage),
        ("an authority", |p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained), Untrusted::WrongUsage),
        (
            "expired",
            |p| (p.not_before, p.not_after) = (date(before(NOW, 9)), date(before(NOW, 1))),
            Untrusted::Expired { whose: Whose::Device, at: before(NOW, 1) },
        ),
        (
            "not valid yet",
            |p| p.not_before = date(after(NOW, 1)),
            Untrusted::NotYetValid { whose: Whose::Device, from: after(NOW, 1) },
        ),
        ("an unknown critical extension", |p| p.custom_extensions = vec![critical()], Untrusted::UnknownDemand),
        (
            "too many bytes",
            |p| p.custom_extensions = vec![functions(&[&[4, 0x82, 0x20, 0][..], &[0; 8192]].concat())],
            Untrusted::TooLarge,
        ),
    ];
    let world = World::new();
    assert!(world.verify(&world.forge(|_| {})).is_ok(), "the forger's pen writes good certificates too");
    for (what, change, reason) in cases {
        assert_eq!(world.verify(&world.forge(change)), Err(*reason), "{what}");
    }
}

/// What a region could write into an organisation's certificate by mistake.
#[test]
fn each_thing_wrong_with_an_organisation_is_refused_for_its_own_reason() {
    type Change = fn(&mut CertificateParams);
    let late = |whose, at| Untrusted::Expired { whose, at };
    let cases: &[(&str, Change, Untrusted)] = &[
        ("no domain", |p| p.name_constraints = None, Untrusted::OrganisationWithoutDomain),
        (
            "two domains",
            |p| p.name_constraints = Some(domains(&["politie.example", "leiden.example"])),
            Untrusted::OrganisationWithoutDomain,
        ),
        (
            "a top-level domain",
            |p| p.name_constraints = Some(domains(&["example"])),
            Untrusted::OrganisationWithoutDomain,
        ),
        ("all domains", |p| p.name_constraints = Some(domains(&[""])), Untrusted::OrganisationWithoutDomain),
        (
            "another domain",
            |p| p.name_constraints = Some(domains(&["leiden.example"])),
            Untrusted::OutsideOrganisation,
        ),
        ("no functions", |p| p.custom_extensions.clear(), Untrusted::OrganisationWithoutFunctions),
        (
            "an empty list of functions",
            |p| p.custom_extensions = vec![functions(&[0x30, 0])],
            Untrusted::OrganisationWithoutFunctions,
        ),
        (
            "bytes after the functions",
            |p| p.custom_extensions = vec![functions(b"\x30\x08\x16\x06police\x05\x00")],
            Untrusted::OrganisationWithoutFunctions,
        ),
        (
            "two lists of functions",
            |p| p.custom_extensions.push(p.custom_extensions[0].clone()),
            Untrusted::OrganisationWithoutFunctions,
        ),
        ("no usage", |p| p.extended_key_usages.clear(), Untrusted::WrongUsage),
        (
            "the usage of relays",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
            Untrusted::WrongUsage,
        ),
        ("not an authority", |p| p.is_ca = IsCa::ExplicitNoCa, Untrusted::NoOrganisation),
        (
            "may not sign",
            |p| p.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature],
            Untrusted::NoOrganisation,
        ),
        (
            "expired",
            |p| (p.not_before, p.not_after) = (date(before(NOW, 9)), date(before(NOW, 1))),
            late(Whose::Authority, before(NOW, 1)),
        ),
    ];
    let world = World::new();
    assert!(world.verify(&world.forge_organisation(|_| {})).is_ok(), "the forger's pen writes good certificates too");
    for (what, change, reason) in cases {
        assert_eq!(world.verify(&world.forge_organisation(change)), Err(*reason), "{what}");
    }
}

#[test]
fn the_key_of_a_device_is_ed25519_and_nothing_else() {
    let world = World::new();
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let ecdsa = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    for key in [rsa, ecdsa] {
        assert_eq!(world.verify(&world.forge_with(&key, |_| {})), Err(Untrusted::KeyNotEd25519));
    }
}

#[test]
fn a_certificate_is_for_one_key() {
    let world = World::new();
    let (device, key) = world.device();
    let verified = world.verify(device.chain()).unwrap();
    let own = key.ed25519_public_key().unwrap();
    assert_eq!(require_key(&verified, &own), Ok(()));
    let other = PrivateKey::generate(Algorithm::Ed25519).unwrap().ed25519_public_key().unwrap();
    for stolen in [&other[..], &own[..31], &[], &[&own[..], &[0]].concat()] {
        assert_eq!(require_key(&verified, stolen), Err(Untrusted::KeyDiffers));
    }
}

#[test]
fn a_root_that_is_not_pinned_vouches_for_nobody() {
    let (world, other) = (World::new(), World::new());
    // Another root of the same name: its signatures are not those of the pinned one.
    assert_eq!(world.verify(other.device().0.chain()), Err(Untrusted::BadSignature));
    let stranger = RegionRoot::create(&name("Elsewhere"), Validity::days(NOW, 100)).unwrap();
    let anchors = TrustAnchors::from_der([stranger.certificate()]).unwrap();
    let (device, _) = world.device();
    let verdict = verify_device(device.chain(), &anchors, When::At(NOW), &Crls::none());
    assert_eq!(verdict, Err(Untrusted::UnknownRoot));
    let both = TrustAnchors::from_der([stranger.certificate(), world.region.certificate()]).unwrap();
    assert!(verify_device(device.chain(), &both, When::At(NOW), &Crls::none()).is_ok());
}

#[test]
fn only_an_organisation_makes_devices() {
    let world = World::new();
    // The region itself.
    let root_key = pair(world.region.key());
    let root = rcgen::Issuer::from_ca_cert_der(world.region.certificate(), &root_key).unwrap();
    let leaf: CertificateDer<'_> = device_params().signed_by(&ed25519(), &root).unwrap().into();
    assert_eq!(world.verify(&[leaf]), Err(Untrusted::NoOrganisation));

    // An authority that the organisation made.
    let key = KeyPair::generate().unwrap();
    let mut below = organisation_params();
    below.distinguished_name.push(DnType::CommonName, "Department");
    let authority = sign(&world.police, &key, below.clone(), |_| {});
    let leaf = device_params().signed_by(&ed25519(), &rcgen::Issuer::new(below, &key)).unwrap().into();
    let chain = [leaf, authority, world.police.certificate().clone()];
    assert_eq!(world.verify(&chain), Err(Untrusted::NoOrganisation));

    // Another device.
    let (device, key) = world.device();
    let pair = pair(&key);
    let issuer = rcgen::Issuer::from_ca_cert_der(&device.chain()[0], &pair).unwrap();
    let leaf = device_params().signed_by(&ed25519(), &issuer).unwrap().into();
    let chain = [&[leaf][..], device.chain()].concat();
    assert_eq!(world.verify(&chain), Err(Untrusted::NoOrganisation));
}

#[test]
fn the_merge_gate_looks_at_no_clock() {
    let world = World::new();
    let (device, _) = world.device();
    let at = |moment| verify_device(device.chain(), &world.anchors, When::At(moment), &Crls::none()).map(drop);
    let expired = |whose, at| Err(Untrusted::Expired { whose, at });
    assert_eq!(at(after(NOW, 365)), Ok(()), "its last second");
    assert_eq!(at(after(NOW, 366)), expired(Whose::Device, after(NOW, 365)));
    assert!(matches!(at(before(NOW, 1)), Err(Untrusted::NotYetValid { whose: Whose::Device, .. })));
    assert!(matches!(at(after(NOW, 3000)), Err(Untrusted::Expired { whose: Whose::Device, .. })));

    let ever =
        |chain: &[CertificateDer<'_>]| verify_device(chain, &world.anchors, When::Ever, &Crls::none()).map(drop);
    assert_eq!(ever(device.chain()), Ok(()));
    let long_ago = world.forge(|p| (p.not_before, p.not_after) = (date(before(NOW, 900)), date(after(NOW, 1))));
    assert_eq!(ever(&long_ago), Ok(()), "older than its issuer's renewed certificate");
    let never = world.forge(|p| (p.not_before, p.not_after) = (date(before(NOW, 900)), date(before(NOW, 800))));
    assert_eq!(ever(&never), expired(Whose::Device, before(NOW, 800)), "gone before its issuer came");
    let never = world.forge(|p| (p.not_before, p.not_after) = (date(after(NOW, 2000)), date(after(NOW, 2001))));
    assert_eq!(ever(&never), Err(Untrusted::NotYetValid { whose: Whose::Device, from: after(NOW, 2000) }));
}

#[test]
fn a_renewed_organisation_vouches_for_what_it_signed_before() {
    let world = World::new();
    let (device, _) = world.device();
    let key = PrivateKey::from_pem(&world.police.key().to_pem()).unwrap();
    let later = after(NOW, 300);
    let renewed = world.region.issue_organisation(&police(), key, Validity::days(later, 1825)).unwrap();
    let [leaf, old] = device.chain() else { panic!("two certificates") };
    for chain in [
        [leaf.clone(), renewed.certificate().clone(), old.clone()],
        [leaf.clone(), old.clone(), renewed.certificate().clone()],
    ] {
        for when in [When::Ever, When::At(NOW), When::At(after(NOW, 301))] {
            assert!(verify_device(&chain, &world.anchors, when, &Crls::none()).is_ok(), "{when:?}");
        }
    }
    let chain = [leaf.clone(), renewed.certificate().clone()];
    assert!(verify_device(&chain, &world.anchors, When::Ever, &Crls::none()).is_ok());
    assert!(verify_device(&chain, &world.anchors, When::At(NOW), &Crls::none()).is_err());
}

#[test]
fn an_organisation_goes_on_with_a_new_key_without_a_break() {
    let world = World::new();
    let (before, _) = world.device();
    let key = PrivateKey::generate(Algorithm::EcdsaP384).unwrap();
    let renewed = world.region.issue_organisation(&police(), key, Validity::days(NOW, 1825)).unwrap();
    let public = PrivateKey::generate(Algorithm::Ed25519).unwrap().ed25519_public_key().unwrap();
    let after = renewed.issue_device(&anne(), &public, Validity::device(NOW)).unwrap();
    assert!(world.verify(before.chain()).is_ok() && world.verify(after.chain()).is_ok());
    // Each with its own authority: they bear one name and have two keys.
    let mixed = [after.chain()[0].clone(), before.chain()[1].clone()];
    assert_eq!(world.verify(&mixed), Err(Untrusted::BadSignature));
    // The list of one key says nothing of what the other has signed.
    let revoke = |authority: &OrganisationCa, serial: &kring_pki::form::Serial| {
        let revocation = kring_pki::issue::Revocation {
            serial: serial.clone(),
            at: NOW,
            reason: kring_pki::issue::Reason::KeyCompromise,
        };
        let list = authority.sign_crl(&[revocation], 1, NOW, NOW.plus(Timestamp::DAY)).unwrap();
        [kring_pki::verify::Crl::from_der(&list).unwrap()].into_iter().collect::<Crls>()
    };
    let check = |chain: &[CertificateDer<'_>], crls: &Crls| {
        verify_device(chain, &world.anchors, When::At(NOW), crls).map(drop)
    };
    assert_eq!(
        check(before.chain(), &revoke(&world.police, before.serial())),
        Err(Untrusted::Revoked(Whose::Device))
    );
    assert_eq!(check(before.chain(), &revoke(&renewed, before.serial())), Ok(()), "the other key's list");
    assert_eq!(check(after.chain(), &revoke(&renewed, after.serial())), Err(Untrusted::Revoked(Whose::Device)));
}

#[test]
fn chains_are_bounded() {
    let world = World::new();
    let (device, _) = world.device();
    let [leaf, organisation] = device.chain() else { panic!("two certificates") };
    assert_eq!(world.verify(&[]), Err(Untrusted::NoCertificate));
    let long = [leaf.clone(), organisation.clone(), organisation.clone(), organisation.clone()];
    assert_eq!(world.verify(&long), Err(Untrusted::ChainTooLong));
    let large = CertificateDer::from(vec![0x30; MAX_CERTIFICATE + 1]);
    assert_eq!(world.verify(&[leaf.clone(), large]), Err(Untrusted::TooLarge));
    let trailing = CertificateDer::from([&leaf[..], &[0]].concat());
    assert_eq!(world.verify(&[trailing, organisation.clone()]), Err(Untrusted::Unreadable));
    assert_eq!(world.verify(&[CertificateDer::from(&b"garbage"[..])]), Err(Untrusted::Unreadable));
}

#[test]
fn roots_are_authorities() {
    let world = World::new();
    let (device, _) = world.device();
    let pin = |pem: &str| TrustAnchors::from_pem(pem.as_bytes()).map(|anchors| anchors.certificates().len());
    let root = kring_pki::pem::certificates([world.region.certificate()]);
    assert_eq!(pin(&root), Ok(1));
    assert_eq!(pin(&root.repeat(3)), Ok(3));
    assert_eq!(pin(""), Err(AnchorError::Empty));
    assert_eq!(pin(&kring_pki::pem::certificates(device.chain())), Err(AnchorError::NotAnAuthority));
    assert_eq!(pin("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), Err(AnchorError::Unreadable));
    assert_eq!(pin("-----BEGIN CERTIFICATE-----\nAAAA\n"), Err(AnchorError::Pem));
}

#[test]
fn debug_and_reasons_name_nobody() {
    let world = World::new();
    let (device, key) = world.device();
    let verified = world.verify(device.chain()).unwrap();
    let organisation = OrganisationCa::new(
        world.council.certificate().clone(),
        PrivateKey::from_pem(&world.council.key().to_pem()).unwrap(),
    );
    let shown = format!(
        "{verified:?} {device:?} {key:?} {:?} {:?} {:?} {:?} {:?} {organisation:?}",
        world.anchors,
        world.region,
        world.police,
        anne(),
        police(),
    );
    for hidden in ["Jansen", "jansen", "0707", "Hollands", "Leiden", "PRIVATE"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
    let reason = Untrusted::Expired { whose: Whose::Device, at: NOW };
    assert_eq!(reason.to_string(), "the certificate of the device expired at 2027-01-15 08:00 UTC; renew it");
}

const TITLE: DnType = DnType::CustomDnType(Vec::new());

/// Sets an attribute of the subject; [`TITLE`] stands for the title.
fn subject(params: &mut CertificateParams, kind: DnType, value: &str) {
    params.distinguished_name.push(kind_of(kind), value);
}

/// An attribute of the subject by number; rcgen takes it for another one than the attribute that it knows by name.
fn second(number: u64) -> DnType {
    DnType::CustomDnType(vec![2, 5, 4, number])
}

fn without(params: &mut CertificateParams, kind: DnType) {
    assert!(params.distinguished_name.remove(kind_of(kind)));
}

fn kind_of(kind: DnType) -> DnType {
    if kind == TITLE { DnType::CustomDnType(vec![2, 5, 4, 12]) } else { kind }
}

fn names(domain: &str, in_dns: u8, in_uri: u8) -> Vec<SanType> {
    let hex = |byte: u8| format!("{byte:02x}").repeat(16);
    vec![dns(&format!("{}.{domain}", hex(in_dns))), uri(&format!("kring://{domain}/a.jansen/{}", hex(in_uri)))]
}

fn critical() -> rcgen::CustomExtension {
    let mut extension = functions(b"\x30\x08\x16\x06police");
    extension.set_criticality(true);
    extension
}
