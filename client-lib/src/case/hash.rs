//! Hashes by which items and the group's context name what somebody said. `Debug` never shows the value.

use std::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 (FIPS 180-4) of the bytes of an item's body. Unlike the item's ciphertext and salt, the body stays the same
/// when the item is encrypted again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(crate::item::sha256(bytes))
    }

    /// The hash in lower-case hexadecimal, for display.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentHash(..)")
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteArray::<32>::deserialize(deserializer)?;
        Ok(Self(bytes.into_array()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_not_shown() {
        assert_eq!(format!("{:?}", ContentHash::of(b"x")), "ContentHash(..)");
        assert_ne!(ContentHash::of(b"x"), ContentHash::of(b"y"));
    }
}
