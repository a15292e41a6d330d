//! How a client stands.

use kring_protocol::ids::Timestamp;

use super::error::ConnectError;

/// How a client stands at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The connection to the relay.
    pub link: Link,
    /// All that the relay had for this device is read and stored.
    pub caught_up: bool,
    /// Last moment at which this device's certificate is valid.
    pub certificate_until: Timestamp,
}

/// The connection to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Offline by the application's own wish.
    Offline,
    /// On its way; why the last attempt failed, if one did.
    Connecting {
        /// Attempts since the last connection that stood.
        attempts: u32,
        /// Why the last attempt failed, or the last connection ended.
        last: Option<ConnectError>,
    },
    /// The relay has answered the hello.
    Connected,
    /// The client is closed.
    Closed,
}
