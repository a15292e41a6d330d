//! Runs the fuzz targets on the stable toolchain: mutates the corpus, keeps what makes something new happen, stops at the
//! first input for which something does not hold and leaves it in a file.
//!
//! ```text
//! cargo run --release -p kring-fuzz                        all targets, a minute each
//! cargo run --release -p kring-fuzz -- frames --seconds 3600
//! cargo run --release -p kring-fuzz -- --together --seconds 120
//! cargo run --release -p kring-fuzz -- frames --input FILE that input alone
//! ```

use std::collections::HashSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use kring_fuzz::{Target, mutate};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// Inputs that are kept at most.
const KEPT: usize = 20_000;
/// Runs between two looks at the clock.
const STRETCH: usize = 64;

/// Fuzzes Kring.
#[derive(Debug, Parser)]
struct Arguments {
    /// Targets; all without any.
    #[arg(value_enum)]
    targets: Vec<Target>,
    /// Seconds for each.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where randomness begins; random without it.
    #[arg(long)]
    seed: Option<u64>,
    /// All targets at the same time, each on a thread of its own.
    #[arg(long, conflicts_with = "input")]
    together: bool,
    /// Run this input alone.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let targets = if arguments.targets.is_empty() { Target::ALL.to_vec() } else { arguments.targets };
    let seed = arguments.seed.unwrap_or_else(|| rand::rng().random());
    let time = Duration::from_secs(arguments.seconds);
    if arguments.together {
        let all_hold = thread::scope(|scope| {
            let begun: Vec<_> = targets.iter().map(|target| scope.spawn(move || fuzz(*target, time, seed))).collect();
            begun.into_iter().all(|target| target.join().unwrap_or(false))
        });
        return if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    for target in targets {
        if let Some(file) = &arguments.input {
            match fs::read(file) {
                Ok(input) => println!("{target}: {}", target.run(&input)),
                Err(error) => {
                    eprintln!("{} cannot be read: {error}", file.display());
                    return ExitCode::FAILURE;
                }
            }
        } else if !fuzz(target, time, seed) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Says whether everything held.
#[expect(clippy::disallowed_methods, reason = "it runs for a time")]
fn fuzz(target: Target, time: Duration, seed: u64) -> bool {
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut inputs = corpus(target);
    let mut seen = HashSet::new();
    let (begun, given) = (Instant::now(), inputs.len());
    let mut runs = 0u64;
    while begun.elapsed() < time {
        for _ in 0..STRETCH {
            // What was given is run as it is first.
            let input = match inputs.get(usize::try_from(runs).unwrap_or(usize::MAX)).filter(|_| runs < given as u64)
            {
                Some(input) => input.clone(),
                None => {
                    let none = Vec::new();
                    let chosen = inputs.choose(&mut random).unwrap_or(&none);
                    let other = inputs.choose(&mut random).unwrap_or(&none);
                    mutate::mutate(&mut random, chosen, other)
                }
            };
            runs += 1;
            match catch_unwind(|| target.run(&input)) {
                Ok(happened) => {
                    if seen.insert(happened) && inputs.len() < KEPT {
                        inputs.push(input);
                    }
                }
                Err(_) => {
                    let file = format!("{target}-{seed}-{runs}.input");
                    let kept = fs::write(&file, &input).map_or_else(|error| error.to_string(), |()| file.clone());
                    println!("{target}: something does not hold after {runs} runs (seed {seed}); the input: {kept}");
                    return false;
                }
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{target}: {runs} runs in {seconds:.0} s, {} different outcomes, all held (seed {seed})", seen.len());
    runs > 0
}

/// The inputs that come with the repository.
fn corpus(target: Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.to_string());
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    files.sort();
    files.iter().filter_map(|file| fs::read(file).ok()).collect()
}
