use std::path::Path;

use kring_protocol::ids::{DeviceId, GroupId};

use super::*;
use crate::store::maintenance::{backup, compact, restore};

const KEY: [u8; 32] = [9; 32];
const CACHE: u64 = 1 << 20;

fn open(data: &Path) -> SledStore {
    SledStore::open(data, &KEY, CACHE).expect("opens")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Every byte of every file below a folder.
fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in fs::read_dir(folder).expect("a folder") {
        let path = item.expect("an item").path();
        bytes.extend(if path.is_dir() { bytes_below(&path) } else { fs::read(path).expect("a file") });
    }
    bytes
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn nothing_that_is_stored_stands_on_the_disk_in_the_clear() {
    let data = folder();
    let mut store = open(data.path());
    let canary = b"canary-of-a-message-that-nobody-may-read";
    let group = GroupId(*b"canary-group-id!");
    let device = DeviceId(*b"canary-device-id");
    let address: kring_protocol::address::ProfessionalAddress = "canary.name@canary.example".parse().expect("valid");
    store.append(&[Bytes::from_static(canary), Bytes::from(canary.repeat(500))]).expect("appended");
    let pages =
        [PageId::Group(group), PageId::Block(group, 1), PageId::Device(device), PageId::Professional(address)];
    let pages: Vec<_> = pages.into_iter().map(|id| (id, Some(Bytes::from_static(canary)))).collect();
    store.write_pages(&pages).expect("written");
    store.checkpoint(Position(2)).expect("checkpointed");
    drop(store);
    let bytes = bytes_below(data.path());
    assert!(bytes.len() > 20_000, "the entries are on the disk");
    for needle in [&canary[..], b"canary-of", b"canary-group-id!", b"canary-device-id", b"canary.name", b"canary"] {
        assert!(!contains(&bytes, needle));
    }
    // The search can find: what sled keeps in the clear is there.
    assert!(contains(&bytes, &VERSION.to_be_bytes()));
}

#[test]
fn nothing_goes_into_the_folder_that_is_never_synced() {
    let data = folder();
    let mut store = open(data.path());
    for number in 0..8 {
        store.append(&[Bytes::from(vec![number; 400_000])]).expect("appended");
        store.write_pages(&[(PageId::Erasing, Some(Bytes::from(vec![number; 300_000])))]).expect("written");
    }
    drop(store);
    let blobs = fs::read_dir(data.path().join(FOLDER).join("blobs")).expect("sled makes it").count();
    assert_eq!(blobs, 0);
}

#[test]
fn a_torn_last_entry_is_dropped_and_a_hole_is_damage() {
    let data = folder();
    let mut store = open(data.path());
    store.append(&[Bytes::from(vec![1; 10]), Bytes::from(vec![2; 10_000])]).expect("appended");
    store.db().unwrap().remove(piece_key(&entry_prefix(Position(2)), 2)).expect("removed");
    sync(store.db().unwrap(), &store.file).expect("synced");
    drop(store);
    let mut store = open(data.path());
    assert_eq!((store.tail(), store.entry(Position(2))), (Position(1), Ok(None)));
    store.append(&[Bytes::from(vec![3; 20_000]), Bytes::from(vec![4; 10])]).expect("appended");
    assert_eq!(store.entry(Position(2)), Ok(Some(Bytes::from(vec![3; 20_000]))));
    store.remove_pieces(&entry_prefix(Position(2))).expect("removed");
    drop(store);
    assert_eq!(SledStore::open(data.path(), &KEY, CACHE).err(), Some(OpenStoreError::Store(StoreError::Corrupt)));
}

#[test]
fn a_page_is_never_of_two_writes_wherever_a_kill_falls_between_batches() {
    let data = folder();
    let mut store = open(data.path());
    let id = |number: u8| PageId::Device(DeviceId([number; 16]));
    let page = |byte: u8, length: usize| Some(Bytes::from(vec![byte; length]));
    // Lengths that do not divide a batch, so that its end falls into a page.
    let first: Vec<_> = (0..200).map(|number| (id(number), page(1, 9_000 + usize::from(number)))).collect();
    store.write_pages(&first).expect("written");
    let mut batches = Batches::default();
    for number in 0..200 {
        let prefix = page_prefix(&store.sealing.page_name(&id(number)));
        let second = page(2, 9_000 - 40 * usize::from(number));
        store.put_page(&mut batches, &prefix, second.as_ref()).expect("put");
    }
    // Killed here: the last batch is never applied.
    sync(store.db().unwrap(), &store.file).expect("synced");
    drop((store, batches));
    let store = open(data.path());
    let firsts = (0..200).map(|number| store.page(&id(number)).expect("opens").expect("is there"));
    let written = firsts.map(|page| page[0]).collect::<Vec<_>>();
    assert!(written.contains(&1) && written.contains(&2), "the kill fell between two batches");
}

#[test]
fn each_reason_not_to_open_has_its_own_error() {
    let data = folder();
    let store = open(data.path());
    assert_eq!(SledStore::open(data.path(), &KEY, CACHE).err(), Some(OpenStoreError::AlreadyOpen));
    drop(store);
    assert_eq!(SledStore::open(data.path(), &[1; 32], CACHE).err(), Some(OpenStoreError::WrongKey));
    let store = open(data.path());
    store.db().unwrap().insert(VERSION_KEY, &99u64.to_be_bytes()).expect("written");
    drop(store);
    let newer = OpenStoreError::NewerVersion { found: 99, known: VERSION };
    assert_eq!(SledStore::open(data.path(), &KEY, CACHE).err(), Some(newer));
}

#[test]
fn a_changed_byte_on_the_disk_is_damage_and_never_another_value() {
    let data = folder();
    let mut store = open(data.path());
    store.append(&[Bytes::from(vec![1; 100])]).expect("appended");
    let key = piece_key(&entry_prefix(Position(1)), 0);
    let mut value = store.db().unwrap().get(&key).expect("reads").expect("is there").to_vec();
    value[50] ^= 1;
    store.db().unwrap().insert(&key[..], value).expect("written");
    assert_eq!(store.entry(Position(1)), Err(StoreError::Corrupt));
}

#[test]
fn compacting_keeps_what_is_there_and_removes_what_was_deleted() {
    let data = folder();
    let mut store = open(data.path());
    let incarnation = store.incarnation();
    for number in 0..40 {
        store.append(&[Bytes::from(vec![number; 200_000])]).expect("appended");
    }
    store.checkpoint(Position(40)).expect("checkpointed");
    let sealed = store.db().unwrap().get(piece_key(&entry_prefix(Position(1)), 3)).expect("reads").expect("is there");
    store.remove(&(1..40).map(Position).collect::<Vec<_>>()).expect("removed");
    drop(store);
    assert!(contains(&bytes_below(data.path()), &sealed), "deleting alone leaves the ciphertext on the disk");
    let sizes = compact(data.path(), &KEY).expect("compacts");
    assert!(sizes.after < sizes.before, "{sizes:?}");
    assert!(!contains(&bytes_below(data.path()), &sealed));
    let store = open(data.path());
    assert_eq!((store.incarnation(), store.tail()), (incarnation, Position(40)));
    assert_eq!(store.entry(Position(40)), Ok(Some(Bytes::from(vec![39; 200_000]))));
}

#[test]
fn a_compaction_killed_at_any_step_leaves_the_old_or_the_new_database() {
    let prepared = || {
        let data = folder();
        open(data.path()).append(&[Bytes::from_static(b"kept")]).expect("appended");
        data
    };
    let copy = |data: &Path, from: &str, to: &str| {
        fs::create_dir(data.join(to)).expect("a folder");
        for item in fs::read_dir(data.join(from)).expect("a folder") {
            let item = item.expect("an item");
            if item.path().is_file() {
                fs::copy(item.path(), data.join(to).join(item.file_name())).expect("copied");
            }
        }
    };
    // Killed while the fresh database was written: it is not complete.
    let data = prepared();
    fs::create_dir(data.path().join("journal.fresh")).expect("a folder");
    assert_eq!(open(data.path()).entry(Position(1)), Ok(Some(Bytes::from_static(b"kept"))));
    assert!(!data.path().join("journal.fresh").exists());
    // Killed between the two renames.
    let data = prepared();
    copy(data.path(), FOLDER, "journal.fresh");
    fs::rename(data.path().join(FOLDER), data.path().join("journal.old")).expect("renamed");
    assert_eq!(open(data.path()).entry(Position(1)), Ok(Some(Bytes::from_static(b"kept"))));
    // Killed before the old one was removed.
    let data = prepared();
    copy(data.path(), FOLDER, "journal.old");
    assert_eq!(open(data.path()).entry(Position(1)), Ok(Some(Bytes::from_static(b"kept"))));
    assert!(!data.path().join("journal.old").exists());
}

#[test]
fn a_backup_comes_back_as_another_life_of_the_same_entries() {
    let data = folder();
    let mut store = open(data.path());
    let incarnation = store.incarnation();
    store.append(&[Bytes::from(vec![7; 50_000])]).expect("appended");
    store.write_pages(&[(PageId::Erasing, Some(Bytes::from_static(b"page")))]).expect("written");
    drop(store);
    let file = data.path().join("backup");
    backup(data.path(), &KEY, &file).expect("backed up");
    assert!(matches!(backup(data.path(), &KEY, &file), Err(OpenStoreError::Store(_))), "never written over");

    let other = folder();
    restore(&file, other.path(), &KEY).expect("restored");
    assert_eq!(restore(&file, other.path(), &KEY), Err(OpenStoreError::Exists));
    let store = open(other.path());
    assert_ne!(store.incarnation(), incarnation);
    assert_eq!(store.entry(Position(1)), Ok(Some(Bytes::from(vec![7; 50_000]))));
    assert_eq!(store.page(&PageId::Erasing), Ok(Some(Bytes::from_static(b"page"))));
}

#[test]
fn a_damaged_backup_is_refused_and_leaves_the_folder_empty() {
    let data = folder();
    open(data.path()).append(&[Bytes::from(vec![7; 5_000])]).expect("appended");
    let file = data.path().join("backup");
    backup(data.path(), &KEY, &file).expect("backed up");
    let whole = fs::read(&file).expect("reads");
    let other = folder();
    let mut damaged = vec![whole[..whole.len() - 1].to_vec(), whole[..100].to_vec(), Vec::new(), vec![0; 5_000]];
    for at in [3, 40, whole.len() / 2, whole.len() - 5] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        damaged.push(changed);
    }
    for bytes in damaged {
        fs::write(&file, bytes).expect("written");
        assert_eq!(restore(&file, other.path(), &KEY), Err(OpenStoreError::NotABackup));
        assert!(!other.path().join(FOLDER).exists());
    }
    fs::write(&file, &whole).expect("written");
    assert_eq!(restore(&file, other.path(), &[1; 32]), Err(OpenStoreError::WrongKey));
    restore(&file, other.path(), &KEY).expect("restored");
}

