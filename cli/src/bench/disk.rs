//! What a sync of the disk costs, without which no figure of a durable relay means anything.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::row::Figure;
use crate::clock::Stopwatch;
use crate::outcome::{Failure, Outcome};

/// How often it is tried.
const TRIES: usize = 300;
/// Bytes written before each sync: what a few messages at once come to.
const BYTES: usize = 4 << 10;

/// Appends to a file in the folder and syncs it, again and again; says how long a sync takes.
pub(super) fn measure(folder: &Path) -> Outcome<[Figure; 2]> {
    let path = folder.join("disk-test");
    let failed = |error: std::io::Error| Failure::file("written", &path, &error);
    let mut file = File::create(&path).map_err(failed)?;
    let mut times = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        file.write_all(&[0x5a; BYTES]).map_err(failed)?;
        let begun = Stopwatch::start();
        file.sync_data().map_err(failed)?;
        times.push(begun.passed().as_secs_f64() * 1e6);
    }
    fs::remove_file(&path).map_err(failed)?;
    times.sort_by(f64::total_cmp);
    Ok([("fdatasync_p50_us", times[TRIES / 2]), ("fdatasync_p99_us", times[TRIES * 99 / 100])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_takes_time_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let [(_, median), (_, slow)] = measure(folder.path()).expect("measured");
        assert!(0.0 < median && median <= slow);
        assert_eq!(fs::read_dir(folder.path()).expect("it reads").count(), 0);
    }
}
