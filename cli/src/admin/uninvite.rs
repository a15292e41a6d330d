//! `kring admin uninvite`: an invitation is withdrawn before somebody has used it; and what revoking does with
//! invitations.
//!
//! Written down first: from then on `kring admin approve` says no to whoever uses the ticket. Then the ticket is
//! closed at the relays, which forget it. A certificate that a ticket has led to already is not withdrawn, it is
//! revoked.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use kring_protocol::ids::{TicketId, Timestamp};
use serde::Serialize;

use super::folder;
use super::invite::{not_sealed, secret};
use super::keys::Keys;
use super::ledger::{Entry, Invited, Ledger};
use super::office::Ways;
use super::organisation::Organisation;
use crate::clock;
use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// Fewest digits of a ticket's number that name it.
const FEWEST_DIGITS: usize = 6;
/// Digits of a ticket's number that are shown to people.
const SHORT: usize = 8;

/// Arguments of `kring admin uninvite`.
#[derive(Debug, Args)]
pub(super) struct UninviteArguments {
    /// A professional's address (all open invitations), or the first six digits or more of the number of a ticket
    /// that `kring admin list` shows.
    whom: String,
}

/// Withdraws invitations.
pub(super) async fn uninvite(arguments: &UninviteArguments, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    let now = clock::now();
    let whom = arguments.whom.as_str();
    let is_meant =
        |invited: &Invited| invited.name == whom || whom.len() >= FEWEST_DIGITS && invited.ticket.starts_with(whom);
    let mut closing = Vec::new();
    for domain in folder::organisations(folder)? {
        let organisation = Organisation::find(folder, &domain)?;
        let withdrawn = withdraw(&mut organisation.ledger()?, Vec::new(), now, is_meant)?;
        for invited in &withdrawn.now {
            output.print(&Withdrawn::of(invited))?;
        }
        if withdrawn.now.is_empty() && !withdrawn.all.is_empty() {
            output.note("it was withdrawn before; the relays are told once more");
        }
        if !withdrawn.all.is_empty() {
            closing.push((organisation, withdrawn.all));
        }
    }
    if closing.is_empty() {
        return Err(Failure::advised(
            Cause::Usage,
            format!("there is no open invitation of \"{whom}\""),
            "`kring admin list` shows all of them; a certificate that was signed is revoked: kring admin revoke",
        ));
    }
    let mut ways = Ways::open(folder, keys, output)?;
    let closed = close(&closing, &mut ways, keys).await;
    ways.close().await;
    closed
}

/// Invitations that were withdrawn.
pub(super) struct WithdrawnNow {
    /// Now.
    pub(super) now: Vec<Invited>,
    /// Those, and those of before whose time is not over: a relay may still know their tickets.
    pub(super) all: Vec<Invited>,
}

/// Writes down that the open invitations that are meant have come to their end, together with these entries.
pub(super) fn withdraw(
    ledger: &mut Ledger,
    mut entries: Vec<Entry>,
    now: Timestamp,
    is_meant: impl Fn(&Invited) -> bool,
) -> Outcome<WithdrawnNow> {
    let invitations = ledger.book().invitations();
    let open = invitations.iter().filter(|invitation| invitation.is_open(now) && is_meant(invitation.invited));
    let open: Vec<Invited> = open.map(|invitation| invitation.invited.clone()).collect();
    entries.extend(open.iter().map(|invited| Entry::Settled {
        at: now.0,
        ticket: invited.ticket.clone(),
        serial: None,
    }));
    ledger.append(entries)?;
    let invitations = ledger.book().invitations();
    let all = invitations.iter().filter(|invitation| invitation.is_withdrawn(now) && is_meant(invitation.invited));
    Ok(WithdrawnNow { all: all.map(|invitation| invitation.invited.clone()).collect(), now: open })
}

/// Closes the tickets of invitations that were withdrawn at all relays.
pub(super) async fn close(withdrawn: &[(Organisation, Vec<Invited>)], ways: &mut Ways<'_>, keys: &Keys) -> Outcome {
    let mut all = Ok(());
    for (organisation, invitations) in withdrawn {
        let closed = match tickets(organisation, invitations, keys) {
            Ok(tickets) => ways.close_tickets(&organisation.domain()?, &tickets).await,
            Err(failure) => Err(failure),
        };
        all = all.and(closed);
    }
    all
}

/// By what a relay knows the tickets of these invitations.
fn tickets(organisation: &Organisation, invitations: &[Invited], keys: &Keys) -> Outcome<Vec<TicketId>> {
    let mut tickets = Vec::new();
    for invited in invitations {
        // Of a ledger that somebody has edited by hand; it opens nothing.
        let Ok(number) = data_encoding::HEXLOWER.decode(invited.ticket.as_bytes()) else { continue };
        let authority = organisation.open_serial(&invited.authority, keys)?;
        tickets.push(secret(&authority, &number)?.id().map_err(not_sealed)?);
    }
    Ok(tickets)
}

/// An invitation was withdrawn.
#[derive(Serialize)]
#[serde(tag = "type", rename = "withdrawn")]
pub(super) struct Withdrawn<'a> {
    name: &'a str,
    called: &'a str,
    ticket: &'a str,
}

impl<'a> Withdrawn<'a> {
    /// What is printed of it.
    pub(super) fn of(invited: &'a Invited) -> Self {
        Self { name: &invited.name, called: &invited.called, ticket: &invited.ticket }
    }
}

impl Line for Withdrawn<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (called, name) = (visible(self.called), visible(self.name));
        writeln!(out, "Withdrew the invitation {} of {called} ({name})", OpenInvitation::short(self.ticket))
    }
}

/// An invitation that waits for its device.
#[derive(Serialize)]
#[serde(tag = "type", rename = "invitation")]
pub(super) struct OpenInvitation<'a> {
    name: &'a str,
    called: &'a str,
    function: &'a str,
    ticket: &'a str,
    until: String,
    #[serde(skip)]
    until_local: String,
}

impl<'a> OpenInvitation<'a> {
    /// What is printed of it.
    pub(super) fn of(invited: &'a Invited) -> Self {
        Self {
            name: &invited.name,
            called: &invited.called,
            function: &invited.function,
            ticket: &invited.ticket,
            until: clock::rfc3339(Timestamp(invited.until)),
            until_local: clock::local(Timestamp(invited.until)),
        }
    }

    /// The beginning of a ticket's number, which `kring admin uninvite` takes.
    pub(super) fn short(ticket: &str) -> &str {
        ticket.get(..SHORT).unwrap_or(ticket)
    }
}

impl Line for OpenInvitation<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{:12} {} ({}) {}  ticket {} until {}",
            "invited",
            visible(self.name),
            visible(self.called),
            self.function,
            Self::short(self.ticket),
            self.until_local
        )
    }
}
