//! The store on disk: sled 0.34.7, one tree.
//!
//! | key | value |
//! | --- | --- |
//! | `00` ‖ name | version, incarnation, checkpoint |
//! | `01` ‖ position (8, big-endian) ‖ piece (2, big-endian) | an entry, in pieces |
//! | `02` ‖ name of the page (16) ‖ piece (2, big-endian) | a page, in pieces |
//!
//! An entry or page is sealed as a whole, headed by its length, and cut into pieces of at most [`PIECE`] bytes: what is
//! larger than 128 KiB, alone or as 16 neighbours in a leaf, sled would put into its `blobs` folder, which it never
//! syncs.
//!
//! **Durable** means: given to sled, `flush()`, then `fdatasync` of our own handle on sled's file. sled's own flush is
//! `sync_file_range` on Linux, which survives a killed process and not a power cut. Its timed flush is off.
//!
//! sled notes where everything lies when it is opened, and then never again: an opening reads all that was written since
//! the last one, half a second to a second for each gigabyte. [`Store::renew`] opens it anew in a quiet moment.
//!
//! After a kill the journal ends in whole entries, or in one whose pieces are incomplete: that one was not
//! acknowledged and is dropped. A hole before the end is damage.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kring_protocol::ids::Incarnation;
use sled::{Batch, IVec};

use self::ahead::Ahead;
use self::watch::Watch;
use super::contract::{OpenStoreError, PageId, Position, Store, StoreError};
use super::sealing::{PAGE_NAME, Sealing};

/// Newest form of the database that this program writes and reads.
pub(super) const VERSION: u64 = 1;

/// Most bytes in one value: a leaf of 16 of them has 64 KiB, half of what sled would put into `blobs`.
const PIECE: usize = 4 << 10;

/// Bytes before a sealed value that tell its length.
const LENGTH: usize = 4;

/// sled's segment. A batch must fit into one after amplification, which is at most sixfold here.
const SEGMENT: usize = 4 << 20;

/// Most bytes in one sled batch: an eighth of a segment.
const BATCH: usize = SEGMENT / 8;

/// Most entries of a step that are given to sled one after the other. For each batch it seals and writes two of its buffers
/// more, which is time; but it inserts a batch in the order of a hash table, by which its leaves are filled better: an entry of
/// 512 bytes costs 1,950 bytes written in batches of 64 and 2,280 one after the other, and the same in batches of 8.
const SINGLY: usize = 8;

/// How often and how long sled is waited for when it has not yet let go of a database: two seconds in all.
const LET_GO_TRIES: usize = 100;
const LET_GO_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Folder of the database in the data folder.
pub(super) const FOLDER: &str = "journal";

/// File in the data folder that is locked while it is open.
const LOCK: &str = "lock";

const META: u8 = 0;
const ENTRY: u8 = 1;
const PAGE: u8 = 2;

const VERSION_KEY: [u8; 2] = [META, b'v'];
const INCARNATION_KEY: [u8; 2] = [META, b'i'];
const CHECKPOINT_KEY: [u8; 2] = [META, b'c'];

/// A store on disk.
pub struct SledStore {
    /// None after an opening anew has failed.
    open: Option<Open>,
    /// Our own handle on sled's file, for the sync that sled does not do.
    file: File,
    sealing: Sealing,
    incarnation: Incarnation,
    tail: Position,
    checkpointed: Position,
    poisoned: bool,
    /// Where the database lies, and sled's cache.
    folder: PathBuf,
    cache: u64,
    /// Bytes of keys and values that sled was given since it was opened.
    written: u64,
    _lock: DataLock,
}

/// sled, who watches over its flushes, and who reads ahead.
struct Open {
    // Before the database: they let go of it first.
    watch: Watch,
    ahead: Ahead,
    db: sled::Db,
}

impl Open {
    fn new(db: sled::Db) -> Result<Self, StoreError> {
        Ok(Self { watch: Watch::begin(&db)?, ahead: Ahead::begin(&db)?, db })
    }

