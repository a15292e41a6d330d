//! `kring relay`: runs the server's library, for those who try it out; an operator installs `kring-relay`.
//!
//! The arguments are `kring-relay`'s own, and so are its exit codes; only `run` may be left out.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser as _};
use kring_server::command::Relay;

/// Arguments of `kring relay`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub(crate) struct RelayArguments {
    /// What `kring-relay` takes: options of `run`, or check-config and others.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Runs `kring relay`.
pub(crate) fn run(arguments: RelayArguments) -> ExitCode {
    Relay::parse_from(command_line(arguments.arguments)).run()
}

/// What `kring-relay` would have been called with.
fn command_line(arguments: Vec<OsString>) -> Vec<OsString> {
    let command = Relay::command();
    let first = arguments.first().and_then(|first| first.to_str()).unwrap_or_default();
    let says_what = command.get_subcommands().any(|action| action.get_name() == first)
        || ["help", "--help", "-h", "--version", "-V"].contains(&first);
    let mut line = vec![OsString::from("kring relay")];
    if !says_what {
        line.push(OsString::from("run"));
    }
    line.extend(arguments);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(arguments: &[&str]) -> Vec<String> {
        let arguments = arguments.iter().map(OsString::from).collect();
        command_line(arguments).into_iter().map(|word| word.into_string().expect("text")).collect()
    }

    #[test]
    fn run_may_be_left_out() {
        assert_eq!(line(&[]), ["kring relay", "run"]);
        assert_eq!(line(&["--config", "x"]), ["kring relay", "run", "--config", "x"]);
        assert_eq!(line(&["run", "--config", "x"]), ["kring relay", "run", "--config", "x"]);
        assert_eq!(line(&["check-config", "--config", "x"]), ["kring relay", "check-config", "--config", "x"]);
        assert_eq!(line(&["--help"]), ["kring relay", "--help"]);
    }
}
