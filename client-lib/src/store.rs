//! The encrypted store: SQLite with SQLCipher, one database and one transaction a step.

mod error;
mod key;

pub use error::StoreError;
pub use key::Unlock;

use std::path::Path;

/// The encrypted database of one device.
pub struct Store {}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store(..)")
    }
}

impl Store {
    /// Makes a new store in `folder`, which must not hold one.
    pub fn create(_folder: &Path, _unlock: &Unlock) -> Result<Self, StoreError> {
        Ok(Self {})
    }

    /// Opens the store in `folder`.
    pub fn open(_folder: &Path, _unlock: &Unlock) -> Result<Self, StoreError> {
        Ok(Self {})
    }
}
