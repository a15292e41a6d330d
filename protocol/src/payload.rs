//! Bytes that somebody else encrypted: cheap to share, and never shown by `Debug`.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// An opaque byte string of any length. Cloning shares the bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(pub Bytes);

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_the_bytes_it_was_made_of_shares_them_and_shows_their_number_alone() {
        let bytes = Bytes::from(b"sealed".to_vec());
        let payload = Payload::from(bytes.clone());
        assert_eq!(&payload[..], b"sealed");
        assert_eq!(payload, Payload::from(b"sealed".to_vec()));
        assert_eq!(payload.clone().as_ptr(), bytes.as_ptr());
        assert_eq!(format!("{payload:?}"), "Payload(6 bytes)");
    }
}
