//! The merge gate: no Commit is merged that this has not judged, own ones included.
//!
//! It depends on nothing but what every member has (the group's context and tree, the Commit's proposals with the
//! evidence among them, its committer's leaf, the access key beside it), so that all members judge alike, whenever they
//! read the Commit.
//! Refused: a leaf that cannot show who it is, whether added or updated; a device that is in the group already; a
//! change that the committer's role does not allow; an access key that is not the next epoch's; a mark beside the Commit
//! that says otherwise than the Commit whether it is the case's last.

use kring_pki::verify::VerifiedDevice;
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::AccessKey;
use openmls::prelude::{LeafNodeIndex, Proposal, Sender, StagedCommit};

use super::EVIDENCE_PROPOSAL;
use super::context::CaseContext;
use super::evidence::Evidence;
use super::group::Group;
use super::party::Party;
use super::policy::{Change, Removal, judge};
use crate::case::{ClosingStage, DutyStep};
use crate::conversation::{CommitRefused, Unbelieved};

/// A Commit that may be merged. Only this module makes it.
pub(crate) struct Judged {
    staged: Box<StagedCommit>,
    outcome: Outcome,
}

/// What a Commit changes.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    /// Who came.
    pub(crate) added: Vec<VerifiedDevice>,
    /// Who went.
    pub(crate) removed: Vec<VerifiedDevice>,
    /// Those among them whom a list showed to be revoked or ended.
    pub(crate) shown: Vec<DeviceAddress>,
    /// The committer, whose certificate is another one now.
    pub(crate) renewed: Option<VerifiedDevice>,
    /// The context before, if it changed.
    pub(crate) context_before: Option<CaseContext>,
    /// This device was removed.
    pub(crate) self_removed: bool,
    /// It is the case's last Commit: everything of the case is to be destroyed.
    pub(crate) erases: bool,
}

impl Outcome {
    /// The step of the duties that the Commit has taken.
    pub(crate) fn step(
        &self,
        before: &CaseContext,
        by: &ProfessionalAddress,
        after: &CaseContext,
    ) -> Option<DutyStep> {
        let gone: Vec<_> = self.removed.iter().map(|device| &device.address().professional).collect();
        let now = before.after_removal(gone.into_iter().filter(|who| after.role(who).is_none()));
        let steps = DutyStep::between(&now.duties, &after.duties);
        let fits = |step: &DutyStep| now.after(step, by, &|_| true).is_ok_and(|next| next.duties == after.duties);
        steps.into_iter().find(fits)
    }
}

impl Judged {
    /// The Commit and what it changes, for the one place that merges.
    pub(super) fn into_parts(self) -> (Box<StagedCommit>, Outcome) {
        (self.staged, self.outcome)
    }
}

/// Judges another member's Commit.
pub(crate) fn judge_staged(
    party: &Party,
    group: &Group,
    staged: Box<StagedCommit>,
    committer: LeafNodeIndex,
    next_access_key: Option<AccessKey>,
    closes: bool,
) -> Result<Judged, CommitRefused> {
    let outcome = judge_commit(party, group, &staged, committer)?;
    if outcome.erases != closes {
        return Err(CommitRefused::Closes);
    }
    if !staged.self_removed() {
        let derived = super::group::staged_access(party, group, &staged).ok_or(CommitRefused::Unreadable)?;
        if derived.public().ok() != next_access_key {
            return Err(CommitRefused::AccessKey);
        }
    }
    Ok(Judged { staged, outcome })
}

/// Judges a Commit's leaves and its changes.
pub(super) fn judge_commit(
    party: &Party,
    group: &Group,
    staged: &StagedCommit,
    committer: LeafNodeIndex,
) -> Result<Outcome, CommitRefused> {
    let context = group.context().ok_or(CommitRefused::Unreadable)?;
    let seats = group.seats(party).map_err(|bad| CommitRefused::Leaf(bad.into()))?;
    let by = seats.iter().find(|seat| seat.index == committer).ok_or(CommitRefused::Unreadable)?;
    let mut change = Change::default();
    let mut outcome = Outcome { self_removed: staged.self_removed(), ..Outcome::default() };
    let mut evidence = Evidence::default();

    if let Some(leaf) = staged.update_path_leaf_node() {
        let device = party.leaves.node(leaf).map_err(|bad| CommitRefused::Leaf(bad.into()))?;
        if device.address() != by.device.address() {
            return Err(CommitRefused::Leaf(Unbelieved::Place));
        }
        if device.chain() != by.device.chain() {
            outcome.renewed = Some(device);
        }
    }
    for queued in staged.queued_proposals() {
        match queued.proposal() {
            Proposal::Add(add) => {
                let leaf = add.key_package().leaf_node();
                let device = party.leaves.node(leaf).map_err(|bad| CommitRefused::Leaf(bad.into()))?;
                change.added.push(device.address().clone());
                outcome.added.push(device);
            }
            Proposal::Remove(remove) => {
                let gone = seats.iter().find(|seat| seat.index == remove.removed());
                let gone = gone.ok_or(CommitRefused::Unreadable)?;
                let by_itself = *queued.sender() == Sender::Member(gone.index);
                change.removed.push(Removal { device: gone.device.address().clone(), by_itself, shown: false });
                outcome.removed.push(gone.device.clone());
            }
            Proposal::GroupContextExtensions(proposal) => {
                match CaseContext::of(proposal.extensions()) {
                    Some(next) if next.extensions().as_ref() == Some(proposal.extensions()) => {
                        change.context = Some(next);
                    }
                    _ => change.foreign = true,
                }
                outcome.context_before = Some(context.clone());
            }
            // Sent by itself it would be somebody's who does not answer for what is done with it.
            Proposal::Custom(custom)
                if custom.proposal_type() == EVIDENCE_PROPOSAL && *queued.sender() == Sender::Member(committer) =>
            {
                change.foreign |= evidence.read(custom).is_none();
            }
            Proposal::Update(_)
            | Proposal::PreSharedKey(_)
            | Proposal::ReInit(_)
            | Proposal::ExternalInit(_)
            | Proposal::SelfRemove
            | Proposal::Custom(_) => change.foreign = true,
        }
    }
    match evidence.shown(&party.leaves, &outcome.removed) {
        Some(shown) => change.removed.iter_mut().zip(shown).for_each(|(removal, shown)| removal.shown = shown),
        None => change.foreign = true,
    }
    outcome.shown =
        change.removed.iter().filter(|removal| removal.shown).map(|removal| removal.device.clone()).collect();
    let mut remaining: Vec<DeviceAddress> = seats
        .iter()
        .map(|seat| seat.device.address())
        .filter(|device| !change.removed.iter().any(|removal| removal.device == **device))
        .cloned()
        .collect();
    for device in &change.added {
        if remaining.contains(device) {
            return Err(CommitRefused::Leaf(Unbelieved::Place));
        }
        remaining.push(device.clone());
    }
    judge(&context, &by.device.address().professional, &change, &remaining).map_err(|_| CommitRefused::Role)?;
    let erasing = |next: &CaseContext| next.duties.stage() == Some(ClosingStage::Erasing);
    outcome.erases = change.context.as_ref().is_some_and(erasing);
    Ok(outcome)
}
