//! What of a case is in the outbox, without its contents: in which order it goes, and what of it is under way.
//!
//! Made from the store's intents when a case is first looked at, and kept up with them by the only three functions that
//! write them; so the next thing to send, and the own submission that a record is, are found without reading what else
//! waits. Like all that is in memory it is forgotten when a step fails.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kring_protocol::ids::{GroupId, MessageHash, OperationId, Seq};
use kring_protocol::message::Request;

use super::additions::Claimed;
use super::state::{Intent, Stage, Submission, Want};
use super::step::Step;
use crate::case::{CaseId, DraftBody, ItemId};
use crate::store::{Numbered, Rows, StoreError};

/// Largest message that goes on one stream with others: the relay takes frames of up to 64 KiB there
/// (docs/protocol.md), and what stands around a message in its frame is below 1 KiB.
pub(crate) const LARGE: usize = 63 << 10;

/// Something that waits.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    /// It says something; everything else changes the group, and goes alone.
    pub(super) is_message: bool,
    /// The user wants it said although somebody may be revoked without this device knowing.
    pub(super) anyway: bool,
    /// It comes along into the successor of a group.
    pub(super) is_along: bool,
    is_urgent: bool,
}

/// Something that is under way: encrypted, stored, and not yet read back.
#[derive(Clone, Copy)]
pub(super) struct UnderWay {
    pub(super) id: i64,
    pub(super) is_message: bool,
    pub(super) is_commit: bool,
    pub(super) group: GroupId,
    pub(super) hash: MessageHash,
    pub(super) operation: OperationId,
    /// Its record, once the relay has accepted it.
    pub(super) accepted: Option<Seq>,
    /// It is too large for one stream with others.
    pub(super) is_large: bool,
}

/// The outbox of one case.
#[derive(Default)]
pub(super) struct Outgoing {
    /// What waits and leaves before everything else.
    urgent: BTreeMap<i64, Waiting>,
    /// What else waits, in the order in which it was wanted.
    calm: BTreeMap<i64, Waiting>,
    /// What is under way, in the order in which it was encrypted.
    under_way: BTreeMap<(u64, i64), UnderWay>,
    /// The places of what is under way.
    turns: HashMap<i64, u64>,
    operations: HashMap<OperationId, (u64, i64)>,
    /// Wishes to leave, wherever they are.
    leaves: BTreeSet<i64>,
    /// Proposals that stand in the log.
    proposed: BTreeSet<i64>,
    /// What is said in items that are not text, and so has a meaning for the state of the case.
    parts: BTreeSet<i64>,
    /// What changes the group.
    changes: BTreeSet<i64>,
    /// Those who must go, taken out.
    sweeps: BTreeSet<i64>,
    /// Places in the inboxes of those who are added.
    claimed: BTreeMap<i64, Claimed>,
    items: HashMap<ItemId, i64>,
}

impl Outgoing {
    pub(super) fn load(rows: &Rows<'_>, case: CaseId) -> Result<Self, StoreError> {
        let mut outgoing = Self::default();
        for Numbered { id, value } in rows.intents::<Intent>(case)? {
            outgoing.put(id, &value);
        }
        Ok(outgoing)
    }

    fn put(&mut self, id: i64, intent: &Intent) {
        self.remove(id, intent.want.item());
        if let Want::Item { id: item, draft, .. } = &intent.want {
            self.items.insert(*item, id);
            if matches!(draft.body, DraftBody::Part { .. }) {
                self.parts.insert(id);
            }
        } else {
            self.changes.insert(id);
        }
        if matches!(intent.want, Want::Leave) {
            self.leaves.insert(id);
        }
        if matches!(intent.want, Want::Sweep) {
            self.sweeps.insert(id);
        }
        self.claimed.extend(Claimed::by(intent).map(|claimed| (id, claimed)));
        match &intent.stage {
            Stage::Queued => {
                let waiting = Waiting {
                    is_message: intent.want.is_held(),
                    anyway: intent.anyway,
                    is_along: intent.want.along().is_some(),
                    is_urgent: intent.want.is_urgent(),
                };
                let of_its_kind = if waiting.is_urgent { &mut self.urgent } else { &mut self.calm };
                of_its_kind.insert(id, waiting);
            }
            Stage::Submitted(submission) => {
                let place = (submission.turn, id);
                self.under_way.insert(place, UnderWay::of(id, &intent.want, submission));
                self.turns.insert(id, submission.turn);
                self.operations.insert(submission.operation, place);
            }
            Stage::Proposed => {
                self.proposed.insert(id);
            }
        }
    }

    fn remove(&mut self, id: i64, item: Option<ItemId>) {
        self.urgent.remove(&id);
        self.calm.remove(&id);
        self.proposed.remove(&id);
        self.parts.remove(&id);
        self.changes.remove(&id);
        self.sweeps.remove(&id);
        self.claimed.remove(&id);
        self.leaves.remove(&id);
        if let Some(item) = item {
            self.items.remove(&item);
        }
        if let Some(turn) = self.turns.remove(&id)
            && let Some(under_way) = self.under_way.remove(&(turn, id))
        {
            self.operations.remove(&under_way.operation);
        }
    }

