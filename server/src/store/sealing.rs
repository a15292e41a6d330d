//! What stands on the disk instead of values and names.
//!
//! A bundle lies together in one write, so that its text alone would tell which log, key and inboxes belong together.
//! Therefore every value is encrypted (AES-256-GCM, NIST SP 800-38D) and bound to the place where it stands, and a page
//! is found under a keyed hash of its name (HMAC-SHA-256, RFC 2104). All keys come from the relay key, which lives
//! outside the data folder.
//!
//! Random nonces are good for 2³² values under one key (SP 800-38D §8.3), which a busy relay writes within weeks.
//! Therefore each opening of the database draws a salt, from which its own key is derived and which stands before every
//! value that it seals; an opening that lasts draws another one after [`MOST_SEALED`] values. Salts are random and not
//! counted, so that a restored backup and the database that it was made from never share a key.

use std::cell::RefCell;
use std::collections::HashMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

use super::contract::{OpenStoreError, PageId, StoreError};

/// Bytes of the relay key.
const KEY: usize = 32;

/// Bytes of a salt: of 2³² openings two share one with probability 2⁻⁶⁵.
const SALT: usize = 16;

/// Most values under one key: two of 2³⁰ share a nonce of 96 bits with probability 2⁻³⁷.
const MOST_SEALED: u64 = 1 << 30;

/// Keys of earlier openings that are kept at hand; beyond it all are derived again as they are needed.
const MOST_KEYS: usize = 1_024;

/// Bytes of a page's name on the disk: half of HMAC-SHA-256, so that two of 10⁹ pages meet with probability 2⁻⁶⁸.
pub(super) const PAGE_NAME: usize = 16;

/// Labels from which the two roots are derived.
const VALUE_LABEL: &[u8] = b"kring relay values 1";
const NAME_LABEL: &[u8] = b"kring relay page names 1";

type Salt = [u8; SALT];

/// The keys that a store works with.
pub(super) struct Sealing {
    values: hmac::Key,
    names: hmac::Key,
    random: SystemRandom,
    /// The salt under which values are sealed now, and how many have been; none before the first.
    present: RefCell<Option<(Salt, u64)>>,
    keys: RefCell<HashMap<Salt, LessSafeKey>>,
}

impl Sealing {
    pub(super) fn new(relay_key: &[u8; KEY]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, relay_key);
        let derived = |label: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, label).as_ref());
        Self {
            values: derived(VALUE_LABEL),
            names: derived(NAME_LABEL),
            random: SystemRandom::new(),
            present: RefCell::default(),
            keys: RefCell::default(),
        }
    }

    /// Encrypts a value for the place `key`: salt ‖ nonce ‖ ciphertext ‖ tag.
    ///
    /// The nonce is random, not the position: a position whose entry was torn by a kill is written again.
    pub(super) fn seal(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, OpenStoreError> {
        let salt = self.salt()?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| OpenStoreError::NoRandomness)?;
        let mut sealed = Vec::with_capacity(SALT + NONCE_LEN + value.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let (nonce, text) = (Nonce::assume_unique_for_key(nonce), &mut sealed[SALT + NONCE_LEN..]);
        let tag = self
            .with_key(salt, |values| values.seal_in_place_separate_tag(nonce, Aad::from(key), text))
            .expect("a value is far below the cipher's bound of 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Decrypts what [`Self::seal`] made for the same place, in this opening or another.
    pub(super) fn open(&self, key: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let (salt, rest) = sealed.split_first_chunk_mut::<SALT>().ok_or(StoreError::Corrupt)?;
        let (nonce, text) = rest.split_at_mut_checked(NONCE_LEN).ok_or(StoreError::Corrupt)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| StoreError::Corrupt)?;
        let opened =
            self.with_key(*salt, |values| values.open_in_place(nonce, Aad::from(key), text).map(|it| it.len()));
        let length = opened.map_err(|_| StoreError::Corrupt)?;
        sealed.drain(..SALT + NONCE_LEN);
        sealed.truncate(length);
        Ok(sealed)
    }

    /// The salt for one more value.
    fn salt(&self) -> Result<Salt, OpenStoreError> {
        let mut present = self.present.borrow_mut();
        if let Some((salt, sealed)) = present.as_mut().filter(|(_, sealed)| *sealed < MOST_SEALED) {
            *sealed += 1;
            return Ok(*salt);
        }
        let mut salt = [0; SALT];
        self.random.fill(&mut salt).map_err(|_| OpenStoreError::NoRandomness)?;
        *present = Some((salt, 1));
        Ok(salt)
    }

    fn with_key<T>(&self, salt: Salt, work: impl FnOnce(&LessSafeKey) -> T) -> T {
        let mut keys = self.keys.borrow_mut();
        if keys.len() >= MOST_KEYS && !keys.contains_key(&salt) {
            keys.clear();
        }
        let key = keys.entry(salt).or_insert_with(|| {
            let derived = hmac::sign(&self.values, &salt);
            LessSafeKey::new(UnboundKey::new(&AES_256_GCM, derived.as_ref()).expect("32 bytes"))
        });
        work(key)
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
            PageId::Revocations => context.update(b"r"),
            PageId::Shard(number) => {
                context.update(b"s");
                context.update(&[*number]);
            }
            PageId::Mailbox(organisation) => {
                context.update(b"m");
                context.update(organisation.domain().as_bytes());
            }
            PageId::Ticket(ticket) => {
                context.update(b"t");
                context.update(ticket.0.as_bytes());
            }
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
        for at in [0, SALT, SALT + NONCE_LEN] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealing.open(b"here", changed), Err(StoreError::Corrupt));
        }
    }

    #[test]
    fn each_opening_seals_under_a_key_of_its_own_and_reads_what_the_others_sealed() {
        let (first, second) = (Sealing::new(&[7; KEY]), Sealing::new(&[7; KEY]));
        let seal = |sealing: &Sealing| sealing.seal(b"here", b"value").expect("sealed");
        let (old, also_old, new) = (seal(&first), seal(&first), seal(&second));
        assert_eq!(old[..SALT], also_old[..SALT]);
        assert_ne!(old[..SALT], new[..SALT]);
        for sealed in [&old, &new] {
            assert_eq!(first.open(b"here", sealed.clone()), Ok(b"value".to_vec()));
            assert_eq!(second.open(b"here", sealed.clone()), Ok(b"value".to_vec()));
        }
        // A value sealed under one salt does not open under another.
        let moved = [&new[..SALT], &old[SALT..]].concat();
        assert_eq!(first.open(b"here", moved), Err(StoreError::Corrupt));
    }

    #[test]
    fn an_opening_that_lasts_changes_its_key_in_time() {
        let sealing = Sealing::new(&[7; KEY]);
        let before = sealing.seal(b"here", b"value").expect("sealed");
        if let Some((_, sealed)) = sealing.present.borrow_mut().as_mut() {
            *sealed = MOST_SEALED;
        }
        let after = sealing.seal(b"here", b"value").expect("sealed");
        assert_ne!(before[..SALT], after[..SALT]);
        assert_eq!(sealing.open(b"here", before), Ok(b"value".to_vec()));
    }
}
