//! Runs the simulation of `tests/`, in release: it is bound by cryptography. Faults are compiled in only where they are
//! looked for.

use std::process::{Command, ExitCode};

use anyhow::Context as _;

/// Runs it with these arguments.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--locked", "--release", "--package", "kring-tests", "--bin", "kring-simulate"]);
    if arguments.iter().any(|argument| argument == "--faults") {
        command.args(["--features", "kring-tests/planted-faults"]);
    }
    command.arg("--").args(arguments);
    let status = command.status().context("running the simulation")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
