//! `kring inbox`: what waits for this professional, over all cases; the most urgent first, what is unread last. What waits in
//! a case follows from its state alone ([`Waiting`]).

use std::io::{self, Write};

use kring_client::case::handover::HandoverWaits;
use kring_client::case::task::Task;
use kring_client::case::{CaseState, CaseStatus, CaseView, ItemId, Waiting};
use kring_protocol::ids::Timestamp;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::clock::{local, rfc3339};
use crate::closing;
use crate::handover;
use crate::lines::visible;
use crate::names::SHORT_ID;
use crate::outcome::Outcome;
use crate::output::{Line, Output};
use crate::session::Session;
use crate::task;
use crate::things::short;
use crate::words::say;

/// Unread items are counted up to here.
const MOST_UNREAD: usize = 1000;

/// Something that waits.
#[derive(Serialize)]
#[serde(tag = "type", rename = "waiting")]
struct WaitingLine {
    case: String,
    title: String,
    /// Which kind; `docs/cli.md` lists them.
    what: &'static str,
    /// The alert, version of the plan, task, handover or snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<usize>,
    #[serde(skip)]
    shown: String,
}

impl Line for WaitingLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}  {}  {}", &self.case[..SHORT_ID], visible(&self.title), self.shown)
    }
}

/// Runs `kring inbox`.
pub(crate) async fn run(global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let done = inbox(&session, output).await;
    session.close().await;
    done
}

async fn inbox(session: &Session, output: Output) -> Outcome {
    session.try_to_catch_up().await?;
    let mut all: Vec<(CaseView, CaseState, Waiting)> = Vec::new();
    let (mut ends, mut unread) = (Vec::new(), Vec::new());
    let domain = session.client.address().professional.domain().to_owned();
    for view in session.client.cases().await? {
        if !matches!(view.status, CaseStatus::Open | CaseStatus::Broken) {
            continue;
        }
        let case = session.client.case(view.case).await?;
        handover::received(session, &case).await?;
        let state = case.state().await?;
        all.extend(case.waiting().await?.into_iter().map(|waiting| (view.clone(), state.clone(), waiting)));
        ends.extend(closing::waiting(&state, &domain, view.role).map(|end| (view.clone(), end)));
        let count = case.unread(MOST_UNREAD).await?;
        if count > 0 {
            let new = case.items(case.read_up_to().await?, MOST_UNREAD).await?;
            let own = &session.client.address().professional;
            let mentioning = new.iter().filter(|item| !item.own && item.body.mentions().contains(own)).count();
            unread.push((view, mentioning, count));
        }
    }
    all.sort_by_key(|(_, _, waiting)| *waiting);
    if all.is_empty() && ends.is_empty() && unread.is_empty() {
        output.note(&say!("inbox-empty"));
    }
    if all.iter().any(|(_, _, waiting)| matches!(waiting, Waiting::AlertExhausted(_))) {
        output.note(&say!("call-now"));
    }
    for (view, state, waiting) in &all {
        let (what, id, due, shown) = describe(state, *waiting);
        output.print(&WaitingLine {
            case: view.case.to_hex(),
            title: view.title.clone(),
            what,
            id: Some(id.to_hex()),
            due: due.map(rfc3339),
            unread: None,
            shown,
        })?;
    }
    for (view, (what, shown)) in ends {
        output.print(&WaitingLine {
            case: view.case.to_hex(),
            title: view.title,
            what,
            id: None,
            due: None,
            unread: None,
            shown,
        })?;
    }
    for (view, mentioning, count) in unread {
        let mentioned = ("mentioned", mentioning, say!("inbox-mentioned", count = mentioning));
        let others = ("unread", count, say!("inbox-unread", count = count));
        for (what, count, shown) in [mentioned, others].into_iter().filter(|(_, count, _)| *count > 0) {
            output.print(&WaitingLine {
                case: view.case.to_hex(),
                title: view.title.clone(),
                what,
                id: None,
                due: None,
                unread: Some(count),
                shown,
            })?;
        }
    }
    Ok(())
}

/// What waits: its name for machines, its identifier, by when, and in words.
fn describe(state: &CaseState, waiting: Waiting) -> (&'static str, ItemId, Option<Timestamp>, String) {
    let alert = |id| state.alert(id).map_or_else(String::new, |alert| visible(&alert.raise.what));
    let alert_due = |id| state.alert(id).and_then(|alert| alert.due);
    let version = |id| state.plan(id).map_or(0, |plan| plan.version);
    let title = |id| state.task(id).map_or_else(String::new, task::title);
    let task_due = |id| state.task(id).and_then(|task: &Task| task.due);
    let shown = |due: Option<Timestamp>| due.map(local).unwrap_or_default();
    match waiting {
        Waiting::AlertExhausted(id) => {
            ("alert_exhausted", id, None, say!("inbox-alert-exhausted", what = alert(id), id = short(id)))
        }
        Waiting::AlertToAcknowledge(id) => {
            let due = alert_due(id);
            ("alert", id, due, say!("inbox-alert-asked", what = alert(id), id = short(id)))
        }
        Waiting::AlertToUpdate(id) => {
            let due = alert_due(id);
            let words = say!("inbox-alert-update", what = alert(id), due = shown(due), id = short(id));
            ("alert_update", id, due, words)
        }
        Waiting::PlanToApprove(id) => {
            ("plan_approval", id, None, say!("inbox-plan-approval", version = version(id), id = short(id)))
        }
        Waiting::PlanToMerge(id) => {
            ("plan_merge", id, None, say!("inbox-plan-merge", version = version(id), id = short(id)))
        }
        Waiting::TaskToAccept(id) => {
            ("task_offered", id, task_due(id), say!("inbox-task-asked", title = title(id), id = short(id)))
        }
        Waiting::TaskToDo(id) => ("task", id, task_due(id), say!("inbox-task", title = title(id), id = short(id))),
        Waiting::TaskToVerify(id) => {
            ("task_verify", id, None, say!("inbox-task-verify", title = title(id), id = short(id)))
        }
        Waiting::TaskToAssign(id) => {
            let words = say!("inbox-task-unassigned", title = title(id), id = short(id));
            ("task_unassigned", id, task_due(id), words)
        }
        Waiting::TaskOverdue(id) => {
            let due = task_due(id);
            let words = say!("inbox-task-overdue", title = title(id), due = shown(due), id = short(id));
            ("task_overdue", id, due, words)
        }
        Waiting::Handover(id, wait) => {
            let scope = state.handover(id).map_or_else(String::new, |handover| visible(&handover.offer.scope));
            let due = state.handover(id).and_then(|handover| handover.offer.accept_by);
            let (name, words) = match wait {
                HandoverWaits::Open => ("handover_open", say!("inbox-handover-open", scope = scope, id = short(id))),
                HandoverWaits::Synthesis => {
                    ("handover_synthesis", say!("inbox-handover-synthesis", scope = scope, id = short(id)))
                }
                HandoverWaits::Ready => {
                    ("handover_ready", say!("inbox-handover-ready", scope = scope, id = short(id)))
                }
                HandoverWaits::Answer => {
                    ("handover_answer", say!("inbox-handover-answer", scope = scope, id = short(id)))
                }
                HandoverWaits::Confirm => {
                    ("handover_confirm", say!("inbox-handover-confirm", scope = scope, id = short(id)))
                }
                HandoverWaits::Complete => {
                    ("handover_complete", say!("inbox-handover-complete", scope = scope, id = short(id)))
                }
            };
            (name, id, due, words)
        }
        Waiting::Disputed(id) => ("disputed", id, None, say!("inbox-disputed", id = short(id))),
    }
}
