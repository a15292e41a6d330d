//! What every store promises.
//!
//! - **The journal is the truth**: when [`Store::append`] returns, its entries are on the disk and survive any kill;
//!   when it fails, the store takes nothing more, and any prefix of the entries may be there after the next opening.
//! - Pages are written without such a promise, any number at a time; each tells by itself up to which position it
//!   has been made. When [`Store::checkpoint`] returns, all pages written before it are on the disk, and the next
//!   opening replays the entries after its position alone.
//! - Entries at or before the checkpoint may be removed, in any order.

use std::fmt;
use std::io;

use bytes::Bytes;
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, GroupId, Incarnation};
use serde::{Deserialize, Serialize};

use crate::rules::enrolment::{Organisation, TicketHash};

/// Place of an entry in the journal, from 1; 0 is before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The next one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Names a page of a view. What stands on disk is a keyed hash of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageId {
    /// Head of a group's log.
    Group(GroupId),
    /// One block of the list of a log's positions.
    Block(GroupId, u64),
    /// KeyPackages and inbox of a device.
    Device(DeviceId),
    /// Devices of a professional.
    Professional(ProfessionalAddress),
    /// Groups that are to be erased.
    Erasing,
    /// Newest list of revoked certificates of each issuer.
    Revocations,
    /// A part of the directory.
    Shard(u8),
    /// An organisation's mailbox for certificates.
    Mailbox(Organisation),
    /// Whose a ticket is.
    Ticket(TicketHash),
}

impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Group(_) => "Group(..)",
            Self::Block(..) => "Block(..)",
            Self::Device(_) => "Device(..)",
            Self::Professional(_) => "Professional(..)",
            Self::Erasing => "Erasing",
            Self::Revocations => "Revocations",
            Self::Shard(_) => "Shard(..)",
            Self::Mailbox(_) => "Mailbox(..)",
            Self::Ticket(_) => "Ticket(..)",
        })
    }
}

/// A journal with pages.
pub trait Store: Send {
    /// Which life of the database this is.
    fn incarnation(&self) -> Incarnation;

    /// The newest entry.
    fn tail(&self) -> Position;

    /// The position of the last checkpoint.
    fn checkpointed(&self) -> Position;

    /// Appends entries after [`Self::tail`], and returns when all of them are durable.
    fn append(&mut self, entries: &[Bytes]) -> Result<(), StoreError>;

    /// Reads an entry; none if it was removed or never written.
    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError>;

    /// Entries that will be read soon, and in this order: a store may bring them nearer meanwhile.
    fn expect(&self, _positions: &[Position]) {}

    /// The oldest entry after `position` that was not removed.
    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError>;

    /// Reads a page.
    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError>;

    /// Writes pages, or removes those without contents. Not durable before the next [`Self::checkpoint`].
    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError>;

    /// Makes all pages written so far durable, then notes that entries up to `through` need no replay.
    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError>;

    /// Removes entries at or before [`Self::checkpointed`].
    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError>;

    /// Bytes that were written since the last opening: what the next one has to read, about. Zero where it reads nothing.
    fn written(&self) -> u64 {
        0
    }

    /// Opens what is open anew, so that the next opening has little to read. Takes as long as an opening does; killed
    /// at any moment it loses nothing.
    fn renew(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Why a store failed. After a failed write it takes nothing more until it is opened again: what the disk holds is
/// not known, and a second sync that succeeds would prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left.
    #[error("the disk is full")]
    DiskFull,
    /// The system could not read, write or sync.
    #[error("the disk failed ({0})")]
    Disk(io::ErrorKind),
    /// What was read is not what was written.
    #[error("the database is damaged; restore a backup")]
    Corrupt,
    /// An earlier write failed.
    #[error("an earlier write failed; the database must be opened again")]
    Poisoned,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            kind => Self::Disk(kind),
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenStoreError {
    /// Written by a later version.
    #[error(
        "the data folder was written by a later version ({found}; this one knows up to {known}); install that version"
    )]
    NewerVersion {
        /// Its version.
        found: u64,
        /// The newest that this program knows.
        known: u64,
    },
    /// Another process has it open.
    #[error("another relay has this data folder open")]
    AlreadyOpen,
    /// The relay key is not the one that the data was written with.
    #[error("this relay key is not the one that the data folder was made with")]
    WrongKey,
    /// There is no database, where one is needed.
    #[error("the data folder holds no database")]
    Missing,
    /// There is a database already, where none may be.
    #[error("the data folder holds a database already; restore into an empty folder")]
    Exists,
    /// Not a backup of this program, or a damaged one.
    #[error("the file is not an undamaged backup of a relay")]
    NotABackup,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
    /// Reading or writing failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<io::Error> for OpenStoreError {
    fn from(error: io::Error) -> Self {
        Self::Store(error.into())
    }
}
