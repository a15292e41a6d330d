//! `kring setup`: makes a device's profile from the files that its organisation's administrator made.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use kring_client::identity::{Profile, RelayAddress, RelayAddressError, Setup};
use serde::Serialize;

use crate::admin::folder::{DEVICE, REGION};
use crate::certificates;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::passphrase::PassphraseArguments;
use crate::words::say;

/// Arguments of `kring setup`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring setup --profile anne --device kring-admin/devices/politie.example/a.jansen --relay 127.0.0.1:4433
  kring setup --device ./my-device --relay relay.region.example:4433 --relay-root operator.pem

The device's key goes into the encrypted store; delete the folder with the original afterwards.")]
pub(crate) struct SetupArguments {
    /// Folder with device.pem, device.key and region.pem, as `kring admin device new` makes it.
    #[arg(long, value_name = "DIR")]
    device: PathBuf,
    /// The relay's address.
    #[arg(long, value_name = "HOST:PORT")]
    relay: String,
    /// The name in the relay's certificate, where it is not the host.
    #[arg(long, value_name = "NAME")]
    relay_name: Option<String>,
    /// Root that signed the relay's certificate, where it is not the region's.
    #[arg(long, value_name = "FILE")]
    relay_root: Option<PathBuf>,
    /// Further region whose professionals are believed; once for each.
    #[arg(long = "region", value_name = "FILE")]
    regions: Vec<PathBuf>,
}

/// Runs `kring setup`.
pub(crate) fn run(
    arguments: &SetupArguments,
    profile: &Path,
    passphrase: &PassphraseArguments,
    output: Output,
) -> Outcome {
    let bad_relay = |error: RelayAddressError| Failure::new(Cause::Usage, error);
    let mut relay: RelayAddress = arguments.relay.parse().map_err(bad_relay)?;
    if let Some(name) = &arguments.relay_name {
        relay = relay.with_name(name).map_err(bad_relay)?;
    }
    let mut region_roots = certificates::read(&arguments.device.join(REGION))?;
    let relay_roots = match &arguments.relay_root {
        Some(file) => certificates::read(file)?,
        None => region_roots.clone(),
    };
    for file in &arguments.regions {
        region_roots.extend(certificates::read(file)?);
    }
    let setup = Setup {
        chain: certificates::read(&arguments.device.join(DEVICE.0))?,
        key: certificates::read_key(&arguments.device.join(DEVICE.1))?,
        region_roots,
        relay,
        relay_roots,
    };
    Profile::create(profile, &setup, &passphrase.choose()?)?;
    output.print(&Made { profile: profile.to_owned(), device: arguments.device.clone() })
}

/// A profile was made.
#[derive(Serialize)]
#[serde(tag = "type", rename = "profile")]
struct Made {
    /// Where it lies.
    profile: PathBuf,
    /// From what it was made.
    #[serde(skip)]
    device: PathBuf,
}

impl Line for Made {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", say!("set-up", path = self.profile.display().to_string()))?;
        writeln!(out, "  {}", say!("set-up-next", path = self.device.display().to_string()))
    }
}
