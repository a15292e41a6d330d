//! Tasks: somebody does something by a time.
//!
//! open → accepted → done → verified; declined, overdue, cancelled. A task that nobody has accepted is nobody's; when its
//! owner leaves the case it goes back to the coordinator. Verifying is somebody else's than the owner's. Refused: what is
//! another's to do, and what the phase does not allow.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::deadline::{Deadline, Due};
use super::fold::{Outcome, Refused, Scene, Thing};
use super::ids::ItemId;
use super::log::says_nothing;
use super::shelf::Shelf;
use super::statement::{line, text, time};

/// Closed tasks that the state keeps.
const CLOSED: usize = 64;

/// What an item says about a task.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskSays {
    /// Makes one.
    Create {
        /// What has to be done, in a line.
        title: String,
        /// The details.
        #[serde(default)]
        text: String,
        /// Who is asked to do it; `None`: whoever takes it.
        #[serde(default)]
        owner: Option<ProfessionalAddress>,
        /// By when.
        #[serde(default)]
        due: Option<Timestamp>,
    },
    /// The author does it.
    Accept {
        /// Which.
        task: ItemId,
    },
    /// The author does not do it, though asked to.
    Decline {
        /// Which.
        task: ItemId,
        /// Why not.
        reason: String,
    },
    /// Somebody else is asked, or another time is set.
    Assign {
        /// Which.
        task: ItemId,
        /// Who is asked to do it; `None`: whoever takes it.
        #[serde(default)]
        owner: Option<ProfessionalAddress>,
        /// By when.
        #[serde(default)]
        due: Option<Timestamp>,
    },
    /// It is done.
    Done {
        /// Which.
        task: ItemId,
        /// What came of it.
        #[serde(default)]
        result: String,
    },
    /// It is done indeed.
    Verify {
        /// Which.
        task: ItemId,
    },
    /// It is not done yet.
    Reopen {
        /// Which.
        task: ItemId,
        /// What is missing.
        reason: String,
    },
    /// It need not be done.
    Cancel {
        /// Which.
        task: ItemId,
        /// Why not.
        reason: String,
    },
}

/// A task.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What has to be done, in a line; empty if `origin` says it.
    pub title: String,
    /// The details.
    pub text: String,
    /// How it came about.
    pub origin: Origin,
    /// When it was made.
    pub at: Timestamp,
    /// Who does it, or is asked to.
    pub owner: Option<ProfessionalAddress>,
    /// By when.
    pub due: Option<Timestamp>,
    /// Where it stands.
    pub phase: TaskPhase,
    /// It was not done in time; everybody who manages the case sees it.
    pub overdue: bool,
    /// Its owner left the case, and the coordinator has not given it to somebody yet.
    pub returned: bool,
}

/// How a task came about.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Somebody made it.
    Person {
        /// Who.
        by: ProfessionalAddress,
    },
    /// A plan's review date passed.
    PlanReview {
        /// The plan's version.
        plan: ItemId,
    },
    /// A restraining order ends soon.
    OrderEnds {
        /// The plan's version that names it.
        plan: ItemId,
    },
}

/// Where a task stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskPhase {
    /// Nobody has accepted it.
    Open,
    /// Who was asked does not do it.
    Declined {
        /// Who.
        by: ProfessionalAddress,
        /// Why not.
        reason: String,
    },
    /// Its owner does it.
    Accepted,
    /// Its owner says that it is done.
    Done {
        /// What came of it.
        result: String,
    },
    /// Somebody else has seen that it is done.
    Verified {
        /// Who.
        by: ProfessionalAddress,
    },
    /// It need not be done.
    Cancelled {
        /// Who said so.
        by: ProfessionalAddress,
        /// Why not.
        reason: String,
    },
}

/// All tasks of a case.
pub(super) type Tasks = Shelf<Task, CLOSED>;

