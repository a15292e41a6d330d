//! Lists of revoked certificates: who is cut off, and who cannot be by a false list.
#![expect(clippy::unwrap_used, reason = "a helper that fails at an `unwrap` fails its test there")]

mod world;

use kring_pki::form::Serial;
use kring_pki::issue::{Algorithm, IssueError, OrganisationCa, PrivateKey, Reason, Revocation, Validity};
use kring_pki::verify::{
    Crl, CrlError, Crls, MAX_CRL, UnbelievedCrl, Untrusted, VerifiedDevice, When, Whose, issuer_id, verify_crl,
    verify_device, verify_relay,
};
use kring_protocol::ids::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use world::*;

#[test]
fn a_revoked_device_is_refused_at_both_gates_and_its_neighbour_is_not() {
    for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::Rsa3072] {
        let world = World::with_keys(algorithm);
        let ((lost, _), (kept, _)) = (world.device(), world.device());
        let list = list(&world.police.sign_crl(&[revoked(lost.serial())], 1, NOW, after(NOW, 7)).unwrap());
        assert!(list.revokes(lost.serial()) && !list.revokes(kept.serial()), "{algorithm:?}");
        assert_eq!(list.verify(world.police.certificate()), Ok(()), "{algorithm:?}");
        let crls = Crls::from_iter([list]);
        for when in [When::At(NOW), When::Ever] {
            assert_eq!(
                check(&world, lost.chain(), when, &crls),
                Err(Untrusted::Revoked(Whose::Device)),
                "{algorithm:?}"
            );
            let seen = check(&world, kept.chain(), when, &crls).unwrap().crl().unwrap();
            assert_eq!((seen.number, seen.this_update, seen.next_update), (1, NOW, after(NOW, 7)));
        }
    }
}

#[test]
fn every_reason_and_an_empty_list_can_be_signed() {
    let world = World::new();
    let reasons = [
        Reason::Unspecified,
        Reason::KeyCompromise,
        Reason::AffiliationChanged,
        Reason::Superseded,
        Reason::CessationOfOperation,
    ];
    let entries = (0u8..).zip(reasons).map(|(number, reason)| Revocation {
        serial: Serial::from_bytes(&[0x40 + number; 16]).unwrap(),
        at: NOW,
        reason,
    });
    let entries: Vec<_> = entries.collect();
    let list = list(&world.police.sign_crl(&entries, u64::MAX, NOW, after(NOW, 1)).unwrap());
    assert!(entries.iter().all(|entry| list.revokes(&entry.serial)));
    assert_eq!(list.seen().number, u64::MAX);
    assert!(Crl::from_der(&world.police.sign_crl(&[], 0, NOW, after(NOW, 1)).unwrap()).is_ok());
}

#[test]
fn a_list_of_another_organisation_says_nothing() {
    let world = World::new();
    let (device, _) = world.device();
    let foreign = list(&world.council.sign_crl(&[revoked(device.serial())], 9, NOW, after(NOW, 7)).unwrap());
    assert_eq!(foreign.verify(world.police.certificate()), Err(CrlError::OtherIssuer));
    let verified = check(&world, device.chain(), When::At(NOW), &Crls::from_iter([foreign])).unwrap();
    assert_eq!(verified.crl(), None);
}

#[test]
fn a_forged_list_neither_revokes_nor_hides_a_real_one() {
    let (world, forger) = (World::new(), World::new());
    let ((lost, _), (kept, _)) = (world.device(), world.device());
    // The same names, other keys.
    let forged = |serials: &[Revocation]| list(&forger.police.sign_crl(serials, 99, NOW, after(NOW, 7)).unwrap());
    let real = || list(&world.police.sign_crl(&[revoked(lost.serial())], 1, NOW, after(NOW, 7)).unwrap());
    assert_eq!(forged(&[]).verify(world.police.certificate()), Err(CrlError::BadSignature));

    let crls = Crls::from_iter([forged(&[revoked(kept.serial())])]);
    assert_eq!(check(&world, kept.chain(), When::At(NOW), &crls).unwrap().crl(), None);
    for crls in [[forged(&[]), real()], [real(), forged(&[])]] {
        let crls = Crls::from_iter(crls);
        assert_eq!(check(&world, lost.chain(), When::At(NOW), &crls), Err(Untrusted::Revoked(Whose::Device)));
        assert_eq!(check(&world, kept.chain(), When::At(NOW), &crls).unwrap().crl().unwrap().number, 1);
    }
    let forged_root =
        list(&forger.region.sign_crl(&[revoked(&police_serial(&world))], 1, NOW, after(NOW, 7)).unwrap());
    assert!(check(&world, kept.chain(), When::At(NOW), &Crls::from_iter([forged_root])).is_ok());
}

