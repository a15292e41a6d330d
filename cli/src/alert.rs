//! `kring alert`: raises an urgent alert, acknowledges it, says how it goes, ends it.
//!
//! Loud by intent: an alert that has not left this device, and one whose ladder nobody has taken up, are told with the
//! numbers to call. *At the relay* is never shown as read: only an acknowledgement is somebody's.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use kring_client::case::alert::{Acknowledging, Alert, AlertPhase, AlertSays, Level, Raise, Rung};
use kring_client::case::{CaseState, ItemId, Statement};
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arguments::GlobalArguments;
use crate::clock::{self, local, rfc3339};
use crate::lines::{function_word, visible};
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::say::{self, Labels};
use crate::session::{Session, in_step};
use crate::text::{file_or_input, text};
use crate::things::{short, state, thing};
use crate::words::say;

/// What can be done with urgent alerts.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring alert raise familie \"Hij staat weer voor de deur.\" --ask veilig-thuis --within +10m
  kring alert raise familie --ask veilig-thuis --step veilig-thuis:15m --step police:10m \"...\"
  kring alert ack familie --action --next +30m
  kring alert ack familie --seen
  kring alert update familie \"Politie is ter plaatse.\" --next +1h
  kring alert resolve familie \"Vader is aangehouden; moeder en kinderen zijn veilig.\"
  kring alert list familie

In acute danger call 112 first. Only an acknowledgement with --action stops the ladder. Times are 21:30, 2026-11-22 21:30,
or from now on: +10m, +2h.")]
pub(crate) enum AlertCommand {
    /// Raise an urgent alert
    Raise {
        /// The case: the beginning of its title or id.
        case: String,
        /// What has happened; - for standard input.
        text: Option<String>,
        /// How urgent it is.
        #[arg(long, value_enum, default_value_t = LevelArgument::Acute)]
        level: LevelArgument,
        /// A function that has to react, such as veilig-thuis; once for each.
        #[arg(long = "ask", value_name = "FUNCTION", required_unless_present = "input")]
        functions: Vec<String>,
        /// Until when somebody has to take action before the ladder begins.
        #[arg(long, value_name = "TIME", default_value = "+15m")]
        within: String,
        /// A step of the ladder: a function and how long it has, such as police:10m; once for each, in their order.
        #[arg(long = "step", value_name = "FUNCTION:TIME", value_parser = rung)]
        ladder: Vec<Rung>,
        /// What is asked.
        #[arg(long, default_value = "")]
        action: String,
        /// All of it as JSON from a file, or - for standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "functions", "ladder"])]
        input: Option<PathBuf>,
        #[command(flatten)]
        labels: Labels,
    },
    /// Acknowledge an alert
    Ack {
        /// The case: the beginning of its title or id.
        case: String,
        /// The alert: the beginning of its id; not needed while there is only one.
        alert: Option<String>,
        /// You take action: the ladder stops.
        #[arg(long, conflicts_with = "seen", required_unless_present = "seen")]
        action: bool,
        /// You have seen it, no more: the ladder goes on.
        #[arg(long)]
        seen: bool,
        /// When you will say how it goes, at the latest.
        #[arg(long, value_name = "TIME", requires = "action")]
        next: Option<String>,
    },
    /// Say how it goes
    Update {
        /// The case: the beginning of its title or id.
        case: String,
        /// How it goes; - for standard input.
        text: Option<String>,
        /// The alert: the beginning of its id; not needed while there is only one.
        #[arg(long)]
        alert: Option<String>,
        /// When the next update comes, at the latest; without it the ladder begins again.
        #[arg(long, value_name = "TIME", default_value = "+1h")]
        next: String,
    },
    /// End an alert: say what came of it
    Resolve {
        /// The case: the beginning of its title or id.
        case: String,
        /// What came of it; - for standard input.
        text: Option<String>,
        /// The alert: the beginning of its id; not needed while there is only one.
        #[arg(long)]
        alert: Option<String>,
    },
    /// End an alert: there was nothing
    FalseAlarm {
        /// The case: the beginning of its title or id.
        case: String,
        /// How it came about; - for standard input.
        text: Option<String>,
        /// The alert: the beginning of its id; not needed while there is only one.
        #[arg(long)]
        alert: Option<String>,
    },
    /// Show the alerts of a case
    List {
        /// The case: the beginning of its title or id.
        case: String,
        /// Closed ones too.
        #[arg(long)]
        all: bool,
        /// As they were after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
    },
}

