//! The rows of our own tables, as types. Reading is by [`Rows`], writing by [`Transaction`] only.

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{Epoch, GroupId, Seq};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::codec::{decode, encode};
use super::error::StoreError;
use super::transaction::Transaction;
use crate::case::{CaseId, ItemId, Position};

/// Reads rows.
pub(crate) struct Rows<'c>(&'c Connection);

/// A row of the audit log, as it stands in the store.
pub(crate) struct AuditRow {
    pub(crate) head: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// Gone once the case is erased.
    pub(crate) details: Option<Vec<u8>>,
}

/// A row with the number that the store gave it.
pub(crate) struct Numbered<T> {
    pub(crate) id: i64,
    pub(crate) value: T,
}

impl<'c> Rows<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self(connection)
    }

    /// The storage of the MLS library, for reading.
    pub(crate) fn mls(&self) -> openmls_sqlite_storage::SqliteStorageProvider<super::Cbor, &'c Connection> {
        openmls_sqlite_storage::SqliteStorageProvider::new(self.0)
    }

    fn one<T: DeserializeOwned>(&self, sql: &str, values: impl rusqlite::Params) -> Result<Option<T>, StoreError> {
        let bytes: Option<Vec<u8>> = self.0.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
        bytes.map(|bytes| decode(&bytes)).transpose()
    }

    /// A single value by name.
    pub(crate) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        Ok(self.0.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?)
    }

    pub(crate) fn case<T: DeserializeOwned>(&self, case: CaseId) -> Result<Option<T>, StoreError> {
        self.one("SELECT data FROM cases WHERE id = ?1", [case.0.as_slice()])
    }

    pub(crate) fn cases(&self) -> Result<Vec<CaseId>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT id FROM cases ORDER BY id")?;
        let ids = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        ids.map(|id| CaseId::from_slice(&id?).ok_or(StoreError::Corrupt)).collect()
    }

    pub(crate) fn group<T: DeserializeOwned>(&self, group: GroupId) -> Result<Option<T>, StoreError> {
        self.one("SELECT data FROM groups WHERE id = ?1", [group.0.as_slice()])
    }

    pub(crate) fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT id FROM groups ORDER BY id")?;
        let ids = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        ids.map(|id| GroupId::from_slice(&id?).ok_or(StoreError::Corrupt)).collect()
    }

    /// Seed of an epoch's access key.
    pub(crate) fn access(&self, group: GroupId, epoch: Epoch) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError> {
        let sql = "SELECT seed FROM access WHERE group_id = ?1 AND epoch = ?2";
        let seed: Option<Vec<u8>> = self
            .0
            .prepare_cached(sql)?
            .query_row(params![group.0.as_slice(), number(epoch.0)?], |row| row.get(0))
            .optional()?;
        let Some(seed) = seed.map(Zeroizing::new) else { return Ok(None) };
        Ok(Some(Zeroizing::new(seed.as_slice().try_into().map_err(|_| StoreError::Corrupt)?)))
    }

    /// Whether this device has come to an epoch of a group, by its authenticator.
    pub(crate) fn has_epoch(&self, group: GroupId, authenticator: &[u8]) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM epochs WHERE group_id = ?1 AND authenticator = ?2";
        Ok(self.0.prepare_cached(sql)?.exists(params![group.0.as_slice(), authenticator])?)
    }

    /// The running hash of a group's log after a record of the present epoch.
    pub(crate) fn view(&self, group: GroupId, seq: Seq) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "SELECT hash FROM views WHERE group_id = ?1 AND seq = ?2";
        let hash: Option<Vec<u8>> = self
            .0
            .prepare_cached(sql)?
            .query_row(params![group.0.as_slice(), number(seq.0)?], |row| row.get(0))
            .optional()?;
        hash.map(|hash| hash.try_into().map_err(|_| StoreError::Corrupt)).transpose()
    }

    /// The item that a device sent under this identifier.
    pub(crate) fn item<T: DeserializeOwned>(
        &self,
        case: CaseId,
        author: &DeviceAddress,
        item: ItemId,
    ) -> Result<Option<T>, StoreError> {
        self.one(
            "SELECT data FROM items WHERE case_id = ?1 AND author = ?2 AND item = ?3",
            params![case.0.as_slice(), author.to_uri(), item.0.as_slice()],
        )
    }

    /// Items after a position, in order, at most `limit`.
    pub(crate) fn items<T: DeserializeOwned>(
        &self,
        case: CaseId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<(Position, T)>, StoreError> {
        let sql = "SELECT position, data FROM items WHERE case_id = ?1 AND position > ?2 ORDER BY position LIMIT ?3";
        let mut statement = self.0.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![case.0.as_slice(), number(after.0)?, limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        rows.map(|row| {
            let (position, data) = row?;
            Ok((Position(u64::try_from(position).map_err(|_| StoreError::Corrupt)?), decode(&data)?))
        })
        .collect()
    }

    /// Items before a position, the newest first, at most `limit`.
    pub(crate) fn items_before<T: DeserializeOwned>(
        &self,
        case: CaseId,
        before: Position,
        limit: usize,
    ) -> Result<Vec<(Position, T)>, StoreError> {
        let sql =
            "SELECT position, data FROM items WHERE case_id = ?1 AND position < ?2 ORDER BY position DESC LIMIT ?3";
        let mut statement = self.0.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![case.0.as_slice(), number(before.0)?, limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        rows.map(|row| {
            let (position, data) = row?;
            Ok((Position(u64::try_from(position).map_err(|_| StoreError::Corrupt)?), decode(&data)?))
        })
        .collect()
    }

    /// The certificate chains under which a device has been in a case.
    pub(crate) fn chains<T: DeserializeOwned>(
        &self,
        case: CaseId,
        author: &DeviceAddress,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement =
            self.0.prepare_cached("SELECT data FROM chains WHERE case_id = ?1 AND author = ?2 ORDER BY hash")?;
        let rows =
            statement.query_map(params![case.0.as_slice(), author.to_uri()], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|row| decode(&row?)).collect()
    }

    /// A case that is being erased.
    pub(crate) fn erasure<T: DeserializeOwned>(&self, case: CaseId) -> Result<Option<T>, StoreError> {
        self.one("SELECT data FROM erasures WHERE case_id = ?1", [case.0.as_slice()])
    }

    /// All of them.
    pub(crate) fn erasures<T: DeserializeOwned>(&self) -> Result<Vec<(CaseId, T)>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT case_id, data FROM erasures ORDER BY case_id")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        rows.map(|row| {
            let (case, data) = row?;
            Ok((CaseId::from_slice(&case).ok_or(StoreError::Corrupt)?, decode(&data)?))
        })
        .collect()
    }

    /// Position of the newest item, which is also their number.
    pub(crate) fn last_item(&self, case: CaseId) -> Result<Position, StoreError> {
        let sql = "SELECT coalesce(max(position), 0) FROM items WHERE case_id = ?1";
        let last: i64 = self.0.prepare_cached(sql)?.query_row([case.0.as_slice()], |row| row.get(0))?;
        Ok(Position(u64::try_from(last).map_err(|_| StoreError::Corrupt)?))
    }

    /// Changes of a case after a number, in order: where each stands among the items, and what it is.
    pub(crate) fn changes<T: DeserializeOwned>(
        &self,
        case: CaseId,
        after: u64,
    ) -> Result<Vec<(Position, T)>, StoreError> {
        let sql = "SELECT after, data FROM changes WHERE case_id = ?1 AND number > ?2 ORDER BY number";
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map(params![case.0.as_slice(), number(after)?], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        rows.map(|row| {
            let (after, data) = row?;
            Ok((Position(unsigned(after)?), decode(&data)?))
        })
        .collect()
    }

    /// How many changes a case has.
    pub(crate) fn last_change(&self, case: CaseId) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(number), 0) FROM changes WHERE case_id = ?1";
        unsigned(self.0.prepare_cached(sql)?.query_row([case.0.as_slice()], |row| row.get(0))?)
    }

    /// The newest checkpoint at or before a place: how many items and changes it holds, and its bytes.
    pub(crate) fn state(
        &self,
        case: CaseId,
        items: u64,
        changes: u64,
    ) -> Result<Option<(u64, u64, Vec<u8>)>, StoreError> {
        let sql = "SELECT items, changes, data FROM states WHERE case_id = ?1 AND items <= ?2 AND changes <= ?3
            ORDER BY items DESC, changes DESC LIMIT 1";
        let row: Option<(i64, i64, Vec<u8>)> = self
            .0
            .prepare_cached(sql)?
            .query_row(params![case.0.as_slice(), number(items)?, number(changes)?], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        row.map(|(items, changes, data)| Ok((unsigned(items)?, unsigned(changes)?, data))).transpose()
    }

    /// What became of the items after a position that do not simply count, at most up to another one.
    pub(crate) fn verdicts<T: DeserializeOwned>(
        &self,
        case: CaseId,
        after: Position,
        last: Position,
    ) -> Result<Vec<(Position, T)>, StoreError> {
        let sql = "SELECT position, data FROM verdicts WHERE case_id = ?1 AND position > ?2 AND position <= ?3";
        let mut statement = self.0.prepare_cached(sql)?;
        let rows = statement.query_map(params![case.0.as_slice(), number(after.0)?, number(last.0)?], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        rows.map(|row| {
            let (position, data) = row?;
            Ok((Position(unsigned(position)?), decode(&data)?))
        })
        .collect()
    }

    /// How far a device has said it is.
    pub(crate) fn receipts<T: DeserializeOwned>(
        &self,
        case: CaseId,
        device: &DeviceAddress,
    ) -> Result<Option<T>, StoreError> {
        let sql = "SELECT data FROM receipts WHERE case_id = ?1 AND device = ?2";
        self.one(sql, params![case.0.as_slice(), device.to_uri()])
    }

    /// The item that is to be forgotten first: when, and which.
    pub(crate) fn next_expiry(&self) -> Result<Option<(u64, CaseId, Position)>, StoreError> {
        let sql = "SELECT at, case_id, position FROM expiries ORDER BY at LIMIT 1";
        let row: Option<(i64, Vec<u8>, i64)> = self
            .0
            .prepare_cached(sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((at, case, position)) = row else { return Ok(None) };
        let case = CaseId::from_slice(&case).ok_or(StoreError::Corrupt)?;
        Ok(Some((unsigned(at)?, case, Position(unsigned(position)?))))
    }

    /// All intents of a case, in the order in which the user had them.
    pub(crate) fn intents<T: DeserializeOwned>(&self, case: CaseId) -> Result<Vec<Numbered<T>>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT id, data FROM intents WHERE case_id = ?1 ORDER BY id")?;
        let rows =
            statement.query_map([case.0.as_slice()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        rows.map(|row| {
            let (id, data) = row?;
            Ok(Numbered { id, value: decode(&data)? })
        })
        .collect()
    }

    /// One intent and its case.
    pub(crate) fn intent<T: DeserializeOwned>(&self, id: i64) -> Result<Option<(CaseId, T)>, StoreError> {
        let row: Option<(Vec<u8>, Vec<u8>)> = self
            .0
            .prepare_cached("SELECT case_id, data FROM intents WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((case, data)) = row else { return Ok(None) };
        Ok(Some((CaseId::from_slice(&case).ok_or(StoreError::Corrupt)?, decode(&data)?)))
    }

    /// This device's KeyPackages with their private keys, as the MLS library keeps them: those
    /// that can be read.
    pub(crate) fn key_packages<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT key_package FROM openmls_key_packages")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0).map(Zeroizing::new))?;
        let readable = rows.map(|row| Ok(decode(&row?).ok()));
        readable.filter_map(Result::transpose).collect()
    }

    /// Rows of the audit log after a number, in order, at most `limit`.
    pub(crate) fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let sql = "SELECT head, signature, details FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.0.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![number(after)?, limit], |row| {
            // Whatever type somebody made of it: a check has to name the entry, not to fail.
            let bytes = |column| {
                Ok::<_, rusqlite::Error>(match row.get_ref(column)? {
                    ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Some(bytes.to_vec()),
                    ValueRef::Null => None,
                    ValueRef::Integer(_) | ValueRef::Real(_) => Some(Vec::new()),
                })
            };
            let (head, signature) = (bytes(0)?.unwrap_or_default(), bytes(1)?.unwrap_or_default());
            Ok(AuditRow { head, signature, details: bytes(2)? })
        })?;
        rows.map(|row| Ok(row?)).collect()
    }

    /// Number and head of the last entry of the audit log.
    pub(crate) fn last_audit(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let sql = "SELECT number, head FROM audit ORDER BY number DESC LIMIT 1";
        let row: Option<(i64, Vec<u8>)> =
            self.0.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        row.map(|(number, head)| Ok((u64::try_from(number).map_err(|_| StoreError::Corrupt)?, head))).transpose()
    }

    /// Certificate revocation lists.
    pub(crate) fn lists<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT data FROM crls ORDER BY issuer")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|row| decode(&row?)).collect()
    }

    /// Notes kept for later, oldest first.
    pub(crate) fn notes<T: DeserializeOwned>(&self, case: CaseId) -> Result<Vec<Numbered<T>>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT seq, data FROM notes WHERE case_id = ?1 ORDER BY seq")?;
        let rows =
            statement.query_map([case.0.as_slice()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        rows.map(|row| {
            let (id, data) = row?;
            Ok(Numbered { id, value: decode(&data)? })
        })
        .collect()
    }
}

