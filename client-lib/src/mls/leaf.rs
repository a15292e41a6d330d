//! Who a leaf is. openmls checks nothing of a credential: every leaf is verified here before anything rests on it.
//!
//! A leaf is a device whose certificate chain ends at a pinned region root, whose certificate's key is the leaf's
//! `signature_key`, and which carries an inbox key of the suite's KEM (RFC 9420 §5.3.1, §7.3).

use std::cell::RefCell;
use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use kring_pki::verify::{Crls, TrustAnchors, Untrusted, VerifiedDevice, When, verify_device};
use openmls::prelude::{Credential, LeafNode, UnknownExtension};
use rustls_pki_types::CertificateDer;

use super::INBOX_EXTENSION;
use super::credentials::chain;
use super::standing::{Listed, Lists};
use super::suite::public_key_length;
use crate::conversation::Unbelieved;

/// Why a leaf is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLeaf {
    /// Its credential is not a certificate chain.
    #[error("the leaf's credential is not a certificate chain")]
    Credential,
    /// Its chain does not hold.
    #[error(transparent)]
    Chain(#[from] Untrusted),
    /// Its signature key is not the certificate's: a stolen chain.
    #[error("the leaf's key is not the one that its certificate names")]
    OtherKey,
    /// It carries no inbox key.
    #[error("the leaf carries no inbox key")]
    NoInboxKey,
}

impl From<BadLeaf> for Unbelieved {
    fn from(bad: BadLeaf) -> Self {
        match bad {
            BadLeaf::OtherKey => Self::OtherKey,
            BadLeaf::Chain(Untrusted::OutsideOrganisation | Untrusted::OrganisationNameDiffers) => {
                Self::OtherOrganisation
            }
            BadLeaf::Chain(Untrusted::FunctionNotPermitted) => Self::Function,
            BadLeaf::Chain(Untrusted::WrongUsage) => Self::Usage,
            BadLeaf::Chain(Untrusted::Expired { .. } | Untrusted::NotYetValid { .. }) => Self::Authority,
            BadLeaf::Chain(Untrusted::UnknownRoot) => Self::Root,
            BadLeaf::Chain(_) | BadLeaf::Credential | BadLeaf::NoInboxKey => Self::Certificate,
        }
    }
}

/// Verifies leaves, and remembers the verdicts: those that do not depend on time here, those of the lists in `standing`.
pub(crate) struct Leaves {
    pub(super) anchors: TrustAnchors,
    /// Lists that this device was opened with.
    pub(super) given: Crls,
    /// Those, and what it has learned since.
    pub(super) lists: RefCell<Lists>,
    pub(super) listed: RefCell<HashMap<[u8; 32], Listed>>,
    known: RefCell<HashMap<[u8; 32], VerifiedDevice>>,
}

/// Verdicts that are remembered: some hundred cases of a dozen devices; then the memory starts anew.
pub(super) const MOST_KNOWN: usize = 4_096;

impl Leaves {
    pub(crate) fn new(anchors: TrustAnchors, given: Crls) -> Self {
        Self {
            anchors,
            lists: RefCell::new(Lists::given(given.clone())),
            given,
            listed: RefCell::default(),
            known: RefCell::default(),
        }
    }

    /// The pinned roots.
    pub(crate) fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// The merge gate: the same answer on every device and at every time.
    pub(crate) fn ever(&self, credential: &Credential, signature_key: &[u8]) -> Result<VerifiedDevice, BadLeaf> {
        let name = name(credential.serialized_content(), signature_key);
        if let Some(known) = self.known.borrow().get(&name) {
            return Ok(known.clone());
        }
        let device = self.judge(credential, signature_key)?;
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(name, device.clone());
        Ok(device)
    }

    /// Whose device a chain is, at whatever time: the author of something that was signed.
    pub(crate) fn author(&self, chain: &[CertificateDer<'_>]) -> Result<VerifiedDevice, BadLeaf> {
        Ok(verify_device(chain, &self.anchors, When::Ever, &Crls::none())?)
    }

    fn judge(&self, credential: &Credential, key: &[u8]) -> Result<VerifiedDevice, BadLeaf> {
        let chain = chain(credential).ok_or(BadLeaf::Credential)?;
        // Without CRLs: one device may know a newer one than another, and both must judge alike.
        let device = verify_device(&chain, &self.anchors, When::Ever, &Crls::none())?;
        if device.public_key().as_slice() != key {
            return Err(BadLeaf::OtherKey);
        }
        Ok(device)
    }

    /// The merge gate for a whole leaf node, its inbox key included.
    pub(crate) fn node(&self, leaf: &LeafNode) -> Result<VerifiedDevice, BadLeaf> {
        inbox_key(leaf).ok_or(BadLeaf::NoInboxKey)?;
        self.ever(leaf.credential(), leaf.signature_key().as_slice())
    }
}

/// Under what a verdict is remembered. The length keeps what is shifted from one part into the other apart.
pub(super) fn name(credential: &[u8], signature_key: &[u8]) -> [u8; 32] {
    let length = (credential.len() as u64).to_be_bytes();
    let content = [&length, credential, signature_key].concat();
    digest(&SHA256, &content).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The key to which notes for a leaf's device are sealed.
pub(crate) fn inbox_key(leaf: &LeafNode) -> Option<&[u8]> {
    let UnknownExtension(key) = leaf.extensions().unknown(INBOX_EXTENSION)?;
    (key.len() == public_key_length()).then_some(key.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_and_a_key_are_remembered_apart() {
        assert_ne!(name(b"chain", b"key"), name(b"chaink", b"ey"));
    }
}
