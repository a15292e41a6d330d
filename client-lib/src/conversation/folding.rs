//! The state of each case, kept up with its log.
//!
//! Every item and every change of the group is applied in the step that stores it, in the log's order; a checkpoint of
//! the state follows every [`CHECKPOINT`] entries in the same transaction, so that opening a case applies no more than
//! that. A joiner takes over the state that it is sent, and applies to it what it has read since (`telling.rs`). **A state
//! that may lack something is known as such**: that of a joiner who still waits, and of a device that items of the log
//! have not reached. It is shown and goes on, and is neither handed over nor held against what others have.

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{GroupId, Seq, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Conversation;
use super::event::Event;
use super::state::{Device, StoredItem, Want};
use super::step::Step;
use crate::case::alert::AlertPhase;
use crate::case::handover::HandoverSays;
use crate::case::{
    CaseId, CaseState, Change, ContentHash, Deadline, ItemId, LogEntry, Person, Position, Present, STATE_VERSION,
    SnapshotSays, Statement, Thing, Verdict,
};
use crate::mls::group::Group;
use crate::store::{Rows, StoreError, decode, encode};

/// Entries between two checkpoints: applying one takes some microseconds, writing a checkpoint some tenths of a
/// millisecond.
pub(super) const CHECKPOINT: u64 = 64;
/// Items that are read at a time.
pub(super) const PAGE: usize = 256;
/// Most joiners of a case who are still to be told of it: more are not looked after at once.
const MOST_UNTOLD: usize = 64;

/// A change of a group as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredChange {
    pub(super) change: Change,
    /// This device joined by it: who added it, and sends the state.
    pub(super) awaits: Option<ProfessionalAddress>,
    /// The state that was sent.
    pub(super) snapshot: Option<ByteBuf>,
    /// It added somebody, and this device had the whole state: SHA-256 of the state after it, with which the snapshot is
    /// compared.
    pub(super) hash: Option<ContentHash>,
    /// It added somebody.
    #[serde(default)]
    added: bool,
    /// This device joined by it, and whoever added it had nothing to tell at this record of the log.
    #[serde(default)]
    nothing_until: Option<Seq>,
    /// When the relay took it, by the relay's clock.
    #[serde(default)]
    at: Option<Timestamp>,
    /// Devices that it took out with a list which shows that they are revoked or have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shown: Vec<Device>,
}

/// How this device came to a change of a case's group.
#[derive(Default)]
pub(super) struct Cause {
    /// Who made it; `None` where this device joined by it.
    pub(super) by: Option<ProfessionalAddress>,
    /// It added somebody.
    pub(super) added: bool,
    /// When the relay took it.
    pub(super) at: Option<Timestamp>,
    /// Devices that it took out with a list which shows that they are revoked or have ended.
    pub(super) shown: Vec<DeviceAddress>,
    /// This device joined by it and is to be told the state: who added it.
    pub(super) joined_by: Option<ProfessionalAddress>,
    /// Whoever did had nothing to tell at this record.
    pub(super) nothing_until: Option<Seq>,
}

/// A Commit that added somebody who has not been told the state yet.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Untold {
    /// Which change of the case it is.
    pub(super) number: u64,
    pub(super) group: GroupId,
    pub(super) seq: Seq,
    /// Who made it.
    pub(super) by: Option<ProfessionalAddress>,
}

/// A case's state, and how much of its log is in it.
#[derive(Clone, Default)]
pub(super) struct Folded {
    pub(super) state: CaseState,
    pub(super) items: u64,
    pub(super) changes: u64,
    /// Entries since the last checkpoint.
    pub(super) ahead: u64,
    /// This device joined and does not have the state yet: the change by which it joined.
    pub(super) awaits: Option<(u64, ProfessionalAddress)>,
    /// Items have not reached this device: its state lacks what they said.
    pub(super) holed: bool,
    /// Who joined and has not been told yet.
    pub(super) untold: Vec<Untold>,
}

/// A checkpoint as it is stored.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u64,
    awaits: Option<(u64, ProfessionalAddress)>,
    state: CaseState,
    #[serde(default)]
    holed: bool,
    #[serde(default)]
    untold: Vec<Untold>,
}

