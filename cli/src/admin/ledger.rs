//! What an authority has signed, invited and revoked: the one file of an administrator's folder that grows.
//!
//! `ledger.jsonl` holds one JSON object a line, each appended and flushed to the disk **before** what it tells of leaves
//! the machine: nothing signed is ever unknown here, while something written here may never have been handed out. A
//! line that a crash has cut short is dropped at the next append. One program appends at a time (a lock on the file);
//! what several lines mean together is worked out by [`Book`], which does no I/O.
//!
//! The file names professionals; it is its owner's alone. It holds no secrets: those of tickets are derived from the
//! authority's key.

mod book;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(super) use self::book::{Book, Certificate, REASONS, State};
use crate::outcome::{Cause, Failure, Outcome};

/// Name of the file.
const LEDGER: &str = "ledger.jsonl";

/// What happened. Times are milliseconds since 1970 in UTC, serials and numbers of tickets hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Entry {
    /// A certificate was signed.
    Issued(Issued),
    /// Somebody was invited.
    Invited(Invited),
    /// An invitation has come to its end.
    Settled {
        /// When.
        at: u64,
        /// Number of the ticket.
        ticket: String,
        /// The certificate; `None`: refused, or withdrawn.
        serial: Option<String>,
    },
    /// A certificate was revoked.
    Revoked {
        /// When.
        at: u64,
        /// Which.
        serial: String,
        /// Why, in the words of `kring admin revoke --reason`.
        reason: String,
        /// Only this one was meant: its owner stays, and so do invitations of theirs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alone: bool,
    },
    /// A list of revoked certificates was signed.
    Listed {
        /// When.
        at: u64,
        /// Serial of the certificate of the authority whose list it is.
        authority: String,
        /// Number of the list.
        number: u64,
        /// By when the next one is promised.
        next: u64,
    },
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issued {
    /// When.
    pub(super) at: u64,
    /// Its number.
    pub(super) serial: String,
    /// For what.
    pub(super) what: Kind,
    /// Address of a professional, domain of an organisation, host of a relay.
    pub(super) name: String,
    /// Name for people to read, of a professional or an organisation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) called: String,
    /// Of a device: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    /// Function of a professional, functions of an organisation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) functions: Vec<String>,
    /// First moment at which it is valid.
    pub(super) from: u64,
    /// Last moment.
    pub(super) until: u64,
    /// Serial of the certificate of the authority that signed it; a root signs itself.
    pub(super) authority: String,
    /// The certificate that it takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<String>,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A region's root.
    Region,
    /// An organisation.
    Organisation,
    /// A professional's device.
    Device,
    /// A relay.
    Relay,
    /// The administrator's own connections to a relay, for a day.
    Administrator,
}

impl Kind {
    /// The word for people and machines.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Organisation => "organisation",
            Self::Device => "device",
            Self::Relay => "relay",
            Self::Administrator => "administrator",
        }
    }
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invited {
    /// When.
    pub(super) at: u64,
    /// Random number of the ticket; with the authority's key its secret follows.
    pub(super) ticket: String,
    /// Serial of the certificate of the authority whose key makes the secret.
    pub(super) authority: String,
    /// The professional's address.
    pub(super) name: String,
    /// The professional's name.
    pub(super) called: String,
    /// The professional's function.
    pub(super) function: String,
    /// Last moment at which it is good.
    pub(super) until: u64,
    /// How many days the certificate will be valid.
    pub(super) days: u64,
}

/// An authority's ledger, locked against other programs for as long as this lives.
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    book: Book,
}

impl Ledger {
    /// Opens the ledger in an authority's folder, and makes it if need be. Waits for another program that has it.
    pub(super) fn open(folder: &Path) -> Outcome<Self> {
        let path = folder.join(LEDGER);
        let opened = || -> io::Result<(File, Vec<u8>)> {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&path)?;
            file.lock()?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let whole = whole(&bytes);
            if whole < bytes.len() {
                file.set_len(whole as u64)?;
                bytes.truncate(whole);
            }
            file.seek(SeekFrom::End(0))?;
            Ok((file, bytes))
        };
        let (file, bytes) = opened().map_err(|error| Failure::file("opened", &path, &error))?;
        let book = Book::of(entries(&bytes).ok_or_else(|| damaged(&path))?);
        Ok(Self { path, file, book })
    }

    /// What is in it.
    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    /// Adds lines, all of them on the disk when this returns.
    pub(super) fn append(&mut self, entries: impl IntoIterator<Item = Entry>) -> Outcome {
        let mut lines = String::new();
        let entries: Vec<Entry> = entries.into_iter().collect();
        for entry in &entries {
            lines += &serde_json::to_string(entry).expect("texts and numbers serialise");
            lines.push('\n');
        }
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| Failure::file("written", &self.path, &error))?;
        for entry in entries {
            self.book.add(entry);
        }
        Ok(())
    }
}

/// Reads a ledger without locking it: what a program that writes at the same moment has not finished is left out.
pub(super) fn read(folder: &Path) -> Outcome<Book> {
    let path = folder.join(LEDGER);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Book::of(entries(&bytes[..whole(&bytes)]).ok_or_else(|| damaged(&path))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
        Err(error) => Err(Failure::file("read", &path, &error)),
    }
}

/// Length of the whole lines.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

fn damaged(path: &Path) -> Failure {
    Failure::advised(
        Cause::Failed,
        format!("{} is damaged, or was written by a newer version", path.display()),
        "restore it from a backup; without it nothing can be revoked by name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revoked(serial: &str) -> Entry {
        Entry::Revoked { at: 1, serial: serial.to_owned(), reason: "left".to_owned(), alone: false }
    }

    fn serials(book: &Book) -> Vec<String> {
        book.entries().iter().map(|entry| serde_json::to_value(entry).unwrap()["serial"].to_string()).collect()
    }

    #[test]
    fn what_was_appended_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap().entries().is_empty());
        let mut ledger = Ledger::open(folder.path()).unwrap();
        ledger.append([revoked("01"), revoked("02")]).unwrap();
        ledger.append([revoked("03")]).unwrap();
        assert_eq!(serials(ledger.book()).len(), 3);
        drop(ledger);
        assert_eq!(serials(&read(folder.path()).unwrap()), ["\"01\"", "\"02\"", "\"03\""]);
        assert_eq!(Ledger::open(folder.path()).unwrap().book().entries().len(), 3);
    }

    #[test]
    fn a_line_that_a_crash_cut_short_is_dropped_wherever_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        Ledger::open(folder.path()).unwrap().append([revoked("01"), revoked("02")]).unwrap();
        let path = folder.path().join(LEDGER);
        let bytes = std::fs::read(&path).unwrap();
        let first = whole(&bytes[..bytes.len() - 1]);
        for cut in first..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(serials(&read(folder.path()).unwrap()), ["\"01\""], "cut at {cut}");
            Ledger::open(folder.path()).unwrap().append([revoked("03")]).unwrap();
            assert_eq!(serials(&read(folder.path()).unwrap()), ["\"01\"", "\"03\""], "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        Ledger::open(folder.path()).unwrap().append([revoked("01"), revoked("02")]).unwrap();
        let path = folder.path().join(LEDGER);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[3] = 0;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(folder.path()).map(drop).unwrap_err().cause, Cause::Failed);
        assert_eq!(Ledger::open(folder.path()).map(drop).unwrap_err().cause, Cause::Failed);
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "and nothing of it is lost");
    }

    #[cfg(unix)]
    #[test]
    fn it_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        drop(Ledger::open(folder.path()).unwrap());
        let mode = std::fs::metadata(folder.path().join(LEDGER)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}
