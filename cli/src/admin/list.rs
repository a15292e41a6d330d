//! `kring admin list`, `show` and `expiring`: what was signed here and how it stands. From the ledgers alone; no key is
//! opened.

use std::io::{self, Write};
use std::path::Path;

use kring_protocol::ids::Timestamp;
use serde::Serialize;

use super::folder;
use super::ledger::{self, Book, Certificate, Kind, State};
use super::uninvite::OpenInvitation;
use crate::clock;
use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// Prints everything that is in use and every open invitation; with `all` also what was.
pub(super) fn list(folder: &Path, all: bool, output: Output) -> Outcome {
    let now = clock::now();
    for book in books(folder)? {
        for certificate in book.certificates(now) {
            let hidden = certificate.state != State::Valid || certificate.issued.what == Kind::Administrator;
            if all || !hidden {
                output.print(&Shown::of(&certificate))?;
            }
        }
        for invitation in book.invitations().iter().filter(|invitation| invitation.is_open(now)) {
            output.print(&OpenInvitation::of(invitation.invited))?;
        }
    }
    Ok(())
}

/// Prints whatever was signed for a person, device, organisation, relay or serial.
pub(super) fn show(folder: &Path, words: &str, output: Output) -> Outcome {
    let now = clock::now();
    let mut found = 0;
    for book in books(folder)? {
        for certificate in book.find(words, now) {
            output.print(&Shown { long: true, ..Shown::of(&certificate) })?;
            found += 1;
        }
    }
    if found == 0 { Err(nobody(words)) } else { Ok(()) }
}

/// Prints what is in use and ends within this time.
pub(super) fn expiring(folder: &Path, within: u64, output: Output) -> Outcome {
    let now = clock::now();
    for book in books(folder)? {
        for certificate in book.certificates(now) {
            let ends = certificate.issued.until < now.plus(within).0;
            if certificate.state == State::Valid && ends && certificate.issued.what != Kind::Administrator {
                output.print(&Shown::of(&certificate))?;
            }
        }
    }
    Ok(())
}

/// Nothing was signed for this.
pub(super) fn nobody(words: &str) -> Failure {
    Failure::advised(
        Cause::Usage,
        format!("nothing was signed here for \"{words}\""),
        "give an address, a domain, or the first six digits of a device or serial; `kring admin list --all` shows all",
    )
}

/// The ledgers of a folder: the region's, then each organisation's.
fn books(folder: &Path) -> Outcome<Vec<Book>> {
    let mut books = vec![ledger::read(&folder::region(folder))?];
    for domain in folder::organisations(folder)? {
        books.push(ledger::read(&folder::organisation(folder, &domain))?);
    }
    Ok(books)
}

/// A certificate.
#[derive(Serialize)]
#[serde(tag = "type", rename = "certificate")]
struct Shown<'a> {
    what: &'static str,
    name: &'a str,
    called: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    functions: &'a [String],
    serial: &'a str,
    from: String,
    until: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip)]
    until_local: String,
    /// With serial and device, over several lines.
    #[serde(skip)]
    long: bool,
}

impl<'a> Shown<'a> {
    fn of(certificate: &Certificate<'a>) -> Self {
        let issued = certificate.issued;
        Self {
            what: issued.what.as_str(),
            name: &issued.name,
            called: &issued.called,
            device: issued.device.as_deref(),
            functions: &issued.functions,
            serial: &issued.serial,
            from: clock::rfc3339(Timestamp(issued.from)),
            until: clock::rfc3339(Timestamp(issued.until)),
            state: certificate.state.as_str(),
            reason: certificate.revoked.map(|(_, reason)| reason),
            until_local: clock::local(Timestamp(issued.until)),
            long: false,
        }
    }
}

impl Line for Shown<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let called = if self.called.is_empty() { String::new() } else { format!(" ({})", visible(self.called)) };
        let functions = self.functions.join(", ");
        writeln!(
            out,
            "{:12} {}{called} {functions}  {} until {}{}",
            self.what,
            visible(self.name),
            self.state,
            self.until_local,
            self.reason.map(|reason| format!(", {reason}")).unwrap_or_default()
        )?;
        if self.long {
            writeln!(out, "  serial {}", self.serial)?;
            if let Some(device) = self.device {
                writeln!(out, "  device {device}")?;
            }
        }
        Ok(())
    }
}
