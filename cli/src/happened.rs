//! What has happened besides items, in words; and what of it every command warns of, because it may never be told again.

use kring_client::case::{CaseId, DutyStep, FileStatement, Member};
use kring_client::conversation::{Event, NotAdded};
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};

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

/// Somebody of a case is known to be revoked, and is in it all the same.
pub(crate) fn revoked_member(case: CaseId, devices: &[Member], all: &[Member]) -> Warning {
    let mut names: Vec<String> = Vec::new();
    for device in devices {
        let who = &device.address.professional;
        let stays = all.iter().any(|member| member.address.professional == *who && !member.revoked);
        let name = if stays { say!("a-device-of", who = who.as_str()) } else { who.to_string() };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let message = say!("revoked-member", names = names.join(", "));
    Warning { case: Some(case), name: "revoked_member", message }
}

/// Warnings as people read them: each once, with the number of the cases that it concerns.
pub(crate) fn together(warnings: &[Warning]) -> Vec<(&Warning, usize)> {
    let mut lines: Vec<(&Warning, usize)> = Vec::new();
    for warning in warnings {
        let same = |known: &Warning| known.name == warning.name && known.message == warning.message;
        match lines.iter_mut().find(|(known, _)| same(known)) {
            Some((_, cases)) => *cases += usize::from(warning.case.is_some()),
            None => lines.push((warning, usize::from(warning.case.is_some()))),
        }
    }
    lines
}

/// What of an event every command warns of.
pub(crate) fn warning(event: &Event) -> Option<Warning> {
    let warns = match event {
        // Nothing is lacking.
        Event::NotAdded { reason, .. } => *reason != NotAdded::Already,
        _ => warns_always(event),
    };
    let (case, name, message) = describe(event).filter(|_| warns)?;
    Some(Warning { case, name, message })
}

fn warns_always(event: &Event) -> bool {
    matches!(
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
    )
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
        Event::TakenOut { case, by, devices, staying } => {
            (Some(*case), "taken_out", taken_out(by.professional.as_str(), devices, staying))
        }
        Event::CertificateRenewed { case, device } => {
            let message = say!("event-certificate-renewed", who = device.professional.as_str());
            (Some(*case), "certificate_renewed", message)
        }
        Event::RelayReplaced => (None, "relay_replaced", say!("event-relay-replaced")),
    })
}

/// Who was taken out because of a revocation list: people, and devices of those who stay with another one.
fn taken_out(by: &str, devices: &[DeviceAddress], staying: &[ProfessionalAddress]) -> String {
    let gone = devices.iter().map(|device| &device.professional).filter(|who| !staying.contains(who));
    let mut gone: Vec<_> = gone.map(ToString::to_string).collect();
    gone.sort_unstable();
    gone.dedup();
    let mut told = Vec::new();
    if !gone.is_empty() {
        told.push(say!("event-taken-out", names = gone.join(", "), by = by));
    }
    for who in staying {
        let count = devices.iter().filter(|device| device.professional == *who).count();
        told.push(say!("event-device-taken-out", devices = count, who = who.as_str(), by = by));
    }
    told.join("; ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use kring_client::case::Role;
    use kring_protocol::ids::DeviceId;

    fn device(name: &str, number: u8) -> DeviceAddress {
        let professional = ProfessionalAddress::new(name, "politie.example").expect("valid");
        DeviceAddress { professional, device: DeviceId([number; 16]) }
    }

    fn taken_out_of(case: u8, devices: &[DeviceAddress], staying: &[&str]) -> Warning {
        let staying = staying.iter().map(|name| device(name, 1).professional).collect();
        let (case, devices) = (CaseId([case; 16]), devices.to_vec());
        warning(&Event::TakenOut { case, by: device("anne", 1), devices, staying }).expect("warned of")
    }

    #[test]
    fn what_is_the_same_in_several_cases_is_one_line_with_their_number() {
        let relay = || Warning { case: None, name: "relay_replaced", message: "another relay".to_owned() };
        let bert = [device("bert", 1)];
        let warnings = [taken_out_of(1, &bert, &[]), relay(), taken_out_of(2, &bert, &[]), relay()];
        let lines: Vec<_> = together(&warnings).iter().map(|(warning, cases)| (warning.name, *cases)).collect();
        assert_eq!(lines, [("taken_out", 2), ("relay_replaced", 0)]);
    }

    #[test]
    fn a_lost_device_of_somebody_who_stays_is_told_as_that() {
        let message = |devices: &[DeviceAddress], staying: &[&str]| taken_out_of(1, devices, staying).message;
        let left = message(&[device("bert", 1), device("bert", 2)], &[]);
        assert_eq!(left.matches("bert@politie.example left the organisation or was revoked").count(), 1, "{left}");
        let lost = message(&[device("bert", 1)], &["bert"]);
        assert!(lost.starts_with("a device of bert@politie.example was revoked"), "{lost}");
        let both = message(&[device("bert", 1), device("bert", 2), device("carla", 1)], &["bert"]);
        assert!(both.contains("carla@politie.example left"), "{both}");
        assert!(both.contains("2 devices of bert@politie.example were revoked"), "{both}");
    }

    #[test]
    fn who_is_not_added_is_warned_of_unless_they_are_there() {
        let not_added = |reason| {
            let (case, professional) = (CaseId([1; 16]), device("bert", 1).professional);
            warning(&Event::NotAdded { case, professional, device: None, reason }).map(|warning| warning.name)
        };
        assert_eq!(not_added(NotAdded::InboxFull), Some("not_added"));
        assert_eq!(not_added(NotAdded::Already), None);
    }

    #[test]
    fn a_member_who_is_revoked_is_named_and_a_device_of_one_who_is_not_as_that() {
        let member = |name: &str, number: u8, revoked: bool| Member {
            address: device(name, number),
            name: String::new(),
            organisation: String::new(),
            function: String::new(),
            role: Role::Member,
            own: false,
            leaving: false,
            revoked,
        };
        let all =
            [member("anne", 1, false), member("bert", 1, true), member("bert", 2, true), member("anne", 2, true)];
        let devices: Vec<_> = all.iter().filter(|member| member.revoked).cloned().collect();
        let message = revoked_member(CaseId([1; 16]), &devices, &all).message;
        assert!(message.contains("bert@politie.example, a device of anne@politie.example"), "{message}");
    }
}
