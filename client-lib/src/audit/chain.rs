//! Checking a log: entry by entry, in order, naming the first broken link.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use super::entry::{Entry, beginning};

/// A check under way. Feed it every entry in the order in which it stands.
#[derive(Debug)]
pub struct Chain {
    keys: Vec<[u8; 32]>,
    number: u64,
    hash: [u8; 32],
    pseudonymised: u64,
}

/// The first link that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {number}: {fault}")]
pub struct Broken {
    /// The entry that should have stood there.
    pub number: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable,
    /// Another entry stands in its place, one with a higher number: it was removed, or moved behind.
    #[error("it is missing; entry {found} stands in its place")]
    Missing {
        /// The number of what stands there.
        found: u64,
    },
    /// An entry with a lower number stands in its place: something was put in, or moved.
    #[error("entry {found} stands in its place a second time")]
    Repeated {
        /// The number of what stands there.
        found: u64,
    },
    /// The log ends before it.
    #[error("it is missing at the end")]
    CutOff,
    /// Its own content was changed.
    #[error("it was changed: its signature does not hold")]
    Changed,
    /// What it says in the clear was changed.
    #[error("what it says was changed: it does not fit its signature")]
    DetailsChanged,
    /// It does not follow from the entry before it, which was replaced by another one.
    #[error("it does not follow the entry before it")]
    Detached,
    /// Another key than this device's signed it.
    #[error("it was signed with another device's key")]
    ForeignKey,
}

impl Chain {
    /// A check of a log signed with one of these keys.
    pub fn new(keys: Vec<[u8; 32]>) -> Self {
        Self { keys, number: 0, hash: beginning(), pseudonymised: 0 }
    }

    /// Takes the next entry.
    pub fn next(&mut self, entry: &Entry) -> Result<(), Broken> {
        let number = self.number + 1;
        let broken = |fault| Broken { number, fault };
        let found = entry.number();
        if found > number {
            return Err(broken(Fault::Missing { found }));
        }
        if found < number {
            return Err(broken(Fault::Repeated { found }));
        }
        let key = UnparsedPublicKey::new(&ED25519, entry.head.key);
        if key.verify(&entry.signed_text(), &entry.signature).is_err() {
            return Err(broken(Fault::Changed));
        }
        if !self.keys.contains(&entry.head.key) {
            return Err(broken(Fault::ForeignKey));
        }
        if entry.head.before != self.hash {
            return Err(broken(Fault::Detached));
        }
        if !entry.details_hold() {
            return Err(broken(Fault::DetailsChanged));
        }
        self.pseudonymised += u64::from(entry.details().is_none());
        self.number = number;
        self.hash = entry.hash();
        Ok(())
    }

    /// How many entries hold.
    pub fn entries(&self) -> u64 {
        self.number
    }

    /// How many of them are pseudonymised, because their case has been erased.
    pub fn pseudonymised(&self) -> u64 {
        self.pseudonymised
    }

    /// The next one's place: what is wrong there.
    pub(crate) fn broken_here(&self, fault: Fault) -> Broken {
        Broken { number: self.number + 1, fault }
    }

    /// Ends the check of a log that must have at least so many entries.
    pub fn end(self, at_least: u64) -> Result<Self, Broken> {
        if self.number < at_least { Err(self.broken_here(Fault::CutOff)) } else { Ok(self) }
    }
}
