//! What has happened besides items, in words; and what of it every command warns of, because it may never be told again.

use kring_client::case::{CaseId, DutyStep, FileStatement, Member};
use kring_client::conversation::Event;

use crate::clock::local;
use crate::lines;
use crate::words::{Told, say};

/// Something that a person should know whatever they were about to do.
#[derive(PartialEq, Eq)]
pub(crate) struct Warning {
    /// The case that it concerns, if it is one.
    pub(crate) case: Option<CaseId>,
    /// Which kind; `docs/cli.md` lists them.
    pub(crate) name: &'static str,
    /// In words.
    pub(crate) message: String,
}

/// An alert is still on this device.
pub(crate) fn alert_not_sent(case: CaseId) -> Warning {
    Warning { case: Some(case), name: "alert_not_sent", message: say!("event-alert-not-sent") }
}

/// What of an event every command warns of.
pub(crate) fn warning(event: &Event) -> Option<Warning> {
    let warns = matches!(
        event,
        Event::Dropped { .. }
            | Event::Gap { .. }
            | Event::OutOfStep { .. }
            | Event::Unreachable { .. }
            | Event::CommitRefused { .. }
            | Event::Suspicion { .. }
            | Event::AlertNotSent { .. }
            | Event::AlertExhausted { .. }
            | Event::ClockOff { .. }
            | Event::RelayReplaced
            | Event::Held { .. }
            | Event::RevocationListOverdue { .. }
            | Event::OldRevocationLists
            | Event::WithoutCoordinator { .. }
            | Event::CoordinatorClaimed { .. }
            | Event::TakenOut { .. }
            | Event::Erasing { .. }
    );
    let (case, name, message) = describe(event).filter(|_| warns)?;
    Some(Warning { case, name, message })
}

