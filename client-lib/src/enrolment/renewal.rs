//! The next certificate of a device whose present one is still valid: no ticket, no administrator at the device.
//!
//! The request names the present certificate by its hash and is signed with its key; it is left at the relay over a
//! connection that this certificate was admitted on. The key stays, so a signature over the certificate is all the proof
//! that there can be of who asks, and a relay has nothing to put in its place. Name, function and address stay as well; who
//! changes them is invited anew. The answer is that of an enrolment without roots and unsealed, for all in it can be seen
//! on the device's next connection anyway; what the device takes from it must hold against the roots that it has pinned.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use kring_pki::issue::PrivateKey;
use kring_pki::verify::{Crls, TrustAnchors, Untrusted, VerifiedDevice, When, verify_device};
use kring_protocol::ids::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::answer::{Answer, Denied};
use crate::store::{decode, encode};

/// Why a request is not granted, or an answer not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenewalError {
    /// By another key than the certificate's, or for another certificate.
    #[error("the request is not by the key of the present certificate; treat the relay as hostile if it comes again")]
    OtherKey,
    /// Not a request.
    #[error("the request cannot be read; update the program that made it")]
    Request,
    /// The present certificate, or the new one, does not hold.
    #[error(transparent)]
    Certificate(Untrusted),
    /// An answer to something else.
    #[error("the answer does not fit the request; treat the relay as hostile if it comes again")]
    OtherAnswer,
    /// The new certificate is of another device, or ends no later.
    #[error("the new certificate is not a renewal of the present one; tell your administrator")]
    NotNext,
    /// The administrator said no.
    #[error(transparent)]
    Denied(Denied),
}

/// When a device begins to ask: at two thirds of its certificate's time, so that a third is left for everything that
/// can stand in the way.
pub fn due(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    not_before.plus(not_after.since(not_before) / 3 * 2)
}

/// The request of the device that holds `key` for the certificate after `present`: always the same bytes.
pub fn request(key: &PrivateKey, present: &VerifiedDevice) -> Result<Vec<u8>, RenewalError> {
    let present = hash(&present.chain()[0]);
    let seed = key.ed25519_seed().ok_or(RenewalError::OtherKey)?;
    let key = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| RenewalError::OtherKey)?;
    let mut signature = [0; 64];
    signature.copy_from_slice(key.sign(&signed(&present)).as_ref());
    let form =
        RequestForm { version: VERSION, present: ByteArray::new(present), signature: ByteArray::new(signature) };
    Ok(encode(&form).expect("bytes and numbers are CBOR"))
}

#[derive(Serialize, Deserialize)]
struct RequestForm {
    version: u64,
    /// SHA-256 of the present certificate.
    present: ByteArray<32>,
    /// By its key, over [`SIGNED`] and that hash.
    signature: ByteArray<64>,
}

/// Version of the form.
const VERSION: u64 = 1;
/// What is signed before the hash of the present certificate.
const SIGNED: &[u8] = b"kring renewal 1";

fn signed(present: &[u8; 32]) -> Vec<u8> {
    [SIGNED, present].concat()
}

/// SHA-256 of a request: what the relay knows it by.
pub fn hash(request: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, request).as_ref());
    hash
}

/// The administrator's check of a request that came with these certificates: who asks holds the key of a certificate that
/// is good now.
pub fn judge(
    asked: &[u8],
    chain: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    crls: &Crls,
    now: Timestamp,
) -> Result<VerifiedDevice, RenewalError> {
    let device = verify_device(chain, anchors, When::At(now), crls).map_err(RenewalError::Certificate)?;
    let form: RequestForm = decode(asked).map_err(|_| RenewalError::Request)?;
    if form.version != VERSION {
        return Err(RenewalError::Request);
    }
    if *form.present != hash(&device.chain()[0]) {
        return Err(RenewalError::OtherKey);
    }
    UnparsedPublicKey::new(&ED25519, device.public_key())
        .verify(&signed(&form.present), form.signature.as_slice())
        .map_err(|_| RenewalError::OtherKey)?;
    Ok(device)
}

