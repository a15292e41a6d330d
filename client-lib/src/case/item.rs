//! An item as it stands in the log: what was said, by whom, and where.

use std::fmt;

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{Epoch, Seq, Timestamp};

use super::draft::Sensitivity;
use super::ids::{CaseId, ItemId};

/// Place of an item in this device's copy of a case, from 1, without holes. It follows the log's order, also across
/// successor groups; another device, which joined at another time, counts differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// One item of a case's log.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Its case.
    pub case: CaseId,
    /// Its place in this device's copy of the case.
    pub position: Position,
    /// Its record in the log of the group that carried it.
    pub seq: Seq,
    /// The epoch in which it was encrypted.
    pub epoch: Epoch,
    /// Its identifier, unique for its author's device.
    pub id: ItemId,
    /// Whose device sent it, from the verified certificate.
    pub author: DeviceAddress,
    /// The author's name, from the certificate.
    pub author_name: String,
    /// The author's organisation, from the certificate.
    pub author_organisation: String,
    /// The author's function, from the certificate.
    pub author_function: String,
    /// This device sent it.
    pub own: bool,
    /// When its author wrote it, by the author's clock.
    pub sent_at: Timestamp,
    /// When the relay accepted it, by the relay's clock.
    pub relayed_at: Timestamp,
    /// The item that this one answers.
    pub in_reply_to: Option<ItemId>,
    /// The author's own earlier item that this one replaces.
    pub replaces: Option<ItemId>,
    /// Which family members it concerns.
    pub about: Vec<String>,
    /// Why it is shared.
    pub purpose: Option<String>,
    /// How widely it may travel.
    pub sensitivity: Sensitivity,
    /// What was said.
    pub body: Body,
}

/// What an item says.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Chat, as `text/markdown`.
    Markdown(String),
    /// A kind that this version does not know: kept, and shown as "needs a newer version".
    Unknown {
        /// Its media type, if it could be read.
        media_type: Option<String>,
        /// Its bytes.
        content: Vec<u8>,
    },
}

impl Body {
    /// The text, of chat.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Markdown(text) => Some(text),
            Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({:?}, {:?})", self.position, self.seq)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}
