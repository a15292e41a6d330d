//! Who goes: those who wish to leave and those who are taken out, as long as the coordinator keeps a device and somebody
//! responsible stays.

use openmls::prelude::{LeafNodeIndex, Proposal, QueuedProposal};

use super::context::CaseContext;
use super::group::{Group, Plan, Seat};
use super::party::Party;
use super::policy;
use crate::store::{StoreError, Transaction};

impl Group {
    /// The devices that have asked to leave in this epoch.
    pub(crate) fn leaving(&self) -> Vec<LeafNodeIndex> {
        self.inner
            .pending_proposals()
            .filter_map(|queued| match queued.proposal() {
                Proposal::Remove(remove) => Some(remove.removed()),
                _ => None,
            })
            .collect()
    }

    /// Of those who are to go, those who can without taking the coordinator's last device, or that of the last who is
    /// responsible, along. `coming`: a device of the coordinator's joins at the same time.
    pub(crate) fn may_go(
        &self,
        party: &Party,
        wanted: Vec<LeafNodeIndex>,
        coming: bool,
    ) -> Result<Vec<LeafNodeIndex>, StoreError> {
        let seats = self.seats(party).map_err(|_| StoreError::Corrupt)?;
        let context = self.context().ok_or(StoreError::Corrupt)?;
        Ok(policy::may_go(&context, &seats, wanted, coming))
    }

    /// Who goes with a Commit: whom it removes, and those who leave, as far as they can.
    pub(super) fn going(&self, party: &Party, plan: &Plan) -> Option<Vec<LeafNodeIndex>> {
        let now = self.context()?;
        let context = plan.context.clone().unwrap_or_else(|| now.clone());
        let seats = self.seats(party).ok()?;
        let coming = plan.add.iter().any(|key_package| {
            let device = party.leaves.node(key_package.leaf_node());
            device.is_ok_and(|device| Some(&device.address().professional) == context.coordinator())
        });
        let wanted = plan.remove.iter().copied().chain(self.leaving());
        // Before the change and after it.
        let wanted = policy::may_go(&now, &seats, wanted, coming);
        Some(policy::may_go(&context, &seats, wanted, coming))
    }

    /// The context that a Commit sets, if it sets one: without those who go, with its step taken. The outer `None`: its
    /// step cannot be taken.
    pub(super) fn next_context(
        &self,
        party: &Party,
        plan: &Plan,
        going: &[LeafNodeIndex],
    ) -> Option<Option<CaseContext>> {
        let now = self.context()?;
        let seats = self.seats(party).ok()?;
        let goes = |seat: &&Seat| seat.index != self.own_index() && going.contains(&seat.index);
        let stays = seats.iter().filter(|seat| !goes(seat)).map(|seat| seat.device.address().professional.clone());
        let joins = plan.add.iter().filter_map(|key_package| {
            party.leaves.node(key_package.leaf_node()).ok().map(|device| device.address().professional.clone())
        });
        let present: Vec<_> = stays.chain(joins).collect();
        let gone = seats.iter().filter(goes).map(|seat| &seat.device.address().professional);
        let gone = gone.filter(|who| !present.contains(who));
        let mut next = plan.context.as_ref().unwrap_or(&now).after_removal(gone);
        if let Some(step) = &plan.step {
            let own = &party.address().professional;
            next = next.after(step, own, &|who| present.contains(who)).ok()?;
        }
        Some((next != now).then_some(next))
    }

    /// Everybody whom nobody has heard to leave, and `asking`.
    pub(super) fn staying(&self, seats: Vec<Seat>, asking: LeafNodeIndex, own_leave_stands: bool) -> Vec<Seat> {
        let leaving = self.leaving();
        let own = self.inner.own_leaf_index();
        let goes = |index| index != asking && leaving.contains(&index) && (index != own || own_leave_stands);
        seats.into_iter().filter(|seat| !goes(seat.index)).collect()
    }

    /// Whether this device's wish to leave, now in the log, counts for the others; if not, it is forgotten.
    pub(crate) fn own_leave_counts(&mut self, party: &Party, step: &Transaction<'_>) -> Result<bool, StoreError> {
        let own = self.inner.own_leaf_index();
        let context = self.context().ok_or(StoreError::Corrupt)?;
        let seats = self.seats(party).map_err(|_| StoreError::Corrupt)?;
        if !policy::is_bound(&context, party.verified(), &self.staying(seats, own, false)) {
            return Ok(true);
        }
        let of_other = |queued: &&QueuedProposal| !matches!(queued.proposal(), Proposal::Remove(remove) if remove.removed() == own);
        let others: Vec<_> = self.inner.pending_proposals().filter(of_other).cloned().collect();
        self.forget_proposals(party, step)?;
        for proposal in others {
            self.keep_proposal(party, step, proposal)?;
        }
        Ok(false)
    }
}