    /// Makes everything written durable.
    fn sync(&self, file: &File) -> Result<(), StoreError> {
        self.watch.flush(&self.db).map_err(failure)?;
        Ok(file.sync_data()?)
    }
}

/// Holds a data folder for one process.
pub(super) struct DataLock {
    /// The lock lives as long as its file is open.
    _file: File,
}

impl DataLock {
    pub(super) fn take(data: &Path) -> Result<Self, OpenStoreError> {
        let file = File::options().create(true).truncate(false).write(true).open(data.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenStoreError::AlreadyOpen),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Opens sled in a folder, with the settings that the table in the design was measured with.
pub(super) fn open_sled(folder: &Path, cache: u64) -> Result<sled::Db, OpenStoreError> {
    let config = sled::Config::new()
        .path(folder)
        .segment_size(SEGMENT)
        .cache_capacity(cache)
        .flush_every_ms(None)
        .mode(sled::Mode::HighThroughput);
    // Our own lock keeps other processes out; within this one, sled lets go of a database that was dropped on a thread
    // of its own, a moment later.
    for _ in 0..LET_GO_TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if error.kind() == io::ErrorKind::Other => {
                std::thread::park_timeout(LET_GO_PAUSE);
            }
            opened => return Ok(opened.map_err(failure)?),
        }
    }
    Ok(config.open().map_err(failure)?)
}

/// Makes everything written to a database durable.
pub(super) fn sync(db: &sled::Db, file: &File) -> Result<(), StoreError> {
    db.flush().map_err(failure)?;
    Ok(file.sync_data()?)
}

/// sled's file in its folder.
pub(super) fn own_handle(folder: &Path) -> Result<File, OpenStoreError> {
    Ok(File::options().write(true).open(folder.join("db"))?)
}

impl SledStore {
    /// Opens the database in a data folder, or makes one. `cache` is sled's, in bytes.
    pub fn open(data: &Path, relay_key: &[u8; 32], cache: u64) -> Result<Self, OpenStoreError> {
        fs::create_dir_all(data)?;
        let lock = DataLock::take(data)?;
        super::maintenance::settle(data)?;
        let folder = data.join(FOLDER);
        let fresh = !folder.join("db").exists();
        let db = open_sled(&folder, cache)?;
        let file = own_handle(&folder)?;
        let sealing = Sealing::new(relay_key);
        if fresh || db.get(VERSION_KEY).map_err(failure)?.is_none() {
            begin(&db, &file, &sealing)?;
            // The names of new files are durable only with their folders.
            for folder in [&folder, data] {
                File::open(folder)?.sync_all()?;
            }
        }
        let incarnation = head(&db, &sealing)?;
        let checkpointed = number(&db, CHECKPOINT_KEY)?.map_or(Position(0), Position);
        let mut store = Self {
            open: Some(Open::new(db)?),
            file,
            sealing,
            incarnation,
            tail: checkpointed,
            checkpointed,
            poisoned: false,
            folder,
            cache,
            written: 0,
            _lock: lock,
        };
        store.find_tail()?;
        Ok(store)
    }

    fn open_now(&self) -> Result<&Open, StoreError> {
        self.open.as_ref().ok_or(StoreError::Poisoned)
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        Ok(&self.open_now()?.db)
    }

    /// Makes everything written durable.
    fn sync(&self) -> Result<(), StoreError> {
        self.open_now()?.sync(&self.file)
    }

    /// Drops a torn last entry and checks that nothing is missing between the checkpoint and the end.
    fn find_tail(&mut self) -> Result<(), OpenStoreError> {
        let first = entry_prefix(self.checkpointed.next());
        let mut expected = self.checkpointed.next();
        let mut torn = None;
        for item in self.db()?.range(&first[..]..&[PAGE][..]) {
            let (key, value) = item.map_err(failure)?;
            let (position, piece) = entry_key(&key).ok_or(StoreError::Corrupt)?;
            if piece > 0 {
                continue;
            }
            if torn.is_some() || position != expected {
                return Err(StoreError::Corrupt.into());
            }
            if self.is_whole(&entry_prefix(position), &value)? {
                self.tail = position;
                expected = position.next();
            } else {
                torn = Some(position);
            }
        }
        if let Some(position) = torn {
            self.remove_pieces(&entry_prefix(position))?;
        }
        Ok(())
    }

