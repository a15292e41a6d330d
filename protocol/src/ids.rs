//! Identifiers and counters that cross the wire. Each is a type of its own, so that no two can be confused.
//!
//! `Debug` never shows the value: an identifier in a log would tell whoever reads logs who talks with whom.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::MAX_COUNTER;

/// Defines an opaque identifier of `N` bytes, encoded as a CBOR byte string of exactly that length.
macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The value as bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the value from a slice of exactly [`Self::LEN`] bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The value in lower-case hexadecimal, for display to the user who owns it.
            pub fn to_hex(&self) -> String {
                self.0.iter().map(|byte| format!("{byte:02x}")).collect()
            }

            /// Reads the form that [`Self::to_hex`] writes.
            pub fn from_hex(text: &str) -> Option<Self> {
                let digits = text.as_bytes();
                if digits.len() != 2 * $len {
                    return None;
                }
                let mut value = [0u8; $len];
                for (byte, pair) in value.iter_mut().zip(digits.chunks_exact(2)) {
                    let high = char::from(pair[0]).to_digit(16)?;
                    let low = char::from(pair[1]).to_digit(16)?;
                    *byte = u8::try_from(high << 4 | low).ok()?;
                }
                Some(Self(value))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "a byte string of {} bytes", $len)
                    }

                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        $name::from_slice(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
                    }
                }
                deserializer.deserialize_bytes(Visitor)
            }
        }
    };
}

/// Defines a counter, encoded as a CBOR unsigned integer.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The largest value that is decoded; see [`MAX_COUNTER`].
            pub const MAX: Self = Self(MAX_COUNTER);

            /// The next value.
            ///
            /// # Panics
            /// After 2^64 - 1, which no counting from a decoded value reaches.
            pub const fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("decoded counters are below 2^62"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match u64::deserialize(deserializer)? {
                    value @ ..=MAX_COUNTER => Ok(Self(value)),
                    value => Err(de::Error::invalid_value(de::Unexpected::Unsigned(value), &"a counter below 2^62")),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

opaque! {
    /// The `group_id` of an MLS group (RFC 9420 §8.1): 16 random bytes, so that it cannot be guessed.
    GroupId, 16
}
opaque! {
    /// Names one submission, so that sending it again after a lost reply has no second effect. Random.
    OperationId, 16
}
opaque! {
    /// Names a reading position that holds a log's records back for one device. Random; whoever knows it may
    /// move it.
    CursorId, 16
}
opaque! {
    /// One device of a professional: one MLS client, one certificate line. Random, chosen at enrolment.
    DeviceId, 16
}
opaque! {
    /// A KeyPackage claim and the inbox place reserved with it. Random, made by the relay.
    ClaimId, 16
}
opaque! {
    /// One life of a relay's database. A restored backup or a fresh disk has another. Random.
    Incarnation, 16
}
opaque! {
    /// Names a ticket for enrolment at the relay. Derived from the ticket's secret, which it does not tell.
    TicketId, 16
}
opaque! {
    /// Names who signs a list of revoked certificates: SHA-256 over the DER of its subject's name and of its public
    /// key (`SubjectPublicKeyInfo`), one after the other.
    IssuerId, 32
}
opaque! {
    /// Which lists of revoked certificates a relay has: SHA-256 over issuer and number (8 bytes, big-endian) of
    /// each, in the order of the issuers.
    CrlDigest, 32
}
opaque! {
    /// SHA-256 of a submission's message.
    MessageHash, 32
}
opaque! {
    /// Public Ed25519 key (RFC 8032) of one epoch: its holder may read and append in that epoch.
    AccessKey, 32
}
opaque! {
    /// Ed25519 signature (RFC 8032).
    Signature, 64
}

counter! {
    /// Place of a record in its group's log, from 1 (the log's creation is 0).
    Seq
}
counter! {
    /// MLS epoch (RFC 9420 §8.1).
    Epoch
}
counter! {
    /// Place of a note in one device's inbox, from 1.
    InboxSeq
}
counter! {
    /// Number of a list of revoked certificates (RFC 5280 §5.2.3), which rises for each issuer.
    CrlNumber
}
counter! {
    /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
    Timestamp
}

impl Timestamp {
    /// Milliseconds in a second.
    pub const SECOND: u64 = 1_000;
    /// Milliseconds in a day.
    pub const DAY: u64 = 24 * 60 * 60 * Self::SECOND;

    /// This moment and `milliseconds` more; stays at the end of time instead of wrapping.
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this moment; 0 if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The start of this moment's day in UTC: all that an inbox note tells of its time.
    pub const fn day(self) -> Self {
        Self(self.0 - self.0 % Self::DAY)
    }
}

/// Number that a client gives to one of its subscriptions; has a meaning on one connection only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subscription(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value() {
        let id = GroupId([0xab; 16]);
        assert_eq!(format!("{id:?}"), "GroupId(..)");
    }

    #[test]
    fn a_counter_from_which_counting_on_could_overflow_is_not_decoded() {
        let decode = |value: u64| crate::frame::decode::<Epoch>(&crate::frame::encode_body(&value));
        assert_eq!(decode(MAX_COUNTER), Ok(Epoch::MAX));
        assert_eq!(decode(MAX_COUNTER + 1), Err(crate::frame::FrameError::Malformed));
        assert_eq!(decode(u64::MAX), Err(crate::frame::FrameError::Malformed));
    }

    #[test]
    fn hexadecimal_round_trips_and_refuses_anything_else() {
        let id = DeviceId(*b"0123456789abcdef");
        assert_eq!(DeviceId::from_hex(&id.to_hex()), Some(id));
        assert_eq!(DeviceId::from_hex("00"), None);
        assert_eq!(DeviceId::from_hex(&"g".repeat(32)), None);
        assert_eq!(DeviceId::from_hex(&"é".repeat(16)), None);
    }
}
