//! The tables, and the version of their form.

use openmls_sqlite_storage::SqliteStorageProvider;
use rusqlite::Connection;

use super::codec::Cbor;
use super::error::StoreError;

/// Version of the tables below; kept in the database's `user_version`.
pub(super) const VERSION: i64 = 1;

/// The tables of this version, beside those of the MLS library.
const TABLES: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE cases (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE groups (id BLOB PRIMARY KEY, case_id BLOB NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE access (group_id BLOB NOT NULL, epoch INTEGER NOT NULL, seed BLOB NOT NULL,
        PRIMARY KEY (group_id, epoch)) WITHOUT ROWID;
    CREATE TABLE views (group_id BLOB NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (group_id, seq)) WITHOUT ROWID;
    CREATE TABLE items (case_id BLOB NOT NULL, position INTEGER NOT NULL, author TEXT NOT NULL, item BLOB NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY (case_id, position), UNIQUE (case_id, author, item)) WITHOUT ROWID;
    CREATE TABLE intents (id INTEGER PRIMARY KEY AUTOINCREMENT, case_id BLOB NOT NULL, data BLOB NOT NULL);
    CREATE INDEX intents_of_case ON intents (case_id, id);
    CREATE TABLE notes (seq INTEGER PRIMARY KEY, case_id BLOB NOT NULL, data BLOB NOT NULL);
";

/// Makes the tables in an empty database.
pub(super) fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let mut mls = SqliteStorageProvider::<Cbor, &mut Connection>::new(connection);
    mls.run_migrations().map_err(|_| StoreError::Internal)?;
    connection.execute_batch(&format!("BEGIN EXCLUSIVE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
    Ok(())
}

/// Refuses a database of another version.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        VERSION => Ok(()),
        newer if newer > VERSION => Err(StoreError::Newer { found: newer, known: VERSION }),
        _ => Err(StoreError::Corrupt),
    }
}
