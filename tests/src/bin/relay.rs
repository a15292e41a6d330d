//! The relay as a process of its own, for tests to kill: the very entry point of `kring-relay`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    kring_server::command::Relay::parse().run()
}