/// Reads a case's state as it is after so many items, and all changes up to the item after them (`None`: all there are).
pub(super) fn load(rows: &Rows<'_>, case: CaseId, items: Option<u64>) -> Result<Folded, StoreError> {
    let end = items.map_or_else(|| rows.last_item(case).map(|last| last.0), Ok)?;
    let mut folded = checkpoint(rows, case, end, u64::MAX >> 1)?;
    folded.catch_up(rows, case, (end, u64::MAX), |_, _| Ok(()))?;
    Ok(folded)
}

/// Reads a case's state as it is right after a change; `after`: the item before it.
pub(super) fn load_change(rows: &Rows<'_>, case: CaseId, number: u64, after: Position) -> Result<Folded, StoreError> {
    let mut folded = checkpoint(rows, case, after.0, number)?;
    folded.catch_up(rows, case, (after.0, number), |_, _| Ok(()))?;
    Ok(folded)
}

fn checkpoint(rows: &Rows<'_>, case: CaseId, items: u64, changes: u64) -> Result<Folded, StoreError> {
    let Some((items, changes, data)) = rows.state(case, items, changes)? else { return Ok(Folded::default()) };
    Ok(match decode::<Checkpoint>(&data) {
        Ok(found) if found.version == STATE_VERSION => {
            let Checkpoint { state, awaits, holed, untold, .. } = found;
            Folded { state, items, changes, ahead: 0, awaits, holed, untold }
        }
        _ => Folded::default(),
    })
}

impl Folded {
    /// Whether nothing is missing in it that other members have.
    pub(super) fn is_whole(&self) -> bool {
        self.awaits.is_none() && !self.holed
    }

    /// Applies what the store has beyond what is in the state, up to an item and a change.
    pub(super) fn catch_up(
        &mut self,
        rows: &Rows<'_>,
        case: CaseId,
        (end, last): (u64, u64),
        mut judged: impl FnMut(Position, Verdict) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut changes = rows.changes::<StoredChange>(case, self.changes)?.into_iter().peekable();
        loop {
            while self.changes < last
                && let Some((_, stored)) = changes.next_if(|(after, _)| after.0 <= self.items)
            {
                self.apply_change(&stored)?;
            }
            let page = usize::try_from(end - self.items).unwrap_or(PAGE).min(PAGE);
            let items = rows.items::<StoredItem>(case, Position(self.items), page)?;
            if items.is_empty() {
                return Ok(());
            }
            for (position, item) in items {
                while self.changes < last
                    && let Some((_, stored)) = changes.next_if(|(after, _)| *after < position)
                {
                    self.apply_change(&stored)?;
                }
                let said = item.said();
                if let Some(Statement::Snapshot(part)) = said.body.statement() {
                    self.told(part);
                }
                let applied = self.state.apply(&LogEntry::Said(said));
                self.items = position.0;
                self.ahead += 1;
                judged(position, applied.verdict)?;
            }
        }
    }

    /// The last part of a snapshot stands in the log.
    fn told(&mut self, part: &SnapshotSays) {
        if part.part + 1 == part.parts {
            self.untold.retain(|untold| (untold.group, untold.seq) != (part.group, part.seq));
        }
    }

    fn apply_change(&mut self, stored: &StoredChange) -> Result<Vec<Thing>, StoreError> {
        self.changes += 1;
        self.ahead += 1;
        if let Some(snapshot) = &stored.snapshot {
            self.state = decode(snapshot)?;
            (self.awaits, self.holed) = (None, false);
            return Ok(vec![Thing::Members]);
        }
        if let Some(by) = &stored.awaits {
            self.awaits = Some((self.changes, by.clone()));
            self.untold.clear();
        }
        let changed = self.state.apply(&LogEntry::Changed(stored.change.clone())).changed;
        // Nobody is told when there is nothing to tell.
        if stored.added && !(self.is_whole() && self.state.is_bare()) && self.untold.len() < MOST_UNTOLD {
            let Change { group, seq, by, .. } = &stored.change;
            let (number, group, seq, by) = (self.changes, *group, *seq, by.clone());
            self.untold.push(Untold { number, group, seq, by });
        }
        Ok(changed)
    }
}

/// A change of a case's group, and its place among the items of this device's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedChange {
    /// The item after which it was merged.
    pub after: Position,
    /// When the relay took it, by the relay's clock; `None` where this device joined by it, or made the case.
    pub at: Option<Timestamp>,
    /// Devices that it took out with a list which shows that they are revoked or have ended.
    pub taken_out: Vec<DeviceAddress>,
    /// The change.
    pub change: Change,
}

