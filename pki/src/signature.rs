//! Which signatures are believed, and the check of one that rustls-webpki has no function for: of a request
//! (RFC 2986) and of a CRL on its own.
//!
//! SHA-1 and RSA below 2048 bits are refused.

use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::aws_lc_rs as algorithms;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// The signatures that an authority may make; a device's own key is Ed25519 and nothing else.
pub(crate) static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ED25519,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::ECDSA_P521_SHA512,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// Whether `signature` over `message` was made with `algorithm` by the holder of `key`.
pub(crate) fn is_valid(
    key: &SubjectPublicKeyInfo<'_>,
    algorithm: &AlgorithmIdentifier<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    ALGORITHMS.iter().any(|candidate| {
        names(candidate.public_key_alg_id().as_ref(), &key.algorithm)
            && names(candidate.signature_alg_id().as_ref(), algorithm)
            && candidate.verify_signature(&key.subject_public_key.data, message, signature).is_ok()
    })
}

/// Whether `content`, the inside of a DER AlgorithmIdentifier, says the same as `parsed`.
fn names(content: &[u8], parsed: &AlgorithmIdentifier<'_>) -> bool {
    let Ok(length) = u8::try_from(content.len()) else { return false };
    // All identifiers above are shorter than 128 bytes, so the length takes one byte.
    let der = [&[0x30, length], content].concat();
    AlgorithmIdentifier::from_der(&der).is_ok_and(|(_, identifier)| identifier == *parsed)
}