impl TaskSays {
    pub(super) fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Create { title, text: details, due, .. } => {
                line(title)?;
                text(details)?;
                due.map_or(Ok(()), time)
            }
            Self::Assign { due, .. } => due.map_or(Ok(()), time),
            Self::Accept { .. } | Self::Verify { .. } => Ok(()),
            Self::Decline { reason: said, .. }
            | Self::Done { result: said, .. }
            | Self::Reopen { reason: said, .. }
            | Self::Cancel { reason: said, .. } => text(said),
        }
    }

    fn task(&self) -> Option<ItemId> {
        match self {
            Self::Create { .. } => None,
            Self::Accept { task }
            | Self::Decline { task, .. }
            | Self::Assign { task, .. }
            | Self::Done { task, .. }
            | Self::Verify { task }
            | Self::Reopen { task, .. }
            | Self::Cancel { task, .. } => Some(*task),
        }
    }
}

impl Task {
    /// Whether it still has to be done.
    pub fn is_pending(&self) -> bool {
        matches!(self.phase, TaskPhase::Open | TaskPhase::Declined { .. } | TaskPhase::Accepted)
    }

    /// Whether somebody made it.
    pub fn is_made_by(&self, who: &ProfessionalAddress) -> bool {
        matches!(&self.origin, Origin::Person { by } if by == who)
    }

    /// Whether the author of an item made it or manages the case.
    fn may_steer(&self, scene: &Scene<'_>) -> Result<(), Refused> {
        if self.is_made_by(&scene.by.professional) || scene.manages() { Ok(()) } else { Err(Refused::NotTheirs) }
    }

    fn say(&mut self, scene: &Scene<'_>, says: &TaskSays) -> Result<Option<()>, Refused> {
        let who = &scene.by.professional;
        let owns = self.owner.as_ref() == Some(who);
        match says {
            TaskSays::Create { .. } => return Err(Refused::AlreadyThere),
            TaskSays::Accept { .. } => match self.phase {
                TaskPhase::Accepted if owns => return Ok(None),
                TaskPhase::Open | TaskPhase::Declined { .. } => {
                    if !owns && self.owner.is_some() {
                        return Err(Refused::NotTheirs);
                    }
                    self.owner = Some(who.clone());
                    self.phase = TaskPhase::Accepted;
                    self.returned = false;
                }
                _ => return Err(Refused::Phase),
            },
            TaskSays::Decline { reason, .. } => {
                if !owns {
                    return Err(Refused::NotTheirs);
                }
                if !matches!(self.phase, TaskPhase::Open | TaskPhase::Accepted) {
                    return Err(Refused::Phase);
                }
                self.owner = None;
                self.phase = TaskPhase::Declined { by: who.clone(), reason: reason.clone() };
            }
            TaskSays::Assign { owner, due, .. } => {
                self.may_steer(scene)?;
                if !self.is_pending() {
                    return Err(Refused::Phase);
                }
                if let Some(owner) = owner {
                    able(scene, owner)?;
                }
                if self.owner != *owner {
                    self.phase = TaskPhase::Open;
                }
                self.owner.clone_from(owner);
                if self.due != *due {
                    self.due = *due;
                    self.overdue = false;
                }
                self.returned = false;
            }
            TaskSays::Done { result, .. } => {
                if !owns {
                    return Err(Refused::NotTheirs);
                }
                match self.phase {
                    TaskPhase::Done { .. } => return Ok(None),
                    TaskPhase::Accepted => self.phase = TaskPhase::Done { result: result.clone() },
                    _ => return Err(Refused::Phase),
                }
            }
            TaskSays::Verify { .. } => {
                if owns {
                    return Err(Refused::NotTheirs);
                }
                if !matches!(self.phase, TaskPhase::Done { .. }) {
                    return Err(Refused::Phase);
                }
                self.phase = TaskPhase::Verified { by: who.clone() };
            }
            TaskSays::Reopen { .. } => {
                if !matches!(self.phase, TaskPhase::Done { .. }) {
                    return Err(Refused::Phase);
                }
                self.phase = if self.owner.is_some() { TaskPhase::Accepted } else { TaskPhase::Open };
            }
            TaskSays::Cancel { reason, .. } => {
                self.may_steer(scene)?;
                self.phase = TaskPhase::Cancelled { by: who.clone(), reason: reason.clone() };
            }
        }
        Ok(Some(()))
    }
}

