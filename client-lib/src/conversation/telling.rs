//! Telling a joiner the state of the case: it has no history.
//!
//! Whoever adds somebody sends the state as it was right after the Commit, unless there is nothing to tell; the note
//! that brings the Welcome says so, and until which record of the log. **Nobody hands over a state that may lack
//! something**: who is still waiting for it sends it once it is there. Where it does not come (its sender is gone,
//! or waits itself), the other members who have the whole state send it, each at its turn. A joiner takes what comes
//! first, and what whoever added it sends in any case. Members who were there compare each with their own, and dispute it
//! where it differs, for everybody to see.

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{GroupId, Seq, Timestamp};
use serde_bytes::ByteBuf;

use super::event::Event;
use super::folding::{CHECKPOINT, Folded, PAGE, StoredChange, Untold, load_change};
use super::state::{GroupRecord, StoredItem};
use super::step::Step;
use crate::case::snapshot::assemble;
use crate::case::{CaseId, CaseState, DisputeSays, Position, SnapshotSays, Statement, Verdict};
use crate::store::{StoreError, encode};

/// How long whoever added somebody is given before others tell them: a device that was killed comes back in less.
const PATIENCE: u64 = 60 * Timestamp::SECOND;
/// Between two members' turns: longer than a snapshot takes to come back from the log.
const TURN: u64 = 10 * Timestamp::SECOND;

impl Step<'_> {
    /// The record up to which there is nothing to tell a joiner; `None`: there is, or this device does not know.
    pub(super) fn nothing_to_tell(&mut self, case: CaseId, state: &GroupRecord) -> Result<Option<Seq>, StoreError> {
        let folded = self.take_folded(case, None)?;
        let nothing = folded.is_whole() && folded.state.is_bare();
        self.put_folded(case, folded)?;
        Ok(nothing.then(|| state.at.unwrap_or_default()))
    }

    /// This device's Commit at `seq` has added somebody. `unheard`: something stands between the Commit and what this
    /// device had read when it made it, so that the joiner does not know whether there is nothing to tell.
    pub(super) fn tell_joiners(
        &mut self,
        case: CaseId,
        group: GroupId,
        seq: Seq,
        unheard: bool,
    ) -> Result<(), StoreError> {
        let folded = self.take_folded(case, None)?;
        let tells = folded.is_whole() && (unheard || !folded.state.is_bare());
        let parts = if tells { SnapshotSays::of(&folded.state, group, seq) } else { Vec::new() };
        self.put_folded(case, folded)?;
        self.send_parts(case, parts)
    }

    fn send_parts(&mut self, case: CaseId, parts: Vec<SnapshotSays>) -> Result<(), StoreError> {
        for part in parts {
            self.state_item(case, &Statement::Snapshot(part))?;
        }
        Ok(())
    }

    /// Sets the moment at which this device tells joiners whom nobody has told.
    pub(super) fn plan_telling(&mut self, case: CaseId) -> Result<(), StoreError> {
        if self.untold(case)?.is_empty() {
            self.session.telling_at.remove(&case);
            return Ok(());
        }
        if !self.session.telling_at.contains_key(&case) {
            let folded = self.take_folded(case, None)?;
            let (rank, own) = (self.rank(&folded.state), &self.party.address().professional);
            let mine = folded.untold.iter().any(|untold| untold.by.as_ref() == Some(own));
            self.put_folded(case, folded)?;
            let turn = rank.unwrap_or_default().saturating_mul(TURN);
            let wait = if mine { 0 } else { PATIENCE.saturating_add(turn) };
            self.session.telling_at.insert(case, self.now.plus(wait));
        }
        Ok(())
    }

    /// Tells joiners whom nobody has told.
    pub(super) fn tell_untold(&mut self, case: CaseId) -> Result<(), StoreError> {
        for untold in self.untold(case)? {
            let Some(before) = untold.number.checked_sub(1) else { continue };
            let change = self.tx.rows().changes::<StoredChange>(case, before)?.into_iter().next();
            let Some((after, _)) = change else { continue };
            let then = load_change(&self.tx.rows(), case, untold.number, after)?;
            if then.is_whole() {
                self.send_parts(case, SnapshotSays::of(&then.state, untold.group, untold.seq))?;
            }
        }
        Ok(())
    }

    /// Joiners of the present group whom nobody has told, and whom this device could tell now.
    fn untold(&mut self, case: CaseId) -> Result<Vec<Untold>, StoreError> {
        let Some(record) = self.case(case)? else { return Ok(Vec::new()) };
        if !self.session.live.contains_key(&record.group) {
            return Ok(Vec::new());
        }
        let folded = self.take_folded(case, None)?;
        let mut untold = if folded.is_whole() { folded.untold.clone() } else { Vec::new() };
        self.put_folded(case, folded)?;
        untold.retain(|untold| untold.group == record.group);
        if untold.is_empty() || self.is_closed(case)? {
            return Ok(Vec::new());
        }
        for intent in self.intents(case)? {
            if let Some(Statement::Snapshot(part)) = intent.value.want.statement() {
                untold.retain(|untold| (untold.group, untold.seq) != (part.group, part.seq));
            }
        }
        Ok(untold)
    }

    /// A part of a snapshot has come: the last one completes it.
    pub(super) fn snapshot(
        &mut self,
        case: CaseId,
        item: &StoredItem,
        part: &SnapshotSays,
    ) -> Result<(), StoreError> {
        let changes = self.tx.rows().changes::<StoredChange>(case, 0)?;
        let of = |(_, stored): &(Position, StoredChange)| {
            stored.change.group == part.group && stored.change.seq == part.seq
        };
        let Some(index) = changes.iter().rposition(of) else { return Ok(()) };
        let number = index as u64 + 1;
        let (after, stored) = &changes[index];
        let author = DeviceAddress::from(item.author.clone()).professional;
        let Some(added_by) = &stored.awaits else {
            // Said once, with the last part; one's own needs no comparison.
            if let Some(own) = stored.hash.filter(|own| *own != part.hash)
                && part.part + 1 == part.parts
                && !item.own
            {
                let says = DisputeSays { snapshot: item.id, hash: own };
                self.state_item(case, &Statement::Dispute(says))?;
            }
            return Ok(());
        };
        let waits = self.states.get(&case).and_then(|folded| folded.awaits.as_ref());
        let waits = waits.is_some_and(|(waits_since, _)| *waits_since == number);
        if !waits && author != *added_by {
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
        folded.catch_up(&tx.rows(), case, (end, u64::MAX), |position, verdict| {
            tx.write_verdict(case, position, (verdict != Verdict::Legal).then_some(&verdict))
        })?;
        folded.ahead = CHECKPOINT;
        self.put_folded(case, folded)?;
        self.tell(Event::CaughtUpWithCase { case });
        self.session.unplanned.insert(case);
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
}
