//! Private keys: made, read and written as PKCS #8 (RFC 5208), wiped when dropped.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::encoding::Curve25519SeedBin;
use aws_lc_rs::hkdf;
use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize as _, Zeroizing};

use super::IssueError;

/// What kind of key to make. Keys of other curves and sizes can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032): every device, and authorities that nothing else has to read.
    Ed25519,
    /// ECDSA over P-256 with SHA-256.
    EcdsaP256,
    /// ECDSA over P-384 with SHA-384.
    EcdsaP384,
    /// RSA of 3072 bits with SHA-256.
    Rsa3072,
}

/// A private key. `Debug` shows nothing of it.
pub struct PrivateKey(pub(super) KeyPair);

/// PKCS #8 (RFC 8410 §7) of an Ed25519 key up to its 32 bytes of seed.
const ED25519_PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

impl PrivateKey {
    /// Makes a key with the randomness of the operating system.
    pub fn generate(algorithm: Algorithm) -> Result<Self, IssueError> {
        let made = match algorithm {
            Algorithm::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
            Algorithm::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Algorithm::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Algorithm::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_3072),
        };
        made.map(Self).map_err(|_| IssueError::Signing)
    }

    /// Reads a key in PEM: PKCS #8, SEC 1 or PKCS #1, not encrypted.
    pub fn from_pem(pem: &str) -> Result<Self, IssueError> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| IssueError::Key)?;
        Self::from_der(&key)
    }

    /// Reads a key in DER.
    pub fn from_der(key: &PrivateKeyDer<'_>) -> Result<Self, IssueError> {
        KeyPair::try_from(key).map(Self).map_err(|_| IssueError::Key)
    }

    /// The Ed25519 key of this seed (RFC 8032 §5.1.5), as MLS libraries keep it.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, IssueError> {
        let mut der = Zeroizing::new([0; 48]);
        der[..16].copy_from_slice(&ED25519_PKCS8);
        der[16..].copy_from_slice(seed);
        Self::from_der(&PrivatePkcs8KeyDer::from(&der[..]).into())
    }

    /// The seed of an Ed25519 key; `None` for a key of another kind.
    pub fn ed25519_seed(&self) -> Option<Zeroizing<[u8; 32]>> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(self.0.serialized_der()).ok()?;
        let seed: Curve25519SeedBin<'_> = pair.seed().ok()?.as_be_bytes().ok()?;
        seed.as_ref().try_into().ok().map(Zeroizing::new)
    }

    /// The public key of an Ed25519 key; `None` for a key of another kind.
    pub fn ed25519_public_key(&self) -> Option<[u8; 32]> {
        self.0.is_compatible(&rcgen::PKCS_ED25519).then(|| self.0.der_bytes().try_into().ok()).flatten()
    }

    /// Whether it is the same key.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.subject_public_key_info() == other.0.subject_public_key_info()
    }

    /// A secret that only the holder of this key can make again: HKDF-SHA256 (RFC 5869) of the key in PKCS #8, with
    /// `salt` and, as the info, `purpose`. What was derived says nothing about the key, nor about what else was.
    pub fn derive(&self, purpose: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, IssueError> {
        let key = Zeroizing::new(self.0.serialize_der());
        let mut secret = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
            .extract(&key)
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|out| out.fill(secret.as_mut_slice()))
            .map_err(|_| IssueError::Signing)?;
        Ok(secret)
    }

    /// The key in PEM, for a file that nobody else may read.
    pub fn to_pem(&self) -> Zeroizing<String> {
        // rcgen's own copies of the text and the bytes are not wiped; this one is, and they live for this call only.
        Zeroizing::new(self.0.serialize_pem())
    }

    /// The key for a TLS library. It is the caller's to keep and to wipe.
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        let der = Zeroizing::new(self.0.serialize_der());
        // A key that was read in another form keeps it.
        match PrivateKeyDer::try_from(der.as_slice()) {
            Ok(key) => key.clone_key(),
            Err(_) => PrivatePkcs8KeyDer::from(der.to_vec()).into(),
        }
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_survives_its_pem() {
        for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::EcdsaP384, Algorithm::Rsa3072] {
            let key = PrivateKey::generate(algorithm).expect("made");
            let pem = key.to_pem();
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{algorithm:?}");
            let again = PrivateKey::from_pem(&pem).expect("read");
            assert_eq!(again.0.der_bytes(), key.0.der_bytes(), "{algorithm:?}");
        }
    }

    #[test]
    fn an_ed25519_key_comes_from_its_seed_and_gives_it_back() {
        // RFC 8032 §7.1, test 1.
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = PrivateKey::from_ed25519_seed(&seed).expect("read");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(key.ed25519_public_key(), Some(public));
        assert_eq!(key.ed25519_seed().as_deref(), Some(&seed));
        let made = PrivateKey::generate(Algorithm::Ed25519).expect("made");
        let again = PrivateKey::from_ed25519_seed(&made.ed25519_seed().expect("Ed25519")).expect("read");
        assert_eq!(again.ed25519_public_key(), made.ed25519_public_key());
        let other = PrivateKey::generate(Algorithm::EcdsaP256).expect("made");
        assert!(other.ed25519_seed().is_none() && other.ed25519_public_key().is_none());
    }

    #[test]
    fn what_is_derived_depends_on_the_key_the_purpose_and_the_salt() {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("made");
        let again = PrivateKey::from_pem(&key.to_pem()).expect("read");
        let other = PrivateKey::generate(Algorithm::EcdsaP256).expect("made");
        let secret = key.derive("one", &[1]).expect("derived");
        assert_eq!(again.derive("one", &[1]).expect("derived"), secret);
        for another in [other.derive("one", &[1]), key.derive("two", &[1]), key.derive("one", &[2])] {
            assert_ne!(another.expect("derived"), secret);
        }
    }

    #[test]
    fn debug_hides_the_key() {
        let key = PrivateKey::generate(Algorithm::Ed25519).expect("made");
        assert_eq!(format!("{key:?}"), "PrivateKey(..)");
        assert_eq!(PrivateKey::from_pem("no key").map(|_| ()), Err(IssueError::Key));
    }

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).expect("hexadecimal"))
    }
}
