//! Attempts to open a store that failed, kept beside it until it is opened: the audit log lies inside, where nobody can
//! write without the passphrase. A line is the time in milliseconds since 1970, and nothing else.
//!
//! Best effort: who can delete the file can hide an attempt, and what cannot be written does not keep anybody out.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use kring_protocol::ids::Timestamp;

/// Name of the file.
const FILE: &str = "failed-openings";
/// Most attempts that are kept: 20 bytes each, so that guessing does not fill the disk.
const MOST: usize = 1000;

/// Notes an attempt.
pub(super) fn add(folder: &Path, now: Timestamp) {
    if list(folder).len() >= MOST {
        return;
    }
    let file = fs::OpenOptions::new().append(true).create(true).open(folder.join(FILE));
    // What cannot be written is not kept.
    let _ = file.and_then(|mut file| writeln!(file, "{}", now.0));
}

/// The attempts since the store was last opened, oldest first.
pub(super) fn list(folder: &Path) -> Vec<Timestamp> {
    let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).map(Timestamp).take(MOST).collect()
}

/// Forgets them: they stand in the audit log now.
pub(super) fn forget(folder: &Path) {
    let _ = fs::remove_file(folder.join(FILE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_kept_in_order_and_not_without_end() {
        let folder = tempfile::tempdir().unwrap();
        assert!(list(folder.path()).is_empty());
        for at in 0..MOST as u64 + 5 {
            add(folder.path(), Timestamp(at));
        }
        let kept = list(folder.path());
        assert_eq!((kept.len(), kept[0], kept[1]), (MOST, Timestamp(0), Timestamp(1)));
        forget(folder.path());
        assert!(list(folder.path()).is_empty());
    }
}
