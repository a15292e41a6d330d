//! The event stream. Every subscriber gets all; one that does not keep up is told how much it missed.

use std::fmt;

use kring_protocol::ids::Timestamp;
use tokio::sync::{broadcast, watch};

use super::error::ConnectError;
use super::status::Link;
use crate::conversation::Event;
use crate::driver::State;
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
    /// This device has got its next certificate; it is shown from the next connection on.
    CertificateRenewed {
        /// Last moment at which the new one is valid.
        until: Timestamp,
    },
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
    state: watch::Receiver<State>,
}

impl Events {
    pub(super) fn new(receiver: broadcast::Receiver<ClientEvent>, state: watch::Receiver<State>) -> Self {
        Self { receiver, state }
    }

    /// The next event; `None`: the client is closed. Nothing is lost if this is dropped before it is ready.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        let closed = async {
            // An error means that everything has ended already.
            let _ = self.state.wait_for(|state| state.link == Link::Closed).await;
        };
        let event = tokio::select! {
            biased;
            event = self.receiver.recv() => event,
            () = closed => self.receiver.try_recv().map_err(|error| match error {
                broadcast::error::TryRecvError::Lagged(missed) => broadcast::error::RecvError::Lagged(missed),
                broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed => {
                    broadcast::error::RecvError::Closed
                }
            }),
        };
        match event {
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
