//! What stands on the disk instead of values and names.
//!
//! A bundle lies together in one write, so that its text alone would tell which log, key and inboxes belong together.
//! Therefore every value is encrypted (AES-256-GCM, NIST SP 800-38D) and bound to the place where it stands, and a page
//! is found under a keyed hash of its name (HMAC-SHA-256, RFC 2104). Both keys come from the relay key, which lives
//! outside the data folder.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

use super::contract::{OpenStoreError, PageId, StoreError};

/// Bytes of the relay key.
const KEY: usize = 32;

/// Bytes of a page's name on the disk: half of HMAC-SHA-256, so that two of 10⁹ pages meet with probability 2⁻⁶⁸.
pub(super) const PAGE_NAME: usize = 16;

/// Labels from which the two keys are derived.
const VALUE_LABEL: &[u8] = b"kring relay values 1";
const NAME_LABEL: &[u8] = b"kring relay page names 1";

/// The two keys that a store works with.
pub(super) struct Sealing {
    values: LessSafeKey,
    names: hmac::Key,
    random: SystemRandom,
}

impl Sealing {
    pub(super) fn new(relay_key: &[u8; KEY]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, relay_key);
        let values = UnboundKey::new(&AES_256_GCM, hmac::sign(&root, VALUE_LABEL).as_ref());
        let names = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, NAME_LABEL).as_ref());
        Self { values: LessSafeKey::new(values.expect("32 bytes")), names, random: SystemRandom::new() }
    }

    /// Encrypts a value for the place `key`: nonce ‖ ciphertext ‖ tag.
    ///
    /// The nonce is random, not the position: a position whose entry was torn by a kill is written again. Of 2³²
    /// values under one key two share a nonce with probability 2⁻³³ (SP 800-38D §8.3).
    pub(super) fn seal(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, OpenStoreError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| OpenStoreError::NoRandomness)?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + value.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let tag = self
            .values
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(key), &mut sealed[NONCE_LEN..])
            .expect("a value is far below the cipher's bound of 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Decrypts what [`Self::seal`] made for the same place.
    pub(super) fn open(&self, key: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(StoreError::Corrupt)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| StoreError::Corrupt)?;
        let length = self.values.open_in_place(nonce, Aad::from(key), rest).map_err(|_| StoreError::Corrupt)?.len();
        sealed.drain(..NONCE_LEN);
        sealed.truncate(length);
        Ok(sealed)
    }

    /// The name of a page on the disk.
    pub(super) fn page_name(&self, id: &PageId) -> [u8; PAGE_NAME] {
        let mut context = hmac::Context::with_key(&self.names);
        match id {
            PageId::Group(group) => {
                context.update(b"g");
                context.update(group.as_bytes());
            }
            PageId::Block(group, number) => {
                context.update(b"b");
                context.update(group.as_bytes());
                context.update(&number.to_be_bytes());
            }
            PageId::Device(device) => {
                context.update(b"d");
                context.update(device.as_bytes());
            }
            PageId::Professional(address) => {
                context.update(b"p");
                context.update(address.as_str().as_bytes());
            }
            PageId::Erasing => context.update(b"e"),
        }
        let mut name = [0; PAGE_NAME];
        name.copy_from_slice(&context.sign().as_ref()[..PAGE_NAME]);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_in_its_own_place_only() {
        let sealing = Sealing::new(&[7; KEY]);
        let sealed = sealing.seal(b"here", b"value").expect("sealed");
        assert_eq!(sealing.open(b"here", sealed.clone()), Ok(b"value".to_vec()));
        assert_eq!(sealing.open(b"there", sealed.clone()), Err(StoreError::Corrupt));
        assert_eq!(Sealing::new(&[8; KEY]).open(b"here", sealed.clone()), Err(StoreError::Corrupt));
        assert_eq!(sealing.open(b"here", sealed[..10].to_vec()), Err(StoreError::Corrupt));
        let mut changed = sealed;
        changed[NONCE_LEN] ^= 1;
        assert_eq!(sealing.open(b"here", changed), Err(StoreError::Corrupt));
    }
}
