//! Dossiers: what goes into one by choice, what receivers will see of it, and what they read.
//!
//! Items are named by their numbers, their positions in this device's copy of the case, which a preview shows. Nothing
//! restricted goes in unless it is named.

use std::io::{self, Write};
use std::path::Path;

use kring_client::api::Case;
use kring_client::case::alert::AlertSays;
use kring_client::case::dossier::{
    Chosen, DossierChoice, DossierEntry, DossierSection, EntryChoice, OriginalItem, SectionChoice,
};
use kring_client::case::plan::PlanSays;
use kring_client::case::task::TaskSays;
use kring_client::case::{Body, CaseState, Position, Sensitivity, Statement};
use serde::{Deserialize, Serialize};

use super::arguments::OfferArguments;
use crate::alert::functions;
use crate::clock::{local, local_day, rfc3339};
use crate::lines::{function_word, visible};
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::plan::headings;
use crate::statement;
use crate::text::file_or_input;
use crate::things::thing;
use crate::words::{Told, say};

/// Title of the section with what was chosen although its author has restricted it.
const RESTRICTED: &str = "restricted";

/// A dossier as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum DossierForm {
    /// What the library suggests, or nothing.
    Word(DossierWord),
    /// A choice.
    Choice(ChoiceForm),
}

/// A dossier in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DossierWord {
    /// The plan, what is open, what was said; nothing restricted.
    Suggested,
    /// No dossier.
    None,
}

/// A choice as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChoiceForm {
    sections: Vec<SectionForm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SectionForm {
    title: String,
    entries: Vec<EntryForm>,
}

/// An entry: an item of the case by its number, or an entry of a dossier that was received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EntryForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handover: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    /// It goes in although its author has restricted it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    restricted: bool,
}

/// What somebody wants in a dossier.
pub(super) struct Wishes {
    /// From the arguments: a word or a file.
    given: Option<String>,
    form: DossierForm,
    with_restricted: Vec<u64>,
    leave_out: Vec<u64>,
    source: Option<String>,
    purpose: Option<String>,
}

impl Wishes {
    /// What the arguments say.
    pub(super) fn of(arguments: &OfferArguments) -> Self {
        Self {
            given: arguments.dossier.clone(),
            form: DossierForm::Word(DossierWord::Suggested),
            with_restricted: arguments.with_restricted.clone(),
            leave_out: arguments.leave_out.clone(),
            source: arguments.source.clone(),
            purpose: arguments.purpose.clone(),
        }
    }

    /// Takes the form of the offer, unless the arguments say something else.
    pub(super) fn form(&mut self, form: Option<DossierForm>, output: Output) -> Outcome {
        self.form = match (self.given.as_deref(), form) {
            (Some("suggested"), _) | (None, None) => DossierForm::Word(DossierWord::Suggested),
            (Some("none"), _) => DossierForm::Word(DossierWord::None),
            (Some(file), _) => {
                let text = file_or_input(Path::new(file), output)?;
                let read: Result<ChoiceForm, _> = serde_json::from_str(&text);
                DossierForm::Choice(read.map_err(|error| {
                    let what = say!("input-not-understood", reason = error.to_string());
                    Failure::advised(Cause::Usage, what, say!("handover-form-advice"))
                })?)
            }
            (None, Some(form)) => form,
        };
        Ok(())
    }
}

