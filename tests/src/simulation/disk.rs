//! The relay's disk: what [`Store`] promises and no more. An append is durable when it returns; pages written since the
//! last checkpoint are there after a crash, or not, each for itself. After so many writes more it crashes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kring_protocol::ids::Incarnation;
use kring_server::store::{PageId, Position, Store, StoreError};
use rand::Rng as _;
use rand::rngs::StdRng;

/// A disk; clones are the same one.
#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<Contents>>);

/// What is on a disk.
#[derive(Clone)]
struct Contents {
    incarnation: Incarnation,
    entries: BTreeMap<Position, Bytes>,
    tail: Position,
    checkpointed: Position,
    /// Pages that a checkpoint has made durable.
    pages: BTreeMap<PageId, Bytes>,
    /// Pages written since, in order.
    written: Vec<(PageId, Option<Bytes>)>,
    writes_left: Option<usize>,
}

impl Contents {
    fn spend(&mut self) -> Result<(), StoreError> {
        match &mut self.writes_left {
            None => Ok(()),
            Some(0) => Err(StoreError::Disk(std::io::ErrorKind::Other)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn keep(&mut self, id: PageId, page: Option<Bytes>) {
        match page {
            Some(page) => self.pages.insert(id, page),
            None => self.pages.remove(&id),
        };
    }
}

impl Disk {
    /// An empty disk.
    pub(super) fn new(incarnation: [u8; 16]) -> Self {
        Self(Arc::new(Mutex::new(Contents {
            incarnation: Incarnation(incarnation),
            entries: BTreeMap::new(),
            tail: Position(0),
            checkpointed: Position(0),
            pages: BTreeMap::new(),
            written: Vec::new(),
            writes_left: None,
        })))
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Crashes after so many writes more.
    pub(super) fn crash_after(&self, writes: Option<usize>) {
        self.contents().writes_left = writes;
    }

    /// The power is gone: of what no checkpoint covers an arbitrary part is there.
    pub(super) fn lose_power(&self, dice: &mut StdRng) {
        let mut contents = self.contents();
        contents.writes_left = None;
        for (id, page) in std::mem::take(&mut contents.written) {
            if dice.random() {
                contents.keep(id, page);
            }
        }
    }

    /// What a restored backup is: everything as it was when this was called, in another life of the database.
    pub(super) fn backup(&self, incarnation: [u8; 16]) -> Self {
        let mut contents = self.contents().clone();
        for (id, page) in std::mem::take(&mut contents.written) {
            contents.keep(id, page);
        }
        contents.incarnation = Incarnation(incarnation);
        Self(Arc::new(Mutex::new(contents)))
    }
}

impl Store for Disk {
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
            contents.spend()?;
            let position = contents.tail.next();
            contents.entries.insert(position, entry.clone());
            contents.tail = position;
        }
        contents.spend()
    }

    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError> {
        Ok(self.contents().entries.get(&position).cloned())
    }

    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError> {
        Ok(self.contents().entries.range(position.next()..).next().map(|(position, _)| *position))
    }

    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError> {
        let contents = self.contents();
        let written = contents.written.iter().rev().find(|(written, _)| written == id);
        Ok(match written {
            Some((_, page)) => page.clone(),
            None => contents.pages.get(id).cloned(),
        })
    }

    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        for page in pages {
            contents.spend()?;
            contents.written.push(page.clone());
        }
        Ok(())
    }

    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError> {
        let mut contents = self.contents();
        contents.spend()?;
        for (id, page) in std::mem::take(&mut contents.written) {
            contents.keep(id, page);
        }
        contents.checkpointed = through;
        contents.spend()
    }

    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        let mut contents = self.contents();
        for position in positions {
            contents.spend()?;
            contents.entries.remove(position);
        }
        Ok(())
    }
}
