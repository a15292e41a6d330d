//! A share of the simulation: so many seeds as a developer waits for. `cargo xtask simulate` plays more.

use kring_tests::simulation::{Options, examine, simulate};

/// Seeds in each share: a second each in the dev profile.
const SHARE: u64 = 12;

fn hold(first: u64) {
    for seed in first..first + SHARE {
        if let Err(failure) = examine(seed, &Options::default(), true) {
            panic!(
                "seed {seed}: {}\n{}\ncargo xtask simulate --seed {seed} --trace --without {}",
                failure.violation,
                failure.plan.join("\n"),
                failure.without.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            );
        }
    }
}

#[test]
fn in_bad_weather_nothing_is_lost_doubled_or_left_waiting() {
    hold(0);
}

#[test]
fn nor_is_it_on_other_days() {
    hold(1_000);
}

#[test]
fn a_seed_replays_to_the_same_trace() {
    for seed in 2_000..2_003 {
        let options = Options { trace: true, ..Options::default() };
        let (first, second) = (simulate(seed, &options, &[]), simulate(seed, &options, &[]));
        let differs = first.trace.iter().zip(&second.trace).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.trace_hash, second.trace_hash);
        assert!(first.trace.len() > 100, "something happens");
    }
}

#[test]
fn leaving_out_a_move_leaves_the_others_as_they_are() {
    let options = Options::default();
    let (all, fewer) = (simulate(3_000, &options, &[]), simulate(3_000, &options, &[20, 30]));
    assert_eq!(fewer.plan.len() + 2, all.plan.len());
    assert!(fewer.plan.iter().all(|line| all.plan.contains(line)));
}

#[cfg(feature = "planted-faults")]
#[test]
fn a_planted_fault_is_found_and_its_seed_made_small() {
    use kring_client::planted::{Fault, plant};
    plant(Some(Fault::DropOldSubmission));
    let failure = (0..60).find_map(|seed| examine(seed, &Options::default(), true).err());
    plant(None);
    let failure = failure.expect("it is found");
    assert!(failure.replays);
    assert!(failure.plan.len() < 30, "{} moves are left", failure.plan.len());
}
