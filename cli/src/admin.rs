//! `kring admin`: makes a region's root, organisations, devices' certificates and a relay's certificate and key, as
//! files.
//!
//! Everything lies in one folder ([`folder`] says where), in steps that each build on the one before; in earnest each
//! step belongs on another machine, and the parts move there as files. Refused: writing over anything that exists, and
//! whatever `kring-pki` does not issue.

mod device;
pub(crate) mod folder;
mod organisation;
mod region;
pub(crate) mod relay;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kring_pki::form::{DisplayName, FormError};
use kring_pki::issue::IssueError;
use kring_protocol::address::AddressError;
use serde::Serialize;

use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// Arguments of `kring admin`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring admin region new \"Proefregio\"
  kring admin organisation new \"Politie Proefregio\" --domain politie.example --function police
  kring admin device new a.jansen@politie.example --name \"Anne Jansen\" --function police
  kring admin relay new --host 127.0.0.1

The folder then holds:
  region/                        root.pem, root.key
  organisations/DOMAIN/          organisation.pem, organisation.key
  devices/DOMAIN/NAME[+LABEL]/   device.pem, device.key, region.pem
  relays/HOST/                   relay.pem, relay.key, database.key, region.pem, relay.toml
Files that end in .key are secret: readable by you alone, and not encrypted.")]
pub(crate) struct AdminArguments {
    /// Folder with the certificates and keys.
    #[arg(long, env = "KRING_ADMIN", default_value = "kring-admin", value_name = "DIR", global = true)]
    folder: PathBuf,
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
}

/// Runs `kring admin`.
pub(crate) fn run(arguments: AdminArguments, output: Output) -> Outcome {
    let folder = arguments.folder;
    let made = match arguments.what {
        What::Region(command) => region::run(command, &folder)?,
        What::Organisation(command) => organisation::run(command, &folder)?,
        What::Device(command) => device::run(command, &folder)?,
        What::Relay(command) => relay::run(command, &folder)?,
    };
    output.print(&made)
}

/// Something was made.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "made")]
struct Made {
    /// `region`, `organisation`, `device` or `relay`.
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
