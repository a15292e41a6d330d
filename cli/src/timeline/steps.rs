//! What stands in a case's log as Commits: who came and went, the steps of handovers that everybody had to agree on, who
//! answers for the family, the case's end. Each is a line in the timeline, at its time.

use std::io::{self, Write};

use kring_client::case::{CaseStep, Change, FileStatement, ItemId};
use kring_client::conversation::MergedChange;
use serde::Serialize;

use crate::clock::{local, rfc3339};
use crate::lines::role_word;
use crate::output::Line;
use crate::things::short;
use crate::words::say;

/// One step.
#[derive(Serialize)]
#[serde(tag = "type", rename = "step")]
pub(super) struct StepLine {
    case: String,
    /// The Commit's record at the relay.
    record: u64,
    /// By the relay's clock.
    at: Option<String>,
    by: Option<String>,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    handover: Option<String>,
    /// Whom it is about: addresses, or an organisation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    who: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip)]
    shown: String,
}

impl Line for StepLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)
    }
}

/// What a step is called, about which handover and whom, what else it says, and in words.
struct Told {
    what: &'static str,
    handover: Option<ItemId>,
    who: Vec<String>,
    role: Option<&'static str>,
    start: Option<String>,
    words: String,
}

impl Told {
    fn alone(what: &'static str, words: String) -> Self {
        Self { what, handover: None, who: Vec::new(), role: None, start: None, words }
    }

    fn of(what: &'static str, handover: ItemId, words: String) -> Self {
        Self { handover: Some(handover), ..Self::alone(what, words) }
    }

    fn about(what: &'static str, who: &dyn ToString, words: String) -> Self {
        Self { who: vec![who.to_string()], ..Self::alone(what, words) }
    }
}

fn told(step: &CaseStep) -> Told {
    match step {
        CaseStep::Came(who) => Told::about("came", who, say!("turn-came", who = who.as_str())),
        CaseStep::Went(who) => Told::about("went", who, say!("turn-went", who = who.as_str())),
        CaseStep::Role(who, role) => {
            let words = say!("turn-role", who = who.as_str(), role = role_word(*role));
            Told { role: Some(crate::lines::role(*role)), ..Told::about("role", who, words) }
        }
        CaseStep::Stands(id) => Told::of("stands", *id, say!("turn-stands", id = short(*id))),
        CaseStep::Confirmed(id, who) => {
            let words = say!("turn-confirmed", id = short(*id), who = who.as_str());
            Told { handover: Some(*id), ..Told::about("confirmed", who, words) }
        }
        CaseStep::Ready(id, who, start) => {
            let words = say!("turn-ready", id = short(*id), who = who.as_str(), start = local(*start));
            Told { handover: Some(*id), start: Some(rfc3339(*start)), ..Told::about("ready", who, words) }
        }
        CaseStep::Reopened(id, who) => {
            let words = say!("turn-reopened", id = short(*id), who = who.as_str());
            Told { handover: Some(*id), ..Told::about("reopened", who, words) }
        }
        CaseStep::Completed(id) => Told::of("completed", *id, say!("turn-completed", id = short(*id))),
        CaseStep::Declined(id) => Told::of("declined", *id, say!("turn-declined", id = short(*id))),
        CaseStep::Withdrawn(id) => Told::of("withdrawn", *id, say!("turn-withdrawn", id = short(*id))),
        CaseStep::Cleared(id) => Told::of("cleared", *id, say!("turn-cleared", id = short(*id))),
        CaseStep::SenderGone(id) => Told::of("sender_gone", *id, say!("turn-sender-gone", id = short(*id))),
        CaseStep::Responsible(who) => {
            let who: Vec<_> = who.iter().map(ToString::to_string).collect();
            let words = say!("turn-responsible", who = who.join(", "));
            Told { who, ..Told::alone("responsible", words) }
        }
        CaseStep::Held(domain) => Told::about("held", domain, say!("turn-held", organisation = domain.as_str())),
        CaseStep::Lifted(domain) => {
            Told::about("lifted", domain, say!("turn-lifted", organisation = domain.as_str()))
        }
        CaseStep::ClosingProposed(days) => {
            Told::alone("closing_proposed", say!("turn-closing-proposed", days = *days))
        }
        CaseStep::ClosingWithdrawn => Told::alone("closing_withdrawn", say!("turn-closing-withdrawn")),
        CaseStep::Stated(domain, FileStatement::Exported) => {
            Told::about("exported", domain, say!("turn-exported", organisation = domain.as_str()))
        }
        CaseStep::Stated(domain, FileStatement::NotNeeded) => {
            Told::about("not_needed", domain, say!("turn-not-needed", organisation = domain.as_str()))
        }
        CaseStep::Closed => Told::alone("closed", say!("turn-closed")),
        CaseStep::Erasing => Told::alone("erasing", say!("turn-erasing")),
    }
}

/// How a case begins for this device: it opened it, or joined it.
fn beginning(change: &Change) -> Told {
    match &change.by {
        Some(_) => Told::alone("opened", say!("turn-opened")),
        None => {
            let present = change.people.iter().filter(|person| person.present.is_some());
            let who: Vec<_> = present.map(|person| person.professional.to_string()).collect();
            let words = say!("turn-joined-case", who = who.join(", "));
            Told { who, ..Told::alone("joined", words) }
        }
    }
}

/// What does not follow from how the members stand: devices that were shown to be revoked, and a group in which the case
/// goes on.
fn around(before: &MergedChange, merged: &MergedChange) -> Vec<Told> {
    let mut told = Vec::new();
    if before.change.group != merged.change.group {
        told.push(Told::alone("successor", say!("turn-successor")));
    }
    for device in &merged.taken_out {
        let (who, name) = (device.professional.to_string(), device.device.to_hex());
        let words = say!("turn-revoked", who = who.as_str(), device = name);
        told.push(Told { who: vec![who], ..Told::alone("revoked", words) });
    }
    told
}

/// What a change has brought since the one before it; the first is the one with which this device came.
pub(super) fn steps(case: &str, before: Option<&MergedChange>, merged: &MergedChange) -> Vec<StepLine> {
    let change = &merged.change;
    let all = match before {
        None => vec![beginning(change)],
        Some(before) => {
            let steps = change.since(&before.change);
            around(before, merged).into_iter().chain(steps.iter().map(told)).collect()
        }
    };
    let line = |told: Told| {
        let Told { what, handover, who, role, start, words } = told;
        let by = change.by.as_ref().map(ToString::to_string);
        let at = merged.at.map_or_else(|| say!("turn-first"), local);
        let shown = match &by {
            Some(by) => format!("{at}  {by}\n    = {words}"),
            None => format!("{at}\n    = {words}"),
        };
        StepLine {
            case: case.to_owned(),
            record: change.seq.0,
            at: merged.at.map(rfc3339),
            by,
            what,
            handover: handover.map(|id| id.to_hex()),
            who,
            role,
            start,
            shown,
        }
    };
    all.into_iter().map(line).collect()
}
