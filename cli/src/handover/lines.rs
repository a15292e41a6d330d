//! A handover as it is shown: what it is about, how far each receiver is, what comes next and from whom.

use std::io::{self, Write};

use kring_client::api::Case;
use kring_client::case::ItemId;
use kring_client::case::handover::{Handover, HandoverPhase, HandoverStage, HandoverWaits, Reception, Urgency};
use serde::Serialize;

use super::dossier::section_title;
use crate::clock::{local, rfc3339};
use crate::lines::visible;
use crate::output::Line;
use crate::things::short;
use crate::words::say;

/// One handover.
#[derive(Serialize)]
#[serde(tag = "type", rename = "handover")]
pub(crate) struct HandoverLine {
    case: String,
    handover: String,
    stage: &'static str,
    from: String,
    to: Vec<String>,
    coordinator: Option<String>,
    at: String,
    scope: String,
    urgency: Urgency,
    situation: String,
    background: String,
    assessment: String,
    recommendation: String,
    actions: Vec<String>,
    contingency: String,
    start_by: Option<String>,
    accept_by: Option<String>,
    /// The members have agreed that it stands.
    standing: bool,
    dossier: Vec<IndexLine>,
    receptions: Vec<ReceptionLine>,
    questions: Vec<QuestionLine>,
    next: Vec<NextLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip)]
    shown: Vec<String>,
}

#[derive(Serialize)]
struct IndexLine {
    section: usize,
    title: String,
    entries: u64,
}

#[derive(Serialize)]
struct ReceptionLine {
    who: String,
    stage: &'static str,
    received: Option<String>,
    /// Sections, from 1.
    opened: Vec<u64>,
    synthesis: Option<String>,
    correction: Option<String>,
    understood: bool,
    ready: Option<String>,
}

#[derive(Serialize)]
struct QuestionLine {
    question: String,
    by: String,
    text: String,
    answer: Option<String>,
}

#[derive(Serialize)]
struct NextLine {
    who: String,
    what: &'static str,
}

fn stage_code(stage: HandoverStage) -> &'static str {
    match stage {
        HandoverStage::Offered => "offered",
        HandoverStage::Received => "received",
        HandoverStage::Understood => "understood",
        HandoverStage::Ready => "ready",
        HandoverStage::Completed => "completed",
        HandoverStage::Ended => "ended",
    }
}

/// Where a handover stands, for machines.
fn stage(handover: &Handover) -> &'static str {
    match handover.phase {
        HandoverPhase::Open | HandoverPhase::Completed { .. } => stage_code(handover.stage()),
        HandoverPhase::Expired => "expired",
        HandoverPhase::Declined { .. } => "declined",
        HandoverPhase::Withdrawn { .. } => "withdrawn",
        HandoverPhase::Cleared { .. } => "cleared",
    }
}

/// How a handover has ended; `None`: it is open.
pub(super) fn ended(handover: &Handover) -> Option<String> {
    let because =
        |reason: &Option<String>| reason.as_ref().map_or_else(String::new, |reason| format!(": {}", visible(reason)));
    Some(match &handover.phase {
        HandoverPhase::Open => return None,
        HandoverPhase::Expired => say!("handover-expired"),
        HandoverPhase::Completed { by } => say!("handover-completed", by = by.as_str()),
        HandoverPhase::Declined { by, reason } => {
            say!("handover-declined", by = by.as_str(), reason = because(reason))
        }
        HandoverPhase::Withdrawn { by, reason } => {
            say!("handover-withdrawn", by = by.as_str(), reason = because(reason))
        }
        HandoverPhase::Cleared { by, reason } => {
            say!("handover-cleared", by = by.as_str(), reason = because(reason))
        }
    })
}

fn stage_words(handover: &Handover) -> String {
    ended(handover).unwrap_or_else(|| match handover.stage() {
        _ if !handover.standing => say!("handover-not-standing"),
        HandoverStage::Offered => say!("handover-offered"),
        HandoverStage::Received => say!("handover-received"),
        HandoverStage::Understood => say!("handover-understood"),
        HandoverStage::Ready | HandoverStage::Completed | HandoverStage::Ended => say!("handover-ready"),
    })
}

fn urgency_word(urgency: Urgency) -> String {
    match urgency {
        Urgency::Routine => say!("urgency-routine"),
        Urgency::Soon => say!("urgency-soon"),
        Urgency::Immediate => say!("urgency-immediate"),
    }
}

/// All receivers, joined.
pub(super) fn receivers(handover: &Handover) -> String {
    handover.offer.to.iter().map(|who| who.as_str()).collect::<Vec<_>>().join(", ")
}

