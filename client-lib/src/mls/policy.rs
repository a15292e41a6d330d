//! What a Commit may change, by role (DOMAIN.md, "Membership and roles"). One pure function judges every Commit, inbound
//! and outbound alike, and sees only what every member has.
//!
//! Refused: adding or removing without the right; giving roles without the right; a removal that leaves the case
//! without its coordinator or without anybody responsible, unless those are shown to be revoked; a removal that leaves
//! traces of who is gone in the context; a step of a handover, or of the case's end, that is not that member's or not yet
//! possible; anything but adding, removing, evidence, and a new case context; changing what never changes; every Commit
//! once the case is being erased.

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
    /// A list that the Commit carries shows that the device is revoked or has ended.
    pub(crate) shown: bool,
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
    #[error("only the coordinator and deputies remove others who are not revoked")]
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

/// Judges a Commit. `remaining` are the devices in the group once it is merged: those who stay by leaf, then those who
/// come.
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
    // One's own devices are one's own affair.
    if !manages && change.added.iter().any(|device| device.professional != *committer) {
        return Err(Forbidden::Adding);
    }
    let stage = context.duties.stage();
    if stage == Some(ClosingStage::Erasing) {
        return Err(Forbidden::Closed);
    }
    let next = change.context.as_ref().unwrap_or(context);
    let settled = settled(context, change, remaining)?;
    let answered_for = keeps_responsible(context, change, remaining);
    if let Some(lent) = context.lent() {
        while_lent(context, lent, (committer, role), change, remaining)?;
        forgets_who_goes(next, change, remaining)?;
        in_order(next, &settled, change, remaining)?;
        return answered_for;
    }
    require_right_to_remove(committer, manages, change)?;
    forgets_who_goes(next, change, remaining)?;
    if next.case != context.case || next.title != context.title || next.predecessor != settled.predecessor {
        return Err(Forbidden::Identity);
    }
    let read_only = stage == Some(ClosingStage::Closed);
    if read_only && change.added.iter().any(|device| settled.role(&device.professional).is_none()) {
        return Err(Forbidden::Closed);
    }
    if !is_claim(&settled, next, (committer, role), remaining) {
        let now = with_step(settled.clone(), next, committer, remaining)?;
        if next.claim != now.claim && !(role == Role::Coordinator && next.claim.is_none()) {
            return Err(Forbidden::Roles);
        }
        if role != Role::Coordinator {
            may_change_roles(&now, next, change, manages)?;
        }
    }
    in_order(next, &settled, change, remaining)?;
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

