//! The safety plan (veiligheidsplan): versions that are drafted, proposed, approved by each required function, and then in
//! force until another one is.
//!
//! draft → proposed → approved → active → superseded | rejected. Approval binds to the version's hash. Exactly one version
//! is active: a version replaces it only if it was written on top of it (`parents`), so that versions drafted side by side
//! stay beside each other until somebody merges them on purpose. Only the Veilig Thuis function changes conditions: a
//! draft of somebody else has the conditions of one of its parents, and a version whose conditions differ from the active
//! one's needs their approval. A review date that passes becomes a task, and so does a restraining order that ends soon.

mod content;
mod diff;
mod markdown;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

pub use content::{Agreement, Phase, PlanContent};
pub use diff::{Difference, Section};
pub use markdown::Words;

use super::deadline::{Deadline, Due};
use super::fold::{Outcome, Refused, Scene, Thing};
use super::hash::ContentHash;
use super::ids::ItemId;
use super::log::says_nothing;
use super::shelf::Shelf;
use super::statement::{MAX_LIST, function, list, text};
use super::task::Origin;

/// The function that alone changes conditions.
pub const VEILIG_THUIS: &str = "veilig-thuis";
/// Superseded and rejected versions that the state keeps.
const CLOSED: usize = 16;
/// How long a missed review may take before it is an escalation: a week, in which people meet.
const REVIEW_GRACE: u64 = 7 * Timestamp::DAY;
/// How long before its end a restraining order becomes a task: extending one takes the mayor a working day or two.
const ORDER_NOTICE: u64 = 2 * Timestamp::DAY;

/// What an item says about the safety plan.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanSays {
    /// Writes a version.
    Draft {
        /// The versions on top of which it is written: none for the first, two or more for a merge.
        #[serde(default)]
        parents: Vec<ItemId>,
        /// What it says.
        plan: PlanContent,
    },
    /// Asks for approval of a version.
    Propose {
        /// Which.
        plan: ItemId,
        /// Of this content.
        hash: ContentHash,
        /// The functions whose approval it needs, by code.
        functions: Vec<String>,
    },
    /// Approves a version in the name of the author's function.
    Approve {
        /// Which.
        plan: ItemId,
        /// Of this content.
        hash: ContentHash,
    },
    /// Rejects a version; its author withdraws it with this.
    Reject {
        /// Which.
        plan: ItemId,
        /// Of this content.
        hash: ContentHash,
        /// Why.
        reason: String,
    },
}

/// A version of the plan.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its number: one more than its highest parent's.
    pub version: u64,
    /// The versions on top of which it was written.
    pub parents: Vec<ItemId>,
    /// What it says.
    pub content: PlanContent,
    /// The hash of what it says.
    pub hash: ContentHash,
    /// Who wrote it.
    pub by: ProfessionalAddress,
    /// Their function.
    pub function: String,
    /// When.
    pub at: Timestamp,
    /// Where it stands.
    pub phase: PlanPhase,
    /// The functions whose approval it needs.
    pub required: Vec<String>,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// Its review date has passed.
    pub review_passed: bool,
    /// The restraining order that it names ends soon or has ended.
    pub order_passed: bool,
}

/// Where a version stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanPhase {
    /// Written.
    Draft,
    /// Approval is asked for.
    Proposed,
    /// Approved, but beside the active version, not on top of it: somebody has to merge them.
    Approved,
    /// In force.
    Active,
    /// Another version is in force that was written on top of it.
    Superseded,
    /// Rejected or withdrawn.
    Rejected {
        /// By whom.
        by: ProfessionalAddress,
        /// Why.
        reason: String,
    },
}

/// An approval.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// By whom.
    pub by: ProfessionalAddress,
    /// In the name of which function.
    pub function: String,
    /// When.
    pub at: Timestamp,
}

/// All versions of a case's plan.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plans {
    versions: Shelf<Plan, CLOSED>,
    active: Option<ItemId>,
}

impl PlanSays {
    pub(super) fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Draft { parents, plan } => {
                list(parents)?;
                plan.check()
            }
            Self::Propose { functions, .. } => {
                list(functions)?;
                functions.iter().try_for_each(|code| function(code))?;
                if functions.is_empty() { Err(Refused::Bounds) } else { Ok(()) }
            }
            Self::Approve { .. } => Ok(()),
            Self::Reject { reason, .. } => text(reason),
        }
    }
}

