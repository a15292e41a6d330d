//! `kring admin revoke` and `kring admin crl`: whom the relays and all clients turn away from now on.
//!
//! A person means all their devices at once, a domain the whole organisation (with the region's root here). What was
//! revoked stays so; who comes back is invited anew. Written down first, then signed, then handed to the relays: whatever
//! goes wrong on the way, `crl refresh` goes on with it.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use kring_pki::verify::{Crl, CrlError};
use kring_protocol::ids::Timestamp;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;

use super::folder;
use super::keys::Keys;
use super::ledger::{Entry, Ledger, REASONS, State};
use super::lists::{self, Signed};
use super::office::{self, Pass};
use super::organisation::Organisation;
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// Arguments of `kring admin revoke`.
#[derive(Debug, Args)]
pub(super) struct RevokeArguments {
    /// A professional's address (all devices), the first digits of a device or serial, or the domain of an organisation.
    whom: String,
    /// Why: left, lost, replaced, unused or unsaid. Everybody who reads the list sees it.
    #[arg(long, value_parser = REASONS.map(|(word, _)| word))]
    reason: String,
}

/// Arguments of `kring admin crl refresh`.
#[derive(Debug, Args)]
pub(super) struct RefreshArguments {
    /// How many days the lists are good; clients warn when no newer one has come by then.
    #[arg(long, default_value_t = lists::DAYS, value_parser = clap::value_parser!(u64).range(1..=365))]
    days: u64,
}

/// Revokes, signs the lists that say so, and hands them to the relays.
pub(super) async fn revoke(arguments: &RevokeArguments, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    let now = clock::now();
    let mut signed = Vec::new();
    let mut found = false;
    for domain in folder::organisations(folder)? {
        let organisation = Organisation::find(folder, &domain)?;
        let (known, new) = write_down(&mut organisation.ledger()?, arguments, now, output)?;
        found |= known;
        if new {
            signed.extend(lists::of_organisation(&organisation, lists::DAYS, keys)?);
        }
    }
    if folder::region(folder).is_dir() {
        let (known, new) = write_down(&mut Ledger::open(&folder::region(folder))?, arguments, now, output)?;
        found |= known;
        if new {
            signed.push(lists::of_region(folder, lists::DAYS, keys)?);
        }
    }
    if !found {
        return Err(super::list::nobody(&arguments.whom));
    }
    if signed.is_empty() {
        output.note("all of it was revoked or had expired before; nothing has changed");
        return Ok(());
    }
    let handed = hand_over(&signed, folder, keys, output).await;
    output.note(
        "What was received before cannot be called back: it stays readable on the device, and the keys of what comes\n\
         after are changed by the others in each case as soon as one of them is online.",
    );
    handed
}

/// Tells of the lists, and hands them to the relays.
async fn hand_over(signed: &[Signed], folder: &Path, keys: &Keys, output: Output) -> Outcome {
    for list in signed {
        output.print(&ListSigned::of(list))?;
    }
    office::hand_over(signed, &pass(folder, keys)?, folder, output).await
}

/// A way to the relays in the name of any organisation of the folder: who signed a list is what counts.
fn pass(folder: &Path, keys: &Keys) -> Outcome<Pass> {
    let domains = folder::organisations(folder)?;
    let Some(domain) = domains.first() else {
        return Err(Failure::advised(
            Cause::Pending,
            "the list is signed, and there is no organisation here in whose name it could be handed to a relay",
            "take revoked.pem to an organisation's administrator: kring admin crl publish revoked.pem",
        ));
    };
    let organisation = Organisation::find(folder, domain)?;
    Pass::issue(&organisation, &organisation.open(keys)?)
}

/// Hands over a list that was signed elsewhere.
pub(super) async fn publish(path: &Path, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    let unreadable = || Failure::new(Cause::Usage, CrlError::Unreadable);
    let list = CertificateRevocationListDer::from_pem_slice(&bytes).map_err(|_| unreadable())?;
    let crl = Crl::from_der(&list).map_err(|error| Failure::new(Cause::Usage, error))?;
    // Whose it is shows by whose certificate its signature fits: one of ours, or else a region's.
    let mut issuer = None;
    let mut whose = "the region".to_owned();
    for domain in folder::organisations(folder)? {
        for certificate in Organisation::find(folder, &domain)?.certificates()? {
            if crl.verify(&certificate).is_ok() {
                issuer = Some(certificate);
                whose.clone_from(&domain);
            }
        }
    }
    let crl = crl.seen();
    let signed = Signed { list, issuer, number: crl.number, revoked: None, whose, next: crl.next_update };
    hand_over(&[signed], folder, keys, output).await
}

/// Writes down whatever of this ledger is meant and can still be used: whether anything is meant, and whether anything
/// of it was not revoked yet.
fn write_down(
    ledger: &mut Ledger,
    arguments: &RevokeArguments,
    now: Timestamp,
    output: Output,
) -> Outcome<(bool, bool)> {
    let found = ledger.book().find(&arguments.whom, now);
    let living = found.iter().filter(|certificate| matches!(certificate.state, State::Valid | State::Replaced));
    let entries: Vec<Entry> = living
        .clone()
        .map(|certificate| Entry::Revoked {
            at: now.0,
            serial: certificate.issued.serial.clone(),
            reason: arguments.reason.clone(),
        })
        .collect();
    let lines: Vec<Revoked> = living
        .map(|certificate| Revoked {
            what: certificate.issued.what.as_str(),
            name: certificate.issued.name.clone(),
            device: certificate.issued.device.clone(),
            serial: certificate.issued.serial.clone(),
            reason: arguments.reason.clone(),
        })
        .collect();
    let known = !found.is_empty();
    ledger.append(entries)?;
    for line in &lines {
        output.print(line)?;
    }
    Ok((known, !lines.is_empty()))
}

/// Signs all lists of the folder anew, and hands them to the relays.
pub(super) async fn refresh(arguments: &RefreshArguments, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    let mut signed = Vec::new();
    for domain in folder::organisations(folder)? {
        let organisation = Organisation::find(folder, &domain)?;
        signed.extend(lists::of_organisation(&organisation, arguments.days, keys)?);
    }
    if folder::region(folder).is_dir() {
        signed.push(lists::of_region(folder, arguments.days, keys)?);
    }
    hand_over(&signed, folder, keys, output).await
}

/// Something was revoked.
#[derive(Serialize)]
#[serde(tag = "type", rename = "revoked")]
struct Revoked {
    what: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    serial: String,
    reason: String,
}

impl Line for Revoked {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let device = self.device.as_deref().map(|device| format!(", device {device}")).unwrap_or_default();
        writeln!(out, "Revoked the {} {}{device} ({})", self.what, self.name, self.reason)
    }
}

/// A list was signed.
#[derive(Serialize)]
#[serde(tag = "type", rename = "list")]
pub(super) struct ListSigned<'a> {
    whose: &'a str,
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<usize>,
    next: String,
    #[serde(skip)]
    next_local: String,
}

impl<'a> ListSigned<'a> {
    /// What is printed of a list.
    pub(super) fn of(signed: &'a Signed) -> Self {
        Self {
            whose: &signed.whose,
            number: signed.number,
            revoked: signed.revoked,
            next: clock::rfc3339(signed.next),
            next_local: clock::local(signed.next),
        }
    }
}

impl Line for ListSigned<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let revoked = self.revoked.map(|revoked| format!("{revoked} revoked; ")).unwrap_or_default();
        writeln!(out, "List {} of {}: {revoked}the next one is due by {}", self.number, self.whose, self.next_local)
    }
}
