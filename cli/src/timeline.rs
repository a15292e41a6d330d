//! `kring case timeline`: a whole case for a person: who is in it, all that was said and done in the order of its log,
//! what was refused and why, and how things stand.

use std::io::{self, Write};

use kring_client::api::Case;
use kring_client::case::{CaseState, CaseView, Position, Role};
use kring_protocol::ids::Seq;
use serde::Serialize;

use crate::alert::AlertLine;
use crate::clock::local;
use crate::closing::DutiesLine;
use crate::handover::HandoverLine;
use crate::lines::{MemberLine, role_word, visible};
use crate::outcome::Outcome;
use crate::output::{Line, Output};
use crate::plan;
use crate::references::References;
use crate::session::Session;
use crate::task::TaskLine;
use crate::things::short;
use crate::words::say;

mod steps;

/// Items that are taken from the store at once.
const PAGE: usize = 200;

/// The beginning of a part.
#[derive(Serialize)]
#[serde(tag = "type", rename = "part")]
struct Heading {
    part: &'static str,
    #[serde(skip)]
    shown: String,
}

impl Line for Heading {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n{}\n", self.shown)
    }
}

/// Prints a case, as it is or as it was after a record.
pub(crate) async fn print(
    session: &Session,
    case: &Case,
    view: &CaseView,
    as_of: Option<u64>,
    output: Output,
) -> Outcome {
    let heading = |part, shown| output.print(&Heading { part, shown });
    let then = match as_of {
        Some(record) => Some(case.as_of(Seq(record)).await?),
        None => None,
    };
    let until = then.as_ref().map_or(Position(u64::MAX), |then| then.last);
    heading("case", say!("timeline-case", title = visible(&view.title)))?;
    if as_of.is_none() {
        for member in case.members().await? {
            output.print(&MemberLine::from(&member))?;
        }
    }
    heading("items", say!("timeline-items"))?;
    let id = case.id().to_hex();
    let changes = case.changes().await?;
    let turns: Vec<_> = (0..changes.len())
        .map(|next| {
            let before = next.checked_sub(1).and_then(|before| changes.get(before));
            (changes[next].after, steps::steps(&id, before, &changes[next]))
        })
        .collect();
    let counted = then.as_ref().map_or(turns.len(), |then| then.changes);
    let mut turns = turns.iter().take(counted).peekable();
    let (mut at, mut count) = (Position(0), 0);
    let mut references = References::default();
    'pages: loop {
        let page = case.items(at, PAGE).await?;
        for item in &page {
            while let Some((_, lines)) = turns.next_if(|(after, _)| *after < item.position) {
                lines.iter().try_for_each(|line| output.print(line))?;
            }
            if item.position > until {
                break 'pages;
            }
            output.print(&references.line(item))?;
            (at, count) = (item.position, count + 1);
        }
        if page.len() < PAGE {
            break;
        }
    }
    turns.try_for_each(|(_, lines)| lines.iter().try_for_each(|line| output.print(line)))?;
    let state = match then {
        Some(then) => then.state,
        None => case.state().await?,
    };
    heading("state", say!("timeline-state"))?;
    if as_of.is_some() {
        people(&state, output)?;
    }
    output.print(&DutiesLine::of(view.case, &state))?;
    for (alert, of) in state.closed_alerts().chain(state.open_alerts()) {
        output.print(&AlertLine::of(&id, alert, of))?;
    }
    for (task, of) in state.closed_tasks().chain(state.open_tasks()) {
        output.print(&TaskLine::of(&id, task, of))?;
    }
    for (handover, of) in state.closed_handovers().chain(state.open_handovers()) {
        output.print(&HandoverLine::of(&id, handover, of, true))?;
    }
    for (version, of) in state.closed_plans().chain(state.open_plans()) {
        let (by, at) = (of.by.as_str(), local(of.at));
        let phase = plan::phase_words(of);
        let shown = say!("plan-head", version = of.version, id = short(version), phase = phase, by = by, at = at);
        output.print(&Version { plan: version.to_hex(), version: of.version, phase: plan::phase(of), shown })?;
    }
    if let Some((_, active)) = state.active_plan() {
        output.plain(&format!("\n{}", plan::page(active)))?;
    }
    session.viewed(view.case, "timeline", count).await
}

/// Prints who was in a case.
pub(crate) fn people(state: &CaseState, output: Output) -> Outcome {
    for person in state.members().people() {
        let name = person.present.as_ref().map_or_else(String::new, |present| visible(&present.name));
        let shown = format!("  {:<11} {name}  ({})", role_word(person.role), person.professional);
        output.print(&Person {
            address: person.professional.to_string(),
            role: crate::lines::role(person.role),
            coordinator: person.role == Role::Coordinator,
            shown,
        })?;
    }
    Ok(())
}

/// Somebody who was in the case.
#[derive(Serialize)]
#[serde(tag = "type", rename = "person")]
struct Person {
    address: String,
    role: &'static str,
    coordinator: bool,
    #[serde(skip)]
    shown: String,
}

impl Line for Person {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)
    }
}

/// A version of the plan, in a line.
#[derive(Serialize)]
#[serde(tag = "type", rename = "version")]
struct Version {
    plan: String,
    version: u64,
    phase: &'static str,
    #[serde(skip)]
    shown: String,
}

impl Line for Version {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)
    }
}
