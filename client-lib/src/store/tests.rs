use tempfile::tempdir;
use zeroize::Zeroizing;

use super::*;

fn key(byte: u8) -> Unlock {
    Unlock::Key(Zeroizing::new([byte; 32]))
}

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(text.to_owned()))
}

fn write(store: &mut Store, name: &str, value: &[u8]) -> Result<(), StoreError> {
    let step = store.begin()?;
    step.write_meta(name, value)?;
    step.commit()
}

#[test]
fn what_is_stored_is_there_after_opening_again() {
    let folder = tempdir().unwrap();
    let mut store = Store::create(folder.path(), &passphrase("correct horse")).unwrap();
    write(&mut store, "a", b"b").unwrap();
    store.write_device_key(&Zeroizing::new([3; 32])).unwrap();
    drop(store);
    let store = Store::open(folder.path(), &passphrase("correct horse")).unwrap();
    assert_eq!(store.read().meta("a").unwrap().unwrap(), b"b");
    assert_eq!(*store.device_key().unwrap().unwrap(), [3; 32]);
}

#[test]
fn a_wrong_passphrase_or_key_is_told_from_a_damaged_store() {
    let folder = tempdir().unwrap();
    drop(Store::create(folder.path(), &passphrase("correct horse")).unwrap());
    assert_eq!(Store::open(folder.path(), &passphrase("battery")).unwrap_err(), StoreError::WrongKey);
    assert_eq!(Store::open(folder.path(), &key(1)).unwrap_err(), StoreError::WrongKey);
    let database = folder.path().join("store.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let length = bytes.len();
    for byte in &mut bytes[64..length.min(9000)] {
        *byte ^= 0x55;
    }
    std::fs::write(&database, bytes).unwrap();
    assert_eq!(Store::open(folder.path(), &passphrase("correct horse")).unwrap_err(), StoreError::Corrupt);
    std::fs::write(folder.path().join("store.key"), b"nonsense").unwrap();
    assert_eq!(Store::open(folder.path(), &passphrase("correct horse")).unwrap_err(), StoreError::Corrupt);

    let folder = tempdir().unwrap();
    drop(Store::create(folder.path(), &key(1)).unwrap());
    assert_eq!(Store::open(folder.path(), &key(2)).unwrap_err(), StoreError::WrongKey);
    assert!(Store::open(folder.path(), &key(1)).is_ok());
}

#[test]
fn a_folder_without_a_store_and_one_with_a_store_are_told_apart() {
    let folder = tempdir().unwrap();
    assert_eq!(Store::open(folder.path(), &key(1)).unwrap_err(), StoreError::Missing);
    let mut store = Store::create(folder.path(), &key(1)).unwrap();
    write(&mut store, "kept", b"yes").unwrap();
    drop(store);
    assert_eq!(Store::create(folder.path(), &key(2)).unwrap_err(), StoreError::Exists);
    let store = Store::open(folder.path(), &key(1)).unwrap();
    assert_eq!(store.read().meta("kept").unwrap().unwrap(), b"yes");
}

#[test]
fn a_store_that_is_open_cannot_be_opened_again() {
    let folder = tempdir().unwrap();
    let store = Store::create(folder.path(), &key(1)).unwrap();
    assert_eq!(Store::open(folder.path(), &key(1)).unwrap_err(), StoreError::InUse);
    drop(store);
    assert!(Store::open(folder.path(), &key(1)).is_ok());
}

#[test]
fn a_store_of_a_newer_version_is_left_as_it_is() {
    let folder = tempdir().unwrap();
    let store = Store::create(folder.path(), &key(1)).unwrap();
    store.connection.execute_batch("PRAGMA user_version = 7").unwrap();
    drop(store);
    let newer = StoreError::Newer { found: 7, known: schema::VERSION };
    assert_eq!(Store::open(folder.path(), &key(1)).unwrap_err(), newer);
    assert_eq!(Store::open(folder.path(), &key(1)).unwrap_err(), newer);
}

#[test]
fn a_store_of_an_earlier_version_is_brought_up_and_keeps_what_it_has() {
    let folder = tempdir().unwrap();
    let mut store = Store::create(folder.path(), &key(1)).unwrap();
    write(&mut store, "kept", b"yes").unwrap();
    store
        .connection
        .execute_batch(
            "DROP TABLE audit; DROP TABLE changes; DROP TABLE states; DROP TABLE receipts; DROP TABLE expiries;
             DROP TABLE verdicts; DROP TABLE chains; DROP TABLE erasures; DROP TABLE epochs; PRAGMA user_version = 1",
        )
        .unwrap();
    drop(store);
    let store = Store::open(folder.path(), &key(1)).unwrap();
    assert_eq!(store.read().meta("kept").unwrap().unwrap(), b"yes");
    assert_eq!(store.read().last_audit().unwrap(), None);
    store.connection.execute_batch("PRAGMA user_version = 0").unwrap();
    drop(store);
    assert_eq!(Store::open(folder.path(), &key(1)).unwrap_err(), StoreError::Corrupt);
}

#[test]
fn a_full_disk_stores_nothing_of_the_step_and_says_so() {
    let folder = tempdir().unwrap();
    let mut store = Store::create(folder.path(), &key(1)).unwrap();
    write(&mut store, "before", b"1").unwrap();
    store.limit_pages(60).unwrap();
    let step = store.begin().unwrap();
    step.write_meta("small", b"2").unwrap();
    let failed = step.write_meta("large", &vec![7; 4 << 20]);
    assert_eq!(failed.unwrap_err(), StoreError::DiskFull);
    drop(step);
    assert!(store.read().meta("small").unwrap().is_none());
    assert_eq!(store.read().meta("before").unwrap().unwrap(), b"1");
    store.limit_pages(100_000).unwrap();
    write(&mut store, "after", &vec![7; 4 << 20]).unwrap();
}

#[test]
fn a_step_that_is_not_committed_leaves_nothing_behind() {
    let mut store = Store::in_memory().unwrap();
    let step = store.begin().unwrap();
    step.write_meta("a", b"b").unwrap();
    drop(step);
    assert!(store.read().meta("a").unwrap().is_none());
}

#[test]
fn nothing_that_is_stored_can_be_read_from_the_files() {
    let folder = tempdir().unwrap();
    let mut store = Store::create(folder.path(), &key(1)).unwrap();
    let canary = b"canary in a coal mine";
    write(&mut store, "a name that nobody sees", canary).unwrap();
    for file in ["store.db", "store.db-wal", "store.key"] {
        let Ok(bytes) = std::fs::read(folder.path().join(file)) else { continue };
        assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{file}");
        assert!(!bytes.windows(8).any(|window| window == b"SQLite f"), "{file}");
    }
}

#[test]
fn a_store_whose_key_was_destroyed_opens_with_nothing_and_says_why() {
    for unlock in [key(1), passphrase("correct horse")] {
        let folder = tempdir().unwrap();
        let mut store = Store::create(folder.path(), &unlock).unwrap();
        write(&mut store, "a", b"b").unwrap();
        drop(store);
        let kept = std::fs::read(folder.path().join("store.key")).unwrap();
        Store::destroy_key(folder.path()).unwrap();
        assert_eq!(Store::open(folder.path(), &unlock).unwrap_err(), StoreError::Wiped);
        assert_eq!(Store::create(folder.path(), &unlock).unwrap_err(), StoreError::Exists);
        let left = std::fs::read(folder.path().join("store.key")).unwrap();
        assert_eq!(left.len(), kept.len(), "overwritten in its place, not written beside it");
        for part in kept.windows(8) {
            assert!(!left.windows(8).any(|window| window == part), "nothing of the key's file is left");
        }
        // The user's own key is not the database's, so destroying the header is enough.
        let database = folder.path().join("store.db");
        for raw in [[1; 32], [0; 32]] {
            assert!(Store::connect(&database, &Zeroizing::new(raw), false).is_err());
        }
    }
}

#[test]
fn destroying_the_key_of_a_store_in_use_closes_it_for_good() {
    let folder = tempdir().unwrap();
    let mut store = Store::create(folder.path(), &key(1)).unwrap();
    Store::destroy_key(folder.path()).unwrap();
    write(&mut store, "late", b"1").unwrap();
    drop(store);
    assert_eq!(Store::open(folder.path(), &key(1)).unwrap_err(), StoreError::Wiped);
    assert!(Store::is_destroyed(folder.path()));
}
