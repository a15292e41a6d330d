//! Private keys as files that a passphrase opens.
//!
//! The file is PEM (RFC 7468) with the label `KRING LOCKED KEY`, around
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version of this form: 1 |
//! | 4 | Argon2id (RFC 9106): KiB of memory, big-endian |
//! | 4 | passes |
//! | 4 | lanes |
//! | 16 | salt |
//! | 12 | nonce |
//! | rest | the key in PKCS #8 (RFC 5208), or as it was brought in SEC 1 (RFC 5915) or PKCS #1 (RFC 8017); AES-256-GCM (RFC 5116 §5.2) |
//!
//! The AES key is 32 bytes of Argon2id, version 0x13, of the passphrase (UTF-8) and the salt; all bytes before the
//! ciphertext are authenticated with it, behind the label `kring locked key 1`. Encrypted PKCS #8 as other software
//! writes it knows no Argon2id, and its PBKDF2 lets a guesser use graphics cards.
//!
//! Refused: other versions, files that ask for endless work, and whatever the passphrase does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use super::PrivateKey;
use crate::pem;

/// Label of the PEM section.
const LABEL: &str = "KRING LOCKED KEY";
/// What the key is locked for.
const PURPOSE: &[u8] = b"kring locked key 1";
/// Version of the form.
const VERSION: u8 = 1;
/// Bytes of salt (RFC 9106 §3.1 recommends 16).
const SALT: usize = 16;
/// Bytes before the ciphertext: version, three numbers, salt, nonce.
const HEAD: usize = 1 + 3 * 4 + SALT + NONCE_LEN;
/// Most bytes of a file's content: an RSA key of 8192 bits has 4.7 KiB.
const MOST: usize = HEAD + 8 * 1024;

/// What a guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Work {
    /// Second recommended option of RFC 9106 §4: 64 MiB, 3 passes, 4 lanes. As a device's store.
    const PRESENT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
    /// Most that a file may ask for: a damaged or forged one must not exhaust the machine.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 64, lanes: 64 };

    fn is_bearable(self) -> bool {
        self.memory_kib <= Self::MOST.memory_kib && self.passes <= Self::MOST.passes && self.lanes <= Self::MOST.lanes
    }
}

/// Why a locked key is not opened, or not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Not such a file.
    #[error("the key's file cannot be read; restore it from a backup")]
    Unreadable,
    /// A later version of the form.
    #[error("the key's file was written by a newer version; update the program")]
    Newer,
    /// The passphrase does not open it, or the file was changed.
    #[error("the passphrase does not open the key; try again, and restore the file if you are sure of it")]
    Passphrase,
    /// No randomness, no memory, or a key that cannot be written.
    #[error("the cryptographic library failed; free some memory and try again")]
    Failed,
}

impl PrivateKey {
    /// The key as a file that `passphrase` opens. Takes a fraction of a second, on purpose.
    pub fn lock(&self, passphrase: &str) -> Result<String, LockError> {
        let der = self.to_der();
        let mut head = Vec::with_capacity(HEAD);
        head.push(VERSION);
        let work = Work::PRESENT;
        head.extend([work.memory_kib, work.passes, work.lanes].iter().flat_map(|number| number.to_be_bytes()));
        let mut random = [0; SALT + NONCE_LEN];
        rand::fill(&mut random).map_err(|_| LockError::Failed)?;
        head.extend_from_slice(&random);

        let parts = Parts::of(&head).ok_or(LockError::Failed)?;
        // With room for the tag: growing would leave the plain key behind in freed memory.
        let mut sealed = Zeroizing::new(Vec::with_capacity(der.secret_der().len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(der.secret_der());
        parts
            .cipher(passphrase)?
            .seal_in_place_append_tag(parts.nonce, Aad::from(authenticated(&head)), &mut *sealed)
            .map_err(|_| LockError::Failed)?;
        head.extend_from_slice(&sealed);
        Ok(pem::section(LABEL, &head))
    }

    /// Opens what [`Self::lock`] has written.
    pub fn unlock(file: &str, passphrase: &str) -> Result<Self, LockError> {
        let bytes = pem::content(LABEL, file).filter(|bytes| bytes.len() <= MOST).ok_or(LockError::Unreadable)?;
        let (head, sealed) = bytes.split_at_checked(HEAD).ok_or(LockError::Unreadable)?;
        if head[0] > VERSION {
            return Err(LockError::Newer);
        }
        let parts = Parts::of(head).filter(|parts| parts.work.is_bearable()).ok_or(LockError::Unreadable)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let der = parts
            .cipher(passphrase)?
            .open_in_place(parts.nonce, Aad::from(authenticated(head)), &mut opened)
            .map_err(|_| LockError::Passphrase)?;
        let der = PrivateKeyDer::try_from(&*der).map_err(|_| LockError::Unreadable)?;
        Self::from_der(&der).map_err(|_| LockError::Unreadable)
    }

    /// Whether a file is one of [`Self::lock`], judged by its first line alone.
    pub fn is_locked(file: &str) -> bool {
        file.trim_start().starts_with(&format!("-----BEGIN {LABEL}-----"))
    }
}

/// What stands before the ciphertext.
struct Parts {
    work: Work,
    salt: [u8; SALT],
    nonce: Nonce,
}

impl Parts {
    fn of(head: &[u8]) -> Option<Self> {
        let (version, rest) = head.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (numbers, rest) = rest.split_at_checked(3 * 4)?;
        let (salt, nonce) = rest.split_at_checked(SALT)?;
        let number = |place: usize| Some(u32::from_be_bytes(numbers.get(4 * place..4 * place + 4)?.try_into().ok()?));
        Some(Self {
            work: Work { memory_kib: number(0)?, passes: number(1)?, lanes: number(2)? },
            salt: salt.try_into().ok()?,
            nonce: Nonce::assume_unique_for_key(nonce.try_into().ok()?),
        })
    }

    fn cipher(&self, passphrase: &str) -> Result<LessSafeKey, LockError> {
        let Work { memory_kib, passes, lanes } = self.work;
        let params = argon2::Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| LockError::Unreadable)?;
        let mut key = Zeroizing::new([0; 32]);
        argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &self.salt, key.as_mut_slice())
            .map_err(|_| LockError::Failed)?;
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| LockError::Failed)?))
    }
}

