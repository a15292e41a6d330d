//! Measures what a record takes of the disk once old ones go as new ones come:
//! `cargo run --release -p kring-server --example month -- FOLDER [RECORDS A DAY]`.
//!
//! The real engine and the real store under a clock that runs ahead: cases get records of 512 bytes at a steady rate, each is
//! kept for 30 days, and every third day a pass of retention goes through everything.
//! Told for each ten days: what is live, and what the database takes of the disk.

mod ground;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kring_protocol::ids::{GroupId, Timestamp};
use kring_server::engine::{Command, Core, ProvenAccess, Settings};
use kring_server::store::SledStore;

use self::ground::{CACHE, NOW, SIZE, open, submit};

/// Days: a month in which nothing goes yet, and two in which as much goes as comes.
const DAYS: u64 = 90;
/// Days between two passes of retention; a relay makes one an hour, which would be most of the time that this takes.
const PASS: u64 = 3;
/// Days between two lines.
const TOLD: u64 = 10;
/// Records a day where nothing else is said.
const A_DAY: u64 = 20_000;
/// Days for which records are kept that nobody says to have read.
const KEPT: u64 = 30;
/// Cases in which something is said: fewer than a device may open on a day.
const CASES: u64 = 150;
/// Records that become durable together.
const BATCH: u64 = 16;
/// Times at which something is said, on a day.
const HOURS: u64 = 24;
/// Milliseconds between two ticks of a relay.
const TICK: u64 = 200;
/// Entries that retention looks at in one step.
const SWEPT: u64 = 60;
/// Ticks beyond those of a pass: the checkpoint that covers its end, and a moment of quiet.
const MORE_TICKS: u64 = 50;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map(PathBuf::from);
    let a_day = arguments.next().map_or(Some(A_DAY), |number| number.parse().ok());
    match (folder, a_day, arguments.next()) {
        (Some(folder), Some(a_day), None) => {
            measure(&folder, a_day);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: month FOLDER [RECORDS A DAY] (an empty folder, on the disk to be measured)");
            ExitCode::from(2)
        }
    }
}

fn measure(folder: &Path, a_day: u64) {
    let store = SledStore::open(folder, &[1; 32], CACHE).expect("a database");
    let mut number = 0u64;
    let randomness = Box::new(move |bytes: &mut [u8]| bytes.fill(5));
    let mut core = Core::open(Box::new(store), Settings::default(), randomness).expect("an empty store");
    let cases: Vec<(GroupId, ProvenAccess)> = (0..CASES)
        .map(|case| {
            let mut id = [3; 16];
            id[..8].copy_from_slice(&case.to_be_bytes());
            let group = GroupId(id);
            (group, open(&mut core, group))
        })
        .collect();
    println!("{:>5} {:>10} {:>12} {:>12} {:>7}", "day", "live", "payload MB", "disk MB", "ratio");
    for day in 0..DAYS {
        let midnight = NOW.plus(day * Timestamp::DAY);
        for hour in 0..HOURS {
            let mut now = midnight.plus(hour * Timestamp::DAY / HOURS);
            for _ in 0..a_day / HOURS / BATCH {
                let batch = (0..BATCH).map(|_| {
                    number += 1;
                    // Far apart in the order of cases, as those who talk are.
                    let (group, access) = cases[(number * 7_919 % CASES) as usize];
                    submit(access, group, number)
                });
                for answer in core.handle(batch.collect(), now) {
                    answer.expect("accepted");
                }
                now = now.plus(Timestamp::SECOND);
                core.handle(vec![Command::Tick], now);
            }
        }
        let live = number.min(KEPT * a_day);
        if day % PASS == 0 {
            let evening = midnight.plus(Timestamp::DAY);
            core.handle(vec![Command::Sweep], evening);
            for tick in 0..(live + PASS * a_day) / SWEPT + MORE_TICKS {
                core.handle(vec![Command::Tick], evening.plus(tick * TICK));
            }
        }
        assert!(!core.has_failed(), "the store takes everything");
        if (day + 1) % TOLD == 0 {
            let (payload, disk) = ((live * SIZE as u64) as f64 / 1e6, taken(folder) as f64 / 1e6);
            println!("{:>5} {live:>10} {payload:>12.1} {disk:>12.1} {:>7.2}", day + 1, disk / payload);
        }
    }
}

/// Bytes of the disk that the files of a folder take (stat(2), blocks of 512 bytes).
fn taken(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| match entry.metadata().expect("what it is") {
            metadata if metadata.is_dir() => taken(&entry.path()),
            metadata => metadata.blocks() * 512,
        })
        .sum()
}
