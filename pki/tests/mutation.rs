//! Bytes from others: whatever they are, nothing panics, and what is not as it was signed is not believed.
#![expect(clippy::unwrap_used, reason = "a helper that fails at an `unwrap` fails its test there")]

mod world;

use std::sync::LazyLock;

use kring_pki::form::Serial;
use kring_pki::issue::{Algorithm, DeviceRequest, OrganisationCa, PrivateKey};
use kring_pki::verify::{Crl, Crls, TrustAnchors, Untrusted, When, verify_device};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rcgen::SigningKey as _;
use rustls_pki_types::CertificateDer;
use world::*;
use x509_parser::prelude::FromDer as _;

struct Made {
    world: World,
    chain: Vec<CertificateDer<'static>>,
    request: Vec<u8>,
    list: Vec<u8>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    // Ed25519, since two ECDSA signatures of one message can both be valid.
    let world = World::with_keys(Algorithm::Ed25519);
    let (device, key) = world.device();
    let other = Serial::from_bytes(&[0x41; 16]).unwrap();
    let revoked =
        kring_pki::issue::Revocation { serial: other, at: NOW, reason: kring_pki::issue::Reason::KeyCompromise };
    let list = world.police.sign_crl(&[revoked], 1, NOW, after(NOW, 7)).unwrap().to_vec();
    Made { chain: device.chain().to_vec(), request: DeviceRequest::make(&key).unwrap().to_vec(), list, world }
});

/// One thing done to bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Cut(Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = |index: &Index, bytes: &Vec<u8>| index.index(bytes.len());
        match self {
            Self::Flip(index, bits) => {
                let at = at(index, bytes);
                bytes[at] ^= bits;
            }
            Self::Remove(index) => drop(bytes.remove(at(index, bytes))),
            Self::Insert(index, byte) => bytes.insert(at(index, bytes), *byte),
            Self::Cut(index) => bytes.truncate(at(index, bytes)),
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (any::<Index>(), 1u8..).prop_map(|(index, bits)| Change::Flip(index, bits)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(index, byte)| Change::Insert(index, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
    ];
    vec(change, 1..4)
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    changes.iter().for_each(|change| change.apply(&mut bytes));
    bytes
}

/// A certificate of any content that the organisation's key has signed: what a malicious administrator who writes DER
/// by hand can make.
fn signed_by_police(organisation: &OrganisationCa, content: &[u8]) -> Vec<u8> {
    let signature = pair(organisation.key()).sign(content).unwrap();
    let algorithm = [0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
    let body = [content, &algorithm, &[3, 0x41, 0], &signature].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82], &length[..], &body].concat()
}

/// The part of a certificate that is signed.
fn content(certificate: &[u8]) -> Vec<u8> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).unwrap();
    parsed.tbs_certificate.as_ref().to_vec()
}

#[test]
fn an_unchanged_certificate_signed_again_is_good() {
    let Made { world, chain, .. } = &*MADE;
    let again = signed_by_police(&world.police, &content(&chain[0]));
    assert_eq!(again, &chain[0][..], "Ed25519 signatures are deterministic");
    assert!(world.verify(&[again.into(), chain[1].clone()]).is_ok());
}

#[test]
fn a_key_for_something_else_than_signatures_is_refused() {
    let Made { world, chain, .. } = &*MADE;
    // X25519 (RFC 8410 §3) differs from Ed25519 in the last byte of its identifier only.
    let key = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
    let mut content = content(&chain[0]);
    let at = content.windows(key.len()).position(|window| window == key).unwrap();
    content[at + key.len() - 1] = 0x6e;
    let leaf = signed_by_police(&world.police, &content);
    assert_eq!(world.verify(&[leaf.into(), chain[1].clone()]), Err(Untrusted::KeyNotEd25519));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_certificate_is_not_believed(changes in changes(), which in 0usize..2) {
        let Made { world, chain, .. } = &*MADE;
        let mut forged = chain.clone();
        forged[which] = changed(&chain[which], &changes).into();
        for when in [When::At(NOW), When::Ever] {
            let verdict = verify_device(&forged, &world.anchors, when, &Crls::none());
            prop_assert_eq!(verdict.is_ok(), forged[which] == chain[which]);
        }
    }

    #[test]
    fn whatever_an_organisation_signs_it_speaks_for_itself_only(changes in changes()) {
        let Made { world, chain, list, .. } = &*MADE;
        let leaf = signed_by_police(&world.police, &changed(&content(&chain[0]), &changes)).into();
        let crls = Crls::from_iter([Crl::from_der(list).unwrap()]);
        let forged = [leaf, chain[1].clone()];
        for when in [When::At(NOW), When::Ever] {
            if let Ok(verified) = verify_device(&forged, &world.anchors, when, &crls) {
                let domain = verified.address().professional.domain();
                prop_assert!(domain == "politie.example" || domain.ends_with(".politie.example"));
                prop_assert_eq!(verified.function().as_str(), "police");
                prop_assert_eq!(verified.organisation().as_str(), "Politie Hollands Midden");
            }
        }
    }

    #[test]
    fn a_changed_list_is_not_believed(changes in changes()) {
        let Made { world, list, .. } = &*MADE;
        let forged = changed(list, &changes);
        if let Ok(read) = Crl::from_der(&forged) {
            prop_assert_eq!(read.verify(world.police.certificate()).is_ok(), &forged == list);
        }
    }

    #[test]
    fn a_changed_request_proves_no_other_key(changes in changes()) {
        let request = &MADE.request;
        // The parser overlooks the class of the outermost tag, which nothing signs; what is signed cannot change.
        if let Ok(read) = DeviceRequest::read(&changed(request, &changes)) {
            prop_assert_eq!(read, DeviceRequest::read(request).unwrap());
        }
    }

    #[test]
    fn garbage_is_refused(bytes in vec(any::<u8>(), 0..512)) {
        let certificate = CertificateDer::from(bytes.clone());
        prop_assert!(MADE.world.verify(&[certificate.clone(), MADE.chain[1].clone()]).is_err());
        prop_assert!(MADE.world.verify(&[MADE.chain[0].clone(), certificate.clone()]).is_err());
        prop_assert!(TrustAnchors::from_der([&certificate]).is_err());
        prop_assert!(Crl::from_der(&bytes).is_err());
        prop_assert!(DeviceRequest::read(&bytes).is_err());
        let key = PrivateKey::from_ed25519_seed(&[1; 32]).unwrap();
        prop_assert!(OrganisationCa::new(certificate, key).is_err());
    }
}
