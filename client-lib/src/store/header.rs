//! The header file: how the database's key follows from what the user has.
//!
//! The key is 32 random bytes that stand in this file and nowhere else, wrapped with AES-256-GCM: under Argon2id
//! (RFC 9106) of the passphrase, so that a new passphrase needs no new database, or under the key that the caller
//! keeps. A check value (HMAC-SHA256 of the key over a constant) tells a wrong key from a damaged database.
//!
//! Because the wrapped key is here alone, **overwriting these few hundred bytes makes the database unreadable** for
//! everybody, also for who has the passphrase: that is how a device is wiped ([`destroy`]). The overwritten header says
//! so itself, so that a wipe that was interrupted is known at the next start.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hmac};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::codec::{decode, encode};
use super::error::StoreError;
use super::key::Unlock;

/// Name of the header file.
pub(super) const HEADER: &str = "store.key";
/// Version of the header's form. In version 1 a key kept by the caller was the database's own; such a store is opened,
/// but not made any more, since nothing in its folder could be destroyed to close it.
const VERSION: u64 = 2;
/// First bytes of a header whose key has been destroyed.
const DESTROYED: &[u8; 32] = b"kring: this store has been wiped";
/// Most bytes that are overwritten: no header of any version comes near.
const MAX_HEADER: u64 = 4096;
/// What the check value is computed over.
const CHECK_LABEL: &[u8] = b"kring store check 1";
/// Bytes of the digest that ends the file and tells damage from a wrong passphrase.
const DIGEST: usize = 32;

/// Argon2id memory: 64 MiB, the second recommended option of RFC 9106 §4, which fits the machines of a care
/// organisation; a guess costs an attacker the same.
const MEMORY_KIB: u32 = 64 * 1024;
/// Argon2id passes (RFC 9106 §4, second recommended option).
const PASSES: u32 = 3;
/// Argon2id lanes (RFC 9106 §4).
const LANES: u32 = 4;
/// Most memory that a header may ask for: a damaged or forged one must not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// Most passes that a header may ask for, for the same reason: some seconds of work at the present memory.
const MAX_PASSES: u32 = 64;
/// Most lanes that a header may ask for.
const MAX_LANES: u32 = 64;

/// The header as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u64,
    check: serde_bytes::ByteArray<32>,
    wrapped: Option<Wrapped>,
    /// Under a key that the caller keeps.
    #[serde(default)]
    kept: Option<Sealed>,
}

/// The key, wrapped under a key that the caller keeps.
#[derive(Serialize, Deserialize)]
struct Sealed {
    nonce: serde_bytes::ByteArray<NONCE_LEN>,
    key: serde_bytes::ByteBuf,
}

/// The key, wrapped under a passphrase.
#[derive(Serialize, Deserialize)]
struct Wrapped {
    salt: serde_bytes::ByteArray<16>,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    nonce: serde_bytes::ByteArray<NONCE_LEN>,
    key: serde_bytes::ByteBuf,
}

pub(super) fn exists(folder: &Path) -> bool {
    folder.join(HEADER).exists()
}

pub(super) fn remove(folder: &Path) {
    let _ = fs::remove_file(folder.join(HEADER));
}

/// Writes a new header and returns the database's key.
pub(super) fn create(folder: &Path, unlock: &Unlock) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let key = Zeroizing::new(rand::random::<[u8; 32]>());
    let (wrapped, kept) = match unlock {
        Unlock::Key(keeper) => (None, Some(seal(&key, keeper)?)),
        Unlock::Passphrase(passphrase) => (Some(wrap(&key, passphrase)?), None),
    };
    let header = Header { version: VERSION, check: serde_bytes::ByteArray::new(check(&key)), wrapped, kept };
    let mut bytes = encode(&header)?;
    let digest = digest::digest(&digest::SHA256, &bytes);
    bytes.extend_from_slice(digest.as_ref());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(folder.join(HEADER))?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        remove(folder);
        return Err(error.into());
    }
    Ok(key)
}

/// Reads the header and returns the database's key.
pub(super) fn open(folder: &Path, unlock: &Unlock) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let bytes = match fs::read(folder.join(HEADER)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing),
        Err(error) => return Err(error.into()),
    };
    if bytes.starts_with(DESTROYED) {
        return Err(StoreError::Wiped);
    }
    let split = bytes.len().checked_sub(DIGEST).ok_or(StoreError::Corrupt)?;
    let (body, digest) = bytes.split_at(split);
    if digest::digest(&digest::SHA256, body).as_ref() != digest {
        return Err(StoreError::Corrupt);
    }
    let header: Header = decode(body)?;
    if header.version > VERSION {
        let found = i64::try_from(header.version).unwrap_or(i64::MAX);
        return Err(StoreError::Newer { found, known: VERSION as i64 });
    }
    let key = match (unlock, &header.wrapped, &header.kept) {
        (Unlock::Key(keeper), None, Some(sealed)) => open_sealed(&sealed.nonce, &sealed.key, keeper)?,
        (Unlock::Key(key), None, None) => key.clone(),
        (Unlock::Passphrase(passphrase), Some(wrapped), _) => unwrap(wrapped, passphrase)?,
        (Unlock::Key(_), Some(_), _) | (Unlock::Passphrase(_), None, _) => return Err(StoreError::WrongKey),
    };
    constant_time::verify_slices_are_equal(&check(&key), header.check.as_slice())
        .map_err(|_| StoreError::WrongKey)?;
    Ok(key)
}