#[test]
fn opening_anew_notes_where_everything_lies_so_that_the_next_opening_reads_little() {
    let notes = |data: &Path| {
        let names = fs::read_dir(data.join(FOLDER)).expect("a folder").map(|item| item.expect("an item").file_name());
        let mut notes: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        notes.retain(|name| name.starts_with("snap"));
        notes
    };
    let data = folder();
    let mut store = open(data.path());
    let before = notes(data.path());
    store.append(&vec![Bytes::from(vec![1; 4_000]); 2_000]).expect("appended");
    assert!(store.written() > 8_000_000);
    assert_eq!(notes(data.path()), before, "sled notes nothing by itself");
    store.renew().expect("opened anew");
    let after = notes(data.path());
    assert_ne!(after, before);
    assert_eq!(after.len(), 1);
    assert_eq!(store.entry(Position(2_000)), Ok(Some(Bytes::from(vec![1; 4_000]))));
}

#[test]
fn a_database_that_cannot_be_opened_anew_takes_and_gives_nothing() {
    let data = folder();
    let mut store = open(data.path());
    store.append(&[Bytes::from_static(b"kept")]).expect("appended");
    // Where the database should be is now something else.
    let elsewhere = data.path().join("elsewhere");
    fs::rename(data.path().join(FOLDER), &elsewhere).expect("renamed");
    fs::write(data.path().join(FOLDER), b"no folder").expect("written");
    assert!(store.renew().is_err());
    assert_eq!(store.append(&[Bytes::from_static(b"more")]), Err(StoreError::Poisoned));
    assert_eq!(store.entry(Position(1)), Err(StoreError::Poisoned));
    drop(store);
    fs::remove_file(data.path().join(FOLDER)).expect("removed");
    fs::rename(&elsewhere, data.path().join(FOLDER)).expect("renamed");
    assert_eq!(open(data.path()).entry(Position(1)), Ok(Some(Bytes::from_static(b"kept"))));
}

#[test]
fn what_is_read_ahead_changes_nothing_and_keeps_no_database_open() {
    let folder = folder();
    let mut store = open(folder.path());
    let entries: Vec<Bytes> = (0..100u8).map(|number| Bytes::from(vec![number; 600])).collect();
    store.append(&entries).unwrap();
    store.checkpoint(Position(100)).unwrap();
    store.remove(&[Position(7)]).unwrap();
    // More lists than wait; with what is gone, and what was never there.
    for _ in 0..50 {
        store.expect(&(1..=200).map(Position).collect::<Vec<_>>());
    }
    store.renew().unwrap();
    for (position, entry) in (1..).map(Position).zip(&entries) {
        let there = (position != Position(7)).then(|| entry.clone());
        assert_eq!(store.entry(position).unwrap(), there);
    }
    store.expect(&[Position(1)]);
    drop(store);
    open(folder.path());
}
