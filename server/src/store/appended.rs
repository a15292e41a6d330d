//! What the trait allows: a journal that is appended to one file, sealed as in [`SledStore`](super::SledStore), one
//! sync for each step, with everything else in memory. It cannot be opened again, and the file grows for ever.
//!
//! For load generators alone, which tell by it what of a relay's cost is sled's:
//! [`start_for_bench`](crate::start_for_bench) is its only user, and no configuration leads to it. A folder in which
//! a database lies is refused.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use bytes::Bytes;
use kring_protocol::ids::Incarnation;

use super::contract::{OpenStoreError, PageId, Position, Store, StoreError};
use super::memory::MemoryStore;
use super::sealing::Sealing;
use super::sled;

/// Name of the file.
const FILE: &str = "appended";

/// A store that appends to a file.
pub(crate) struct AppendedStore {
    held: MemoryStore,
    file: File,
    sealing: Sealing,
}

impl AppendedStore {
    /// Begins a file in a data folder; one that is there is emptied.
    pub(crate) fn create(data: &Path, relay_key: &[u8; 32]) -> Result<Self, OpenStoreError> {
        if data.join(sled::FOLDER).exists() {
            return Err(OpenStoreError::Exists);
        }
        let mut incarnation = [0; Incarnation::LEN];
        aws_lc_rs::rand::fill(&mut incarnation).map_err(|_| OpenStoreError::NoRandomness)?;
        Ok(Self {
            held: MemoryStore::new(Incarnation(incarnation)),
            file: File::create(data.join(FILE))?,
            sealing: Sealing::new(relay_key),
        })
    }

    /// Writes values behind one another, each sealed for its place and headed by its length.
    fn write<'v>(&mut self, values: impl Iterator<Item = (Vec<u8>, &'v Bytes)>) -> Result<(), StoreError> {
        let mut written = Vec::new();
        for (place, value) in values {
            let sealed = self.sealing.seal(&place, value).map_err(|_| StoreError::Disk(std::io::ErrorKind::Other))?;
            written.extend_from_slice(&(sealed.len() as u64).to_be_bytes());
            written.extend_from_slice(&sealed);
        }
        Ok(self.file.write_all(&written)?)
    }
}

impl Store for AppendedStore {
    fn incarnation(&self) -> Incarnation {
        self.held.incarnation()
    }

    fn tail(&self) -> Position {
        self.held.tail()
    }

    fn checkpointed(&self) -> Position {
        self.held.checkpointed()
    }

    fn append(&mut self, entries: &[Bytes]) -> Result<(), StoreError> {
        let first = self.held.tail().0 + 1;
        self.write((first..).map(|position| position.to_be_bytes().to_vec()).zip(entries))?;
        self.file.sync_data()?;
        self.held.append(entries)
    }

    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError> {
        self.held.entry(position)
    }

    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError> {
        self.held.next_after(position)
    }

    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError> {
        self.held.page(id)
    }

    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError> {
        let names: Vec<_> = pages.iter().map(|(id, _)| self.sealing.page_name(id).to_vec()).collect();
        let nothing = Bytes::new();
        self.write(names.into_iter().zip(pages.iter().map(|(_, page)| page.as_ref().unwrap_or(&nothing))))?;
        self.held.write_pages(pages)
    }

    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError> {
        self.file.sync_data()?;
        self.held.checkpoint(through)
    }

    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        self.held.remove(positions)
    }
}

#[cfg(test)]
mod tests {
    use kring_protocol::ids::GroupId;

    use super::*;

    #[test]
    fn what_it_takes_lies_sealed_in_its_file_and_can_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = [5; 32];
        let mut store = AppendedStore::create(folder.path(), &key).expect("begun");
        let entries = [Bytes::from(vec![1; 600]), Bytes::from(vec![2; 30])];
        store.append(&entries).expect("appended");
        let group = PageId::Group(GroupId([1; 16]));
        store.write_pages(&[(group.clone(), Some(Bytes::from_static(b"a page")))]).expect("written");
        store.checkpoint(Position(2)).expect("checkpointed");

        assert_eq!((store.tail(), store.checkpointed()), (Position(2), Position(2)));
        assert_eq!(store.entry(Position(2)), Ok(Some(entries[1].clone())));
        assert_eq!(store.page(&group), Ok(Some(Bytes::from_static(b"a page"))));

        let sealing = Sealing::new(&key);
        let written = std::fs::read(folder.path().join(FILE)).expect("read");
        let mut rest = &written[..];
        let mut next = |place: &[u8]| {
            let (length, after) = rest.split_first_chunk().expect("a length");
            let (sealed, after) = after.split_at(usize::try_from(u64::from_be_bytes(*length)).expect("short"));
            rest = after;
            sealing.open(place, sealed.to_vec()).expect("its own key and place")
        };
        assert_eq!(next(&1u64.to_be_bytes()), entries[0]);
        assert_eq!(next(&2u64.to_be_bytes()), entries[1]);
        assert_eq!(next(&sealing.page_name(&group)), b"a page");
        assert!(rest.is_empty());
    }

    #[test]
    fn a_folder_with_a_database_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(super::super::SledStore::open(folder.path(), &[5; 32], 1 << 20).expect("opens"));
        let refused = AppendedStore::create(folder.path(), &[5; 32]).err();
        assert_eq!(refused, Some(OpenStoreError::Exists));
        assert!(!folder.path().join(FILE).exists());
    }
}
