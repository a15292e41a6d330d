//! Simulates seeds and tells which of them fail, and how.

use std::process::ExitCode;

use clap::Parser;
use kring_tests::clock;
use kring_tests::simulation::{Options, examine, simulate};

/// Simulates cases in bad weather and looks whether anything is lost, doubled, changed or left waiting.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed; alone: only this one.
    #[arg(long)]
    seed: Option<u64>,
    /// Devices, at most 16.
    #[arg(long, default_value_t = 5)]
    devices: usize,
    /// Cases.
    #[arg(long, default_value_t = 2)]
    cases: usize,
    /// Moves in a plan.
    #[arg(long, default_value_t = 60)]
    moves: usize,
    /// Leaves out these moves of the plan.
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// Tells everything that happens in the one seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Does not make failing seeds small.
    #[arg(long)]
    no_shrink: bool,
    /// Stops at so many failing seeds.
    #[arg(long, default_value_t = 5)]
    most_failures: usize,
    /// Plants faults, one after the other, and tells which seed finds each; all of them within `--seeds`.
    #[cfg(feature = "planted-faults")]
    #[arg(long)]
    faults: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options {
        devices: arguments.devices,
        cases: arguments.cases,
        moves: arguments.moves,
        trace: arguments.trace,
    };
    #[cfg(feature = "planted-faults")]
    if arguments.faults {
        return faults(&arguments, &options);
    }
    if let (Some(seed), true) = (arguments.seed, arguments.trace || !arguments.without.is_empty()) {
        let report = simulate(seed, &options, &arguments.without);
        for line in report.plan.iter().chain(&report.trace) {
            println!("{line}");
        }
        println!("trace {:016x}", report.trace_hash);
        return match report.violation {
            None => ExitCode::SUCCESS,
            Some(violation) => {
                println!("seed {seed}: {violation}");
                ExitCode::FAILURE
            }
        };
    }
    let first = arguments.seed.unwrap_or(0);
    let count = if arguments.seed.is_some() && arguments.seeds == 200 { 1 } else { arguments.seeds };
    let begun = clock::now();
    let (mut done, mut failures) = (0, 0);
    for seed in first..first.saturating_add(count) {
        done += 1;
        if let Err(failure) = examine(seed, &options, !arguments.no_shrink) {
            failures += 1;
            println!("seed {seed}: {}", failure.violation);
            println!("  replays to the same trace: {}", if failure.replays { "yes" } else { "NO" });
            for line in &failure.plan {
                println!("  {line}");
            }
            let without: Vec<_> = failure.without.iter().map(ToString::to_string).collect();
            println!("  cargo xtask simulate --seed {seed} --trace --without {}", without.join(","));
            if failures >= arguments.most_failures {
                break;
            }
        }
    }
    let taken = clock::now().since(begun).max(1);
    let speed = done as f64 * 60_000.0 / taken as f64;
    println!("{done} seeds, {failures} failed; {speed:.0} seeds a minute");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plants one fault after the other.
#[cfg(feature = "planted-faults")]
fn faults(arguments: &Arguments, options: &Options) -> ExitCode {
    use kring_tests::simulation::faults::Fault;
    let first = arguments.seed.unwrap_or(0);
    let (mut found, all) = (0, Fault::all());
    // What a planted fault makes panic is told as a violation; the message of the panic tells nothing more.
    std::panic::set_hook(Box::new(|_| {}));
    for fault in &all {
        match fault.find(first..first.saturating_add(arguments.seeds), options) {
            Some((seed, violation)) => {
                found += 1;
                println!("{fault:?}: found by seed {seed}: {violation}");
            }
            None => println!("{fault:?}: NOT FOUND in {} seeds", arguments.seeds),
        }
    }
    println!("{found} of {} planted faults found", all.len());
    if found == all.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
