//! The driver against a scripted relay: what a relay can do wrong, and how a device meets it; and against the real one,
//! beside a member that breaks the rules.

mod failures;
mod impostors;
mod next_certificate;
mod offender;
mod order;
mod real;
pub(super) mod relay;
mod renewing;
