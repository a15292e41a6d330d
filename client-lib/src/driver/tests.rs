//! The driver against a scripted relay: what a relay can do wrong, and how a device meets it.

mod failures;
mod order;
pub(super) mod relay;
