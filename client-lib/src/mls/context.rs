//! What every member of a case agrees on cryptographically: an extension of the MLS GroupContext (RFC 9420 §8.1).
//!
//! CDDL in `docs/items.md`. Refused: another version, roles out of order or repeated, more than one coordinator, a claim
//! by somebody who is no deputy. A case is without a coordinator only after theirs was revoked and no deputy was there.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{GroupId, MessageHash};
use openmls::prelude::CredentialType;
use openmls::prelude::{
    Extension, ExtensionType, Extensions, GroupContext, ProposalType, RequiredCapabilitiesExtension, UnknownExtension,
};
use serde::{Deserialize, Serialize};

use super::{CASE_EXTENSION, EVIDENCE_PROPOSAL, INBOX_EXTENSION};
use crate::case::{CaseId, Duties, DutyRefused, DutyStep, Role, Seated};
use crate::store::{decode, encode};

/// Version of the extension's form.
const VERSION: u64 = 1;

/// The context of a case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CaseContext {
    version: u64,
    pub(crate) case: CaseId,
    pub(crate) title: String,
    roles: Vec<(ProfessionalAddress, Role)>,
    /// The deputy who says that the coordinator is gone, until another member confirms it.
    pub(crate) claim: Option<ProfessionalAddress>,
    pub(crate) predecessor: Option<Predecessor>,
    /// Who answers for the family.
    #[serde(default, skip_serializing_if = "Duties::is_default")]
    pub(crate) duties: Duties,
}

/// The group that this one goes on from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Predecessor {
    /// The group.
    pub(crate) group: GroupId,
    /// Epoch authenticator (RFC 9420 §8.7) of its last good epoch.
    pub(crate) authenticator: serde_bytes::ByteBuf,
    /// Hash of the Commit that was refused.
    pub(crate) refused: MessageHash,
    /// Whose role the starter has until it is given back.
    pub(crate) lent: Option<Lent>,
}

/// The coordinator's role, lent to whoever started a successor group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lent {
    /// To whom it goes back.
    pub(crate) coordinator: ProfessionalAddress,
    /// Who has it.
    pub(crate) starter: ProfessionalAddress,
    /// The starter's own role.
    pub(crate) role: Role,
}

impl CaseContext {
    pub(crate) fn new(case: CaseId, title: String, coordinator: ProfessionalAddress) -> Self {
        let duties = Duties::of(coordinator.clone());
        let roles = vec![(coordinator, Role::Coordinator)];
        Self { version: VERSION, case, title, roles, claim: None, predecessor: None, duties }
    }

    /// Reads the context of a group; `None` if it has none that can be believed.
    pub(crate) fn of(extensions: &Extensions<GroupContext>) -> Option<Self> {
        let UnknownExtension(bytes) = extensions.unknown(CASE_EXTENSION)?;
        let context: Self = decode(bytes).ok()?;
        let rising = context.roles.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let coordinators = context.roles.iter().filter(|(_, role)| *role == Role::Coordinator).count();
        let claimed = context.claim.as_ref().is_none_or(|who| context.role(who) == Some(Role::Deputy));
        let sound = rising && coordinators <= 1 && claimed && !context.roles.is_empty();
        let sound = sound && context.duties.is_well_formed();
        (context.version == VERSION && sound && encode(&context).ok()? == *bytes).then_some(context)
    }

    /// All extensions of a group with this context.
    pub(crate) fn extensions(&self) -> Option<Extensions<GroupContext>> {
        let bytes = encode(self).ok()?;
        let required = RequiredCapabilitiesExtension::new(
            &[ExtensionType::Unknown(CASE_EXTENSION), ExtensionType::Unknown(INBOX_EXTENSION)],
            &[ProposalType::Custom(EVIDENCE_PROPOSAL)],
            &[CredentialType::X509],
        );
        Extensions::from_vec(vec![
            Extension::RequiredCapabilities(required),
            Extension::Unknown(CASE_EXTENSION, UnknownExtension(bytes)),
        ])
        .ok()
    }

    pub(crate) fn role(&self, professional: &ProfessionalAddress) -> Option<Role> {
        self.roles.iter().find(|(address, _)| address == professional).map(|(_, role)| *role)
    }

    pub(crate) fn roles(&self) -> &[(ProfessionalAddress, Role)] {
        &self.roles
    }

    pub(crate) fn coordinator(&self) -> Option<&ProfessionalAddress> {
        self.roles.iter().find(|(_, role)| *role == Role::Coordinator).map(|(address, _)| address)
    }

    /// The same with another claim.
    pub(crate) fn with_claim(&self, claim: Option<ProfessionalAddress>) -> Self {
        Self { claim, ..self.clone() }
    }

    /// The coordinator's role, if it is lent.
    pub(crate) fn lent(&self) -> Option<&Lent> {
        self.predecessor.as_ref()?.lent.as_ref()
    }

