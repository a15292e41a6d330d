//! The Kring relay: a delivery service for MLS groups (RFC 9420, RFC 9750) over QUIC.
//!
//! # A message's way
//!
//! 1. The shell accepts a connection, verifies its certificate and reads one request from each stream. A proof is
//!    verified once for each connection, group and epoch ([`engine::AccessCheck`]); what comes of it,
//!    [`engine::ProvenAccess`], cannot be made otherwise.
//! 2. [`engine::Engine::submit`] puts the request into the queue of the one thread that owns all state, and waits.
//! 3. The thread takes everything that waits and hands it to [`engine::Core::handle`], which asks the rules about each:
//!    [`rules::group`] checks access, the clear header (RFC 9420 §6.3), the operation id, the epoch and the bounds, and
//!    gives the [`rules::Entry`] to write or a refusal. The views show it at once, so that the next request is judged by it.
//! 4. [`store::Store::append`] makes all entries of the batch durable in one step. If that fails, nobody is answered
//!    otherwise than with the failure, until the relay is started again.
//! 5. The record's bytes, encoded once, are pushed to all who follow the group ([`engine::Outbound`]); then the sender
//!    gets its receipt.
//! 6. Some seconds later a checkpoint has the views on disk ([`store::Store::checkpoint`]), and when every device has
//!    moved its cursor past the record, the sweep drops it ([`rules::retention`]).
//!
//! One message's way through it: `shell::session` has taken the connection in and read its hello; `shell::intake` reads
//! the frame within its bounds; `shell::answer` checks the proof, once per connection and epoch, and asks the
//! [`engine`], whose one thread collects everything that waits, has the [`rules`] decide, and lets the [`store`] make
//! it durable together. Only then `shell::reply` acknowledges, and the engine hands the record, encoded once, to the
//! `shell::queue` of every follower, which `shell::push` writes.
//!
//! [`start`] runs a relay inside another program; [`command`] is what an operator types.

mod clock;
pub mod command;
pub mod config;
pub mod engine;
pub mod keys;
pub mod logs;
mod metrics;
#[cfg(feature = "planted-faults")]
pub mod planted;
pub mod rules;
mod shell;
mod signals;
pub mod store;

pub use shell::{BenchConditions, Drained, RunningRelay, StartError, TlsError, start, start_for_bench};
