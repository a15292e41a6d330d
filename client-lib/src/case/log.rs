//! What the state of a case follows from: its log, as the pure functions of [`fold`](super::fold) see it.
//!
//! An entry holds nothing that differs between two members who read the same log: no position of this device, no time
//! at which something was received, no mark of what is one's own.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, Epoch, GroupId, Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::duties::Duties;
use super::hash::ContentHash;
use super::ids::ItemId;
use super::item::Body;
use super::member::Role;

/// One entry of a case's log, in its order; across successor groups too.
#[derive(Clone, PartialEq, Eq)]
pub enum LogEntry {
    /// Somebody said something.
    Said(Said),
    /// The group changed: a Commit was merged, or a successor group began.
    Changed(Change),
}

/// An item, as the state sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// Its identifier.
    pub item: ItemId,
    /// Who said it, from the verified certificate.
    pub author: Author,
    /// When, by the author's clock.
    pub sent_at: Timestamp,
    /// The author's own earlier item that this one replaces.
    pub replaces: Option<ItemId>,
    /// What was said.
    pub body: Body,
    /// SHA-256 of the body's bytes, by which the group's context names it.
    pub hash: ContentHash,
}

/// Who said or did something, from the verified certificate of the device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The professional.
    pub professional: ProfessionalAddress,
    /// Which of their devices.
    pub device: DeviceId,
    /// Their name.
    pub name: String,
    /// Their organisation.
    pub organisation: String,
    /// The code of their function, such as `veilig-thuis`.
    pub function: String,
}

/// The members of a case after a change of its group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The group that carries the case.
    pub group: GroupId,
    /// Its epoch after the change.
    pub epoch: Epoch,
    /// The Commit's record; 0 where a group begins.
    pub seq: Seq,
    /// Who made it; `None` where this device joined by it.
    pub by: Option<ProfessionalAddress>,
    /// Everybody who has a role, rising by address.
    pub people: Vec<Person>,
    /// Who answers for the family, as the group's context has it.
    #[serde(default)]
    pub duties: Duties,
}

/// A professional with a role in a case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their address.
    pub professional: ProfessionalAddress,
    /// Their role.
    pub role: Role,
    /// Name, organisation and function, where a device of theirs is in the group.
    pub present: Option<Present>,
}

/// What a present professional's certificate says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Their name.
    pub name: String,
    /// Their organisation.
    pub organisation: String,
    /// The code of their function.
    pub function: String,
}

macro_rules! says_nothing {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}
pub(super) use says_nothing;

says_nothing!(LogEntry, Said, Author, Change, Person, Present);