    /// The context in which everybody has their own role again; `None`: the coordinator's is not lent.
    pub(crate) fn given_back(&self) -> Option<Self> {
        let Lent { coordinator, starter, role } = self.lent()?.clone();
        let mut next = self.clone();
        next.set_role(&coordinator, Role::Coordinator);
        next.set_role(&starter, role);
        next.predecessor.as_mut()?.lent = None;
        Some(next)
    }

    /// Gives a professional a role; making somebody coordinator makes the coordinator before a deputy.
    pub(crate) fn set_role(&mut self, professional: &ProfessionalAddress, role: Role) {
        if role == Role::Coordinator {
            // Responsibility moves by a handover alone.
            *self = self.with_responsible_named();
            for (_, other) in self.roles.iter_mut().filter(|(_, other)| *other == Role::Coordinator) {
                *other = Role::Deputy;
            }
        }
        match self.roles.binary_search_by(|(address, _)| address.cmp(professional)) {
            Ok(index) => self.roles[index].1 = role,
            Err(index) => self.roles.insert(index, (professional.clone(), role)),
        }
        let is_over = |claimant: &ProfessionalAddress| {
            role == Role::Coordinator || (claimant == professional && role != Role::Deputy)
        };
        self.claim = self.claim.take().filter(|claimant| !is_over(claimant));
    }

    /// Takes a professional out of the case: out of the roles, and out of what they answer for.
    pub(crate) fn forget(&mut self, professional: &ProfessionalAddress) {
        self.roles.retain(|(address, _)| address != professional);
        self.claim = self.claim.take().filter(|claimant| claimant != professional);
        let heir = self.roles.iter().min_by_key(|(_, role)| *role).map(|(address, _)| address);
        self.duties = self.duties.without(professional, heir);
    }

    /// The context once these are gone: they have no role any more, and no part in what is under way.
    pub(crate) fn after_removal<'a>(&self, gone: impl IntoIterator<Item = &'a ProfessionalAddress>) -> Self {
        let mut next = self.clone();
        for professional in gone {
            next.forget(professional);
        }
        next
    }

    /// The context once these professionals have no device in the group any more. Their roles go with them; a
    /// coordinator's to the first deputy of `present` (those who stay, by leaf), and to nobody if there is none.
    pub(crate) fn settled(&self, gone: &[&ProfessionalAddress], present: &[&ProfessionalAddress]) -> Self {
        let mut next = self.clone();
        let lent = self.lent().filter(|lent| gone.contains(&&lent.coordinator) || gone.contains(&&lent.starter));
        match lent {
            Some(Lent { coordinator, starter, role }) => {
                // Nobody is left between whom the role could go to and fro.
                if let Some(predecessor) = &mut next.predecessor {
                    predecessor.lent = None;
                }
                if !gone.contains(&coordinator) && present.contains(&coordinator) {
                    next.set_role(coordinator, Role::Coordinator);
                } else {
                    next.set_role(starter, *role);
                    next.pass_on(present);
                }
            }
            None if self.coordinator().is_some_and(|coordinator| gone.contains(&coordinator)) => {
                next.pass_on(present)
            }
            None => {}
        }
        for professional in gone {
            next.forget(professional);
        }
        next
    }

    /// The coordinator's role goes to the first deputy who is there, or to nobody.
    fn pass_on(&mut self, present: &[&ProfessionalAddress]) {
        self.claim = None;
        // What the coordinator answered for goes with the coordinator, not with the role.
        *self = self.with_responsible_named();
        let heir = present.iter().find(|who| self.role(who) == Some(Role::Deputy));
        for (_, role) in self.roles.iter_mut().filter(|(_, role)| *role == Role::Coordinator) {
            *role = Role::Deputy;
        }
        if let Some(heir) = heir {
            self.set_role(heir, Role::Coordinator);
        }
    }

    /// The same, with who is responsible written out where it is the coordinator.
    pub(crate) fn with_responsible_named(&self) -> Self {
        let mut named = self.clone();
        if named.duties.responsible.is_empty() {
            named.duties.responsible = self.coordinator().cloned().into_iter().collect();
        }
        named
    }

    /// Who answers for the family; never nobody.
    pub(crate) fn responsible(&self) -> Vec<&ProfessionalAddress> {
        self.duties.responsible(self.coordinator())
    }

    /// The context after a step by somebody, while these have a device in the group.
    pub(crate) fn after(
        &self,
        step: &DutyStep,
        by: &ProfessionalAddress,
        present: &dyn Fn(&ProfessionalAddress) -> bool,
    ) -> Result<Self, DutyRefused> {
        let duties = self.duties.after(step, by, &Seated { roles: &self.roles, present })?;
        let mut next = Self { duties, ..self.clone() };
        if let DutyStep::Complete { offer } = step
            && let Some(coordinator) = self.duties.handover(*offer).and_then(|handover| handover.coordinator.clone())
        {
            next.set_role(&coordinator, Role::Coordinator);
        }
        Ok(next)
    }
}
