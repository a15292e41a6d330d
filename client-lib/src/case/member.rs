//! Who takes part in a case, and with what right.

use std::fmt;

use kring_protocol::address::DeviceAddress;
use serde::{Deserialize, Serialize};

/// What a professional may do in a case. Held in the group's own context, so that every member agrees on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Exactly one: adds, removes, gives roles.
    Coordinator,
    /// Adds and removes; stands in for the coordinator.
    Deputy,
    /// Takes part.
    Member,
    /// Reads and speaks; changes neither plan nor members.
    Observer,
}

impl Role {
    /// Its number in items and in the group's context.
    pub fn number(self) -> u8 {
        match self {
            Self::Coordinator => 1,
            Self::Deputy => 2,
            Self::Member => 3,
            Self::Observer => 4,
        }
    }

    /// The role of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Coordinator, Self::Deputy, Self::Member, Self::Observer]
            .into_iter()
            .find(|role| role.number() == number)
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Self::from_number(number).ok_or_else(|| serde::de::Error::custom("an unknown role"))
    }
}

/// One device in a case; a professional with several devices is several of these.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    /// Whose device, and which.
    pub address: DeviceAddress,
    /// The professional's name, from the verified certificate.
    pub name: String,
    /// The organisation, from the verified certificate.
    pub organisation: String,
    /// The function, from the verified certificate.
    pub function: String,
    /// The professional's role in this case.
    pub role: Role,
    /// It is this device.
    pub own: bool,
    /// It has asked to leave, and waits for another member to carry it out.
    pub leaving: bool,
    /// This device knows that its certificate was revoked, or does not believe it any more: nothing is written to it,
    /// and somebody's device takes it out.
    pub revoked: bool,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({:?})", self.role)
    }
}
