//! The conversation core: inputs in, actions out, each input in one transaction of the store.
//!
//! It has no thread, no socket and no clock, and it is what a simulation runs. [`io`] is its contract with the driver,
//! [`event`] what it tells the user.

mod event;
mod io;

pub use event::{CommitRefused, Dropped, Event, NotAdded, Suspicion};
pub use io::{Action, Command, Connected, Input, Ticket};

use kring_protocol::ids::{Epoch, GroupId, Signature, Timestamp};
use kring_protocol::proof::TLS_EXPORTER_LENGTH;

use crate::case::{CaseId, CaseView, Digest, DraftError, Item, Member, OutboxEntry, Position};
use crate::mls::DeviceCredentials;
use crate::store::{Store, StoreError};

/// What a conversation is told about its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the relay (`host:port`) that carries the cases made here; written into each Welcome.
    pub relay: String,
}

/// All cases of one device.
#[derive(Debug)]
pub struct Conversation {
    _store: Store,
}

/// Why an input was not handled. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The user wants something that cannot be.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The store failed; the step was rolled back, and trying again later can help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a command is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such case on this device.
    #[error("there is no such case on this device")]
    UnknownCase,
    /// A case with this identifier exists already.
    #[error("a case with this identifier exists already")]
    CaseExists,
    /// An item with this identifier exists already.
    #[error("an item with this identifier exists already")]
    ItemExists,
    /// The case takes nothing from this device any more.
    #[error("this device is not, or no longer, in the case")]
    NotOpen,
    /// This device's role does not allow it.
    #[error("your role in this case does not allow this")]
    Role,
    /// Nobody of this address is in the case.
    #[error("nobody of this address is in the case")]
    NotAMember,
    /// One does not remove oneself: one leaves.
    #[error("use leave to go yourself")]
    Oneself,
    /// The coordinator cannot leave before somebody else is coordinator.
    #[error("the coordinator hands the case to somebody else before leaving")]
    SoleCoordinator,
    /// The title is empty or too long.
    #[error("a title has 1 to 255 bytes")]
    Title,
    /// The draft breaks a bound.
    #[error(transparent)]
    Draft(#[from] DraftError),
}

/// Why a conversation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store belongs to another device.
    #[error("this store belongs to another device")]
    OtherDevice,
    /// The device's own certificate does not hold.
    #[error("this device's certificate is not one that its region's root vouches for")]
    Certificate,
}

impl Conversation {
    /// Takes up all cases in the store.
    pub fn open(
        store: Store,
        _device: DeviceCredentials,
        _settings: Settings,
        _now: Timestamp,
    ) -> Result<Self, OpenError> {
        Ok(Self { _store: store })
    }

    /// Takes one input. When it returns, all that the actions rest on is on the disk; on an error nothing is.
    pub fn handle(&mut self, _input: Input, _now: Timestamp) -> Result<Vec<Action>, StepError> {
        Ok(Vec::new())
    }

    /// Signs the proof of an epoch's access key for one connection. `None`: this device does not hold that key.
    pub fn prove(
        &self,
        _exporter: &[u8; TLS_EXPORTER_LENGTH],
        _group: GroupId,
        _epoch: Epoch,
    ) -> Result<Option<Signature>, StoreError> {
        Ok(None)
    }

    /// All cases of this device.
    pub fn cases(&self) -> Result<Vec<CaseView>, StoreError> {
        Ok(Vec::new())
    }

    /// One case.
    pub fn case(&self, _case: CaseId) -> Result<Option<CaseView>, StoreError> {
        Ok(None)
    }

    /// Items of a case after a position (`Position(0)`: from the first), at most `limit`.
    pub fn items(&self, _case: CaseId, _after: Position, _limit: usize) -> Result<Vec<Item>, StoreError> {
        Ok(Vec::new())
    }

    /// The devices in a case.
    pub fn members(&self, _case: CaseId) -> Result<Vec<Member>, StoreError> {
        Ok(Vec::new())
    }

    /// What of ours is under way in a case.
    pub fn outbox(&self, _case: CaseId) -> Result<Vec<OutboxEntry>, StoreError> {
        Ok(Vec::new())
    }

    /// Digest of a case's items after a position.
    pub fn digest(&self, _case: CaseId, _after: Position) -> Result<Digest, StoreError> {
        Ok(Digest([0; 32]))
    }
}