fn authenticated(head: &[u8]) -> Vec<u8> {
    [PURPOSE, head].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::Algorithm;

    #[test]
    fn a_passphrase_opens_what_it_has_locked_and_another_does_not() {
        for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::Rsa3072] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let file = key.lock("vijf losse woorden").unwrap();
            assert!(PrivateKey::is_locked(&file) && !PrivateKey::is_locked(&key.to_pem()));
            let again = PrivateKey::unlock(&file, "vijf losse woorden").unwrap();
            assert_eq!(*again.to_pem(), *key.to_pem());
            assert_eq!(PrivateKey::unlock(&file, "vijf losse woordeN").map(drop), Err(LockError::Passphrase));
        }
    }

    #[test]
    fn the_key_is_not_in_the_file_and_two_files_of_one_key_differ() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let files = [(); 2].map(|()| key.lock("vijf losse woorden").unwrap());
        let bytes = files.each_ref().map(|file| pem::content(LABEL, file).unwrap());
        let seed = key.ed25519_seed().unwrap();
        assert!(bytes.iter().all(|bytes| !bytes.windows(32).any(|window| window == *seed)));
        assert_ne!(bytes[0][13..HEAD], bytes[1][13..HEAD], "salt and nonce");
        assert_ne!(bytes[0][HEAD..], bytes[1][HEAD..]);
    }

    #[test]
    fn a_changed_file_does_not_open() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let bytes = pem::content(LABEL, &key.lock("vijf losse woorden").unwrap()).unwrap();
        let open = |bytes: &[u8]| PrivateKey::unlock(&pem::section(LABEL, bytes), "vijf losse woorden").map(drop);
        assert_eq!(open(&bytes), Ok(()));
        for place in [13, 13 + SALT, HEAD, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(open(&changed), Err(LockError::Passphrase), "byte {place}");
        }
        let with = |place: usize, value: u8| {
            let mut changed = bytes.clone();
            changed[place] = value;
            open(&changed)
        };
        assert_eq!(with(0, 2), Err(LockError::Newer));
        assert_eq!(with(0, 0), Err(LockError::Unreadable));
        assert_eq!(with(1, 0xff), Err(LockError::Unreadable), "four thousand gigabytes of memory");
        assert_eq!(with(5, 0xff), Err(LockError::Unreadable), "passes for ever");
        assert_eq!(with(9, 0xff), Err(LockError::Unreadable), "lanes without end");
        for length in [0, 1, HEAD - 1, HEAD, HEAD + 15] {
            assert!(open(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert_eq!(open(&vec![1; MOST + 1]), Err(LockError::Unreadable));
        for text in ["", "no key", &*key.to_pem()] {
            assert_eq!(PrivateKey::unlock(text, "vijf losse woorden").map(drop), Err(LockError::Unreadable));
        }
    }
}
