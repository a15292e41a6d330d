//! The relay as its own program. What it does is in [`kring_server::command`].

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    kring_server::command::Relay::parse().run()
}
