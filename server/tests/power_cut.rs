//! The power goes while the database is written: what was synced stays, and of everything else an arbitrary part.
//!
//! A child process of this very program writes to a store in a rolling window, so that sled uses its segments again, and
//! notes in another file what [`Store::append`] has returned for. A layer under the C library (`power_cut/shim.c`) ends it
//! after a random number of writes and tells which writes no sync had covered. Of those, in pieces of 512 bytes, a random part is
//! kept and the rest undone; then the database is opened and looked at, and the next child goes on with it.
//!
//! What this does not try: that the disk or the file system lies about syncs, and loss of files other than `db` (sled
//! writes its snapshots to files of their own, which it syncs before it gives them their name).
//!
//! `KRING_POWER_CUTS=100 cargo test --workspace --test power_cut` cuts a hundred times instead of eight; the seed is printed, and
//! `KRING_POWER_SEED` repeats it.
#![expect(clippy::unwrap_used, reason = "a helper that fails at an `unwrap` fails its test there")]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use bytes::Bytes;
use kring_server::store::{PageId, Position, SledStore, Store, StoreError};
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};

const KEY: [u8; 32] = [7; 32];
/// sled's cache: small, so that it writes pages out as it goes.
const CACHE: u64 = 8 << 20;
/// Entries that stay: some 5 MB, a little more than one segment of sled.
const WINDOW: u64 = 2_500;
/// What a disk writes as a whole.
const SECTOR: usize = 512;
/// The child's exit code when its power goes.
const CUT: i32 = 99;

/// What stands at a position: its bytes follow from its number.
fn entry(position: u64) -> Bytes {
    let mut random = StdRng::seed_from_u64(position);
    let mut bytes = vec![0; 100 + (position as usize * 7_919) % 4_000];
    random.fill_bytes(&mut bytes);
    bytes.into()
}

/// The layer, compiled.
fn shim(folder: &Path) -> PathBuf {
    let library = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_cut/shim.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "{compiler} compiles the layer under the C library");
    library
}

/// Runs the child on the database in a folder, under the layer.
fn run_child(folder: &Path, settings: &[(&str, &str)]) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env("POWER_CUT_FOLDER", folder)
        .env("LD_PRELOAD", folder.join("shim.so"))
        .envs(settings.iter().copied())
        .output()
        .unwrap()
        .status
}

/// What runs in the child: appends, checkpoints, removes, for ever or until something fails.
#[test]
#[ignore = "runs in a process of its own, started by the other tests of this file"]
fn child() {
    let Ok(folder) = std::env::var("POWER_CUT_FOLDER") else { return };
    let folder = Path::new(&folder);
    let mut acknowledged = File::options().create(true).append(true).open(folder.join("acknowledged")).unwrap();
    let mut store = SledStore::open(&folder.join("data"), &KEY, CACHE).unwrap();
    let mut random = StdRng::seed_from_u64(store.tail().0);
    loop {
        let next = store.tail().0 + 1;
        let batch: Vec<Bytes> = (next..next + random.random_range(1..30)).map(entry).collect();
        if store.append(&batch).is_err() {
            break;
        }
        acknowledged.write_all(&store.tail().0.to_ne_bytes()).unwrap();
        if random.random_range(0..8) == 0 {
            let tail = store.tail();
            let page: Vec<u8> = tail.0.to_ne_bytes().repeat(500);
            let pages = [(PageId::Erasing, Some(page.into()))];
            let written = store.write_pages(&pages).and_then(|()| store.checkpoint(tail));
            if written.and_then(|()| drop_old(&mut store)).is_err() {
                break;
            }
        }
        if random.random_range(0..100) == 0 && store.renew().is_err() {
            break;
        }
    }
    // After a failed write nothing is taken any more, though two of three syncs would succeed now.
    for _ in 0..5 {
        assert_eq!(store.append(&[entry(store.tail().0 + 1)]), Err(StoreError::Poisoned));
    }
    fs::write(folder.join("poisoned"), b"").unwrap();
}

fn drop_old(store: &mut SledStore) -> Result<(), StoreError> {
    let end = store.tail().0.saturating_sub(WINDOW);
    let mut old = Vec::new();
    let mut last = Position(0);
    while let Some(position) = store.next_after(last)?.filter(|position| position.0 <= end) {
        old.push(position);
        last = position;
    }
    store.remove(&old)
}

/// The last entry that was acknowledged.
fn acknowledged(folder: &Path) -> u64 {
    let bytes = fs::read(folder.join("acknowledged")).unwrap_or_default();
    bytes.chunks_exact(8).last().map_or(0, |last| u64::from_ne_bytes(last.try_into().unwrap()))
}

