//! The urgent alert (spoedmelding): acute unsafety, and a ladder of functions that are asked one after the other until
//! somebody takes action.
//!
//! Only an acknowledgement that takes action stops the ladder; having seen it does not. While action is taken, an update
//! is due by the time last named; without one the ladder begins again. Above the last step the ladder is exhausted, which
//! is loud on the raiser's device. Refused: steps before their time or after the stop; ending an alert by somebody who
//! neither raised it, nor takes action, nor manages the case.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::deadline::{Deadline, Due};
use super::fold::{Outcome, Refused, Scene, Thing};
use super::ids::ItemId;
use super::log::says_nothing;
use super::member::Role;
use super::shelf::Shelf;
use super::statement::{MAX_LIST, function, list, text, time};

/// Most steps of a ladder.
const MAX_LADDER: usize = 16;
/// Longest time that one step is given.
const MAX_AFTER: u64 = 30 * Timestamp::DAY;
/// Closed alerts that the state keeps.
const CLOSED: usize = 32;

/// What an item says about an alert.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertSays {
    /// Raises one.
    Raise(Raise),
    /// Acknowledges one.
    Acknowledge {
        /// Which.
        alert: ItemId,
        /// How.
        how: Acknowledging,
        /// When the next update comes at the latest, of who takes action; the ladder begins again without it.
        #[serde(default)]
        next_update_by: Option<Timestamp>,
    },
    /// Says how it goes. The alert is in action from the first one on.
    Update {
        /// Which.
        alert: ItemId,
        /// How it goes.
        text: String,
        /// When the next update comes at the latest.
        next_update_by: Timestamp,
    },
    /// Ends it.
    Resolve {
        /// Which.
        alert: ItemId,
        /// What came of it.
        outcome: String,
    },
    /// Ends it: there was nothing.
    FalseAlarm {
        /// Which.
        alert: ItemId,
        /// How it came about.
        reason: String,
    },
}

/// The raising of an alert.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// How urgent.
    pub level: Level,
    /// What has happened.
    pub what: String,
    /// The functions that have to react, by code.
    pub functions: Vec<String>,
    /// Until when somebody has to take action before the ladder begins.
    pub ack_by: Timestamp,
    /// Who is asked then, one step after the other.
    pub ladder: Vec<Rung>,
    /// What is asked.
    pub action: String,
}

/// One step of a ladder.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The function that is asked.
    pub function: String,
    /// How long it has before the next one is asked, in milliseconds.
    pub after: u64,
}

/// How urgent an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Acute danger.
    Acute,
    /// High.
    High,
}

/// How an alert is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledging {
    /// Takes action: the ladder stops.
    TakesAction,
    /// Has seen it, no more.
    SeenOnly,
}

/// An alert.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// How it was raised.
    pub raise: Raise,
    /// By whom.
    pub by: ProfessionalAddress,
    /// When.
    pub at: Timestamp,
    /// Where it stands.
    pub phase: AlertPhase,
    /// Who acknowledged it, in the log's order.
    pub acknowledgements: Vec<Acknowledgement>,
    /// The latest update.
    pub update: Option<Update>,
    /// How often the ladder was armed again.
    pub round: u64,
    /// The step at which the ladder is: 0 before the first, one more than it has when it is exhausted.
    pub step: u64,
    /// When the next step is due; `None`: the ladder stands still or is exhausted.
    pub due: Option<Timestamp>,
}

/// Where an alert stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertPhase {
    /// Raised; nobody has taken action. Its step says how far the ladder is.
    Raised,
    /// The ladder is at its end, and nobody has taken action.
    Exhausted,
    /// Somebody takes action.
    Acknowledged,
    /// Somebody takes action and has said how it goes.
    InAction,
    /// Ended.
    Resolved {
        /// By whom.
        by: ProfessionalAddress,
        /// What came of it.
        outcome: String,
    },
    /// There was nothing.
    FalseAlarm {
        /// Who said so.
        by: ProfessionalAddress,
        /// How it came about.
        reason: String,
    },
}

/// An acknowledgement of an alert.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// By whom.
    pub by: ProfessionalAddress,
    /// Their function.
    pub function: String,
    /// How.
    pub how: Acknowledging,
    /// When.
    pub at: Timestamp,
    /// After the ladder had begun.
    pub late: bool,
}

/// An update of an alert in action.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// By whom.
    pub by: ProfessionalAddress,
    /// When.
    pub at: Timestamp,
    /// How it goes.
    pub text: String,
}

/// All alerts of a case.
pub(super) type Alerts = Shelf<Alert, CLOSED>;

