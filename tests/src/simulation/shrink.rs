//! Makes a failing seed small: leaves out moves, first many at once and then one by one, for as long as the same rule is
//! broken.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Options, Report, Violation, simulate};

/// Most runs that are spent on it.
const MOST_RUNS: usize = 250;

/// A failing seed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What it broke.
    pub violation: Violation,
    /// Moves that it does not need for that.
    pub without: Vec<usize>,
    /// The moves that it needs.
    pub plan: Vec<String>,
    /// Played again it came to the same, step by step.
    pub replays: bool,
}

/// Plays a seed; if it fails, plays it again and makes it small.
pub fn examine(seed: u64, options: &Options, shrink: bool) -> Result<Report, Failure> {
    let first = guarded(seed, options, &[]);
    let Some(violation) = first.violation.clone() else { return Ok(first) };
    let replays = guarded(seed, options, &[]).trace_hash == first.trace_hash;
    let mut without = Vec::new();
    if shrink {
        without = smaller(seed, options, violation.rule);
    }
    let last = guarded(seed, options, &without);
    Err(Failure { seed, violation: last.violation.unwrap_or(violation), without, plan: last.plan, replays })
}

fn smaller(seed: u64, options: &Options, rule: &str) -> Vec<usize> {
    let mut left: Vec<usize> = (0..options.moves).collect();
    let mut without: Vec<usize> = Vec::new();
    let mut size = left.len() / 2;
    let mut runs = 0;
    while size > 0 {
        let mut progress = false;
        // From the end: what comes after the fault is never needed.
        let mut end = left.len();
        while end > 0 && runs < MOST_RUNS {
            let begin = end.saturating_sub(size);
            let attempt: Vec<usize> = without.iter().chain(&left[begin..end]).copied().collect();
            runs += 1;
            if guarded(seed, options, &attempt).violation.is_some_and(|seen| seen.rule == rule) {
                without = attempt;
                left.drain(begin..end);
                progress = true;
            }
            end = begin;
        }
        if !progress || size > 1 {
            size /= 2;
        }
    }
    without.sort_unstable();
    without
}

/// Plays a seed; a panic is a violation, too.
fn guarded(seed: u64, options: &Options, without: &[usize]) -> Report {
    let played = catch_unwind(AssertUnwindSafe(|| simulate(seed, options, without)));
    played.unwrap_or_else(|_| Report {
        violation: Some(Violation::new("nothing panics", "a panic; its message is above")),
        trace_hash: 0,
        trace: Vec::new(),
        plan: Vec::new(),
    })
}