/// The choice, and the items that are left out because they are restricted.
pub(super) async fn choose(
    case: &Case,
    state: &CaseState,
    title: &str,
    wishes: &Wishes,
) -> Outcome<(DossierChoice, Vec<Position>)> {
    let source = wishes.source.clone().unwrap_or_else(|| say!("dossier-source", title = title));
    let purpose = wishes.purpose.clone().unwrap_or_else(|| say!("dossier-purpose"));
    let suggestion = case.suggest_dossier(&source, &purpose).await?;
    let mut choice = match &wishes.form {
        DossierForm::Word(DossierWord::Suggested) => suggestion.choice,
        DossierForm::Word(DossierWord::None) => DossierChoice::default(),
        DossierForm::Choice(form) => chosen(form, state, &source, &purpose)?,
    };
    for number in &wishes.leave_out {
        let left = Chosen::Item(Position(*number));
        if !choice.sections.iter().flat_map(|section| &section.entries).any(|entry| entry.what == left) {
            let what = say!("dossier-not-in-it", number = *number);
            return Err(Failure::advised(Cause::Usage, what, say!("dossier-numbers-advice")));
        }
        choice.sections.iter_mut().for_each(|section| section.entries.retain(|entry| entry.what != left));
    }
    choice.sections.retain(|section| !section.entries.is_empty());
    let mut apart = Vec::new();
    for number in &wishes.with_restricted {
        let what = Chosen::Item(Position(*number));
        let mut entries = choice.sections.iter_mut().flat_map(|section| &mut section.entries);
        match entries.find(|entry| entry.what == what) {
            Some(entry) => entry.although_restricted = true,
            None => {
                let (source, purpose) = (source.clone(), purpose.clone());
                apart.push(EntryChoice { what, source, purpose, although_restricted: true });
            }
        }
    }
    if !apart.is_empty() {
        choice.sections.push(SectionChoice { title: RESTRICTED.to_owned(), entries: apart });
    }
    let is_in = |position: &Position| {
        choice.sections.iter().flat_map(|section| &section.entries).any(|entry| entry.what == Chosen::Item(*position))
    };
    let left_out = match wishes.form {
        DossierForm::Word(DossierWord::Suggested) => {
            suggestion.restricted.into_iter().filter(|position| !is_in(position)).collect()
        }
        DossierForm::Word(DossierWord::None) | DossierForm::Choice(_) => Vec::new(),
    };
    Ok((choice, left_out))
}

fn chosen(form: &ChoiceForm, state: &CaseState, source: &str, purpose: &str) -> Outcome<DossierChoice> {
    let unclear = || Failure::advised(Cause::Usage, say!("dossier-entry-unclear"), say!("handover-form-advice"));
    let entry = |form: &EntryForm| {
        let what = match (form.item, &form.handover, form.section, form.entry) {
            (Some(number), None, None, None) => Chosen::Item(Position(number)),
            (None, Some(words), Some(section), Some(entry)) if section > 0 && entry > 0 => {
                let all = state.open_handovers().chain(state.closed_handovers());
                let all: Vec<_> = all.map(|(id, handover)| (id, visible(&handover.offer.scope))).collect();
                Chosen::Entry { handover: thing(&all, Some(words))?, section: section - 1, entry: entry - 1 }
            }
            _ => return Err(unclear()),
        };
        Ok(EntryChoice {
            what,
            source: form.source.clone().unwrap_or_else(|| source.to_owned()),
            purpose: form.purpose.clone().unwrap_or_else(|| purpose.to_owned()),
            although_restricted: form.restricted,
        })
    };
    let section = |form: &SectionForm| {
        let entries = form.entries.iter().map(entry).collect::<Outcome<_>>()?;
        Ok(SectionChoice { title: form.title.clone(), entries })
    };
    Ok(DossierChoice { sections: form.sections.iter().map(section).collect::<Outcome<_>>()? })
}

/// A choice as it is written.
pub(super) fn spelled_out(choice: &DossierChoice) -> DossierForm {
    let entry = |entry: &EntryChoice| {
        let form = EntryForm {
            source: Some(entry.source.clone()),
            purpose: Some(entry.purpose.clone()),
            restricted: entry.although_restricted,
            ..EntryForm::default()
        };
        match entry.what {
            Chosen::Item(position) => EntryForm { item: Some(position.0), ..form },
            Chosen::Entry { handover, section, entry } => EntryForm {
                handover: Some(handover.to_hex()),
                section: Some(section + 1),
                entry: Some(entry + 1),
                ..form
            },
        }
    };
    let section = |section: &SectionChoice| SectionForm {
        title: section.title.clone(),
        entries: section.entries.iter().map(entry).collect(),
    };
    DossierForm::Choice(ChoiceForm { sections: choice.sections.iter().map(section).collect() })
}

