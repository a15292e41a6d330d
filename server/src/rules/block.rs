//! Where a log's records stand in the journal: blocks of [`BLOCK`] slots each, so that appending to a long log rewrites
//! a small page, and reading does not walk the log.

use kring_protocol::ids::{OperationId, Seq};
use serde::{Deserialize, Serialize};

use super::entry::{Appended, Expired};
use crate::store::Position;

/// Slots in a block: 128 of some 30 bytes fit one chunk of the store (4 KiB).
pub const BLOCK: u64 = 128;

/// The block that holds a record's slot.
pub fn block_of(seq: Seq) -> u64 {
    seq.0.saturating_sub(1) / BLOCK
}

/// The first record of a block.
pub fn first_of(block: u64) -> Seq {
    Seq(block * BLOCK + 1)
}

/// One block.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "s")]
    slots: Vec<Slot>,
}

/// One record's place.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot(Position, OperationId, bool);

impl Slot {
    const GONE: Self = Self(Position(0), OperationId([0; 16]), false);

    /// The entry that holds the record.
    pub fn position(&self) -> Position {
        self.0
    }

    /// The submission's operation id.
    pub fn operation(&self) -> OperationId {
        self.1
    }

    /// It is a Commit.
    pub fn is_commit(&self) -> bool {
        self.2
    }
}

impl Block {
    /// The slot of a record, unless the record is gone.
    pub fn slot(&self, seq: Seq) -> Option<&Slot> {
        let slot = self.slots.get(index(seq))?;
        (slot.0 != Position(0)).then_some(slot)
    }

    /// The first record at or after `from` that is there.
    pub fn next_record(&self, from: Seq) -> Option<Seq> {
        let rest = self.slots.iter().enumerate().skip(index(from));
        let ahead = rest.into_iter().find(|(_, slot)| slot.0 != Position(0)).map(|(at, _)| at - index(from))?;
        Some(Seq(from.0 + ahead as u64))
    }

    /// The records that are there, in order.
    pub fn records(&self, block: u64) -> impl Iterator<Item = (Seq, &Slot)> {
        let first = first_of(block).0;
        self.slots.iter().zip(first..).filter(|(slot, _)| slot.0 != Position(0)).map(|(slot, seq)| (Seq(seq), slot))
    }

    pub(crate) fn apply_appended(&mut self, position: Position, entry: &Appended) {
        let index = index(entry.seq);
        if self.slots.len() <= index {
            self.slots.resize(index + 1, Slot::GONE);
        }
        self.slots[index] = Slot(position, entry.operation, entry.commit.is_some());
    }

    pub(crate) fn apply_expired(&mut self, block: u64, entry: &Expired) {
        for seq in entry.seqs.iter().filter(|seq| block_of(**seq) == block) {
            if let Some(slot) = self.slots.get_mut(index(*seq)) {
                *slot = Slot::GONE;
            }
        }
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        64 + self.slots.capacity() * size_of::<Slot>()
    }
}

fn index(seq: Seq) -> usize {
    usize::try_from(seq.0.saturating_sub(1) % BLOCK).expect("a block is small")
}
