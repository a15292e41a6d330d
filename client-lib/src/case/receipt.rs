//! Receipts: how far somebody's device has stored and somebody has read what others said.
//!
//! One receipt covers everything up to a record of the log, so that it says nothing of single messages, has the size of a
//! line of chat, and can wait: prompt single receipts would let a relay link who answers whom. It is no item, and nothing of
//! the state follows from it; acknowledging an alert or a handover is an item of its own, and goes at once.

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{GroupId, Seq};
use serde::{Deserialize, Serialize};

use super::ids::ItemId;
use super::log::says_nothing;
use super::view::Delivery;

/// Media type of a receipt.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kring.receipt+cbor";
/// Version of its form.
const VERSION: u64 = 1;
/// Most items that one receipt acknowledges.
pub(crate) const MAX_ACKNOWLEDGED: usize = 64;

/// How far a device has come.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReceiptSays {
    /// The group whose records are meant.
    pub(crate) group: GroupId,
    /// Decrypted and stored up to here.
    pub(crate) delivered: Seq,
    /// Read up to here.
    pub(crate) read: Seq,
    /// Items that the user has acknowledged.
    #[serde(default)]
    pub(crate) acknowledged: Vec<ItemId>,
}

impl ReceiptSays {
    pub(crate) fn encode(&self) -> Vec<u8> {
        kring_protocol::frame::encode_body(&(VERSION, self))
    }

    pub(crate) fn decode(content: &[u8]) -> Option<Self> {
        let (version, says): (u64, Self) = kring_protocol::frame::decode(content).ok()?;
        (version == VERSION && says.acknowledged.len() <= MAX_ACKNOWLEDGED).then_some(says)
    }
}

/// What is known of an own item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageStatus {
    /// How far it is.
    pub delivery: Delivery,
    /// How far each other device in the case is with it, as far as it has said so.
    pub recipients: Vec<Recipient>,
}

/// How far a device is with an item.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Which device.
    pub device: DeviceAddress,
    /// How far it is.
    pub reached: Reached,
}

/// How far an item has come with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reached {
    /// Nothing is known.
    Unknown,
    /// The device has decrypted and stored it.
    Delivered,
    /// Its user has read it.
    Read,
    /// Its user has acknowledged it.
    Acknowledged,
}

says_nothing!(ReceiptSays, Recipient);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_comes_back_and_one_without_bounds_does_not() {
        let receipt = ReceiptSays {
            group: GroupId([1; 16]),
            delivered: Seq(9),
            read: Seq(7),
            acknowledged: vec![ItemId([3; 16])],
        };
        assert!(ReceiptSays::decode(&receipt.encode()) == Some(receipt.clone()));
        let endless = ReceiptSays { acknowledged: vec![ItemId([3; 16]); MAX_ACKNOWLEDGED + 1], ..receipt };
        assert!(ReceiptSays::decode(&endless.encode()).is_none());
        assert!(ReceiptSays::decode(b"no receipt").is_none());
    }

    #[test]
    fn a_receipt_is_no_larger_than_a_line_of_chat() {
        let most =
            ReceiptSays { group: GroupId([1; 16]), delivered: Seq::MAX, read: Seq::MAX, acknowledged: Vec::new() };
        assert!(most.encode().len() <= 100, "{}", most.encode().len());
    }
}
