//! Where the administrator's files lie, and how they get there: a whole folder at once, or nothing.
//!
//! Files are written into a folder beside their place that is then renamed, so that a step that fails half-way leaves
//! nothing behind. Private keys get mode 0600, their folders 0700. Refused: a place that is taken.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kring_protocol::address::ProfessionalAddress;

use crate::outcome::{Cause, Failure, Outcome};

/// The region root's certificate and key.
pub(crate) const ROOT: (&str, &str) = ("root.pem", "root.key");
/// An organisation's certificate and key.
pub(crate) const ORGANISATION: (&str, &str) = ("organisation.pem", "organisation.key");
/// A device's certificate, with its organisation's after it, and its key.
pub(crate) const DEVICE: (&str, &str) = ("device.pem", "device.key");
/// A relay's certificate and key.
pub(crate) const RELAY: (&str, &str) = ("relay.pem", "relay.key");
/// The key under which a relay encrypts its database.
pub(crate) const DATABASE_KEY: &str = "database.key";
/// The key of a request that the region has not signed yet.
pub(crate) const PENDING_KEY: &str = "pending.key";
/// An authority's newest list of revoked certificates.
pub(crate) const REVOKED: &str = "revoked.pem";
/// The region root's certificate, beside what needs it.
pub(crate) const REGION: &str = "region.pem";
/// A relay's configuration.
pub(crate) const RELAY_CONFIG: &str = "relay.toml";

/// Place of the region's root.
pub(crate) fn region(folder: &Path) -> PathBuf {
    folder.join("region")
}

/// Place of an organisation.
pub(crate) fn organisation(folder: &Path, domain: &str) -> PathBuf {
    folder.join("organisations").join(domain)
}

/// Place of an organisation's authority of this generation: the first in the organisation's folder itself, each renewed
/// one in a folder of its own below.
pub(crate) fn authority(organisation: &Path, generation: u32) -> PathBuf {
    if generation == 1 { organisation.to_owned() } else { organisation.join(format!("renewed-{generation}")) }
}

/// All domains of organisations.
pub(crate) fn organisations(folder: &Path) -> Outcome<Vec<String>> {
    let place = folder.join("organisations");
    let entries = match fs::read_dir(&place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::file("read", &place, &error)),
    };
    let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let names = names.map_err(|error| Failure::file("read", &place, &error))?;
    let mut domains: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
    // What is unfinished begins with a dot, and no domain does.
    domains.retain(|domain| !domain.starts_with('.'));
    domains.sort();
    Ok(domains)
}

/// Place of a device; the label, behind a character that no name has, tells one professional's devices apart.
pub(crate) fn device(folder: &Path, address: &ProfessionalAddress, label: Option<&str>) -> PathBuf {
    let name = match label {
        Some(label) => format!("{}+{label}", address.name()),
        None => address.name().to_owned(),
    };
    folder.join("devices").join(address.domain()).join(name)
}

/// Place of a relay.
pub(crate) fn relay(folder: &Path, host: &str) -> PathBuf {
    // The colons of an IPv6 address are no part of a portable file name.
    folder.join("relays").join(host.replace(':', "_"))
}

/// A folder in the making.
pub(crate) struct NewFolder {
    place: PathBuf,
    beside: PathBuf,
}

