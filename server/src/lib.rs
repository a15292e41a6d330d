//! The Kring relay: a delivery service for MLS groups (RFC 9420, RFC 9750) over QUIC.
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
pub mod rules;
mod shell;
mod signals;
pub mod store;

pub use shell::{Drained, RunningRelay, StartError, TlsError, start};
