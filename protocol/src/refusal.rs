//! Why a relay says no: each refusal has a number on the wire, tells whether trying again can help, and what to do.
//!
//! A group that does not exist and a group that the connection may not use give the same refusal, in the same time.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{ClaimId, CrlNumber, DeviceId, Epoch, Seq};
use crate::wire::structure;

/// A rule of the relay said no; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The frame does not hold a request of this protocol.
    #[error("the relay could not read the request; the program that sent it has a fault")]
    Malformed,
    /// The relay does not speak the client's version.
    #[error("the relay speaks another version of the protocol; update the older of the two")]
    UnsupportedVersion,
    /// A request came before the hello, or a second hello came.
    #[error("the hello comes first and once; the program that sent the request has a fault")]
    HelloOrder,
    /// The relay does not know this kind of request.
    #[error("the relay does not know this kind of request; it may be older than the client")]
    UnknownRequest,
    /// No such group, or no valid proof for it on this connection.
    #[error("the relay does not open this case to this device")]
    Forbidden,
    /// The submission was made for an epoch that has ended.
    #[error("somebody changed the case's members first; read to record {winner} and send again")]
    StaleEpoch {
        /// The epoch that the log is in.
        epoch: Epoch,
        /// The record of the Commit that ended the submission's epoch.
        winner: Seq,
    },
    /// The message is not a PrivateMessage of this group, epoch and kind.
    #[error("the relay takes encrypted messages of this case only; the program that sent this has a fault")]
    NotPrivateMessage,
    /// The bytes are not a KeyPackage message.
    #[error("the relay takes KeyPackages only here; the program that sent this has a fault")]
    NotKeyPackage,
    /// The operation id was used before for something else.
    #[error("this operation was sent before with other contents; the program that sent it has a fault")]
    OperationReused,
    /// No receipt is kept for the operation.
    #[error("the relay has not accepted this operation")]
    NoReceipt,
    /// A group with this id exists or existed.
    #[error("a case with this identifier exists already; start it with another one")]
    GroupExists,
    /// Something is larger than the relay takes.
    #[error("this is larger than the relay takes ({limit} bytes)")]
    TooLarge {
        /// Most bytes that are taken.
        limit: u64,
    },
    /// More elements in a list than the relay takes.
    #[error("these are more at once than the relay takes ({limit})")]
    TooMany {
        /// Most elements that are taken.
        limit: u64,
    },
    /// Recipients of a bundle stand in its way; the rest would be accepted without them.
    #[error("{} of the devices to be added cannot be reached now; add the others", .0.len())]
    Recipients(Vec<RefusedRecipient>),
    /// Nobody of this address has published KeyPackages here.
    #[error("nobody at this address can be added; ask them to start their device once")]
    UnknownProfessional,
    /// Too much of this at once; wait.
    #[error("too much at once; try again in {after_ms} milliseconds")]
    RateLimited {
        /// Milliseconds to wait.
        after_ms: u64,
    },
    /// The log, inbox, or the number of groups is at its bound.
    #[error("the relay keeps no more of this; it takes more when older ones have been read or expired")]
    Full,
    /// The relay sheds load: it takes no new groups, or no new connections, for now.
    #[error("the relay is busy; try again in {after_ms} milliseconds")]
    Busy {
        /// Milliseconds to wait.
        after_ms: u64,
    },
    /// The relay's disk is nearly full: nothing new is taken.
    #[error("the relay's disk is full; its operator has been warned, what you send waits here")]
    DiskFull,
    /// The relay could not make it durable, and does not pretend.
    #[error("the relay could not store this; it is not delivered and will be sent again")]
    StoreFailed,
    /// The relay is about to stop.
    #[error("the relay is restarting; connect again")]
    Draining,
    /// The device's certificate is revoked or no longer valid.
    #[error("this device's certificate is no longer accepted; ask your organisation's administrator")]
    Revoked,
    /// A cursor with this id exists for another group, or does not exist.
    #[error("the relay does not know this reading position")]
    UnknownCursor,
    /// The log can be erased only with the proof of a final epoch.
    #[error("the case has not been closed")]
    NotFinal,
    /// Not a list of revoked certificates that a region root of the relay vouches for.
    #[error(
        "the relay does not believe this revocation list; hand in the newest one of an organisation that it knows, \
         with the organisation's certificate"
    )]
    NotCrl,
    /// The relay has another list of this issuer with the same number, or one with a higher one.
    #[error("the relay has revocation list number {number} of this issuer; sign one with a higher number")]
    StaleCrl {
        /// The number of the relay's list.
        number: CrlNumber,
    },
    /// No such ticket: mistyped, or closed.
    #[error("the relay does not know this ticket; check it, or ask your administrator for a new one")]
    UnknownTicket,
    /// Another device has used the ticket.
    #[error(
        "this ticket has been used already; if that was not you, tell your administrator at once, and ask for a new one"
    )]
    TicketUsed,
    /// The ticket's time is over.
    #[error("this ticket has expired; ask your administrator for a new one")]
    TicketExpired,
    /// The administration has not answered yet.
    #[error("your administrator has not answered yet; ask again in {after_ms} milliseconds")]
    NotAnswered {
        /// Milliseconds to wait.
        after_ms: u64,
    },
    /// Only the organisation's administration may do this.
    #[error("only your organisation's administration may do this; connect with its certificate")]
    NotAdministration,
    /// The connection has shown no certificate.
    #[error("the relay wants a device's certificate; set this device up first")]
    NoCertificate,
    /// A number that this version does not know.
    #[error("the relay refused for a reason that this version does not know (number {0})")]
    Unknown(u64),
}

