//! A store whose disk fails.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kring_protocol::ids::Incarnation;

use super::{MemoryStore, PageId, Position, Store, StoreError};

/// Lets so many writes through and then fails for ever. Each entry, page and removal is a write of its own.
pub(crate) struct FailingStore {
    inner: MemoryStore,
    left: Arc<AtomicUsize>,
    written: Arc<AtomicU64>,
    expected: Arc<Mutex<Vec<Position>>>,
    panics: bool,
}

impl FailingStore {
    /// Fails when none are left.
    pub(crate) fn new(inner: MemoryStore, left: Arc<AtomicUsize>) -> Self {
        Self { inner, left, written: Arc::default(), expected: Arc::default(), panics: false }
    }

    /// As if so many bytes had been written since it was opened.
    pub(crate) fn grown(self, written: Arc<AtomicU64>) -> Self {
        Self { written, ..self }
    }

    /// Notes here what it was told last that will be read.
    pub(crate) fn noting(self, expected: Arc<Mutex<Vec<Position>>>) -> Self {
        Self { expected, ..self }
    }

    /// Panics, in place of any fault of this program, at the first write.
    pub(crate) fn panicking(inner: MemoryStore) -> Self {
        Self { panics: true, ..Self::new(inner, Arc::default()) }
    }

    fn spend(&self) -> Result<(), StoreError> {
        let take = |left: usize| left.checked_sub(1);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        assert!(taken.is_ok() || !self.panics, "a fault of this program");
        taken.map(|_| ()).map_err(|_| StoreError::Disk(std::io::ErrorKind::Other))
    }
}

impl Store for FailingStore {
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
        for entry in entries {
            self.spend()?;
            self.inner.append(std::slice::from_ref(entry))?;
        }
        // The sync.
        self.spend()
    }

    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError> {
        self.inner.entry(position)
    }

    fn expect(&self, positions: &[Position]) {
        *self.expected.lock().expect("nobody panics with it") = positions.to_vec();
    }

    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError> {
        self.inner.next_after(position)
    }

    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError> {
        self.inner.page(id)
    }

    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError> {
        for page in pages {
            self.spend()?;
            self.inner.write_pages(std::slice::from_ref(page))?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError> {
        self.spend()?;
        self.inner.checkpoint(through)?;
        self.spend()
    }

    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        for position in positions {
            self.spend()?;
            self.inner.remove(std::slice::from_ref(position))?;
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn renew(&mut self) -> Result<(), StoreError> {
        self.spend()?;
        self.written.store(0, Ordering::Relaxed);
        Ok(())
    }
}
