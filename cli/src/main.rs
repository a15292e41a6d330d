//! `kring`: the tool for testing and administration.
//!
//! Reads the arguments, runs one command, and turns its outcome into an exit code. What commands print and with which
//! codes they end is described in `docs/cli.md`.

mod admin;
mod alert;
mod arguments;
mod audit;
mod bench;
mod case;
mod certificates;
mod clock;
mod closing;
mod demo;
mod device;
mod directory;
mod follow;
mod handover;
mod happened;
mod inbox;
mod lines;
mod names;
mod outcome;
mod output;
mod passphrase;
mod plan;
mod prompt;
mod read;
mod references;
mod relay;
mod say;
mod send;
mod session;
mod setup;
mod statement;
mod status;
mod task;
mod text;
mod things;
mod timeline;
mod wipe;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::arguments::{Arguments, Command};
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Output;
use crate::words::say;

/// A quarter of a relay's time went into the C library's allocator (docs/performance.md).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    words::choose(words::wished());
    let command = words::help::localised(Arguments::command());
    let arguments = Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    let output = Output::new(arguments.global.json);
    clock::choose_zone(arguments.global.zone.clone());
    let Arguments { global, command } = arguments;
    let outcome = match command {
        Command::Relay(arguments) => return relay::run(arguments),
        // It runs until Ctrl-C, which is its good end; what it had begun is gone on with the next time.
        Command::Admin(arguments) if arguments.serves() => block_on(async {
            tokio::select! {
                done = admin::run(arguments, &global, output) => done,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        }),
        Command::Admin(arguments) => {
            block_on(stopped_with(say!("stopped-admin-advice"), admin::run(arguments, &global, output)))
        }
        Command::Setup(arguments) => {
            block_on(stopped_with(say!("stopped-setup-advice"), setup::run(arguments, &global, output)))
        }
        Command::Directory(command) => block_on(interruptible(directory::run(command, &global, output))),
        Command::Demo(arguments) => block_on(demo::run(arguments, output)),
        Command::Bench(arguments) => block_on(interruptible(bench::run(arguments, output))),
        // `follow` ends in its own way at Ctrl-C.
        Command::Follow(arguments) => block_on(follow::run(arguments, &global, output)),
        Command::Case(command) => block_on(interruptible(case::run(command, &global, output))),
        Command::Device(command) => block_on(interruptible(device::run(command, &global, output))),
        Command::Send(arguments) => block_on(interruptible(send::run(arguments, &global, output))),
        Command::Read(arguments) => block_on(interruptible(read::run(arguments, &global, output))),
        Command::Alert(command) => block_on(interruptible(alert::run(command, &global, output))),
        Command::Plan(command) => block_on(interruptible(plan::run(command, &global, output))),
        Command::Task(command) => block_on(interruptible(task::run(command, &global, output))),
        Command::Handover(command) => block_on(interruptible(handover::run(command, &global, output))),
        Command::Inbox => block_on(interruptible(inbox::run(&global, output))),
        Command::Audit(command) => block_on(interruptible(audit::run(command, &global, output))),
        Command::Wipe(arguments) => wipe::run(&arguments, &global.profile, output),
        Command::Status => block_on(interruptible(status::run(&global, output))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.cause.code())
        }
    }
}

/// Runs a command to its end, or until Ctrl-C. What was stored stays; what was under way goes on the next time.
async fn interruptible(command: impl Future<Output = Outcome>) -> Outcome {
    stopped_with(say!("stopped-advice"), command).await
}

/// The same, with this advice at Ctrl-C.
async fn stopped_with(advice: String, command: impl Future<Output = Outcome>) -> Outcome {
    tokio::select! {
        done = command => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::advised(Cause::Interrupted, say!("stopped"), advice)),
    }
}

fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        let what = say!("no-threads", reason = error.to_string());
        Failure::advised(Cause::Failed, what, say!("no-threads-advice"))
    })?;
    let outcome = runtime.block_on(command);
    // A read of standard input that is still waiting must not keep the program.
    runtime.shutdown_background();
    outcome
}
