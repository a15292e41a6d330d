//! The state of each case, kept up with its log.
//!
//! Every item and every change of the group is applied in the step that stores it, in the log's order; a checkpoint of
//! the state follows every [`CHECKPOINT`] entries in the same transaction, so that opening a case applies no more than
//! that. A joiner takes over the state that whoever added it sends, and applies to it what it has read since; members who
//! were there compare their own, and dispute it where it differs.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{GroupId, Seq};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Conversation;
use super::event::Event;
use super::state::{StoredItem, Want};
use super::step::Step;
use crate::case::alert::AlertPhase;
use crate::case::handover::HandoverSays;
use crate::case::snapshot::assemble;
use crate::case::{
    CaseId, CaseState, Change, ContentHash, Deadline, DisputeSays, ItemId, LogEntry, Person, Position, Present,
    STATE_VERSION, SnapshotSays, Statement, Thing, Verdict,
};
use crate::mls::group::Group;
use crate::store::{Rows, StoreError, decode, encode};

/// Entries between two checkpoints: applying one takes some microseconds, writing a checkpoint some tenths of a
/// millisecond.
const CHECKPOINT: u64 = 64;
/// Items that are read at a time.
const PAGE: usize = 256;

/// A change of a group as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredChange {
    change: Change,
    /// This device joined by it: who added it, and sends the state.
    awaits: Option<ProfessionalAddress>,
    /// The state that was sent.
    snapshot: Option<ByteBuf>,
    /// It added somebody: SHA-256 of the state after it, with which the snapshot is compared.
    hash: Option<ContentHash>,
}

/// A case's state, and how much of its log is in it.
#[derive(Clone, Default)]
pub(super) struct Folded {
    pub(super) state: CaseState,
    items: u64,
    changes: u64,
    /// Entries since the last checkpoint.
    ahead: u64,
    /// This device joined and does not have the state yet: the change by which it joined.
    awaits: Option<(u64, ProfessionalAddress)>,
}

/// A checkpoint as it is stored.
#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u64,
    awaits: Option<(u64, ProfessionalAddress)>,
    state: CaseState,
}

/// Reads a case's state as it is after so many items, and all changes up to the item after them (`None`: all there are).
pub(super) fn load(rows: &Rows<'_>, case: CaseId, items: Option<u64>) -> Result<Folded, StoreError> {
    let end = items.map_or_else(|| rows.last_item(case).map(|last| last.0), Ok)?;
    let mut folded = match rows.state(case, end, u64::MAX >> 1)? {
        Some((items, changes, data)) => match decode::<Checkpoint>(&data) {
            Ok(found) if found.version == STATE_VERSION => {
                Folded { state: found.state, items, changes, ahead: 0, awaits: found.awaits }
            }
            _ => Folded::default(),
        },
        None => Folded::default(),
    };
    folded.catch_up(rows, case, end, |_, _| Ok(()))?;
    Ok(folded)
}

impl Folded {
    /// Applies what the store has beyond what is in the state, up to an item.
    fn catch_up(
        &mut self,
        rows: &Rows<'_>,
        case: CaseId,
        end: u64,
        mut judged: impl FnMut(Position, Verdict) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut changes = rows.changes::<StoredChange>(case, self.changes)?.into_iter().peekable();
        loop {
            while let Some((_, stored)) = changes.next_if(|(after, _)| after.0 <= self.items) {
                self.apply_change(&stored)?;
            }
            let page = usize::try_from(end - self.items).unwrap_or(PAGE).min(PAGE);
            let items = rows.items::<StoredItem>(case, Position(self.items), page)?;
            if items.is_empty() {
                return Ok(());
            }
            for (position, item) in items {
                while let Some((_, stored)) = changes.next_if(|(after, _)| *after < position) {
                    self.apply_change(&stored)?;
                }
                let applied = self.state.apply(&LogEntry::Said(item.said()));
                self.items = position.0;
                self.ahead += 1;
                judged(position, applied.verdict)?;
            }
        }
    }

    fn apply_change(&mut self, stored: &StoredChange) -> Result<Vec<Thing>, StoreError> {
        self.changes += 1;
        self.ahead += 1;
        if let Some(snapshot) = &stored.snapshot {
            self.state = decode(snapshot)?;
            self.awaits = None;
            return Ok(vec![Thing::Members]);
        }
        if let Some(by) = &stored.awaits {
            self.awaits = Some((self.changes, by.clone()));
        }
        Ok(self.state.apply(&LogEntry::Changed(stored.change.clone())).changed)
    }
}