impl Plan {
    fn is(&self, hash: &ContentHash) -> Result<(), Refused> {
        if self.hash == *hash { Ok(()) } else { Err(Refused::OtherContent) }
    }

    /// Whether a function has approved it.
    pub fn is_approved_by(&self, function: &str) -> bool {
        self.approvals.iter().any(|approval| approval.function == function)
    }

    /// The functions whose approval is missing.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.required.iter().map(String::as_str).filter(|function| !self.is_approved_by(function))
    }
}

impl Plans {
    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    pub(super) fn find(&self, id: ItemId) -> Option<&Plan> {
        self.versions.find(id)
    }

    pub(super) fn active(&self) -> Option<(ItemId, &Plan)> {
        let id = self.active?;
        Some((id, self.versions.find(id)?))
    }

    pub(super) fn open(&self) -> impl Iterator<Item = (ItemId, &Plan)> {
        self.versions.open()
    }

    pub(super) fn closed(&self) -> impl Iterator<Item = (ItemId, &Plan)> {
        self.versions.closed()
    }

    pub(super) fn say(&mut self, scene: &Scene<'_>, says: &PlanSays) -> Result<Outcome, Refused> {
        scene.takes_part()?;
        let id = match says {
            PlanSays::Draft { parents, plan } => {
                self.draft(scene, parents, plan)?;
                scene.item
            }
            PlanSays::Propose { plan: id, hash, functions } => {
                let plan = self.versions.change(*id)?;
                plan.is(hash)?;
                if plan.by != scene.by.professional && !scene.manages() {
                    return Err(Refused::NotTheirs);
                }
                match plan.phase {
                    PlanPhase::Draft => {}
                    PlanPhase::Proposed if plan.required == *functions => return Ok(Outcome::Repeats),
                    _ => return Err(Refused::Phase),
                }
                plan.phase = PlanPhase::Proposed;
                plan.required.clone_from(functions);
                self.require_for_conditions(*id);
                *id
            }
            PlanSays::Approve { plan: id, hash } => {
                let plan = self.versions.change(*id)?;
                plan.is(hash)?;
                if plan.is_approved_by(&scene.by.function) {
                    return Ok(Outcome::Repeats);
                }
                if !matches!(plan.phase, PlanPhase::Proposed) {
                    return Err(Refused::Phase);
                }
                if !plan.required.contains(&scene.by.function) {
                    return Err(Refused::Function);
                }
                plan.approvals.push(Approval {
                    by: scene.by.professional.clone(),
                    function: scene.by.function.clone(),
                    at: scene.at,
                });
                return Ok(Outcome::Counts(self.after_approval(*id)));
            }
            PlanSays::Reject { plan: id, hash, reason } => {
                let plan = self.versions.change(*id)?;
                plan.is(hash)?;
                let required = plan.required.contains(&scene.by.function);
                if plan.by != scene.by.professional && !required && !scene.manages() {
                    return Err(Refused::NotTheirs);
                }
                // What is in force ends by another version, never by leaving the family without a plan.
                if matches!(plan.phase, PlanPhase::Active) {
                    return Err(Refused::Phase);
                }
                plan.phase = PlanPhase::Rejected { by: scene.by.professional.clone(), reason: reason.clone() };
                self.versions.close(*id);
                *id
            }
        };
        Ok(Outcome::Counts(vec![Thing::Plan(id)]))
    }

    fn draft(&mut self, scene: &Scene<'_>, parents: &[ItemId], content: &PlanContent) -> Result<(), Refused> {
        let mut known = Vec::with_capacity(parents.len());
        for parent in parents {
            known.push(self.versions.find(*parent).ok_or(Refused::NoSuchThing)?);
        }
        let same = |plan: &&Plan| plan.content.conditions == content.conditions;
        let from_parent = if known.is_empty() { content.conditions.is_empty() } else { known.iter().any(same) };
        if scene.by.function != VEILIG_THUIS && !from_parent {
            return Err(Refused::Conditions);
        }
        let version = known.iter().map(|plan| plan.version).max().unwrap_or(0) + 1;
        let plan = Plan {
            version,
            parents: parents.to_vec(),
            content: content.clone(),
            hash: content.hash(),
            by: scene.by.professional.clone(),
            function: scene.by.function.clone(),
            at: scene.at,
            phase: PlanPhase::Draft,
            required: Vec::new(),
            approvals: Vec::new(),
            review_passed: false,
            order_passed: false,
        };
        self.versions.begin(scene.item, plan)
    }

