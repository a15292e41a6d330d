//! The core without sockets: many devices, a small naive relay that keeps a log's order and epoch rule, and time
//! passed in.

mod additions;
mod alerts;
mod answers;
mod attacks;
mod audit;
mod bad_commits;
mod cases;
mod crashes;
mod dossiers;
mod duties;
mod erasing;
pub(crate) mod harness;
mod impostors;
mod joining;
mod leavers;
mod members;
mod receipts;
mod relay;
mod states;
mod sweeps;
mod unowned;
mod upkeep;
mod windows;