/// How urgent, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LevelArgument {
    /// Acute danger
    Acute,
    /// High
    High,
}

/// An alert to be raised, as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RaiseInput {
    level: LevelArgument,
    what: String,
    functions: Vec<String>,
    #[serde(default = "soon")]
    within: String,
    #[serde(default)]
    ladder: Vec<String>,
    #[serde(default)]
    action: String,
}

fn soon() -> String {
    "+15m".to_owned()
}

fn rung(text: &str) -> Result<Rung, String> {
    let bad = || "a function and a time, such as police:10m".to_owned();
    let (function, after) = text.split_once(':').ok_or_else(bad)?;
    let after = clock::moment(&format!("+{after}"), Timestamp(0)).map_err(|_| bad())?;
    Ok(Rung { function: function.to_owned(), after: after.0 })
}

impl From<LevelArgument> for Level {
    fn from(level: LevelArgument) -> Self {
        match level {
            LevelArgument::Acute => Self::Acute,
            LevelArgument::High => Self::High,
        }
    }
}

/// One alert.
#[derive(Serialize)]
#[serde(tag = "type", rename = "alert")]
pub(crate) struct AlertLine {
    case: String,
    alert: String,
    level: Level,
    what: String,
    action: String,
    functions: Vec<String>,
    raised_by: String,
    raised_at: String,
    phase: &'static str,
    round: u64,
    step: u64,
    steps: usize,
    asked: Vec<String>,
    due: Option<String>,
    acknowledgements: Vec<AckLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    #[serde(skip)]
    shown: Vec<String>,
}

#[derive(Serialize)]
struct AckLine {
    by: String,
    function: String,
    action: bool,
    at: String,
    late: bool,
}

/// Where an alert stands, for machines.
pub(crate) fn phase(alert: &Alert) -> &'static str {
    match alert.phase {
        AlertPhase::Raised if alert.step > 0 => "escalated",
        AlertPhase::Raised => "raised",
        AlertPhase::Exhausted => "exhausted",
        AlertPhase::Acknowledged => "acknowledged",
        AlertPhase::InAction => "in_action",
        AlertPhase::Resolved { .. } => "resolved",
        AlertPhase::FalseAlarm { .. } => "false_alarm",
    }
}

fn phase_words(alert: &Alert) -> String {
    let due = alert.due.map(local).unwrap_or_default();
    match &alert.phase {
        AlertPhase::Raised if alert.step > 0 => {
            let asked = alert.asked().map(function_word).unwrap_or_default();
            say!("alert-escalated", step = alert.step, function = asked, due = due)
        }
        AlertPhase::Raised => say!("alert-raised", due = due),
        AlertPhase::Exhausted => say!("alert-exhausted", call = say!("call-now")),
        AlertPhase::Acknowledged => say!("alert-acknowledged", due = due),
        AlertPhase::InAction => say!("alert-in-action", due = due),
        AlertPhase::Resolved { by, outcome } => say!("alert-resolved", by = by.as_str(), outcome = visible(outcome)),
        AlertPhase::FalseAlarm { by, reason } => {
            say!("alert-false-alarm", by = by.as_str(), reason = visible(reason))
        }
    }
}

/// How urgent, in words.
pub(crate) fn level_word(level: Level) -> String {
    match level {
        Level::Acute => say!("level-acute"),
        Level::High => say!("level-high"),
    }
}

/// Codes of functions in words, joined.
pub(crate) fn functions(codes: &[String]) -> String {
    codes.iter().map(|code| function_word(code)).collect::<Vec<_>>().join(", ")
}