/// Undoes everything that no sync had covered, and does a random part of it again. Returns how many pieces were lost.
fn cut_power(folder: &Path, random: &mut StdRng) -> usize {
    let log = fs::read(folder.join("cut.log")).unwrap();
    let database = File::options().write(true).open(folder.join("data/journal/db")).unwrap();
    let mut writes = Vec::new();
    let mut rest = &log[..];
    while rest.len() >= 16 {
        let number = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
        let (offset, length) = (number(&rest[..8]), number(&rest[8..16]) as usize);
        let (before, after) = rest[16..16 + 2 * length].split_at(length);
        writes.push((offset, before, after));
        rest = &rest[16 + 2 * length..];
    }
    for (offset, before, _) in writes.iter().rev() {
        database.write_all_at(before, *offset).unwrap();
    }
    // From nearly nothing to nearly all, and in one of three cuts all or nothing of each write.
    let share = random.random_range(0..=100);
    let piece = if random.random_range(0..3) == 0 { usize::MAX } else { SECTOR };
    let mut lost = 0;
    for (offset, _, after) in &writes {
        for (number, piece_of) in after.chunks(piece.min(after.len().max(1))).enumerate() {
            if random.random_range(0..100) < share {
                let at = offset + (number * piece.min(after.len())) as u64;
                database.write_all_at(piece_of, at).unwrap();
            } else {
                lost += 1;
            }
        }
    }
    lost
}

/// Everything that was acknowledged is there as it was written, and nothing else than what was written.
fn check(folder: &Path, what: &str) -> u64 {
    let last = acknowledged(folder);
    let store = SledStore::open(&folder.join("data"), &KEY, CACHE).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(store.tail().0 >= last, "{what}: acknowledged up to {last}, there up to {}", store.tail().0);
    for position in last.saturating_sub(WINDOW).max(1)..=store.tail().0 {
        let found = store.entry(Position(position)).unwrap_or_else(|error| panic!("{what}: {position}: {error}"));
        // Nothing within the window is ever removed.
        assert!(found == Some(entry(position)), "{what}: entry {position} of {last}");
    }
    if let Some(page) = store.page(&PageId::Erasing).unwrap() {
        assert_eq!(page.len(), 4_000, "{what}: a page is whole");
    }
    last
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn what_was_acknowledged_survives_power_cuts_that_keep_an_arbitrary_part_of_what_was_not_synced() {
    let cuts = number("KRING_POWER_CUTS").unwrap_or(8);
    let seed = number("KRING_POWER_SEED").unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    shim(folder);
    let mut random = StdRng::seed_from_u64(seed);
    let (mut lost, mut last) = (0, 0);
    for cut in 0..cuts {
        let after = random.random_range(3..400).to_string();
        let log = folder.join("cut.log");
        let status = run_child(folder, &[("CUT_LOG", log.to_str().unwrap()), ("CUT_AFTER", &after)]);
        assert_eq!(status.code(), Some(CUT), "seed {seed}, cut {cut}: the child ended by itself");
        let pieces = cut_power(folder, &mut random);
        lost += pieces;
        let what = format!("seed {seed}, cut {cut} after {after} writes, {pieces} pieces lost");
        last = check(folder, &what);
    }
    let size = fs::metadata(folder.join("data/journal/db")).unwrap().len();
    println!("{cuts} cuts, {lost} pieces lost, {last} entries acknowledged, the file has {size} bytes");
    assert!(lost > 0 && last > 0, "something was at stake");
}

#[test]
fn after_a_sync_that_fails_nothing_is_acknowledged_any_more_though_later_ones_would_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    shim(folder);
    let log = folder.join("cut.log");
    let status = run_child(folder, &[("CUT_LOG", log.to_str().unwrap()), ("FAIL_SYNC", "12")]);
    assert!(status.success(), "{status}");
    assert!(folder.join("poisoned").exists(), "the child came to its end");
    // The system may have dropped what it could not write: whatever of it is gone, what was acknowledged is there.
    let mut random = StdRng::seed_from_u64(12);
    cut_power(folder, &mut random);
    assert!(check(folder, "a failed sync") > 0);
}

#[test]
fn on_a_disk_that_is_full_or_has_become_read_only_nothing_is_acknowledged_that_is_not_there() {
    for (refusal, writes) in [("FULL_AFTER", "40"), ("READ_ONLY", "40"), ("FULL_AFTER", "211"), ("READ_ONLY", "211")]
    {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        shim(folder);
        let status = run_child(folder, &[(refusal, writes)]);
        assert!(status.success(), "{refusal} {writes}: {status}");
        assert!(folder.join("poisoned").exists(), "{refusal} {writes}: the child came to its end");
        assert!(check(folder, refusal) > 0, "{refusal} {writes}");
    }
}
