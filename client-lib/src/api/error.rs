//! Why a client cannot be opened, cannot connect, or does not take a call.

use kring_pki::verify::{AnchorError, Untrusted};
use kring_protocol::limits::MAX_SEARCH;
use kring_protocol::refusal::Refusal;

use crate::conversation::{self, CommandError, StepError};
use crate::enrolment::renewal::RenewalError;
use crate::store::StoreError;

/// Why a client cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(StoreError),
    /// The store belongs to another device than the profile.
    #[error("this store belongs to another device; restore the profile's own")]
    OtherDevice,
    /// The device's certificate is not one that a pinned region root vouches for, or is for another key.
    #[error("this device's certificate does not hold: {0}")]
    Certificate(Untrusted),
    /// The pinned roots in the profile are not roots.
    #[error("the profile's roots cannot be used: {0}")]
    Roots(AnchorError),
    /// The store holds no key, or none that is usable.
    #[error("the store does not hold this device's key; set the device up again")]
    KeyMissing,
    /// The conversation does not accept the certificate.
    #[error("this device's certificate is not one that its region's root vouches for; set the device up again")]
    NotVouchedFor,
    /// The operating system gives no thread.
    #[error("the operating system gave no thread ({0})")]
    Thread(std::io::ErrorKind),
}

/// Why a call was not taken. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The user wants something that cannot be.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

/// What a relay does not accept about this device's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OwnFault {
    /// It is on a revocation list.
    #[error("it was revoked")]
    Revoked,
    /// It, or its organisation's, is not valid at this time.
    #[error("it, or that of its organisation, is not valid at this time")]
    Expired,
    /// No root that the relay has pinned vouches for it.
    #[error("the relay does not know its region")]
    Root,
    /// It was made for something else.
    #[error("it was made for something else")]
    Usage,
    /// The key that goes with it is another one.
    #[error("it names another key than this device's")]
    Key,
    /// Its organisation could not issue it: it names another one's professional, or a function that was not given.
    #[error("its organisation could not issue it")]
    Organisation,
    /// It is not in order.
    #[error("it is not in order")]
    Other,
}

/// Why there is no connection to the relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The relay's name has no address.
    #[error("the relay's name cannot be resolved; check the network and the address")]
    Name,
    /// No socket.
    #[error("no network socket ({0}); check the network")]
    Socket(std::io::ErrorKind),
    /// Nothing answers.
    #[error("the relay does not answer; check the network, or ask its operator")]
    Unreachable,
    /// The relay's certificate is signed by a root that is not pinned.
    #[error("the relay's certificate is from an unknown root: this is not your relay, or the profile is out of date")]
    RelayUnknownRoot,
    /// The relay's certificate bears another name.
    #[error("the relay's certificate is not its own: it bears another name")]
    RelayOtherName,
    /// The relay's certificate has expired, by this device's clock.
    #[error("the relay's certificate has expired; check this device's clock, or tell the relay's operator")]
    RelayExpired,
    /// The relay's certificate is not valid yet, by this device's clock.
    #[error("the relay's certificate is not valid yet; check this device's clock")]
    RelayNotYetValid,
    /// The relay's certificate is not a relay's, or does not hold.
    #[error("the relay's certificate does not hold: {0}")]
    RelayCertificate(Untrusted),
    /// The relay does not speak X25519MLKEM768 and TLS 1.3.
    #[error("the relay does not offer the post-quantum key exchange X25519MLKEM768; it must be updated")]
    KeyExchange,
    /// Something else than a relay answers.
    #[error("what answers at this address is not a Kring relay")]
    NotARelay,
    /// This device's certificate has expired, by its own clock.
    #[error("this device's certificate has expired; ask your organisation's administrator for a new one")]
    OwnExpired,
    /// This device's certificate is not valid yet, by its own clock.
    #[error("this device's certificate is not valid yet; check this device's clock")]
    OwnNotYetValid,
    /// The relay does not accept this device's certificate.
    #[error("the relay does not accept this device's certificate: {0}; ask your organisation's administrator")]
    OwnRefused(OwnFault),
    /// The relay refused the hello.
    #[error("the relay refused: {0}")]
    Refused(Refusal),
    /// The relay stops; a new attempt follows.
    #[error("the relay is restarting")]
    GoingAway,
    /// The connection broke.
    #[error("the connection to the relay broke")]
    Broken,
    /// The relay breaks the protocol.
    #[error("the relay breaks the protocol: {0}")]
    Fault(#[from] RelayFault),
    /// The store failed, so nothing can be received.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The application wishes to be offline.
    #[error("the client is offline")]
    Offline,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

/// How a relay breaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayFault {
    /// What it sends is not a frame of the protocol.
    #[error("it sent something unreadable")]
    Frame,
    /// It sends more than was asked for or is bearable.
    #[error("it sent more than the protocol allows")]
    TooMuch,
    /// Its answer is of another kind than the request asks for.
    #[error("its answer does not fit the request")]
    WrongAnswer,
    /// It ended an answer in the middle.
    #[error("it ended an answer before it was whole")]
    Unfinished,
    /// It does not answer a request.
    #[error("it did not answer in time")]
    Silent,
}

/// Why there is no next certificate yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// There is no connection.
    #[error("there is no connection to the relay; try again when there is one")]
    NotConnected,
    /// The administrator has not answered yet.
    #[error(
        "your administrator has not answered yet; the request stays at the relay, and this device asks again by itself"
    )]
    NotAnswered {
        /// When to look again.
        after: std::time::Duration,
    },
    /// The relay said no.
    #[error(transparent)]
    Refused(Refusal),
    /// The relay breaks the protocol.
    #[error("the relay breaks the protocol: {0}")]
    Fault(RelayFault),
    /// The administrator said no, or what came does not hold.
    #[error(transparent)]
    Renewal(#[from] RenewalError),
    /// The profile cannot be written.
    #[error("the profile cannot be written ({0}); check its folder")]
    Io(std::io::ErrorKind),
}

/// Why nobody was looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// There is no connection.
    #[error("there is no connection to the relay; try again when there is one")]
    NotConnected,
    /// The relay said no.
    #[error(transparent)]
    Refused(Refusal),
    /// The relay breaks the protocol.
    #[error("the relay breaks the protocol: {0}")]
    Fault(RelayFault),
    /// The text is too long.
    #[error("what is looked for has more than {MAX_SEARCH} bytes; leave words out")]
    TooLong,
}

impl From<conversation::OpenError> for OpenError {
    fn from(error: conversation::OpenError) -> Self {
        match error {
            conversation::OpenError::Store(error) => Self::Store(error),
            conversation::OpenError::OtherDevice => Self::OtherDevice,
            conversation::OpenError::Certificate => Self::NotVouchedFor,
        }
    }
}

impl From<StepError> for CallError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Command(error) => Self::Command(error),
            StepError::Store(error) => Self::Store(error),
        }
    }
}
