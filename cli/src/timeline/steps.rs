//! What stands in a case's log as Commits: who came and went, the steps of handovers that everybody had to agree on, who
//! answers for the family, the case's end. Each is a line in the timeline, at its time.

use std::io::{self, Write};

use kring_client::case::{CaseStep, FileStatement, ItemId};
use kring_client::conversation::MergedChange;
use serde::Serialize;

use crate::clock::{local, rfc3339};
use crate::lines::{role, role_word};
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

/// What a step is called, about which handover and whom, and in words.
struct Told {
    what: &'static str,
    handover: Option<ItemId>,
    who: Vec<String>,
    words: String,
}

fn told(step: &CaseStep) -> Told {
    let of = |what, handover: &ItemId, words| Told { what, handover: Some(*handover), who: Vec::new(), words };
    let about = |what, who: &dyn ToString, words| Told { what, handover: None, who: vec![who.to_string()], words };
    let alone = |what, words| Told { what, handover: None, who: Vec::new(), words };
    match step {
        CaseStep::Came(who) => about("came", who, say!("turn-came", who = who.as_str())),
        CaseStep::Went(who) => about("went", who, say!("turn-went", who = who.as_str())),
        CaseStep::Role(who, role) => {
            about("role", who, say!("turn-role", who = who.as_str(), role = role_word(*role)))
        }
        CaseStep::Stands(id) => of("stands", id, say!("turn-stands", id = short(*id))),
        CaseStep::Confirmed(id, who) => {
            let words = say!("turn-confirmed", id = short(*id), who = who.as_str());
            Told { handover: Some(*id), ..about("confirmed", who, words) }
        }
        CaseStep::Ready(id, who, start) => {
            let words = say!("turn-ready", id = short(*id), who = who.as_str(), start = local(*start));
            Told { handover: Some(*id), ..about("ready", who, words) }
        }
        CaseStep::Reopened(id, who) => {
            let words = say!("turn-reopened", id = short(*id), who = who.as_str());
            Told { handover: Some(*id), ..about("reopened", who, words) }
        }
        CaseStep::Completed(id) => of("completed", id, say!("turn-completed", id = short(*id))),
        CaseStep::Declined(id) => of("declined", id, say!("turn-declined", id = short(*id))),
        CaseStep::Withdrawn(id) => of("withdrawn", id, say!("turn-withdrawn", id = short(*id))),
        CaseStep::Cleared(id) => of("cleared", id, say!("turn-cleared", id = short(*id))),
        CaseStep::SenderGone(id) => of("sender_gone", id, say!("turn-sender-gone", id = short(*id))),
        CaseStep::Responsible(who) => {
            let who: Vec<_> = who.iter().map(ToString::to_string).collect();
            let words = say!("turn-responsible", who = who.join(", "));
            Told { who, ..alone("responsible", words) }
        }
        CaseStep::Held(domain) => about("held", domain, say!("turn-held", organisation = domain.as_str())),
        CaseStep::Lifted(domain) => about("lifted", domain, say!("turn-lifted", organisation = domain.as_str())),
        CaseStep::ClosingProposed(days) => alone("closing_proposed", say!("turn-closing-proposed", days = *days)),
        CaseStep::ClosingWithdrawn => alone("closing_withdrawn", say!("turn-closing-withdrawn")),
        CaseStep::Stated(domain, FileStatement::Exported) => {
            about("exported", domain, say!("turn-exported", organisation = domain.as_str()))
        }
        CaseStep::Stated(domain, FileStatement::NotNeeded) => {
            about("not_needed", domain, say!("turn-not-needed", organisation = domain.as_str()))
        }
        CaseStep::Closed => alone("closed", say!("turn-closed")),
        CaseStep::Erasing => alone("erasing", say!("turn-erasing")),
    }
}

/// The steps that a change has brought since the one before it; none for the first, with which this device came.
pub(super) fn steps(case: &str, before: Option<&MergedChange>, merged: &MergedChange) -> Vec<StepLine> {
    let Some(before) = before else { return Vec::new() };
    let change = &merged.change;
    let line = |step: CaseStep| {
        let Told { what, handover, who, words } = told(&step);
        let by = change.by.as_ref().map(ToString::to_string);
        let at = merged.at.map_or_else(|| say!("turn-joined"), local);
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
            role: if let CaseStep::Role(_, given) = &step { Some(role(*given)) } else { None },
            start: if let CaseStep::Ready(_, _, start) = &step { Some(rfc3339(*start)) } else { None },
            shown,
        }
    };
    change.since(&before.change).into_iter().map(line).collect()
}
