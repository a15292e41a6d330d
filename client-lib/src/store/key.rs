//! How the store is unlocked.

use std::fmt;

use zeroize::Zeroizing;

/// What opens a store.
#[derive(Clone)]
pub enum Unlock {
    /// A passphrase: the store's key is random and wrapped under it with Argon2id (RFC 9106).
    Passphrase(Zeroizing<String>),
    /// The store's 32-byte key itself, kept by the caller (a system keyring).
    Key(Zeroizing<[u8; 32]>),
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unlock(..)")
    }
}
