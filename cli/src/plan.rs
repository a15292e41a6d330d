//! `kring plan`: the safety plan: versions are drafted, proposed, approved, compared, merged and exported.
//!
//! A version is written as TOML in the editor, or given as TOML or JSON (`form`). An approval is bound to the hash of what
//! was shown.

mod form;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use kring_client::audit::{Activity, Note};
use kring_client::case::plan::{Difference, Phase, Plan, PlanPhase, PlanSays, Section, Words};
use kring_client::case::{CaseState, ItemId, Statement};
use serde::Serialize;

use crate::alert::functions;
use crate::arguments::GlobalArguments;
use crate::clock::{local, local_day, rfc3339};
use crate::lines::{function_word, visible};
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::say::{self};
use crate::session::{Session, in_step};
use crate::text::{edited, editor, file_or_input, text};
use crate::things::{short, state, thing};
use crate::words::say;

pub(crate) use form::PlanForm;

/// What can be done with the safety plan.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring plan draft familie                        in the editor of EDITOR, from the version in force
  kring plan draft familie --input plan.toml
  kring plan propose familie --function veilig-thuis --function district-team
  kring plan show familie
  kring plan approve familie
  kring plan diff familie
  kring plan merge familie 3fa2 91bc
  kring plan export familie --to plan.md

A version is named by the beginning of its id, and need not be where only one can be meant. Only Veilig Thuis changes
conditions. `kring plan show --template` prints the form of a plan.")]
pub(crate) enum PlanCommand {
    /// Write a version
    Draft {
        /// The case: the beginning of its title or id.
        case: String,
        /// The version on top of which it is written; without it the one in force. Once for each.
        #[arg(long = "on", value_name = "PLAN")]
        on: Vec<String>,
        /// The plan as TOML or JSON from a file, or - for standard input.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
    /// Ask for approval of a version
    Propose {
        /// The case: the beginning of its title or id.
        case: String,
        /// The version: the beginning of its id.
        plan: Option<String>,
        /// A function whose approval it needs; once for each.
        #[arg(long = "function", value_name = "FUNCTION", required = true)]
        functions: Vec<String>,
    },
    /// Approve a version in the name of your function
    Approve {
        /// The case: the beginning of its title or id.
        case: String,
        /// The version: the beginning of its id.
        plan: Option<String>,
    },
    /// Reject a version, or withdraw your own
    Reject {
        /// The case: the beginning of its title or id.
        case: String,
        /// Why; - for standard input.
        reason: Option<String>,
        /// The version: the beginning of its id.
        #[arg(long)]
        plan: Option<String>,
    },
    /// Show what differs between two versions
    Diff {
        /// The case: the beginning of its title or id.
        case: String,
        /// The newer version; without it the one that is not in force.
        plan: Option<String>,
        /// The older version; without it the one on top of which it was written.
        #[arg(long, value_name = "PLAN")]
        from: Option<String>,
        /// As it was after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
    },
    /// Show a version, without one that in force, and how far the others are
    Show {
        /// The case: the beginning of its title or id.
        #[arg(required_unless_present = "template")]
        case: Option<String>,
        /// The version: the beginning of its id.
        plan: Option<String>,
        /// As it was after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
        /// Print the form of a plan, to be filled in.
        #[arg(long)]
        template: bool,
    },
    /// Write a version as Markdown, for your own file or on paper
    Export {
        /// The case: the beginning of its title or id.
        case: String,
        /// The version: the beginning of its id; without it the one in force.
        plan: Option<String>,
        /// Where to; without it, or with -, standard output.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// As it was after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
    },
    /// Write a version on top of several that stand beside each other
    Merge {
        /// The case: the beginning of its title or id.
        case: String,
        /// The versions, two or more.
        #[arg(required = true, num_args = 2..)]
        plans: Vec<String>,
        /// What they become, as TOML or JSON from a file, or - for standard input.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
}

/// A version of the plan.
#[derive(Serialize)]
#[serde(tag = "type", rename = "plan")]
struct PlanLine {
    case: String,
    plan: String,
    version: u64,
    phase: &'static str,
    hash: String,
    by: String,
    at: String,
    parents: Vec<String>,
    required: Vec<String>,
    approvals: Vec<ApprovalLine>,
    missing: Vec<String>,
    content: PlanForm,
    #[serde(skip)]
    shown: String,
    #[serde(skip)]
    page: Option<String>,
}

#[derive(Serialize)]
struct ApprovalLine {
    by: String,
    function: String,
    at: String,
}

/// One difference.
#[derive(Serialize)]
#[serde(tag = "type", rename = "difference")]
struct DifferenceLine {
    section: &'static str,
    /// `added`, `removed` or `changed`.
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    #[serde(skip)]
    shown: String,
}

impl Line for PlanLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)?;
        match &self.page {
            Some(page) => page.lines().try_for_each(|line| writeln!(out, "  {}", visible(line))),
            None => Ok(()),
        }
    }
}

