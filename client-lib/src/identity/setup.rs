//! Making a profile: everything is checked first, then written beside its place and moved there in one step.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::profile::Profile;
use crate::store::{StoreError, Unlock};

/// What a device is set up with.
pub struct Setup {
    /// The device's certificate and its organisation's, in this order; the root is not needed.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's Ed25519 key. It goes into the encrypted store and nowhere else.
    pub key: PrivateKeyDer<'static>,
    /// Roots of the regions whose professionals are believed.
    pub region_roots: Vec<CertificateDer<'static>>,
    /// Where the relay is.
    pub relay: RelayAddress,
    /// Roots of which one has signed the relay's certificate.
    pub relay_roots: Vec<CertificateDer<'static>>,
}

/// Where a relay is and what its certificate calls it.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayAddress {
    host: String,
    port: u16,
    name: String,
}

/// Why a text is not a relay's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayAddressError {
    /// Not `host:port`.
    #[error("a relay's address has the form host:port, such as relay.example:4433")]
    Form,
    /// The name cannot stand in a certificate.
    #[error("the relay's name is a domain name or an IP address")]
    Name,
}

/// Why a profile was not made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The folder holds something already.
    #[error("there is something in this folder already; choose a new one")]
    Exists,
    /// The key is not a private Ed25519 key.
    #[error("the device's private key is not an Ed25519 key in PKCS#8")]
    Key,
    /// The certificate is for another key.
    #[error("the certificate and the private key do not belong together")]
    KeyDiffers,
    /// A file or folder cannot be written.
    #[error("the profile could not be written ({0})")]
    Io(std::io::ErrorKind),
    /// The store cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Profile {
    /// Makes a profile in `folder`, which must not exist yet or be empty. The key that `unlock` gives opens its store
    /// from now on. Blocks for as long as a passphrase takes to be stretched (about a second).
    pub fn create(folder: &Path, setup: Setup, unlock: &Unlock) -> Result<Self, SetupError> {
        let _ = (folder, setup, unlock);
        todo!()
    }
}

impl RelayAddress {
    /// An address whose certificate bears another name than its host.
    pub fn with_name(self, name: &str) -> Result<Self, RelayAddressError> {
        let name = rustls_pki_types::ServerName::try_from(name).map_err(|_| RelayAddressError::Name)?;
        Ok(Self { name: name.to_str().into_owned(), ..self })
    }

    /// The host: a domain name or an IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name that the relay's certificate bears.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for RelayAddress {
    type Err = RelayAddressError;

    fn from_str(text: &str) -> Result<Self, RelayAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(RelayAddressError::Form)?;
        let port = port.parse().map_err(|_| RelayAddressError::Form)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = rustls_pki_types::ServerName::try_from(host).map_err(|_| RelayAddressError::Form)?;
        Ok(Self { host: host.to_owned(), port, name: name.to_str().into_owned() })
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayAddress(..)")
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup(..)")
    }
}