    /// A version whose conditions are not those in force needs the approval of who alone changes them.
    fn require_for_conditions(&mut self, id: ItemId) {
        let in_force = self.active().map(|(_, plan)| plan.content.conditions.clone()).unwrap_or_default();
        let Ok(plan) = self.versions.change(id) else { return };
        let named = plan.required.iter().any(|function| function == VEILIG_THUIS);
        if plan.content.conditions != in_force && !named && plan.required.len() <= MAX_LIST {
            plan.required.push(VEILIG_THUIS.to_owned());
        }
    }

    /// What follows when all who have to have approved: in force, or beside what is.
    fn after_approval(&mut self, id: ItemId) -> Vec<Thing> {
        // Another version may have come into force since this one was proposed.
        self.require_for_conditions(id);
        let mut changed = vec![Thing::Plan(id)];
        let active = self.active;
        let Ok(plan) = self.versions.change(id) else { return changed };
        if plan.missing().next().is_some() {
            return changed;
        }
        plan.phase = PlanPhase::Approved;
        let below = self.below(id);
        if active.is_some_and(|active| !below.contains(&active)) {
            return changed;
        }
        if let Ok(plan) = self.versions.change(id) {
            plan.phase = PlanPhase::Active;
        }
        self.active = Some(id);
        for parent in below {
            if let Ok(before) = self.versions.change(parent) {
                before.phase = PlanPhase::Superseded;
                self.versions.close(parent);
                changed.push(Thing::Plan(parent));
            }
        }
        changed
    }

    /// The versions on top of which a version was written, and theirs, as far as they are known.
    fn below(&self, id: ItemId) -> Vec<ItemId> {
        let mut found: Vec<ItemId> = Vec::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            let parents = self.versions.find(id).map_or(&[][..], |plan| &plan.parents);
            for parent in parents {
                if !found.contains(parent) {
                    found.push(*parent);
                    next.push(*parent);
                }
            }
        }
        found
    }

    /// A date of the active plan has passed: the task that follows, and by when. `None`: it was told before.
    pub(super) fn pass(
        &mut self,
        scene: &Scene<'_>,
        id: ItemId,
        deadline: &Deadline,
    ) -> Result<(Option<Timestamp>, Origin), Refused> {
        let plan = match self.versions.change(id) {
            Ok(plan) if matches!(plan.phase, PlanPhase::Active) => plan,
            Ok(_) | Err(Refused::Closed) => return Err(Refused::Phase),
            Err(reason) => return Err(reason),
        };
        let (due, passed, origin) = match deadline {
            Deadline::PlanReview { .. } => {
                (Some(plan.content.review), &mut plan.review_passed, Origin::PlanReview { plan: id })
            }
            Deadline::OrderEnds { .. } => {
                (plan.content.order_notice(), &mut plan.order_passed, Origin::OrderEnds { plan: id })
            }
            Deadline::AlertStep { .. } | Deadline::TaskOverdue { .. } | Deadline::HandoverExpires { .. } => {
                return Err(Refused::NoSuchThing);
            }
        };
        let due = due.ok_or(Refused::NoSuchThing)?;
        if *passed {
            return Ok((None, origin));
        }
        if scene.at < due {
            return Err(Refused::TooEarly);
        }
        *passed = true;
        let until = match deadline {
            Deadline::OrderEnds { .. } => due.plus(ORDER_NOTICE),
            _ => due.plus(REVIEW_GRACE),
        };
        Ok((Some(until), origin))
    }

    pub(super) fn deadlines(&self) -> Vec<Due> {
        let Some((id, plan)) = self.active() else { return Vec::new() };
        let mut due = Vec::new();
        if !plan.review_passed {
            due.push(Due { deadline: Deadline::PlanReview { plan: id }, at: plan.content.review });
        }
        if let (false, Some(at)) = (plan.order_passed, plan.content.order_notice()) {
            due.push(Due { deadline: Deadline::OrderEnds { plan: id }, at });
        }
        due
    }
}

impl PlanContent {
    /// When an ending restraining order becomes a task.
    pub fn order_notice(&self) -> Option<Timestamp> {
        self.order_ends.map(|end| Timestamp(end.0.saturating_sub(ORDER_NOTICE)))
    }
}

says_nothing!(PlanSays, Plan, PlanPhase, Approval);
