//! Retention: goes through the journal from its oldest entry, a few entries at a time, again and again.
//!
//! For each entry it asks the rules whether what it holds has expired, and writes that as an entry of its own, so that a
//! replay forgets the same. An entry that no view needs any more is removed from the journal, once a checkpoint covers
//! it. So whatever an interrupted pass leaves behind, the next one finds.

use std::collections::BTreeMap;

use kring_protocol::ids::{DeviceId, GroupId, InboxSeq, Seq, Timestamp};

use super::views::Views;
use crate::rules::Entry;
use crate::rules::block::{block_of, first_of};
use crate::rules::entry::{Acknowledged, Appended, Erased, Expired};
use crate::rules::retention::{erasure_is_due, note_expires, record_expires};
use crate::store::{Position, StoreError};

/// Entries looked at in one step: at five steps a second, 25 million a day.
const STEP: usize = 60;
/// Milliseconds between the ends of passes and the next one's start.
const PAUSE: u64 = 60 * 60 * Timestamp::SECOND;

/// Where the sweep is.
#[derive(Default)]
pub(super) struct Sweep {
    after: Position,
    resting_since: Option<Timestamp>,
}

/// Records of one group that go, with those of them that are Commits.
#[derive(Default)]
struct Going {
    seqs: Vec<Seq>,
    commits: Vec<Seq>,
    bytes: u64,
}

impl Sweep {
    /// Begins a pass at once.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Looks at some entries. Returns the groups that were erased.
    pub(super) fn step(&mut self, views: &mut Views, now: Timestamp) -> Result<Vec<GroupId>, StoreError> {
        let erased = erase_due(views, now)?;
        if self.resting_since.is_some_and(|since| now.since(since) < PAUSE) {
            views.commit()?;
            return Ok(erased);
        }
        self.resting_since = None;
        let covered = views.store().checkpointed();
        let mut going: BTreeMap<GroupId, Going> = BTreeMap::new();
        let mut notes: BTreeMap<DeviceId, InboxSeq> = BTreeMap::new();
        let mut unneeded = Vec::new();
        for _ in 0..STEP {
            let next = views.store().next_after(self.after)?.filter(|position| *position <= covered);
            let Some(position) = next else {
                *self = Self { after: Position(0), resting_since: Some(now) };
                break;
            };
            self.after = position;
            let Some(entry) = views.entry(position)? else { continue };
            if !expire(views, position, &entry, now, &mut going, &mut notes)? {
                unneeded.push(position);
            }
        }
        for (group, going) in going {
            let first_block = first_block_after(views, group, &going.seqs)?;
            let Going { seqs, commits, bytes } = going;
            views.write(&Entry::Expired(Expired { group, at: now, seqs, commits, first_block, bytes }))?;
        }
        for (device, through) in notes {
            views.write(&Entry::Acknowledged(Acknowledged { device, through }))?;
        }
        views.commit()?;
        if !unneeded.is_empty() {
            tracing::debug!(entries = unneeded.len(), "entries removed");
            views.remove(&unneeded)?;
        }
        Ok(erased)
    }
}

/// Groups whose erasure is due go as a whole.
fn erase_due(views: &mut Views, now: Timestamp) -> Result<Vec<GroupId>, StoreError> {
    let mut erased = Vec::new();
    for group in views.erasing()? {
        let due = views.head(group)?.filter(|head| erasure_is_due(head, now));
        if let Some((first_block, newest)) = due.map(|head| (head.first_block(), head.newest())) {
            views.write(&Entry::Erased(Erased { group, at: now, first_block, newest }))?;
            erased.push(group);
        }
    }
    Ok(erased)
}

/// Notes what of an entry expires now, and says whether any view needs the entry: as of now, so that what expires in
/// this step is removed by the next pass, when its expiry is covered by a checkpoint.
fn expire(
    views: &mut Views,
    position: Position,
    entry: &Entry,
    now: Timestamp,
    going: &mut BTreeMap<GroupId, Going>,
    notes: &mut BTreeMap<DeviceId, InboxSeq>,
) -> Result<bool, StoreError> {
    match entry {
        Entry::Appended(entry) => {
            let mut needed = expire_record(views, position, entry, now, going)?;
            for welcome in entry.commit.iter().flat_map(|part| &part.welcomes) {
                needed |= expire_note(views, position, welcome.device, now, notes)?;
            }
            Ok(needed)
        }
        Entry::Noted(entry) => expire_note(views, position, entry.device, now, notes),
        Entry::Published(entry) => {
            let listed = views.shard(entry.device)?.is_some_and(|shard| shard.needs(entry.device, position, now));
            Ok(listed || views.device(entry.device)?.is_some_and(|device| device.needs(position)))
        }
        Entry::CrlTaken(_) => Ok(views.revocations()?.needs(position)),
        Entry::Enrolment(entry) => {
            let Some(mailbox) = views.mailbox(entry.organisation())? else { return Ok(false) };
            let (needed, over) = (mailbox.needs(position, entry), mailbox.expire(position, entry, now));
            if let Some(over) = over {
                views.write(&over)?;
            }
            Ok(needed)
        }
        Entry::Created(_)
        | Entry::CursorRegistered(_)
        | Entry::Expired(_)
        | Entry::Erasing(_)
        | Entry::Erased(_)
        | Entry::Claimed(_)
        | Entry::Acknowledged(_) => Ok(false),
    }
}

fn expire_record(
    views: &mut Views,
    position: Position,
    entry: &Appended,
    now: Timestamp,
    going: &mut BTreeMap<GroupId, Going>,
) -> Result<bool, StoreError> {
    let block = views.block(entry.group, block_of(entry.seq))?;
    let listed = block.and_then(|block| block.slot(entry.seq)).is_some_and(|slot| slot.position() == position);
    let Some(head) = views.head(entry.group)?.filter(|_| listed) else { return Ok(false) };
    let is_commit = entry.commit.is_some();
    if record_expires(head, entry.seq, is_commit, entry.at, now) {
        let group = going.entry(entry.group).or_default();
        group.seqs.push(entry.seq);
        group.bytes += entry.record.len() as u64;
        group.commits.extend(is_commit.then_some(entry.seq));
    }
    Ok(true)
}

fn expire_note(
    views: &mut Views,
    position: Position,
    device: DeviceId,
    now: Timestamp,
    notes: &mut BTreeMap<DeviceId, InboxSeq>,
) -> Result<bool, StoreError> {
    let Some(known) = views.device(device)? else { return Ok(false) };
    for note in known.notes(InboxSeq(0)).filter(|note| note.position == position && note_expires(note.day, now)) {
        let through = notes.entry(device).or_default();
        *through = note.seq.max(*through);
    }
    Ok(known.needs(position))
}

/// The first block that still holds something once these records have gone.
fn first_block_after(views: &mut Views, group: GroupId, going: &[Seq]) -> Result<u64, StoreError> {
    let Some(head) = views.head(group)? else { return Ok(0) };
    let (mut first, newest) = (head.first_block(), head.newest());
    // The block that the next record goes to stays.
    while newest >= first_of(first + 1) {
        let holds =
            |block: &mut crate::rules::block::Block| block.records(first).any(|(seq, _)| !going.contains(&seq));
        if views.block(group, first)?.is_some_and(holds) {
            break;
        }
        first += 1;
    }
    Ok(first)
}
