//! The tool as its users meet it: processes, files and what they print. One program for all, so that a test that waits
//! leaves the processor to the others.

mod admin;
mod alone;
mod audit;
mod demo;
mod enrol;
mod handover;
mod leavers;
mod readme;
mod revoked;
mod support;
mod together;
mod wipe;
