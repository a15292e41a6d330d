//! Runs the fuzz targets on the stable toolchain: mutates the corpus, keeps what makes something new happen, stops at the
//! first input for which something does not hold and leaves it in a file. How long it runs counts in time of the processor,
//! so that a minute beside other work is as much as one alone.
//!
//! ```text
//! cargo run --release -p kring-fuzz                        all targets, a minute each
//! cargo run --release -p kring-fuzz -- frames --seconds 3600
//! cargo run --release -p kring-fuzz -- --together --seconds 60
//! cargo run --release -p kring-fuzz -- frames --input FILE that input alone
//! ```

use std::collections::HashSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use kring_fuzz::{Target, mutate};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rustix::time::{ClockId, clock_gettime};

/// Inputs that are kept at most.
const KEPT: usize = 20_000;
/// Longest input that is printed too: some lines of a log.
const SHOWN: usize = 1 << 10;
/// Runs between two looks at the clock.
const STRETCH: usize = 64;

/// Fuzzes Kring.
#[derive(Debug, Parser)]
struct Arguments {
    /// Targets; all without any.
    #[arg(value_enum)]
    targets: Vec<Target>,
    /// Seconds of the processor for each.
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

/// How long this thread has been on a processor.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Says whether everything held.
fn fuzz(target: Target, time: Duration, seed: u64) -> bool {
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut inputs = corpus(target);
    let mut seen = HashSet::new();
    let (begun, given) = (worked(), inputs.len());
    let mut runs = 0u64;
    while worked() - begun < time {
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
                    if input.len() <= SHOWN {
                        println!("in hexadecimal, to be had where the file is gone: {}", hexadecimal(&input));
                    }
                    return false;
                }
            }
        }
    }
    let seconds = (worked() - begun).as_secs_f64();
    println!("{target}: {runs} runs in {seconds:.0} s, {} different outcomes, all held (seed {seed})", seen.len());
    runs > 0
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The inputs that come with the repository.
fn corpus(target: Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.to_string());
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    files.sort();
    files.iter().filter_map(|file| fs::read(file).ok()).collect()
}
