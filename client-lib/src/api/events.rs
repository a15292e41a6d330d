//! The event stream. Every subscriber gets all; one that does not keep up is told how much it missed.

use std::fmt;

use kring_protocol::ids::Timestamp;
use tokio::sync::broadcast;

use super::error::ConnectError;
use crate::conversation::Event;
use crate::store::StoreError;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// The relay has answered the hello.
    Connected,
    /// There is no connection (any more), and why; a new attempt follows by itself.
    Disconnected(ConnectError),
    /// All that the relay had for this device is read and stored.
    CaughtUp,
    /// This device's certificate ends soon: renew it.
    CertificateEnds {
        /// Last moment at which it is valid.
        at: Timestamp,
    },
    /// The store failed; what was being received is asked for again.
    StoreFailed(StoreError),
    /// Something in a case.
    Conversation(Event),
    /// This subscriber did not keep up; these many events before the next one were dropped for it. Nothing is lost
    /// in the store.
    Lagged {
        /// How many.
        missed: u64,
    },
}

/// A subscription to a client's events.
pub struct Events {
    receiver: broadcast::Receiver<ClientEvent>,
}

impl Events {
    /// The next event; `None`: the client is closed.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(ClientEvent::Lagged { missed }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Waits for the first event of which `wanted` makes something; `None`: the client is closed.
    pub async fn find<T>(&mut self, mut wanted: impl FnMut(ClientEvent) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = wanted(self.next().await?) {
                return Some(found);
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events(..)")
    }
}
