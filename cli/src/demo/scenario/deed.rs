//! What people do about an alert, the safety plan or a handover. A step is about the one that was begun last.

use std::time::Duration;

use kring_client::api::HandoverDraft;
use kring_client::case::alert::{AlertSays, Level, Raise, Rung};
use kring_client::case::handover::{HandoverSays, Offer, Summary, Urgency};
use kring_client::case::plan::{PlanContent, PlanSays};
use kring_client::case::{ItemId, Statement};
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use super::Who;
use super::read::{Reader, ScenarioError};
use crate::clock;
use crate::plan::PlanForm;

/// Somebody's part of an alert, a plan or a handover.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    /// Raises an alert.
    Raise {
        /// Who.
        by: Who,
        /// Which.
        raised: Raised,
    },
    /// Acknowledges the alert.
    Acknowledge {
        /// Who.
        by: Who,
        /// Takes action, and does not only look.
        acts: bool,
    },
    /// Waits until nobody has taken action in time and the alert's ladder has come to this step.
    Escalated(u64),
    /// Ends the alert.
    Resolve {
        /// Who.
        by: Who,
        /// What came of it.
        outcome: String,
    },
    /// Writes a version of the safety plan, on top of the one in force.
    Draft {
        /// Who.
        by: Who,
        /// What it says.
        content: Box<PlanContent>,
    },
    /// Asks for approval of the version.
    Propose {
        /// Who.
        by: Who,
        /// The functions whose approval it needs.
        functions: Vec<String>,
    },
    /// Approves the version.
    Approve(Who),
    /// Offers a handover, with the dossier that the library suggests.
    Offer {
        /// Who.
        by: Who,
        /// Of what, to whom.
        handing: Box<Handing>,
    },
    /// Opens every section of the dossier.
    Open(Who),
    /// Says in their own words what they have understood.
    Understand {
        /// Who.
        by: Who,
        /// The synthesis.
        text: String,
    },
    /// Confirms every receiver's synthesis.
    Confirm(Who),
    /// Says from when on they can start.
    Ready {
        /// Who.
        by: Who,
        /// From when.
        start: Timestamp,
    },
    /// Completes the handover.
    Complete(Who),
}

/// An alert as a scenario has it. Its deadlines are of the real clock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raised {
    /// How urgent.
    pub(crate) level: Level,
    /// What has happened.
    pub(crate) what: String,
    /// What is asked.
    pub(crate) action: String,
    /// The functions that have to react.
    pub(crate) functions: Vec<String>,
    /// How long they have.
    pub(crate) within: Duration,
    /// Who is asked then, one after the other.
    pub(crate) ladder: Vec<(String, Duration)>,
}