/// Whether sending the same request again can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not without a change.
    Never,
    /// After reading the log up to the record named.
    AfterReading,
    /// After this many milliseconds, and more each time.
    After(u64),
    /// On a new connection.
    Reconnect,
}

structure! {
    /// A device whose Welcome cannot be stored.
    pub struct RefusedRecipient {
        /// The claim whose Welcome it is.
        0 => claim: ClaimId;
        /// The device.
        1 => device: DeviceId;
        /// 1: its inbox is full; 2: it was revoked; 3: the claim is unknown or has expired; 4: the claimer holds too
        /// many claims of it open.
        2 => reason: u64;
    }
}

impl RefusedRecipient {
    /// Its inbox is full.
    pub const INBOX_FULL: u64 = 1;
    /// It was revoked.
    pub const REVOKED: u64 = 2;
    /// The claim is unknown, used, or has expired.
    pub const NO_CLAIM: u64 = 3;
    /// The claimer holds as many claims of it open as it may, and asks again when some are used or have expired.
    pub const OPEN_CLAIMS: u64 = 4;
}

structure! {
    /// A refusal as it stands on the wire: its number and what belongs to it.
    pub struct WireRefusal {
        /// See `docs/protocol.md`, "Refusals".
        0 => number: u64;
        /// Epoch of the log, of `StaleEpoch`.
        1 => epoch: Epoch, optional;
        /// Winning record, of `StaleEpoch`.
        2 => winner: Seq, optional;
        /// Bound, of `TooLarge` and `TooMany`.
        3 => limit: u64, optional;
        /// Milliseconds to wait, of `RateLimited`, `Busy` and `NotAnswered`.
        4 => after_ms: u64, optional;
        /// Who stands in the way, of `Recipients`.
        5 => recipients: RefusedRecipient, list;
        /// Number of the relay's list, of `StaleCrl`.
        6 => crl: CrlNumber, optional;
    }
}

impl WireRefusal {
    fn plain(number: u64) -> Self {
        Self { number, epoch: None, winner: None, limit: None, after_ms: None, recipients: Vec::new(), crl: None }
    }
}

/// Milliseconds to wait where a refusal asks for a pause without saying how long.
const PAUSE_MS: u64 = 1_000;

impl Refusal {
    /// The number on the wire.
    pub fn number(&self) -> u64 {
        match self {
            Self::Malformed => 1,
            Self::UnsupportedVersion => 2,
            Self::HelloOrder => 3,
            Self::UnknownRequest => 4,
            Self::Forbidden => 5,
            Self::StaleEpoch { .. } => 6,
            Self::NotPrivateMessage => 7,
            Self::NotKeyPackage => 8,
            Self::OperationReused => 9,
            Self::NoReceipt => 10,
            Self::GroupExists => 11,
            Self::TooLarge { .. } => 12,
            Self::TooMany { .. } => 13,
            Self::Recipients(_) => 14,
            Self::UnknownProfessional => 15,
            Self::RateLimited { .. } => 16,
            Self::Full => 17,
            Self::Busy { .. } => 18,
            Self::DiskFull => 19,
            Self::StoreFailed => 20,
            Self::Draining => 21,
            Self::Revoked => 22,
            Self::UnknownCursor => 23,
            Self::NotFinal => 24,
            Self::NotCrl => 25,
            Self::StaleCrl { .. } => 26,
            Self::UnknownTicket => 27,
            Self::TicketUsed => 28,
            Self::TicketExpired => 29,
            Self::NotAnswered { .. } => 30,
            Self::NotAdministration => 31,
            Self::NoCertificate => 32,
            Self::Unknown(number) => *number,
        }
    }

