//! The relay from outside, through QUIC, on a store in memory.

mod client;
mod connections;
mod groups;
mod stopping;
mod world;
