//! One device's client: the store is open, and a connection to the relay is kept in the background.

use std::fmt;

use kring_protocol::address::DeviceAddress;

use super::case::Case;
use super::error::{CallError, ConnectError, OpenError};
use super::events::Events;
use super::status::Status;
use crate::case::{CaseId, CaseView};
use crate::identity::Profile;
use crate::store::Unlock;

/// One device: its cases, and its connection to the relay.
///
/// Cloning gives another handle of the same client. When the last one is dropped the connection ends and the store is
/// closed; [`Client::close`] does the same in good order and waits for it.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// Opens the profile's store and begins to connect in the background. Does not wait for the relay.
    pub async fn open(profile: &Profile, unlock: &Unlock) -> Result<Self, OpenError> {
        let _ = (profile, unlock);
        todo!()
    }

    /// Opens the profile's store and stays offline until [`Client::connect`] is called.
    pub async fn open_offline(profile: &Profile, unlock: &Unlock) -> Result<Self, OpenError> {
        let _ = (profile, unlock);
        todo!()
    }

    /// This device.
    pub fn address(&self) -> &DeviceAddress {
        todo!()
    }

    /// Connects now instead of when the back-off says so; does nothing while connected. Returns at once.
    pub fn connect(&self) {
        todo!()
    }

    /// Ends the connection and stays offline until [`Client::connect`].
    pub fn disconnect(&self) {
        todo!()
    }

    /// Waits until the relay has answered the hello, or until the first attempt after this call has failed; connects
    /// at once if need be.
    pub async fn connected(&self) -> Result<(), ConnectError> {
        todo!()
    }

    /// How the client stands, now.
    pub fn status(&self) -> Status {
        todo!()
    }

    /// Waits until this device has all that the relay had for it: every followed case's backlog and the inbox are
    /// read and stored. Returns an error as soon as an attempt to connect fails or the connection breaks.
    pub async fn caught_up(&self) -> Result<(), ConnectError> {
        todo!()
    }

    /// All cases of this device.
    pub async fn cases(&self) -> Result<Vec<CaseView>, CallError> {
        todo!()
    }

    /// Opens a new case with this professional as its coordinator. It is usable at once, and at the relay once
    /// [`Event::CaseOpened`](crate::conversation::Event::CaseOpened) is told.
    pub async fn new_case(&self, title: impl Into<String>) -> Result<Case, CallError> {
        let _ = title.into();
        todo!()
    }

    /// A case that this device has.
    pub async fn case(&self, case: CaseId) -> Result<Case, CallError> {
        let _ = case;
        todo!()
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Events {
        todo!()
    }

    /// Ends the connection in good order (what is under way is answered, for at most a few seconds; reading
    /// positions are told to the relay) and closes the store.
    pub async fn close(self) {
        todo!()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}
