//! The core as its users see it: commands in, answers and pushes out.

mod log;
mod world;
