//! The tables, and the version of their form.

use openmls_sqlite_storage::SqliteStorageProvider;
use rusqlite::Connection;

use super::codec::Cbor;
use super::error::StoreError;

/// Version of the tables below; kept in the database's `user_version`: that of [`TABLES`] and one for each of
/// [`UPGRADES`].
pub(super) const VERSION: i64 = 1 + UPGRADES.len() as i64;

/// What each version adds to the one before it. An entry is never changed once it has been released.
const UPGRADES: [&str; 4] = [
    // Version 2: the audit log. `case_id` and `details` go when the case is erased.
    "CREATE TABLE audit (number INTEGER PRIMARY KEY, case_id BLOB, head BLOB NOT NULL, signature BLOB NOT NULL,
        details BLOB);
    CREATE INDEX audit_of_case ON audit (case_id) WHERE case_id IS NOT NULL;",
    // Version 3: changes of a case's groups in one order with its items (`after`: the item behind which one stands),
    // checkpoints of the state that follows from both, what became of the items that do not simply count, how far each
    // device has said it is, and when items are to be forgotten.
    "CREATE TABLE changes (case_id BLOB NOT NULL, number INTEGER NOT NULL, after INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (case_id, number)) WITHOUT ROWID;
    CREATE TABLE states (case_id BLOB NOT NULL, items INTEGER NOT NULL, changes INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (case_id, items, changes)) WITHOUT ROWID;
    CREATE TABLE receipts (case_id BLOB NOT NULL, device TEXT NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (case_id, device)) WITHOUT ROWID;
    CREATE TABLE expiries (case_id BLOB NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (case_id, position)) WITHOUT ROWID;
    CREATE INDEX expiries_by_time ON expiries (at);
    CREATE TABLE verdicts (case_id BLOB NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (case_id, position)) WITHOUT ROWID;",
    // Version 4: the certificate chains of a case's authors, and cases that are being erased.
    "CREATE TABLE chains (case_id BLOB NOT NULL, author TEXT NOT NULL, hash BLOB NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (case_id, author, hash)) WITHOUT ROWID;
    CREATE TABLE erasures (case_id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;",
    // Version 5: the epochs of a group that this device has come to, by their authenticators.
    "CREATE TABLE epochs (group_id BLOB NOT NULL, epoch INTEGER NOT NULL, authenticator BLOB NOT NULL,
        PRIMARY KEY (group_id, epoch)) WITHOUT ROWID;",
];

/// The tables of version 1, beside those of the MLS library.
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
    CREATE TABLE crls (issuer BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE notes (seq INTEGER PRIMARY KEY, case_id BLOB NOT NULL, data BLOB NOT NULL);
";

/// Makes the tables in an empty database.
pub(super) fn create(connection: &mut Connection) -> Result<(), StoreError> {
    let mut mls = SqliteStorageProvider::<Cbor, &mut Connection>::new(connection);
    mls.run_migrations().map_err(|_| StoreError::Internal)?;
    let added = UPGRADES.join("\n");
    connection
        .execute_batch(&format!("BEGIN EXCLUSIVE; {TABLES} {added} PRAGMA user_version = {VERSION}; COMMIT;"))?;
    Ok(())
}

/// Brings a database of an earlier version up to this one, in one transaction; refuses one of a later version.
pub(super) fn bring_up(connection: &Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        return Err(StoreError::Newer { found, known: VERSION });
    }
    let missing = usize::try_from(VERSION - found).ok().and_then(|missing| UPGRADES.len().checked_sub(missing));
    let missing = &UPGRADES[missing.ok_or(StoreError::Corrupt)?..];
    if missing.is_empty() {
        return Ok(());
    }
    let added = missing.join("\n");
    connection.execute_batch(&format!("BEGIN EXCLUSIVE; {added} PRAGMA user_version = {VERSION}; COMMIT;"))?;
    Ok(())
}
