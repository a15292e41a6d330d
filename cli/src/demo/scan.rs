//! Looks for needles in every byte of files, and shows that it would have found them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};

use super::needles::{Form, Needles, Pattern};
use super::relay::files;

/// Bytes of noise between two planted needles.
const NOISE: usize = 24;

/// Searches for all needles at once.
pub(super) struct Scanner {
    needles: usize,
    patterns: Vec<Pattern>,
    any_case: Automaton,
    exact: Automaton,
}

/// The patterns whose letters count in one way, by their place in the whole list.
struct Automaton {
    places: Vec<usize>,
    search: AhoCorasick,
}

/// What was found where.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files that were read.
    pub(super) files: usize,
    /// Bytes that were read.
    pub(super) bytes: u64,
    /// Patterns that were found, by their place.
    pub(super) patterns: BTreeSet<usize>,
}

impl Scanner {
    /// Prepares the search.
    pub(super) fn new(needles: &Needles) -> Result<Self, BuildError> {
        let patterns = needles.patterns();
        let automaton = |any_case: bool| {
            let places: Vec<usize> =
                (0..patterns.len()).filter(|place| (patterns[*place].form != Form::Base64) == any_case).collect();
            let search = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(any_case)
                .build(places.iter().map(|place| &patterns[*place].bytes))?;
            Ok(Automaton { places, search })
        };
        Ok(Self { needles: needles.len(), any_case: automaton(true)?, exact: automaton(false)?, patterns })
    }

    /// How many needles there are, each in several forms.
    pub(super) fn needles(&self) -> usize {
        self.needles
    }

    /// Everything that is looked for.
    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// Reads every byte of a file, or of all files of a folder.
    pub(super) fn scan(&self, path: &Path) -> io::Result<Found> {
        let mut found = Found::default();
        let all = if path.is_dir() { files(path)? } else { vec![(path.to_owned(), path.metadata()?.len())] };
        for (file, _) in all {
            found.files += 1;
            found.bytes += self.search(BufReader::new(File::open(&file)?), &mut found.patterns)?;
        }
        Ok(found)
    }

    /// Writes a file with every pattern in it, between bytes of noise, in the other case of letters where the search
    /// says that it does not mind; and returns how many of them the same search finds.
    pub(super) fn control(&self, file: &Path) -> io::Result<usize> {
        let mut text = Vec::new();
        for pattern in &self.patterns {
            text.extend(rand::random::<[u8; NOISE]>());
            match pattern.form {
                Form::Hex => text.extend(pattern.bytes.to_ascii_uppercase()),
                Form::Plain | Form::Utf16 => text.extend(pattern.bytes.to_ascii_lowercase()),
                Form::Base64 => text.extend(&pattern.bytes),
            }
        }
        std::fs::write(file, text)?;
        Ok(self.scan(file)?.patterns.len())
    }

    fn search(&self, mut file: impl Read, found: &mut BTreeSet<usize>) -> io::Result<u64> {
        let mut bytes = Vec::new();
        let length = file.read_to_end(&mut bytes)?;
        for automaton in [&self.any_case, &self.exact] {
            for hit in automaton.search.find_overlapping_iter(&bytes) {
                found.insert(automaton.places[hit.pattern().as_usize()]);
            }
        }
        Ok(length as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::{DEFAULT, read};

    #[test]
    fn everything_that_is_planted_is_found_and_nothing_else() {
        let scenario = read(DEFAULT).unwrap_or_else(|error| panic!("{}: {}", error.line, error.problem));
        let needles = Needles::of(&scenario, std::iter::empty(), [[7; 16]].into_iter());
        let scanner = Scanner::new(&needles).expect("the patterns fit");
        let folder = tempfile::tempdir().expect("a folder");
        let control = folder.path().join("control");
        assert_eq!(scanner.control(&control).expect("scanned"), scanner.patterns().len());

        std::fs::write(&control, rand::random::<[u8; 32]>().repeat(10_000)).expect("written");
        let found = scanner.scan(folder.path()).expect("scanned");
        assert_eq!((found.files, found.bytes, found.patterns.len()), (1, 320_000, 0));
    }
}
