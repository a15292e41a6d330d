//! The relay from outside, through QUIC, on a store in memory.

mod certificates;
mod client;
mod connections;
mod failing;
mod groups;
mod large;
mod stopping;
mod world;
