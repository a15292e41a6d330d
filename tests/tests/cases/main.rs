//! Real clients and a real relay.

mod certificates;
mod members;
mod offline;
mod privacy;
mod sizes;
mod talk;

/// The relay's program.
const RELAY: &str = env!("CARGO_BIN_EXE_kring-test-relay");
