//! Identifiers that only the members of a case know. Random, 16 bytes; `Debug` never shows the value.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// A new random identifier.
            pub fn random() -> Self {
                Self(rand::random())
            }

            /// Reads the value from a slice of exactly 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The value in lower-case hexadecimal, for display to the user who owns it.
            pub fn to_hex(&self) -> String {
                self.0.iter().map(|byte| format!("{byte:02x}")).collect()
            }

            /// Reads the form that [`Self::to_hex`] writes.
            pub fn from_hex(text: &str) -> Option<Self> {
                kring_protocol::ids::GroupId::from_hex(text).map(|value| Self(value.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = serde_bytes::ByteArray::<16>::deserialize(deserializer)?;
                Ok(Self(bytes.into_array()))
            }
        }
    };
}

identifier! {
    /// One case: stays the same when it goes on in a successor group. The relay never sees it.
    CaseId
}
identifier! {
    /// One item of a case: chosen by its author, so that an item that is encrypted again stays one item.
    ItemId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_shown_to_its_owner_only_on_purpose() {
        let id = CaseId([0xab; 16]);
        assert_eq!(format!("{id:?}"), "CaseId(..)");
        assert_eq!(CaseId::from_hex(&id.to_hex()), Some(id));
        assert_eq!(CaseId::from_hex("ab"), None);
    }
}