    /// How much is in it.
    pub(super) fn len(&self) -> usize {
        self.urgent.len() + self.calm.len() + self.under_way.len() + self.proposed.len()
    }

    /// What is under way, in the order in which it was encrypted.
    pub(super) fn under_way(&self) -> Vec<UnderWay> {
        self.under_way.values().copied().collect()
    }

    /// What was sent under an operation id.
    pub(super) fn sent(&self, operation: OperationId) -> Option<UnderWay> {
        self.under_way.get(self.operations.get(&operation)?).copied()
    }

    /// The place behind all that is under way.
    pub(super) fn next_turn(&self) -> u64 {
        self.under_way.last_key_value().map_or(0, |((turn, _), _)| turn + 1)
    }

    /// What is under way, and proposals that stand in the log.
    pub(super) fn begun(&self) -> Vec<i64> {
        self.under_way.values().map(|one| one.id).chain(self.proposed.iter().copied()).collect()
    }

    /// Whether a proposal of this device stands in the log.
    pub(super) fn has_proposed(&self) -> bool {
        !self.proposed.is_empty()
    }

    /// Whether a change of the group is in it.
    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Whether somebody is about to be taken out.
    pub(super) fn has_sweep(&self) -> bool {
        !self.sweeps.is_empty()
    }

    /// The places that are kept for those who are added.
    pub(super) fn claimed(&self) -> impl Iterator<Item = &Claimed> {
        self.claimed.values()
    }

    /// Whether an item is in it.
    pub(super) fn has_item(&self, item: ItemId) -> bool {
        self.items.contains_key(&item)
    }

    /// Items that are not text, in the order in which they were wanted.
    pub(super) fn parts(&self) -> Vec<i64> {
        self.parts.iter().copied().collect()
    }

    /// The wish to leave, if it waits.
    pub(super) fn leave(&self) -> Option<i64> {
        self.leaves.iter().find(|id| self.calm.contains_key(*id)).copied()
    }

    /// Whether this device has said, or is to say, that it goes.
    pub(super) fn wants_to_leave(&self) -> bool {
        !self.leaves.is_empty()
    }

    /// The oldest of what waits and of which this is true.
    pub(super) fn oldest(&self, wanted: impl Fn(i64, &Waiting) -> bool) -> Option<i64> {
        let first = |all: &BTreeMap<i64, Waiting>| all.iter().find(|(id, one)| wanted(**id, one)).map(|(id, _)| *id);
        first(&self.urgent).into_iter().chain(first(&self.calm)).min()
    }

    /// Whether something waits of which this is true.
    pub(super) fn any(&self, wanted: impl Fn(i64, &Waiting) -> bool) -> bool {
        self.urgent.iter().chain(&self.calm).any(|(id, waiting)| wanted(*id, waiting))
    }

    /// What waits and of which this is true, at most so many, in the order in which it goes: what is urgent first,
    /// and what has the same haste as it was wanted.
    pub(super) fn next(&self, most: usize, wanted: impl Fn(i64, &Waiting) -> bool) -> Vec<(i64, Waiting)> {
        let all = self.urgent.iter().chain(&self.calm);
        all.filter(|(id, waiting)| wanted(**id, waiting)).take(most).map(|(id, waiting)| (*id, *waiting)).collect()
    }
}

impl UnderWay {
    fn of(id: i64, want: &Want, submission: &Submission) -> Self {
        let is_large = matches!(&submission.request, Request::Submit(submit) if submit.message.len() > LARGE);
        Self {
            id,
            is_message: want.is_held(),
            is_commit: want.is_commit(),
            group: submission.group,
            hash: submission.hash,
            operation: submission.operation,
            accepted: submission.accepted,
            is_large,
        }
    }
}

impl Step<'_> {
    /// The outbox of a case.
    pub(super) fn outgoing(&mut self, case: CaseId) -> Result<&mut Outgoing, StoreError> {
        if !self.outgoing.contains_key(&case) {
            let loaded = Outgoing::load(&self.tx.rows(), case)?;
            self.outgoing.insert(case, loaded);
        }
        self.outgoing.get_mut(&case).ok_or(StoreError::Internal)
    }

    pub(super) fn append_intent(&mut self, case: CaseId, intent: &Intent) -> Result<i64, StoreError> {
        // Before the row is there: it would be counted twice.
        self.outgoing(case)?;
        let id = self.tx.append_intent(case, intent)?;
        self.outgoing(case)?.put(id, intent);
        Ok(id)
    }

    pub(super) fn write_intent(&mut self, case: CaseId, id: i64, intent: &Intent) -> Result<(), StoreError> {
        self.tx.write_intent(id, intent)?;
        self.outgoing(case)?.put(id, intent);
        Ok(())
    }

    pub(super) fn delete_intent(&mut self, case: CaseId, id: i64, want: &Want) -> Result<(), StoreError> {
        self.outgoing(case)?.remove(id, want.item());
        self.session.claiming.remove(&id);
        self.tx.delete_intent(id)
    }

    /// One intent of a case.
    pub(super) fn intent(&self, id: i64) -> Result<Option<Intent>, StoreError> {
        Ok(self.tx.rows().intent::<Intent>(id)?.map(|(_, intent)| intent))
    }
}