impl Conversation {
    /// The changes of a case's group, in the order of its log, as this device has merged them: who was in the case from
    /// each on, and who answered for the family. The first is the one by which this device made or joined it.
    pub fn changes(&self, case: CaseId) -> Result<Vec<MergedChange>, StoreError> {
        let changes = self.store.read().changes::<StoredChange>(case, 0)?;
        let merged = |(after, stored): (Position, StoredChange)| MergedChange {
            after,
            at: stored.at,
            taken_out: stored.shown.into_iter().map(DeviceAddress::from).collect(),
            change: stored.change,
        };
        Ok(changes.into_iter().map(merged).collect())
    }

    /// Whether this device's state of a case lacks nothing: it does while this device, having joined, waits to be told it,
    /// and once items of the log have not reached it.
    pub fn has_whole_state(&self, case: CaseId) -> Result<bool, StoreError> {
        match self.states.get(&case) {
            Some(folded) => Ok(folded.is_whole()),
            None => Ok(load(&self.store.read(), case, None)?.is_whole()),
        }
    }
}

impl Step<'_> {
    /// Takes a case's state into use; it goes back with [`Self::put_folded`].
    pub(super) fn take_folded(&mut self, case: CaseId, items: Option<u64>) -> Result<Folded, StoreError> {
        match self.states.remove(&case) {
            Some(folded) => Ok(folded),
            None => load(&self.tx.rows(), case, items),
        }
    }

    pub(super) fn put_folded(&mut self, case: CaseId, mut folded: Folded) -> Result<(), StoreError> {
        if folded.ahead >= CHECKPOINT {
            let Folded { awaits, state, holed, untold, .. } = folded.clone();
            let checkpoint = Checkpoint { version: STATE_VERSION, awaits, state, holed, untold };
            self.tx.write_state(case, folded.items, folded.changes, &encode(&checkpoint)?)?;
            folded.ahead = 0;
        }
        self.states.insert(case, folded);
        Ok(())
    }

    /// Has a case's deadlines looked at once this step is done.
    fn replan(&mut self, case: CaseId) {
        self.session.unplanned.insert(case);
    }

    /// The present state of a case.
    pub(super) fn state_of(&mut self, case: CaseId) -> Result<CaseState, StoreError> {
        let folded = self.take_folded(case, None)?;
        let state = folded.state.clone();
        self.put_folded(case, folded)?;
        Ok(state)
    }

    /// Applies an item that has just been stored.
    pub(super) fn fold_item(
        &mut self,
        case: CaseId,
        position: Position,
        item: &StoredItem,
    ) -> Result<Verdict, StoreError> {
        let mut folded = self.take_folded(case, Some(position.0 - 1))?;
        let said = item.said();
        let snapshot = match said.body.statement() {
            Some(Statement::Snapshot(part)) => Some(part.clone()),
            _ => None,
        };
        let attends = matches!(
            said.body.statement(),
            Some(
                Statement::Handover(HandoverSays::Offer(_))
                    | Statement::Dossier(_)
                    | Statement::Deadline(Deadline::HandoverExpires { .. })
            )
        );
        if let Some(part) = &snapshot {
            folded.told(part);
        }
        let applied = folded.state.apply(&LogEntry::Said(said));
        folded.items = position.0;
        folded.ahead += 1;
        self.judged(case, position, applied.verdict)?;
        self.put_folded(case, folded)?;
        self.state_changed(case, applied.changed);
        if attends {
            self.attend_handovers(case)?;
        }
        if let (Some(part), Verdict::Legal) = (snapshot, applied.verdict) {
            self.snapshot(case, item, &part)?;
        }
        Ok(applied.verdict)
    }

    fn judged(&self, case: CaseId, position: Position, verdict: Verdict) -> Result<(), StoreError> {
        // Nearly all simply count: only the others take room.
        let noted = (verdict != Verdict::Legal).then_some(&verdict);
        self.tx.write_verdict(case, position, noted)
    }

    fn state_changed(&mut self, case: CaseId, changed: Vec<Thing>) {
        self.replan(case);
        if changed.is_empty() {
            return;
        }
        for thing in &changed {
            let Thing::Alert(id) = thing else { continue };
            let alert = self.states.get(&case).and_then(|folded| folded.state.alert(*id));
            if let Some(alert) = alert.filter(|alert| alert.phase == AlertPhase::Exhausted) {
                let own = alert.by == self.party.address().professional;
                self.tell(Event::AlertExhausted { case, alert: *id, own });
            }
        }
        self.tell(Event::State { case, changed });
    }

    /// Stores and applies a change of a case's group. `joined_by`: this device joined by it.
    pub(super) fn fold_change(
        &mut self,
        case: CaseId,
        (group, mls): (GroupId, &Group),
        seq: Seq,
        cause: Cause,
    ) -> Result<(), StoreError> {
        let duties = mls.context().ok_or(StoreError::Corrupt)?.duties;
        let Cause { by, added, at, shown, joined_by, nothing_until } = cause;
        let change = Change { group, epoch: mls.epoch(), seq, by, people: self.people(mls)?, duties };
        self.keep_chains(case, mls)?;
        let shown = shown.iter().map(Device::from).collect();
        let mut stored =
            StoredChange { change, awaits: joined_by, snapshot: None, hash: None, added, nothing_until, at, shown };
        let mut folded = self.take_folded(case, None)?;
        let changed = folded.apply_change(&stored)?;
        if added && folded.is_whole() {
            stored.hash = Some(folded.state.hash());
        }
        let number = self.tx.append_change(case, &stored)?;
        if number != folded.changes {
            return Err(StoreError::Internal);
        }
        self.put_folded(case, folded)?;
        self.state_changed(case, changed);
        Ok(())
    }

    /// Everybody with a role, and what the certificates of those who are there say.
    fn people(&self, mls: &Group) -> Result<Vec<Person>, StoreError> {
        let context = mls.context().ok_or(StoreError::Corrupt)?;
        let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let present = |who: &ProfessionalAddress| {
            let seat = seats.iter().find(|seat| seat.device.address().professional == *who)?;
            Some(Present {
                name: seat.device.name().as_str().to_owned(),
                organisation: seat.device.organisation().as_str().to_owned(),
                function: seat.device.function().as_str().to_owned(),
            })
        };
        let person = |(professional, role): &(ProfessionalAddress, _)| Person {
            professional: professional.clone(),
            role: *role,
            present: present(professional),
        };
        Ok(context.roles().iter().map(person).collect())
    }

    /// The Commit by which this device joined has been read: its place in the log is known.
    pub(super) fn joined_at(&mut self, case: CaseId, group: GroupId, seq: Seq) -> Result<(), StoreError> {
        let number = self.tx.rows().last_change(case)?;
        let Some(before) = number.checked_sub(1) else { return Ok(()) };
        let Some((_, mut stored)) = self.tx.rows().changes::<StoredChange>(case, before)?.into_iter().next() else {
            return Ok(());
        };
        if stored.awaits.is_some() && stored.change.group == group && stored.change.seq == Seq(0) {
            stored.change.seq = seq;
            // Between what whoever added this device had read and the Commit nobody has said anything.
            if stored.nothing_until.is_some_and(|until| until.next() == seq) {
                stored.awaits = None;
                let mut folded = self.take_folded(case, None)?;
                folded.awaits = None;
                folded.ahead = CHECKPOINT;
                self.put_folded(case, folded)?;
            }
            self.tx.rewrite_change(case, number, &stored)?;
        }
        Ok(())
    }

    /// Items of a case have not reached this device, and will not.
    pub(super) fn holed(&mut self, case: CaseId) -> Result<(), StoreError> {
        let mut folded = self.take_folded(case, None)?;
        folded.holed = true;
        folded.ahead = CHECKPOINT;
        self.put_folded(case, folded)
    }

    /// Puts an item of this device's own accord into the outbox.
    pub(super) fn state_item(&mut self, case: CaseId, statement: &Statement) -> Result<ItemId, StoreError> {
        let (id, sent_at) = (ItemId::random(), self.now);
        self.queue(case, Want::Item { id, draft: statement.draft(), sent_at })?;
        Ok(id)
    }

    /// Begins the state of cases that an earlier version of the program made.
    pub(super) fn begin_states(&mut self) -> Result<(), StoreError> {
        for case in self.tx.rows().cases()? {
            if self.tx.rows().last_change(case)? > 0 {
                continue;
            }
            let Some(record) = self.case(case)? else { continue };
            let mls = self.take(record.group)?;
            let begun = self.fold_change(case, (record.group, &mls), Seq(0), Cause::default());
            self.put(record.group, mls);
            match begun {
                // A group of which nothing can be read says nothing of its members either.
                Ok(()) | Err(StoreError::Corrupt) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
