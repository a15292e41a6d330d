//! The state of a case: a pure function over its log. The same log gives the same state, byte for byte, on every device.
//!
//! Time is no input. An item says when it was written, and a deadline that passes is an item itself, legal only if it
//! was written after the deadline as it follows from the log; the first in the log counts. What a machine does not allow
//! stays in the log and is shown as refused, with the reason, the same everywhere. Kinds and versions that this program
//! does not know change nothing and are shown as such.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{Epoch, GroupId, Timestamp};
use serde::{Deserialize, Serialize};

use super::alert::{Alert, Alerts};
use super::deadline::{Deadline, Due};
use super::duties::{ClosingStage, Duties};
use super::handover::{Handover, Handovers, Turn};
use super::ids::ItemId;
use super::item::Body;
use super::log::{Author, Change, LogEntry, Person, Said, says_nothing};
use super::member::Role;
use super::plan::{Plan, Plans};
use super::snapshot::Dispute;
use super::statement::Statement;
use super::task::{Task, Tasks};

/// Version of the state's form and of the functions that make it: another one is made anew from the log.
pub const STATE_VERSION: u64 = 1;

/// The state of a case.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseState {
    members: Members,
    alerts: Alerts,
    plans: Plans,
    tasks: Tasks,
    handovers: Handovers,
    disputes: Vec<Dispute>,
}

/// Who is in a case.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    group: Option<GroupId>,
    epoch: Epoch,
    people: Vec<Person>,
    duties: Duties,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Whether it counts.
    pub verdict: Verdict,
    /// What of the state it changed.
    pub changed: Vec<Thing>,
}

/// Whether an item counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It counts. Chat always does.
    #[default]
    Legal,
    /// It says what is so already, and changes nothing: a second acknowledgement, a deadline that somebody else told first.
    Repeated,
    /// It is not allowed, and changes nothing.
    Refused(Refused),
    /// Its kind or version needs a newer program.
    Unknown,
}

/// Why an item does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// There is nothing under that identifier, or it has been closed for so long that it is in the log only.
    #[error("there is nothing of that kind under this identifier")]
    NoSuchThing,
    /// Something is there under that identifier.
    #[error("there is something under this identifier already")]
    AlreadyThere,
    /// It is closed.
    #[error("it is closed")]
    Closed,
    /// It does not go from its present phase to the one wanted.
    #[error("it is not in a phase that allows this")]
    Phase,
    /// The author's role does not allow it.
    #[error("the author's role in the case does not allow this")]
    Role,
    /// The author's function does not allow it.
    #[error("the author's function does not allow this")]
    Function,
    /// It is somebody else's.
    #[error("this is somebody else's to do")]
    NotTheirs,
    /// Nobody of that address is in the case.
    #[error("nobody of this address is in the case")]
    NotAMember,
    /// The deadline had not passed when the item was written.
    #[error("the deadline had not passed when this was written")]
    TooEarly,
    /// Somebody takes action: the ladder stands still.
    #[error("somebody takes action already")]
    Stopped,
    /// It is bound to other content than the one that is there.
    #[error("this is about another content than the one that stands in the case")]
    OtherContent,
    /// Only Veilig Thuis changes safety conditions.
    #[error("only Veilig Thuis changes safety conditions")]
    Conditions,
    /// A text, list or time is out of bounds.
    #[error("a text, a list or a time in it is out of bounds")]
    Bounds,
    /// There are too many open ones.
    #[error("there are too many open ones in this case")]
    TooMany,
    /// Sections of the dossier have not been opened.
    #[error("not every section of the dossier has been opened")]
    Unopened,
    /// The case is closed: nothing counts any more.
    #[error("the case is closed and read only")]
    CaseClosed,
    /// Such an item is not edited: what it began goes on by items of its own.
    #[error("an item of this kind cannot be replaced")]
    Replaced,
}

/// Something that the state consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thing {
    /// The members.
    Members,
    /// An urgent alert.
    Alert(ItemId),
    /// A version of the safety plan.
    Plan(ItemId),
    /// A task.
    Task(ItemId),
    /// A handover.
    Handover(ItemId),
    /// Who answers for the family, who holds the case, or its end.
    Duties,
    /// A snapshot was disputed.
    Dispute(ItemId),
}

/// What a machine says of one item.
pub(super) enum Outcome {
    /// It counts, and these changed.
    Counts(Vec<Thing>),
    /// It says what is so already.
    Repeats,
}

/// What a machine gets to see of an item: who wrote it, when, under which identifier, and who is in the case.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s> {
    pub(super) item: ItemId,
    pub(super) by: &'s Author,
    pub(super) at: Timestamp,
    pub(super) members: &'s Members,
}

