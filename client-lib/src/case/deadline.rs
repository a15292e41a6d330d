//! Deadlines. One that passes becomes an item that names it, so that the state needs no clock: any member's device sends
//! it, and the first in the log counts.
//!
//! A device waits its rank × [`RANK_DELAY`] after the deadline, so that usually one sends it; a device whose clock is
//! further than [`CLOCK_TOLERANCE`] from the relay's sends none. Members can lie about time, but not anonymously.

use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::fold::CaseState;
use super::ids::ItemId;

/// How long each device gives the one of the rank before it: a round trip, a group commit and a decryption many times over.
pub const RANK_DELAY: u64 = 3 * Timestamp::SECOND;

/// How far a device's clock may be from the relay's when it says that a deadline has passed.
pub const CLOCK_TOLERANCE: u64 = 60 * Timestamp::SECOND;

/// A deadline, by what it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deadline {
    /// Nobody took action: an alert's ladder goes one step up.
    AlertStep {
        /// The alert.
        alert: ItemId,
        /// How often the ladder was armed before.
        round: u64,
        /// The step that begins, from 1; the one after the last is that the ladder is exhausted.
        step: u64,
    },
    /// Not every receiver of a handover is ready in time.
    HandoverExpires {
        /// The handover.
        handover: ItemId,
    },
    /// A task is not done in time.
    TaskOverdue {
        /// The task.
        task: ItemId,
        /// When it was due.
        due: Timestamp,
    },
    /// The active plan has to be looked at again.
    PlanReview {
        /// The plan's version.
        plan: ItemId,
    },
    /// The restraining order that the active plan names ends soon.
    OrderEnds {
        /// The plan's version.
        plan: ItemId,
    },
}

/// An open deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub deadline: Deadline,
    /// From when on an item may say that it has passed.
    pub at: Timestamp,
}

/// The deadlines that a device of a rank (0: the first) sends now.
pub fn due(state: &CaseState, rank: u64, now: Timestamp) -> Vec<Deadline> {
    let passed = |due: &Due| turn(due, rank) <= now;
    state.deadlines().into_iter().filter(passed).map(|due| due.deadline).collect()
}

/// When a device of a rank has something to send next.
pub fn next_due(state: &CaseState, rank: u64) -> Option<Timestamp> {
    state.deadlines().iter().map(|due| turn(due, rank)).min()
}

fn turn(due: &Due, rank: u64) -> Timestamp {
    due.at.plus(rank.saturating_mul(RANK_DELAY))
}
