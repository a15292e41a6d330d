//! Reads logs and inboxes from views and journal, one bounded stretch at a time.

use kring_protocol::frame;
use kring_protocol::ids::{DeviceId, InboxSeq, Seq};
use kring_protocol::message as wire;
use kring_protocol::refusal::Refusal;

use super::access::ProvenAccess;
use super::answer::{Backlog, InboxPart, Stretch};
use super::core::Stop;
use super::views::Views;
use crate::rules::Entry;
use crate::rules::block::{block_of, first_of};
use crate::rules::group::{Earlier, hash_of};
use crate::store::{Position, StoreError};

/// Most records in one stretch, so that one reader of small records does not hold up everybody: a third of a millisecond
/// where they are in memory, one where they come from the disk.
const MOST_RECORDS: usize = 32;

/// Most blocks in one stretch, whether anything is left in them or not: a stretch of full ones has two and ends before.
const MOST_BLOCKS: u64 = 64;

/// Blocks in which the next stretch's records are looked for: full ones have more than it takes.
const MOST_EXPECTED_BLOCKS: u64 = 2;

impl Views {
    /// A submission that was accepted before under this operation id.
    pub(super) fn earlier(
        &mut self,
        access: ProvenAccess,
        operation: kring_protocol::ids::OperationId,
    ) -> Result<Option<Earlier>, StoreError> {
        #[cfg(feature = "planted-faults")]
        if crate::planted::is(crate::planted::Fault::ForgetOperations) {
            return Ok(None);
        }
        let Some(seq) = self.operation(access.group, operation)? else { return Ok(None) };
        let Some(record) = self.record(access.group, seq)? else { return Ok(None) };
        let record: wire::Record = frame::decode(&record).map_err(|_| StoreError::Corrupt)?;
        Ok(Some(Earlier { receipt: wire::Receipt { seq, at: record.at }, hash: hash_of(&record.message) }))
    }

    /// The bytes of a record, unless it is gone.
    fn record(&mut self, group: kring_protocol::ids::GroupId, seq: Seq) -> Result<Option<bytes::Bytes>, StoreError> {
        let slot = self.block(group, block_of(seq))?.and_then(|block| block.slot(seq)).copied();
        let Some(slot) = slot else { return Ok(None) };
        match self.entry(slot.position())? {
            Some(Entry::Appended(entry)) if entry.seq == seq => Ok(Some(entry.record.0)),
            _ => Err(StoreError::Corrupt),
        }
    }

    /// Records after `after` that the proof opens, and the record at which the proof's epoch ended.
    pub(super) fn stretch(
        &mut self,
        access: ProvenAccess,
        after: Option<Seq>,
        limit: u64,
    ) -> Result<(Stretch, Option<Seq>), Stop> {
        let head = self.head(access.group)?.ok_or(Refusal::Forbidden)?;
        let epoch = *head.admit(access)?;
        let (newest, current, first_block) =
            (epoch.ended().unwrap_or(head.newest()), head.told(&epoch), head.first_block());
        #[cfg(feature = "planted-faults")]
        let newest = if crate::planted::is(crate::planted::Fault::AcceptOldProof) { head.newest() } else { newest };
        let start = after.unwrap_or(Seq(epoch.opened().0.saturating_sub(1))).min(newest);
        let mut reader = Reader { backlog: Vec::new(), records: 0, through: start, missing: None };
        let kept = Seq(first_of(first_block).0 - 1).min(newest);
        if start < kept {
            let commits = head.dropped_commits(start, kept);
            reader.miss(Seq(start.0 + 1), kept, commits, kept.0 - start.0);
        }
        let mut bytes = 0;
        let last_block = block_of(reader.through.next()).saturating_add(MOST_BLOCKS);
        while reader.through < newest && reader.records < MOST_RECORDS {
            let from = reader.through.next();
            let number = block_of(from);
            if number >= last_block {
                break;
            }
            // What is missing is passed over at once, to the end of the block if nothing is left in it.
            let end = newest.min(Seq(first_of(number + 1).0 - 1));
            let next = self.block(access.group, number)?.and_then(|block| block.next_record(from));
            let Some(seq) = next.filter(|seq| *seq <= end) else {
                reader.miss(from, end, 0, end.0 + 1 - from.0);
                continue;
            };
            if seq > from {
                reader.miss(from, Seq(seq.0 - 1), 0, seq.0 - from.0);
            }
            let record = self.record(access.group, seq)?.ok_or(StoreError::Corrupt)?;
            bytes += record.len() as u64;
            if bytes > limit && reader.records > 0 {
                break;
            }
            reader.take(seq, record);
        }
        let through = reader.through;
        if reader.records == MOST_RECORDS && through < newest {
            self.expect_records(access.group, through.next())?;
        }
        let backlog = reader.finish();
        let backlog = self.with_lost_commits(access, backlog)?;
        Ok((Stretch { backlog, through, head: newest, epoch: current }, epoch.ended()))
    }

