//! Measures the journal on this machine's disk: `cargo run --release -p kring-server --example journal -- FOLDER`.
//!
//! Fills a database with a million entries of 512 bytes in batches of 256, each synced, checkpointing as a relay does,
//! ends without closing it, and opens it again.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::path::Path;
use std::process::{Command, ExitCode, abort};
use std::time::Instant;

use bytes::Bytes;
use kring_server::store::{SledStore, Store};

/// Entries in all.
const ENTRIES: u64 = 1_000_000;
/// Entries in one durable step: what 64 senders have waiting at once.
const BATCH: u64 = 256;
/// Batches between two checkpoints: about a second of them.
const CHECKPOINT: u64 = 256;
/// Key of the database that is measured.
const KEY: [u8; 32] = [1; 32];
/// The store's cache, as a relay's default.
const CACHE: u64 = 256 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(folder), None) => measure(&folder),
        (Some(folder), Some(_)) => fill(Path::new(&folder)),
        (None, _) => {
            eprintln!("usage: journal FOLDER (an empty one, on the disk to be measured)");
            ExitCode::from(2)
        }
    }
}

/// Fills in a process of its own, so that nothing is closed; then opens what it has left.
fn measure(folder: &str) -> ExitCode {
    let program = std::env::current_exe().expect("this program has a path");
    // It ends by aborting itself.
    let _aborted = Command::new(program).args([folder, "fill"]).status().expect("starts");
    let start = Instant::now();
    let store = SledStore::open(Path::new(folder), &KEY, CACHE).expect("opens");
    println!("opened after a kill in {:.2} s, at entry {}", start.elapsed().as_secs_f64(), store.tail().0);
    if store.tail().0 >= ENTRIES { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fill(folder: &Path) -> ExitCode {
    let mut store = SledStore::open(folder, &KEY, CACHE).expect("opens");
    let start = Instant::now();
    for batch in 0..ENTRIES.div_ceil(BATCH) {
        let entries: Vec<Bytes> = (0..BATCH).map(|number| vec![(number + batch) as u8; 512].into()).collect();
        store.append(&entries).expect("appends");
        if batch % CHECKPOINT == CHECKPOINT - 1 {
            let tail = store.tail();
            store.checkpoint(tail).expect("checkpoints");
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{} entries of 512 bytes in {seconds:.1} s: {:.0}/s", store.tail().0, store.tail().0 as f64 / seconds);
    abort()
}