/// What a section is called: those that are suggested have codes, the same in every language.
pub(super) fn section_title(title: &str) -> String {
    match title {
        "plan" => say!("dossier-plan"),
        "alerts" => say!("dossier-alerts"),
        "tasks" => say!("dossier-tasks"),
        "history" => say!("dossier-history"),
        RESTRICTED => say!("dossier-restricted"),
        other => visible(other),
    }
}

/// A section of a dossier.
#[derive(Serialize)]
#[serde(tag = "type", rename = "section")]
pub(super) struct SectionLine {
    /// From 1.
    section: u64,
    sections: usize,
    title: String,
    entries: Vec<EntryLine>,
}

/// An entry. Of one whose author is not proven nothing is shown.
#[derive(Serialize)]
struct EntryLine {
    /// From 1.
    entry: usize,
    /// Its number on this device, in a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    source: String,
    purpose: String,
    relayed_at: String,
    proven: bool,
    #[serde(flatten)]
    original: Option<OriginalLine>,
    #[serde(skip)]
    shown: Vec<String>,
}

#[derive(Serialize)]
struct OriginalLine {
    item: String,
    author: String,
    device: String,
    name: String,
    organisation: String,
    function: String,
    sent_at: String,
    about: Vec<String>,
    /// Why it was shared at the time.
    shared_for: Option<String>,
    restricted: bool,
    text: Option<String>,
    statement: Option<serde_json::Value>,
}

impl SectionLine {
    /// The sections of a choice as receivers will see them.
    pub(super) fn preview(choice: &DossierChoice, shown: &[DossierSection]) -> Vec<Self> {
        let number = |section: usize, entry: usize| match choice.sections.get(section)?.entries.get(entry)?.what {
            Chosen::Item(position) => Some(position.0),
            Chosen::Entry { .. } => None,
        };
        let sections = shown.len();
        let line = |(place, section): (usize, &DossierSection)| {
            Self::of(place as u64 + 1, sections, section, |entry| number(place, entry))
        };
        shown.iter().enumerate().map(line).collect()
    }

    /// A section of a dossier that was received.
    pub(super) fn received(section: u64, sections: usize, read: &DossierSection) -> Self {
        Self::of(section, sections, read, |_| None)
    }

    fn of(section: u64, sections: usize, read: &DossierSection, number: impl Fn(usize) -> Option<u64>) -> Self {
        let entries = read.entries.iter().enumerate();
        let entries = entries.map(|(place, entry)| EntryLine::of(place + 1, number(place), entry)).collect();
        Self { section, sections, title: read.title.clone(), entries }
    }
}

impl EntryLine {
    fn of(entry: usize, position: Option<u64>, read: &DossierEntry) -> Self {
        let original = read.said.as_ref().ok();
        let mut shown = Vec::new();
        match &read.said {
            Ok(said) => {
                let number = position.map_or_else(String::new, |position| format!("  [{position}]"));
                let restricted = match said.sensitivity {
                    Sensitivity::Restricted => format!("  [{}]", say!("restricted")),
                    Sensitivity::Normal => String::new(),
                };
                let author = &said.author;
                shown.push(format!(
                    "{}  {} ({}, {})  {}{restricted}{number}",
                    local(said.sent_at),
                    visible(&author.name),
                    visible(&author.organisation),
                    function_word(&author.function),
                    author.professional,
                ));
                shown.extend(content(said).into_iter().map(|line| format!("    {line}")));
                if !said.about.is_empty() {
                    shown.push(format!("    {}", say!("dossier-about", about = visible(&said.about.join(", ")))));
                }
            }
            Err(unproven) => shown.push(say!("dossier-unproven", reason = unproven.told())),
        }
        let (source, purpose) = (visible(&read.source), visible(&read.purpose));
        shown.push(format!("    {}", say!("dossier-label", source = source, purpose = purpose)));
        Self {
            entry,
            position,
            source: read.source.clone(),
            purpose: read.purpose.clone(),
            relayed_at: rfc3339(read.relayed_at),
            proven: original.is_some(),
            original: original.map(OriginalLine::of),
            shown,
        }
    }
}

