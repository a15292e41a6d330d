//! The engine: one thread that owns all state. It takes every command that waits, asks the [rules](crate::rules), has the
//! [store](crate::store) append everything that they want written in one durable step, and only then answers and
//! delivers. There is no lock and no rule in it.
//!
//! [`Core`] is that work as a plain state machine without threads or clocks; [`Engine`] is the handle that the shell
//! holds, and [`EngineThread`] the thread around the core.

mod access;
mod answer;
mod command;
mod core;
mod enrolment;
mod handle;
mod page;
mod reading;
mod subscriptions;
mod sweep;
mod thread;
mod views;

pub use self::core::{Core, Randomness};
pub use access::{AccessCheck, ProvenAccess};
pub use answer::{Answer, Backlog, Followed, HelloFacts, InboxPart, Letters, NewerLists, Next, Stretch};
pub use command::{Command, ConnectionId, Outbound, Pushed, QueueFull, Requester, Row};
pub use enrolment::MailboxCommand;
pub use handle::{Engine, Submission};
pub use thread::{Clock, Condition, EngineThread, OpenError, Settings};

#[cfg(test)]
mod tests;
