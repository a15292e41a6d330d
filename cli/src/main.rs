//! `kring`: the tool for testing and administration.
//!
//! Reads the arguments, runs one command, and turns its outcome into an exit code. What commands print and with which
//! codes they end is described in `docs/cli.md`.

mod admin;
mod arguments;
mod case;
mod certificates;
mod clock;
mod demo;
mod follow;
mod happened;
mod lines;
mod names;
mod outcome;
mod output;
mod passphrase;
mod read;
mod relay;
mod send;
mod session;
mod setup;
mod status;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.global.json);
    let Arguments { global, command } = arguments;
    let outcome = match command {
        Command::Relay(arguments) => return relay::run(arguments),
        Command::Admin(arguments) => admin::run(arguments, output),
        Command::Setup(arguments) => setup::run(&arguments, &global.profile, &global.passphrase, output),
        Command::Demo(arguments) => block_on(demo::run(arguments, output)),
        // `follow` ends in its own way at Ctrl-C.
        Command::Follow(arguments) => block_on(follow::run(arguments, &global, output)),
        Command::Case(command) => block_on(interruptible(case::run(command, &global, output))),
        Command::Send(arguments) => block_on(interruptible(send::run(arguments, &global, output))),
        Command::Read(arguments) => block_on(interruptible(read::run(arguments, &global, output))),
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
    tokio::select! {
        done = command => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::advised(
            Cause::Interrupted,
            "stopped by you",
            "what was stored stays stored, and goes on the next time this device is online",
        )),
    }
}

fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::advised(Cause::Failed, format!("no threads: {error}"), "check the limits of this user")
    })?;
    let outcome = runtime.block_on(command);
    // A read of standard input that is still waiting must not keep the program.
    runtime.shutdown_background();
    outcome
}
