//! The pages of the views, in memory and as bytes.

use std::collections::BTreeSet;

use bytes::Bytes;
use kring_protocol::frame;
use kring_protocol::ids::GroupId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::rules::block::Block;
use crate::rules::device::Device;
use crate::rules::directory::Shard;
use crate::rules::enrolment::{Mailbox, TicketOwner};
use crate::rules::group::Head;
use crate::rules::professional::Professional;
use crate::rules::revocation::Revocations;
use crate::store::{PageId, Position, StoreError};

/// Groups that are to be erased.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct ErasingGroups {
    #[serde(rename = "p")]
    pub(super) through: Position,
    #[serde(rename = "g")]
    pub(super) groups: BTreeSet<GroupId>,
}

/// A page in memory.
pub(super) enum Page {
    Head(Head),
    Block(Block),
    Device(Device),
    Professional(Professional),
    Erasing(ErasingGroups),
    Revocations(Revocations),
    Shard(Shard),
    Mailbox(Mailbox),
    Ticket(TicketOwner),
}

/// Bytes of a page's place in memory besides its contents.
const PLACE: usize = 96;

/// Bytes that a page takes in memory, roughly.
pub(super) fn weight(page: Option<&Page>) -> usize {
    PLACE
        + match page {
            Some(Page::Head(page)) => page.weight(),
            Some(Page::Block(page)) => page.weight(),
            Some(Page::Device(page)) => page.weight(),
            Some(Page::Professional(page)) => page.weight(),
            Some(Page::Erasing(page)) => page.groups.len() * 32,
            Some(Page::Revocations(page)) => page.weight(),
            Some(Page::Shard(page)) => page.weight(),
            Some(Page::Mailbox(page)) => page.weight(),
            Some(Page::Ticket(_)) => size_of::<TicketOwner>(),
            None => 0,
        }
}

/// The bytes on the disk.
pub(super) fn encode(page: &Page) -> Bytes {
    match page {
        Page::Head(page) => frame::encode_body(page),
        Page::Block(page) => frame::encode_body(page),
        Page::Device(page) => frame::encode_body(page),
        Page::Professional(page) => frame::encode_body(page),
        Page::Erasing(page) => frame::encode_body(page),
        Page::Revocations(page) => frame::encode_body(page),
        Page::Shard(page) => frame::encode_body(page),
        Page::Mailbox(page) => frame::encode_body(page),
        Page::Ticket(page) => frame::encode_body(page),
    }
    .into()
}

/// Reads the bytes of the disk.
pub(super) fn decode(id: &PageId, bytes: &[u8]) -> Result<Page, StoreError> {
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
        frame::decode(bytes).map_err(|_| StoreError::Corrupt)
    }
    Ok(match id {
        PageId::Group(_) => Page::Head(read(bytes)?),
        PageId::Block(..) => Page::Block(read(bytes)?),
        PageId::Device(_) => Page::Device(read(bytes)?),
        PageId::Professional(_) => Page::Professional(read(bytes)?),
        PageId::Erasing => Page::Erasing(read(bytes)?),
        PageId::Revocations => Page::Revocations(read(bytes)?),
        PageId::Shard(_) => Page::Shard(read(bytes)?),
        PageId::Mailbox(_) => Page::Mailbox(read(bytes)?),
        PageId::Ticket(_) => Page::Ticket(read(bytes)?),
    })
}
