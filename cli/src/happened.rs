//! What has happened besides items, in words; and what of it every command warns of, because it may never be told again.

use kring_client::api::ClientEvent;
use kring_client::case::{CaseId, Member};
use kring_client::conversation::Event;

use crate::lines;

/// Something that a person should know whatever they were about to do.
pub(crate) struct Warning {
    /// The case that it concerns, if it is one.
    pub(crate) case: Option<CaseId>,
    /// Which kind; `docs/cli.md` lists them.
    pub(crate) name: &'static str,
    /// In words.
    pub(crate) message: String,
}

/// What of an event every command warns of.
pub(crate) fn warning(event: &ClientEvent) -> Option<Warning> {
    let ClientEvent::Conversation(event) = event else { return None };
    let warns = matches!(
        event,
        Event::Dropped { .. }
            | Event::Gap { .. }
            | Event::OutOfStep { .. }
            | Event::Unreachable { .. }
            | Event::CommitRefused { .. }
            | Event::Suspicion { .. }
            | Event::ClockOff { .. }
            | Event::RelayReplaced
    );
    let (case, name, message) = describe(event).filter(|_| warns)?;
    Some(Warning { case, name, message })
}

/// An event's case, its name for machines, and what it says; `None`: it is shown in another way.
pub(crate) fn describe(event: &Event) -> Option<(Option<CaseId>, &'static str, String)> {
    let names = |members: &[Member]| members.iter().map(|member| member.name.clone()).collect::<Vec<_>>().join(", ");
    Some(match event {
        Event::Item(_) | Event::Relayed { .. } | Event::Joined { .. } => return None,
        Event::CaseOpened { case } => (Some(*case), "case_opened", "the case is at the relay".to_owned()),
        Event::MembersChanged { case, by, added, removed } => {
            let mut parts = Vec::new();
            if !added.is_empty() {
                parts.push(format!("added {}", names(added)));
            }
            if !removed.is_empty() {
                parts.push(format!("removed {}", names(removed)));
            }
            (Some(*case), "members_changed", format!("{} {}", by.professional, parts.join(" and ")))
        }
        Event::RoleChanged { case, by, professional, role } => {
            (Some(*case), "role_changed", format!("{} made {professional} {}", by.professional, lines::role(*role)))
        }
        Event::Leaving { case, device } => {
            (Some(*case), "leaving", format!("{} has asked to leave", device.professional))
        }
        Event::Duties { case, by, .. } => (
            Some(*case),
            "duties",
            format!("{} changed who answers for the family, a handover, or the case's end", by.professional),
        ),
        Event::NotAdded { case, professional, reason, .. } => {
            (Some(*case), "not_added", format!("{professional} was not added: {reason}"))
        }
        Event::Dropped { case, reason, .. } => {
            (Some(*case), "dropped", format!("something of yours will not be done: {reason}"))
        }
        Event::Left { case, by } => {
            (Some(*case), "left", format!("you are no longer in this case; {} carried it out", by.professional))
        }
        Event::Gap { case, records } => {
            (Some(*case), "gap", format!("{} expired before this device read them", lines::count(*records, "record")))
        }
        Event::OutOfStep { case } => (
            Some(*case),
            "out_of_step",
            "this device has missed a change of this case and must be added again".to_owned(),
        ),
        Event::Unreachable { case } => (
            Some(*case),
            "unreachable",
            "the relay no longer opens this case to this device; ask its operator whether a backup was restored"
                .to_owned(),
        ),
        Event::CommitRefused { case, by, reason } => {
            let who = by.as_ref().map_or_else(String::new, |by| format!(" by {}", by.professional));
            (Some(*case), "commit_refused", format!("a change{who} was refused: {reason}"))
        }
        Event::Continued { case, by } => {
            (Some(*case), "continued", format!("{} continued the case in a new group", by.professional))
        }
        Event::Suspicion { case, by, what } => {
            let who = by.as_ref().map_or_else(String::new, |by| format!(" (from {})", by.professional));
            (Some(*case), "suspicion", format!("WARNING: {what}{who}"))
        }
        Event::ClockOff { ahead_seconds } => (
            None,
            "clock_off",
            format!(
                "this device's clock is {} s {} the relay's",
                ahead_seconds.unsigned_abs(),
                if *ahead_seconds < 0 { "behind" } else { "ahead of" }
            ),
        ),
        Event::RelayReplaced => {
            (None, "relay_replaced", "the relay's database is not the one that this device knew".to_owned())
        }
    })
}