impl Line for DifferenceLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)
    }
}

/// Where a version stands, for machines.
pub(crate) fn phase(plan: &Plan) -> &'static str {
    match plan.phase {
        PlanPhase::Draft => "draft",
        PlanPhase::Proposed => "proposed",
        PlanPhase::Approved => "approved",
        PlanPhase::Active => "active",
        PlanPhase::Superseded => "superseded",
        PlanPhase::Rejected { .. } => "rejected",
    }
}

/// Where a version stands, in words.
pub(crate) fn phase_words(plan: &Plan) -> String {
    match &plan.phase {
        PlanPhase::Draft => say!("plan-draft"),
        PlanPhase::Proposed => {
            let missing: Vec<String> = plan.missing().map(str::to_owned).collect();
            say!("plan-proposed", functions = functions(&missing))
        }
        PlanPhase::Approved => say!("plan-approved"),
        PlanPhase::Active => say!("plan-active"),
        PlanPhase::Superseded => say!("plan-superseded"),
        PlanPhase::Rejected { by, reason } => say!("plan-rejected", by = by.as_str(), reason = visible(reason)),
    }
}

/// The headings of a plan.
pub(crate) fn headings() -> Words {
    Words {
        title: say!("plan-title"),
        phase: say!("plan-phase"),
        direct: say!("phase-direct"),
        stable: say!("phase-stable"),
        recovery: say!("phase-recovery"),
        worry: say!("plan-worry"),
        conditions: say!("plan-conditions"),
        agreements: say!("plan-agreements"),
        who: say!("plan-who"),
        what: say!("plan-what"),
        when: say!("plan-when"),
        checked_by: say!("plan-checked-by"),
        triggers: say!("plan-triggers"),
        emergency: say!("plan-emergency"),
        network: say!("plan-network"),
        review: say!("plan-review"),
        order_ends: say!("plan-order-ends"),
    }
}

/// A version as Markdown.
pub(crate) fn page(plan: &Plan) -> String {
    plan.content.markdown(plan.version, &headings(), local_day)
}

impl PlanLine {
    fn of(case: &str, id: ItemId, plan: &Plan, whole: bool) -> Self {
        let (by, at, phase_shown) = (plan.by.as_str(), local(plan.at), phase_words(plan));
        let mut shown =
            say!("plan-head", version = plan.version, id = short(id), phase = phase_shown, by = by, at = at);
        for approval in &plan.approvals {
            let (by, function, at) = (approval.by.as_str(), function_word(&approval.function), local(approval.at));
            shown.push_str(&format!("\n    {}", say!("plan-approval", by = by, function = function, at = at)));
        }
        Self {
            case: case.to_owned(),
            plan: id.to_hex(),
            version: plan.version,
            phase: phase(plan),
            hash: plan.hash.to_hex(),
            by: plan.by.to_string(),
            at: rfc3339(plan.at),
            parents: plan.parents.iter().map(ItemId::to_hex).collect(),
            required: plan.required.clone(),
            approvals: plan
                .approvals
                .iter()
                .map(|approval| ApprovalLine {
                    by: approval.by.to_string(),
                    function: approval.function.clone(),
                    at: rfc3339(approval.at),
                })
                .collect(),
            missing: plan.missing().map(str::to_owned).collect(),
            content: PlanForm::of(&plan.content),
            shown,
            page: whole.then(|| page(plan)),
        }
    }
}

/// Runs `kring plan`.
pub(crate) async fn run(command: PlanCommand, global: &GlobalArguments, output: Output) -> Outcome {
    if let PlanCommand::Show { template: true, .. } = &command {
        return output.plain(&form::template());
    }
    let session = Session::open(global, output).await?;
    let done = act(&session, command, global, output).await;
    session.close().await;
    done
}

