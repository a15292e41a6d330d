//! This device as a party to MLS: its chain, its keys, and its judgement of others.

use std::fmt;

use aws_lc_rs::signature::Ed25519KeyPair;
use kring_pki::verify::VerifiedDevice;
use kring_protocol::address::DeviceAddress;
use openmls::prelude::{
    Capabilities, CredentialType, CredentialWithKey, Extension, ExtensionType, Extensions, LeafNode, OpenMlsCrypto,
    ProposalType, ProtocolVersion, SignatureScheme, UnknownExtension,
};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::signatures::{Signer, SignerError};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::credentials::{DeviceCredentials, credential};
use super::leaf::Leaves;
use super::provider::Provider;
use super::suite::suite;
use super::{CASE_EXTENSION, EVIDENCE_PROPOSAL, INBOX_EXTENSION};
use crate::store::{Store, StoreError, Transaction};

/// Name of the inbox key's seed in the store.
const INBOX_SEED: &str = "inbox seed";

/// This device.
pub(crate) struct Party {
    pub(crate) crypto: RustCrypto,
    pub(crate) leaves: Leaves,
    own: VerifiedDevice,
    identity: CredentialWithKey,
    signer: DeviceSigner,
    inbox_private: Zeroizing<Vec<u8>>,
    inbox_public: Vec<u8>,
}

/// Why this device cannot be a party.
#[derive(Debug)]
pub(crate) enum NoParty {
    Own,
    Store(StoreError),
}

impl From<StoreError> for NoParty {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Party {
    /// Takes up the credentials; makes the inbox key at the first time.
    pub(crate) fn new(store: &mut Store, credentials: DeviceCredentials) -> Result<Self, NoParty> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(credentials.key.as_slice()).map_err(|_| StoreError::Internal)?;
        let signer = DeviceSigner(pair);
        let credential = credential(&credentials.chain);
        let leaves = Leaves::new(credentials.anchors, credentials.crls);
        let own = leaves.ever(&credential, signer.public()).map_err(|_| NoParty::Own)?;
        let seed = match store.read().meta(INBOX_SEED)? {
            Some(seed) => Zeroizing::new(seed),
            None => {
                let seed = Zeroizing::new(rand::random::<[u8; 32]>().to_vec());
                let step = store.begin()?;
                step.write_meta(INBOX_SEED, &seed)?;
                step.commit()?;
                seed
            }
        };
        let crypto = RustCrypto::default();
        let inbox = crypto
            .derive_hpke_keypair(suite().hpke_config(), &seed)
            .map_err(|_| NoParty::Store(StoreError::Internal))?;
        let identity = CredentialWithKey { credential, signature_key: signer.public().to_vec().into() };
        let inbox_private = Zeroizing::new(inbox.private.to_vec());
        Ok(Self { crypto, leaves, own, identity, signer, inbox_private, inbox_public: inbox.public })
    }

    pub(crate) fn provider<'p>(&'p self, step: &'p Transaction<'_>) -> Provider<'p> {
        Provider::new(&self.crypto, step.mls())
    }

    /// The device's address.
    pub(crate) fn address(&self) -> &DeviceAddress {
        self.own.address()
    }

    /// What the device's certificate says.
    pub(crate) fn verified(&self) -> &VerifiedDevice {
        &self.own
    }

    /// Takes up a renewed certificate of the same key and address.
    pub(crate) fn show(&mut self, chain: &[CertificateDer<'static>]) {
        if chain == self.own.chain() {
            return;
        }
        let credential = credential(chain);
        if let Ok(renewed) = self.leaves.ever(&credential, self.signer.public())
            && renewed.address() == self.own.address()
        {
            (self.own, self.identity.credential) = (renewed, credential);
        }
    }

    pub(crate) fn signer(&self) -> &DeviceSigner {
        &self.signer
    }

    pub(crate) fn identity(&self) -> CredentialWithKey {
        self.identity.clone()
    }

    pub(crate) fn inbox_private(&self) -> &[u8] {
        &self.inbox_private
    }

    /// What the device's leaves can do: this suite, certificates, the case's extensions, evidence, and nothing besides.
    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities::new(
            Some(&[ProtocolVersion::Mls10]),
            Some(&[suite()]),
            Some(&[
                ExtensionType::Unknown(CASE_EXTENSION),
                ExtensionType::Unknown(INBOX_EXTENSION),
                ExtensionType::LastResort,
            ]),
            Some(&[ProposalType::Custom(EVIDENCE_PROPOSAL)]),
            Some(&[CredentialType::X509]),
        )
    }

    /// The extensions of the device's leaves: its inbox key.
    pub(crate) fn leaf_extensions(&self) -> Result<Extensions<LeafNode>, StoreError> {
        let key = UnknownExtension(self.inbox_public.clone());
        Extensions::single(Extension::Unknown(INBOX_EXTENSION, key)).map_err(|_| StoreError::Internal)
    }
}

#[cfg(test)]
impl Party {
    /// Shows something else than it is, as a program with real keys and bad intentions can.
    pub(crate) fn disguise(&mut self, identity: CredentialWithKey, seed: &[u8; 32]) {
        self.identity = identity;
        self.signer = DeviceSigner(Ed25519KeyPair::from_seed_unchecked(seed).unwrap());
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Party(..)")
    }
}

/// Signs with the certificate's key.
pub(crate) struct DeviceSigner(Ed25519KeyPair);

impl DeviceSigner {
    pub(crate) fn public(&self) -> &[u8] {
        use aws_lc_rs::signature::KeyPair as _;
        self.0.public_key().as_ref()
    }

    /// Signs an item.
    pub(crate) fn sign_bytes(&self, text: &[u8]) -> [u8; 64] {
        self.0.sign(text).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

impl Signer for DeviceSigner {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).as_ref().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
