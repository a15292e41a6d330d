//! `kring admin`: a region's root, organisations, invitations, devices' certificates, relays' certificates, and what is
//! revoked; as files in one folder.
//!
//! [`folder`] says where everything lies; in earnest each part belongs on another machine, and the parts move there as
//! files. Private keys of authorities are locked with a passphrase ([`keys`]); what was signed stands in a ledger
//! ([`ledger`]). Refused: writing over anything that exists, and whatever `kring-pki` does not issue.

mod approve;
mod device;
pub(crate) mod folder;
mod invite;
pub(crate) mod keys;
mod ledger;
mod list;
mod lists;
mod office;
mod organisation;
mod region;
pub(crate) mod relay;
mod revoke;
mod uninvite;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kring_pki::form::{DisplayName, FormError, Serial};
use kring_pki::issue::{IssueError, Validity};
use kring_protocol::address::AddressError;
use kring_protocol::ids::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use self::keys::{KeyArguments, Keys};
use crate::arguments::GlobalArguments;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// Arguments of `kring admin`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring admin region new \"Proefregio\"
  kring admin organisation new \"Politie Proefregio\" --domain politie.example --function police
  kring admin relay use relay.region.example:4433
  kring admin invite a.jansen@politie.example --name \"Anne Jansen\" --function police
  kring admin approve
  kring admin uninvite a.jansen@politie.example
  kring admin revoke a.jansen@politie.example --reason left
  kring admin list
  kring admin expiring --within 60d

The folder then holds:
  region/                        root.pem, root.key, ledger.jsonl, revoked.pem
  organisations/DOMAIN/          organisation.pem, organisation.key, region.pem, ledger.jsonl, revoked.pem, issued/
  devices/DOMAIN/NAME[+LABEL]/   device.pem, device.key, region.pem
  relays/HOST/                   relay.pem, relay.key, database.key, region.pem, relay.toml
Files that end in .key are secret: readable by you alone, and locked with a passphrase. A relay's are not locked, since
it starts by itself.")]
pub(crate) struct AdminArguments {
    /// Folder with the certificates and keys.
    #[arg(long, env = "KRING_ADMIN", default_value = "kring-admin", value_name = "DIR", global = true)]
    folder: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The region: the root of all trust in its professionals.
    #[command(subcommand)]
    Region(region::RegionCommand),
    /// An organisation, which issues certificates for its own professionals only.
    #[command(subcommand)]
    Organisation(organisation::OrganisationCommand),
    /// A professional's device.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// A relay: its certificate, the key of its database, and its configuration.
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// Invite somebody: make a ticket with which a new device gets its certificate
    Invite(invite::InviteArguments),
    /// Withdraw an invitation: its ticket opens nothing any more
    Uninvite(uninvite::UninviteArguments),
    /// Sign what new devices and devices whose certificate ends have asked for
    Approve(approve::ApproveArguments),
    /// Revoke a person, a device or an organisation, and tell the relays
    Revoke(revoke::RevokeArguments),
    /// Lists of revoked certificates
    #[command(subcommand)]
    Crl(CrlCommand),
    /// List certificates that are in use, and open invitations
    List {
        /// Also those that have expired, were revoked or have been replaced.
        #[arg(long)]
        all: bool,
    },
    /// Show what was signed for somebody
    Show {
        /// An address, a domain, or the first digits of a device or serial.
        whom: String,
    },
    /// List certificates that end soon
    Expiring {
        /// How soon: a number of days, hours, minutes or seconds, such as 60d.
        #[arg(long, default_value = "60d", value_name = "TIME", value_parser = span)]
        within: u64,
    },
}

#[derive(Debug, Subcommand)]
enum CrlCommand {
    /// Sign all lists of this folder anew and hand them to the relays: before they are out of date
    Refresh(revoke::RefreshArguments),
    /// Hand a list that another machine has signed, such as the region's, to the relays
    Publish {
        /// The list in PEM, such as region/revoked.pem.
        list: PathBuf,
    },
}

impl AdminArguments {
    /// Whether this runs until it is stopped.
    pub(crate) fn serves(&self) -> bool {
        matches!(&self.what, What::Approve(arguments) if arguments.is_auto())
    }
}

