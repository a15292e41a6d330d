//! Ciphersuites for mls-rs: a classical one, and 0x004F, which it does not come with: hashes, signatures and AEAD of its RustCrypto provider, and
//! X-Wing (draft-connolly-cfrg-xwing-kem) as the KEM of its HPKE.

use mls_rs_core::crypto::{
    CipherSuite, CipherSuiteProvider, CryptoProvider, HpkeCiphertext, HpkePsk, HpkePublicKey, HpkeSecretKey,
    SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::error::IntoAnyError;
use mls_rs_crypto_rustcrypto::aead::Aead;
use mls_rs_crypto_rustcrypto::kdf::Kdf;
use mls_rs_crypto_rustcrypto::{RustCryptoCipherSuite, RustCryptoError};
use mls_rs_crypto_traits::{KemResult, KemType};
use shake::digest::{ExtendableOutput as _, Update as _};
use shake::{Shake256, XofReader as _};
use x_wing::{Decapsulate as _, DecapsulationKey, Decapsulator as _, EncapsulationKey, KeyExport as _};
use zeroize::Zeroizing;

/// `MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519`.
pub(crate) const POST_QUANTUM: CipherSuite = CipherSuite::new(0x004F);
/// The suite with the same hash, AEAD and signature.
pub(crate) const CLASSICAL: CipherSuite = CipherSuite::CURVE25519_AES128;
/// X-Wing among HPKE's KEMs.
const KEM_ID: u16 = 0x647a;

/// Gives the post-quantum suite.
#[derive(Clone)]
pub(crate) struct Provider;

impl CryptoProvider for Provider {
    type CipherSuiteProvider = Suite;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![POST_QUANTUM]
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<Suite> {
        if suite == POST_QUANTUM { Suite::new() } else { None }
    }
}

type Inner = RustCryptoCipherSuite<XWing, Kdf, Aead>;

/// The post-quantum suite.
#[derive(Clone)]
pub(crate) struct Suite(Inner);

impl Suite {
    fn new() -> Option<Self> {
        Inner::new(CLASSICAL, XWing, Kdf::new(CLASSICAL)?, Aead::new(CLASSICAL)?).map(Self)
    }
}

/// X-Wing.
#[derive(Clone)]
pub(crate) struct XWing;

/// Bytes that are no key or ciphertext.
#[derive(Debug, thiserror::Error)]
#[error("not a key or ciphertext of X-Wing")]
pub(crate) struct NotXWing;

impl IntoAnyError for NotXWing {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(self.into())
    }
}

fn pair(seed: [u8; 32]) -> (HpkeSecretKey, HpkePublicKey) {
    let key = DecapsulationKey::from(seed);
    let public = key.encapsulation_key().to_bytes().to_vec();
    (seed.to_vec().into(), public.into())
}

impl KemType for XWing {
    type Error = NotXWing;

    fn kem_id(&self) -> u16 {
        KEM_ID
    }

    fn generate_deterministic(&self, seed: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), NotXWing> {
        Ok(pair(seed.try_into().map_err(|_| NotXWing)?))
    }

    fn generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), NotXWing> {
        Ok(pair(rand::random()))
    }

    fn public_key_validate(&self, key: &HpkePublicKey) -> Result<(), NotXWing> {
        EncapsulationKey::try_from(&key[..]).map(drop).map_err(|_| NotXWing)
    }

    fn encap(&self, remote_key: &HpkePublicKey) -> Result<KemResult, NotXWing> {
        let key = EncapsulationKey::try_from(&remote_key[..]).map_err(|_| NotXWing)?;
        let random: [u8; 64] = std::array::from_fn(|_| rand::random());
        let (ciphertext, shared) = key.encapsulate_deterministic(&random.into());
        Ok(KemResult::new(shared.to_vec(), ciphertext.to_vec()))
    }

    fn decap(&self, enc: &[u8], secret: &HpkeSecretKey, _public: &HpkePublicKey) -> Result<Vec<u8>, NotXWing> {
        let seed: [u8; 32] = secret[..].try_into().map_err(|_| NotXWing)?;
        let ciphertext = x_wing::Ciphertext::try_from(enc).map_err(|_| NotXWing)?;
        Ok(DecapsulationKey::from(seed).decapsulate(&ciphertext).to_vec())
    }

    fn seed_length_for_derive(&self) -> usize {
        32
    }
}

/// Everything but the suite's number and how it derives keys is the other provider's.
impl CipherSuiteProvider for Suite {
    type Error = RustCryptoError;
    type HpkeContextR = <Inner as CipherSuiteProvider>::HpkeContextR;
    type HpkeContextS = <Inner as CipherSuiteProvider>::HpkeContextS;

    fn cipher_suite(&self) -> CipherSuite {
        POST_QUANTUM
    }

    /// X-Wing's DeriveKeyPair is SHAKE256, where the other KEMs' is HKDF.
    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey), Self::Error> {
        let mut seed = [0; 32];
        Shake256::default().chain(ikm).finalize_xof().read(&mut seed);
        Ok(pair(seed))
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>, Self::Error> {
        self.0.hash(data)
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Self::Error> {
        self.0.mac(key, data)
    }

    fn aead_seal(&self, key: &[u8], data: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Vec<u8>, Self::Error> {
        self.0.aead_seal(key, data, aad, nonce)
    }

    fn aead_open(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        self.0.aead_open(key, ciphertext, aad, nonce)
    }

    fn aead_key_size(&self) -> usize {
        self.0.aead_key_size()
    }

    fn aead_nonce_size(&self) -> usize {
        self.0.aead_nonce_size()
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        self.0.kdf_extract(salt, ikm)
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        self.0.kdf_expand(prk, info, length)
    }

    fn kdf_extract_size(&self) -> usize {
        self.0.kdf_extract_size()
    }

    fn hpke_seal(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        text: &[u8],
    ) -> Result<HpkeCiphertext, Self::Error> {
        self.0.hpke_seal(key, info, aad, text)
    }

    fn hpke_seal_psk(
        &self,
        key: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        text: &[u8],
        psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext, Self::Error> {
        self.0.hpke_seal_psk(key, info, aad, text, psk)
    }

    fn hpke_open(
        &self,
        ciphertext: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        self.0.hpke_open(ciphertext, secret, public, info, aad)
    }

    fn hpke_open_psk(
        &self,
        ciphertext: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Self::Error> {
        self.0.hpke_open_psk(ciphertext, secret, public, info, aad, psk)
    }

    fn hpke_setup_s(&self, key: &HpkePublicKey, info: &[u8]) -> Result<(Vec<u8>, Self::HpkeContextS), Self::Error> {
        self.0.hpke_setup_s(key, info)
    }

    fn hpke_setup_r(
        &self,
        enc: &[u8],
        secret: &HpkeSecretKey,
        public: &HpkePublicKey,
        info: &[u8],
    ) -> Result<Self::HpkeContextR, Self::Error> {
        self.0.hpke_setup_r(enc, secret, public, info)
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey), Self::Error> {
        self.0.kem_generate()
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<(), Self::Error> {
        self.0.kem_public_key_validate(key)
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.random_bytes(out)
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey), Self::Error> {
        self.0.signature_key_generate()
    }

    fn signature_key_derive_public(&self, secret: &SignatureSecretKey) -> Result<SignaturePublicKey, Self::Error> {
        self.0.signature_key_derive_public(secret)
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>, Self::Error> {
        self.0.sign(secret, data)
    }

    fn verify(&self, key: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Result<(), Self::Error> {
        self.0.verify(key, signature, data)
    }
}
