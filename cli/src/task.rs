//! `kring task`: who does what by when.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use kring_client::case::task::{Origin, Task, TaskPhase, TaskSays};
use kring_client::case::{CaseState, ItemId, Statement};
use serde::{Deserialize, Serialize};

use crate::alert::moment;
use crate::arguments::GlobalArguments;
use crate::clock::{local, rfc3339};
use crate::lines::visible;
use crate::names;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::say::{self, Labels};
use crate::session::{Session, in_step};
use crate::text::{file_or_input, text};
use crate::things::{short, state, thing};
use crate::words::say;

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring task create familie \"School bellen\" --owner b.devries --due \"2026-12-01 12:00\" --about kind-2
  kring task list familie
  kring task accept familie
  kring task done familie --text \"De intern begeleider belt moeder vrijdag.\"
  kring task verify familie

A task is named by the beginning of its id, and need not be where only one can be meant.")]
pub(crate) enum TaskCommand {
    /// Make a task
    Create {
        /// The case: the beginning of its title or id.
        case: String,
        /// What has to be done, in a line.
        #[arg(required_unless_present = "input")]
        title: Option<String>,
        /// The details; - for standard input.
        #[arg(long)]
        text: Option<String>,
        /// All of it as JSON from a file, or - for standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["title", "text", "owner", "due", "about", "purpose"])]
        input: Option<PathBuf>,
        /// Who is asked to do it: the beginning of the address; without it whoever takes it.
        #[arg(long, value_name = "MEMBER")]
        owner: Option<String>,
        /// By when.
        #[arg(long, value_name = "TIME")]
        due: Option<String>,
        #[command(flatten)]
        labels: Labels,
    },
    /// You do it
    Accept {
        /// The case: the beginning of its title or id.
        case: String,
        /// The task: the beginning of its id.
        task: Option<String>,
    },
    /// You do not do it, though asked to
    Decline {
        /// The case: the beginning of its title or id.
        case: String,
        /// Why not; - for standard input.
        reason: Option<String>,
        /// The task: the beginning of its id.
        #[arg(long)]
        task: Option<String>,
    },
    /// Ask somebody else, or set another time
    Assign {
        /// The case: the beginning of its title or id.
        case: String,
        /// The task: the beginning of its id.
        task: Option<String>,
        /// Who is asked to do it: the beginning of the address; without it whoever takes it.
        #[arg(long, value_name = "MEMBER")]
        owner: Option<String>,
        /// By when.
        #[arg(long, value_name = "TIME")]
        due: Option<String>,
    },
    /// It is done
    Done {
        /// The case: the beginning of its title or id.
        case: String,
        /// The task: the beginning of its id.
        task: Option<String>,
        /// What came of it; - for standard input.
        #[arg(long, default_value = "")]
        text: String,
    },
    /// You have seen that it is done
    Verify {
        /// The case: the beginning of its title or id.
        case: String,
        /// The task: the beginning of its id.
        task: Option<String>,
    },
    /// It is not done yet
    Reopen {
        /// The case: the beginning of its title or id.
        case: String,
        /// What is missing; - for standard input.
        reason: Option<String>,
        /// The task: the beginning of its id.
        #[arg(long)]
        task: Option<String>,
    },
    /// It need not be done
    Cancel {
        /// The case: the beginning of its title or id.
        case: String,
        /// Why not; - for standard input.
        reason: Option<String>,
        /// The task: the beginning of its id.
        #[arg(long)]
        task: Option<String>,
    },
    /// Show the tasks of a case
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

/// A task as `--input` takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskInput {
    title: String,
    text: Option<String>,
    owner: Option<String>,
    due: Option<String>,
    #[serde(default)]
    about: Vec<String>,
    purpose: Option<String>,
}

impl TaskInput {
    fn read(json: &str) -> Outcome<Self> {
        serde_json::from_str(json).map_err(|error| {
            let what = say!("input-not-understood", reason = error.to_string());
            Failure::advised(Cause::Usage, what, say!("input-form"))
        })
    }
}