fn reception_words(reception: &Reception, sections: usize) -> String {
    let who = reception.who.as_str();
    match (reception.ready, reception.received) {
        (Some(start), _) => say!("reception-ready", who = who, start = local(start)),
        (None, None) => say!("reception-offered", who = who),
        (None, Some(_)) if reception.understood => say!("reception-understood", who = who),
        (None, Some(_)) if reception.opened.len() < sections => {
            say!("reception-opened", who = who, opened = reception.opened.len(), sections = sections)
        }
        (None, Some(_)) if reception.is_to_be_confirmed() => say!("reception-written", who = who),
        (None, Some(_)) if sections == 0 => say!("reception-has-offer", who = who),
        (None, Some(_)) => say!("reception-received", who = who),
    }
}

/// What comes next: who, its name for machines, and in words.
fn next(handover: &Handover) -> Vec<(String, &'static str, String)> {
    if !handover.is_open() || !handover.standing {
        return Vec::new();
    }
    let mut next = Vec::new();
    let late = handover.receptions.iter().filter(|reception| reception.received.is_none());
    for reception in late {
        let who = reception.who.as_str();
        next.push((who.to_owned(), "receive", say!("next-receive", who = who)));
    }
    for who in handover.offer.to.iter().chain([&handover.from]) {
        for wait in handover.waits_for(who) {
            let name = who.as_str();
            let (what, words) = match wait {
                HandoverWaits::Open => ("open", say!("next-open", who = name)),
                HandoverWaits::Synthesis => ("synthesis", say!("next-synthesis", who = name)),
                HandoverWaits::Ready => ("ready", say!("next-ready", who = name)),
                HandoverWaits::Answer => ("answer", say!("next-answer", who = name)),
                HandoverWaits::Confirm => ("confirm", say!("next-confirm", who = name)),
                HandoverWaits::Complete => ("complete", say!("next-complete", who = name)),
            };
            next.push((name.to_owned(), what, words));
        }
    }
    next
}

/// A text under its heading, left out where there is none.
fn paragraph(shown: &mut Vec<String>, heading: String, text: &str) {
    let mut lines = text.trim().lines();
    if let Some(first) = lines.next() {
        shown.push(format!("{heading}: {}", visible(first)));
        shown.extend(lines.map(|line| format!("  {}", visible(line))));
    }
}

fn whole(shown: &mut Vec<String>, handover: &Handover) {
    let offer = &handover.offer;
    paragraph(shown, say!("handover-situation"), &offer.summary.situation);
    paragraph(shown, say!("handover-background"), &offer.summary.background);
    paragraph(shown, say!("handover-assessment"), &offer.summary.assessment);
    paragraph(shown, say!("handover-recommendation"), &offer.summary.recommendation);
    if !offer.actions.is_empty() {
        shown.push(say!("handover-actions"));
        shown.extend(offer.actions.iter().map(|action| format!("  - {}", visible(action))));
    }
    paragraph(shown, say!("handover-contingency"), &offer.contingency);
    if offer.dossier.is_empty() {
        shown.push(say!("handover-no-dossier"));
    } else {
        shown.push(say!("handover-dossier"));
    }
    for (place, section) in offer.dossier.iter().enumerate() {
        let (title, entries) = (section_title(&section.title), section.entries);
        shown.push(format!("  {}", say!("dossier-index", section = place + 1, title = title, entries = entries)));
    }
    for reception in &handover.receptions {
        shown.push(reception_words(reception, offer.dossier.len()));
        if let Some(synthesis) = &reception.synthesis {
            paragraph(shown, format!("  {}", say!("handover-own-words")), &synthesis.text);
            if let Some(correction) = &synthesis.correction {
                let from = handover.from.as_str();
                paragraph(shown, format!("  {}", say!("handover-correction", from = from)), correction);
            }
        }
    }
    for question in &handover.questions {
        let (by, id) = (question.by.as_str(), short(question.item));
        paragraph(shown, say!("handover-question", by = by, id = id), &question.text);
        match &question.answer {
            Some(answer) => paragraph(shown, format!("  {}", say!("handover-answer")), answer),
            None => shown.push(format!("  {}", say!("handover-unanswered"))),
        }
    }
}

