//! What a Commit may change, by role (DOMAIN.md, "Membership and roles"). One pure function judges every Commit, inbound
//! and outbound alike, and sees only what every member has.
//!
//! Refused: adding or removing without the right; giving roles without the right; a removal that leaves the case
//! without its coordinator or without anybody responsible; a removal that leaves traces of who is gone in the context; a
//! step of a handover, or of the case's end, that is not that member's or not yet possible; anything but adding,
//! removing, and a new case context; changing what never changes; every Commit once the case is being erased.

use kring_pki::verify::VerifiedDevice;
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use openmls::prelude::LeafNodeIndex;

use super::context::{CaseContext, Lent};
use super::group::Seat;
use crate::case::{ClosingStage, DutyStep, Role};

/// What a Commit does, besides fresh keys.
#[derive(Default)]
pub(crate) struct Change {
    /// Devices that it adds.
    pub(crate) added: Vec<DeviceAddress>,
    /// Devices that it removes.
    pub(crate) removed: Vec<Removal>,
    /// The context that it sets.
    pub(crate) context: Option<CaseContext>,
    /// It holds a proposal of a kind that no case needs (RFC 9420 §12.1: Update, PreSharedKey, ReInit, ExternalInit,
    /// and unknown ones), or extensions that are not the case's.
    pub(crate) foreign: bool,
}

/// One removal.
pub(crate) struct Removal {
    /// Who goes.
    pub(crate) device: DeviceAddress,
    /// The device itself proposed it.
    pub(crate) by_itself: bool,
}

/// Why a Commit is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum Forbidden {
    /// The committer has no role.
    #[error("the committer has no role in the case")]
    NoRole,
    /// The committer may not add.
    #[error("only the coordinator and deputies add")]
    Adding,
    /// The committer may not remove.
    #[error("only the coordinator and deputies remove others")]
    Removing,
    /// The committer may not give these roles.
    #[error("only the coordinator changes roles")]
    Roles,
    /// Somebody would be in the case without a role.
    #[error("everybody in a case has a role")]
    AddedWithoutRole,
    /// The coordinator would be gone.
    #[error("the coordinator hands the case over before leaving")]
    Coordinator,
    /// Nobody in the case would be responsible for the family.
    #[error("who alone is responsible for the family hands it over before leaving")]
    Responsible,
    /// A step of a handover or of the case's end that is not the committer's, or not possible.
    #[error("this step of a handover or of the case's end is not possible")]
    Duties,
    /// The case is read only, or is being erased.
    #[error("the case is closed")]
    Closed,
    /// Something changes that never does.
    #[error("a case's identity does not change")]
    Identity,
    /// A kind of change that no case needs.
    #[error("this kind of change does not belong into a case")]
    Kind,
}

/// Judges a Commit. `remaining` are the devices in the group once it is merged.
pub(crate) fn judge(
    context: &CaseContext,
    committer: &ProfessionalAddress,
    change: &Change,
    remaining: &[DeviceAddress],
) -> Result<(), Forbidden> {
    let role = context.role(committer).ok_or(Forbidden::NoRole)?;
    let manages = matches!(role, Role::Coordinator | Role::Deputy);
    if change.foreign {
        return Err(Forbidden::Kind);
    }
    if !change.added.is_empty() && !manages {
        return Err(Forbidden::Adding);
    }
    if !manages && change.removed.iter().any(|removal| !removal.by_itself) {
        return Err(Forbidden::Removing);
    }
    let stage = context.duties.stage();
    if stage == Some(ClosingStage::Erasing) {
        return Err(Forbidden::Closed);
    }
    let next = change.context.as_ref().unwrap_or(context);
    let gone = gone(change, remaining);
    let answered_for = keeps_responsible(context, &gone, remaining);
    if gone.iter().any(|who| next.role(who).is_some()) {
        return Err(Forbidden::Roles);
    }
    let now = context.after_removal(gone);
    if let Some(lent) = context.lent() {
        while_lent(&now, next, lent, (committer, role), change)?;
        in_order(next, change, remaining)?;
        return answered_for;
    }
    if next.case != context.case || next.title != context.title || next.predecessor != context.predecessor {
        return Err(Forbidden::Identity);
    }
    let read_only = stage == Some(ClosingStage::Closed);
    if read_only && change.added.iter().any(|device| now.role(&device.professional).is_none()) {
        return Err(Forbidden::Closed);
    }
    let now = with_step(now, next, committer, remaining)?;
    if role != Role::Coordinator {
        may_change_roles(&now, next, change, manages)?;
    }
    in_order(next, change, remaining)?;
    answered_for
}

