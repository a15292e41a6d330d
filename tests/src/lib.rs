//! What the whole-system tests stand on: a [`world`] with certificates, a [`relay`] in this process or in one of its
//! own, [`circle`]s of real clients around a case, and [`wire`], a client of the wire alone that can misbehave as no real client does.
//!
//! The tests are in `tests/wire` (the relay against bytes), `tests/cases` (real clients and a real relay) and `tests/interop` (a
//! client on another implementation of MLS among them); `networks` runs them over bad networks.

pub mod circle;
pub mod clock;
pub mod log;
pub mod networks;
pub mod person;
pub mod relay;
pub mod scan;
pub mod simulation;
pub mod wire;
pub mod world;
