//! The core as its users see it: commands in, answers and pushes out.

mod certificates;
mod crash;
mod devices;
mod log;
mod model;
mod pki;
mod retention;
mod world;
