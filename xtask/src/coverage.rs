//! `cargo xtask coverage`: how many lines of the relay's rules and of the codec are run by the tests of their two packages.
//! Fails where it is less than [`LEAST`] of either.
//!
//! Only what is installed counts, so lines of tests do not: files `tests.rs`, and in every other file all from its first
//! `#[cfg(test)]` on, which stands at the end. The tests of other packages run more of it, and assert less of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

/// Least share of the lines, in per cent.
const LEAST: usize = 95;
/// What is measured, and where it is.
const LAYERS: [(&str, &str); 2] = [("rules", "server/src/rules"), ("codec", "protocol/src")];
/// What stands before everything that is compiled for tests alone.
const FOR_TESTS: &str = "#[cfg(test)]";

/// Runs the tests, and prints each file.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = root()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    fs::create_dir_all(&target)?;
    let report = target.join("coverage.lcov");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["llvm-cov", "test", "--locked", "--package", "kring-protocol", "--package", "kring-server"]);
    command.args(["--lcov", "--output-path"]).arg(&report).current_dir(&root);
    if !command.status().context("cargo llvm-cov")?.success() {
        bail!(
            "nothing was measured: a test failed, or cargo-llvm-cov is not there (cargo install --locked cargo-llvm-cov), \
             or the compiler's LLVM tools (rustup component add llvm-tools, or LLVM_COV and LLVM_PROFDATA)"
        );
    }
    let files = read(&fs::read_to_string(&report)?)?;
    let mut enough = true;
    for (name, folder) in LAYERS {
        let mut whole = Lines::default();
        for (path, lines) in files.iter().filter(|(path, _)| path.starts_with(root.join(folder))) {
            if path.ends_with("tests.rs") {
                continue;
            }
            let end = end_of_code(&fs::read_to_string(path)?);
            let lines: Lines = lines.iter().copied().filter(|(number, _)| *number < end).collect();
            println!("{:<42} {lines}", path.strip_prefix(&root).unwrap_or(path).display());
            whole.add(&lines);
        }
        let verdict = if whole.is_enough() { "ok" } else { "TOO FEW" };
        println!("{name:<42} {} of {} lines, at least {LEAST} %: {verdict}", whole.run, whole.all);
        enough &= whole.is_enough();
    }
    Ok(if enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn root() -> anyhow::Result<PathBuf> {
    // As the compiler wrote it into the report: without `..`.
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().context("where the sources are")
}

/// A line's number, and how often it was run.
type Line = (usize, u64);

/// Reads a report in lcov's format: `SF:` begins a file, `DA:` is one of its lines and how often it was run.
fn read(report: &str) -> anyhow::Result<BTreeMap<PathBuf, Vec<Line>>> {
    let mut files: BTreeMap<PathBuf, Vec<Line>> = BTreeMap::new();
    let mut file = None;
    for entry in report.lines() {
        if let Some(path) = entry.strip_prefix("SF:") {
            file = Some(files.entry(path.into()).or_default());
        } else if let Some((number, count)) = entry.strip_prefix("DA:").and_then(|line| line.split_once(',')) {
            let line = (number.parse().context("a line's number")?, count.parse().context("a line's count")?);
            file.as_mut().context("a line without a file")?.push(line);
        }
    }
    Ok(files)
}

/// The line at which what is for tests alone begins.
fn end_of_code(source: &str) -> usize {
    source.lines().position(|line| line == FOR_TESTS).map_or(usize::MAX, |at| at + 1)
}

/// Lines that can be run, and those that no test runs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    all: usize,
    run: usize,
    missed: Vec<usize>,
}

impl Lines {
    fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.run += other.run;
    }

    /// A report without the layer is a fault too.
    fn is_enough(&self) -> bool {
        self.all > 0 && self.run * 100 >= self.all * LEAST
    }
}

impl FromIterator<Line> for Lines {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        let mut sum = Self::default();
        for (number, count) in lines {
            sum.all += 1;
            match count {
                0 => sum.missed.push(number),
                _ => sum.run += 1,
            }
        }
        sum
    }
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>4} of {:>4}", self.run, self.all)?;
        if self.missed.is_empty() { Ok(()) } else { write!(f, ", not {:?}", self.missed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "SF:/a.rs\nFN:1,x\nDA:1,3\nDA:2,0\nDA:9,0\nend_of_record\nSF:/b.rs\nDA:4,1\nend_of_record\n";

    #[test]
    fn a_report_tells_of_each_file_which_lines_were_run() {
        let files = read(REPORT).expect("a report");
        assert_eq!(files[Path::new("/a.rs")], [(1, 3), (2, 0), (9, 0)]);
        assert_eq!(files[Path::new("/b.rs")], [(4, 1)]);
        assert!(read("DA:1,1").is_err(), "a line of no file");
        let lines: Lines = files[Path::new("/a.rs")].iter().copied().collect();
        assert_eq!(lines.to_string(), "   1 of    3, not [2, 9]");
    }

    #[test]
    fn less_than_the_least_is_not_enough_and_nothing_is_not_either() {
        let enough = |run, all| Lines { all, run, missed: Vec::new() }.is_enough();
        assert_eq!(
            [enough(95, 100), enough(94, 100), enough(189, 200), enough(190, 200)],
            [true, false, false, true]
        );
        assert!(!enough(0, 0));
    }

    #[test]
    fn what_is_for_tests_stands_at_the_end_of_every_file_that_is_measured() {
        let mut files = 0;
        let mut folders: Vec<_> = LAYERS.iter().map(|(_, folder)| root().expect("sources").join(folder)).collect();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = fs::read_to_string(&path).expect("a source");
                let lines: Vec<_> = source.lines().collect();
                for at in end_of_code(&source).min(lines.len())..lines.len() {
                    let begins = lines[at].starts_with(|first: char| first.is_ascii_lowercase());
                    assert!(!begins || lines[at - 1] == FOR_TESTS, "{}: {}", path.display(), lines[at]);
                }
                files += 1;
            }
        }
        assert!(files > 20, "{files}");
    }
}