/// Runs `kring admin`.
pub(crate) async fn run(arguments: AdminArguments, global: &GlobalArguments, output: Output) -> Outcome {
    let folder = arguments.folder;
    let keys = Keys::new(&arguments.keys, &global.passphrase);
    let made = match arguments.what {
        What::Region(command) => region::run(command, &folder, &keys)?,
        What::Organisation(command) => organisation::run(command, &folder, &keys)?,
        What::Device(command) => device::run(command, &folder, &keys)?,
        What::Relay(command) => relay::run(command, &folder, &keys)?,
        What::Invite(arguments) => return invite::invite(arguments, &folder, &keys, output).await,
        What::Uninvite(arguments) => return uninvite::uninvite(&arguments, &folder, &keys, output).await,
        What::Approve(arguments) => {
            return approve::approve(arguments, &folder, global.wait, &keys, output).await;
        }
        What::Revoke(arguments) => return revoke::revoke(&arguments, &folder, &keys, output).await,
        What::Crl(CrlCommand::Refresh(arguments)) => {
            return revoke::refresh(&arguments, &folder, &keys, output).await;
        }
        What::Crl(CrlCommand::Publish { list }) => return revoke::publish(&list, &folder, &keys, output).await,
        What::List { all } => return list::list(&folder, all, output),
        What::Show { whom } => return list::show(&folder, &whom, output),
        What::Expiring { within } => return list::expiring(&folder, within, output),
    };
    output.print(&made)
}

/// A time as people write it, in milliseconds.
fn span(text: &str) -> Result<u64, &'static str> {
    const WRONG: &str = "a time is a number of days, hours, minutes or seconds, such as 60d, 12h, 30m or 90s";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(WRONG)?;
    let number: u64 = number.parse().map_err(|_| WRONG)?;
    let unit = match unit {
        "d" => Timestamp::DAY,
        "h" => 60 * 60 * Timestamp::SECOND,
        "m" => 60 * Timestamp::SECOND,
        "s" => Timestamp::SECOND,
        _ => return Err(WRONG),
    };
    number.checked_mul(unit).filter(|span| *span > 0).ok_or(WRONG)
}

/// For how many days something is valid: at least one.
fn lifetime(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|days| *days > 0).ok_or("a number of days, at least one")
}

/// Something was made.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "made")]
struct Made {
    /// `region`, `organisation`, `request`, `device` or `relay`.
    what: &'static str,
    /// What it is called.
    name: String,
    /// Where it lies.
    folder: PathBuf,
    /// Of a device: its identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// What to do with it.
    #[serde(skip)]
    next: String,
}

impl Line for Made {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Made the {} {} in {}", self.what, self.name, self.folder.display())?;
        writeln!(out, "  next: {}", self.next)
    }
}

/// A certificate that was not issued: what was asked for cannot be.
fn not_issued(error: IssueError) -> Failure {
    let cause = match error {
        IssueError::Certificate | IssueError::Key | IssueError::NotAnAuthority | IssueError::OtherKey => {
            Cause::Failed
        }
        IssueError::NotAnOrganisation(_) | IssueError::IssuerName => Cause::Failed,
        IssueError::Signing => Cause::Internal,
        IssueError::Request
        | IssueError::Possession
        | IssueError::DeviceKey
        | IssueError::AuthorityKey
        | IssueError::Domain
        | IssueError::Functions
        | IssueError::Host
        | IssueError::OutsideOrganisation
        | IssueError::FunctionNotPermitted
        | IssueError::Validity
        | IssueError::OutlivesIssuer
        | IssueError::TooLarge
        | IssueError::MayNotRevoke => Cause::Refused,
    };
    Failure::new(cause, error)
}

/// The number of a certificate of our own making.
fn serial_of(certificate: &CertificateDer<'_>) -> Outcome<Serial> {
    Serial::of(certificate).ok_or_else(|| not_issued(IssueError::Certificate))
}

/// From when to when a certificate of our own making is valid.
fn validity_of(certificate: &CertificateDer<'_>) -> Outcome<Validity> {
    Validity::of(certificate).ok_or_else(|| not_issued(IssueError::Certificate))
}

/// Reads a display name given as an argument.
fn display_name(text: &str) -> Outcome<DisplayName> {
    DisplayName::new(text).map_err(|error: FormError| Failure::new(Cause::Usage, error))
}

/// An address given as an argument that is none.
fn bad_address(error: AddressError) -> Failure {
    Failure::new(Cause::Usage, error)
}

/// A file that an earlier step should have made.
fn earlier(path: &Path, step: &str) -> Outcome<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::advised(Cause::Failed, format!("there is no {}", path.display()), step))
        }
        Err(error) => Err(Failure::file("read", path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_for_less_than_a_day() {
        assert_eq!((lifetime("1"), lifetime("365")), (Ok(1), Ok(365)));
        assert!(["0", "-1", "", "1d", "99999999999999999999"].iter().all(|text| lifetime(text).is_err()));
    }

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(span("60d"), Ok(60 * Timestamp::DAY));
        assert_eq!(span("12h"), Ok(Timestamp::DAY / 2));
        assert_eq!((span("90s"), span("2m")), (Ok(90_000), Ok(120_000)));
        for text in ["", "d", "60", "0d", "-1d", "1w", "é", "99999999999999999999d", "9999999999999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
