//! A case whose coordinator is gone: who says so, who confirms it, who takes the role.
//!
//! A coordinator whose last device is revoked has no say any more: the role went to a deputy with the Commit that removed
//! it, or, where there was none, whoever takes part can claim it at once. A coordinator who is merely not heard can be
//! claimed from by a deputy after [`SILENCE`], and has the role until another member, who has not heard them either,
//! confirms it; the coordinator's device takes the claim back as soon as it is online. What a Commit may do is judged by
//! `mls/policy.rs`, which knows no time: **the silence is what those two members put their names to**.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::{GroupRecord, Want};
use super::step::Step;
use super::{CommandError, StepError};
use crate::case::{CaseId, Role};
use crate::mls::context::CaseContext;
use crate::mls::group::Group;
use crate::store::StoreError;

/// How long a coordinator has to be silent before somebody claims the case: a long weekend.
pub(super) const SILENCE: u64 = 3 * Timestamp::DAY;

/// What is done about a coordinator who is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ClaimStep {
    /// Take the role, or say that it should be taken.
    Claim,
    /// Confirm what another one has said.
    Confirm,
    /// Take back what was said.
    Withdraw,
}

/// Who coordinates a case, and what is said of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordination {
    /// The coordinator; `None`: theirs was revoked and nobody has claimed the case.
    pub coordinator: Option<ProfessionalAddress>,
    /// The deputy who says that the coordinator is gone.
    pub claimed_by: Option<ProfessionalAddress>,
    /// When this device last heard the coordinator in this case, by the relay's clock.
    pub heard_at: Timestamp,
    /// From when on this device's user may claim the case, or confirm the claim; `None`: not in this role.
    pub claimable_from: Option<Timestamp>,
}

/// What the context of a case becomes by a step of somebody; `None`: there is nothing to do, or it is not theirs to do.
pub(super) fn claimed(context: &CaseContext, own: &ProfessionalAddress, step: ClaimStep) -> Option<CaseContext> {
    let taken = |who: &ProfessionalAddress| {
        let mut next = context.clone();
        next.set_role(who, Role::Coordinator);
        next
    };
    match (step, context.coordinator(), &context.claim) {
        (ClaimStep::Claim, None, _) => Some(taken(own)),
        (ClaimStep::Claim, Some(coordinator), None) if coordinator != own => {
            Some(context.with_claim(Some(own.clone())))
        }
        // With nobody left who could confirm it the claimant does it alone; the policy knows.
        (ClaimStep::Claim, Some(_), Some(claimant)) if claimant == own => Some(taken(own)),
        (ClaimStep::Confirm, Some(coordinator), Some(claimant)) if claimant != own && coordinator != own => {
            Some(taken(claimant))
        }
        (ClaimStep::Withdraw, Some(coordinator), Some(claimant)) if claimant == own || coordinator == own => {
            Some(context.with_claim(None))
        }
        (ClaimStep::Claim | ClaimStep::Confirm | ClaimStep::Withdraw, ..) => None,
    }
}

impl Coordination {
    pub(super) fn of(context: &CaseContext, state: &GroupRecord, own: &ProfessionalAddress) -> Self {
        let role = context.role(own);
        let silent = state.coordinator_heard.plus(SILENCE);
        let claimable_from = match (context.coordinator(), &context.claim, role) {
            (None, _, Some(_)) => Some(Timestamp(0)),
            (Some(coordinator), _, _) if coordinator == own => None,
            (Some(_), None, Some(Role::Deputy)) => Some(silent),
            (Some(_), Some(_), Some(Role::Deputy | Role::Member)) => Some(silent),
            (Some(_), ..) | (None, _, None) => None,
        };
        Self {
            coordinator: context.coordinator().cloned(),
            claimed_by: context.claim.clone(),
            heard_at: state.coordinator_heard,
            claimable_from,
        }
    }
}

impl Step<'_> {
    /// The user claims a case, or confirms or withdraws a claim.
    pub(super) fn claim(&mut self, case: CaseId, step: ClaimStep) -> Result<(), StepError> {
        let group = self.open_case(case)?;
        let state = self.group_record(group)?.ok_or(StoreError::Corrupt)?;
        let mls = self.take(group)?;
        let context = mls.context();
        self.put(group, mls);
        let context = context.ok_or(StoreError::Corrupt)?;
        let own = self.party.address().professional.clone();
        let coordination = Coordination::of(&context, &state, &own);
        if step != ClaimStep::Withdraw {
            let from = coordination.claimable_from.ok_or(CommandError::Role)?;
            if self.now < from {
                return Err(CommandError::CoordinatorHeard { until: from }.into());
            }
        }
        claimed(&context, &own, step).ok_or(CommandError::NothingToClaim)?;
        self.queue(case, Want::Claim { step })?;
        Ok(())
    }

    /// A coordinator of whom somebody says that they are gone takes that back: they are here.
    pub(super) fn answer_claim(&mut self, case: CaseId, group: &Group) -> Result<(), StoreError> {
        let own = &self.party.address().professional;
        let context = group.context().ok_or(StoreError::Corrupt)?;
        let said_of_own = context.claim.is_some() && context.coordinator() == Some(own);
        let waits = |want: &Want| matches!(want, Want::Claim { step: ClaimStep::Withdraw });
        if said_of_own && !self.intents(case)?.iter().any(|intent| waits(&intent.value.want)) {
            self.queue(case, Want::Claim { step: ClaimStep::Withdraw })?;
        }
        Ok(())
    }
}