/// Professionals whose last device a Commit removes.
fn gone<'c>(change: &'c Change, remaining: &[DeviceAddress]) -> Vec<&'c ProfessionalAddress> {
    let mut gone: Vec<_> = change.removed.iter().map(|removal| &removal.device.professional).collect();
    gone.retain(|who| !remaining.iter().any(|device| device.professional == **who));
    gone.sort_unstable();
    gone.dedup();
    gone
}

/// Nobody responsible goes unless somebody responsible is in the group after it.
fn keeps_responsible(
    context: &CaseContext,
    gone: &[&ProfessionalAddress],
    remaining: &[DeviceAddress],
) -> Result<(), Forbidden> {
    let responsible = context.responsible();
    let goes = responsible.iter().any(|who| gone.contains(who));
    let stays = |who: &&&ProfessionalAddress| remaining.iter().any(|device| device.professional == ***who);
    if goes && responsible.iter().find(stays).is_none() { Err(Forbidden::Responsible) } else { Ok(()) }
}

/// The context with the one step of the duties that a Commit takes, if it takes any.
fn with_step(
    now: CaseContext,
    next: &CaseContext,
    committer: &ProfessionalAddress,
    remaining: &[DeviceAddress],
) -> Result<CaseContext, Forbidden> {
    // Who becomes coordinator without a handover leaves the responsibility where it is, written out.
    if now.duties == next.duties || now.with_responsible_named().duties == next.duties {
        return Ok(now);
    }
    let present = |who: &ProfessionalAddress| remaining.iter().any(|device| device.professional == *who);
    let steps = DutyStep::between(&now.duties, &next.duties).into_iter();
    let reached = steps.filter_map(|step| now.after(&step, committer, &present).ok());
    let mut fitting = reached.filter(|after| after.duties == next.duties);
    // Of two that move the same responsibility, the one that moves the coordinator's role as it was moved.
    let first = fitting.next().ok_or(Forbidden::Duties)?;
    let same = |after: &CaseContext| after.coordinator() == next.coordinator();
    if same(&first) { Ok(first) } else { Ok(fitting.find(same).unwrap_or(first)) }
}

/// Whether a case is in order after a Commit: everybody has a role, the coordinator is there, who answers for the family
/// takes part.
fn in_order(next: &CaseContext, change: &Change, remaining: &[DeviceAddress]) -> Result<(), Forbidden> {
    let stays = |who: &ProfessionalAddress| remaining.iter().any(|device| device.professional == *who);
    if remaining.iter().any(|device| next.role(&device.professional).is_none()) {
        return Err(Forbidden::AddedWithoutRole);
    }
    if !next.coordinator().is_some_and(stays) {
        return Err(Forbidden::Coordinator);
    }
    let reads_only = |who: &&ProfessionalAddress| !matches!(next.role(who), Some(role) if role != Role::Observer);
    if change.context.is_some() && next.responsible().iter().any(reads_only) {
        return Err(Forbidden::Responsible);
    }
    Ok(())
}

