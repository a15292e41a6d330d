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

#[cfg(test)]
mod tests {
    use kring_protocol::ids::{AccessKey, Epoch, GroupId, Timestamp};

    use super::*;
    use crate::rules::entry::CommitPart;

    const GROUP: GroupId = GroupId([1; 16]);

    fn operation(seq: u64) -> OperationId {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&seq.to_be_bytes());
        OperationId(id)
    }

    /// A block that was given these records, the last of which is a Commit; each in an entry of ten times its number.
    fn block(seqs: &[u64]) -> Block {
        let mut block = Block::default();
        for seq in seqs {
            let part = CommitPart { opens: Epoch(1), key: AccessKey([2; 32]), closes: false, welcomes: Vec::new() };
            let entry = Appended {
                group: GROUP,
                seq: Seq(*seq),
                at: Timestamp(0),
                operation: operation(*seq),
                record: vec![0].into(),
                commit: (Some(seq) == seqs.last()).then_some(part),
            };
            block.apply_appended(Position(seq * 10), &entry);
        }
        block
    }

    fn found(block: &Block, seq: u64) -> Option<(u64, OperationId, bool)> {
        block.slot(Seq(seq)).map(|slot| (slot.position().0, slot.operation(), slot.is_commit()))
    }

    #[test]
    fn each_record_has_its_place_in_one_block() {
        for (seq, block) in [(0, 0), (1, 0), (128, 0), (129, 1), (256, 1), (257, 2)] {
            assert_eq!(block_of(Seq(seq)), block, "{seq}");
        }
        assert_eq!([0, 1, 2].map(first_of), [Seq(1), Seq(129), Seq(257)]);
    }

    #[test]
    fn a_record_is_found_where_it_stands_until_it_goes() {
        let mut block = block(&[129, 130, 133, 256]);
        assert_eq!(found(&block, 129), Some((1_290, operation(129), false)));
        assert_eq!(found(&block, 133), Some((1_330, operation(133), false)));
        assert_eq!(found(&block, 256), Some((2_560, operation(256), true)));
        assert_eq!(found(&block, 131), None, "a gap");
        // 2 and 258 have the places of 130 in other blocks.
        let seqs = [2, 129, 258].map(Seq).to_vec();
        let entry = Expired { group: GROUP, at: Timestamp(0), seqs, commits: Vec::new(), first_block: 0, bytes: 3 };
        block.apply_expired(1, &entry);
        assert_eq!(found(&block, 129), None);
        assert_eq!(found(&block, 130), Some((1_300, operation(130), false)));
        let left: Vec<_> = block.records(1).map(|(seq, slot)| (seq.0, slot.position().0)).collect();
        assert_eq!(left, [(130, 1_300), (133, 1_330), (256, 2_560)]);
        for (from, next) in [(129, Some(130)), (130, Some(130)), (131, Some(133)), (134, Some(256))] {
            assert_eq!(block.next_record(Seq(from)), next.map(Seq), "{from}");
        }
        block.apply_expired(1, &Expired { seqs: vec![Seq(256)], ..entry });
        assert_eq!(block.next_record(Seq(134)), None);
    }

    #[test]
    fn a_block_weighs_what_its_slots_take() {
        let full = block(&(1..=BLOCK).collect::<Vec<_>>());
        let slots = 128 * size_of::<Slot>();
        assert_eq!(Block::default().weight(), 64);
        assert!((64 + slots..=64 + 2 * slots).contains(&full.weight()), "{}", full.weight());
    }
}
