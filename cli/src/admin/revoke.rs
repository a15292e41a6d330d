//! `kring admin revoke` and `kring admin crl`: whom the relays and all clients turn away from now on.
//!
//! A person means all their devices at once, a domain the whole organisation (with the region's root here). With
//! either go the invitations that are open: nobody comes back with a ticket of before. What was revoked stays so; who
//! comes back is invited anew. Written down first, then signed, then handed to the relays: whatever goes wrong on the
//! way, the same command or `crl refresh` goes on with it.

use std::collections::BTreeSet;
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
use super::ledger::{self, Entry, Invited, Kind, Ledger, REASONS, State};
use super::lists::{self, Signed};
use super::office::Ways;
use super::organisation::Organisation;
use super::uninvite::{self, OpenInvitation};
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
    /// Where one device is revoked: withdraw the open invitations of its owner too, as is done for a whole person.
    #[arg(long)]
    with_invitations: bool,
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
    let region = folder::region(folder);
    let whole = ledger::read(&region)?.find(&arguments.whom, now).iter().any(|certificate| {
        certificate.issued.what == Kind::Organisation && certificate.issued.name == arguments.whom
    });
    let (mut known, mut revoked, mut news) = (false, false, false);
    let (mut of_organisations, mut of_region, mut withdrawn) = (Vec::new(), Vec::new(), Vec::new());
    for domain in folder::organisations(folder)? {
        let organisation = Organisation::find(folder, &domain)?;
        let goes = whole && domain == arguments.whom;
        let here = write_down(&mut organisation.ledger()?, arguments, goes, now, output)?;
        if here.revoked {
            let of_it = lists::of_organisation(&organisation, folder, lists::DAYS, keys)?;
            if of_it.is_empty() {
                output.note(&format!("{domain} is revoked, and with it everybody whom it has named"));
            }
            of_organisations.extend(of_it);
        }
        (known, revoked, news) = (known | here.known, revoked | here.revoked, news | here.news);
        if !here.withdrawn.is_empty() {
            withdrawn.push((organisation, here.withdrawn));
        }
    }
    if region.is_dir() {
        let here = write_down(&mut Ledger::open(&region)?, arguments, false, now, output)?;
        if here.revoked {
            of_region.push(lists::of_region(folder, lists::DAYS, keys)?);
        }
        (known, revoked, news) = (known | here.known, revoked | here.revoked, news | here.news);
    }
    if !known {
        return Err(super::list::nobody(&arguments.whom));
    }
    if of_organisations.is_empty() && of_region.is_empty() && withdrawn.is_empty() {
        if !news {
            output.note("all of it had expired before; nothing has changed");
        }
        return Ok(());
    }
    if !news {
        output.note("all of it was revoked before; that is handed over again");
    }
    for list in of_organisations.iter().chain(&of_region) {
        output.print(&ListSigned::of(list))?;
    }
    let mut ways = Ways::open(folder, keys, output)?;
    let people = ways.hand_over(&mut of_organisations).await;
    let closed = uninvite::close(&withdrawn, &mut ways, keys).await;
    // Last, since an organisation that it names can say nothing more afterwards.
    let organisations = ways.hand_over(&mut of_region).await;
    ways.close().await;
    if revoked {
        output.note(
            "What was received before cannot be called back: it stays readable on the device, and the keys of what comes\n\
             after are changed by the others in each case as soon as one of them is online.",
        );
    }
    people.and(organisations).and(closed)
}

/// What of a ledger is meant.
struct Meant {
    /// There is something.
    known: bool,
    /// Something of it is on the list.
    revoked: bool,
    /// Something was written down.
    news: bool,
    /// Invitations whose tickets a relay may still know.
    withdrawn: Vec<Invited>,
}

