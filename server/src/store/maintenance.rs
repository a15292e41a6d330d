//! Work on a data folder that no relay has open: compacting, backing up, restoring.
//!
//! sled reuses space and never shrinks a file, so that deleted ciphertext stays on the disk until [`compact`] writes
//! what is left into a fresh database. A backup is one file: a head, every key and value as they stand (so it is as
//! encrypted as the database, and needs the same relay key), and the SHA-256 of all of it. A restored database has a new
//! incarnation: clients notice that it is not the one they knew.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use sled::Batch;

use super::contract::{OpenStoreError, StoreError};
use super::sealing::Sealing;
use super::sled::{DataLock, FOLDER, failure, head, open_sled, own_handle, set_incarnation, sync};

/// The fresh database while it is written.
const FRESH: &str = "journal.fresh";
/// The old database for the moment of the exchange.
const OLD: &str = "journal.old";

/// sled's cache during maintenance.
const CACHE: u64 = 64 << 20;

/// Most bytes in one batch: an eighth of the store's segment.
const BATCH: usize = 512 << 10;

/// First bytes of a backup: name and version of its form.
const MAGIC: &[u8; 16] = b"kring backup\0\0\0\x01";

/// Longest key and value that a backup may hold: the store writes keys of 19 bytes and values of 4 KiB.
const MAX_KEY: usize = 64;
const MAX_VALUE: usize = 64 << 10;

/// Bytes of the database's file before and after [`compact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Writes the database anew, so that what was deleted leaves the disk. Killed at any step it leaves the old database or
/// the new one, and the next opening clears up.
pub fn compact(data: &Path, relay_key: &[u8; 32]) -> Result<Compacted, OpenStoreError> {
    let _lock = existing(data)?;
    let before = fs::metadata(data.join(FOLDER).join("db"))?.len();
    {
        let source = open_sled(&data.join(FOLDER), CACHE)?;
        head(&source, &Sealing::new(relay_key))?;
        let target = open_sled(&data.join(FRESH), CACHE)?;
        let file = own_handle(&data.join(FRESH))?;
        let mut filling = Filling::new(&target);
        for item in source.iter() {
            let (key, value) = item.map_err(failure)?;
            filling.insert(&key, &value)?;
        }
        filling.finish(&file)?;
    }
    sync_folder(&data.join(FRESH))?;
    exchange(data)?;
    let after = fs::metadata(data.join(FOLDER).join("db"))?.len();
    Ok(Compacted { before, after })
}

/// Copies the database into a new file.
pub fn backup(data: &Path, relay_key: &[u8; 32], target: &Path) -> Result<(), OpenStoreError> {
    let _lock = existing(data)?;
    let source = open_sled(&data.join(FOLDER), CACHE)?;
    head(&source, &Sealing::new(relay_key))?;
    let file = File::options().write(true).create_new(true).open(target)?;
    let written = write_backup(&source, &file).and_then(|()| Ok(file.sync_all()?));
    if written.is_err() {
        // Half a backup must not look like one; that it cannot be removed changes nothing about the failure.
        let _best_effort = fs::remove_file(target);
    }
    written
}

/// Puts a backup into an empty data folder, with a new incarnation. A damaged backup leaves the folder empty.
pub fn restore(source: &Path, data: &Path, relay_key: &[u8; 32]) -> Result<(), OpenStoreError> {
    let input = File::open(source)?;
    fs::create_dir_all(data)?;
    let _lock = DataLock::take(data)?;
    settle(data)?;
    if data.join(FOLDER).exists() {
        return Err(OpenStoreError::Exists);
    }
    let fresh = data.join(FRESH);
    let filled = fill_from(input, &fresh, &Sealing::new(relay_key));
    match filled {
        Ok(()) => {
            sync_folder(&fresh)?;
            fs::rename(&fresh, data.join(FOLDER))?;
            Ok(sync_folder(data)?)
        }
        Err(error) => {
            let _best_effort = fs::remove_dir_all(&fresh);
            Err(error)
        }
    }
}

/// Clears up after a compaction or restoration that was killed. The caller holds the lock.
pub(super) fn settle(data: &Path) -> Result<(), OpenStoreError> {
    let [current, fresh, old] = [FOLDER, FRESH, OLD].map(|name| data.join(name));
    if !current.exists() && old.exists() {
        // Killed between the two renames: the fresh database was complete.
        fs::rename(if fresh.exists() { &fresh } else { &old }, &current)?;
        sync_folder(data)?;
    }
    for left_over in [fresh, old] {
        if left_over.exists() {
            fs::remove_dir_all(left_over)?;
        }
    }
    Ok(())
}

