//! What goes through the relay between a new device and its administrator, sealed under the secret of a ticket: `docs/protocol.md`,
//! section Enrolment. Pure but for the nonce.
//!
//! A nonce is random, since two devices with copies of one ticket would otherwise use one nonce twice, which gives a reader
//! of both the means to forge (RFC 5116 §5.1.1). Refused: whatever is not sealed under this secret, for this ticket, in this direction.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use kring_protocol::ids::TicketId;
use zeroize::Zeroizing;

/// The secret of a ticket: 32 random bytes that the device and the administrator share.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecret(Zeroizing<[u8; 32]>);

/// Why something is not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not sealed under this secret, or changed on its way.
    #[error(
        "it was not sealed with this ticket, or was changed on its way; do not trust the relay, and use a new ticket"
    )]
    Forged,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed; try again")]
    Failed,
}

impl TicketSecret {
    /// The secret of a ticket.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// The bytes, for the ticket's text.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Under which id the relay knows the ticket; says nothing about the secret.
    pub fn id(&self) -> Result<TicketId, SealError> {
        let mut id = [0; 16];
        self.derive("kring ticket id 1", &mut id)?;
        Ok(TicketId(id))
    }

    /// Seals a device's request.
    pub fn seal_request(&self, request: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal("kring ticket request 1", request)
    }

    /// Opens a device's request.
    pub fn open_request(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.open("kring ticket request 1", sealed)
    }

    /// Seals the administrator's answer.
    pub fn seal_answer(&self, answer: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal("kring ticket answer 1", answer)
    }

    /// Opens the administrator's answer.
    pub fn open_answer(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.open("kring ticket answer 1", sealed)
    }

    fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Failed)?;
        let mut sealed = plain.to_vec();
        let (key, id) = (self.key(label)?, self.id()?);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id.0), &mut sealed)
            .map_err(|_| SealError::Failed)?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open(&self, label: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Forged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Forged)?;
        let mut bytes = sealed.to_vec();
        let (key, id) = (self.key(label)?, self.id()?);
        let plain = key.open_in_place(nonce, Aad::from(id.0), &mut bytes).map_err(|_| SealError::Forged)?;
        Ok(plain.to_vec())
    }

    fn key(&self, label: &str) -> Result<LessSafeKey, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        self.derive(label, key.as_mut_slice())?;
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| SealError::Failed)?))
    }

    fn derive(&self, label: &str, out: &mut [u8]) -> Result<(), SealError> {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(self.0.as_slice())
            .expand(&[label.as_bytes()], Length(out.len()))
            .and_then(|derived| derived.fill(out))
            .map_err(|_| SealError::Failed)
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> TicketSecret {
        TicketSecret::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn who_has_the_secret_opens_what_was_sealed_and_nobody_else() {
        let sealed = secret(1).seal_request(b"request").unwrap();
        assert_eq!(secret(1).open_request(&sealed).unwrap(), b"request");
        assert_eq!(secret(2).open_request(&sealed), Err(SealError::Forged), "another ticket's");
        assert_eq!(secret(1).open_answer(&sealed), Err(SealError::Forged), "the other direction");
        assert!(!sealed.windows(7).any(|window| window == b"request"));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(secret(1).open_request(&changed), Err(SealError::Forged), "byte {place}");
            assert_eq!(secret(1).open_request(&sealed[..place]), Err(SealError::Forged), "cut at {place}");
        }
    }

    #[test]
    fn two_devices_with_one_ticket_use_two_nonces() {
        let sealed = [secret(1).seal_request(b"one").unwrap(), secret(1).seal_request(b"two").unwrap()];
        assert_ne!(sealed[0][..NONCE_LEN], sealed[1][..NONCE_LEN]);
    }

    /// Computed apart from this code: HMAC-SHA256 twice, by hand (RFC 5869 §2.2, §2.3).
    #[test]
    fn the_id_is_that_of_the_document() {
        use aws_lc_rs::hmac;
        let hmac = |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
        let extracted = hmac(&[0; 32], &[9; 32]);
        let expanded = hmac(extracted.as_ref(), b"kring ticket id 1\x01");
        assert_eq!(secret(9).id().unwrap().0, expanded.as_ref()[..16]);
        assert_eq!(format!("{:?}", secret(9)), "TicketSecret(..)");
    }
}