/// Nobody responsible goes unless somebody responsible is in the group after it, or they are shown to be revoked.
fn keeps_responsible(context: &CaseContext, change: &Change, remaining: &[DeviceAddress]) -> Result<(), Forbidden> {
    let responsible = context.responsible();
    let gone = gone(change, remaining);
    let unshown = |who: &ProfessionalAddress| {
        change.removed.iter().any(|removal| removal.device.professional == *who && !removal.shown)
    };
    let goes = responsible.iter().any(|who| gone.contains(who) && unshown(who));
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

/// The context as it follows from who goes, before anything else is changed.
pub(crate) fn settled(
    context: &CaseContext,
    change: &Change,
    remaining: &[DeviceAddress],
) -> Result<CaseContext, Forbidden> {
    let gone = gone(change, remaining);
    let of_coordinator = |removal: &&Removal| context.coordinator() == Some(&removal.device.professional);
    let lost = context.coordinator().is_some_and(|coordinator| gone.contains(&coordinator));
    // Whoever coordinates goes only when revoked, or ended; all others can be replaced before they go.
    if lost && !change.removed.iter().filter(of_coordinator).all(|removal| removal.shown) {
        return Err(Forbidden::Coordinator);
    }
    let present: Vec<_> = remaining.iter().filter(|device| !change.added.contains(device)).collect();
    let present: Vec<_> = present.into_iter().map(|device| &device.professional).collect();
    Ok(context.settled(&gone, &present))
}

/// Nobody who goes leaves a role behind.
fn forgets_who_goes(next: &CaseContext, change: &Change, remaining: &[DeviceAddress]) -> Result<(), Forbidden> {
    if gone(change, remaining).into_iter().any(|who| next.role(who).is_some()) {
        Err(Forbidden::Roles)
    } else {
        Ok(())
    }
}

/// Whether a case is in order after a Commit: everybody has a role, the coordinator is there unless there was none to
/// be, who answers for the family takes part.
fn in_order(
    next: &CaseContext,
    settled: &CaseContext,
    change: &Change,
    remaining: &[DeviceAddress],
) -> Result<(), Forbidden> {
    let stays = |who: &ProfessionalAddress| remaining.iter().any(|device| device.professional == *who);
    if remaining.iter().any(|device| next.role(&device.professional).is_none()) {
        return Err(Forbidden::AddedWithoutRole);
    }
    match next.coordinator() {
        Some(coordinator) if stays(coordinator) => {}
        None if settled.coordinator().is_none() => {}
        Some(_) | None => return Err(Forbidden::Coordinator),
    }
    let takes_part = |who: &ProfessionalAddress| matches!(next.role(who), Some(role) if role != Role::Observer);
    let anybody = remaining.iter().any(|device| takes_part(&device.professional));
    if change.context.is_some() && anybody && !next.responsible().into_iter().all(takes_part) {
        return Err(Forbidden::Responsible);
    }
    Ok(())
}

/// Coordinator and deputies remove; everybody else whom the removal itself speaks for: who asked for it, who is shown
/// to be revoked or ended, one's own devices.
fn require_right_to_remove(committer: &ProfessionalAddress, manages: bool, change: &Change) -> Result<(), Forbidden> {
    let right = |removal: &Removal| {
        manages || removal.by_itself || removal.shown || removal.device.professional == *committer
    };
    if change.removed.iter().all(right) { Ok(()) } else { Err(Forbidden::Removing) }
}

/// Whether a Commit does nothing to the context but say that the coordinator is gone, take that back, or confirm it.
///
/// No time is looked at: that the coordinator has not been heard for long is what the deputy who claims and the member
/// who confirms put their names to.
fn is_claim(
    settled: &CaseContext,
    next: &CaseContext,
    (committer, role): (&ProfessionalAddress, Role),
    remaining: &[DeviceAddress],
) -> bool {
    let is_there = |wanted: &dyn Fn(&ProfessionalAddress, Role) -> bool| {
        let professionals = remaining.iter().map(|device| &device.professional);
        professionals.into_iter().any(|who| settled.role(who).is_some_and(|role| wanted(who, role)))
    };
    let takes_part = |role: Role| !matches!(role, Role::Observer);
    let becomes = |who: &ProfessionalAddress| {
        let mut claimed = settled.clone();
        claimed.set_role(who, Role::Coordinator);
        *next == claimed
    };
    let Some(coordinator) = settled.coordinator() else {
        // Nobody of the role is left: whoever takes part can take it, and an observer if nobody else is there.
        return (takes_part(role) || !is_there(&|_, role| takes_part(role))) && becomes(committer);
    };
    match &settled.claim {
        None => role == Role::Deputy && *next == settled.with_claim(Some(committer.clone())),
        Some(claimant) => {
            let withdrawn = settled.with_claim(None);
            let second =
                |who: &ProfessionalAddress, role: Role| takes_part(role) && who != claimant && who != coordinator;
            let confirms = second(committer, role) || (committer == claimant && !is_there(&second));
            (*next == withdrawn && (committer == claimant || committer == coordinator))
                || (confirms && becomes(claimant))
        }
    }
}

/// In a successor whose starter still has the coordinator's role: those who were in the case come back, the role goes
/// back, and nothing else. The starter can remove what its own role lets it remove.
fn while_lent(
    context: &CaseContext,
    lent: &Lent,
    (committer, role): (&ProfessionalAddress, Role),
    change: &Change,
    remaining: &[DeviceAddress],
) -> Result<(), Forbidden> {
    if change.added.iter().any(|device| context.role(&device.professional).is_none()) {
        return Err(Forbidden::Adding);
    }
    let own = if *committer == lent.starter { lent.role } else { role };
    require_right_to_remove(committer, matches!(own, Role::Coordinator | Role::Deputy), change)?;
    let Some(next) = &change.context else { return Ok(()) };
    let gives_back = *committer == lent.starter || *committer == lent.coordinator;
    let given_back = context.given_back().filter(|_| gives_back);
    let allowed = |from: &CaseContext| settled(from, change, remaining).is_ok_and(|settled| settled == *next);
    if allowed(context) || given_back.is_some_and(|given_back| allowed(&given_back)) {
        Ok(())
    } else {
        Err(Forbidden::Roles)
    }
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

/// Of those who are to go, everybody but those with whom the coordinator, or the last who is responsible, would be gone.
/// Who is `shown` to be revoked or ended goes in any case. `coming`: a device of the coordinator's joins at the same time.
pub(crate) fn may_go(
    context: &CaseContext,
    seats: &[Seat],
    wanted: impl IntoIterator<Item = LeafNodeIndex>,
    shown: &[LeafNodeIndex],
    coming: bool,
) -> Vec<LeafNodeIndex> {
    let mut left: Vec<_> = seats.iter().map(|seat| (seat.index, &seat.device.address().professional)).collect();
    let joins = context.coordinator().filter(|_| coming);
    left.retain(|(index, _)| !shown.contains(index));
    let mut going = shown.to_vec();
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

/// Somebody who is not the coordinator: a deputy gives a role below its own to those whom it adds, nothing else. `now`:
/// without those who go.
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
        let mut next = context();
        next.forget(&who(name));
        let removed = vec![Removal { device: device(name, 1), by_itself, shown: false }];
        Change { removed, context: Some(next), ..Change::default() }
    }

    /// A removal for which a list was shown, with this context.
    fn shown(name: &str, next: CaseContext) -> Change {
        let removed = vec![Removal { device: device(name, 1), by_itself: false, shown: true }];
        Change { removed, context: Some(next), ..Change::default() }
    }

    fn without(name: &str) -> CaseContext {
        let present: Vec<_> = ["c", "d", "m", "o"].into_iter().filter(|other| *other != name).map(who).collect();
        context().settled(&[&who(name)], &present.iter().collect::<Vec<_>>())
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
            ("c", Change { context: None, ..remove("m", false) }, Err(F::Roles)),
            ("m", shown("o", without("o")), Ok(())),
            ("o", shown("m", without("m")), Ok(())),
            ("o", Change { context: None, ..shown("m", context()) }, Err(F::Roles)),
            ("o", shown("c", without("c")), Ok(())),
            ("o", shown("c", context()), Err(F::Roles)),
            ("m", Change { added: vec![device("m", 2)], ..Change::default() }, Ok(())),
            ("m", Change { added: vec![device("o", 2)], ..Change::default() }, Err(F::Adding)),
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
    fn a_revoked_coordinators_role_goes_to_the_first_deputy_and_to_nobody_else() {
        assert_eq!(without("c").coordinator(), Some(&who("d")));
        let mut taken = without("c");
        taken.set_role(&who("o"), Role::Coordinator);
        let remaining: Vec<_> = all().into_iter().filter(|device| device.professional != who("c")).collect();
        let judged = judge(&context(), &who("o"), &shown("c", taken), &remaining);
        assert_eq!(judged, Err(Forbidden::Roles), "whoever shows the list does not choose the heir");
        // One of two devices that is not shown to be revoked keeps the coordinator in.
        let mut removed = shown("c", without("c"));
        removed.removed.push(Removal { device: device("c", 2), by_itself: true, shown: false });
        assert_eq!(judge(&context(), &who("o"), &removed, &remaining), Err(Forbidden::Coordinator));
    }

    #[test]
    fn a_case_without_a_coordinator_is_claimed_by_who_takes_part() {
        let mut vacant = context();
        vacant.set_role(&who("d"), Role::Member);
        let present: Vec<_> = ["d", "m", "o"].map(who).to_vec();
        let vacant = vacant.settled(&[&who("c")], &present.iter().collect::<Vec<_>>());
        assert_eq!(vacant.coordinator(), None);
        let remaining: Vec<_> = ["d", "m", "o"].iter().map(|name| device(name, 1)).collect();
        let claim = |committer: &str, claimant: &str, remaining: &[DeviceAddress]| {
            let mut next = vacant.clone();
            next.set_role(&who(claimant), Role::Coordinator);
            judge(&vacant, &who(committer), &Change { context: Some(next), ..Change::default() }, remaining)
        };
        assert_eq!(claim("m", "m", &remaining), Ok(()));
        assert_eq!(claim("m", "d", &remaining), Err(Forbidden::Roles), "nobody gives it to somebody else");
        assert_eq!(claim("o", "o", &remaining), Err(Forbidden::Roles), "who takes part comes first");
        assert_eq!(claim("o", "o", &[device("o", 1)]), Ok(()));
        let adds = Change { added: vec![device("n", 1)], ..Change::default() };
        assert_eq!(judge(&vacant, &who("m"), &adds, &remaining), Err(Forbidden::Adding));
    }

    #[test]
    fn a_claim_needs_a_deputy_and_a_second_member_and_the_coordinator_takes_it_back() {
        let change = |next: CaseContext| Change { context: Some(next), ..Change::default() };
        let claimed = context().with_claim(Some(who("d")));
        let taken = |from: &CaseContext, by: &str| {
            let mut next = from.clone();
            next.set_role(&who(by), Role::Coordinator);
            change(next)
        };
        let table: Vec<(&str, CaseContext, Change, Result<(), Forbidden>)> = vec![
            ("d", context(), change(claimed.clone()), Ok(())),
            ("m", context(), change(context().with_claim(Some(who("m")))), Err(Forbidden::Roles)),
            ("m", context(), change(claimed.clone()), Err(Forbidden::Roles)),
            ("c", context(), change(claimed.clone()), Err(Forbidden::Roles)),
            ("d", context(), taken(&context(), "d"), Err(Forbidden::Roles)),
            ("d", claimed.clone(), taken(&claimed, "d"), Err(Forbidden::Roles)),
            ("o", claimed.clone(), taken(&claimed, "d"), Err(Forbidden::Roles)),
            ("m", claimed.clone(), taken(&claimed, "d"), Ok(())),
            ("m", claimed.clone(), taken(&claimed, "m"), Err(Forbidden::Roles)),
            ("m", claimed.clone(), change(context()), Err(Forbidden::Roles)),
            ("d", claimed.clone(), change(context()), Ok(())),
            ("c", claimed.clone(), change(context()), Ok(())),
            ("m", claimed.clone(), Change::default(), Ok(())),
        ];
        for (number, (committer, before, change, expected)) in table.into_iter().enumerate() {
            assert_eq!(judge(&before, &who(committer), &change, &all()), expected, "row {number}");
        }
        let two = [device("c", 1), device("d", 1)];
        assert_eq!(judge(&claimed, &who("d"), &taken(&claimed, "d"), &two), Ok(()), "nobody is left to confirm it");
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
