//! The Kring relay: a delivery service for MLS groups (RFC 9420, RFC 9750) over QUIC.

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
