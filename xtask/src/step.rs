//! The steps: which command each one runs, and when it has passed.
//!
//! All of them build in the dev profile, so that the dependencies (most of the time of a build from nothing) are
//! compiled once for tests, demo and documentation.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;

use crate::outcome::Outcome;

/// One step of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The code is formatted.
    Format,
    /// Dependencies: who may depend on what, licences, sources.
    Deny,
    /// Lints, with warnings denied.
    Clippy,
    /// Documentation, with warnings denied.
    Doc,
    /// All tests of all packages.
    Test,
    /// The demo: a relay, seven devices, and what must hold afterwards.
    Demo,
    /// All fuzz targets at once, a minute of the processor each, in what the steps after it leave of the processor.
    Fuzz,
    /// Instructions of the record path and bytes that the journal writes: each within its limit.
    Instructions,
    /// Dependencies: known advisories. Needs the network, and so is no part of `check`.
    Advisories,
}

impl Step {
    /// What `check` runs: what shows a fault soonest comes first.
    pub(crate) const CHECK: [Self; 8] =
        [Self::Format, Self::Deny, Self::Clippy, Self::Doc, Self::Fuzz, Self::Test, Self::Demo, Self::Instructions];

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Format => &["fmt", "--all", "--check"],
            Self::Deny => &["deny", "--locked", "check", "bans", "licenses", "sources"],
            Self::Clippy => &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
            Self::Doc => &["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"],
            Self::Test => &["test", "--locked", "--workspace", "--no-fail-fast"],
            // For all packages, as the tests are: for one alone, features differ and dependencies are compiled anew.
            Self::Demo | Self::Fuzz => &["test", "--locked", "--workspace", "--no-run"],
            Self::Instructions => &["xtask", "instructions"],
            Self::Advisories => &["deny", "--locked", "check", "advisories"],
        }
    }

    /// What runs after the command: a program of this workspace, and its arguments.
    fn program(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Demo => Some(&["kring", "demo"]),
            Self::Fuzz => Some(&["kring-fuzz", "--together", "--seconds", "60"]),
            _ => None,
        }
    }

    /// The command, as one would type it.
    pub(crate) fn command_line(self) -> String {
        let then =
            self.program().map_or_else(String::new, |program| format!(" && target/debug/{}", program.join(" ")));
        format!("cargo {}{then}", self.arguments().join(" "))
    }

    fn command(self) -> Command {
        // Set by the `cargo` that runs this program: the same toolchain does the rest.
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(self.arguments()).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        if self == Self::Doc {
            command.env("RUSTDOCFLAGS", "-D warnings");
        }
        command
    }

    /// Begins the step; what it prints is passed on.
    pub(crate) fn begin(self) -> anyhow::Result<Begun> {
        if self == Self::Test {
            return self.test().map(Begun::Ended);
        }
        let ok = self.command().status().with_context(|| self.command_line())?.success();
        let Some([name, arguments @ ..]) = self.program().filter(|_| ok) else {
            return Ok(Begun::Ended(Outcome::of_step(ok)));
        };
        // It lies beside this one.
        let program = std::env::current_exe().context("where this program lies")?.with_file_name(name);
        if self == Self::Fuzz {
            let child = Command::new("nice").args(["-n", "19"]).arg(&program).args(arguments).spawn();
            return Ok(Begun::Beside(child.with_context(|| self.command_line())?));
        }
        let ok = Command::new(&program).args(arguments).status().with_context(|| self.command_line())?.success();
        Ok(Begun::Ended(Outcome::of_step(ok)))
    }

    fn test(self) -> anyhow::Result<Outcome> {
        let mut command = self.command();
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| self.command_line())?;
        let output = child.stdout.take().context("the output is piped")?;
        let mut total = Outcome::default();
        for line in BufReader::new(output).lines() {
            let line = line.context("reading what the tests print")?;
            println!("{line}");
            if let Some(outcome) = Outcome::of_line(&line) {
                total += outcome;
            }
        }
        // A test binary that crashes or does not compile ends without its line.
        if !child.wait()?.success() && total.is_ok() {
            total += Outcome::of_step(false);
        }
        Ok(total)
    }
}

/// How far a step is that has been begun.
pub(crate) enum Begun {
    /// At its end.
    Ended(Outcome),
    /// It goes on beside the next steps.
    Beside(Child),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value().expect("no step is hidden");
        f.write_str(value.get_name())
    }
}

/// How long a step takes, for people to see.
pub(crate) struct Watch(Instant);

impl Watch {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one clock of this program: it times steps and decides nothing"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_has_every_step_but_the_one_that_needs_the_network() {
        let left_out: Vec<_> = Step::value_variants().iter().filter(|step| !Step::CHECK.contains(step)).collect();
        assert_eq!(left_out, [&Step::Advisories]);
    }
}