impl HandoverLine {
    /// A handover of a case; for people in whole, or as far as a list goes.
    pub(crate) fn of(case: &str, id: ItemId, handover: &Handover, in_whole: bool) -> Self {
        let offer = &handover.offer;
        let next = next(handover);
        let mut shown = vec![
            say!("handover-head", scope = visible(&offer.scope), id = short(id), stage = stage_words(handover)),
            say!(
                "handover-from-to",
                from = handover.from.as_str(),
                to = receivers(handover),
                at = local(handover.at),
                urgency = urgency_word(offer.urgency)
            ),
        ];
        if let Some(who) = &offer.coordinator {
            shown.push(say!("handover-coordinator", who = who.as_str()));
        }
        if let Some(by) = offer.start_by {
            shown.push(say!("handover-start-by", at = local(by)));
        }
        let waits = handover.is_open() && handover.stage() < HandoverStage::Ready;
        if let Some(by) = offer.accept_by.filter(|_| waits) {
            shown.push(say!("handover-accept-by", at = local(by)));
        }
        if handover.is_open() {
            shown.push(say!("handover-still-responsible", from = handover.from.as_str()));
        }
        if in_whole {
            whole(&mut shown, handover);
        }
        shown.extend(next.iter().map(|(_, _, words)| say!("handover-next", what = words.as_str())));
        let (ended_by, reason) = match &handover.phase {
            HandoverPhase::Open | HandoverPhase::Expired => (None, None),
            HandoverPhase::Completed { by } => (Some(by.to_string()), None),
            HandoverPhase::Declined { by, reason }
            | HandoverPhase::Withdrawn { by, reason }
            | HandoverPhase::Cleared { by, reason } => (Some(by.to_string()), reason.clone()),
        };
        Self {
            case: case.to_owned(),
            handover: id.to_hex(),
            stage: stage(handover),
            from: handover.from.to_string(),
            to: offer.to.iter().map(ToString::to_string).collect(),
            coordinator: offer.coordinator.as_ref().map(ToString::to_string),
            at: rfc3339(handover.at),
            scope: offer.scope.clone(),
            urgency: offer.urgency,
            situation: offer.summary.situation.clone(),
            background: offer.summary.background.clone(),
            assessment: offer.summary.assessment.clone(),
            recommendation: offer.summary.recommendation.clone(),
            actions: offer.actions.clone(),
            contingency: offer.contingency.clone(),
            start_by: offer.start_by.map(rfc3339),
            accept_by: offer.accept_by.map(rfc3339),
            standing: handover.standing,
            dossier: offer
                .dossier
                .iter()
                .enumerate()
                .map(|(place, section)| IndexLine {
                    section: place + 1,
                    title: section.title.clone(),
                    entries: section.entries,
                })
                .collect(),
            receptions: handover.receptions.iter().map(ReceptionLine::of).collect(),
            questions: handover
                .questions
                .iter()
                .map(|question| QuestionLine {
                    question: question.item.to_hex(),
                    by: question.by.to_string(),
                    text: question.text.clone(),
                    answer: question.answer.clone(),
                })
                .collect(),
            next: next.into_iter().map(|(who, what, _)| NextLine { who, what }).collect(),
            ended_by,
            reason,
            shown,
        }
    }
}

impl ReceptionLine {
    fn of(reception: &Reception) -> Self {
        let synthesis = reception.synthesis.as_ref();
        Self {
            who: reception.who.to_string(),
            stage: stage_code(reception.stage()),
            received: reception.received.map(rfc3339),
            opened: reception.opened.iter().map(|section| section + 1).collect(),
            synthesis: synthesis.map(|synthesis| synthesis.text.clone()),
            correction: synthesis.and_then(|synthesis| synthesis.correction.clone()),
            understood: reception.understood,
            ready: reception.ready.map(rfc3339),
        }
    }
}

impl Line for HandoverLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines = self.shown.iter();
        if let Some(first) = lines.next() {
            writeln!(out, "{first}")?;
        }
        lines.try_for_each(|line| writeln!(out, "    {line}"))
    }
}

/// A step of a handover was taken.
#[derive(Serialize)]
#[serde(tag = "type", rename = "handover_step")]
pub(super) struct StepLine {
    case: String,
    handover: String,
    step: &'static str,
    /// Whom or when it is about, for people.
    #[serde(skip)]
    what: String,
}

impl StepLine {
    pub(super) fn new(case: &Case, id: ItemId, step: &'static str, what: Option<String>) -> Self {
        let case = case.id().to_hex();
        Self { case, handover: id.to_hex(), step, what: what.unwrap_or_default() }
    }
}

impl Line for StepLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let what = self.what.as_str();
        let words = match self.step {
            "offered" => say!("step-offered", id = &self.handover[..crate::names::SHORT_ID]),
            "confirmed" => say!("step-confirmed", who = what),
            "ready" => say!("step-ready", start = what),
            "completed" => say!("step-completed", to = what),
            _ => say!("step-ended"),
        };
        writeln!(out, "{words}")
    }
}