/// What is handed over, and to whom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handing {
    /// The receivers.
    pub(crate) to: Vec<Who>,
    /// Who of them becomes coordinator with it.
    pub(crate) coordinator: Option<Who>,
    /// Of what.
    pub(crate) scope: String,
    /// How urgent.
    pub(crate) urgency: Urgency,
    /// The situation.
    pub(crate) summary: Summary,
    /// What is to be done.
    pub(crate) actions: Vec<String>,
    /// What to do if it goes wrong.
    pub(crate) contingency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlert {
    by: Spanned<String>,
    level: Spanned<String>,
    what: Spanned<String>,
    action: String,
    functions: Vec<String>,
    within: f64,
    #[serde(default)]
    ladder: Vec<RawRung>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRung {
    function: String,
    within: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAcknowledge {
    by: Spanned<String>,
    takes_action: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSaying {
    by: Spanned<String>,
    text: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlan {
    by: Spanned<String>,
    content: Spanned<PlanForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPropose {
    by: Spanned<String>,
    functions: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOffer {
    by: Spanned<String>,
    to: Vec<Spanned<String>>,
    coordinator: Option<Spanned<String>>,
    scope: Spanned<String>,
    urgency: Spanned<String>,
    situation: String,
    background: String,
    assessment: String,
    recommendation: String,
    actions: Vec<String>,
    contingency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReady {
    by: Spanned<String>,
    start: Spanned<String>,
}

/// A deed as its step has it.
pub(super) enum RawDeed {
    Alert(RawAlert),
    Acknowledge(RawAcknowledge),
    Escalated(u64),
    Resolve(RawSaying),
    Plan(Box<RawPlan>),
    Propose(RawPropose),
    Approve(Spanned<String>),
    Offer(Box<RawOffer>),
    Open(Spanned<String>),
    Understand(RawSaying),
    Confirm(Spanned<String>),
    Ready(RawReady),
    Complete(Spanned<String>),
}

impl Reader<'_> {
    /// Reads a deed, whose words keep the bounds that the library has for them.
    pub(super) fn deed(&self, raw: RawDeed) -> Result<Deed, ScenarioError> {
        Ok(match raw {
            RawDeed::Alert(raw) => {
                let level = match raw.level.get_ref().as_str() {
                    "acute" => Level::Acute,
                    "high" => Level::High,
                    _ => return Err(self.wrong(&raw.level, "a level is acute or high")),
                };
                let time = |seconds: f64| {
                    Duration::try_from_secs_f64(seconds)
                        .map_err(|_| self.wrong(&raw.what, "`within` is a number of seconds"))
                };
                let ladder = raw.ladder.iter().map(|rung| Ok((rung.function.clone(), time(rung.within)?)));
                let raised = Raised {
                    level,
                    what: raw.what.get_ref().trim().to_owned(),
                    action: raw.action.trim().to_owned(),
                    functions: raw.functions,
                    within: time(raw.within)?,
                    ladder: ladder.collect::<Result<_, _>>()?,
                };
                self.bounded(&raw.what, &raised.statement(clock::now()))?;
                Deed::Raise { by: self.who(&raw.by)?, raised }
            }
            RawDeed::Acknowledge(raw) => Deed::Acknowledge { by: self.who(&raw.by)?, acts: raw.takes_action },
            RawDeed::Escalated(step) => Deed::Escalated(step),
            RawDeed::Resolve(raw) => Deed::Resolve { by: self.who(&raw.by)?, outcome: self.words(&raw.text)? },
            RawDeed::Plan(raw) => {
                let content = raw.content.get_ref().clone().content();
                let content = content.map_err(|failure| self.wrong(&raw.content, failure.what))?;
                let says = PlanSays::Draft { parents: Vec::new(), plan: content.clone() };
                self.bounded(&raw.content, &Statement::Plan(says))?;
                Deed::Draft { by: self.who(&raw.by)?, content: Box::new(content) }
            }
            RawDeed::Propose(raw) => {
                let functions = raw.functions.get_ref().clone();
                if functions.is_empty() {
                    return Err(self.wrong(&raw.functions, "a plan needs somebody's approval"));
                }
                Deed::Propose { by: self.who(&raw.by)?, functions }
            }
            RawDeed::Approve(who) => Deed::Approve(self.who(&who)?),
            RawDeed::Offer(raw) => {
                let urgency = match raw.urgency.get_ref().as_str() {
                    "routine" => Urgency::Routine,
                    "soon" => Urgency::Soon,
                    "immediate" => Urgency::Immediate,
                    _ => return Err(self.wrong(&raw.urgency, "an urgency is routine, soon or immediate")),
                };
                let to = raw.to.iter().map(|who| self.who(who)).collect::<Result<Vec<_>, _>>()?;
                let coordinator = raw.coordinator.as_ref().map(|who| self.who(who)).transpose()?;
                if let (Some(who), Some(raw)) = (coordinator, &raw.coordinator)
                    && !to.contains(&who)
                {
                    return Err(self.wrong(raw, "who becomes coordinator is one of the receivers"));
                }
                let trimmed = |text: String| text.trim().to_owned();
                let handing = Handing {
                    to,
                    coordinator,
                    scope: raw.scope.get_ref().clone(),
                    urgency,
                    summary: Summary {
                        situation: trimmed(raw.situation),
                        background: trimmed(raw.background),
                        assessment: trimmed(raw.assessment),
                        recommendation: trimmed(raw.recommendation),
                    },
                    actions: raw.actions,
                    contingency: trimmed(raw.contingency),
                };
                self.bounded(&raw.scope, &handing.statement(&self.addresses))?;
                Deed::Offer { by: self.who(&raw.by)?, handing: Box::new(handing) }
            }
            RawDeed::Open(who) => Deed::Open(self.who(&who)?),
            RawDeed::Understand(raw) => Deed::Understand { by: self.who(&raw.by)?, text: self.words(&raw.text)? },
            RawDeed::Confirm(who) => Deed::Confirm(self.who(&who)?),
            RawDeed::Ready(raw) => {
                let start = clock::moment(raw.start.get_ref(), clock::now());
                let start = start.map_err(|_| self.wrong(&raw.start, "a start is a time such as +17h"))?;
                Deed::Ready { by: self.who(&raw.by)?, start }
            }
            RawDeed::Complete(who) => Deed::Complete(self.who(&who)?),
        })
    }

    /// Words that somebody says of their own.
    fn words(&self, text: &Spanned<String>) -> Result<String, ScenarioError> {
        let words = text.get_ref().trim().to_owned();
        let handover = ItemId([0; 16]);
        let says = HandoverSays::Synthesis { handover, text: words.clone() };
        self.bounded(text, &Statement::Handover(says))?;
        Ok(words)
    }

    fn bounded<T>(&self, at: &Spanned<T>, statement: &Statement) -> Result<(), ScenarioError> {
        statement.check().map_err(|refused| self.wrong(at, refused))
    }
}

impl Raised {
    /// The alert, raised at a moment.
    pub(crate) fn statement(&self, now: Timestamp) -> Statement {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let rung =
            |(function, after): &(String, Duration)| Rung { function: function.clone(), after: milliseconds(*after) };
        Statement::Alert(AlertSays::Raise(Raise {
            level: self.level,
            what: self.what.clone(),
            functions: self.functions.clone(),
            ack_by: now.plus(milliseconds(self.within)),
            ladder: self.ladder.iter().map(rung).collect(),
            action: self.action.clone(),
        }))
    }
}

impl Handing {
    /// The handover without its dossier, as the library hands it over to be sent.
    pub(crate) fn draft(&self, addresses: &[ProfessionalAddress]) -> HandoverDraft {
        let address = |who: &Who| addresses[who.0].clone();
        HandoverDraft {
            to: self.to.iter().map(address).collect(),
            coordinator: self.coordinator.as_ref().map(address),
            scope: self.scope.clone(),
            urgency: self.urgency,
            summary: self.summary.clone(),
            actions: self.actions.clone(),
            contingency: self.contingency.clone(),
            start_by: None,
            accept_by: None,
        }
    }

    fn statement(&self, addresses: &[ProfessionalAddress]) -> Statement {
        let draft = self.draft(addresses);
        let mut to = draft.to;
        to.sort_unstable();
        Statement::Handover(HandoverSays::Offer(Box::new(Offer {
            to,
            coordinator: draft.coordinator,
            scope: draft.scope,
            urgency: draft.urgency,
            summary: draft.summary,
            actions: draft.actions,
            contingency: draft.contingency,
            start_by: None,
            accept_by: None,
            dossier: Vec::new(),
        })))
    }
}

impl Deed {
    /// Who does it; `None`: a deadline passes.
    pub(crate) fn by(&self) -> Option<Who> {
        match self {
            Self::Escalated(_) => None,
            Self::Raise { by, .. }
            | Self::Acknowledge { by, .. }
            | Self::Resolve { by, .. }
            | Self::Draft { by, .. }
            | Self::Propose { by, .. }
            | Self::Approve(by)
            | Self::Offer { by, .. }
            | Self::Open(by)
            | Self::Understand { by, .. }
            | Self::Confirm(by)
            | Self::Ready { by, .. }
            | Self::Complete(by) => Some(*by),
        }
    }

    /// Whether it is a Commit: a handover's steps that everybody must agree on. One for each receiver whose synthesis is
    /// confirmed, of which a scenario has at least one.
    pub(crate) fn is_commit(&self) -> bool {
        matches!(self, Self::Offer { .. } | Self::Confirm(_) | Self::Ready { .. } | Self::Complete(_))
    }

    /// All that is written in it.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::Raise { raised, .. } => vec![raised.what.clone(), raised.action.clone()],
            Self::Resolve { outcome: text, .. } | Self::Understand { text, .. } => vec![text.clone()],
            Self::Draft { content, .. } => {
                let agreements = content
                    .agreements
                    .iter()
                    .flat_map(|agreement| [&agreement.who, &agreement.what, &agreement.when, &agreement.checked_by]);
                let lists = [&content.conditions, &content.triggers, &content.emergency, &content.network];
                let lists = lists.into_iter().flatten();
                std::iter::once(&content.worry).chain(lists).chain(agreements).cloned().collect()
            }
            Self::Offer { handing, .. } => {
                let Summary { situation, background, assessment, recommendation } = &handing.summary;
                let texts = [situation, background, assessment, recommendation, &handing.scope, &handing.contingency];
                texts.into_iter().chain(&handing.actions).cloned().collect()
            }
            Self::Acknowledge { .. }
            | Self::Escalated(_)
            | Self::Propose { .. }
            | Self::Approve(_)
            | Self::Open(_)
            | Self::Confirm(_)
            | Self::Ready { .. }
            | Self::Complete(_) => Vec::new(),
        }
    }
}