/// In a successor whose starter still has the coordinator's role: those who were in the case come back, the role goes
/// back, and nothing else. The starter can remove what its own role lets it remove.
fn while_lent(
    context: &CaseContext,
    next: &CaseContext,
    lent: &Lent,
    (committer, role): (&ProfessionalAddress, Role),
    change: &Change,
) -> Result<(), Forbidden> {
    if change.added.iter().any(|device| context.role(&device.professional).is_none()) {
        return Err(Forbidden::Adding);
    }
    let own = if *committer == lent.starter { lent.role } else { role };
    let removes = matches!(own, Role::Coordinator | Role::Deputy);
    if !removes && change.removed.iter().any(|removal| !removal.by_itself) {
        return Err(Forbidden::Removing);
    }
    let gives_back = *committer == lent.starter || *committer == lent.coordinator;
    let back = gives_back && context.given_back().as_ref() == Some(next);
    if next == context || back { Ok(()) } else { Err(Forbidden::Roles) }
}

/// Whether a device cannot go because with it the coordinator, or the last who is responsible, would be gone.
pub(crate) fn is_bound(context: &CaseContext, device: &VerifiedDevice, seats: &[Seat]) -> bool {
    let others = seats.iter().map(|seat| seat.device.address()).filter(|other| *other != device.address());
    let others: Vec<_> = others.map(|other| &other.professional).collect();
    !can_go(context, &device.address().professional, &others)
}

/// Whether somebody's device can go while these are the professionals of the others.
fn can_go(context: &CaseContext, goes: &ProfessionalAddress, others: &[&ProfessionalAddress]) -> bool {
    if others.contains(&goes) {
        return true;
    }
    let responsible = context.responsible();
    let coordinated = context.coordinator() != Some(goes);
    coordinated && (!responsible.contains(&goes) || responsible.iter().any(|who| others.contains(who)))
}

/// Of those who are to go, in their order, everybody but those with whom the coordinator, or the last who is responsible,
/// would be gone. `coming`: a device of the coordinator's joins at the same time.
pub(crate) fn may_go(
    context: &CaseContext,
    seats: &[Seat],
    wanted: impl IntoIterator<Item = LeafNodeIndex>,
    coming: bool,
) -> Vec<LeafNodeIndex> {
    let mut left: Vec<_> = seats.iter().map(|seat| (seat.index, &seat.device.address().professional)).collect();
    let joins = context.coordinator().filter(|_| coming);
    let mut going = Vec::new();
    for index in wanted {
        let Some(place) = left.iter().position(|(other, _)| *other == index) else { continue };
        let (_, goes) = left[place];
        let others = left.iter().filter(|(other, _)| *other != index).map(|(_, who)| *who);
        let others: Vec<_> = others.chain(joins).collect();
        if can_go(context, goes, &others) {
            left.remove(place);
            going.push(index);
        }
    }
    going
}