impl AlertLine {
    /// An alert of a case.
    pub(crate) fn of(case: &str, id: ItemId, alert: &Alert) -> Self {
        let asked = alert.asked().map_or_else(|| alert.raise.functions.clone(), |function| vec![function.to_owned()]);
        let mut shown = vec![
            say!(
                "alert-head",
                level = level_word(alert.raise.level),
                what = visible(&alert.raise.what),
                id = short(id)
            ),
            say!("alert-by", by = alert.by.as_str(), at = local(alert.at)),
            say!("alert-asked", functions = functions(&alert.raise.functions)),
        ];
        if !alert.raise.action.is_empty() {
            shown.push(say!("alert-action", action = visible(&alert.raise.action)));
        }
        shown.push(phase_words(alert));
        for ack in &alert.acknowledgements {
            let (by, function, at) = (ack.by.as_str(), function_word(&ack.function), local(ack.at));
            shown.push(match (ack.how, ack.late) {
                (Acknowledging::TakesAction, false) => say!("ack-action", by = by, function = function, at = at),
                (Acknowledging::TakesAction, true) => say!("ack-action-late", by = by, function = function, at = at),
                (Acknowledging::SeenOnly, _) => say!("ack-seen", by = by, function = function, at = at),
            });
        }
        if let Some(update) = &alert.update {
            let (by, at, text) = (update.by.as_str(), local(update.at), visible(&update.text));
            shown.push(say!("alert-update", by = by, at = at, text = text));
        }
        Self {
            case: case.to_owned(),
            alert: id.to_hex(),
            level: alert.raise.level,
            what: alert.raise.what.clone(),
            action: alert.raise.action.clone(),
            functions: alert.raise.functions.clone(),
            raised_by: alert.by.to_string(),
            raised_at: rfc3339(alert.at),
            phase: phase(alert),
            round: alert.round,
            step: alert.step,
            steps: alert.raise.ladder.len(),
            asked,
            due: alert.due.map(rfc3339),
            acknowledgements: alert
                .acknowledgements
                .iter()
                .map(|ack| AckLine {
                    by: ack.by.to_string(),
                    function: ack.function.clone(),
                    action: ack.how == Acknowledging::TakesAction,
                    at: rfc3339(ack.at),
                    late: ack.late,
                })
                .collect(),
            update: alert.update.as_ref().map(|update| update.text.clone()),
            ended: match &alert.phase {
                AlertPhase::Resolved { outcome, .. } => Some(outcome.clone()),
                AlertPhase::FalseAlarm { reason, .. } => Some(reason.clone()),
                AlertPhase::Raised | AlertPhase::Exhausted | AlertPhase::Acknowledged | AlertPhase::InAction => None,
            },
            shown,
        }
    }
}

impl Line for AlertLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines = self.shown.iter();
        if let Some(first) = lines.next() {
            writeln!(out, "{first}")?;
        }
        lines.try_for_each(|line| writeln!(out, "    {line}"))
    }
}

/// A time that a person wrote, as a moment.
pub(crate) fn moment(words: &str) -> Outcome<Timestamp> {
    clock::moment(words, clock::now()).map_err(|error| {
        let advice = match error {
            clock::NoMoment::Form => say!("time-form"),
            clock::NoMoment::Twice => say!("time-twice"),
            clock::NoMoment::Never => say!("time-never"),
        };
        Failure::advised(Cause::Usage, say!("time-not-understood", words = words), advice)
    })
}

/// Runs `kring alert`.
pub(crate) async fn run(command: AlertCommand, global: &GlobalArguments, output: Output) -> Outcome {
    // What has to be written is written before the store is opened: another window stays usable meanwhile.
    let command = Ready::from(command, global, output)?;
    let session = Session::open(global, output).await?;
    let done = act(&session, command, global.offline, output).await;
    session.close().await;
    done
}

/// A command whose texts are there.
enum Ready {
    Raise(String, Raise, Labels),
    About(String, Option<String>, Box<dyn FnOnce(ItemId) -> AlertSays + Send>),
    List(String, bool, Option<u64>),
}

