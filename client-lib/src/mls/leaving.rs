//! Who goes: those who wish to leave and those who are taken out, as long as the coordinator keeps a device and somebody
//! responsible stays, unless those are revoked; and what goes with them: their roles and what they answered for.

use kring_protocol::address::ProfessionalAddress;
use openmls::prelude::{LeafNodeIndex, Proposal, QueuedProposal};

use super::context::CaseContext;
use super::evidence::Evidence;
use super::group::{Group, Plan, Seat};
use super::party::Party;
use super::policy::{self, Change, Removal};
use crate::store::{StoreError, Transaction};

/// Who goes with a Commit.
pub(super) struct Going {
    pub(super) leaves: Vec<LeafNodeIndex>,
    /// What shows that some of them are revoked or have ended.
    pub(super) evidence: Evidence,
    /// The context once they are gone.
    pub(super) context: CaseContext,
}

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

    /// Of those who are to go, those who can: the coordinator's last device, or that of the last who is responsible, only if
    /// it is revoked or has ended. `coming`: a device of the coordinator's joins at the same time.
    pub(crate) fn may_go(
        &self,
        party: &Party,
        wanted: Vec<LeafNodeIndex>,
        coming: bool,
    ) -> Result<Vec<LeafNodeIndex>, StoreError> {
        if wanted.is_empty() {
            return Ok(wanted);
        }
        let seats = self.seats(party).map_err(|_| StoreError::Corrupt)?;
        let context = self.context().ok_or(StoreError::Corrupt)?;
        let (_, shown) = self.evidence_against(party, &wanted);
        Ok(policy::may_go(&context, &seats, wanted, &shown, coming))
    }

    /// Who goes with a Commit, with what evidence, and the context that it sets: without those who go, with its step taken.
    /// `None`: it would take the coordinator away, or its step cannot be taken.
    pub(super) fn going(&self, party: &Party, plan: &Plan) -> Option<Going> {
        let now = self.context()?;
        let context = plan.context.clone().unwrap_or_else(|| now.clone());
        let seats = self.seats(party).ok()?;
        let added: Option<Vec<_>> = plan
            .add
            .iter()
            .map(|key_package| Some(party.leaves.node(key_package.leaf_node()).ok()?.address().clone()))
            .collect();
        let added = added?;
        let coming = added.iter().any(|device| Some(&device.professional) == context.coordinator());
        let (evidence, shown) = self.evidence_against(party, &plan.remove);
        let wanted = plan.remove.iter().copied().chain(self.leaving());
        // Before the change and after it.
        let leaves = policy::may_go(&now, &seats, wanted, &shown, coming);
        let mut leaves = policy::may_go(&context, &seats, leaves, &shown, coming);
        // Others carry this device's own wish out.
        leaves.retain(|index| *index != self.own_index());
        let goes = |seat: &&Seat| leaves.contains(&seat.index);
        let removed = seats.iter().filter(goes).map(|seat| Removal {
            device: seat.device.address().clone(),
            by_itself: false,
            shown: shown.contains(&seat.index),
        });
        let change = Change { added, removed: removed.collect(), ..Change::default() };
        let stay = seats.iter().filter(|seat| !goes(seat)).map(|seat| seat.device.address());
        let remaining: Vec<_> = stay.chain(&change.added).cloned().collect();
        let mut context = policy::settled(&context, &change, &remaining).ok()?;
        if let Some(step) = &plan.step {
            let present = |who: &ProfessionalAddress| remaining.iter().any(|device| device.professional == *who);
            context = context.after(step, &party.address().professional, &present).ok()?;
        }
        Some(Going { leaves, evidence, context })
    }

    /// The lists that show some of these to be revoked or ended, as far as a Commit can carry them; and whom they show.
    fn evidence_against(&self, party: &Party, wanted: &[LeafNodeIndex]) -> (Evidence, Vec<LeafNodeIndex>) {
        let mut evidence = Evidence::default();
        let members = self.inner.members().filter(|member| wanted.contains(&member.index));
        let shown = members.filter(|member| {
            let list = party.leaves.evidence(&member.credential, &member.signature_key);
            list.is_some_and(|list| evidence.carry(&list))
        });
        let shown = shown.map(|member| member.index).collect();
        (evidence, shown)
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