/// Somebody who is not the coordinator: a deputy gives a role below its own to those whom it adds, nothing else.
fn may_change_roles(now: &CaseContext, next: &CaseContext, change: &Change, manages: bool) -> Result<(), Forbidden> {
    for (professional, role) in next.roles() {
        let same = now.role(professional) == Some(*role);
        let newcomer = manages
            && change.added.iter().any(|device| device.professional == *professional)
            && now.role(professional).is_none()
            && matches!(role, Role::Member | Role::Observer);
        if !same && !newcomer {
            return Err(Forbidden::Roles);
        }
    }
    let kept = |(professional, _): &(ProfessionalAddress, Role)| next.role(professional).is_some();
    if now.roles().iter().all(kept) { Ok(()) } else { Err(Forbidden::Roles) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseId;
    use kring_protocol::ids::DeviceId;

    fn who(name: &str) -> ProfessionalAddress {
        ProfessionalAddress::new(name, "zorg.example").expect("valid")
    }

    fn device(name: &str, number: u8) -> DeviceAddress {
        DeviceAddress { professional: who(name), device: DeviceId([number; 16]) }
    }

    /// c coordinates, d is a deputy, m a member, o an observer.
    fn context() -> CaseContext {
        let mut context = CaseContext::new(CaseId([1; 16]), "x".to_owned(), who("c"));
        context.set_role(&who("d"), Role::Deputy);
        context.set_role(&who("m"), Role::Member);
        context.set_role(&who("o"), Role::Observer);
        context
    }

    fn all() -> Vec<DeviceAddress> {
        ["c", "d", "m", "o"].iter().map(|name| device(name, 1)).collect()
    }

    fn add(name: &str, role: Option<Role>) -> Change {
        let mut next = context();
        if let Some(role) = role {
            next.set_role(&who(name), role);
        }
        Change { added: vec![device(name, 2)], context: role.map(|_| next), ..Change::default() }
    }

    fn remove(name: &str, by_itself: bool) -> Change {
        let next = context().after_removal([&who(name)]);
        let removed = vec![Removal { device: device(name, 1), by_itself }];
        Change { removed, context: Some(next), ..Change::default() }
    }

    fn roles(professional: &str, role: Role) -> Change {
        let mut next = context();
        next.set_role(&who(professional), role);
        Change { context: Some(next), ..Change::default() }
    }

    #[test]
    fn who_may_do_what() {
        use Forbidden as F;
        let table: Vec<(&str, Change, Result<(), Forbidden>)> = vec![
            ("c", add("n", Some(Role::Member)), Ok(())),
            ("c", add("n", Some(Role::Deputy)), Ok(())),
            ("d", add("n", Some(Role::Member)), Ok(())),
            ("d", add("n", Some(Role::Deputy)), Err(F::Roles)),
            ("d", add("m", None), Ok(())),
            ("c", add("n", None), Err(F::AddedWithoutRole)),
            ("m", add("n", Some(Role::Member)), Err(F::Adding)),
            ("o", add("n", Some(Role::Observer)), Err(F::Adding)),
            ("x", add("n", Some(Role::Member)), Err(F::NoRole)),
            ("c", remove("m", false), Ok(())),
            ("d", remove("m", false), Ok(())),
            ("m", remove("o", false), Err(F::Removing)),
            ("m", remove("o", true), Ok(())),
            ("o", remove("m", true), Ok(())),
            ("d", remove("c", false), Err(F::Coordinator)),
            ("d", remove("c", true), Err(F::Coordinator)),
            ("c", roles("m", Role::Deputy), Ok(())),
            ("c", roles("d", Role::Coordinator), Ok(())),
            ("d", roles("d", Role::Coordinator), Err(F::Roles)),
            ("m", roles("m", Role::Deputy), Err(F::Roles)),
            ("m", Change::default(), Ok(())),
            ("c", Change { foreign: true, ..Change::default() }, Err(F::Kind)),
        ];
        for (number, (committer, change, expected)) in table.into_iter().enumerate() {
            let gone = |device: &DeviceAddress| change.removed.iter().any(|removal| removal.device == *device);
            let mut remaining: Vec<_> = all().into_iter().filter(|device| !gone(device)).collect();
            remaining.extend(change.added.iter().cloned());
            assert_eq!(judge(&context(), &who(committer), &change, &remaining), expected, "row {number}");
        }
    }

    #[test]
    fn what_a_case_is_never_changes() {
        let mut other = context();
        other.title = "another".to_owned();
        let change = Change { context: Some(other), ..Change::default() };
        assert_eq!(judge(&context(), &who("c"), &change, &all()), Err(Forbidden::Identity));
        let other = CaseContext::new(CaseId([2; 16]), "x".to_owned(), who("c"));
        let change = Change { context: Some(other), ..Change::default() };
        assert_eq!(judge(&context(), &who("c"), &change, &all()), Err(Forbidden::Identity));
    }

    #[test]
    fn the_coordinator_cannot_hand_over_to_somebody_who_is_not_there() {
        let change = roles("gone", Role::Coordinator);
        assert_eq!(judge(&context(), &who("c"), &change, &all()), Err(Forbidden::Coordinator));
    }
}