/// Whether a task can be given to somebody: they are in the case, and not only to read.
fn able(scene: &Scene<'_>, owner: &ProfessionalAddress) -> Result<(), Refused> {
    match scene.members.role(owner) {
        None => Err(Refused::NotAMember),
        Some(role) if role.takes_part() => Ok(()),
        Some(_) => Err(Refused::Role),
    }
}

impl Tasks {
    pub(super) fn say(&mut self, scene: &Scene<'_>, says: &TaskSays) -> Result<Outcome, Refused> {
        scene.takes_part()?;
        let id = match says {
            TaskSays::Create { title, text, owner, due } => {
                if let Some(owner) = owner {
                    able(scene, owner)?;
                }
                let origin = Origin::Person { by: scene.by.professional.clone() };
                let task = Task {
                    title: title.clone(),
                    text: text.clone(),
                    origin,
                    at: scene.at,
                    owner: owner.clone(),
                    due: *due,
                    phase: TaskPhase::Open,
                    overdue: false,
                    returned: false,
                };
                self.begin(scene.item, task)?;
                scene.item
            }
            _ => {
                let id = says.task().ok_or(Refused::NoSuchThing)?;
                let task = self.change(id)?;
                if task.say(scene, says)?.is_none() {
                    return Ok(Outcome::Repeats);
                }
                if matches!(task.phase, TaskPhase::Verified { .. } | TaskPhase::Cancelled { .. }) {
                    self.close(id);
                }
                id
            }
        };
        Ok(Outcome::Counts(vec![Thing::Task(id)]))
    }

    /// A task that follows from a deadline of the plan: the coordinator's.
    pub(super) fn remind(&mut self, scene: &Scene<'_>, origin: Origin, due: Timestamp) -> Result<(), Refused> {
        let task = Task {
            title: String::new(),
            text: String::new(),
            origin,
            at: scene.at,
            owner: scene.members.coordinator().cloned(),
            due: Some(due),
            phase: TaskPhase::Open,
            overdue: false,
            returned: false,
        };
        self.begin(scene.item, task)
    }

    /// A task was not done in time.
    pub(super) fn overdue(&mut self, scene: &Scene<'_>, id: ItemId, due: Timestamp) -> Result<Outcome, Refused> {
        let task = self.change(id)?;
        if task.overdue && task.due == Some(due) {
            return Ok(Outcome::Repeats);
        }
        if !task.is_pending() || task.due != Some(due) {
            return Err(Refused::Phase);
        }
        if scene.at < due {
            return Err(Refused::TooEarly);
        }
        task.overdue = true;
        Ok(Outcome::Counts(vec![Thing::Task(id)]))
    }

    /// People have left the case: what was theirs to do is the coordinator's to give to somebody.
    pub(super) fn without(&mut self, gone: &[ProfessionalAddress]) -> Vec<ItemId> {
        let mut changed = Vec::new();
        for (id, task) in self.open_mut() {
            let left = task.owner.as_ref().is_some_and(|owner| gone.contains(owner));
            if left && task.is_pending() {
                task.owner = None;
                task.phase = TaskPhase::Open;
                task.returned = true;
                changed.push(id);
            }
        }
        changed
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Due> {
        self.open().filter(|(_, task)| task.is_pending() && !task.overdue).filter_map(|(id, task)| {
            let due = task.due?;
            Some(Due { deadline: Deadline::TaskOverdue { task: id, due }, at: due })
        })
    }
}

says_nothing!(TaskSays, Task, Origin, TaskPhase);