    /// Whether every piece that the first one announces is there.
    fn is_whole(&self, prefix: &[u8], first: &[u8]) -> Result<bool, StoreError> {
        let pieces = pieces(announced(first)?);
        match pieces.checked_sub(1) {
            None => Err(StoreError::Corrupt),
            Some(0) => Ok(first.len() >= LENGTH),
            Some(last) => Ok(self.db()?.contains_key(piece_key(prefix, last)).map_err(failure)?),
        }
    }

    fn healthy(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Runs a write; after a failure the store takes nothing more.
    fn write<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.healthy()?;
        let done = work(self);
        self.poisoned = done.is_err();
        done
    }

    /// Seals a value and puts its length before it: what is then cut into pieces.
    fn sealed(&self, prefix: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sealed = self.sealing.seal(prefix, value).map_err(|_| StoreError::Disk(io::ErrorKind::Other))?;
        let length = u32::try_from(sealed.len()).map_err(|_| StoreError::Disk(io::ErrorKind::FileTooLarge))?;
        Ok([&length.to_be_bytes()[..], &sealed].concat())
    }

    /// Adds an entry: its pieces to the batches, or one after the other. Either way it may end up in part after a kill, and is
    /// then dropped at the next opening: sled reads back what it was given up to some point in this order.
    fn put_entry(
        &mut self,
        position: Position,
        entry: &[u8],
        mut batches: Option<&mut Batches>,
    ) -> Result<(), StoreError> {
        let prefix = entry_prefix(position);
        for (number, piece) in (0u16..).zip(self.sealed(&prefix, entry)?.chunks(PIECE)) {
            let key = piece_key(&prefix, number);
            match &mut batches {
                Some(batches) => {
                    batches.make_room(self.db()?, piece.len())?;
                    batches.open.insert(key, piece);
                }
                None => {
                    self.db()?.insert(key, piece).map_err(failure)?;
                    self.written += piece.len() as u64;
                }
            }
        }
        Ok(())
    }

    /// Adds a page, its pieces and what it leaves of a longer one before it in one batch: a page of two halves from
    /// different writes could not be opened, and what it was made from may be gone.
    fn put_page(&self, batches: &mut Batches, prefix: &[u8], page: Option<&Bytes>) -> Result<(), StoreError> {
        let whole = page.map(|page| self.sealed(prefix, page)).transpose()?.unwrap_or_default();
        if whole.len() > BATCH {
            return Err(StoreError::Disk(io::ErrorKind::FileTooLarge));
        }
        batches.make_room(self.db()?, whole.len())?;
        let mut next = 0;
        for piece in whole.chunks(PIECE) {
            batches.open.insert(piece_key(prefix, next), piece);
            next += 1;
        }
        while self.db()?.contains_key(piece_key(prefix, next)).map_err(failure)? {
            batches.open.remove(piece_key(prefix, next));
            next += 1;
        }
        Ok(())
    }

    /// Reads and opens a value.
    fn get(&self, prefix: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let Some(first) = self.db()?.get(piece_key(prefix, 0)).map_err(failure)? else { return Ok(None) };
        let length = announced(&first)?;
        let mut sealed = Vec::with_capacity(length);
        sealed.extend_from_slice(first.get(LENGTH..).ok_or(StoreError::Corrupt)?);
        for number in 1..pieces(length) {
            let piece = self.db()?.get(piece_key(prefix, number)).map_err(failure)?.ok_or(StoreError::Corrupt)?;
            sealed.extend_from_slice(&piece);
        }
        if sealed.len() != length {
            return Err(StoreError::Corrupt);
        }
        self.sealing.open(prefix, sealed).map(|value| Some(value.into()))
    }