impl NewFolder {
    /// Begins a folder that is to stand at `place`, where nothing may be.
    pub(crate) fn begin(place: &Path) -> Outcome<Self> {
        if place.symlink_metadata().is_ok() {
            return Err(Failure::advised(
                Cause::Refused,
                format!("{} exists already, and nothing is ever overwritten", place.display()),
                "choose another name, or move the old folder away if you are sure",
            ));
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let beside = place.with_file_name(format!(".{name}.unfinished-{}", std::process::id()));
        let parent = place.parent().unwrap_or(Path::new(""));
        private_folders().recursive(true).create(parent).map_err(|error| Failure::file("made", parent, &error))?;
        private_folders().create(&beside).map_err(|error| Failure::file("made", &beside, &error))?;
        Ok(Self { place: place.to_owned(), beside })
    }

    /// Adds a file that everybody may read.
    pub(crate) fn public(&self, name: &str, content: &str) -> Outcome {
        self.file(name, content.as_bytes(), 0o644)
    }

    /// Adds a file that its owner alone may read.
    pub(crate) fn secret(&self, name: &str, content: &[u8]) -> Outcome {
        self.file(name, content, 0o600)
    }

    /// Puts the folder in its place.
    pub(crate) fn finish(self) -> Outcome<PathBuf> {
        let moved = fs::rename(&self.beside, &self.place).and_then(|()| {
            // The name must be on the disk before anybody rests on it.
            self.place.parent().map_or(Ok(()), |parent| File::open(or_here(parent))?.sync_all())
        });
        moved.map_err(|error| Failure::file("made", &self.place, &error))?;
        Ok(self.place.clone())
    }

    /// Where the files lie until it is finished.
    pub(crate) fn unfinished(&self) -> &Path {
        &self.beside
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> Outcome {
        let path = self.beside.join(name);
        new_file(&path, content, mode).map_err(|error| Failure::file("written", &path, &error))
    }
}

/// Writes a file anew, whole or not at all, in the place of one that may be there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Outcome {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.unfinished-{}", std::process::id()));
    let write = || -> io::Result<()> {
        // Left by a program of the same number that was killed.
        let _ = fs::remove_file(&beside);
        new_file(&beside, content, 0o600)?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |parent| File::open(or_here(parent))?.sync_all())
    };
    write().map_err(|error| Failure::file("written", path, &error))
}

/// Writes a file where none may be; its owner alone may read it.
pub(crate) fn new_secret(path: &Path, content: &[u8]) -> Outcome {
    new_file(path, content, 0o600).map_err(|error| Failure::file("written", path, &error))
}

fn new_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // After `finish` there is nothing there any more.
        let _ = fs::remove_dir_all(&self.beside);
    }
}

fn or_here(parent: &Path) -> &Path {
    if parent.as_os_str().is_empty() { Path::new(".") } else { parent }
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_or_not_at_all_and_is_never_overwritten() {
        let temporary = tempfile::tempdir().expect("a folder");
        let place = temporary.path().join("a").join("b");
        let half = NewFolder::begin(&place).expect("free");
        half.secret("x.key", b"secret").expect("written");
        drop(half);
        assert!(!place.exists());
        assert_eq!(fs::read_dir(temporary.path().join("a")).expect("a folder").count(), 0);

        let whole = NewFolder::begin(&place).expect("free");
        whole.secret("x.key", b"secret").expect("written");
        whole.public("x.pem", "public").expect("written");
        assert_eq!(whole.finish().expect("moved"), place);
        assert_eq!(fs::read(place.join("x.key")).expect("there"), b"secret");
        assert_eq!(NewFolder::begin(&place).map(|_| ()).expect_err("taken").cause, Cause::Refused);
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = tempfile::tempdir().expect("a folder");
        let place = temporary.path().join("device");
        let folder = NewFolder::begin(&place).expect("free");
        folder.secret("x.key", b"secret").expect("written");
        folder.finish().expect("moved");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&place.join("x.key")) & 0o077, 0);
        assert_eq!(mode(&place) & 0o077, 0);
    }

    #[test]
    fn a_second_device_has_a_place_of_its_own() {
        let address: ProfessionalAddress = "a.jansen@politie.example".parse().expect("valid");
        let folder = Path::new("x");
        assert_eq!(device(folder, &address, None), Path::new("x/devices/politie.example/a.jansen"));
        assert_eq!(device(folder, &address, Some("tablet")), Path::new("x/devices/politie.example/a.jansen+tablet"));
    }
}
