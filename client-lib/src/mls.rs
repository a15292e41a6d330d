//! MLS (RFC 9420): groups, Commits, the merge gate, access keys, padding, sealing.
//!
//! Nothing here opens a socket or decides what the user wants. **No Commit is merged without a
//! `Judged` value, which only the gate makes**, and openmls's own groups do not leave this folder
//! except through `group::Group`.
//!
//! Ciphersuite: `MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519` (0x004F), and no other. Handshake messages are
//! PrivateMessages. Past epochs are not kept.

pub(crate) mod access;
pub(crate) mod context;
mod credentials;
mod evidence;
pub(crate) mod gate;
pub(crate) mod group;
pub(crate) mod join;
pub(crate) mod key_package;
pub(crate) mod leaf;
mod leaving;
pub(crate) mod padding;
pub(crate) mod party;
pub(crate) mod policy;
mod provider;
mod remembered;
pub(crate) mod seal;
pub(crate) mod standing;
mod suite;

pub use credentials::DeviceCredentials;
#[cfg(feature = "simulation")]
pub(crate) use suite::use_classical;

use openmls::prelude::KeyPackage;

/// Type of the GroupContext extension that holds a case's own context (private use, RFC 9420 §17.3).
pub(crate) const CASE_EXTENSION: u16 = 0xf4b1;

/// Type of the LeafNode extension that holds a device's inbox key (private use, RFC 9420 §17.3).
pub(crate) const INBOX_EXTENSION: u16 = 0xf4b2;

/// Type of the proposal that carries a certificate revocation list as evidence for a removal in the same Commit
/// (private use, RFC 9420 §17.4).
pub(crate) const EVIDENCE_PROPOSAL: u16 = 0xf4b3;

/// The key to which the Welcome for a KeyPackage is sealed.
pub(crate) fn inbox_key(key_package: &KeyPackage) -> Option<&[u8]> {
    leaf::inbox_key(key_package.leaf_node())
}

/// The chain in a credential, for tests.
#[cfg(test)]
pub(crate) fn chain_of(credential: &openmls::prelude::Credential) -> Vec<rustls_pki_types::CertificateDer<'static>> {
    let chain = credentials::chain(credential).unwrap();
    chain.into_iter().map(rustls_pki_types::CertificateDer::into_owned).collect()
}

#[cfg(test)]
pub(crate) mod disguises;
#[cfg(test)]
mod impostors;
#[cfg(test)]
mod tests;
