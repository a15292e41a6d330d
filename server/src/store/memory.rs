//! The reference store: maps in memory. What it holds lives as long as one of its clones, so that a test can drop the
//! relay around it and open it again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kring_protocol::ids::Incarnation;

use super::contract::{PageId, Position, Store, StoreError};

/// A store in memory. Clones share their contents.
#[derive(Clone)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

struct Contents {
    incarnation: Incarnation,
    entries: BTreeMap<Position, Bytes>,
    pages: HashMap<PageId, Bytes>,
    tail: Position,
    checkpointed: Position,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(incarnation: Incarnation) -> Self {
        Self(Arc::new(Mutex::new(Contents {
            incarnation,
            entries: BTreeMap::new(),
            pages: HashMap::new(),
            tail: Position(0),
            checkpointed: Position(0),
        })))
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn incarnation(&self) -> Incarnation {
        self.contents().incarnation
    }

    fn tail(&self) -> Position {
        self.contents().tail
    }

    fn checkpointed(&self) -> Position {
        self.contents().checkpointed
    }

    fn append(&mut self, entries: &[Bytes]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        for entry in entries {
            let position = contents.tail.next();
            contents.entries.insert(position, entry.clone());
            contents.tail = position;
        }
        Ok(())
    }

    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError> {
        Ok(self.contents().entries.get(&position).cloned())
    }

    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError> {
        Ok(self.contents().entries.range(position.next()..).next().map(|(position, _)| *position))
    }

    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError> {
        Ok(self.contents().pages.get(id).cloned())
    }

    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        for (id, page) in pages {
            match page {
                Some(page) => contents.pages.insert(id.clone(), page.clone()),
                None => contents.pages.remove(id),
            };
        }
        Ok(())
    }

    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError> {
        self.contents().checkpointed = through;
        Ok(())
    }

    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        for position in positions {
            contents.entries.remove(position);
        }
        Ok(())
    }
}