#[test]
fn of_an_issuers_lists_the_newest_decides_whatever_their_order() {
    let world = World::new();
    let (device, _) = world.device();
    let revoking =
        |number| list(&world.police.sign_crl(&[revoked(device.serial())], number, NOW, after(NOW, 7)).unwrap());
    let empty = |number| list(&world.police.sign_crl(&[], number, NOW, after(NOW, 7)).unwrap());
    let verdict = |crls: [Crl; 2]| check(&world, device.chain(), When::At(NOW), &Crls::from_iter(crls));
    for crls in [[revoking(1), empty(2)], [empty(2), revoking(1)]] {
        assert_eq!(verdict(crls).unwrap().crl().unwrap().number, 2, "taken back");
    }
    for crls in [[revoking(2), empty(1)], [empty(1), revoking(2)]] {
        assert_eq!(verdict(crls), Err(Untrusted::Revoked(Whose::Device)));
    }
    for crls in [[revoking(1), empty(1)], [empty(1), revoking(1)]] {
        assert_eq!(verdict(crls), Err(Untrusted::Revoked(Whose::Device)), "two with one number");
    }
    // The same for the region's lists about organisations.
    let serial = police_serial(&world);
    let region =
        |number, serials: &[Revocation]| list(&world.region.sign_crl(serials, number, NOW, after(NOW, 7)).unwrap());
    assert!(verdict([region(1, &[revoked(&serial)]), region(2, &[])]).is_ok());
    let cut = verdict([region(2, &[revoked(&serial)]), region(1, &[])]);
    assert_eq!(cut, Err(Untrusted::Revoked(Whose::Authority)));
}

#[test]
fn a_list_is_handed_on_only_with_an_issuer_that_a_pinned_root_vouches_for() {
    let world = World::new();
    let (device, _) = world.device();
    let none = Crls::none();
    let own = world.police.sign_crl(&[revoked(device.serial())], 3, NOW, after(NOW, 7)).unwrap();
    let police = world.police.certificate();
    let verified = verify_crl(&own, Some(police), &world.anchors, NOW, &none).unwrap();
    assert_eq!(Some(verified.issuer()), issuer_id(police));
    assert!(verified.crl().revokes(device.serial()));

    let root_list = world.region.sign_crl(&[revoked(&police_serial(&world))], 1, NOW, after(NOW, 7)).unwrap();
    let verified = verify_crl(&root_list, None, &world.anchors, NOW, &none).unwrap();
    assert_eq!(Some(verified.issuer()), issuer_id(world.region.certificate()));
    let believed = verify_device(device.chain(), &world.anchors, When::At(NOW), &none).unwrap();
    assert_eq!(Some(believed.root()), issuer_id(world.region.certificate()));
    let mut crls = Crls::none();
    crls.add(verified.shared());

    let refused = |der: &[u8], authority, now, crls: &Crls| {
        verify_crl(der, authority, &world.anchors, now, crls).map(drop).unwrap_err()
    };
    let revoked_issuer = UnbelievedCrl::Issuer(Untrusted::Revoked(Whose::Authority));
    assert_eq!(refused(&own, Some(police), NOW, &crls), revoked_issuer);
    assert_eq!(refused(&own, None, NOW, &none), UnbelievedCrl::Issuer(Untrusted::UnknownRoot));
    let council = Some(world.council.certificate());
    assert_eq!(refused(&own, council, NOW, &none), UnbelievedCrl::List(CrlError::OtherIssuer));
    let device_as_authority = Some(&device.chain()[0]);
    assert_eq!(refused(&own, device_as_authority, NOW, &none), UnbelievedCrl::Issuer(Untrusted::NoOrganisation));
    let elsewhere = World::new();
    let foreign = elsewhere.police.sign_crl(&[], 9, NOW, after(NOW, 7)).unwrap();
    let foreign_authority = Some(elsewhere.police.certificate());
    assert_eq!(refused(&foreign, foreign_authority, NOW, &none), UnbelievedCrl::Issuer(Untrusted::UnknownRoot));
    // Another region's organisation with the names of this one.
    assert_eq!(refused(&foreign, Some(police), NOW, &none), UnbelievedCrl::List(CrlError::BadSignature));
    let late = after(NOW, 100_000);
    assert!(matches!(
        refused(&own, Some(police), late, &none),
        UnbelievedCrl::Issuer(Untrusted::Expired { whose: Whose::Authority, .. })
    ));
    assert_eq!(refused(b"garbage", Some(police), NOW, &none), UnbelievedCrl::List(CrlError::Unreadable));
}

#[test]
fn a_region_revokes_an_organisation_with_all_its_devices() {
    let world = World::new();
    let (device, _) = world.device();
    let region = list(&world.region.sign_crl(&[revoked(&police_serial(&world))], 1, NOW, after(NOW, 30)).unwrap());
    assert_eq!(region.verify(world.region.certificate()), Ok(()));
    let crls = Crls::from_iter([region]);
    assert_eq!(check(&world, device.chain(), When::At(NOW), &crls), Err(Untrusted::Revoked(Whose::Authority)));
    // A certificate of the organisation that is not revoked, added to the chain, is no way round.
    let key = PrivateKey::from_pem(&world.police.key().to_pem()).unwrap();
    let renewed = world.region.issue_organisation(&police(), key, Validity::days(NOW, 30)).unwrap();
    let chain = [device.chain(), &[renewed.certificate().clone()]].concat();
    assert_eq!(check(&world, &chain, When::At(NOW), &crls), Err(Untrusted::Revoked(Whose::Authority)));
    let chain = [device.chain()[0].clone(), renewed.certificate().clone()];
    assert!(check(&world, &chain, When::At(NOW), &crls).is_ok());
}