    /// Tells the store of the records from `from` on that the next stretch will have.
    fn expect_records(&mut self, group: kring_protocol::ids::GroupId, from: Seq) -> Result<(), StoreError> {
        let mut positions = Vec::with_capacity(MOST_RECORDS);
        for number in block_of(from)..block_of(from) + MOST_EXPECTED_BLOCKS {
            let Some(block) = self.block(group, number)? else { break };
            positions.extend(block.records(number).filter(|(seq, _)| *seq >= from).map(|(_, slot)| slot.position()));
        }
        positions.truncate(MOST_RECORDS);
        self.expect(&positions);
        Ok(())
    }

    /// Commits that have gone from blocks that are still there are known to the head alone.
    fn with_lost_commits(&mut self, access: ProvenAccess, backlog: Vec<Backlog>) -> Result<Vec<Backlog>, Stop> {
        let Some(head) = self.head(access.group)? else { return Ok(backlog) };
        let counted = backlog.into_iter().map(|part| match part {
            Backlog::Gap(gap) => {
                let commits = head.dropped_commits(Seq(gap.from.0.saturating_sub(1)), gap.to);
                Backlog::Gap(wire::Gap { commits, ..gap })
            }
            record @ Backlog::Record(_) => record,
        });
        Ok(counted.collect())
    }

    /// Notes after `after`, at least one if there is one, of journal entries of at most `limit` bytes in all.
    pub(super) fn inbox(&mut self, device: DeviceId, after: InboxSeq, limit: u64) -> Result<InboxPart, Stop> {
        let (notes, newest) = match self.device(device)? {
            Some(device) => (device.notes(after).copied().collect(), device.newest()),
            None => (Vec::new(), InboxSeq(0)),
        };
        let newest = wire::InboxEnd { through: newest };
        let mut part = InboxPart { notes: Vec::new(), newest, more: false };
        let (mut bytes, mut given) = (0, 0);
        let mut read: Option<(Position, Entry)> = None;
        for note in notes {
            // Several Welcomes of one bundle are read once; a bundle counts whole, since it is read whole.
            if read.as_ref().is_none_or(|(position, _)| *position != note.position) {
                if bytes > limit && !part.notes.is_empty() {
                    part.more = true;
                    break;
                }
                let (entry, length) = self.sized_entry(note.position)?.ok_or(StoreError::Corrupt)?;
                bytes += length as u64;
                read = Some((note.position, entry));
            }
            let sealed = match (&read, note.welcome) {
                (Some((_, Entry::Noted(entry))), None) => entry.sealed.clone(),
                (Some((_, Entry::Appended(entry))), Some(index)) => {
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    let welcomes = entry.commit.as_ref().map(|part| &part.welcomes[..]).unwrap_or_default();
                    welcomes.get(index).ok_or(StoreError::Corrupt)?.sealed.clone()
                }
                _ => return Err(StoreError::Corrupt.into()),
            };
            given += sealed.len() as u64;
            if given > limit && !part.notes.is_empty() {
                part.more = true;
                break;
            }
            part.notes.push(wire::Note { seq: note.seq, day: note.day, sealed });
        }
        Ok(part)
    }
}

/// Puts records and gaps in order; neighbouring missing records become one gap.
struct Reader {
    backlog: Vec<Backlog>,
    records: usize,
    through: Seq,
    missing: Option<wire::Gap>,
}

impl Reader {
    fn miss(&mut self, from: Seq, to: Seq, commits: u64, records: u64) {
        let gap = self.missing.get_or_insert(wire::Gap { from, to, commits: 0, records: 0 });
        gap.to = to;
        gap.commits += commits;
        gap.records += records;
        self.through = to;
    }

    fn take(&mut self, seq: Seq, record: bytes::Bytes) {
        self.backlog.extend(self.missing.take().map(Backlog::Gap));
        self.backlog.push(Backlog::Record(record));
        self.records += 1;
        self.through = seq;
    }

    fn finish(mut self) -> Vec<Backlog> {
        self.backlog.extend(self.missing.take().map(Backlog::Gap));
        self.backlog
    }
}
