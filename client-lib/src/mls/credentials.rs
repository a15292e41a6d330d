//! What this device shows of itself and whom it believes; and how a chain stands in an MLS credential.

use std::fmt;

use kring_pki::verify::{Crls, TrustAnchors};
use openmls::prelude::{Credential, CredentialType};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

/// A device's certificate chain, its key, and the roots that it pins.
pub struct DeviceCredentials {
    /// The certificate chain, the device's own first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// Seed of the certificate's Ed25519 key (RFC 8032 §5.1.5).
    pub key: Zeroizing<[u8; 32]>,
    /// The pinned region roots.
    pub anchors: TrustAnchors,
    /// Certificate revocation lists.
    pub crls: Crls,
}

impl fmt::Debug for DeviceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCredentials(..)")
    }
}

/// Puts a chain into a credential: `Certificate certificates<V>`, each `opaque cert_data<V>` (RFC 9420 §5.3).
pub(crate) fn credential(chain: &[CertificateDer<'_>]) -> Credential {
    let mut content = Vec::with_capacity(chain.iter().map(|certificate| certificate.len() + 4).sum());
    for certificate in chain {
        put_vector(&mut content, certificate);
    }
    Credential::new(CredentialType::X509, content)
}

/// Takes the chain out of a credential; `None` if it is of another type or form.
pub(crate) fn chain(credential: &Credential) -> Option<Vec<CertificateDer<'_>>> {
    if credential.credential_type() != CredentialType::X509 {
        return None;
    }
    let mut rest = credential.serialized_content();
    let mut chain = Vec::new();
    while !rest.is_empty() {
        if chain.len() == kring_pki::verify::MAX_CHAIN {
            return None;
        }
        chain.push(CertificateDer::from(take_vector(&mut rest)?));
    }
    Some(chain)
}

/// Writes a vector with a variable-size length (RFC 9420 §2.1.2).
///
/// # Panics
/// If the vector has 2^30 bytes or more, which no certificate has.
fn put_vector(to: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("certificates are small");
    match length {
        0..0x40 => to.push(length as u8),
        0x40..0x4000 => to.extend_from_slice(&(length as u16 | 0x4000).to_be_bytes()),
        _ => to.extend_from_slice(&(length | 0x8000_0000).to_be_bytes()),
    }
    to.extend_from_slice(bytes);
}

/// Reads a vector with a variable-size length in its shortest form.
fn take_vector<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let first = *rest.first()?;
    let (size, least) = match first >> 6 {
        0 => (1, 0),
        1 => (2, 1 << 6),
        2 => (4, 1 << 14),
        _ => return None,
    };
    let (digits, tail) = rest.split_at_checked(size)?;
    let length =
        digits.iter().fold(0usize, |value, digit| value << 8 | usize::from(*digit)) & ((1 << (8 * size - 2)) - 1);
    if length < least {
        return None;
    }
    let (bytes, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_round_trips_through_a_credential() {
        for sizes in [vec![1usize], vec![63, 64], vec![200, 16_383, 16_384]] {
            let certificates: Vec<_> = sizes.iter().map(|size| CertificateDer::from(vec![7u8; *size])).collect();
            let made = credential(&certificates);
            assert_eq!(chain(&made).expect("well-formed"), certificates);
        }
    }

    #[test]
    fn a_credential_of_another_form_holds_no_chain() {
        assert!(chain(&Credential::new(CredentialType::Basic, vec![1, 2])).is_none());
        assert!(chain(&Credential::new(CredentialType::X509, vec![5, 1])).is_none(), "ends early");
        assert!(chain(&Credential::new(CredentialType::X509, vec![0x40, 1, 0])).is_none(), "not the shortest form");
        assert!(chain(&Credential::new(CredentialType::X509, [1, 9].repeat(4))).is_none(), "too many certificates");
    }
}