impl Conversation {
    /// The changes of a case's group, in the order of its log, as this device has merged them: who was in the case from
    /// each on, and who answered for the family. The first is the one by which this device made or joined it.
    pub fn changes(&self, case: CaseId) -> Result<Vec<Change>, StoreError> {
        let changes = self.store.read().changes::<StoredChange>(case, 0)?;
        Ok(changes.into_iter().map(|(_, stored)| stored.change).collect())
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
            let checkpoint =
                Checkpoint { version: STATE_VERSION, awaits: folded.awaits.clone(), state: folded.state.clone() };
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
        by: Option<ProfessionalAddress>,
        joined_by: Option<ProfessionalAddress>,
        added: bool,
    ) -> Result<(), StoreError> {
        let duties = mls.context().ok_or(StoreError::Corrupt)?.duties;
        let change = Change { group, epoch: mls.epoch(), seq, by, people: self.people(mls)?, duties };
        self.keep_chains(case, mls)?;
        let mut stored = StoredChange { change, awaits: joined_by, snapshot: None, hash: None };
        let mut folded = self.take_folded(case, None)?;
        let changed = folded.apply_change(&stored)?;
        if added {
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
            self.tx.rewrite_change(case, number, &stored)?;
        }
        Ok(())
    }

    /// Sends the state to those whom this device has added by a Commit.
    pub(super) fn send_snapshot(&mut self, case: CaseId, group: GroupId, seq: Seq) -> Result<(), StoreError> {
        let folded = self.take_folded(case, None)?;
        // Who joined while there was nothing to tell waits for ever for what never came, and has the whole state all the
        // same. Of somebody to whom it is still to come the state is short: members who were there dispute it.
        let parts = if folded.state.is_bare() { Vec::new() } else { SnapshotSays::of(&folded.state, group, seq) };
        self.put_folded(case, folded)?;
        for part in parts {
            self.state_item(case, &Statement::Snapshot(part))?;
        }
        Ok(())
    }

    /// Puts an item of this device's own accord into the outbox.
    pub(super) fn state_item(&mut self, case: CaseId, statement: &Statement) -> Result<ItemId, StoreError> {
        let (id, sent_at) = (ItemId::random(), self.now);
        self.queue(case, Want::Item { id, draft: statement.draft(), sent_at })?;
        Ok(id)
    }

    /// A part of a snapshot has come: the last one completes it.
    fn snapshot(&mut self, case: CaseId, item: &StoredItem, part: &SnapshotSays) -> Result<(), StoreError> {
        let changes = self.tx.rows().changes::<StoredChange>(case, 0)?;
        let of = |(_, stored): &(Position, StoredChange)| {
            stored.change.group == part.group && stored.change.seq == part.seq
        };
        let Some(index) = changes.iter().rposition(of) else { return Ok(()) };
        let number = index as u64 + 1;
        let (after, stored) = &changes[index];
        let author = kring_protocol::address::DeviceAddress::from(item.author.clone()).professional;
        if let Some(own) = &stored.hash
            && stored.awaits.is_none()
        {
            // Said once, with the last part; one's own needs no comparison.
            if *own != part.hash && part.part + 1 == part.parts && !item.own {
                let says = DisputeSays { snapshot: item.id, hash: *own };
                self.state_item(case, &Statement::Dispute(says))?;
            }
            return Ok(());
        }
        let awaited = self.states.get(&case).and_then(|folded| folded.awaits.clone());
        if awaited != Some((number, author.clone())) {
            return Ok(());
        }
        let parts = self.parts(case, *after, &author, part)?;
        let Some(state) = assemble(&parts) else { return Ok(()) };
        let mut stored = stored.clone();
        stored.snapshot = Some(ByteBuf::from(encode(&state)?));
        self.tx.rewrite_change(case, number, &stored)?;
        // What has been read since is judged anew on top of it.
        let mut folded =
            Folded { state: CaseState::new(), items: after.0, changes: index as u64, ..Folded::default() };
        let end = self.tx.rows().last_item(case)?.0;
        let tx = self.tx;
        folded.catch_up(&tx.rows(), case, end, |position, verdict| {
            tx.write_verdict(case, position, (verdict != Verdict::Legal).then_some(&verdict))
        })?;
        folded.ahead = CHECKPOINT;
        self.put_folded(case, folded)?;
        self.tell(Event::CaughtUpWithCase { case });
        Ok(())
    }

    /// All parts of a snapshot that have come from its author.
    fn parts(
        &self,
        case: CaseId,
        after: Position,
        author: &ProfessionalAddress,
        part: &SnapshotSays,
    ) -> Result<Vec<SnapshotSays>, StoreError> {
        let mut parts = Vec::new();
        let mut position = after;
        loop {
            let items = self.tx.rows().items::<StoredItem>(case, position, PAGE)?;
            let Some((last, _)) = items.last() else { return Ok(parts) };
            position = *last;
            for (_, item) in &items {
                let said = item.said();
                if let Some(Statement::Snapshot(found)) = said.body.statement()
                    && said.author.professional == *author
                    && found.belongs_to(part)
                    && !parts.iter().any(|known: &SnapshotSays| known.part == found.part)
                {
                    parts.push(found.clone());
                }
            }
        }
    }

    /// Begins the state of cases that an earlier version of the program made.
    pub(super) fn begin_states(&mut self) -> Result<(), StoreError> {
        for case in self.tx.rows().cases()? {
            if self.tx.rows().last_change(case)? > 0 {
                continue;
            }
            let Some(record) = self.case(case)? else { continue };
            let mls = self.take(record.group)?;
            let begun = self.fold_change(case, (record.group, &mls), Seq(0), None, None, false);
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