/// Writes down whatever of this ledger is meant and can still be used: certificates, and with a person, or an
/// organisation that `goes`, the invitations.
fn write_down(
    ledger: &mut Ledger,
    arguments: &RevokeArguments,
    goes: bool,
    now: Timestamp,
    output: Output,
) -> Outcome<Meant> {
    let found = ledger.book().find(&arguments.whom, now);
    let owners: BTreeSet<String> = found.iter().map(|certificate| certificate.issued.name.clone()).collect();
    let alone = !arguments.with_invitations && !owners.iter().all(|owner| *owner == arguments.whom);
    let living = found.iter().filter(|certificate| matches!(certificate.state, State::Valid | State::Replaced));
    let lines: Vec<Revoked> = living
        .map(|certificate| Revoked {
            what: certificate.issued.what.as_str(),
            name: certificate.issued.name.clone(),
            device: certificate.issued.device.clone(),
            serial: certificate.issued.serial.clone(),
            reason: arguments.reason.clone(),
        })
        .collect();
    let entries = lines.iter().map(|line| Entry::Revoked {
        at: now.0,
        serial: line.serial.clone(),
        reason: line.reason.clone(),
        alone,
    });
    let known = !found.is_empty();
    let revoked = !lines.is_empty() || found.iter().any(|certificate| certificate.state == State::Revoked);
    let is_theirs = |invited: &Invited| invited.name == arguments.whom || owners.contains(&invited.name);
    let withdrawn =
        uninvite::withdraw(ledger, entries.collect(), now, |invited| goes || !alone && is_theirs(invited))?;
    for line in &lines {
        output.print(line)?;
    }
    for invited in &withdrawn.now {
        output.print(&uninvite::Withdrawn::of(invited))?;
    }
    if alone {
        for left in ledger.book().invitations().iter().filter(|it| it.is_open(now) && is_theirs(it.invited)) {
            output.note(&format!(
                "{} still has an open invitation, until {}; withdraw it with `kring admin uninvite {}`",
                left.invited.name,
                clock::local(Timestamp(left.invited.until)),
                OpenInvitation::short(&left.invited.ticket),
            ));
        }
    }
    let known = known || !withdrawn.all.is_empty();
    let news = !lines.is_empty() || !withdrawn.now.is_empty();
    Ok(Meant { known, revoked, news, withdrawn: withdrawn.all })
}

/// Hands over a list that was signed elsewhere.
pub(super) async fn publish(path: &Path, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    let unreadable = || Failure::new(Cause::Usage, CrlError::Unreadable);
    let list = CertificateRevocationListDer::from_pem_slice(&bytes).map_err(|_| unreadable())?;
    let crl = Crl::from_der(&list).map_err(|error| Failure::new(Cause::Usage, error))?;
    // Whose it is shows by whose certificate its signature fits: one of ours, or else a region's.
    let mut issuer = None;
    for domain in folder::organisations(folder)? {
        for certificate in Organisation::find(folder, &domain)?.certificates()? {
            if crl.verify(&certificate).is_ok() {
                issuer = Some((domain.clone(), certificate));
            }
        }
    }
    let seen = crl.seen();
    hand_over(vec![Signed::elsewhere(list, issuer, seen.number, seen.next_update)], folder, keys, output).await
}

/// Signs all lists of the folder anew, and hands them to the relays.
pub(super) async fn refresh(arguments: &RefreshArguments, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    let mut signed = Vec::new();
    for domain in folder::organisations(folder)? {
        let organisation = Organisation::find(folder, &domain)?;
        let of_it = lists::of_organisation(&organisation, folder, arguments.days, keys)?;
        if of_it.is_empty() {
            output.note(&format!("{domain} is revoked: nobody believes a list of it any more, and none is signed"));
        }
        signed.extend(of_it);
    }
    if folder::region(folder).is_dir() {
        signed.push(lists::of_region(folder, arguments.days, keys)?);
    }
    if signed.is_empty() {
        return Err(Failure::advised(
            Cause::Failed,
            format!("there is no list to sign: {} holds no region, and no organisation in use", folder.display()),
            "give the administrator's folder with --folder, or KRING_ADMIN",
        ));
    }
    hand_over(signed, folder, keys, output).await
}

/// Tells of the lists, and hands them to the relays.
async fn hand_over(mut lists: Vec<Signed>, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    for list in &lists {
        output.print(&ListSigned::of(list))?;
    }
    let mut ways = Ways::open(folder, keys, output)?;
    let handed = ways.hand_over(&mut lists).await;
    ways.close().await;
    handed
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