impl AlertSays {
    pub(super) fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Raise(raise) => {
                text(&raise.what)?;
                text(&raise.action)?;
                time(raise.ack_by)?;
                list(&raise.functions)?;
                raise.functions.iter().try_for_each(|code| function(code))?;
                raise.ladder.iter().try_for_each(|rung| function(&rung.function))?;
                let long = raise.ladder.iter().any(|rung| rung.after > MAX_AFTER);
                let named = !raise.what.trim().is_empty() && !raise.functions.is_empty();
                if named && !long && raise.ladder.len() <= MAX_LADDER { Ok(()) } else { Err(Refused::Bounds) }
            }
            Self::Acknowledge { next_update_by, .. } => next_update_by.map_or(Ok(()), time),
            Self::Update { text: said, next_update_by, .. } => text(said).and_then(|()| time(*next_update_by)),
            Self::Resolve { outcome: said, .. } | Self::FalseAlarm { reason: said, .. } => text(said),
        }
    }
}

impl Alert {
    /// The function that the ladder asks now; `None`: those named at the raising.
    pub fn asked(&self) -> Option<&str> {
        let index = usize::try_from(self.step.checked_sub(1)?).ok()?;
        self.raise.ladder.get(index).map(|rung| rung.function.as_str())
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, AlertPhase::Resolved { .. } | AlertPhase::FalseAlarm { .. })
    }

    /// Whether a professional takes action.
    pub fn is_taken_by(&self, who: &ProfessionalAddress) -> bool {
        self.acknowledgements.iter().any(|ack| ack.by == *who && ack.how == Acknowledging::TakesAction)
    }

    fn waits(&self) -> bool {
        matches!(self.phase, AlertPhase::Raised | AlertPhase::Exhausted)
    }

    /// Whether the author of an item may say how it goes and end it.
    fn may_end(&self, scene: &Scene<'_>) -> Result<(), Refused> {
        let who = &scene.by.professional;
        if self.by == *who || self.is_taken_by(who) || scene.manages() { Ok(()) } else { Err(Refused::NotTheirs) }
    }

    fn acknowledge(&mut self, scene: &Scene<'_>, how: Acknowledging, next: Option<Timestamp>) -> Option<()> {
        let who = &scene.by.professional;
        let takes = how == Acknowledging::TakesAction;
        let known = self.acknowledgements.iter().any(|ack| ack.by == *who && ack.how == how);
        // Who took action once takes it again when the ladder has begun anew.
        if known && !(takes && self.waits()) {
            return None;
        }
        if !known && self.acknowledgements.len() < 4 * MAX_LIST {
            self.acknowledgements.push(Acknowledgement {
                by: who.clone(),
                function: scene.by.function.clone(),
                how,
                at: scene.at,
                late: self.step > 0 || scene.at > self.raise.ack_by,
            });
        }
        if takes && self.waits() {
            self.phase = AlertPhase::Acknowledged;
            self.due = next;
        }
        Some(())
    }

    /// The ladder goes to a step.
    fn pass(&mut self, scene: &Scene<'_>, round: u64, step: u64) -> Result<Option<()>, Refused> {
        let before = round < self.round || (round == self.round && step <= self.step);
        if before {
            // A device whose clock is ahead must not hold up the next step: the earliest time that is possible counts.
            if round == self.round && step == self.step && step > 0 {
                self.sooner(scene.at);
            }
            return Ok(None);
        }
        let armed_again = matches!(self.phase, AlertPhase::Acknowledged | AlertPhase::InAction);
        let (next_round, next_step) = if armed_again { (self.round + 1, 1) } else { (self.round, self.step + 1) };
        let Some(due) = self.due else {
            return Err(if armed_again { Refused::Stopped } else { Refused::Phase });
        };
        if (round, step) != (next_round, next_step) {
            return Err(if armed_again { Refused::Stopped } else { Refused::Phase });
        }
        if scene.at < due {
            return Err(Refused::TooEarly);
        }
        self.round = round;
        self.step = step;
        self.step_at(scene.at);
        Ok(Some(()))
    }

    /// What follows from being at the present step since `at`.
    fn step_at(&mut self, at: Timestamp) {
        let index = usize::try_from(self.step.saturating_sub(1)).unwrap_or(usize::MAX);
        match self.raise.ladder.get(index) {
            Some(rung) => {
                self.phase = AlertPhase::Raised;
                self.due = Some(at.plus(rung.after));
            }
            None => {
                self.phase = AlertPhase::Exhausted;
                self.due = None;
            }
        }
    }

    fn sooner(&mut self, at: Timestamp) {
        let index = usize::try_from(self.step.saturating_sub(1)).unwrap_or(usize::MAX);
        if let (AlertPhase::Raised, Some(due), Some(rung)) = (&self.phase, self.due, self.raise.ladder.get(index)) {
            let earliest = self.at.max(self.raise.ack_by).max(at);
            self.due = Some(due.min(earliest.plus(rung.after)));
        }
    }
}

