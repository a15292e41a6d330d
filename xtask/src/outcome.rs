//! How steps and tests ended, added up, and written as `cargo test` writes it.

use std::fmt;
use std::ops::AddAssign;

/// Counts of tests; a step without tests counts as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Outcome {
    /// One step that ended so.
    pub(crate) fn of_step(ok: bool) -> Self {
        Self { passed: ok.into(), failed: (!ok).into(), ignored: 0 }
    }

    /// Reads the line with which a test binary ends; `None` for any other line.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut outcome = Self::default();
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            match what {
                "passed" => outcome.passed = number.parse().ok()?,
                "failed" => outcome.failed = number.parse().ok()?,
                "ignored" => outcome.ignored = number.parse().ok()?,
                _ => {}
            }
        }
        Some(outcome)
    }

    /// Whether nothing failed.
    pub(crate) fn is_ok(self) -> bool {
        self.failed == 0
    }

    /// `ok` or `FAILED`.
    pub(crate) fn verdict(self) -> &'static str {
        if self.is_ok() { "ok" } else { "FAILED" }
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, ignored } = self;
        write!(f, "{}. {passed} passed; {failed} failed; {ignored} ignored", self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_test_binary_is_read() {
        let line = "test result: ok. 46 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 7.65s";
        let outcome = Outcome::of_line(line).expect("such a line");
        assert_eq!(outcome.to_string(), "ok. 46 passed; 0 failed; 2 ignored");
        let failed = Outcome::of_line(&line.replace("ok", "FAILED").replace(" 0 failed", " 1 failed"));
        assert_eq!(failed.map(Outcome::is_ok), Some(false));
        assert_eq!(Outcome::of_line("test a_sentence ... ok"), None);
        assert_eq!(Outcome::of_line("running 46 tests"), None);
    }

    #[test]
    fn one_failure_is_a_failure_of_the_whole() {
        let mut total = Outcome::of_step(true);
        assert!(total.is_ok());
        total += Outcome::of_step(false);
        assert_eq!(total.to_string(), "FAILED. 1 passed; 1 failed; 0 ignored");
    }
}