async fn act(session: &Session, command: PlanCommand, global: &GlobalArguments, output: Output) -> Outcome {
    let words = match &command {
        PlanCommand::Draft { case, .. }
        | PlanCommand::Propose { case, .. }
        | PlanCommand::Approve { case, .. }
        | PlanCommand::Reject { case, .. }
        | PlanCommand::Diff { case, .. }
        | PlanCommand::Export { case, .. }
        | PlanCommand::Merge { case, .. } => case.clone(),
        PlanCommand::Show { case, .. } => case.clone().unwrap_or_default(),
    };
    session.try_to_catch_up().await?;
    let (case, view) = session.case(&words).await?;
    in_step(&view)?;
    let now = case.state().await?;
    let case_id = case.id().to_hex();
    let says = match command {
        PlanCommand::Draft { on, input, .. } => {
            let parents = if on.is_empty() {
                now.active_plan().map(|(id, _)| id).into_iter().collect()
            } else {
                named(&now, &on)?
            };
            draft(&now, parents, input, global, output)?
        }
        PlanCommand::Merge { plans, input, .. } => draft(&now, named(&now, &plans)?, input, global, output)?,
        PlanCommand::Propose { plan, functions, .. } => {
            let (id, of) = one(&now, plan.as_deref(), |plan| matches!(plan.phase, PlanPhase::Draft))?;
            PlanSays::Propose { plan: id, hash: of.hash, functions }
        }
        PlanCommand::Approve { plan, .. } => {
            let (id, of) = one(&now, plan.as_deref(), |plan| matches!(plan.phase, PlanPhase::Proposed))?;
            PlanSays::Approve { plan: id, hash: of.hash }
        }
        PlanCommand::Reject { plan, reason, .. } => {
            let not_in_force = |plan: &Plan| !matches!(plan.phase, PlanPhase::Active);
            let (id, of) = one(&now, plan.as_deref(), not_in_force)?;
            PlanSays::Reject { plan: id, hash: of.hash, reason: text(reason, &global.profile, "", output)? }
        }
        PlanCommand::Diff { plan, from, as_of, .. } => {
            let then = state(&case, as_of).await?;
            let not_in_force = |plan: &Plan| !matches!(plan.phase, PlanPhase::Active);
            let (_, newer) = one(&then, plan.as_deref(), not_in_force)?;
            let older = match from {
                Some(words) => Some(one(&then, Some(&words), |_| true)?.1),
                None => newer.parents.first().and_then(|parent| then.plan(*parent)),
            };
            return differences(newer, older, output);
        }
        PlanCommand::Show { plan, as_of, .. } => {
            let then = state(&case, as_of).await?;
            return show(session, &case_id, &then, plan.as_deref(), output).await;
        }
        PlanCommand::Export { plan, to, as_of, .. } => {
            let then = state(&case, as_of).await?;
            let (_, of) = one(&then, plan.as_deref(), |plan| matches!(plan.phase, PlanPhase::Active))?;
            let note = Note::done(Activity::Exported).in_case(case.id()).of("plan");
            session.client.record(note).await?;
            return match to.filter(|file| file != Path::new("-")) {
                None => output.plain(&page(of)),
                Some(file) => std::fs::write(&file, page(of))
                    .map_err(|error| Failure::file(&say!("doing-written"), &file, &error)),
            };
        }
    };
    let draft = Statement::Plan(says).draft();
    output.print(&say::send(session, &case, draft, global.offline).await?)
}

/// A version to be written on top of others.
fn draft(
    state: &CaseState,
    parents: Vec<ItemId>,
    input: Option<PathBuf>,
    global: &GlobalArguments,
    output: Output,
) -> Outcome<PlanSays> {
    let below: Vec<&Plan> = parents.iter().filter_map(|parent| state.plan(*parent)).collect();
    let begin = form::begin(&below);
    let written = match (input, editor()) {
        (Some(file), _) => file_or_input(&file, output)?,
        (None, Some(editor)) => edited(&editor, &global.profile, &begin)?,
        (None, None) => file_or_input(Path::new("-"), output)?,
    };
    let plan = PlanForm::read(&written)?.content()?;
    Ok(PlanSays::Draft { parents, plan })
}

/// All versions, with what they are shown as.
fn versions(state: &CaseState, fit: impl Fn(&Plan) -> bool) -> Vec<(ItemId, String)> {
    let all = state.open_plans().chain(state.closed_plans());
    all.filter(|(_, plan)| fit(plan)).map(|(id, plan)| (id, format!("{} ({})", plan.version, phase(plan)))).collect()
}

