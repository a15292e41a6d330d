//! What a connection asks of the engine.
//!
//! By the time a command is made, the shell has decoded the request, bounded its frame, verified the certificate, and
//! verified the proof's signature: the engine is given only what passed. Where a command holds a wire request beside a
//! [`ProvenAccess`], the proven group and epoch count and the request's own are not looked at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kring_pki::verify::{VerifiedCrl, VerifiedDevice};
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, Epoch, GroupId, InboxSeq, Seq, Subscription};
use kring_protocol::message as wire;

use super::access::ProvenAccess;
use super::enrolment::MailboxCommand;
use crate::rules::directory::Listing;
use crate::rules::enrolment::Organisation;
use crate::rules::revocation::ListAt;

/// Number of a connection, random, and the only name that a connection has in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Whose connection it is; for the requests that concern a device, never for those that concern a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// The connection.
    pub connection: ConnectionId,
    /// The device of its certificate.
    pub device: DeviceId,
    /// The professional of its certificate.
    pub professional: ProfessionalAddress,
    /// The organisation that issued it.
    pub organisation: Organisation,
    /// What the directory has of it when it publishes.
    pub listing: Arc<Listing>,
}

impl Requester {
    /// A device that has been verified; none if one of its certificates cannot be read.
    pub fn verified(connection: ConnectionId, device: &VerifiedDevice) -> Option<Self> {
        Some(Self {
            connection,
            device: device.address().device,
            professional: device.address().professional.clone(),
            organisation: Organisation::new(device.organisation_domain()),
            listing: Arc::new(Listing::of(device)?),
        })
    }

    /// The device together with whose it is: a device's id alone is vouched for by its organisation only.
    pub fn address(&self) -> DeviceAddress {
        DeviceAddress { professional: self.professional.clone(), device: self.device }
    }
}

/// Where the engine puts what a connection is to be sent without having asked. Bounded; never blocks.
pub trait Outbound: Send + Sync {
    /// Takes a push, or says that the queue is full; the engine then lags the subscription.
    fn push(&self, push: Pushed) -> Result<(), QueueFull>;

    /// Everything of this batch has been taken: it is time to write. Called once after any number of pushes, so that what
    /// one batch has for a connection goes in one write.
    fn flush(&self) {}
}

/// The connection's queue takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// Something to be sent on the push stream.
#[derive(Clone)]
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

impl fmt::Debug for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { record, .. } => write!(f, "Record({} bytes)", record.len()),
            Self::Notice(push) => f.write_str(push.name()),
        }
    }
}

/// Submissions that follow one another, of which nothing is taken behind one that was refused: so what was taken of them
/// is always their beginning.
#[derive(Clone, Default)]
pub struct Row(Arc<AtomicBool>);

