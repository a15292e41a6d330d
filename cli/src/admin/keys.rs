//! Opening and locking the private keys of an administrator's folder.
//!
//! Each key is locked with a passphrase (its form: [`kring_pki::issue`]). A passphrase comes from a file or is asked for,
//! saying which key it is for; one that has opened a key in this run is tried on the others first, since one
//! administrator often uses one for all. Refused: keys that are not locked.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use clap::Args;
use kring_pki::issue::{LockError, PrivateKey};
use zeroize::Zeroizing;

use super::earlier;
use crate::outcome::{Cause, Failure, Outcome};
use crate::passphrase::PassphraseArguments;

/// Where the passphrase of an administrator's keys comes from.
#[derive(Debug, Args)]
pub(super) struct KeyArguments {
    /// File whose first line opens the keys of the folder, and locks new ones; goes before --passphrase-file.
    #[arg(long, env = "KRING_ADMIN_PASSPHRASE_FILE", value_name = "FILE", global = true)]
    key_passphrase_file: Option<PathBuf>,
}

/// Opens and locks keys.
pub(crate) struct Keys {
    passphrase: PassphraseArguments,
    /// What has opened or locked a key in this run.
    known: RefCell<Option<Zeroizing<String>>>,
}

impl Keys {
    /// With the arguments of `kring admin`.
    pub(super) fn new(own: &KeyArguments, general: &PassphraseArguments) -> Self {
        Self::with(general.or_before(own.key_passphrase_file.as_ref()))
    }

    /// With a passphrase of an origin of the caller's own.
    pub(crate) fn with(passphrase: PassphraseArguments) -> Self {
        Self { passphrase, known: RefCell::new(None) }
    }

    /// Opens a key; `whose` it is stands in the question for its passphrase.
    pub(crate) fn open(&self, path: &Path, whose: &str) -> Outcome<PrivateKey> {
        let file = Zeroizing::new(earlier(path, "restore the file from a backup")?);
        if !PrivateKey::is_locked(&file) {
            return Err(Failure::advised(
                Cause::Failed,
                format!("{} is not locked with a passphrase", path.display()),
                "bring the key in with `kring admin organisation import`, which locks it",
            ));
        }
        if let Some(known) = &*self.known.borrow() {
            match PrivateKey::unlock(&file, known) {
                Ok(key) => return Ok(key),
                Err(LockError::Passphrase) if self.passphrase.asks() => {}
                Err(error) => return Err(not_opened(error)),
            }
        }
        let passphrase = self.passphrase.existing(&format!("Passphrase of the key of {whose}:"))?;
        let key = PrivateKey::unlock(&file, &passphrase).map_err(not_opened)?;
        *self.known.borrow_mut() = Some(passphrase);
        Ok(key)
    }

    /// Locks a new key; somebody who is asked chooses a passphrase.
    pub(crate) fn lock(&self, key: &PrivateKey, whose: &str) -> Outcome<String> {
        let passphrase = self.passphrase.chosen(&format!("New passphrase for the key of {whose}:"))?;
        let file = key.lock(&passphrase).map_err(not_opened)?;
        *self.known.borrow_mut() = Some(passphrase);
        Ok(file)
    }
}

fn not_opened(error: LockError) -> Failure {
    let cause = match error {
        LockError::Passphrase => Cause::Locked,
        LockError::Unreadable | LockError::Newer | LockError::Failed => Cause::Failed,
    };
    Failure::new(cause, error)
}
