//! A relay's certificate, the keys of its own that no passphrase locks, since it starts without anybody there, and a
//! configuration that works as it is; and which relays the administrator hands lists and tickets to.

pub(super) mod used;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use kring_pki::issue::{Algorithm, PrivateKey, RegionRoot, Validity};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::folder::{self, DATABASE_KEY, NewFolder, REGION, RELAY, RELAY_CONFIG};
use super::keys::Keys;
use super::{Made, lifetime, not_issued, region};
use crate::certificates::pem;
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};

/// Bytes of the key under which a relay encrypts its database.
const DATABASE_KEY_LENGTH: usize = 32;

/// What can be done with relays.
#[derive(Debug, Subcommand)]
pub(super) enum RelayCommand {
    /// Make the certificate and keys of a relay, and its configuration.
    New {
        /// A name or IP address at which devices reach the relay; once for each.
        #[arg(long = "host", required = true, value_name = "HOST")]
        hosts: Vec<String>,
        /// Address and UDP port on which the relay listens.
        #[arg(long, default_value = "127.0.0.1:4433", value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
        /// How many days the certificate is valid; a year.
        #[arg(long, default_value_t = 365, value_parser = lifetime)]
        days: u64,
    },
    /// Hand invitations, certificates and revocations of this folder's organisations to this relay too.
    Use {
        /// Where it is, as devices reach it.
        #[arg(value_name = "HOST:PORT")]
        address: String,
        /// The name in its certificate, where it is not the host.
        #[arg(long, value_name = "NAME")]
        relay_name: Option<String>,
        /// Root that signed its certificate, where it is not the region's.
        #[arg(long, value_name = "FILE")]
        relay_root: Option<PathBuf>,
    },
    /// Hand nothing to this relay any more.
    Unuse {
        /// Where it is.
        #[arg(value_name = "HOST:PORT")]
        address: String,
    },
}

/// What a relay's configuration says beside its files.
pub(crate) struct RelaySettings<'a> {
    /// Names and addresses in its certificate.
    pub(crate) hosts: &'a [&'a str],
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where health and metrics are served, if at all.
    pub(crate) observe: Option<SocketAddr>,
    /// Mebibytes of free disk below which nothing new is taken; `None`: the relay's default.
    pub(crate) min_free_mib: Option<u64>,
    /// How long the certificate is valid.
    pub(crate) validity: Validity,
}

pub(super) fn run(command: RelayCommand, folder: &Path, keys: &Keys) -> Outcome<Made> {
    match command {
        RelayCommand::New { hosts, listen, days } => new(&hosts, listen, days, folder, keys),
        RelayCommand::Use { address, relay_name, relay_root } => {
            used::add(folder, &address, relay_name.as_deref(), relay_root.as_deref())
        }
        RelayCommand::Unuse { address } => used::drop(folder, &address),
    }
}

fn new(hosts: &[String], listen: SocketAddr, days: u64, folder: &Path, keys: &Keys) -> Outcome<Made> {
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let place = folder::relay(folder, hosts[0]);
    // Before anybody is asked for a passphrase.
    let new = NewFolder::begin(&place)?;
    let root = region::open(folder, keys)?;
    let settings = RelaySettings {
        hosts: &hosts,
        listen,
        observe: None,
        min_free_mib: None,
        validity: Validity::days(clock::now(), days),
    };
    let certificate = write(&root, &settings, &new)?;
    region::issued_relay(folder, &root, hosts[0], &certificate)?;
    let place = new.finish()?;
    let next = format!("kring relay --config {}", place.join(RELAY_CONFIG).display());
    Ok(Made { what: "relay", name: hosts[0].to_owned(), folder: place, device: None, next })
}

/// Makes a relay's folder.
pub(crate) fn make(root: &RegionRoot, settings: &RelaySettings<'_>, place: &Path) -> Outcome {
    let new = NewFolder::begin(place)?;
    write(root, settings, &new)?;
    new.finish()?;
    Ok(())
}

/// Writes a relay's files, and returns its certificate.
fn write(root: &RegionRoot, settings: &RelaySettings<'_>, new: &NewFolder) -> Outcome<CertificateDer<'static>> {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(not_issued)?;
    let relay = root.issue_relay(settings.hosts, key, settings.validity).map_err(not_issued)?;
    let mut database_key = Zeroizing::new([0; DATABASE_KEY_LENGTH]);
    aws_lc_rs::rand::fill(&mut *database_key)
        .map_err(|_| Failure::new(Cause::Internal, "the system gives no random bytes"))?;
    let database_key = Zeroizing::new(data_encoding::HEXLOWER.encode(&*database_key) + "\n");

    new.public(RELAY.0, &pem(relay.chain()))?;
    new.secret(RELAY.1, relay.key().to_pem().as_bytes())?;
    new.secret(DATABASE_KEY, database_key.as_bytes())?;
    new.public(REGION, &pem([root.certificate()]))?;
    new.public(RELAY_CONFIG, &config(settings))?;
    Ok(relay.chain()[0].clone())
}

/// The configuration file; paths in it are seen from its folder.
fn config(settings: &RelaySettings<'_>) -> String {
    let mut text = format!(
        "# Configuration of this relay; `kring relay check-config` checks it.\n\
         # Paths are seen from the folder of this file.\n\n\
         [listen]\naddress = \"{}\"\n\n\
         [tls]\ncertificate = \"{}\"\nprivate_key = \"{}\"\nregion_roots = [\"{REGION}\"]\n\n\
         [store]\ndata = \"data\"\nrelay_key = \"{DATABASE_KEY}\"\n",
        settings.listen, RELAY.0, RELAY.1
    );
    if let Some(least) = settings.min_free_mib {
        text += &format!("min_free_mib = {least}\n");
    }
    if let Some(observe) = settings.observe {
        text += &format!("\n[observe]\naddress = \"{observe}\"\n");
    }
    text
}