#[cfg(test)]
impl Rows<'_> {
    /// Names of all tables.
    pub(crate) fn table_names(&self) -> Vec<String> {
        let mut statement = self.0.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }

    /// All values of a table, as bytes.
    pub(crate) fn all_values(&self, table: &str) -> Vec<Vec<u8>> {
        let mut statement = self.0.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut values = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    rusqlite::types::ValueRef::Blob(bytes) | rusqlite::types::ValueRef::Text(bytes) => {
                        values.push(bytes.to_vec());
                    }
                    _ => {}
                }
            }
        }
        values
    }
}

impl Transaction<'_> {
    pub(crate) fn write_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", params![name, value])?;
        Ok(())
    }

    pub(crate) fn delete_meta(&self, name: &str) -> Result<(), StoreError> {
        self.write("DELETE FROM meta WHERE name = ?1", [name])?;
        Ok(())
    }

    /// Whether the store can still be written; tells a store's failure from a peer's fault.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        if self.is_autocommit() {
            return Err(StoreError::DiskFull);
        }
        self.write_meta("probe", &[0; 64])
    }

    pub(crate) fn write_case<T: Serialize>(&self, case: CaseId, data: &T) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO cases (id, data) VALUES (?1, ?2)";
        self.write(sql, params![case.0.as_slice(), encode(data)?])?;
        Ok(())
    }

    pub(crate) fn write_group<T: Serialize>(&self, group: GroupId, case: CaseId, data: &T) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO groups (id, case_id, data) VALUES (?1, ?2, ?3)";
        self.write(sql, params![group.0.as_slice(), case.0.as_slice(), encode(data)?])?;
        Ok(())
    }

    /// Keeps the seed of an epoch's access key, and forgets those of the epochs before it.
    pub(crate) fn write_access(&self, group: GroupId, epoch: Epoch, seed: &[u8; 32]) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO access (group_id, epoch, seed) VALUES (?1, ?2, ?3)";
        self.write(sql, params![group.0.as_slice(), number(epoch.0)?, seed.as_slice()])?;
        let sql = "DELETE FROM access WHERE group_id = ?1 AND epoch <> ?2";
        self.write(sql, params![group.0.as_slice(), number(epoch.0)?])?;
        Ok(())
    }

    /// Keeps the authenticator of an epoch.
    pub(crate) fn write_epoch(&self, group: GroupId, epoch: Epoch, authenticator: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO epochs (group_id, epoch, authenticator) VALUES (?1, ?2, ?3)";
        self.write(sql, params![group.0.as_slice(), number(epoch.0)?, authenticator])?;
        Ok(())
    }

    /// Forgets a group's epochs before one.
    pub(crate) fn delete_epochs(&self, group: GroupId, before: Epoch) -> Result<(), StoreError> {
        let sql = "DELETE FROM epochs WHERE group_id = ?1 AND epoch < ?2";
        self.write(sql, params![group.0.as_slice(), number(before.0)?])?;
        Ok(())
    }

    pub(crate) fn write_view(&self, group: GroupId, seq: Seq, hash: &[u8; 32]) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO views (group_id, seq, hash) VALUES (?1, ?2, ?3)";
        self.write(sql, params![group.0.as_slice(), number(seq.0)?, hash.as_slice()])?;
        Ok(())
    }

    /// Forgets the running hashes of a group, all of them or those before a record.
    pub(crate) fn delete_views(&self, group: GroupId, before: Option<Seq>) -> Result<(), StoreError> {
        let before = before.map_or(Ok(i64::MAX), |seq| number(seq.0))?;
        self.write("DELETE FROM views WHERE group_id = ?1 AND seq < ?2", params![group.0.as_slice(), before])?;
        Ok(())
    }

    pub(crate) fn append_item<T: Serialize>(
        &self,
        case: CaseId,
        author: &DeviceAddress,
        item: ItemId,
        data: &T,
    ) -> Result<Position, StoreError> {
        let position = Position(self.rows().last_item(case)?.0 + 1);
        let sql = "INSERT INTO items (case_id, position, author, item, data) VALUES (?1, ?2, ?3, ?4, ?5)";
        let id = item.0.as_slice();
        self.write(sql, params![case.0.as_slice(), number(position.0)?, author.to_uri(), id, encode(data)?])?;
        Ok(position)
    }

    /// Writes an item anew in its place.
    pub(crate) fn rewrite_item<T: Serialize>(
        &self,
        case: CaseId,
        author: &DeviceAddress,
        item: ItemId,
        data: &T,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE items SET data = ?4 WHERE case_id = ?1 AND author = ?2 AND item = ?3";
        self.write(sql, params![case.0.as_slice(), author.to_uri(), item.0.as_slice(), encode(data)?])?;
        Ok(())
    }

    pub(crate) fn write_receipts<T: Serialize>(
        &self,
        case: CaseId,
        device: &DeviceAddress,
        data: &T,
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO receipts (case_id, device, data) VALUES (?1, ?2, ?3)";
        self.write(sql, params![case.0.as_slice(), device.to_uri(), encode(data)?])?;
        Ok(())
    }

    /// Notes when an item is to be forgotten; `None`: it has been.
    pub(crate) fn write_expiry(&self, case: CaseId, position: Position, at: Option<u64>) -> Result<(), StoreError> {
        let position = number(position.0)?;
        match at {
            None => {
                let sql = "DELETE FROM expiries WHERE case_id = ?1 AND position = ?2";
                self.write(sql, params![case.0.as_slice(), position])?
            }
            Some(at) => {
                let sql = "INSERT OR REPLACE INTO expiries (case_id, position, at) VALUES (?1, ?2, ?3)";
                self.write(sql, params![case.0.as_slice(), position, number(at)?])?
            }
        };
        Ok(())
    }

    /// Puts a change behind the newest item; its number.
    pub(crate) fn append_change<T: Serialize>(&self, case: CaseId, data: &T) -> Result<u64, StoreError> {
        let (after, change) = (self.rows().last_item(case)?, self.rows().last_change(case)? + 1);
        let sql = "INSERT INTO changes (case_id, number, after, data) VALUES (?1, ?2, ?3, ?4)";
        self.write(sql, params![case.0.as_slice(), number(change)?, number(after.0)?, encode(data)?])?;
        Ok(change)
    }

    /// Writes a change anew in its place.
    pub(crate) fn rewrite_change<T: Serialize>(&self, case: CaseId, change: u64, data: &T) -> Result<(), StoreError> {
        let sql = "UPDATE changes SET data = ?3 WHERE case_id = ?1 AND number = ?2";
        self.write(sql, params![case.0.as_slice(), number(change)?, encode(data)?])?;
        Ok(())
    }

    /// Keeps a checkpoint of a case's state; earlier ones can go.
    pub(crate) fn write_state(&self, case: CaseId, items: u64, changes: u64, data: &[u8]) -> Result<(), StoreError> {
        let sql = "DELETE FROM states WHERE case_id = ?1";
        self.write(sql, [case.0.as_slice()])?;
        let sql = "INSERT INTO states (case_id, items, changes, data) VALUES (?1, ?2, ?3, ?4)";
        self.write(sql, params![case.0.as_slice(), number(items)?, number(changes)?, data])?;
        Ok(())
    }

    /// Notes what became of an item; `None`: it simply counts.
    pub(crate) fn write_verdict<T: Serialize>(
        &self,
        case: CaseId,
        position: Position,
        verdict: Option<&T>,
    ) -> Result<(), StoreError> {
        let place = params![case.0.as_slice(), number(position.0)?];
        match verdict {
            None => self.write("DELETE FROM verdicts WHERE case_id = ?1 AND position = ?2", place)?,
            Some(verdict) => {
                let sql = "INSERT OR REPLACE INTO verdicts (case_id, position, data) VALUES (?1, ?2, ?3)";
                self.write(sql, params![case.0.as_slice(), number(position.0)?, encode(verdict)?])?
            }
        };
        Ok(())
    }

    pub(crate) fn append_intent<T: Serialize>(&self, case: CaseId, data: &T) -> Result<i64, StoreError> {
        let sql = "INSERT INTO intents (case_id, data) VALUES (?1, ?2)";
        self.write(sql, params![case.0.as_slice(), encode(data)?])?;
        Ok(self.last_row())
    }

    pub(crate) fn write_intent<T: Serialize>(&self, id: i64, data: &T) -> Result<(), StoreError> {
        self.write("UPDATE intents SET data = ?2 WHERE id = ?1", params![id, encode(data)?])?;
        Ok(())
    }

    pub(crate) fn delete_intent(&self, id: i64) -> Result<(), StoreError> {
        self.write("DELETE FROM intents WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Keeps the certificate chain of a device in a case.
    pub(crate) fn keep_chain<T: Serialize>(
        &self,
        case: CaseId,
        author: &DeviceAddress,
        chain: &T,
    ) -> Result<(), StoreError> {
        let data = encode(chain)?;
        let hash = crate::item::sha256(&data);
        let sql = "INSERT OR IGNORE INTO chains (case_id, author, hash, data) VALUES (?1, ?2, ?3, ?4)";
        self.write(sql, params![case.0.as_slice(), author.to_uri(), hash.as_slice(), data])?;
        Ok(())
    }

    pub(crate) fn write_erasure<T: Serialize>(&self, case: CaseId, data: &T) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO erasures (case_id, data) VALUES (?1, ?2)";
        self.write(sql, params![case.0.as_slice(), encode(data)?])?;
        Ok(())
    }

    pub(crate) fn delete_erasure(&self, case: CaseId) -> Result<(), StoreError> {
        self.write("DELETE FROM erasures WHERE case_id = ?1", [case.0.as_slice()])?;
        Ok(())
    }

    /// Destroys everything that was said in a case, and what follows from it.
    pub(crate) fn destroy_case(&self, case: CaseId) -> Result<(), StoreError> {
        for table in ["items", "changes", "states", "verdicts", "receipts", "expiries", "chains", "intents", "notes"]
        {
            self.write(&format!("DELETE FROM {table} WHERE case_id = ?1"), [case.0.as_slice()])?;
        }
        Ok(())
    }

    /// Forgets that there was a case.
    pub(crate) fn delete_case(&self, case: CaseId) -> Result<(), StoreError> {
        self.write("DELETE FROM cases WHERE id = ?1", [case.0.as_slice()])?;
        Ok(())
    }

    /// Forgets a group, its epochs, its access keys and its running hashes.
    pub(crate) fn delete_group(&self, group: GroupId) -> Result<(), StoreError> {
        self.write("DELETE FROM access WHERE group_id = ?1", [group.0.as_slice()])?;
        self.write("DELETE FROM views WHERE group_id = ?1", [group.0.as_slice()])?;
        self.write("DELETE FROM epochs WHERE group_id = ?1", [group.0.as_slice()])?;
        self.write("DELETE FROM groups WHERE id = ?1", [group.0.as_slice()])?;
        Ok(())
    }

    /// Keeps a note for later. The store numbers those that wait: an inbox's own numbers can begin again.
    pub(crate) fn hold_note<T: Serialize>(&self, case: CaseId, data: &T) -> Result<(), StoreError> {
        let sql = "INSERT INTO notes (seq, case_id, data)
            VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM notes), ?1, ?2)";
        self.write(sql, params![case.0.as_slice(), encode(data)?])?;
        Ok(())
    }

    /// Appends to the audit log.
    pub(crate) fn append_audit(
        &self,
        row: u64,
        case: Option<CaseId>,
        head: &[u8],
        signature: &[u8],
        details: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit (number, case_id, head, signature, details) VALUES (?1, ?2, ?3, ?4, ?5)";
        let case = case.map(|case| case.0.to_vec());
        self.write(sql, params![number(row)?, case, head, signature, details])?;
        Ok(())
    }

    /// Forgets what the audit log's entries about a case say beyond pseudonyms. The chain stays whole.
    #[cfg_attr(not(test), allow(dead_code, reason = "erasing a case is its one use"))]
    pub(crate) fn forget_audit_details(&self, case: CaseId) -> Result<(), StoreError> {
        let sql = "UPDATE audit SET details = NULL, case_id = NULL WHERE case_id = ?1";
        self.write(sql, [case.0.as_slice()])?;
        Ok(())
    }

    /// Keeps an issuer's certificate revocation list, in place of its older one.
    pub(crate) fn write_list<T: Serialize>(&self, issuer: &[u8], data: &T) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO crls (issuer, data) VALUES (?1, ?2)";
        self.write(sql, params![issuer, encode(data)?])?;
        Ok(())
    }

    pub(crate) fn rewrite_note<T: Serialize>(&self, seq: i64, data: &T) -> Result<(), StoreError> {
        self.write("UPDATE notes SET data = ?2 WHERE seq = ?1", params![seq, encode(data)?])?;
        Ok(())
    }

    pub(crate) fn delete_note(&self, seq: i64) -> Result<(), StoreError> {
        self.write("DELETE FROM notes WHERE seq = ?1", [seq])?;
        Ok(())
    }
}

/// A counter from SQLite.
fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt)
}

/// A counter as SQLite holds it; none reaches 2^63.
fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Internal)
}
