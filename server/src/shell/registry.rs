//! Which connections there are: to bound them, in all and for each device (of its professional: ids alone are
//! vouched for by no more than one organisation), and to end those whose device is no longer
//! believed. The device stays in memory here and is never logged.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kring_pki::form::Serial;
use kring_protocol::address::DeviceAddress;
use tokio::sync::Notify;

use crate::engine::ConnectionId;

/// What is known of one connection.
pub(crate) struct Entry {
    pub(crate) device: DeviceAddress,
    /// Numbers of the certificates in its chain, which the connection itself keeps.
    pub(crate) serials: Vec<Serial>,
    pub(crate) quic: quinn::Connection,
}

/// All connections whose certificate has been verified.
pub(crate) struct Registry {
    state: Mutex<State>,
    left: Notify,
    most: usize,
    most_per_device: usize,
}

#[derive(Default)]
struct State {
    connections: HashMap<ConnectionId, Entry>,
    devices: HashMap<DeviceAddress, usize>,
}

/// The bound that a new connection meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtLimit {
    /// Of the relay.
    Relay,
    /// Of the device.
    Device,
}

impl Registry {
    pub(crate) fn new(most: usize, most_per_device: usize) -> Self {
        Self { state: Mutex::default(), left: Notify::new(), most, most_per_device }
    }

    /// Whether one more connection would be too many.
    pub(crate) fn is_full(&self) -> bool {
        self.state().connections.len() >= self.most
    }

    /// Takes a connection in, unless a bound is met: the newest is the one that does not fit.
    pub(crate) fn enter(&self, id: ConnectionId, entry: Entry) -> Result<(), AtLimit> {
        let mut state = self.state();
        if state.connections.len() >= self.most {
            return Err(AtLimit::Relay);
        }
        let of_device = state.devices.entry(entry.device.clone()).or_default();
        if *of_device >= self.most_per_device {
            return Err(AtLimit::Device);
        }
        *of_device += 1;
        state.connections.insert(id, entry);
        Ok(())
    }

    /// Takes a connection out.
    pub(crate) fn leave(&self, id: ConnectionId) {
        let mut state = self.state();
        let Some(entry) = state.connections.remove(&id) else { return };
        if let Some(count) = state.devices.get_mut(&entry.device) {
            *count -= 1;
            if *count == 0 {
                state.devices.remove(&entry.device);
            }
        }
        if state.connections.is_empty() {
            self.left.notify_waiters();
        }
    }

    /// Waits until there is no connection.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // From here on it hears of whoever leaves, so that none is missed between the question and the wait.
            left.as_mut().enable();
            if self.state().connections.is_empty() {
                return;
            }
            left.await;
        }
    }

    /// All of them: to judge them takes signatures, which nobody should wait behind.
    pub(crate) fn all(&self) -> Vec<quinn::Connection> {
        self.state().connections.values().map(|entry| entry.quic.clone()).collect()
    }

    /// The connections that show certificates with such numbers. No signature is looked at, so that a list is held
    /// against all connections at once.
    pub(crate) fn showing(&self, such: impl Fn(&[Serial]) -> bool) -> Vec<quinn::Connection> {
        let state = self.state();
        let found = state.connections.values().filter(|entry| such(&entry.serials));
        found.map(|entry| entry.quic.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that can panic: there are none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