/// The device's check of an answer to `asked`: the new certificate is for the same device and key and lasts longer.
pub fn accept(
    answer: &[u8],
    asked: &[u8],
    present: &VerifiedDevice,
    anchors: &TrustAnchors,
    now: Timestamp,
) -> Result<VerifiedDevice, RenewalError> {
    let granted = match Answer::from_bytes(answer, asked).ok_or(RenewalError::OtherAnswer)? {
        Answer::Granted(granted) => granted,
        Answer::Denied(denied) => return Err(RenewalError::Denied(denied)),
    };
    let next =
        verify_device(&granted.chain, anchors, When::At(now), &Crls::none()).map_err(RenewalError::Certificate)?;
    let same = next.address() == present.address()
        && next.public_key() == present.public_key()
        && next.function() == present.function();
    if !same || next.valid_until() <= present.valid_until() {
        return Err(RenewalError::NotNext);
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::testing::{World, now};
    use crate::enrolment::Granted;
    use kring_pki::issue::Validity;

    struct Device {
        key: PrivateKey,
        present: VerifiedDevice,
    }

    fn device(world: &World, days: u64) -> Device {
        let setup = world.setup(([127, 0, 0, 1], 1).into(), Validity::days(now(), days));
        let anchors = anchors(world);
        let present = verify_device(&setup.chain, &anchors, When::Ever, &Crls::none()).unwrap();
        Device { key: PrivateKey::from_der(&setup.key).unwrap(), present }
    }

    fn anchors(world: &World) -> TrustAnchors {
        TrustAnchors::from_der([&world.root()]).unwrap()
    }

    #[test]
    fn a_request_is_by_the_key_of_the_certificate_that_it_came_with() {
        let world = World::new();
        let (anne, eve) = (device(&world, 30), device(&world, 30));
        let judge = |asked: &[u8], chain: &[CertificateDer<'_>], now| {
            judge(asked, chain, &anchors(&world), &Crls::none(), now).map(|device| device.address().clone())
        };
        let asked = request(&anne.key, &anne.present).unwrap();
        assert_eq!(asked, request(&anne.key, &anne.present).unwrap(), "the relay knows it by its hash");
        assert_eq!(judge(&asked, anne.present.chain(), now()).as_ref(), Ok(anne.present.address()));
        assert_eq!(judge(&asked, eve.present.chain(), now()), Err(RenewalError::OtherKey), "another certificate");
        let forged = request(&eve.key, &anne.present).unwrap();
        assert_eq!(judge(&forged, anne.present.chain(), now()), Err(RenewalError::OtherKey), "another key");
        for place in [asked.len() - 1, asked.len() - 100] {
            let mut changed = asked.clone();
            changed[place] ^= 1;
            assert!(judge(&changed, anne.present.chain(), now()).is_err(), "byte {place}");
        }
        assert_eq!(judge(b"", anne.present.chain(), now()), Err(RenewalError::Request));
        let late = now().plus(31 * Timestamp::DAY);
        assert!(matches!(judge(&asked, anne.present.chain(), late), Err(RenewalError::Certificate(_))), "too late");
    }

    #[test]
    fn an_answer_is_taken_for_the_same_device_and_a_later_end_only() {
        let world = World::new();
        let (anne, eve) = (device(&world, 30), device(&world, 90));
        let asked = request(&anne.key, &anne.present).unwrap();
        let answer = |next: &VerifiedDevice| {
            let granted = Granted { chain: next.chain().to_vec(), region_roots: Vec::new(), relay_roots: Vec::new() };
            Answer::Granted(granted).to_bytes(&asked)
        };
        let accept = |answer: &[u8]| {
            accept(answer, &asked, &anne.present, &anchors(&world), now()).map(|next| next.valid_until())
        };
        let longer = world.renewed(&anne.present, Validity::days(now(), 90));
        assert_eq!(accept(&answer(&longer)), Ok(longer.valid_until()));
        let shorter = world.renewed(&anne.present, Validity::days(now(), 29));
        assert_eq!(accept(&answer(&shorter)), Err(RenewalError::NotNext));
        assert_eq!(accept(&answer(&eve.present)), Err(RenewalError::NotNext), "another device's");
        let other = Answer::Granted(Granted {
            chain: longer.chain().to_vec(),
            region_roots: Vec::new(),
            relay_roots: Vec::new(),
        });
        assert_eq!(accept(&other.to_bytes(b"another")), Err(RenewalError::OtherAnswer));
        let denied = Answer::Denied(Denied::Administrator).to_bytes(&asked);
        assert_eq!(accept(&denied), Err(RenewalError::Denied(Denied::Administrator)));
        let elsewhere = World::new();
        let foreign = elsewhere.renewed(&anne.present, Validity::days(now(), 90));
        assert!(matches!(accept(&answer(&foreign)), Err(RenewalError::Certificate(_))), "of another region");
    }

    #[test]
    fn it_is_time_at_two_thirds() {
        assert_eq!(due(Timestamp(100), Timestamp(400)), Timestamp(300));
        assert_eq!(due(Timestamp(400), Timestamp(100)), Timestamp(400));
    }
}