    /// Whether and when to try again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::StaleEpoch { .. } => Retry::AfterReading,
            Self::RateLimited { after_ms } | Self::Busy { after_ms } | Self::NotAnswered { after_ms } => {
                Retry::After(*after_ms)
            }
            Self::Full | Self::DiskFull | Self::StoreFailed => Retry::After(PAUSE_MS),
            Self::Draining => Retry::Reconnect,
            Self::Malformed
            | Self::UnsupportedVersion
            | Self::HelloOrder
            | Self::UnknownRequest
            | Self::Forbidden
            | Self::NotPrivateMessage
            | Self::NotKeyPackage
            | Self::OperationReused
            | Self::NoReceipt
            | Self::GroupExists
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::Recipients(_)
            | Self::UnknownProfessional
            | Self::Revoked
            | Self::UnknownCursor
            | Self::NotFinal
            | Self::NotCrl
            | Self::StaleCrl { .. }
            | Self::UnknownTicket
            | Self::TicketUsed
            | Self::TicketExpired
            | Self::NotAdministration
            | Self::NoCertificate
            | Self::Unknown(_) => Retry::Never,
        }
    }

    /// The form on the wire.
    pub fn to_wire(&self) -> WireRefusal {
        let mut wire = WireRefusal::plain(self.number());
        match self {
            Self::StaleEpoch { epoch, winner } => {
                wire.epoch = Some(*epoch);
                wire.winner = Some(*winner);
            }
            Self::TooLarge { limit } | Self::TooMany { limit } => wire.limit = Some(*limit),
            Self::RateLimited { after_ms } | Self::Busy { after_ms } | Self::NotAnswered { after_ms } => {
                wire.after_ms = Some(*after_ms);
            }
            Self::StaleCrl { number } => wire.crl = Some(*number),
            Self::Recipients(recipients) => wire.recipients.clone_from(recipients),
            Self::Malformed
            | Self::UnsupportedVersion
            | Self::HelloOrder
            | Self::UnknownRequest
            | Self::Forbidden
            | Self::NotPrivateMessage
            | Self::NotKeyPackage
            | Self::OperationReused
            | Self::NoReceipt
            | Self::GroupExists
            | Self::UnknownProfessional
            | Self::Full
            | Self::DiskFull
            | Self::StoreFailed
            | Self::Draining
            | Self::Revoked
            | Self::UnknownCursor
            | Self::NotFinal
            | Self::NotCrl
            | Self::UnknownTicket
            | Self::TicketUsed
            | Self::TicketExpired
            | Self::NotAdministration
            | Self::NoCertificate
            | Self::Unknown(_) => {}
        }
        wire
    }

    /// Reads the form on the wire; a number whose details are missing counts as unknown.
    pub fn from_wire(wire: WireRefusal) -> Self {
        let unknown = Self::Unknown(wire.number);
        match wire.number {
            1 => Self::Malformed,
            2 => Self::UnsupportedVersion,
            3 => Self::HelloOrder,
            4 => Self::UnknownRequest,
            5 => Self::Forbidden,
            6 => match (wire.epoch, wire.winner) {
                (Some(epoch), Some(winner)) => Self::StaleEpoch { epoch, winner },
                _ => unknown,
            },
            7 => Self::NotPrivateMessage,
            8 => Self::NotKeyPackage,
            9 => Self::OperationReused,
            10 => Self::NoReceipt,
            11 => Self::GroupExists,
            12 => wire.limit.map_or(unknown, |limit| Self::TooLarge { limit }),
            13 => wire.limit.map_or(unknown, |limit| Self::TooMany { limit }),
            14 => Self::Recipients(wire.recipients),
            15 => Self::UnknownProfessional,
            16 => wire.after_ms.map_or(unknown, |after_ms| Self::RateLimited { after_ms }),
            17 => Self::Full,
            18 => wire.after_ms.map_or(unknown, |after_ms| Self::Busy { after_ms }),
            19 => Self::DiskFull,
            20 => Self::StoreFailed,
            21 => Self::Draining,
            22 => Self::Revoked,
            23 => Self::UnknownCursor,
            24 => Self::NotFinal,
            25 => Self::NotCrl,
            26 => wire.crl.map_or(unknown, |number| Self::StaleCrl { number }),
            27 => Self::UnknownTicket,
            28 => Self::TicketUsed,
            29 => Self::TicketExpired,
            30 => wire.after_ms.map_or(unknown, |after_ms| Self::NotAnswered { after_ms }),
            31 => Self::NotAdministration,
            32 => Self::NoCertificate,
            _ => unknown,
        }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_wire().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireRefusal::deserialize(deserializer).map(Self::from_wire)
    }
}
