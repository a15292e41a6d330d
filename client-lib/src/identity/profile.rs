//! The profile folder: where the relay is, who this device is, whom it believes; and the encrypted store.
//!
//! | in the folder | what it is |
//! | --- | --- |
//! | `profile.toml` | version of this form; the relay's address and the name that its certificate bears |
//! | `device.pem` | the device's certificate, then its organisation's |
//! | `regions.pem` | pinned roots of regions |
//! | `relay.pem` | pinned roots of the relay's certificate |
//! | `store/` | the encrypted store; the device's private key lies in it and nowhere else |
//!
//! Refused: a folder without a profile, one that a newer version wrote, and files that cannot be read. Whether the
//! certificates hold is judged when a client is opened.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kring_pki::pem;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::relay_address::RelayAddress;
use super::setup::Setup;
use super::wipe::{self, WipeError};

/// File with the relay's address.
pub(super) const PROFILE: &str = "profile.toml";
/// File with the device's certificates.
pub(super) const DEVICE: &str = "device.pem";
/// File with the roots of regions.
pub(super) const REGIONS: &str = "regions.pem";
/// File with the roots of the relay.
pub(super) const RELAY: &str = "relay.pem";
/// Folder with the encrypted store.
pub(super) const STORE: &str = "store";

/// Version of the profile's form.
pub(super) const VERSION: u64 = 1;

/// `profile.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileFile {
    pub(super) version: u64,
    pub(super) relay: RelayTable,
}

/// The table `relay` of `profile.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayTable {
    /// `host:port`.
    pub(super) address: String,
    /// The name that its certificate bears.
    pub(super) name: String,
}

/// The version alone, which every version of the form has in the same place.
#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

/// A device's profile as it stands on the disk; nothing in it is secret, the key lies in the store.
#[derive(Clone)]
pub struct Profile {
    folder: PathBuf,
    relay: RelayAddress,
    relay_roots: Vec<CertificateDer<'static>>,
    region_roots: Vec<CertificateDer<'static>>,
    chain: Vec<CertificateDer<'static>>,
}

/// Why a profile cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is none.
    #[error("there is no profile in this folder; set this device up first")]
    Missing,
    /// It was wiped: its keys are destroyed, its files removed.
    #[error("this device has been wiped; set it up again")]
    Wiped,
    /// It was wiped: its keys are destroyed, but files are left.
    #[error("this device has been wiped, and files are left that cannot be removed ({0}); remove the folder by hand")]
    WipedInPart(std::io::ErrorKind),
    /// A newer version of the product wrote it.
    #[error("the profile was written by a newer version; update the program")]
    Newer,
    /// It does not make sense.
    #[error("the profile's {file} cannot be read; set the device up again or restore the file")]
    Malformed {
        /// Which file.
        file: &'static str,
    },
    /// A file cannot be read.
    #[error("the profile's {file} cannot be read ({kind})")]
    Io {
        /// Which file.
        file: &'static str,
        /// What the operating system said.
        kind: std::io::ErrorKind,
    },
}

impl Profile {
    /// Reads the profile in `folder`. A wipe that was interrupted goes on first, and leaves nothing to read.
    pub fn open(folder: &Path) -> Result<Self, ProfileError> {
        match wipe::resume(folder) {
            Ok(false) => {}
            Ok(true) => return Err(ProfileError::Wiped),
            Err(WipeError::Files(kind)) => return Err(ProfileError::WipedInPart(kind)),
            Err(WipeError::NotAProfile | WipeError::Keys(_)) => return Err(ProfileError::Wiped),
        }
        let text = match std::fs::read_to_string(folder.join(PROFILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(ProfileError::Missing),
            Err(error) => return Err(ProfileError::Io { file: PROFILE, kind: error.kind() }),
            Ok(text) => text,
        };
        let malformed = |_| ProfileError::Malformed { file: PROFILE };
        let VersionOnly { version } = toml::from_str(&text).map_err(malformed)?;
        if version > VERSION {
            return Err(ProfileError::Newer);
        }
        let file: ProfileFile = toml::from_str(&text).map_err(malformed)?;
        let address: RelayAddress =
            file.relay.address.parse().map_err(|_| ProfileError::Malformed { file: PROFILE })?;
        let relay = address.with_name(&file.relay.name).map_err(|_| ProfileError::Malformed { file: PROFILE })?;
        Ok(Self {
            folder: folder.to_owned(),
            relay,
            relay_roots: certificates(folder, RELAY)?,
            region_roots: certificates(folder, REGIONS)?,
            chain: certificates(folder, DEVICE)?,
        })
    }

    /// The profile that has just been written.
    pub(super) fn of(folder: &Path, setup: &Setup) -> Self {
        Self {
            folder: folder.to_owned(),
            relay: setup.relay.clone(),
            relay_roots: setup.relay_roots.clone(),
            region_roots: setup.region_roots.clone(),
            chain: setup.chain.clone(),
        }
    }

    /// Puts a renewed certificate, which the caller has checked, in the place of the present one: whole or not at all.
    /// A client that is open shows it from its next connection on.
    pub(crate) fn store_chain(&mut self, chain: &[CertificateDer<'static>]) -> std::io::Result<()> {
        use std::io::Write as _;
        let beside = self.folder.join(format!(".{DEVICE}.next"));
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = std::fs::File::create_new(&beside)?;
        file.write_all(pem::certificates(chain).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, self.folder.join(DEVICE))?;
        std::fs::File::open(&self.folder)?.sync_all()?;
        self.chain = chain.to_vec();
        Ok(())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the encrypted store.
    pub(crate) fn store_folder(&self) -> PathBuf {
        self.folder.join(STORE)
    }

    /// Where the relay is.
    pub fn relay(&self) -> &RelayAddress {
        &self.relay
    }

    /// Roots of which one has signed the relay's certificate.
    pub fn relay_roots(&self) -> &[CertificateDer<'static>] {
        &self.relay_roots
    }

    /// Roots of the regions whose professionals are believed.
    pub fn region_roots(&self) -> &[CertificateDer<'static>] {
        &self.region_roots
    }

    /// The device's certificate and its organisation's.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile(..)")
    }
}

/// Reads a file of certificates, at least one.
fn certificates(folder: &Path, file: &'static str) -> Result<Vec<CertificateDer<'static>>, ProfileError> {
    let pem = std::fs::read(folder.join(file)).map_err(|error| ProfileError::Io { file, kind: error.kind() })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| ProfileError::Malformed { file })?;
    if certificates.is_empty() { Err(ProfileError::Malformed { file }) } else { Ok(certificates) }
}