/// An event's case, its name for machines, and what it says; `None`: it is shown in another way.
pub(crate) fn describe(event: &Event) -> Option<(Option<CaseId>, &'static str, String)> {
    let names = |members: &[Member]| members.iter().map(|member| member.name.clone()).collect::<Vec<_>>().join(", ");
    Some(match event {
        Event::Item(_)
        | Event::Relayed { .. }
        | Event::Joined { .. }
        | Event::State { .. }
        | Event::Receipt { .. } => return None,
        Event::AlertNotSent { case, .. } => (Some(*case), "alert_not_sent", say!("event-alert-not-sent")),
        Event::AlertExhausted { case, .. } => (Some(*case), "alert_exhausted", say!("event-alert-exhausted")),
        Event::CaughtUpWithCase { case } => (Some(*case), "caught_up_with_case", say!("event-caught-up-with-case")),
        Event::CaseOpened { case } => (Some(*case), "case_opened", say!("event-case-opened")),
        Event::MembersChanged { case, by, added, removed } => {
            let by = by.professional.as_str();
            let message = match (added.is_empty(), removed.is_empty()) {
                (_, true) => say!("event-added", by = by, names = names(added)),
                (true, false) => say!("event-removed", by = by, names = names(removed)),
                (false, false) => {
                    say!("event-added-and-removed", by = by, added = names(added), removed = names(removed))
                }
            };
            (Some(*case), "members_changed", message)
        }
        Event::RoleChanged { case, by, professional, role } => {
            let (by, who) = (by.professional.as_str(), professional.as_str());
            let message = say!("event-role-changed", by = by, who = who, role = lines::role_word(*role));
            (Some(*case), "role_changed", message)
        }
        Event::Erasing { case, by } => (Some(*case), "erasing", say!("event-erasing", by = by.professional.as_str())),
        Event::Attested { case, device } => {
            (Some(*case), "attested", say!("event-attested", who = device.professional.as_str()))
        }
        Event::Erased { report } => {
            let (attested, missing) = (report.attested.len() as u64, report.missing.len() as u64);
            (Some(report.case), "erased", say!("event-erased", attested = attested, missing = missing))
        }
        Event::Gone { case } => (Some(*case), "gone", say!("event-gone")),
        Event::Leaving { case, device } => {
            (Some(*case), "leaving", say!("event-leaving", who = device.professional.as_str()))
        }
        Event::Duties { case, by, step } => {
            let by = by.professional.as_str();
            let message = match step {
                Some(step) => say!("event-duty", by = by, what = duty(step)),
                None => say!("event-duty-gone", by = by),
            };
            (Some(*case), "duties", message)
        }
        Event::NotAdded { case, professional, reason, .. } => {
            (Some(*case), "not_added", say!("not-added", who = professional.as_str(), reason = reason.told()))
        }
        Event::Dropped { case, reason, .. } => {
            (Some(*case), "dropped", say!("event-dropped", reason = reason.told()))
        }
        Event::Left { case, by } => (Some(*case), "left", say!("event-left", by = by.professional.as_str())),
        Event::Gap { case, records } => (Some(*case), "gap", say!("event-gap", count = *records)),
        Event::OutOfStep { case } => (Some(*case), "out_of_step", say!("event-out-of-step")),
        Event::Unreachable { case } => (Some(*case), "unreachable", say!("event-unreachable")),
        Event::CommitRefused { case, by, reason } => {
            let message = match by {
                Some(by) => {
                    say!("event-commit-refused-by", by = by.professional.as_str(), reason = reason.told())
                }
                None => say!("event-commit-refused", reason = reason.told()),
            };
            (Some(*case), "commit_refused", message)
        }
        Event::Continued { case, by } => {
            (Some(*case), "continued", say!("event-continued", by = by.professional.as_str()))
        }
        Event::Suspicion { case, by, what } => {
            let message = match by {
                Some(by) => say!("event-suspicion-from", by = by.professional.as_str(), what = what.told()),
                None => say!("event-suspicion", what = what.told()),
            };
            (Some(*case), "suspicion", message)
        }
        Event::ClockOff { ahead_seconds } => (
            None,
            "clock_off",
            if *ahead_seconds < 0 {
                say!("event-clock-behind", seconds = ahead_seconds.unsigned_abs())
            } else {
                say!("event-clock-ahead", seconds = ahead_seconds.unsigned_abs())
            },
        ),
        Event::Held { case, why } => (Some(*case), "held", say!("event-held", reason = why.told())),
        Event::RevocationListOverdue { case, organisation, since, stale } => {
            let (organisation, since) = (organisation.as_str(), local(*since));
            let message = match stale {
                true => say!("event-list-stale", organisation = organisation, since = since),
                false => say!("event-list-overdue", organisation = organisation, since = since),
            };
            (Some(*case), "revocation_list_overdue", message)
        }
        Event::OldRevocationLists => (None, "old_revocation_lists", say!("event-old-lists")),
        Event::WithoutCoordinator { case } => (Some(*case), "without_coordinator", say!("event-without-coordinator")),
        Event::CoordinatorClaimed { case, claimant, .. } => {
            let message = match claimant {
                Some(who) => say!("event-claimed", who = who.as_str()),
                None => say!("event-claim-withdrawn"),
            };
            (Some(*case), "coordinator_claimed", message)
        }
        Event::TakenOut { case, by, devices } => {
            let mut people: Vec<_> = devices.iter().map(|device| device.professional.to_string()).collect();
            people.dedup();
            let message = say!("event-taken-out", names = people.join(", "), by = by.professional.as_str());
            (Some(*case), "taken_out", message)
        }
        Event::CertificateRenewed { case, device } => {
            let message = say!("event-certificate-renewed", who = device.professional.as_str());
            (Some(*case), "certificate_renewed", message)
        }
        Event::RelayReplaced => (None, "relay_replaced", say!("event-relay-replaced")),
    })
}

/// A step of a handover or of the case's end, after who took it.
fn duty(step: &DutyStep) -> String {
    match step {
        DutyStep::Offer(handover) => {
            let to: Vec<&str> = handover.to.iter().map(|receiver| receiver.who.as_str()).collect();
            say!("duty-offer", to = to.join(", "))
        }
        DutyStep::Confirm { receiver, .. } => say!("duty-confirm", who = receiver.as_str()),
        DutyStep::Ready { start, .. } => say!("duty-ready", start = local(*start)),
        DutyStep::Complete { .. } => say!("duty-complete"),
        DutyStep::End { .. } => say!("duty-end"),
        DutyStep::Hold { organisation } => say!("duty-hold", organisation = organisation.as_str()),
        DutyStep::Lift { organisation } => say!("duty-lift", organisation = organisation.as_str()),
        DutyStep::ProposeClosing { keep_days } => say!("duty-propose-closing", days = *keep_days),
        DutyStep::WithdrawClosing => say!("duty-withdraw-closing"),
        DutyStep::State { organisation, statement: FileStatement::Exported } => {
            say!("duty-exported", organisation = organisation.as_str())
        }
        DutyStep::State { organisation, statement: FileStatement::NotNeeded } => {
            say!("duty-not-needed", organisation = organisation.as_str())
        }
        DutyStep::Close => say!("duty-close"),
        DutyStep::Erase => say!("duty-erase"),
    }
}