/// The version that is meant: by its id among all, or without one the only one that fits.
fn one<'s>(state: &'s CaseState, words: Option<&str>, fit: impl Fn(&Plan) -> bool) -> Outcome<(ItemId, &'s Plan)> {
    let candidates = if words.is_some() { versions(state, |_| true) } else { versions(state, fit) };
    let id = thing(&candidates, words)?;
    let gone = || Failure::advised(Cause::Usage, say!("no-such-thing-at-all"), say!("no-such-thing-advice"));
    Ok((id, state.plan(id).ok_or_else(gone)?))
}

fn named(state: &CaseState, words: &[String]) -> Outcome<Vec<ItemId>> {
    words.iter().map(|words| thing(&versions(state, |_| true), Some(words))).collect()
}

async fn show(session: &Session, case: &str, state: &CaseState, words: Option<&str>, output: Output) -> Outcome {
    let chosen = match words {
        Some(words) => Some(one(state, Some(words), |_| true)?),
        None => state.active_plan(),
    };
    if let Some((id, plan)) = chosen {
        output.print(&PlanLine::of(case, id, plan, true))?;
    } else {
        output.note(&say!("plan-none-active"));
    }
    if words.is_none() {
        for (id, plan) in state.open_plans().filter(|(id, _)| chosen.is_none_or(|(chosen, _)| chosen != *id)) {
            output.print(&PlanLine::of(case, id, plan, chosen.is_none()))?;
        }
    }
    let case = kring_client::case::CaseId::from_hex(case);
    match case {
        Some(case) => session.viewed(case, "plan", 1).await,
        None => Ok(()),
    }
}

fn differences(newer: &Plan, older: Option<&Plan>, output: Output) -> Outcome {
    let Some(older) = older else {
        output.note(&say!("plan-first"));
        return Ok(());
    };
    let found = newer.content.differences(&older.content);
    if found.is_empty() {
        output.note(&say!("plan-same"));
    }
    for difference in found {
        let line = match difference {
            Difference::Added(section, line) => DifferenceLine {
                section: section_code(section),
                change: "added",
                shown: format!("+ {}: {}", section_word(section), visible(&line)),
                line: Some(line),
            },
            Difference::Removed(section, line) => DifferenceLine {
                section: section_code(section),
                change: "removed",
                shown: format!("- {}: {}", section_word(section), visible(&line)),
                line: Some(line),
            },
            Difference::Changed(section) => {
                let (old, new) = (value(section, older), value(section, newer));
                let heading = section_word(section);
                DifferenceLine {
                    section: section_code(section),
                    change: "changed",
                    shown: format!("- {heading}: {}\n+ {heading}: {}", visible(&old), visible(&new)),
                    line: Some(new),
                }
            }
        };
        output.print(&line)?;
    }
    Ok(())
}

fn value(section: Section, plan: &Plan) -> String {
    match section {
        Section::Phase => match plan.content.phase {
            Phase::Direct => say!("phase-direct"),
            Phase::Stable => say!("phase-stable"),
            Phase::Recovery => say!("phase-recovery"),
        },
        Section::Worry => plan.content.worry.clone(),
        Section::Review => local(plan.content.review),
        Section::OrderEnds => plan.content.order_ends.map_or_else(|| "–".to_owned(), local),
        Section::Conditions | Section::Agreements | Section::Triggers | Section::Emergency | Section::Network => {
            String::new()
        }
    }
}

fn section_word(section: Section) -> String {
    let words = headings();
    match section {
        Section::Phase => words.phase,
        Section::Worry => words.worry,
        Section::Conditions => words.conditions,
        Section::Agreements => words.agreements,
        Section::Triggers => words.triggers,
        Section::Emergency => words.emergency,
        Section::Network => words.network,
        Section::Review => words.review,
        Section::OrderEnds => words.order_ends,
    }
}

fn section_code(section: Section) -> &'static str {
    match section {
        Section::Phase => "phase",
        Section::Worry => "worry",
        Section::Conditions => "conditions",
        Section::Agreements => "agreements",
        Section::Triggers => "triggers",
        Section::Emergency => "emergency",
        Section::Network => "network",
        Section::Review => "review",
        Section::OrderEnds => "order_ends",
    }
}
