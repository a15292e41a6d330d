//! What a connection asks of the engine, and the handle through which it asks.
//!
//! By the time a command is made, the shell has decoded the request, bounded its size, verified the certificate, and
//! verified the proof's signature: the engine is given only what passed.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{AccessKey, DeviceId, Epoch, GroupId, Seq, Subscription};
use kring_protocol::message as wire;

/// Number of a connection, random, and the only name that a connection has in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Whose connection it is; for the requests that concern a device, never for those that concern a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requester {
    /// The connection.
    pub connection: ConnectionId,
    /// The device of its certificate.
    pub device: DeviceId,
    /// The professional of its certificate.
    pub professional: ProfessionalAddress,
}

/// A connection has shown that it holds the key with which this epoch of this group was opened.
///
/// Made by [`AccessCheck`](super::AccessCheck) alone, from a verified signature. The rules still compare the key with the one
/// in the log, since the shell does not know the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenAccess {
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    /// The key that verified the signature.
    pub(crate) key: AccessKey,
}

/// Where the engine puts what a connection is to be sent without having asked. Bounded; never blocks.
pub trait Outbound: Send + Sync {
    /// Takes a push, or says that the queue is full; the engine then lags the subscription.
    fn push(&self, push: Pushed) -> Result<(), QueueFull>;
}

/// The connection's queue takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// Something to be sent on the push stream.
#[derive(Debug, Clone)]
pub enum Pushed {
    /// A record, encoded once and shared by all who get it.
    Record {
        /// The client's number.
        subscription: Subscription,
        /// CBOR of a [`wire::Record`].
        record: bytes::Bytes,
    },
    /// Anything else.
    Notice(wire::Push),
}

/// One part of the answer to a read or a follow.
#[derive(Debug, Clone)]
pub enum Backlog {
    /// A record, CBOR of a [`wire::Record`].
    Record(bytes::Bytes),
    /// Records that expired unread.
    Gap(wire::Gap),
}

/// A stretch of a log, read for one answer.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Records and gaps in order.
    pub backlog: Vec<Backlog>,
    /// The record up to which the stretch goes.
    pub through: Seq,
    /// The newest record that the proof opens.
    pub head: Seq,
    /// The epoch that the log is in.
    pub epoch: Epoch,
    /// The record of the Commit that ended the proof's epoch, if one did.
    pub ended_at: Option<Seq>,
}