impl Row {
    /// Whether one of them was refused.
    pub(super) fn is_broken(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// One of them is refused.
    pub fn break_off(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One thing that the engine is asked to do.
#[derive(Clone)]
pub enum Command {
    /// A connection has come.
    Connect {
        /// Whose.
        requester: Requester,
        /// Its push queue.
        outbound: Arc<dyn Outbound>,
    },
    /// A connection has gone; its subscriptions go with it.
    Disconnect(ConnectionId),
    /// Asks for the key that decides a proof.
    Access {
        /// The group.
        group: GroupId,
        /// The epoch.
        epoch: Epoch,
    },
    /// [`wire::CreateGroup`].
    CreateGroup {
        /// Counted against its daily groups, and not stored.
        device: DeviceId,
        /// The proof of the key that the request brings.
        access: ProvenAccess,
        /// The request.
        request: wire::CreateGroup,
    },
    /// [`wire::Submit`], behind others.
    SubmitInRow {
        /// Those that it follows.
        row: Row,
        /// The proof.
        access: ProvenAccess,
        /// The request.
        request: wire::Submit,
    },
    /// [`wire::Submit`].
    Submit {
        /// The proof.
        access: ProvenAccess,
        /// The request.
        request: wire::Submit,
    },
    /// [`wire::SubmitCommit`].
    SubmitCommit {
        /// The proof.
        access: ProvenAccess,
        /// The request.
        request: wire::SubmitCommit,
    },
    /// [`wire::FindReceipt`].
    FindReceipt {
        /// The proof.
        access: ProvenAccess,
        /// The request.
        request: wire::FindReceipt,
    },
    /// [`wire::Read`].
    Read {
        /// The proof.
        access: ProvenAccess,
        /// Records after this one.
        after: Option<Seq>,
        /// Most bytes of records.
        limit: u64,
    },
    /// [`wire::Follow`], one stretch of its backlog at a time.
    Follow {
        /// The proof.
        access: ProvenAccess,
        /// The connection that gets what is live.
        connection: ConnectionId,
        /// Its number for it.
        subscription: Subscription,
        /// Records after this one.
        after: Option<Seq>,
        /// Most bytes of records in one stretch.
        limit: u64,
    },
    /// [`wire::Unfollow`].
    Unfollow {
        /// The connection.
        connection: ConnectionId,
        /// Its number for it.
        subscription: Subscription,
    },
    /// [`wire::RegisterCursor`].
    RegisterCursor {
        /// The proof.
        access: ProvenAccess,
        /// The request.
        request: wire::RegisterCursor,
    },
    /// [`wire::MoveCursors`].
    MoveCursors(wire::MoveCursors),
    /// [`wire::PublishKeyPackages`].
    PublishKeyPackages {
        /// Whose they are.
        requester: Requester,
        /// The request.
        request: wire::PublishKeyPackages,
    },
    /// [`wire::ClaimKeyPackages`].
    ClaimKeyPackages {
        /// Counted against its daily claims, and not stored.
        requester: Requester,
        /// The request.
        request: wire::ClaimKeyPackages,
    },
    /// [`wire::SendNote`].
    SendNote {
        /// Counted against its daily notes, and not stored.
        sender: DeviceId,
        /// The request.
        request: wire::SendNote,
    },
    /// [`wire::ReadInbox`].
    ReadInbox {
        /// Whose inbox.
        requester: Requester,
        /// Notes after this one.
        after: InboxSeq,
        /// Most bytes of notes.
        limit: u64,
    },
    /// [`wire::AcknowledgeInbox`].
    AcknowledgeInbox {
        /// Whose inbox.
        requester: Requester,
        /// Notes up to and including this one go.
        through: InboxSeq,
    },
    /// [`wire::EraseGroup`].
    EraseGroup(ProvenAccess),
    /// [`wire::PublishCrl`].
    PublishCrl(Arc<VerifiedCrl>),
    /// [`wire::ReadCrls`]: which lists there are that the client does not have.
    ReadCrls(Vec<wire::KnownCrl>),
    /// One of these lists.
    ReadCrl(ListAt),
    /// Something about a mailbox for certificates.
    Mailbox(MailboxCommand),
    /// [`wire::SearchDirectory`].
    SearchDirectory {
        /// Counted against its searches, and not stored.
        device: DeviceId,
        /// The request.
        request: wire::SearchDirectory,
    },
    /// Begins a pass of retention now, instead of within the hour: the clock is right.
    Sweep,
    /// Time has passed: checkpoint and retention go on.
    Tick,
    /// Nothing new is written from now on; everything is checkpointed.
    Drain,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Command {
    /// The command's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "Connect",
            Self::Disconnect(_) => "Disconnect",
            Self::Access { .. } => "Access",
            Self::CreateGroup { .. } => "CreateGroup",
            Self::Submit { .. } | Self::SubmitInRow { .. } => "Submit",
            Self::SubmitCommit { .. } => "SubmitCommit",
            Self::FindReceipt { .. } => "FindReceipt",
            Self::Read { .. } => "Read",
            Self::Follow { .. } => "Follow",
            Self::Unfollow { .. } => "Unfollow",
            Self::RegisterCursor { .. } => "RegisterCursor",
            Self::MoveCursors(_) => "MoveCursors",
            Self::PublishKeyPackages { .. } => "PublishKeyPackages",
            Self::ClaimKeyPackages { .. } => "ClaimKeyPackages",
            Self::SendNote { .. } => "SendNote",
            Self::ReadInbox { .. } => "ReadInbox",
            Self::AcknowledgeInbox { .. } => "AcknowledgeInbox",
            Self::EraseGroup(_) => "EraseGroup",
            Self::PublishCrl(_) => "PublishCrl",
            Self::ReadCrls(_) => "ReadCrls",
            Self::ReadCrl(_) => "ReadCrl",
            Self::Mailbox(command) => command.name(),
            Self::SearchDirectory { .. } => "SearchDirectory",
            Self::Sweep => "Sweep",
            Self::Tick => "Tick",
            Self::Drain => "Drain",
        }
    }
}