impl Scene<'_> {
    /// The author's role; who has none is no member.
    pub(super) fn role(&self) -> Result<Role, Refused> {
        self.members.role(&self.by.professional).ok_or(Refused::Role)
    }

    /// Refuses observers: they read and speak.
    pub(super) fn takes_part(&self) -> Result<(), Refused> {
        if self.role()? == Role::Observer { Err(Refused::Role) } else { Ok(()) }
    }

    /// Whether the author coordinates the case or stands in for who does.
    pub(super) fn manages(&self) -> bool {
        matches!(self.role(), Ok(Role::Coordinator | Role::Deputy))
    }
}

impl CaseState {
    /// The state of a case of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies the next entry of the log.
    pub fn apply(&mut self, entry: &LogEntry) -> Applied {
        match entry {
            LogEntry::Changed(change) => Applied { verdict: Verdict::Legal, changed: self.change(change) },
            LogEntry::Said(said) => match self.say(said) {
                Ok(Outcome::Counts(changed)) => Applied { verdict: Verdict::Legal, changed },
                Ok(Outcome::Repeats) => Applied { verdict: Verdict::Repeated, changed: Vec::new() },
                Err(NotUsed::Refused(reason)) => Applied { verdict: Verdict::Refused(reason), changed: Vec::new() },
                Err(NotUsed::Unknown) => Applied { verdict: Verdict::Unknown, changed: Vec::new() },
            },
        }
    }

    fn change(&mut self, change: &Change) -> Vec<Thing> {
        let before = self.members.duties.clone();
        let gone = self.members.after(change);
        let mut changed = vec![Thing::Members];
        if before != change.duties {
            changed.push(Thing::Duties);
        }
        let (after, members) = (&change.duties, &self.members);
        let turn = Turn { before: &before, after, by: change.by.as_ref(), members };
        changed.extend(self.handovers.turn(&turn).into_iter().map(Thing::Handover));
        changed.extend(self.alerts.without(&gone).into_iter().map(Thing::Alert));
        changed.extend(self.tasks.without(&gone).into_iter().map(Thing::Task));
        changed
    }

    fn say(&mut self, said: &Said) -> Result<Outcome, NotUsed> {
        if self.members.duties.stage() >= Some(ClosingStage::Closed) {
            return Err(Refused::CaseClosed.into());
        }
        let statement = match &said.body {
            Body::Markdown(_) | Body::Deleted | Body::Expired => return Ok(Outcome::Counts(Vec::new())),
            Body::Unknown { .. } => return Err(NotUsed::Unknown),
            Body::Statement(statement) => statement,
        };
        if said.replaces.is_some() {
            return Err(Refused::Replaced.into());
        }
        statement.check()?;
        let scene = Scene { item: said.item, by: &said.author, at: said.sent_at, members: &self.members };
        scene.role()?;
        Ok(match &**statement {
            Statement::Alert(says) => self.alerts.say(&scene, says)?,
            Statement::Plan(says) => self.plans.say(&scene, says)?,
            Statement::Task(says) => self.tasks.say(&scene, says)?,
            Statement::Handover(says) => self.handovers.say(&scene, says, said.hash, &self.members.duties)?,
            // What it is worth, an offer says.
            Statement::Dossier(_) => Outcome::Counts(Vec::new()),
            // Comes only when the state is gone.
            Statement::Attestation(_) => return Err(Refused::Phase.into()),
            Statement::Deadline(deadline) => self.pass(&scene.by.clone(), said, deadline)?,
            Statement::Snapshot(_) => Outcome::Counts(Vec::new()),
            Statement::Dispute(says) => {
                let dispute = Dispute::new(said.author.professional.clone(), said.sent_at, says);
                if self.disputes.iter().any(|known| known.is_same(&dispute)) {
                    return Ok(Outcome::Repeats);
                }
                if self.disputes.len() >= super::snapshot::MAX_DISPUTES {
                    return Err(Refused::TooMany.into());
                }
                self.disputes.push(dispute);
                Outcome::Counts(vec![Thing::Dispute(says.snapshot)])
            }
        })
    }

    /// A deadline has passed: what it brings about.
    fn pass(&mut self, by: &Author, said: &Said, deadline: &Deadline) -> Result<Outcome, Refused> {
        let scene = Scene { item: said.item, by, at: said.sent_at, members: &self.members };
        match deadline {
            Deadline::AlertStep { alert, round, step } => self.alerts.pass(&scene, *alert, *round, *step),
            Deadline::HandoverExpires { handover } => self.handovers.pass(&scene, *handover),
            Deadline::TaskOverdue { task, due } => self.tasks.overdue(&scene, *task, *due),
            Deadline::PlanReview { plan } | Deadline::OrderEnds { plan } => {
                let (due, origin) = self.plans.pass(&scene, *plan, deadline)?;
                let Some(due) = due else { return Ok(Outcome::Repeats) };
                self.tasks.remind(&scene, origin, due)?;
                Ok(Outcome::Counts(vec![Thing::Plan(*plan), Thing::Task(said.item)]))
            }
        }
    }

    /// All deadlines that are open, with when they pass.
    pub fn deadlines(&self) -> Vec<Due> {
        let mut due: Vec<Due> = self.alerts.deadlines().chain(self.tasks.deadlines()).collect();
        due.extend(self.plans.deadlines());
        due.extend(self.handovers.deadlines());
        due
    }

