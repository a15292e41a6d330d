//! `kring admin invite`: a ticket for the person whom a new device is for.
//!
//! A ticket's secret is derived from the authority's key and a random number that the ledger keeps, so that nothing on the
//! disk gives a ticket away, and any copy of the folder can answer with the key. What the certificate would say is checked
//! before a ticket is given out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use kring_client::enrolment::{SealError, Ticket, TicketSecret};
use kring_pki::form::FunctionCode;
use kring_pki::issue::{DeviceSubject, OrganisationCa, Validity};
use kring_protocol::address::{ADMINISTRATION, DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, Timestamp};
use kring_protocol::limits::MAX_TICKET_LIFE;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde::Serialize;
use zeroize::Zeroizing;

use super::folder;
use super::keys::Keys;
use super::ledger::{Entry, Invited};
use super::office::Pass;
use super::organisation::{Organisation, function};
use super::relay::used;
use super::{bad_address, display_name, lifetime, not_issued, serial_of, span};
use crate::clock;
use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// What a ticket's secret is derived for.
const PURPOSE: &str = "kring ticket secret 1";

/// Arguments of `kring admin invite`.
#[derive(Debug, Args)]
pub(super) struct InviteArguments {
    /// The professional's address, such as a.jansen@politie.example.
    address: String,
    /// The professional's name.
    #[arg(long)]
    name: String,
    /// The professional's function; one that the region permits the organisation.
    #[arg(long, value_parser = function)]
    function: FunctionCode,
    /// For how long the ticket is good, such as 3d or 12h; at most 30d.
    #[arg(long, default_value = "3d", value_name = "TIME", value_parser = span)]
    valid: u64,
    /// How many days the certificate will be valid; a year.
    #[arg(long, default_value_t = 365, value_parser = lifetime)]
    days: u64,
    /// Write the ticket into this new file, readable by you alone, and show nothing of it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Invites somebody.
pub(super) async fn invite(arguments: InviteArguments, folder: &Path, keys: &Keys, output: Output) -> Outcome {
    let InviteArguments { address, name, function, valid, days, out } = arguments;
    if valid > MAX_TICKET_LIFE {
        return Err(Failure::new(Cause::Usage, "a ticket is good for at most 30 days"));
    }
    let professional: ProfessionalAddress = address.parse().map_err(bad_address)?;
    require_person(&professional)?;
    let name = display_name(&name)?;
    let relays = used::all(folder)?;
    let relay = &relays[0];
    let organisation = Organisation::find(folder, professional.domain())?;
    let authority = organisation.open(keys)?;

    let now = clock::now();
    // Signed for nobody and thrown away: whatever stands in the way is told now, not to the person at the device.
    let subject = DeviceSubject {
        address: DeviceAddress { professional, device: DeviceId([0; 16]) },
        name: name.clone(),
        function: function.clone(),
    };
    authority.issue_device(&subject, &[7; 32], Validity::days(now, days)).map_err(not_issued)?;

    let number: [u8; 32] = rand::random();
    let secret = secret(&authority, &number)?;
    // Whole seconds, as the ticket says.
    let expires = Timestamp(now.plus(valid).0 / Timestamp::SECOND * Timestamp::SECOND);
    let ticket = Ticket {
        secret: secret.clone(),
        relay: relay.address.clone(),
        region: Ticket::pin(&organisation.region()?),
        expires,
    };
    let pass = Pass::issue(&organisation, &authority)?;
    organisation.ledger()?.append([Entry::Invited(Invited {
        at: now.0,
        ticket: data_encoding::HEXLOWER.encode(&number),
        authority: serial_of(authority.certificate())?.to_hex(),
        name: address.clone(),
        called: name.to_string(),
        function: function.to_string(),
        until: expires.0,
        days,
    })])?;
    let office = pass.connect(relay).await?;
    office.open_ticket(secret.id().map_err(not_sealed)?, expires).await?;
    office.close().await;

    let text = ticket.to_text();
    if let Some(out) = &out {
        folder::new_secret(out, Zeroizing::new(format!("{}\n", *text)).as_bytes())?;
    }
    output.print(&Ticketed {
        address: &address,
        called: name.as_str(),
        function: function.as_str(),
        until: clock::rfc3339(expires),
        ticket: if out.is_some() { None } else { Some(&*text) },
        file: out.as_deref(),
        until_local: clock::local(expires),
    })
}

/// The secret of the ticket with this number.
pub(super) fn secret(authority: &OrganisationCa, number: &[u8]) -> Outcome<TicketSecret> {
    Ok(TicketSecret::new(authority.key().derive(PURPOSE, number).map_err(not_issued)?))
}

/// The address of the administration is for its own connections.
pub(super) fn require_person(address: &ProfessionalAddress) -> Outcome {
    if address.name() == ADMINISTRATION {
        return Err(Failure::advised(
            Cause::Refused,
            format!("{ADMINISTRATION} is the name of the organisation's administration itself"),
            "choose another name for this person",
        ));
    }
    Ok(())
}

/// A ticket that cannot be sealed or opened.
pub(super) fn not_sealed(error: SealError) -> Failure {
    let cause = match error {
        SealError::Forged => Cause::Refused,
        SealError::Failed => Cause::Internal,
    };
    Failure::new(cause, error)
}

/// A ticket was made.
#[derive(Serialize)]
#[serde(tag = "type", rename = "ticket")]
struct Ticketed<'a> {
    address: &'a str,
    called: &'a str,
    function: &'a str,
    until: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    #[serde(skip)]
    until_local: String,
}

impl Line for Ticketed<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Ticket for {} ({}), {}", visible(self.called), self.address, self.function)?;
        match (self.ticket, self.file) {
            (Some(ticket), _) => {
                if let Ok(code) = QrCode::with_error_correction_level(ticket, EcLevel::L) {
                    writeln!(out, "\n{}\n", code.render::<Dense1x2>().quiet_zone(true).build())?;
                }
                writeln!(out, "{ticket}\n")?;
            }
            (None, Some(file)) => writeln!(out, "  in {}", file.display())?,
            (None, None) => {}
        }
        writeln!(
            out,
            "Good for one device, once, until {}. Who has it first gets the certificate: give it to this person",
            self.until_local
        )?;
        writeln!(out, "alone, over a way that nobody else reads.")?;
        writeln!(
            out,
            "  next: on the device: kring setup --ticket FILE (or - to paste it); here: kring admin approve"
        )
    }
}
