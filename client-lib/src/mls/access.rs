//! Access keys: each epoch's members derive the Ed25519 key pair that opens the group's log at the relay.
//!
//! The seed (RFC 8032 §5.1.5) is `MLS-Exporter("kring access 1", group_id, 32)` (RFC 9420 §8.5). A group, its pending
//! Commit, another member's staged Commit and a Welcome all give the same value for an epoch.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use kring_protocol::ids::{AccessKey, Epoch, GroupId, Signature};
use kring_protocol::proof::{TLS_EXPORTER_LENGTH, signed_text};
use zeroize::Zeroizing;

use crate::store::StoreError;

/// The secret of one epoch's access key.
pub(crate) struct AccessSeed(Zeroizing<[u8; 32]>);

impl AccessSeed {
    pub(crate) fn from_exported(secret: Vec<u8>) -> Option<Self> {
        let secret = Zeroizing::new(secret);
        Some(Self(Zeroizing::new(secret.as_slice().try_into().ok()?)))
    }

    pub(crate) fn new(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(seed)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn pair(&self) -> Result<Ed25519KeyPair, StoreError> {
        Ed25519KeyPair::from_seed_unchecked(self.0.as_slice()).map_err(|_| StoreError::Internal)
    }

    /// The public key that the relay is told.
    pub(crate) fn public(&self) -> Result<AccessKey, StoreError> {
        AccessKey::from_slice(self.pair()?.public_key().as_ref()).ok_or(StoreError::Internal)
    }

    /// The proof for one connection.
    pub(crate) fn prove(
        &self,
        exporter: &[u8; TLS_EXPORTER_LENGTH],
        group: GroupId,
        epoch: Epoch,
    ) -> Result<Signature, StoreError> {
        let signature = self.pair()?.sign(&signed_text(exporter, group, epoch));
        Signature::from_slice(signature.as_ref()).ok_or(StoreError::Internal)
    }
}

impl fmt::Debug for AccessSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessSeed(..)")
    }
}