    fn remove_pieces(&self, prefix: &[u8]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for key in self.db()?.scan_prefix(prefix).keys() {
            batch.remove(key.map_err(failure)?);
        }
        self.db()?.apply_batch(batch).map_err(failure)
    }
}

/// sled batches, each of which is there as a whole after a kill or not at all.
#[derive(Default)]
struct Batches {
    open: Batch,
    bytes: usize,
    /// Bytes of all of them.
    given: u64,
}

impl Batches {
    /// Makes room for this many bytes that belong together: the open batch is applied first if they do not fit.
    fn make_room(&mut self, db: &sled::Db, bytes: usize) -> Result<(), StoreError> {
        if self.bytes + bytes > BATCH {
            self.apply(db)?;
        }
        self.bytes += bytes;
        self.given += bytes as u64;
        Ok(())
    }

    fn apply(&mut self, db: &sled::Db) -> Result<(), StoreError> {
        self.bytes = 0;
        db.apply_batch(std::mem::take(&mut self.open)).map_err(failure)
    }
}

impl Store for SledStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn tail(&self) -> Position {
        self.tail
    }

    fn checkpointed(&self) -> Position {
        self.checkpointed
    }

    fn append(&mut self, entries: &[Bytes]) -> Result<(), StoreError> {
        self.write(|store| {
            let mut batches = (entries.len() > SINGLY).then(Batches::default);
            let mut position = store.tail;
            for entry in entries {
                position = position.next();
                store.put_entry(position, entry, batches.as_mut())?;
            }
            if let Some(mut batches) = batches {
                batches.apply(store.db()?)?;
                store.written += batches.given;
            }
            store.sync()?;
            store.tail = position;
            Ok(())
        })
    }

    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError> {
        self.get(&entry_prefix(position))
    }

    fn expect(&self, positions: &[Position]) {
        if let Some(open) = &self.open {
            open.ahead.expect(positions);
        }
    }

    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError> {
        let first = entry_prefix(position.next());
        match self.db()?.range(&first[..]..&[PAGE][..]).next() {
            None => Ok(None),
            Some(item) => {
                let (key, _) = item.map_err(failure)?;
                entry_key(&key).map(|(position, _)| Some(position)).ok_or(StoreError::Corrupt)
            }
        }
    }

    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError> {
        self.get(&page_prefix(&self.sealing.page_name(id)))
    }

    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError> {
        self.write(|store| {
            let mut batches = Batches::default();
            for (id, page) in pages {
                store.put_page(&mut batches, &page_prefix(&store.sealing.page_name(id)), page.as_ref())?;
            }
            batches.apply(store.db()?)?;
            store.written += batches.given;
            Ok(())
        })
    }

    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError> {
        self.write(|store| {
            store.sync()?;
            store.db()?.insert(CHECKPOINT_KEY, &through.0.to_be_bytes()).map_err(failure)?;
            store.sync()?;
            store.checkpointed = through;
            Ok(())
        })
    }

    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        self.write(|store| {
            for position in positions.iter().filter(|position| **position <= store.checkpointed) {
                store.remove_pieces(&entry_prefix(*position))?;
            }
            Ok(())
        })
    }

    fn written(&self) -> u64 {
        self.written
    }

    fn renew(&mut self) -> Result<(), StoreError> {
        self.write(|store| {
            store.sync()?;
            store.open = None;
            let opened = open_sled(&store.folder, store.cache).map_err(|error| match error {
                OpenStoreError::Store(error) => error,
                _ => StoreError::Disk(io::ErrorKind::Other),
            })?;
            store.open = Some(Open::new(opened)?);
            store.written = 0;
            Ok(())
        })
    }
}

