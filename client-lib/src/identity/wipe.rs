//! Wiping a device: the keys first, then the files; at once, and taken up again if it was interrupted.
//!
//! [`destroy_keys`] overwrites the few hundred bytes without which nothing of a profile's store opens, and needs no
//! passphrase for it: whoever holds the device can make it forget, which is the point. Only then are files removed, since
//! only the [`KeysDestroyed`] that it returns can do that. The file that says that the keys are gone goes last, so
//! a wipe that was killed is known at the next start ([`resume`]; [`Profile::open`](super::Profile::open) does it by
//! itself).
//!
//! Refused: a folder that is no profile. Not covered: copies that were made of the profile (a backup), what a program that
//! still has it open holds in memory, and what flash storage keeps out of sight.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::profile::{PROFILE, STORE};
use crate::store::{Store, StoreError};

/// Why a device could not be wiped.
#[derive(Debug, thiserror::Error)]
pub enum WipeError {
    /// The folder holds no profile.
    #[error("there is no profile in this folder; nothing was touched")]
    NotAProfile,
    /// The keys could not be overwritten.
    #[error("the keys could not be destroyed ({0}); destroy the medium, and have the certificate revoked")]
    Keys(StoreError),
    /// The keys are destroyed; some files are left, which nothing opens.
    #[error("the keys are destroyed, but files are left that could not be removed ({0}); remove the folder by hand")]
    Files(ErrorKind),
}

/// The keys of a profile are destroyed; its files may be removed.
#[derive(Debug)]
#[must_use = "the files are still there"]
pub struct KeysDestroyed {
    folder: PathBuf,
    /// Unfinished set-ups beside it.
    unfinished: Vec<PathBuf>,
}

/// Destroys the keys of the profile in `folder`. When it returns, this is on the disk, and nothing opens the store.
pub fn destroy_keys(folder: &Path) -> Result<KeysDestroyed, WipeError> {
    let folder = fs::canonicalize(folder).map_err(|_| WipeError::NotAProfile)?;
    let store = folder.join(STORE);
    if !Store::exists(&store) && !folder.join(PROFILE).exists() {
        return Err(WipeError::NotAProfile);
    }
    if store.is_dir() {
        Store::destroy_key(&store).map_err(WipeError::Keys)?;
    }
    let unfinished = unfinished(&folder);
    for set_up in &unfinished {
        let store = set_up.join(STORE);
        if Store::exists(&store) {
            Store::destroy_key(&store).map_err(WipeError::Keys)?;
        }
    }
    Ok(KeysDestroyed { folder, unfinished })
}

/// Goes on with a wipe that was interrupted. Returns whether there was one.
pub fn resume(folder: &Path) -> Result<bool, WipeError> {
    if !is_wiped(folder) {
        return Ok(false);
    }
    destroy_keys(folder)?.remove_files()?;
    Ok(true)
}

/// Whether the keys of the profile in `folder` are destroyed and files of it are left.
pub fn is_wiped(folder: &Path) -> bool {
    Store::is_destroyed(&folder.join(STORE))
}

impl KeysDestroyed {
    /// Removes everything in the profile's folder, and the folder. What cannot be removed does not keep the rest.
    pub fn remove_files(self) -> Result<(), WipeError> {
        let mut failed = None;
        for set_up in &self.unfinished {
            keep_first(&mut failed, fs::remove_dir_all(set_up));
        }
        remove_all_but(&self.folder, STORE, &mut failed);
        let store = self.folder.join(STORE);
        // The key's file says that this was wiped: it stays until all else is gone.
        remove_all_but(&store, Store::KEY_FILE, &mut failed);
        if let Some(kind) = failed {
            return Err(WipeError::Files(kind));
        }
        if store.exists() {
            fs::remove_dir_all(&store).map_err(|error| WipeError::Files(error.kind()))?;
        }
        fs::remove_dir(&self.folder).map_err(|error| WipeError::Files(error.kind()))
    }
}

