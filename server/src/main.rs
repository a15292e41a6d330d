//! The relay as its own program. What it does is in [`kring_server::command`].

use std::process::ExitCode;

use clap::Parser as _;

/// A quarter of a relay's time went into the C library's allocator (docs/performance.md).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    kring_server::command::Relay::parse().run()
}