    /// Who is in the case.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// An alert, open or lately closed.
    pub fn alert(&self, id: ItemId) -> Option<&Alert> {
        self.alerts.find(id)
    }

    /// The open alerts.
    pub fn open_alerts(&self) -> impl Iterator<Item = (ItemId, &Alert)> {
        self.alerts.open()
    }

    /// The alerts closed last, the latest last.
    pub fn closed_alerts(&self) -> impl Iterator<Item = (ItemId, &Alert)> {
        self.alerts.closed()
    }

    /// A version of the safety plan: any that is not closed, and those closed last.
    pub fn plan(&self, id: ItemId) -> Option<&Plan> {
        self.plans.find(id)
    }

    /// The version of the safety plan that is in force.
    pub fn active_plan(&self) -> Option<(ItemId, &Plan)> {
        self.plans.active()
    }

    /// Versions that are neither superseded nor rejected.
    pub fn open_plans(&self) -> impl Iterator<Item = (ItemId, &Plan)> {
        self.plans.open()
    }

    /// Versions superseded or rejected last, the latest last.
    pub fn closed_plans(&self) -> impl Iterator<Item = (ItemId, &Plan)> {
        self.plans.closed()
    }

    /// A task, open or lately closed.
    pub fn task(&self, id: ItemId) -> Option<&Task> {
        self.tasks.find(id)
    }

    /// The tasks that are neither verified nor cancelled.
    pub fn open_tasks(&self) -> impl Iterator<Item = (ItemId, &Task)> {
        self.tasks.open()
    }

    /// The tasks closed last, the latest last.
    pub fn closed_tasks(&self) -> impl Iterator<Item = (ItemId, &Task)> {
        self.tasks.closed()
    }

    /// A handover, open or lately ended.
    pub fn handover(&self, id: ItemId) -> Option<&Handover> {
        self.handovers.find(id)
    }

    /// The handovers that have not ended.
    pub fn open_handovers(&self) -> impl Iterator<Item = (ItemId, &Handover)> {
        self.handovers.open()
    }

    /// The handovers ended last, the latest last.
    pub fn closed_handovers(&self) -> impl Iterator<Item = (ItemId, &Handover)> {
        self.handovers.closed()
    }

    /// Who answers for the family; never nobody, once there are members.
    pub fn responsible(&self) -> Vec<&ProfessionalAddress> {
        self.members.duties.responsible(self.members.coordinator())
    }

    /// Open handovers, holds and the case's end, as the group's context has them.
    pub fn duties(&self) -> &Duties {
        &self.members.duties
    }

    /// Snapshots that members dispute: what a joiner was given is not what they have.
    pub fn disputes(&self) -> &[Dispute] {
        &self.disputes
    }

    /// Whether there is nothing that a joiner would have to be told: members are known from the group itself.
    pub fn is_bare(&self) -> bool {
        self.alerts.is_empty()
            && self.plans.is_empty()
            && self.tasks.is_empty()
            && self.handovers.is_empty()
            && self.disputes.is_empty()
    }
}

/// Why an item changes nothing.
enum NotUsed {
    Refused(Refused),
    Unknown,
}

impl From<Refused> for NotUsed {
    fn from(reason: Refused) -> Self {
        Self::Refused(reason)
    }
}

impl Members {
    /// Takes over a change; who was in the case before and is no longer.
    fn after(&mut self, change: &Change) -> Vec<ProfessionalAddress> {
        // In a successor group everybody comes back one after the other: who is not there yet is not gone.
        let same_group = self.group == Some(change.group);
        let gone = |person: &&Person| match change.people.iter().find(|now| now.professional == person.professional) {
            None => true,
            Some(now) => same_group && person.present.is_some() && now.present.is_none(),
        };
        let gone = self.people.iter().filter(gone).map(|person| person.professional.clone()).collect();
        self.group = Some(change.group);
        self.epoch = change.epoch;
        self.people.clone_from(&change.people);
        self.duties.clone_from(&change.duties);
        gone
    }

    /// Everybody with a role, rising by address.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// One of them.
    pub fn person(&self, professional: &ProfessionalAddress) -> Option<&Person> {
        self.people.iter().find(|person| person.professional == *professional)
    }

    /// A professional's role.
    pub fn role(&self, professional: &ProfessionalAddress) -> Option<Role> {
        self.person(professional).map(|person| person.role)
    }

    /// The coordinator.
    pub fn coordinator(&self) -> Option<&ProfessionalAddress> {
        self.people.iter().find(|person| person.role == Role::Coordinator).map(|person| &person.professional)
    }

    /// Whether somebody of a function has a device in the case.
    pub fn has_function(&self, function: &str) -> bool {
        self.people.iter().filter_map(|person| person.present.as_ref()).any(|present| present.function == function)
    }
}

says_nothing!(CaseState, Members);
