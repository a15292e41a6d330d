//! A device's certificate and key.
//!
//! Both are made here, on the administrator's machine, and carried to the device: for trying out, and for a device
//! that cannot reach the relay. As a rule a device makes its own key and is invited (`kring admin invite`).

use std::path::Path;

use clap::Subcommand;
use kring_pki::form::FunctionCode;
use kring_pki::issue::{Algorithm, DeviceSubject, PrivateKey, Validity};
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::DeviceId;

use super::folder::{self, DEVICE, NewFolder, REGION};
use super::keys::Keys;
use super::ledger::Kind;
use super::organisation::{self, Organisation, function};
use super::{Made, bad_address, display_name, lifetime, not_issued};
use crate::certificates::pem;
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub(super) enum DeviceCommand {
    /// Make the certificate and key of a professional's device.
    New {
        /// The professional's address, such as a.jansen@politie.example.
        address: String,
        /// The professional's name.
        #[arg(long)]
        name: String,
        /// The professional's function; one that the region permits the organisation.
        #[arg(long, value_parser = function)]
        function: FunctionCode,
        /// Tells this device from the professional's others, such as tablet.
        #[arg(long, value_parser = label)]
        label: Option<String>,
        /// How many days it is valid; a year.
        #[arg(long, default_value_t = 365, value_parser = lifetime)]
        days: u64,
    },
}

pub(super) fn run(command: DeviceCommand, folder: &Path, keys: &Keys) -> Outcome<Made> {
    let DeviceCommand::New { address, name, function, label, days } = command;
    let professional: ProfessionalAddress = address.parse().map_err(bad_address)?;
    let place = folder::device(folder, &professional, label.as_deref());
    // Before anybody is asked for a passphrase.
    let new = NewFolder::begin(&place)?;
    let organisation = Organisation::find(folder, professional.domain())?;
    let authority = organisation.open(keys)?;

    let key = PrivateKey::generate(Algorithm::Ed25519).map_err(not_issued)?;
    let public_key = key
        .ed25519_public_key()
        .ok_or_else(|| Failure::new(Cause::Internal, "a new Ed25519 key has no public key"))?;
    let device = DeviceId(rand::random());
    let subject =
        DeviceSubject { address: DeviceAddress { professional, device }, name: display_name(&name)?, function };
    let certificate =
        authority.issue_device(&subject, &public_key, Validity::days(clock::now(), days)).map_err(not_issued)?;
    let locked = keys.lock(&key, "the device, which its owner is asked for")?;
    let entry = organisation::issued(Kind::Device, &authority, &subject, &certificate.chain()[0], None)?;
    organisation.ledger()?.append([entry])?;

    new.public(DEVICE.0, &pem(certificate.chain()))?;
    new.public(REGION, &pem([&organisation.region()?]))?;
    new.secret(DEVICE.1, locked.as_bytes())?;
    let made = new.finish()?;
    let next = format!("kring setup --device {} --relay HOST:PORT, then delete that folder", made.display());
    Ok(Made { what: "device", name: address, folder: made, device: Some(device.to_hex()), next })
}

/// Reads a label: what may stand in an address's name.
fn label(text: &str) -> Result<String, &'static str> {
    let fits = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if !text.is_empty() && text.len() <= 32 && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("a label has 1 to 32 of a-z, 0-9, '-' and '_'")
    }
}