fn existing(data: &Path) -> Result<DataLock, OpenStoreError> {
    if !data.exists() {
        return Err(OpenStoreError::Missing);
    }
    let lock = DataLock::take(data)?;
    settle(data)?;
    if data.join(FOLDER).join("db").exists() { Ok(lock) } else { Err(OpenStoreError::Missing) }
}

fn exchange(data: &Path) -> Result<(), OpenStoreError> {
    fs::rename(data.join(FOLDER), data.join(OLD))?;
    fs::rename(data.join(FRESH), data.join(FOLDER))?;
    sync_folder(data)?;
    Ok(fs::remove_dir_all(data.join(OLD))?)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Fills a fresh database in bounded batches.
struct Filling<'a> {
    target: &'a sled::Db,
    batch: Batch,
    bytes: usize,
}

impl<'a> Filling<'a> {
    fn new(target: &'a sled::Db) -> Self {
        Self { target, batch: Batch::default(), bytes: 0 }
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if self.bytes > BATCH {
            self.bytes = 0;
            self.target.apply_batch(std::mem::take(&mut self.batch)).map_err(failure)?;
        }
        self.bytes += key.len() + value.len();
        self.batch.insert(key, value);
        Ok(())
    }

    fn finish(self, file: &File) -> Result<(), StoreError> {
        self.target.apply_batch(self.batch).map_err(failure)?;
        sync(self.target, file)
    }
}

fn write_backup(source: &sled::Db, file: &File) -> Result<(), OpenStoreError> {
    let mut output = BufWriter::new(file);
    let mut digest = Context::new(&SHA256);
    let mut write = |bytes: &[u8]| {
        digest.update(bytes);
        output.write_all(bytes)
    };
    write(MAGIC)?;
    for item in source.iter() {
        let (key, value) = item.map_err(failure)?;
        write(&lengths(key.len(), value.len()))?;
        write(&key)?;
        write(&value)?;
    }
    write(&lengths(0, 0))?;
    output.write_all(digest.finish().as_ref())?;
    Ok(output.flush()?)
}

/// Lengths of a key and its value, 4 bytes each, big-endian; two zeros end the list.
fn lengths(key: usize, value: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    let four = |length: usize| u32::try_from(length).expect("keys and values are small").to_be_bytes();
    bytes[..4].copy_from_slice(&four(key));
    bytes[4..].copy_from_slice(&four(value));
    bytes
}

fn fill_from(input: File, fresh: &Path, sealing: &Sealing) -> Result<(), OpenStoreError> {
    let mut input = Hashed { input: BufReader::new(input), digest: Context::new(&SHA256) };
    let mut magic = [0; MAGIC.len()];
    input.fill(&mut magic)?;
    if magic != *MAGIC {
        return Err(OpenStoreError::NotABackup);
    }
    let target = open_sled(fresh, CACHE)?;
    let file = own_handle(fresh)?;
    let mut filling = Filling::new(&target);
    loop {
        let mut head = [0; 8];
        input.fill(&mut head)?;
        let four = |bytes: &[u8]| bytes.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        let (key, value) = (four(&head[..4]), four(&head[4..]));
        if key == 0 {
            break;
        }
        if key > MAX_KEY || value > MAX_VALUE {
            return Err(OpenStoreError::NotABackup);
        }
        let mut both = vec![0; key + value];
        input.fill(&mut both)?;
        filling.insert(&both[..key], &both[key..])?;
    }
    let expected = input.digest.finish();
    let mut found = [0; 32];
    input.input.read_exact(&mut found).map_err(damaged)?;
    if expected.as_ref() != found {
        return Err(OpenStoreError::NotABackup);
    }
    filling.finish(&file)?;
    head(&target, sealing)?;
    set_incarnation(&target, sealing)?;
    Ok(sync(&target, &file)?)
}

/// Reads and hashes.
struct Hashed {
    input: BufReader<File>,
    digest: Context,
}

impl Hashed {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OpenStoreError> {
        self.input.read_exact(bytes).map_err(damaged)?;
        self.digest.update(bytes);
        Ok(())
    }
}

fn damaged(error: io::Error) -> OpenStoreError {
    if error.kind() == io::ErrorKind::UnexpectedEof { OpenStoreError::NotABackup } else { error.into() }
}