impl Alerts {
    pub(super) fn say(&mut self, scene: &Scene<'_>, says: &AlertSays) -> Result<Outcome, Refused> {
        let id = match says {
            // Danger is reported by whoever sees it, observers too.
            AlertSays::Raise(raise) => {
                let alert = Alert {
                    raise: raise.clone(),
                    by: scene.by.professional.clone(),
                    at: scene.at,
                    phase: AlertPhase::Raised,
                    acknowledgements: Vec::new(),
                    update: None,
                    round: 0,
                    step: 0,
                    due: Some(raise.ack_by.max(scene.at)),
                };
                self.begin(scene.item, alert)?;
                scene.item
            }
            AlertSays::Acknowledge { alert: id, how, next_update_by } => {
                if *how == Acknowledging::TakesAction {
                    scene.takes_part()?;
                }
                let alert = match self.change(*id) {
                    Ok(alert) => alert,
                    // Late, and harmless.
                    Err(Refused::Closed) => return Ok(Outcome::Repeats),
                    Err(reason) => return Err(reason),
                };
                if alert.acknowledge(scene, *how, *next_update_by).is_none() {
                    return Ok(Outcome::Repeats);
                }
                *id
            }
            AlertSays::Update { alert: id, text, next_update_by } => {
                scene.takes_part()?;
                let alert = self.change(*id)?;
                if !alert.is_taken_by(&scene.by.professional) && !scene.manages() {
                    return Err(Refused::NotTheirs);
                }
                if alert.waits() {
                    return Err(Refused::Phase);
                }
                alert.phase = AlertPhase::InAction;
                alert.due = Some(*next_update_by);
                alert.update = Some(Update { by: scene.by.professional.clone(), at: scene.at, text: text.clone() });
                *id
            }
            AlertSays::Resolve { alert: id, outcome } => {
                let alert = self.change(*id)?;
                alert.may_end(scene)?;
                alert.phase = AlertPhase::Resolved { by: scene.by.professional.clone(), outcome: outcome.clone() };
                alert.due = None;
                self.close(*id);
                *id
            }
            AlertSays::FalseAlarm { alert: id, reason } => {
                let alert = self.change(*id)?;
                alert.may_end(scene)?;
                alert.phase = AlertPhase::FalseAlarm { by: scene.by.professional.clone(), reason: reason.clone() };
                alert.due = None;
                self.close(*id);
                *id
            }
        };
        Ok(Outcome::Counts(vec![Thing::Alert(id)]))
    }

    /// The ladder goes to a step.
    pub(super) fn pass(&mut self, scene: &Scene<'_>, id: ItemId, round: u64, step: u64) -> Result<Outcome, Refused> {
        let alert = match self.change(id) {
            Ok(alert) => alert,
            Err(Refused::Closed) => return Err(Refused::Stopped),
            Err(reason) => return Err(reason),
        };
        Ok(match alert.pass(scene, round, step)? {
            Some(()) => Outcome::Counts(vec![Thing::Alert(id)]),
            None => Outcome::Repeats,
        })
    }

    /// People have left the case: where nobody is left who takes action, the ladder goes on at once.
    pub(super) fn without(&mut self, gone: &[ProfessionalAddress]) -> Vec<ItemId> {
        let mut changed = Vec::new();
        for (id, alert) in self.open_mut() {
            let takes = |ack: &Acknowledgement| ack.how == Acknowledging::TakesAction;
            let before = alert.acknowledgements.len();
            alert.acknowledgements.retain(|ack| !(takes(ack) && gone.contains(&ack.by)));
            if alert.acknowledgements.len() == before || alert.waits() {
                continue;
            }
            changed.push(id);
            if !alert.acknowledgements.iter().any(takes) {
                alert.phase = AlertPhase::Raised;
                alert.due = Some(alert.raise.ack_by.max(alert.at));
            }
        }
        changed
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Due> {
        self.open().filter_map(|(id, alert)| {
            let again = matches!(alert.phase, AlertPhase::Acknowledged | AlertPhase::InAction);
            let (round, step) = if again { (alert.round + 1, 1) } else { (alert.round, alert.step + 1) };
            Some(Due { deadline: Deadline::AlertStep { alert: id, round, step }, at: alert.due? })
        })
    }
}

impl Role {
    /// Whether somebody of this role changes plan and members.
    pub fn takes_part(self) -> bool {
        self != Self::Observer
    }
}

says_nothing!(AlertSays, Raise, Rung, Alert, AlertPhase, Acknowledgement, Update);
