//! One step: everything that is written in it is there after [`Transaction::commit`], or nothing.

use std::ops::Deref;

use openmls_sqlite_storage::SqliteStorageProvider;
use rusqlite::{Connection, TransactionBehavior};

use super::codec::Cbor;
use super::error::StoreError;
use super::rows::Rows;

/// An open step. Dropped without a commit, it leaves nothing behind.
pub(crate) struct Transaction<'s> {
    inner: rusqlite::Transaction<'s>,
    #[cfg(any(test, feature = "simulation"))]
    faults: &'s Faults,
}

/// Where a test makes the store fail.
#[cfg(any(test, feature = "simulation"))]
#[derive(Default)]
pub(crate) struct Faults {
    /// Writes (and commits) that still succeed; `None`: all.
    pub(crate) writes_left: std::cell::Cell<Option<usize>>,
}

impl<'s> Transaction<'s> {
    pub(super) fn begin(
        connection: &'s mut Connection,
        #[cfg(any(test, feature = "simulation"))] faults: &'s Faults,
    ) -> Result<Self, StoreError> {
        let inner = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Self {
            inner,
            #[cfg(any(test, feature = "simulation"))]
            faults,
        })
    }

    /// The storage of the MLS library over this very transaction.
    pub(crate) fn mls(&self) -> SqliteStorageProvider<Cbor, &Connection> {
        SqliteStorageProvider::new(&self.inner)
    }

    /// Reads within the step.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows::new(&self.inner)
    }

    /// Makes the step durable.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        self.fail_if_told()?;
        Ok(self.inner.commit()?)
    }

    /// Commits what has been written so far, as nothing must.
    #[cfg(feature = "planted-faults")]
    pub(crate) fn split(&self) -> Result<(), StoreError> {
        self.fail_if_told()?;
        Ok(self.inner.execute_batch("COMMIT; BEGIN IMMEDIATE")?)
    }

    /// Marks a place to which the step can go back alone; [`Self::keep`] or [`Self::undo`] ends it.
    pub(crate) fn mark(&self) -> Result<(), StoreError> {
        Ok(self.inner.execute_batch("SAVEPOINT attempt")?)
    }

    /// Keeps what was written since the last mark.
    pub(crate) fn keep(&self) -> Result<(), StoreError> {
        Ok(self.inner.execute_batch("RELEASE attempt")?)
    }

    /// Undoes what was written since the last mark.
    pub(crate) fn undo(&self) -> Result<(), StoreError> {
        Ok(self.inner.execute_batch("ROLLBACK TO attempt; RELEASE attempt")?)
    }

    /// Every write goes through here.
    pub(super) fn write(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.fail_if_told()?;
        Ok(self.inner.prepare_cached(sql)?.execute(values)?)
    }

    pub(super) fn last_row(&self) -> i64 {
        self.inner.last_insert_rowid()
    }

    #[cfg(not(any(test, feature = "simulation")))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests have it fail; elsewhere it vanishes")]
    fn fail_if_told(&self) -> Result<(), StoreError> {
        Ok(())
    }

    #[cfg(any(test, feature = "simulation"))]
    fn fail_if_told(&self) -> Result<(), StoreError> {
        match self.faults.writes_left.get() {
            None => Ok(()),
            Some(0) => Err(StoreError::Io(std::io::ErrorKind::Other)),
            Some(left) => {
                self.faults.writes_left.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

impl<'s> Deref for Transaction<'s> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.inner
    }
}
