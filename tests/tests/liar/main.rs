//! A relay that lies: it drops, delays, repeats, reorders, forks the log, shows an old end of it, hands out other
//! KeyPackages than it was asked for, puts records of its own into a log, accepts two Commits. Each is refused or
//! noticed, and the user is told in words; docs/threat-model.md has a row for each.

mod added;
mod records;
mod stuck;
mod two_commits;

use kring_client::conversation::{Event, Suspicion};
use kring_tests::simulation::scenario::Scenario;

/// What a device's user was told to be suspicious of, in words.
fn suspicions(scenario: &Scenario, device: usize) -> Vec<(Suspicion, String)> {
    let suspicion = |event: &Event| match event {
        Event::Suspicion { what, .. } => Some((*what, what.to_string())),
        _ => None,
    };
    scenario.told(device).iter().filter_map(suspicion).collect()
}

/// Whether a device's user was told this, in words that are there.
fn is_told(scenario: &Scenario, device: usize, what: Suspicion) -> bool {
    suspicions(scenario, device).iter().any(|(told, words)| *told == what && words.len() > 20)
}

/// Nobody was told to be suspicious.
fn nobody_is_alarmed(scenario: &Scenario, devices: usize) {
    for device in 0..devices {
        assert_eq!(suspicions(scenario, device), [], "device {device}\n{}", scenario.trace());
    }
}