/// Overwrites the key in its place and makes sure that this is on the disk. After it nothing opens the database, whatever
/// else is left of it. (On flash storage and on file systems that copy before they write, the old bytes can live on
/// where no program sees them; there the passphrase still guards them.)
pub(super) fn destroy(folder: &Path) -> Result<(), StoreError> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(HEADER))?;
    let length = file.metadata()?.len().clamp(DESTROYED.len() as u64, MAX_HEADER);
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| StoreError::Internal)?];
    bytes[..DESTROYED.len()].copy_from_slice(DESTROYED);
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(())
}

/// Whether the key has been destroyed.
pub(super) fn is_destroyed(folder: &Path) -> bool {
    let mut first = [0; DESTROYED.len()];
    let read = fs::File::open(folder.join(HEADER)).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && first == *DESTROYED
}

fn check(key: &Zeroizing<[u8; 32]>) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), CHECK_LABEL);
    let mut check = [0; 32];
    check.copy_from_slice(tag.as_ref());
    check
}

fn wrap(key: &Zeroizing<[u8; 32]>, passphrase: &str) -> Result<Wrapped, StoreError> {
    let salt: [u8; 16] = rand::random();
    let Sealed { nonce, key } = seal(key, &derive(passphrase, &salt, MEMORY_KIB, PASSES, LANES)?)?;
    let salt = serde_bytes::ByteArray::new(salt);
    Ok(Wrapped { salt, memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, nonce, key })
}

/// Wraps the database's key under another one.
fn seal(key: &Zeroizing<[u8; 32]>, under: &Zeroizing<[u8; 32]>) -> Result<Sealed, StoreError> {
    let nonce: [u8; NONCE_LEN] = rand::random();
    // With room for the tag: growing would leave the plain key behind in freed memory.
    let mut sealed = Vec::with_capacity(key.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(key.as_slice());
    aead(under)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(CHECK_LABEL), &mut sealed)
        .map_err(|_| StoreError::Internal)?;
    Ok(Sealed { nonce: serde_bytes::ByteArray::new(nonce), key: serde_bytes::ByteBuf::from(sealed) })
}

fn open_sealed(
    nonce: &serde_bytes::ByteArray<NONCE_LEN>,
    sealed: &[u8],
    under: &Zeroizing<[u8; 32]>,
) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let opened = aead(under)?
        .open_in_place(Nonce::assume_unique_for_key(**nonce), Aad::from(CHECK_LABEL), &mut bytes)
        .map_err(|_| StoreError::WrongKey)?;
    let key: [u8; 32] = (&*opened).try_into().map_err(|_| StoreError::Corrupt)?;
    Ok(Zeroizing::new(key))
}

fn unwrap(wrapped: &Wrapped, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    if wrapped.memory_kib > MAX_MEMORY_KIB || wrapped.passes > MAX_PASSES || wrapped.lanes > MAX_LANES {
        return Err(StoreError::Corrupt);
    }
    let wrapping = derive(passphrase, wrapped.salt.as_slice(), wrapped.memory_kib, wrapped.passes, wrapped.lanes)?;
    open_sealed(&wrapped.nonce, &wrapped.key, &wrapping)
}

fn aead(key: &Zeroizing<[u8; 32]>) -> Result<LessSafeKey, StoreError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| StoreError::Internal)?))
}

fn derive(
    passphrase: &str,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let params = argon2::Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| StoreError::Corrupt)?;
    let mut key = Zeroizing::new([0; 32]);
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        .map_err(|_| StoreError::Internal)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_asks_for_endless_work_is_refused_before_any_is_done() {
        let mut wrapped = wrap(&Zeroizing::new([7; 32]), "wachtwoord").unwrap();
        let forge: [fn(&mut Wrapped); 3] = [
            |wrapped| wrapped.memory_kib = u32::MAX,
            |wrapped| wrapped.passes = u32::MAX,
            |wrapped| wrapped.lanes = 1 << 20,
        ];
        for forge in forge {
            let before = (wrapped.memory_kib, wrapped.passes, wrapped.lanes);
            forge(&mut wrapped);
            assert_eq!(unwrap(&wrapped, "wachtwoord"), Err(StoreError::Corrupt));
            (wrapped.memory_kib, wrapped.passes, wrapped.lanes) = before;
        }
        assert_eq!(unwrap(&wrapped, "wachtwoord"), Ok(Zeroizing::new([7; 32])));
    }
}
