//! The encrypted store of one device: SQLite with SQLCipher, one database and **one transaction a step**. MLS state,
//! items, outbox and cursors change together or not at all.
//!
//! A folder holds `store.key`, the header that wraps the database's key (see [`Unlock`]), and `store.db`. The journal
//! is a write-ahead log: one flush for each transaction instead of three; what it holds is encrypted under the same
//! key, and it is emptied when the store is opened and closed. Deleted values are overwritten in the database
//! (`secure_delete`), so that used-up MLS secrets do not linger in free pages.
//!
//! A store is wiped by destroying its key ([`Store::destroy_key`]); the files are then nothing but noise.
//!
//! Refused: a store that another process has open, one that a newer version wrote, a wrong passphrase or key, and
//! bytes that are not a store; each with an error of its own, and nothing changed.

mod codec;
mod error;
mod header;
mod key;
mod rows;
mod schema;
mod transaction;

use std::fmt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

pub(crate) use codec::{Cbor, decode, encode};
pub use error::StoreError;
pub use key::Unlock;
pub(crate) use rows::{AuditRow, Numbered, Rows};
pub(crate) use transaction::Transaction;

/// File that holds the database.
const DATABASE: &str = "store.db";

/// Statements that stay prepared: more than there are in this crate, so that none is parsed twice. With fewer than a step
/// uses, each step would parse all of them anew.
const STATEMENTS: usize = 128;

/// The encrypted database of one device.
pub struct Store {
    connection: Connection,
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) faults: transaction::Faults,
}

impl Store {
    /// Name of the file that holds the wrapped key.
    pub(crate) const KEY_FILE: &'static str = header::HEADER;

    /// Makes a new store in `folder`, which must exist and hold none.
    pub fn create(folder: &Path, unlock: &Unlock) -> Result<Self, StoreError> {
        let path = folder.join(DATABASE);
        if path.exists() || header::exists(folder) {
            return Err(StoreError::Exists);
        }
        let key = header::create(folder, unlock)?;
        let made = Self::connect(&path, &key, true).and_then(|mut connection| {
            schema::create(&mut connection)?;
            Ok(connection)
        });
        match made {
            Ok(connection) => Ok(Self::over(connection)),
            Err(error) => {
                // Both files are ours: they did not exist before.
                let _ = std::fs::remove_file(&path);
                header::remove(folder);
                Err(error)
            }
        }
    }

    /// Opens the store in `folder`.
    pub fn open(folder: &Path, unlock: &Unlock) -> Result<Self, StoreError> {
        let path = folder.join(DATABASE);
        let key = header::open(folder, unlock)?;
        if !path.exists() {
            return Err(StoreError::Corrupt);
        }
        let connection = Self::connect(&path, &key, false)?;
        schema::bring_up(&connection)?;
        Ok(Self::over(connection))
    }

    /// Destroys the key of the store in `folder`, without needing it: from then on nothing opens the store, with any
    /// passphrase or key. A few hundred bytes are overwritten and flushed; nothing is read or decrypted first. The
    /// files stay.
    pub fn destroy_key(folder: &Path) -> Result<(), StoreError> {
        header::destroy(folder)
    }

    /// Whether the key of the store in `folder` has been destroyed.
    pub fn is_destroyed(folder: &Path) -> bool {
        header::is_destroyed(folder)
    }

    /// Whether a store is in `folder`, one whose key has been destroyed included.
    pub(crate) fn exists(folder: &Path) -> bool {
        header::exists(folder) || folder.join(DATABASE).exists()
    }

    /// A store in memory, for tests and simulations.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        schema::create(&mut connection)?;
        Ok(Self::over(connection))
    }

    /// A copy in a store that has just been made.
    #[cfg(feature = "simulation")]
    pub(crate) fn copy_to(&self, copy: Self) -> Result<Self, StoreError> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid";
        let mut tables = self.connection.prepare(sql)?;
        let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let together = copy.connection.unchecked_transaction()?;
        for table in tables {
            copy.connection.execute(&format!("DELETE FROM \"{table}\""), [])?;
            let mut rows = self.connection.prepare(&format!("SELECT * FROM \"{table}\""))?;
            let places = vec!["?"; rows.column_count()].join(", ");
            let mut insert = copy.connection.prepare(&format!("INSERT INTO \"{table}\" VALUES ({places})"))?;
            let width = rows.column_count();
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let values = (0..width).map(|column| row.get::<_, rusqlite::types::Value>(column));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                insert.execute(rusqlite::params_from_iter(values))?;
            }
        }
        together.commit()?;
        Ok(copy)
    }

    fn over(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self {
            connection,
            #[cfg(any(test, feature = "simulation"))]
            faults: transaction::Faults::default(),
        }
    }

    fn connect(path: &Path, key: &Zeroizing<[u8; 32]>, create: bool) -> Result<Connection, StoreError> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let connection = Connection::open_with_flags(path, flags)?;
        let mut pragma = Zeroizing::new(String::with_capacity(96));
        pragma.push_str("PRAGMA key = \"x'");
        for byte in key.iter() {
            for digit in [byte >> 4, byte & 15] {
                pragma.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        pragma.push_str("'\";");
        connection.execute_batch(&pragma)?;
        // SQLCipher's own log goes to the standard error stream, and says nothing that errors do not. Taking a key turns it on.
        connection.execute_batch("PRAGMA cipher_log_level = NONE;")?;
        // All constraints of that kind are in tables of the MLS library, over the names that it gives its own rows;
        // to look at them SQLite builds a temporary tree for every message. Stores in memory, for tests, keep them.
        connection.execute_batch(
            "PRAGMA cipher_memory_security = ON;
             PRAGMA ignore_check_constraints = ON;
             PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA secure_delete = ON;
             PRAGMA foreign_keys = ON;
             PRAGMA temp_store = MEMORY;
             PRAGMA synchronous = FULL;",
        )?;
        // The first access after the exclusive mode was chosen takes the lock and keeps it.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT; PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(connection)
    }

    /// Begins a step.
    pub(crate) fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        Transaction::begin(
            &mut self.connection,
            #[cfg(any(test, feature = "simulation"))]
            &self.faults,
        )
    }

    /// Reads outside a step.
    pub(crate) fn read(&self) -> Rows<'_> {
        Rows::new(&self.connection)
    }

    /// Keeps the device's Ed25519 seed (RFC 8032 §5.1.5): it lies here and nowhere else.
    pub fn write_device_key(&mut self, seed: &Zeroizing<[u8; 32]>) -> Result<(), StoreError> {
        let step = self.begin()?;
        step.write_meta("device key", seed.as_slice())?;
        step.commit()
    }

    /// The device's Ed25519 seed.
    pub fn device_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError> {
        let Some(bytes) = self.read().meta("device key")?.map(Zeroizing::new) else { return Ok(None) };
        let seed: [u8; 32] = bytes.as_slice().try_into().map_err(|_| StoreError::Corrupt)?;
        Ok(Some(Zeroizing::new(seed)))
    }

    /// Sizes of the MLS library's values, for tests.
    #[cfg(test)]
    pub(crate) fn mls_sizes(&self) -> Vec<usize> {
        let sql = "SELECT length(group_data) FROM openmls_group_data";
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        rows.map(|size| usize::try_from(size.unwrap()).unwrap()).collect()
    }

    /// Most pages that the database may have: what a full disk does, for tests.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        self.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Best effort: an unfinished checkpoint is made good at the next opening.
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store(..)")
    }
}

#[cfg(test)]
mod tests;