impl OriginalLine {
    fn of(said: &OriginalItem) -> Self {
        Self {
            item: said.item.to_hex(),
            author: said.author.professional.to_string(),
            device: said.author.device.to_hex(),
            name: said.author.name.clone(),
            organisation: said.author.organisation.clone(),
            function: said.author.function.clone(),
            sent_at: rfc3339(said.sent_at),
            about: said.about.clone(),
            shared_for: said.purpose.clone(),
            restricted: said.sensitivity == Sensitivity::Restricted,
            text: said.body.text().map(str::to_owned),
            statement: said.body.statement().map(statement::fields),
        }
    }
}

/// What an entry says, in whole: a plan as a page, an alert and a task with all that was asked.
fn content(said: &OriginalItem) -> Vec<String> {
    let lines = |text: &str| text.lines().map(visible).collect::<Vec<_>>();
    match &said.body {
        Body::Markdown(text) => lines(text),
        Body::Deleted => vec![say!("said-deleted")],
        Body::Expired => vec![say!("said-expired")],
        Body::Unknown { .. } => vec![say!("needs-newer-version")],
        Body::Statement(statement) => {
            let mut all = vec![format!("* {}", statement::words(statement))];
            match statement.as_ref() {
                Statement::Plan(PlanSays::Draft { plan, .. }) => {
                    let page = plan.markdown(0, &headings(), local_day);
                    // Its number is told where the plan stands; here it begins with its phase.
                    all.extend(lines(&page).into_iter().skip(2));
                }
                Statement::Alert(AlertSays::Raise(raise)) => {
                    let steps: Vec<_> = raise.ladder.iter().map(|rung| rung.function.clone()).collect();
                    if !steps.is_empty() {
                        all.push(say!("dossier-ladder", functions = functions(&steps)));
                    }
                    if !raise.action.is_empty() {
                        all.push(say!("alert-action", action = visible(&raise.action)));
                    }
                }
                Statement::Task(TaskSays::Create { text, due, .. }) => {
                    all.extend(lines(text));
                    all.extend(due.map(|due| say!("task-due", due = local(due))));
                }
                _ => {}
            }
            all
        }
    }
}

impl Line for SectionLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = section_title(&self.title);
        let heading =
            say!("dossier-heading", section = self.section, sections = self.sections, title = title.to_uppercase());
        writeln!(out, "\n{heading}\n")?;
        for entry in &self.entries {
            entry.shown.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            writeln!(out)?;
        }
        Ok(())
    }
}

/// An item that a suggestion leaves out because its author has restricted it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "left_out")]
pub(super) struct LeftOutLine {
    position: u64,
    item: String,
    author: String,
    sent_at: String,
    #[serde(skip)]
    shown: String,
}

impl Line for LeftOutLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)
    }
}

/// What is left out, for whoever chooses.
pub(super) async fn left_out(case: &Case, positions: &[Position]) -> Outcome<Vec<LeftOutLine>> {
    let mut lines = Vec::new();
    for position in positions {
        let found = case.items(Position(position.0.saturating_sub(1)), 1).await?;
        for item in found.iter().filter(|item| item.position == *position) {
            let text = match &item.body {
                Body::Statement(statement) => statement::words(statement),
                body => visible(body.text().and_then(|text| text.lines().next()).unwrap_or_default()),
            };
            let (name, at) = (visible(&item.author_name), local(item.sent_at));
            lines.push(LeftOutLine {
                position: position.0,
                item: item.id.to_hex(),
                author: item.author.professional.to_string(),
                sent_at: rfc3339(item.sent_at),
                shown: say!("dossier-left-out", number = position.0, at = at, name = name, text = text),
            });
        }
    }
    Ok(lines)
}
