//! Development tasks, so that nobody has to install a task runner: `cargo xtask check` is what continuous integration
//! runs, step by step in the order in which a fault shows soonest; `cargo xtask compare` and `cargo xtask networks` measure.

mod compare;
mod coverage;
mod instructions;
mod networks;
mod outcome;
mod simulate;
mod step;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use outcome::Outcome;
use step::{Begun, Step, Watch};

/// Development tasks of Kring.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs everything that a change has to pass.
    Check {
        /// Only these steps, in the order given.
        steps: Vec<Step>,
        /// Goes on after a step has failed.
        #[arg(long)]
        keep_going: bool,
    },
    /// Compares the dependencies with the RustSec advisories, which come from the network.
    Advisories,
    /// Measures Kring beside the limit and other people's brokers.
    Compare(compare::CompareArguments),
    /// Runs clients and a relay over bad networks; needs root.
    Networks(networks::NetworksArguments),
    /// Counts the instructions of the record path and the bytes that the journal writes, against limits; needs valgrind.
    Instructions,
    /// Measures how many lines of the relay's rules and of the codec the tests run; needs cargo-llvm-cov.
    Coverage,
    /// Simulates cases in bad weather; `--help` after `--` tells more.
    #[command(disable_help_flag = true)]
    Simulate {
        /// `--seeds N`, `--seed S`, `--devices N`, `--cases N`, `--moves N`, `--trace`, `--faults`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let (steps, keep_going) = match Arguments::parse().task {
        Task::Check { steps, keep_going } if steps.is_empty() => (Step::CHECK.to_vec(), keep_going),
        Task::Check { steps, keep_going } => (steps, keep_going),
        Task::Advisories => (vec![Step::Advisories], false),
        Task::Compare(arguments) => return compare::run(&arguments).map(|()| ExitCode::SUCCESS),
        Task::Networks(arguments) => return networks::run(&arguments),
        Task::Instructions => return instructions::run(),
        Task::Coverage => return coverage::run(),
        Task::Simulate { arguments } => return simulate::run(&arguments),
    };
    let whole = Watch::start();
    let mut total = Outcome::default();
    let mut lines = Vec::new();
    let mut beside = Vec::new();
    for step in steps {
        eprintln!("\n== {step}: {}", step.command_line());
        let watch = Watch::start();
        match step.begin()? {
            Begun::Ended(outcome) => {
                lines.push(line(step, outcome, &watch));
                total += outcome;
            }
            Begun::Beside(child) => beside.push((step, watch, child)),
        }
        if !total.is_ok() && !keep_going {
            break;
        }
    }
    for (step, watch, mut child) in beside {
        if !total.is_ok() && !keep_going {
            child.kill()?;
            child.wait()?;
            lines.push(format!("step {step} ... stopped, since another has failed"));
            continue;
        }
        let outcome = Outcome::of_step(child.wait()?.success());
        lines.push(line(step, outcome, &watch));
        total += outcome;
    }
    println!("\n{}\n\ntest result: {total}; finished in {:.2}s", lines.join("\n"), whole.elapsed().as_secs_f64());
    Ok(if total.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(step: Step, outcome: Outcome, watch: &Watch) -> String {
    format!("step {step} ... {} ({:.0} s)", outcome.verdict(), watch.elapsed().as_secs_f64())
}
