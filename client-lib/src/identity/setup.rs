//! Making a profile: everything is checked first, then written beside its place and moved there in one step.
//!
//! Interrupted at any point, a set-up leaves either the whole profile or, beside the wished folder, one whose name
//! begins with a dot and that nothing reads.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use kring_pki::issue::PrivateKey;
use kring_pki::pem;
use kring_pki::verify::{AnchorError, Crls, TrustAnchors, Untrusted, When, require_key, verify_device};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::profile::{self, Profile, ProfileFile, RelayTable};
use super::relay_address::RelayAddress;
use crate::store::{Store, StoreError, Unlock};

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

/// Why a profile was not made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The folder holds something already.
    #[error("there is something in this folder already; choose a new one")]
    Exists,
    /// The key is not a private Ed25519 key.
    #[error("the device's private key is not an Ed25519 key in PKCS#8")]
    Key,
    /// The certificate is not one that a region root given vouches for, or is for another key.
    #[error("the device's certificate does not hold: {0}")]
    Certificate(#[from] Untrusted),
    /// A root given is not a root.
    #[error(transparent)]
    Root(#[from] AnchorError),
    /// A file or folder cannot be written.
    #[error("the profile could not be written ({0})")]
    Io(std::io::ErrorKind),
    /// The store cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Profile {
    /// Makes a profile in `folder`, which must not exist yet or be empty. What `unlock` gives opens its store from now
    /// on. Blocks for as long as a passphrase takes to be stretched (a fraction of a second).
    pub fn create(folder: &Path, setup: &Setup, unlock: &Unlock) -> Result<Self, SetupError> {
        let seed = setup.check()?;
        if !is_free(folder)? {
            return Err(SetupError::Exists);
        }
        let beside = Beside::make(folder)?;
        setup.write(&beside.path, &seed, unlock)?;
        beside.move_to(folder)?;
        Ok(Self::of(folder, setup))
    }
}

impl Setup {
    /// Checks that all parts belong together, at no particular time, and gives the key's seed.
    fn check(&self) -> Result<Zeroizing<[u8; 32]>, SetupError> {
        let key = PrivateKey::from_der(&self.key).map_err(|_| SetupError::Key)?;
        let (Some(seed), Some(public)) = (key.ed25519_seed(), key.ed25519_public_key()) else {
            return Err(SetupError::Key);
        };
        let regions = TrustAnchors::from_der(&self.region_roots)?;
        TrustAnchors::from_der(&self.relay_roots)?;
        let device = verify_device(&self.chain, &regions, When::Ever, &Crls::none())?;
        require_key(&device, &public)?;
        Ok(seed)
    }

    /// Writes all files of a profile and makes sure that they are on the disk.
    fn write(&self, folder: &Path, seed: &Zeroizing<[u8; 32]>, unlock: &Unlock) -> Result<(), SetupError> {
        let relay = RelayTable { address: self.relay.to_string(), name: self.relay.name().to_owned() };
        let file = ProfileFile { version: profile::VERSION, relay };
        let text = toml::to_string(&file).expect("numbers and texts in tables are TOML");
        write_file(&folder.join(profile::PROFILE), text.as_bytes())?;
        write_file(&folder.join(profile::DEVICE), pem::certificates(&self.chain).as_bytes())?;
        write_file(&folder.join(profile::REGIONS), pem::certificates(&self.region_roots).as_bytes())?;
        write_file(&folder.join(profile::RELAY), pem::certificates(&self.relay_roots).as_bytes())?;
        let store = folder.join(profile::STORE);
        make_folder(&store)?;
        Store::create(&store, unlock)?.write_device_key(seed)?;
        sync_folder(&store)?;
        sync_folder(folder)?;
        Ok(())
    }
}

/// A folder beside the wished one, removed again unless it is moved there.
struct Beside {
    path: PathBuf,
    moved: bool,
}

impl Beside {
    fn make(folder: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        rand::fill(&mut random).map_err(|_| ErrorKind::Other)?;
        let mut name = OsString::from(".");
        name.push(folder.file_name().ok_or(ErrorKind::InvalidInput)?);
        name.push(format!(".setup-{:016x}", u64::from_be_bytes(random)));
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        let path = folder.with_file_name(name);
        make_folder(&path)?;
        Ok(Self { path, moved: false })
    }

    /// Moves it to its place; fails if something has come there meanwhile.
    fn move_to(mut self, folder: &Path) -> Result<(), SetupError> {
        fs::rename(&self.path, folder).map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => SetupError::Exists,
            kind => SetupError::Io(kind),
        })?;
        self.moved = true;
        match folder.parent() {
            Some(parent) if parent != Path::new("") => Ok(sync_folder(parent)?),
            _ => Ok(sync_folder(Path::new("."))?),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.moved {
            // What cannot be removed is encrypted or public, and nothing reads it.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Whether nothing is in a folder's place, or an empty folder.
fn is_free(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => Ok(true),
            ErrorKind::NotADirectory => Ok(false),
            _ => Err(error),
        },
    }
}

/// Makes a folder that only its owner enters.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl From<io::Error> for SetupError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup(..)")
    }
}

#[cfg(test)]
mod tests;
