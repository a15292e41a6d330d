//! Joining by a Welcome (RFC 9420 §12.4.3.1): who is in the group is verified before this device is.
//!
//! Refused: a Welcome for none of this device's KeyPackages; a group whose tree holds a leaf that cannot show who it
//! is, or a device twice; a group without a case's context, or with somebody in it who has no role; a Welcome by
//! somebody who may not add this device: coordinator and deputies may, and the professional's other devices.

use kring_pki::verify::VerifiedDevice;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{Epoch, GroupId};
use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::{MlsGroup, MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider as _, StagedWelcome};

use super::context::CaseContext;
use super::group::{Group, MlsFailure, configuration};
use super::padding::HANDSHAKE;
use super::party::Party;
use super::provider::Provider;
use super::suite::suite;
use crate::case::Role;
use crate::conversation::Unbelieved;
use crate::store::{StoreError, Transaction};

/// What a Welcome may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replaces {
    /// Of nothing: there must be no such group.
    Nothing,
    /// Of what this device has of the same group.
    Group,
}

/// A Welcome that has been verified; not yet joined.
pub(crate) struct Invitation {
    staged: StagedWelcome,
    pub(crate) context: CaseContext,
    pub(crate) by: VerifiedDevice,
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
}

/// Reads and verifies a Welcome. It consumes the KeyPackage, within the step.
pub(crate) fn invitation(
    party: &Party,
    step: &Transaction<'_>,
    welcome: &[u8],
    replaces: Replaces,
) -> Result<Invitation, MlsFailure> {
    verify(party, stage(party, step, welcome, replaces)?).ok_or(MlsFailure::Refused)
}

fn stage(
    party: &Party,
    step: &Transaction<'_>,
    welcome: &[u8],
    replaces: Replaces,
) -> Result<StagedWelcome, MlsFailure> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(welcome).map_err(|_| MlsFailure::Refused)?;
    let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { return Err(MlsFailure::Refused) };
    let provider = party.provider(step);
    // Its author checked the KeyPackages' lifetimes; the tree's older leaves have outlived theirs.
    let staged =
        StagedWelcome::build_from_welcome(&provider, &configuration(HANDSHAKE), welcome).and_then(|builder| {
            let builder = builder.skip_lifetime_validation();
            match replaces {
                Replaces::Nothing => builder,
                Replaces::Group => builder.replace_old_group(),
            }
            .build()
        });
    let Ok(staged) = staged else {
        step.probe()?;
        return Err(MlsFailure::Refused);
    };
    Ok(staged)
}

/// Why the company in a Welcome's group is not believed; `None`: it is, or it is no Welcome for this device. It consumes
/// the KeyPackage, within the step.
pub(crate) fn company(
    party: &Party,
    step: &Transaction<'_>,
    welcome: &[u8],
) -> Result<Option<Unbelieved>, MlsFailure> {
    let staged = match stage(party, step, welcome, Replaces::Group) {
        Ok(staged) => staged,
        Err(MlsFailure::Refused) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let bad = staged.members().find_map(|member| party.leaves.ever(&member.credential, &member.signature_key).err());
    Ok(bad.map(Unbelieved::from))
}

fn verify(party: &Party, staged: StagedWelcome) -> Option<Invitation> {
    let group_context = staged.group_context();
    if group_context.ciphersuite() != suite() {
        return None;
    }
    let group = GroupId::from_slice(group_context.group_id().as_slice())?;
    // No group gets this far; a larger number is a joke at the expense of whoever counts on from it.
    let epoch = Some(Epoch(group_context.epoch().as_u64())).filter(|epoch| *epoch < Epoch::MAX)?;
    let context = CaseContext::of(group_context.extensions())?;
    if context.extensions().as_ref() != Some(group_context.extensions()) {
        return None;
    }
    let mut devices: Vec<VerifiedDevice> = Vec::new();
    let mut by = None;
    for member in staged.members() {
        let device = party.leaves.ever(&member.credential, &member.signature_key).ok()?;
        context.role(&device.address().professional)?;
        if devices.iter().any(|other| other.address() == device.address()) {
            return None;
        }
        if member.index == staged.welcome_sender_index() {
            by = Some(device.clone());
        }
        devices.push(device);
    }
    let by = by?;
    // One's own devices are one's own affair.
    let own = by.address().professional == party.address().professional;
    let may_add = own || matches!(context.role(&by.address().professional)?, Role::Coordinator | Role::Deputy);
    let is_there = |who: &ProfessionalAddress| devices.iter().any(|device| device.address().professional == *who);
    // A case is without a coordinator only after theirs was revoked.
    let coordinated = context.coordinator().is_none_or(is_there);
    (may_add && coordinated).then_some(Invitation { staged, context, by, group, epoch })
}

/// Forgets the proposals of the group that this one has taken the place of. openmls leaves them in the store, and the first
/// Commit after the group was loaded again would name them to members who do not have them.
fn forget_waiting(provider: &Provider<'_>, joined: &MlsGroup) -> Result<(), StoreError> {
    if let Some(mut stored) = MlsGroup::load(provider.storage(), joined.group_id())? {
        stored.clear_pending_proposals(provider.storage())?;
    }
    Ok(())
}

impl Invitation {
    /// Joins.
    pub(crate) fn accept(self, party: &Party, step: &Transaction<'_>) -> Result<Group, MlsFailure> {
        let provider = party.provider(step);
        match self.staged.into_group(&provider) {
            Ok(inner) => {
                forget_waiting(&provider, &inner).map_err(MlsFailure::Store)?;
                let tree = inner.public_group();
                // The credentials are verified; a leaf is more than that.
                let whole = |index| tree.leaf(index).is_some_and(|leaf| party.leaves.node(leaf).is_ok());
                let whole = inner.members().all(|member| whole(member.index));
                if whole { Ok(inner.into()) } else { Err(MlsFailure::Refused) }
            }
            Err(_) => Err(step.probe().err().map_or(MlsFailure::Refused, MlsFailure::Store)),
        }
    }
}