impl Ready {
    fn from(command: AlertCommand, global: &GlobalArguments, output: Output) -> Outcome<Self> {
        let write = |given| text(given, &global.profile, "", output);
        Ok(match command {
            AlertCommand::Raise { case, text, level, functions, within, ladder, action, input, labels } => {
                let raise = match input {
                    Some(file) => raise_from(&file_or_input(&file, output)?)?,
                    None => Raise {
                        level: level.into(),
                        what: write(text)?,
                        functions,
                        ack_by: moment(&within)?,
                        ladder,
                        action,
                    },
                };
                Self::Raise(case, raise, labels)
            }
            AlertCommand::Ack { case, alert, action, seen: _, next } => {
                let next_update_by = next.as_deref().map(moment).transpose()?;
                let how = if action { Acknowledging::TakesAction } else { Acknowledging::SeenOnly };
                Self::About(case, alert, Box::new(move |alert| AlertSays::Acknowledge { alert, how, next_update_by }))
            }
            AlertCommand::Update { case, text, alert, next } => {
                let (text, next_update_by) = (write(text)?, moment(&next)?);
                Self::About(case, alert, Box::new(move |alert| AlertSays::Update { alert, text, next_update_by }))
            }
            AlertCommand::Resolve { case, text, alert } => {
                let outcome = write(text)?;
                Self::About(case, alert, Box::new(move |alert| AlertSays::Resolve { alert, outcome }))
            }
            AlertCommand::FalseAlarm { case, text, alert } => {
                let reason = write(text)?;
                Self::About(case, alert, Box::new(move |alert| AlertSays::FalseAlarm { alert, reason }))
            }
            AlertCommand::List { case, all, as_of } => Self::List(case, all, as_of),
        })
    }
}

fn raise_from(json: &str) -> Outcome<Raise> {
    let bad = |error: String| {
        Failure::advised(Cause::Usage, say!("input-not-understood", reason = error), say!("input-form"))
    };
    let input: RaiseInput = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
    let ladder: Result<Vec<Rung>, String> = input.ladder.iter().map(|step| rung(step)).collect();
    Ok(Raise {
        level: input.level.into(),
        what: input.what,
        functions: input.functions,
        ack_by: moment(&input.within)?,
        ladder: ladder.map_err(bad)?,
        action: input.action,
    })
}

async fn act(session: &Session, command: Ready, no_wait: bool, output: Output) -> Outcome {
    match command {
        Ready::Raise(case, raise, labels) => {
            let (case, view) = session.case(&case).await?;
            in_step(&view)?;
            let draft = labels.on(&Statement::Alert(AlertSays::Raise(raise)));
            loud(say::send(session, &case, draft, no_wait).await, output)
        }
        Ready::About(case, alert, says) => {
            session.try_to_catch_up().await?;
            let (case, view) = session.case(&case).await?;
            in_step(&view)?;
            let id = thing(&open(&case.state().await?), alert.as_deref())?;
            let draft = Statement::Alert(says(id)).draft();
            loud(say::send(session, &case, draft, no_wait).await, output)
        }
        Ready::List(case, all, as_of) => {
            session.try_to_catch_up().await?;
            let (case, view) = session.case(&case).await?;
            let state = state(&case, as_of).await?;
            let id = case.id().to_hex();
            let closed: Vec<_> = if all { state.closed_alerts().collect() } else { Vec::new() };
            let mut count = 0;
            for (alert, of) in closed.into_iter().chain(state.open_alerts()) {
                output.print(&AlertLine::of(&id, alert, of))?;
                count += 1;
            }
            if count == 0 {
                output.note(&say!("alert-none"));
            }
            session.viewed(view.case, "alerts", count).await
        }
    }
}

/// The open alerts, with what they are shown as.
fn open(state: &CaseState) -> Vec<(ItemId, String)> {
    state.open_alerts().map(|(id, alert)| (id, visible(&alert.raise.what))).collect()
}

/// Prints how far something about an alert came; what has not left this device is said so that nobody overlooks it.
fn loud(sent: Outcome<say::SentLine>, output: Output) -> Outcome {
    match sent {
        Ok(line) if line.is_queued() => {
            output.print(&line)?;
            Err(Failure::advised(Cause::NotDelivered, say!("alert-not-sent"), say!("call-now")))
        }
        Ok(line) => output.print(&line),
        Err(failure) if failure.cause == Cause::NotDelivered => {
            let what = format!("{}; {}", say!("alert-not-sent"), failure.what);
            Err(Failure { cause: Cause::NotDelivered, what, advice: Some(say!("call-now")) })
        }
        Err(failure) => Err(failure),
    }
}