/// One task.
#[derive(Serialize)]
#[serde(tag = "type", rename = "task")]
pub(crate) struct TaskLine {
    case: String,
    task: String,
    title: String,
    text: String,
    /// `person`, `plan_review` or `order_ends`.
    origin: &'static str,
    phase: &'static str,
    overdue: bool,
    returned: bool,
    owner: Option<String>,
    due: Option<String>,
    #[serde(skip)]
    shown: String,
}

/// Where a task stands, for machines.
pub(crate) fn phase(task: &Task) -> &'static str {
    match task.phase {
        TaskPhase::Open => "open",
        TaskPhase::Declined { .. } => "declined",
        TaskPhase::Accepted => "accepted",
        TaskPhase::Done { .. } => "done",
        TaskPhase::Verified { .. } => "verified",
        TaskPhase::Cancelled { .. } => "cancelled",
    }
}

fn phase_words(task: &Task) -> String {
    let owner = task.owner.as_ref().map_or("", |owner| owner.as_str());
    match &task.phase {
        TaskPhase::Open if task.owner.is_none() => say!("task-nobodys"),
        TaskPhase::Open => say!("task-open", owner = owner),
        TaskPhase::Declined { by, reason } => say!("task-declined", by = by.as_str(), reason = visible(reason)),
        TaskPhase::Accepted => say!("task-accepted", owner = owner),
        TaskPhase::Done { result } if result.is_empty() => say!("task-done", owner = owner),
        TaskPhase::Done { result } => say!("task-done-with", owner = owner, result = visible(result)),
        TaskPhase::Verified { by } => say!("task-verified", by = by.as_str()),
        TaskPhase::Cancelled { by, reason } => say!("task-cancelled", by = by.as_str(), reason = visible(reason)),
    }
}

/// What a task is called.
pub(crate) fn title(task: &Task) -> String {
    match task.origin {
        Origin::Person { .. } => visible(&task.title),
        Origin::PlanReview { .. } => say!("task-plan-review"),
        Origin::OrderEnds { .. } => say!("task-order-ends"),
    }
}

impl TaskLine {
    /// A task of a case.
    pub(crate) fn of(case: &str, id: ItemId, task: &Task) -> Self {
        let mut shown = say!("task-head", title = title(task), phase = phase_words(task), id = short(id));
        if let Some(due) = task.due {
            let due = local(due);
            let due = if task.overdue { say!("task-overdue", due = due) } else { say!("task-due", due = due) };
            shown.push_str(&format!("\n    {due}"));
        }
        if task.returned {
            shown.push_str(&format!("\n    {}", say!("task-returned")));
        }
        for line in task.text.lines() {
            shown.push_str(&format!("\n    {}", visible(line)));
        }
        Self {
            case: case.to_owned(),
            task: id.to_hex(),
            title: task.title.clone(),
            text: task.text.clone(),
            origin: match task.origin {
                Origin::Person { .. } => "person",
                Origin::PlanReview { .. } => "plan_review",
                Origin::OrderEnds { .. } => "order_ends",
            },
            phase: phase(task),
            overdue: task.overdue,
            returned: task.returned,
            owner: task.owner.as_ref().map(ToString::to_string),
            due: task.due.map(rfc3339),
            shown,
        }
    }
}

impl Line for TaskLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)
    }
}

/// Runs `kring task`.
pub(crate) async fn run(command: TaskCommand, global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let done = act(&session, command, global, output).await;
    session.close().await;
    done
}

