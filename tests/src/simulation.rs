//! Deterministic simulation: real client cores, the real relay's engine and rules and real MLS, in simulated time, with
//! no thread and no socket. A seed decides what people do and what befalls the network, the machines and the disks;
//! after each step and at the end it is looked whether anything was lost, doubled, changed, shown to the wrong person
//! or left waiting.
//!
//! openmls draws its own randomness, so what replays is the trace of decisions and not the ciphertext. A seed that fails
//! is shrunk: moves are left out for as long as the same rule is broken.
//!
//! `cargo xtask simulate --seeds 1000` runs many, `--seed 7 --trace` tells one.

mod checks;
mod clocks;
mod deeds;
mod device;
mod disk;
#[cfg(feature = "planted-faults")]
pub mod faults;
mod plan;
mod play;
pub mod recorded;
mod region;
mod relay;
pub mod scenario;
mod shrink;
mod world;

use aws_lc_rs::digest::{SHA256, digest};
use kring_protocol::ids::MessageHash;

pub use checks::Violation;
pub use shrink::{Failure, examine};

/// How large a simulation is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Devices, at most 16; every fifth is a professional's second one.
    pub devices: usize,
    /// Cases.
    pub cases: usize,
    /// Moves of the plan.
    pub moves: usize,
    /// Writes down what happens.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { devices: 5, cases: 2, moves: 60, trace: false }
    }
}

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The first rule that was broken.
    pub violation: Option<Violation>,
    /// Hash of the trace: two runs of one seed have the same.
    pub trace_hash: u64,
    /// The trace, if it was wanted.
    pub trace: Vec<String>,
    /// The plan, by number.
    pub plan: Vec<String>,
}

/// Plays a seed without the moves of these numbers.
///
/// # Panics
/// When the code under test does.
pub fn simulate(seed: u64, options: &Options, without: &[usize]) -> Report {
    assert!(options.devices <= region::MOST_DEVICES, "at most {} devices", region::MOST_DEVICES);
    let mut turns = plan::plan(seed, options);
    turns.retain(|turn| !without.contains(&turn.number));
    let world = play::play(seed, options, plan::Weather::of(seed), &turns);
    Report {
        violation: world.violation,
        trace_hash: world.trace.hash,
        trace: world.trace.lines.unwrap_or_default(),
        plan: turns.iter().map(|turn| format!("{:>3}  {}", turn.number, turn.what)).collect(),
    }
}

fn sha256(bytes: &[u8]) -> MessageHash {
    MessageHash(digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes"))
}
