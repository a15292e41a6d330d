//! The engine's work as a plain state machine.

use kring_protocol::ids::Timestamp;
use kring_protocol::refusal::Refusal;

use super::answer::Answer;
use super::command::Command;
use super::thread::Settings;
use crate::store::{Store, StoreError};

/// Fills bytes with randomness.
pub type Randomness = Box<dyn FnMut(&mut [u8]) + Send>;

/// The state machine. Until its rules are in place it refuses everything.
pub struct Core {
    drained: bool,
}

impl Core {
    /// Brings the views up to date.
    pub fn open(_store: Box<dyn Store>, _settings: Settings, _randomness: Randomness) -> Result<Self, StoreError> {
        Ok(Self { drained: false })
    }

    /// Decides commands together.
    pub fn handle(&mut self, commands: Vec<Command>, _now: Timestamp) -> Vec<Result<Answer, Refusal>> {
        commands.into_iter().map(|_| Err(Refusal::StoreFailed)).collect()
    }

    /// Whether nothing more will be accepted.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// Checkpoints everything.
    pub fn close(&mut self) {
        self.drained = true;
    }
}
