//! Looks for canaries in bytes: each needle as it is, in hexadecimal, and in base64 at each of its three alignments.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

/// What must not be found.
#[derive(Default)]
pub struct Canaries {
    needles: Vec<(String, Vec<u8>)>,
}

/// Shorter needles would be found by chance.
const SHORTEST: usize = 6;

impl Canaries {
    /// Adds something that must not be found, in all its spellings.
    ///
    /// # Panics
    /// When it is so short that it could be found by chance.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        assert!(bytes.len() >= SHORTEST, "{name} is too short");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.needles.push((format!("{name}, in hexadecimal"), hex.to_uppercase().into_bytes()));
        self.needles.push((format!("{name}, in hexadecimal"), hex.into_bytes()));
        for skipped in 0..3 {
            // Whole groups of three bytes from here on are four letters, whatever stands around them.
            let whole = &bytes[skipped..];
            let whole = &whole[..whole.len() / 3 * 3];
            if whole.len() >= SHORTEST {
                self.needles.push((format!("{name}, in base64"), base64(whole)));
            }
        }
        self.needles.push((name.to_owned(), bytes.to_vec()));
    }

    /// Adds a text, also in capitals and in small letters.
    pub fn add_text(&mut self, name: &str, text: &str) {
        for spelling in [text.to_owned(), text.to_lowercase(), text.to_uppercase()] {
            self.add(name, spelling.as_bytes());
        }
    }

    /// Names of the needles in these bytes.
    ///
    /// # Panics
    /// When there are more needles than memory.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<&str> {
        self.search(&self.automaton(), bytes)
    }

    /// Files of a folder in which something is found, with what; and how many bytes were looked at.
    ///
    /// # Panics
    /// When a file cannot be read.
    pub fn found_under(&self, folder: &Path) -> (Vec<(PathBuf, String)>, usize) {
        let (automaton, mut folders) = (self.automaton(), vec![folder.to_owned()]);
        let (mut found, mut size) = (Vec::new(), 0);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = fs::read(&path).expect("a file");
                size += bytes.len();
                let names = self.search(&automaton, &bytes);
                found.extend(names.into_iter().map(|name| (path.clone(), name.to_owned())));
            }
        }
        (found, size)
    }

    fn automaton(&self) -> AhoCorasick {
        AhoCorasick::new(self.needles.iter().map(|(_, needle)| needle)).expect("a few needles")
    }

    fn search(&self, automaton: &AhoCorasick, bytes: &[u8]) -> BTreeSet<&str> {
        let found = automaton.find_overlapping_iter(bytes);
        found.map(|found| self.needles[found.pattern().as_usize()].0.as_str()).collect()
    }
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| LETTERS[bits >> shift & 63])
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_canary_is_found_in_every_spelling() {
        let mut canaries = Canaries::default();
        canaries.add_text("the name", "Anne Jansen");
        for planted in [
            "xxAnne Jansenxx",
            "anne jansen",
            "ANNE JANSEN",
            "..416e6e65204a616e73656e..",
            "..416E6E65204A616E73656E..",
            "eEFubmUgSmFuc2VueA==", // x before it
            "eHhBbm5lIEphbnNlbnh4", // two before it
            "QW5uZSBKYW5zZW4=",     // none
        ] {
            assert!(!canaries.found_in(planted.as_bytes()).is_empty(), "{planted}");
        }
        assert!(canaries.found_in(b"nothing of the kind").is_empty());
    }
}
