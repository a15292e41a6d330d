//! The relay as its own program. What it does is in [`kring_server::command`].

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

/// A busy relay allocates for every packet, record and page of its database.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    kring_server::command::Relay::parse().run()
}
