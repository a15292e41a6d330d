//! The contract suite that every store of a relay passes, written once.

use bytes::Bytes;
use kring_protocol::ids::{DeviceId, GroupId, Incarnation};

use super::{MemoryStore, PageId, Position, SledStore, Store};

/// Opens the same contents again and again.
trait Kept {
    fn open(&self) -> Box<dyn Store>;
}

struct InMemory(MemoryStore);

impl Kept for InMemory {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.0.clone())
    }
}

struct OnDisk(tempfile::TempDir);

impl Kept for OnDisk {
    fn open(&self) -> Box<dyn Store> {
        Box::new(SledStore::open(self.0.path(), &[5; 32], 1 << 20).expect("opens"))
    }
}

fn stores() -> Vec<Box<dyn Kept>> {
    vec![
        Box::new(InMemory(MemoryStore::new(Incarnation([1; 16])))),
        Box::new(OnDisk(tempfile::tempdir().expect("a folder"))),
    ]
}

fn entry(number: u64, length: usize) -> Bytes {
    number.to_be_bytes().into_iter().cycle().take(length).collect()
}

#[test]
fn entries_come_back_as_they_were_and_after_opening_again() {
    // Around a piece, around sled's bound for `blobs`, and above a whole batch.
    let lengths = [1, 4_047, 4_048, 4_049, 131_072, 700_000, 9 << 20];
    for kept in stores() {
        let incarnation = kept.open().incarnation();
        for (number, length) in (1..).zip(lengths) {
            let mut store = kept.open();
            assert_eq!(store.tail(), Position(number - 1));
            store.append(&[entry(number, length)]).expect("appended");
            assert_eq!(store.entry(Position(number)), Ok(Some(entry(number, length))));
        }
        let mut store = kept.open();
        assert_eq!((store.incarnation(), store.tail()), (incarnation, Position(7)));
        store.append(&[entry(8, 10), entry(9, 5_000)]).expect("appended");
        drop(store);
        let store = kept.open();
        for (number, length) in (1..).zip(lengths.into_iter().chain([10, 5_000])) {
            assert_eq!(store.entry(Position(number)), Ok(Some(entry(number, length))), "entry {number}");
        }
        assert_eq!(store.entry(Position(10)), Ok(None));
    }
}

#[test]
fn removed_entries_are_gone_and_the_rest_is_found_in_order() {
    for kept in stores() {
        let mut store = kept.open();
        let entries: Vec<_> = (1..=20).map(|number| entry(number, 6_000)).collect();
        store.append(&entries).expect("appended");
        store.checkpoint(Position(20)).expect("checkpointed");
        let gone: Vec<_> = (1..=20).filter(|number| number % 3 != 0).map(Position).collect();
        store.remove(&gone).expect("removed");
        drop(store);
        let store = kept.open();
        assert_eq!((store.tail(), store.checkpointed()), (Position(20), Position(20)));
        let mut found = Vec::new();
        let mut at = Position(0);
        while let Some(next) = store.next_after(at).expect("reads") {
            found.push(next.0);
            at = next;
        }
        assert_eq!(found, [3, 6, 9, 12, 15, 18]);
        assert_eq!(store.entry(Position(1)), Ok(None));
        assert_eq!(store.entry(Position(3)), Ok(Some(entry(3, 6_000))));
    }
}

#[test]
fn an_emptied_journal_goes_on_counting() {
    for kept in stores() {
        let mut store = kept.open();
        store.append(&[entry(1, 10), entry(2, 10)]).expect("appended");
        store.checkpoint(Position(2)).expect("checkpointed");
        store.remove(&[Position(1), Position(2)]).expect("removed");
        drop(store);
        let mut store = kept.open();
        assert_eq!((store.tail(), store.next_after(Position(0))), (Position(2), Ok(None)));
        store.append(&[entry(3, 10)]).expect("appended");
        assert_eq!(store.entry(Position(3)), Ok(Some(entry(3, 10))));
    }
}

#[test]
fn pages_are_replaced_shortened_and_removed() {
    let group = PageId::Group(GroupId([1; 16]));
    let block = PageId::Block(GroupId([1; 16]), 7);
    let device = PageId::Device(DeviceId([1; 16]));
    for kept in stores() {
        let mut store = kept.open();
        store
            .write_pages(&[(group.clone(), Some(entry(1, 20_000))), (block.clone(), Some(entry(2, 30)))])
            .expect("written");
        store.write_pages(&[(group.clone(), Some(entry(3, 5_000)))]).expect("written");
        store.checkpoint(Position(0)).expect("checkpointed");
        drop(store);
        let mut store = kept.open();
        assert_eq!(store.page(&group), Ok(Some(entry(3, 5_000))));
        assert_eq!(store.page(&block), Ok(Some(entry(2, 30))));
        assert_eq!(store.page(&device), Ok(None));
        store.write_pages(&[(group.clone(), None), (device.clone(), Some(Bytes::new()))]).expect("written");
        assert_eq!(store.page(&group), Ok(None));
        assert_eq!(store.page(&device), Ok(Some(Bytes::new())));
    }
}

#[test]
fn a_store_that_is_opened_anew_in_the_middle_goes_on_as_it_was() {
    let group = PageId::Group(GroupId([1; 16]));
    for kept in stores() {
        let mut store = kept.open();
        store.append(&[entry(1, 6_000), entry(2, 10)]).expect("appended");
        store.checkpoint(Position(1)).expect("checkpointed");
        store.write_pages(&[(group.clone(), Some(entry(3, 5_000)))]).expect("written");
        store.renew().expect("opened anew");
        assert_eq!((store.written(), store.tail(), store.checkpointed()), (0, Position(2), Position(1)));
        assert_eq!(store.page(&group), Ok(Some(entry(3, 5_000))));
        assert_eq!(store.entry(Position(1)), Ok(Some(entry(1, 6_000))));
        store.append(&[entry(3, 20)]).expect("appended");
        store.remove(&[Position(1)]).expect("removed");
        drop(store);
        let store = kept.open();
        assert_eq!((store.tail(), store.entry(Position(1))), (Position(3), Ok(None)));
        assert_eq!(store.entry(Position(2)), Ok(Some(entry(2, 10))));
        assert_eq!(store.entry(Position(3)), Ok(Some(entry(3, 20))));
    }
}
