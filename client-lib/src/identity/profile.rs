//! The profile folder: where the relay is, who this device is, whom it believes; and the encrypted store.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;

use super::setup::RelayAddress;

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
    /// Reads the profile in `folder`.
    pub fn open(folder: &Path) -> Result<Self, ProfileError> {
        let _ = folder;
        todo!()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
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