/// Set-ups of this profile that were interrupted: they hold a key of this device too.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return Vec::new() };
    let mut begins = OsString::from(".");
    begins.push(name);
    begins.push(".setup-");
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let names = entries.filter_map(Result::ok);
    names
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(begins.as_encoded_bytes()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_all_but(folder: &Path, kept: &str, failed: &mut Option<ErrorKind>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return keep_first(failed, Err(error)),
    };
    for entry in entries {
        let removed = entry.and_then(|entry| {
            if entry.file_name() == kept {
                return Ok(());
            }
            // A link is removed, never followed.
            if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }
        });
        keep_first(failed, removed);
    }
}

fn keep_first(failed: &mut Option<ErrorKind>, outcome: io::Result<()>) {
    if let Err(error) = outcome
        && error.kind() != ErrorKind::NotFound
    {
        failed.get_or_insert(error.kind());
    }
}

#[cfg(test)]
mod tests {
    use kring_pki::issue::Validity;

    use super::*;
    use crate::driver::testing::{World, now, unlock};
    use crate::identity::{Profile, ProfileError};

    fn profile(folder: &Path) -> PathBuf {
        let world = World::new();
        let setup = world.setup(([127, 0, 0, 1], 4433).into(), Validity::days(now(), 30));
        let path = folder.join("profile");
        Profile::create(&path, &setup, &unlock()).expect("made");
        path
    }

    #[test]
    fn after_a_wipe_nothing_is_left_and_nothing_beside_it_was_touched() {
        let folder = tempfile::tempdir().expect("folder");
        let path = profile(folder.path());
        let unfinished = folder.path().join(".profile.setup-0123456789abcdef");
        fs::create_dir_all(unfinished.join(STORE)).expect("made");
        fs::write(unfinished.join(STORE).join("store.key"), "wrapped").expect("written");
        fs::write(folder.path().join("other"), "stays").expect("written");
        fs::write(path.join("draft.md"), "half a sentence").expect("written");
        destroy_keys(&path).expect("destroyed").remove_files().expect("removed");
        let left: Vec<_> = fs::read_dir(folder.path()).expect("folder").map(|entry| entry.expect("entry")).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "other");
        assert!(matches!(destroy_keys(&path), Err(WipeError::NotAProfile)));
    }

    #[test]
    fn a_wipe_that_ended_after_the_keys_goes_on_when_the_profile_is_next_opened() {
        let folder = tempfile::tempdir().expect("folder");
        let path = profile(folder.path());
        let copy = folder.path().join("copy");
        let _ = destroy_keys(&path).expect("destroyed");
        fs::create_dir(&copy).expect("made");
        for file in ["store.key", "store.db"] {
            fs::copy(path.join(STORE).join(file), copy.join(file)).expect("copied");
        }
        assert!(is_wiped(&path));
        assert!(matches!(Profile::open(&path), Err(ProfileError::Wiped)));
        assert!(!path.exists());
        assert!(matches!(Profile::open(&path), Err(ProfileError::Missing)));
        assert_eq!(Store::open(&copy, &unlock()).expect_err("wiped"), StoreError::Wiped);
    }

    #[test]
    fn wherever_a_wipe_is_interrupted_it_is_known_until_all_is_gone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = profile(folder.path());
        let _ = destroy_keys(&path).expect("destroyed");
        // Each state that removing the files passes through, in its order.
        for entry in ["profile.toml", "device.pem", "regions.pem", "relay.pem", "store/store.db"] {
            fs::remove_file(path.join(entry)).expect("removed");
            assert!(is_wiped(&path), "{entry}");
        }
        assert!(resume(&path).expect("goes on"));
        assert!(!path.exists());
        assert!(!resume(&path).expect("nothing to do"));
    }

    #[test]
    fn a_folder_that_is_no_profile_is_not_touched() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("precious"), "stays").expect("written");
        assert!(matches!(destroy_keys(folder.path()), Err(WipeError::NotAProfile)));
        assert!(folder.path().join("precious").exists());
        assert!(!folder.path().join(STORE).exists());
    }
}
