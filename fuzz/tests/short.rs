//! A short run of every target on its corpus and on mutations of it, from a fixed seed: what a change breaks at once
//! shows here, and the long runs are `cargo run --release -p kring-fuzz`.

use std::fs;
use std::path::Path;

use kring_fuzz::{Target, mutate};
use rand::SeedableRng as _;

fn short(target: Target, runs: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.to_string());
    let files = fs::read_dir(&folder).expect("every target has a corpus");
    let corpus: Vec<Vec<u8>> =
        files.map(|file| fs::read(file.expect("it lists").path()).expect("it reads")).collect();
    assert!(!corpus.is_empty(), "{target}");
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let mut outcomes = std::collections::HashSet::new();
    for (index, input) in corpus.iter().enumerate() {
        outcomes.insert(target.run(input));
        for _ in 0..runs / corpus.len() {
            let changed = mutate::mutate(&mut random, input, &corpus[(index + 1) % corpus.len()]);
            outcomes.insert(target.run(&changed));
        }
    }
    assert!(outcomes.len() > 3, "{target} tells nothing apart: {outcomes:?}");
}

#[test]
fn frames_are_refused_or_survive_being_written_and_read() {
    short(Target::Frames, 20_000);
}

#[test]
fn the_header_parser_agrees_with_a_plain_one() {
    short(Target::MlsHeader, 50_000);
}

#[test]
fn the_engine_agrees_with_lists() {
    short(Target::GroupLog, 300);
}

#[test]
fn a_device_shows_nothing_but_what_its_case_holds() {
    short(Target::ClientCore, 100);
}