#[test]
fn a_revoked_relay_is_refused() {
    let world = World::new();
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let relay = world.region.issue_relay(&["relay.example"], key, Validity::days(NOW, 90)).unwrap();
    let serial = Serial::of(&relay.chain()[0]).unwrap();
    let crls = Crls::from_iter([list(&world.region.sign_crl(&[revoked(&serial)], 1, NOW, after(NOW, 7)).unwrap())]);
    let host = ServerName::try_from("relay.example").unwrap();
    assert_eq!(verify_relay(relay.chain(), &world.anchors, &host, NOW, &Crls::none()), Ok(()));
    let verdict = verify_relay(relay.chain(), &world.anchors, &host, NOW, &crls);
    assert_eq!(verdict, Err(Untrusted::Revoked(Whose::Relay)));
}

#[test]
fn lists_that_cannot_be_used_are_refused() {
    let world = World::new();
    let der = world.police.sign_crl(&[], 1, NOW, after(NOW, 7)).unwrap();
    let read = |der: &[u8]| Crl::from_der(der).map(drop);
    assert_eq!(read(&der), Ok(()));
    assert_eq!(read(&[&der[..], &[0]].concat()), Err(CrlError::Unreadable));
    assert_eq!(read(b"garbage"), Err(CrlError::Unreadable));
    assert_eq!(read(&vec![0x30; MAX_CRL + 1]), Err(CrlError::TooLarge));
    assert_eq!(read(world.police.certificate()), Err(CrlError::Unreadable));
    // A number beyond 64 bits, from another kind of software.
    let key = pair(world.police.key());
    let issuer = rcgen::Issuer::from_ca_cert_der(world.police.certificate(), &key).unwrap();
    let mut wide = list_params();
    wide.crl_number = rcgen::SerialNumber::from_slice(&[0x40; 9]);
    assert_eq!(read(wide.signed_by(&issuer).unwrap().der()), Err(CrlError::Number));
}

#[test]
fn a_list_about_authorities_only_says_nothing_about_devices() {
    let world = World::new();
    let (device, _) = world.device();
    let key = pair(world.police.key());
    let issuer = rcgen::Issuer::from_ca_cert_der(world.police.certificate(), &key).unwrap();
    let mut params = list_params();
    params.issuing_distribution_point = Some(rcgen::CrlIssuingDistributionPoint {
        distribution_point: rcgen::CrlDistributionPoint { uris: vec!["http://politie.example/list".to_owned()] },
        scope: Some(rcgen::CrlScope::CaCertsOnly),
    });
    let partial = list(params.signed_by(&issuer).unwrap().der());
    let verified = check(&world, device.chain(), When::At(NOW), &Crls::from_iter([partial])).unwrap();
    assert_eq!(verified.crl(), None);
}

#[test]
fn an_organisation_without_the_right_to_revoke_cannot() {
    let world = World::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(organisation_params(), &key);
    let signed = list(list_params().signed_by(&issuer).unwrap().der());
    let chain = world.forge_organisation_with(&key, |p| p.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign]);
    assert_eq!(signed.verify(&chain[1]), Err(CrlError::NotAllowed));
    assert_eq!(check(&world, &chain, When::At(NOW), &Crls::from_iter([signed])).unwrap().crl(), None);
    let police = OrganisationCa::new(chain[1].clone(), PrivateKey::from_pem(&key.serialize_pem()).unwrap()).unwrap();
    assert_eq!(police.sign_crl(&[], 1, NOW, after(NOW, 7)), Err(IssueError::MayNotRevoke));
}

#[test]
fn debug_shows_the_number_only() {
    let world = World::new();
    let list = list(&world.police.sign_crl(&[], 5, NOW, after(NOW, 7)).unwrap());
    assert_eq!(format!("{:?}", Crls::from_iter([list])), "Crls([Crl(5)])");
}

fn check(world: &World, chain: &[CertificateDer<'_>], when: When, crls: &Crls) -> Result<VerifiedDevice, Untrusted> {
    verify_device(chain, &world.anchors, when, crls)
}

fn list(der: &CertificateRevocationListDer<'_>) -> Crl {
    Crl::from_der(der).unwrap()
}

fn revoked(serial: &Serial) -> Revocation {
    Revocation { serial: serial.clone(), at: Timestamp(NOW.0 - 1000), reason: Reason::KeyCompromise }
}

fn police_serial(world: &World) -> Serial {
    Serial::of(world.police.certificate()).unwrap()
}

/// An empty list as rcgen takes it.
fn list_params() -> rcgen::CertificateRevocationListParams {
    rcgen::CertificateRevocationListParams {
        this_update: date(NOW),
        next_update: date(after(NOW, 1)),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    }
}
