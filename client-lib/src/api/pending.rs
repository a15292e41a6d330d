//! What is stored but not yet done: an item on its way, a change on its way.

use std::fmt;

use kring_protocol::ids::{DeviceId, Seq};
use tokio::sync::oneshot;

use crate::case::{ItemId, Member};
use crate::conversation::{Dropped, NotAdded};

/// An item that is stored here and on its way to the relay.
pub struct Sent {
    item: ItemId,
    outcome: oneshot::Receiver<Result<Seq, NotDone>>,
}

/// A change of a case that is stored here and on its way. Dropping it changes nothing: the change goes on.
#[must_use = "the change goes on without it, but its outcome is told here"]
pub struct Pending<T> {
    outcome: oneshot::Receiver<Result<T, NotDone>>,
}

/// Who was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Devices that are in the case now.
    pub added: Vec<Member>,
    /// Devices that are not, and why; `None`: all of them.
    pub not_added: Vec<(Option<DeviceId>, NotAdded)>,
}

/// A change has been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed;

/// Why something will not be done, or will not be known of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// It cannot be done any more.
    #[error(transparent)]
    Dropped(#[from] Dropped),
    /// The client was closed first; it goes on when the client is opened again.
    #[error("the program ended before this was done; it goes on when it is started again")]
    Closed,
}

impl Sent {
    pub(super) fn new(item: ItemId, outcome: oneshot::Receiver<Result<Seq, NotDone>>) -> Self {
        Self { item, outcome }
    }

    /// The item's identifier.
    pub fn item(&self) -> ItemId {
        self.item
    }

    /// Waits until the item is durable at the relay, and says at which record. Nobody need have read it.
    pub async fn relayed(self) -> Result<Seq, NotDone> {
        self.outcome.await.unwrap_or(Err(NotDone::Closed))
    }
}

impl<T> Pending<T> {
    pub(super) fn new(outcome: oneshot::Receiver<Result<T, NotDone>>) -> Self {
        Self { outcome }
    }

    /// Waits until the change has been made, or cannot be made any more.
    pub async fn done(self) -> Result<T, NotDone> {
        self.outcome.await.unwrap_or(Err(NotDone::Closed))
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent(..)")
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(..)")
    }
}
