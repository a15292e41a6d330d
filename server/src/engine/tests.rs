//! The core as its users see it: commands in, answers and pushes out.

mod crash;
mod devices;
mod log;
mod model;
mod retention;
mod world;
