//! Real clients and a real relay.

#![allow(
    clippy::unwrap_used,
    reason = "all of this is tests; clippy knows only the functions that bear the attribute"
)]

mod certificates;
mod close;
mod devices;
mod handover;
mod killed;
mod leavers;
mod members;
mod offline;
mod privacy;
mod sizes;
mod talk;

/// The relay's program.
const RELAY: &str = env!("CARGO_BIN_EXE_kring-test-relay");
