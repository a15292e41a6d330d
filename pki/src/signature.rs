//! Which signatures are believed, and the check of one that rustls-webpki has no function for: of a request
//! (RFC 2986) and of a CRL on its own.
//!
//! SHA-1 and RSA below 2048 bits are refused.
//!
//! What has been found good is remembered for a while: an organisation's certificate comes with that of each of its
//! devices, and looking once more at its signature, mostly P-384, would cost what all the rest of the chain does. A
//! signature stays good for ever; whether the certificate is believed at a moment is asked anew each time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use rustls_pki_types::{AlgorithmIdentifier as Identifier, InvalidSignature, SignatureVerificationAlgorithm};
use webpki::aws_lc_rs as algorithms;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The signatures that an authority may make; a device's own key is Ed25519 and nothing else.
pub(crate) static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &Remembering(algorithms::ED25519),
    &Remembering(algorithms::ECDSA_P256_SHA256),
    &Remembering(algorithms::ECDSA_P256_SHA384),
    &Remembering(algorithms::ECDSA_P256_SHA512),
    &Remembering(algorithms::ECDSA_P384_SHA256),
    &Remembering(algorithms::ECDSA_P384_SHA384),
    &Remembering(algorithms::ECDSA_P384_SHA512),
    &Remembering(algorithms::ECDSA_P521_SHA256),
    &Remembering(algorithms::ECDSA_P521_SHA384),
    &Remembering(algorithms::ECDSA_P521_SHA512),
    &Remembering(algorithms::RSA_PKCS1_2048_8192_SHA256),
    &Remembering(algorithms::RSA_PKCS1_2048_8192_SHA384),
    &Remembering(algorithms::RSA_PKCS1_2048_8192_SHA512),
    &Remembering(algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY),
    &Remembering(algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY),
    &Remembering(algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY),
];

/// Signatures that are remembered, those that were met last: 32 KiB. A storm of devices brings one of its own with
/// each device, so that an organisation with one device in 200 is nearly always remembered.
const MOST: usize = 1_024;

/// Names a signature with all that it was checked with: SHA-256 over both algorithms, key, message and signature,
/// each behind its length.
type Name = [u8; digest::SHA256_OUTPUT_LEN];

/// Signatures that were good, the one that was met last first.
static GOOD: Mutex<VecDeque<Name>> = Mutex::new(VecDeque::new());

/// A check that is made once for each signature.
#[derive(Debug)]
struct Remembering(&'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for Remembering {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [self.0.public_key_alg_id().as_ref(), self.0.signature_alg_id().as_ref(), key, message, signature]
        {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        let name = hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        if meet(&mut GOOD.lock().unwrap_or_else(PoisonError::into_inner), name) {
            return Ok(());
        }
        // Nobody waits behind the work.
        self.0.verify_signature(key, message, signature)?;
        remember(&mut GOOD.lock().unwrap_or_else(PoisonError::into_inner), name);
        Ok(())
    }

    fn public_key_alg_id(&self) -> Identifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> Identifier {
        self.0.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

/// Whether a signature is remembered; it then comes to the front.
fn meet(good: &mut VecDeque<Name>, name: Name) -> bool {
    let Some(at) = good.iter().position(|known| *known == name) else { return false };
    good.remove(at);
    good.push_front(name);
    true
}

/// Remembers a signature that is not there, or that somebody else has brought meanwhile.
fn remember(good: &mut VecDeque<Name>, name: Name) {
    if !meet(good, name) {
        good.truncate(MOST - 1);
        good.push_front(name);
    }
}

/// Whether `signature` over `message` was made with `algorithm` by the holder of `key`.
pub(crate) fn is_valid(
    key: &SubjectPublicKeyInfo<'_>,
    algorithm: &AlgorithmIdentifier<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    ALGORITHMS.iter().any(|candidate| {
        says_the_same(candidate.public_key_alg_id().as_ref(), &key.algorithm)
            && says_the_same(candidate.signature_alg_id().as_ref(), algorithm)
            && candidate.verify_signature(&key.subject_public_key.data, message, signature).is_ok()
    })
}

/// Whether `content`, the inside of a DER AlgorithmIdentifier, says the same as `parsed`.
fn says_the_same(content: &[u8], parsed: &AlgorithmIdentifier<'_>) -> bool {
    let Ok(length) = u8::try_from(content.len()) else { return false };
    // All identifiers above are shorter than 128 bytes, so the length takes one byte.
    let der = [&[0x30, length], content].concat();
    AlgorithmIdentifier::from_der(&der).is_ok_and(|(_, identifier)| identifier == *parsed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts what it is asked under another's name; only the signature `good` is.
    #[derive(Debug)]
    struct Counting(AtomicUsize, &'static dyn SignatureVerificationAlgorithm);

    impl SignatureVerificationAlgorithm for Counting {
        fn verify_signature(&self, _: &[u8], _: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if signature == b"good" { Ok(()) } else { Err(InvalidSignature) }
        }

        fn public_key_alg_id(&self) -> Identifier {
            self.1.public_key_alg_id()
        }

        fn signature_alg_id(&self) -> Identifier {
            self.1.signature_alg_id()
        }
    }

    #[test]
    fn a_good_signature_is_checked_once_and_one_of_anything_else_by_itself() {
        static COUNTING: Counting = Counting(AtomicUsize::new(0), algorithms::ECDSA_P384_SHA384);
        static OTHER: Counting = Counting(AtomicUsize::new(0), algorithms::ECDSA_P384_SHA256);
        let checked_by = |counting: &'static Counting, key: &[u8], message: &[u8], signature: &[u8]| {
            let before = counting.0.load(Ordering::Relaxed);
            let valid = Remembering(counting).verify_signature(key, message, signature).is_ok();
            assert_eq!(valid, signature == b"good");
            counting.0.load(Ordering::Relaxed) > before
        };
        let checked = |key: &[u8], message: &[u8], signature: &[u8]| checked_by(&COUNTING, key, message, signature);
        assert!(checked(b"key", b"message", b"good"));
        assert!(!checked(b"key", b"message", b"good"));
        for (key, message) in [(b"yek" as &[u8], b"message" as &[u8]), (b"key", b"egassem"), (b"keym", b"essage")] {
            assert!(checked(key, message, b"good"));
        }
        assert!(checked_by(&OTHER, b"key", b"message", b"good"), "another algorithm");
        assert!(checked(b"key", b"message", b"bad") && checked(b"key", b"message", b"bad"), "a bad one is not kept");
    }

    #[test]
    fn so_many_are_remembered_and_those_that_were_met_last() {
        let mut good = VecDeque::new();
        let name = |number: usize| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&number.to_be_bytes());
            name
        };
        for number in 0..MOST {
            remember(&mut good, name(number));
        }
        assert!(meet(&mut good, name(0)));
        remember(&mut good, name(MOST));
        remember(&mut good, name(MOST));
        assert_eq!(good.len(), MOST);
        assert!(meet(&mut good, name(0)) && meet(&mut good, name(MOST)));
        assert!(!meet(&mut good, name(1)), "it was met longest ago");
    }
}
