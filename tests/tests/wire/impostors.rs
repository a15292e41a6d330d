//! People who are not who they say, each tried as a TLS client of the relay: refused with an alert of its own, and those
//! who are let in go on.

use kring_pki::form::{DEVICE_USAGE, DisplayName, FunctionCode};
use kring_pki::issue::{Algorithm, OrganisationCa, OrganisationSubject, PrivateKey, RegionRoot, Validity};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{DeviceId, Epoch, Timestamp};
use kring_protocol::message::Reply;
use kring_tests::clock;
use kring_tests::log::Log;
use kring_tests::relay;
use kring_tests::wire::{Manner, Wire};
use kring_tests::world::{Device, POLICE, SHELTER, World};
use quinn::ConnectionError;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls_pki_types::CertificateDer;

/// Where the TLS alerts begin among QUIC's error codes (RFC 9001 §4.8).
const ALERTS: u64 = 0x100;
const UNSUPPORTED_CERTIFICATE: u64 = 43;
const CERTIFICATE_REVOKED: u64 = 44;
const CERTIFICATE_EXPIRED: u64 = 45;
const UNKNOWN_CA: u64 = 48;
const ACCESS_DENIED: u64 = 49;
const DECRYPT_ERROR: u64 = 51;

fn ago(days: u64) -> Timestamp {
    Timestamp(clock::now().0 - days * Timestamp::DAY)
}

fn address(domain: &str) -> DeviceAddress {
    let professional = format!("mallory@{domain}").parse().expect("an address");
    DeviceAddress { professional, device: DeviceId(rand::random()) }
}

/// A device with a certificate as `authority` would sign it with a program of its own, after `change`.
fn forge(authority: &OrganisationCa, address: DeviceAddress, change: impl FnOnce(&mut CertificateParams)) -> Device {
    let key = PrivateKey::generate(Algorithm::Ed25519).expect("a key");
    let date = |at: Timestamp| {
        let seconds = i64::try_from(at.0 / Timestamp::SECOND).expect("a time");
        time::OffsetDateTime::from_unix_timestamp(seconds).expect("a time")
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Mallory");
    params.distinguished_name.push(DnType::OrganizationName, authority.name().as_str());
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), authority.functions()[0].as_str());
    params.subject_alt_names = vec![
        SanType::DnsName(address.to_dns_name().try_into().expect("a name")),
        SanType::URI(address.to_uri().try_into().expect("a URI")),
    ];
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(DEVICE_USAGE.to_vec())];
    (params.not_before, params.not_after) = (date(ago(1)), date(clock::now().plus(30 * Timestamp::DAY)));
    change(&mut params);
    let signer = KeyPair::from_pem(&authority.key().to_pem()).expect("a key");
    let issuer = Issuer::from_ca_cert_der(authority.certificate(), &signer).expect("an authority");
    let own = KeyPair::from_pem(&key.to_pem()).expect("a key");
    let leaf = CertificateDer::from(params.signed_by(&own, &issuer).expect("a certificate"));
    Device { address, chain: vec![leaf, authority.certificate().clone()], key }
}

/// An authority of the shelter's domain by some region.
fn authority(region: &RegionRoot, validity: Validity) -> OrganisationCa {
    let subject = OrganisationSubject {
        name: DisplayName::new("Opvang Proef").expect("a name"),
        domain: SHELTER.to_owned(),
        functions: vec![FunctionCode::new("shelter").expect("a code")],
    };
    let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
    region.issue_organisation(&subject, key, validity).expect("a certificate")
}

/// Everybody who is not who they say, with the alert that tells why.
async fn impostors(world: &World, relay: std::net::SocketAddr) -> Vec<(&'static str, Device, u64)> {
    let victim = world.device("bert@opvang.example");
    let other_key = PrivateKey::generate(Algorithm::Ed25519).expect("a key");
    let stolen = Device { address: victim.address, chain: victim.chain, key: other_key };
    let shelter = world.organisation(SHELTER);
    let server = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let veilig_thuis = |params: &mut CertificateParams| {
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), "veilig-thuis");
    };
    let ended = authority(world.region(), Validity { not_before: ago(9), not_after: ago(2) });
    let elsewhere = RegionRoot::create(&DisplayName::new("Elders").expect("a name"), Validity::days(ago(9), 99));
    let unpinned = authority(&elsewhere.expect("a root"), Validity::days(ago(8), 90));

    let revoked = world.device("dirk@opvang.example");
    let serial = kring_pki::form::Serial::of(&revoked.chain[0]).expect("a serial");
    let administrator = Wire::open(world, &world.device("beheer@opvang.example"), relay).await;
    let list = world.revocation_list(SHELTER, &[serial], 1, 7);
    assert!(matches!(administrator.ask(list).await, Ok(Reply::Done(_))));
    vec![
        ("a stolen chain with another key", stolen, DECRYPT_ERROR),
        (
            "a certificate of a wrong organisation",
            forge(world.organisation(POLICE), address(SHELTER), |_| {}),
            ACCESS_DENIED,
        ),
        (
            "a function that the organisation was not given",
            forge(shelter, address(SHELTER), veilig_thuis),
            ACCESS_DENIED,
        ),
        ("a wrong usage", forge(shelter, address(SHELTER), server), UNSUPPORTED_CERTIFICATE),
        ("an expired intermediate", forge(&ended, address(SHELTER), |_| {}), CERTIFICATE_EXPIRED),
        ("a revoked certificate", revoked, CERTIFICATE_REVOKED),
        ("a chain to a root that is not pinned", forge(&unpinned, address(SHELTER), |_| {}), UNKNOWN_CA),
    ]
}

#[tokio::test]
async fn an_impostor_gets_no_connection_and_an_alert_that_says_why() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let honest = Wire::open(&world, &world.device("anne@politie.example"), relay.addr).await;
    let log = Log::random();
    honest.create(log, None).await;
    // What the forger makes of an honest certificate is let in: it is the change that is refused.
    let forged = forge(world.organisation(SHELTER), address(SHELTER), |_| {});
    Wire::open(&world, &forged, relay.addr).await;
    for (what, impostor, alert) in impostors(&world, relay.addr).await {
        let ended = match Wire::connect(&world, Manner::proper(&impostor), relay.addr).await {
            Ok(wire) => wire.ended().await,
            Err(error) => error,
        };
        let ConnectionError::ConnectionClosed(close) = ended else { panic!("{what}: {ended:?}") };
        assert_eq!(u64::from(close.error_code), ALERTS + alert, "{what}: {close:?}");
        assert!(matches!(honest.submit(log, Epoch(0), b"gaat door").await, Ok(Reply::Receipt(_))), "{what}");
    }
}
