//! A store on a disk that syncs more slowly than this machine's: it waits after every step that has synced.
//!
//! For load generators alone: [`start_for_bench`](crate::start_for_bench) is its only user, and nothing that an operator can set
//! leads to it.

use std::time::Duration;

use bytes::Bytes;
use kring_protocol::ids::Incarnation;

use super::contract::{PageId, Position, Store, StoreError};

/// A store whose syncs take this much longer.
pub(crate) struct SlowedStore {
    inner: Box<dyn Store>,
    delay: Duration,
}

impl SlowedStore {
    /// Slows a store down.
    pub(crate) fn new(inner: Box<dyn Store>, delay: Duration) -> Self {
        Self { inner, delay }
    }

    /// Waits as one more sync would.
    #[expect(clippy::disallowed_methods, reason = "time passing is what is asked for here")]
    fn sync(&self) {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
    }
}

impl Store for SlowedStore {
    fn incarnation(&self) -> Incarnation {
        self.inner.incarnation()
    }

    fn tail(&self) -> Position {
        self.inner.tail()
    }

    fn checkpointed(&self) -> Position {
        self.inner.checkpointed()
    }

    fn append(&mut self, entries: &[Bytes]) -> Result<(), StoreError> {
        self.inner.append(entries)?;
        self.sync();
        Ok(())
    }

    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError> {
        self.inner.entry(position)
    }

    fn expect(&self, positions: &[Position]) {
        self.inner.expect(positions);
    }

    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError> {
        self.inner.next_after(position)
    }

    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError> {
        self.inner.page(id)
    }

    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError> {
        self.inner.write_pages(pages)
    }

    /// A checkpoint syncs twice: its pages, then its mark.
    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError> {
        self.inner.checkpoint(through)?;
        self.sync();
        self.sync();
        Ok(())
    }

    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        self.inner.remove(positions)
    }

    fn written(&self) -> u64 {
        self.inner.written()
    }

    fn renew(&mut self) -> Result<(), StoreError> {
        self.inner.renew()
    }
}
