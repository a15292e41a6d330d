//! Loads the relay key: 32 random bytes that encrypt the database's values and hide its keys, so that a stolen disk
//! shows random numbers. It lives outside the data folder, in a file of mode 0600 or as a systemd credential.
//!
//! Refused: a file that others can read, a file inside the data folder (whoever takes the folder would have both), and
//! anything but one line of 64 hexadecimal digits.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of the key: AES-256 and HMAC-SHA-256 keys are derived from it.
pub const RELAY_KEY_LENGTH: usize = 32;

/// Name of the systemd credential (`LoadCredential=relay-key:/path`).
pub const CREDENTIAL: &str = "relay-key";

/// Longest file that is read: the digits, and a line's end in either form.
const MAX_FILE: u64 = 2 * RELAY_KEY_LENGTH as u64 + 2;

/// The secret bytes; wiped when dropped.
pub type SecretKey = Zeroizing<[u8; RELAY_KEY_LENGTH]>;

/// Why there is no relay key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Neither a path nor a credential was given.
    #[error(
        "no relay key: set store.relay_key to a file made with `kring-relay new-key FILE`, or give the systemd credential relay-key"
    )]
    NotGiven,
    /// The file cannot be read.
    #[error("the relay key {} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read the file.
    #[error("the relay key {} can be read by others; run `chmod 600` on it, and make a new one if it may have been seen", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// The file lies in the data folder.
    #[error("the relay key {} lies inside the data folder; move it elsewhere, so that whoever takes the data has no key to it", path.display())]
    InsideData {
        /// Which file.
        path: PathBuf,
    },
    /// Not the form that [`create`] writes.
    #[error("{} does not hold a relay key: one line of 64 hexadecimal digits", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be written; an existing one is never written over.
    #[error("the relay key {} cannot be written: {source}", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// systemd's folder of credentials for this service, if there is one.
pub(crate) fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Loads the key from `file`, or from systemd's folder of credentials.
pub fn load(file: Option<&Path>, credentials: Option<&Path>, data: &Path) -> Result<SecretKey, KeyError> {
    match (file, credentials) {
        (Some(file), _) => {
            refuse_inside(file, data)?;
            read(file, Exposure::Refused)
        }
        // systemd guards its folder by itself, with an access list that shows in the mode as group-readable.
        (None, Some(folder)) => read(&folder.join(CREDENTIAL), Exposure::Guarded),
        (None, None) => Err(KeyError::NotGiven),
    }
}

/// Makes a new key in a new file of mode 0600.
pub fn create(path: &Path) -> Result<(), KeyError> {
    let mut key = SecretKey::default();
    SystemRandom::new().fill(&mut *key).map_err(|_| KeyError::NoRandomness)?;
    let mut line = Zeroizing::new(String::with_capacity(2 * RELAY_KEY_LENGTH + 1));
    for byte in key.iter() {
        for digit in [byte >> 4, byte & 15] {
            line.push(char::from_digit(digit.into(), 16).expect("four bits are a hexadecimal digit"));
        }
    }
    line.push('\n');
    let unwritable = |source| KeyError::Unwritable { path: path.to_owned(), source };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritable)?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
}

/// Refuses a file that others can read. For private keys of every kind.
pub(crate) fn refuse_exposed(path: &Path) -> Result<(), KeyError> {
    let metadata = fs::metadata(path).map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
    if metadata.mode() & 0o077 == 0 { Ok(()) } else { Err(KeyError::Exposed { path: path.to_owned() }) }
}

/// Whether a file's mode is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exposure {
    Refused,
    Guarded,
}

/// Follows links on both sides, so that a link cannot hide where the key lies.
fn refuse_inside(file: &Path, data: &Path) -> Result<(), KeyError> {
    let unreadable = |source| KeyError::Unreadable { path: file.to_owned(), source };
    let real = file.canonicalize().map_err(unreadable)?;
    // A data folder that does not exist yet holds no key.
    let Ok(data) = data.canonicalize() else { return Ok(()) };
    if real.starts_with(data) { Err(KeyError::InsideData { path: file.to_owned() }) } else { Ok(()) }
}

fn read(path: &Path, exposure: Exposure) -> Result<SecretKey, KeyError> {
    use std::io::Read as _;
    let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
    if exposure == Exposure::Refused {
        refuse_exposed(path)?;
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut text = Zeroizing::new([0u8; MAX_FILE as usize + 1]);
    let mut filled = 0;
    loop {
        match (&file).read(&mut text[filled..]).map_err(unreadable)? {
            0 => break,
            count => filled += count,
        }
        if filled == text.len() {
            return Err(KeyError::Form { path: path.to_owned() });
        }
    }
    decode(text[..filled].trim_ascii_end()).ok_or_else(|| KeyError::Form { path: path.to_owned() })
}

fn decode(digits: &[u8]) -> Option<SecretKey> {
    if digits.len() != 2 * RELAY_KEY_LENGTH {
        return None;
    }
    let mut key = SecretKey::default();
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let (Some(high), Some(low)) = (char::from(pair[0]).to_digit(16), char::from(pair[1]).to_digit(16)) else {
            key.zeroize();
            return None;
        };
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_new_key_is_for_its_owner_alone_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.key");
        create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let key = load(Some(&path), None, &folder.path().join("data")).unwrap();
        assert_ne!(*key, [0; RELAY_KEY_LENGTH]);
    }

    #[test]
    fn an_existing_key_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.key");
        create(&path).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(create(&path), Err(KeyError::Unwritable { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.key");
        create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(Some(&path), None, Path::new("/nowhere")), Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn a_key_inside_the_data_folder_is_refused_through_a_link_too() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let path = data.join("database.key");
        create(&path).unwrap();
        assert!(matches!(load(Some(&path), None, &data), Err(KeyError::InsideData { .. })));
        let link = folder.path().join("elsewhere.key");
        symlink(&path, &link).unwrap();
        assert!(matches!(load(Some(&link), None, &data), Err(KeyError::InsideData { .. })));
    }

    #[test]
    fn anything_but_64_digits_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.key");
        for text in [String::new(), "00".repeat(31), "00".repeat(33), "zz".repeat(32), "00".repeat(4_000)] {
            fs::write(&path, &text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(load(Some(&path), None, Path::new("/nowhere")), Err(KeyError::Form { .. })), "{text}");
        }
    }

    #[test]
    fn a_credential_is_taken_where_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        create(&folder.path().join(CREDENTIAL)).unwrap();
        assert!(load(None, Some(folder.path()), Path::new("/nowhere")).is_ok());
        assert!(matches!(load(None, None, Path::new("/nowhere")), Err(KeyError::NotGiven)));
    }
}