async fn act(session: &Session, command: TaskCommand, global: &GlobalArguments, output: Output) -> Outcome {
    let words = match &command {
        TaskCommand::Create { case, .. }
        | TaskCommand::Accept { case, .. }
        | TaskCommand::Decline { case, .. }
        | TaskCommand::Assign { case, .. }
        | TaskCommand::Done { case, .. }
        | TaskCommand::Verify { case, .. }
        | TaskCommand::Reopen { case, .. }
        | TaskCommand::Cancel { case, .. }
        | TaskCommand::List { case, .. } => case.clone(),
    };
    session.try_to_catch_up().await?;
    let (case, view) = session.case(&words).await?;
    let write = |given| text(given, &global.profile, "", output);
    let now = case.state().await?;
    let members = case.members().await?;
    let owner = |words: Option<String>| -> Outcome<_> {
        words.map(|words| names::member(&members, &words).cloned()).transpose()
    };
    let mut labels = Labels::default();
    let says = match command {
        TaskCommand::Create { title, text, owner: who, due, labels: given, input, .. } => {
            let Labels { about, purpose } = given;
            let given = TaskInput { title: title.unwrap_or_default(), text, owner: who, due, about, purpose };
            let TaskInput { title, text, owner: who, due, about, purpose } = match input {
                Some(file) => TaskInput::read(&file_or_input(&file, output)?)?,
                None => given,
            };
            labels = Labels { about, purpose };
            let text = match text {
                Some(text) => write(Some(text))?,
                None => String::new(),
            };
            TaskSays::Create { title, text, owner: owner(who)?, due: due.as_deref().map(moment).transpose()? }
        }
        TaskCommand::Accept { task, .. } => {
            let fits = |task: &Task| matches!(task.phase, TaskPhase::Open | TaskPhase::Declined { .. });
            TaskSays::Accept { task: one(&now, task.as_deref(), fits)? }
        }
        TaskCommand::Decline { reason, task, .. } => {
            let task = one(&now, task.as_deref(), Task::is_pending)?;
            TaskSays::Decline { task, reason: write(reason)? }
        }
        TaskCommand::Assign { task, owner: who, due, .. } => {
            let task = one(&now, task.as_deref(), Task::is_pending)?;
            let due = due.as_deref().map(moment).transpose()?.or_else(|| now.task(task).and_then(|task| task.due));
            TaskSays::Assign { task, owner: owner(who)?, due }
        }
        TaskCommand::Done { task, text: result, .. } => {
            let task = one(&now, task.as_deref(), |task| matches!(task.phase, TaskPhase::Accepted))?;
            let result = if result == "-" { write(Some(result))? } else { result };
            TaskSays::Done { task, result }
        }
        TaskCommand::Verify { task, .. } => TaskSays::Verify {
            task: one(&now, task.as_deref(), |task| matches!(task.phase, TaskPhase::Done { .. }))?,
        },
        TaskCommand::Reopen { reason, task, .. } => {
            let task = one(&now, task.as_deref(), |task| matches!(task.phase, TaskPhase::Done { .. }))?;
            TaskSays::Reopen { task, reason: write(reason)? }
        }
        TaskCommand::Cancel { reason, task, .. } => {
            let task = one(&now, task.as_deref(), |_| true)?;
            TaskSays::Cancel { task, reason: write(reason)? }
        }
        TaskCommand::List { all, as_of, .. } => {
            let state = state(&case, as_of).await?;
            let closed: Vec<_> = if all { state.closed_tasks().collect() } else { Vec::new() };
            let id = case.id().to_hex();
            let mut count = 0;
            for (task, of) in closed.into_iter().chain(state.open_tasks()) {
                output.print(&TaskLine::of(&id, task, of))?;
                count += 1;
            }
            if count == 0 {
                output.note(&say!("task-none"));
            }
            return session.viewed(view.case, "tasks", count).await;
        }
    };
    in_step(&view)?;
    let draft = labels.on(&Statement::Task(says));
    output.print(&say::send(session, &case, draft, global.offline).await?)
}

/// The open task that is meant: by its id, or the only one that fits.
fn one(state: &CaseState, words: Option<&str>, fits: impl Fn(&Task) -> bool) -> Outcome<ItemId> {
    let fits = |task: &Task| words.is_some() || fits(task);
    let candidates: Vec<_> =
        state.open_tasks().filter(|(_, task)| fits(task)).map(|(id, task)| (id, title(task))).collect();
    thing(&candidates, words)
}