/// Writes what a new database begins with.
fn begin(db: &sled::Db, file: &File, sealing: &Sealing) -> Result<(), OpenStoreError> {
    set_incarnation(db, sealing)?;
    db.insert(CHECKPOINT_KEY, &0u64.to_be_bytes()).map_err(failure)?;
    sync(db, file)?;
    // The version comes last: a database without one was never finished and is begun again.
    db.insert(VERSION_KEY, &VERSION.to_be_bytes()).map_err(failure)?;
    Ok(sync(db, file)?)
}

/// Gives the database a new life.
pub(super) fn set_incarnation(db: &sled::Db, sealing: &Sealing) -> Result<(), OpenStoreError> {
    let mut incarnation = [0; Incarnation::LEN];
    aws_lc_rs::rand::fill(&mut incarnation).map_err(|_| OpenStoreError::NoRandomness)?;
    let sealed = sealing.seal(&INCARNATION_KEY, &incarnation)?;
    db.insert(INCARNATION_KEY, sealed).map_err(failure)?;
    Ok(())
}

/// Checks a database's version and that the relay key is its own, and reads its incarnation.
pub(super) fn head(db: &sled::Db, sealing: &Sealing) -> Result<Incarnation, OpenStoreError> {
    let found = number(db, VERSION_KEY)?.ok_or(OpenStoreError::Missing)?;
    // Version 1 is the first: there is nothing older to upgrade from.
    if found > VERSION {
        return Err(OpenStoreError::NewerVersion { found, known: VERSION });
    }
    let sealed = db.get(INCARNATION_KEY).map_err(failure)?.ok_or(StoreError::Corrupt)?;
    let opened = sealing.open(&INCARNATION_KEY, sealed.to_vec()).map_err(|_| OpenStoreError::WrongKey)?;
    Ok(Incarnation::from_slice(&opened).ok_or(StoreError::Corrupt)?)
}

fn number(db: &sled::Db, key: [u8; 2]) -> Result<Option<u64>, StoreError> {
    let Some(value) = db.get(key).map_err(failure)? else { return Ok(None) };
    let bytes = <[u8; 8]>::try_from(value.as_ref()).map_err(|_| StoreError::Corrupt)?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// Length of a sealed value, as its first piece tells it.
fn announced(first: &[u8]) -> Result<usize, StoreError> {
    let (length, _) = first.split_first_chunk::<LENGTH>().ok_or(StoreError::Corrupt)?;
    usize::try_from(u32::from_be_bytes(*length)).map_err(|_| StoreError::Corrupt)
}

/// How many pieces a sealed value of this length has.
fn pieces(length: usize) -> u16 {
    u16::try_from((length + LENGTH).div_ceil(PIECE)).unwrap_or(u16::MAX)
}

fn entry_prefix(position: Position) -> [u8; 9] {
    let mut prefix = [ENTRY; 9];
    prefix[1..].copy_from_slice(&position.0.to_be_bytes());
    prefix
}

fn page_prefix(name: &[u8; PAGE_NAME]) -> [u8; 1 + PAGE_NAME] {
    let mut prefix = [PAGE; 1 + PAGE_NAME];
    prefix[1..].copy_from_slice(name);
    prefix
}

fn piece_key(prefix: &[u8], number: u16) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

fn entry_key(key: &IVec) -> Option<(Position, u16)> {
    let (&[ENTRY], rest) = key.split_first_chunk::<1>()? else { return None };
    let (position, piece) = rest.split_first_chunk::<8>()?;
    Some((Position(u64::from_be_bytes(*position)), u16::from_be_bytes(piece.try_into().ok()?)))
}

/// What sled says, without its text: that may name paths.
pub(super) fn failure(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => error.into(),
        sled::Error::Corruption { .. } => StoreError::Corrupt,
        sled::Error::CollectionNotFound(_) | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_) => {
            StoreError::Disk(io::ErrorKind::Other)
        }
    }
}

mod ahead;
mod watch;

#[cfg(test)]
mod tests;
