//! Whether a connection holds an epoch's access key: one Ed25519 signature (RFC 8032) over the text of
//! [`proof::signed_text`].
//!
//! Refused: a signature that does not verify, and any signature for a group or epoch that the log does not know. The
//! latter is verified all the same, against a key that nobody holds, so that the answer and its time are the same.

use std::sync::OnceLock;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use kring_protocol::ids::{AccessKey, Epoch, GroupId, Signature};
use kring_protocol::message::CreateGroup;
use kring_protocol::proof::{self, TLS_EXPORTER_LENGTH};
use kring_protocol::refusal::Refusal;

/// What is to be proven, and the key that decides.
#[derive(Debug, Clone, Copy)]
pub struct AccessCheck {
    group: GroupId,
    epoch: Epoch,
    key: Option<AccessKey>,
}

/// A connection has shown that it holds the key with which this epoch of this group was opened.
///
/// Made by [`AccessCheck::verify`] alone. The rules still compare the key with the one in the log, which may have
/// changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenAccess {
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    /// The key that verified the signature.
    pub(crate) key: AccessKey,
}

impl AccessCheck {
    pub(crate) fn new(group: GroupId, epoch: Epoch, key: Option<AccessKey>) -> Self {
        Self { group, epoch, key }
    }

    /// The check of a group's creation: its proof is made with the key that it brings.
    pub fn of_new_group(request: &CreateGroup) -> Self {
        Self::new(request.access.group, request.access.epoch, Some(request.access_key))
    }

    /// Verifies the proof of a connection with this TLS exporter value.
    pub fn verify(self, exporter: &[u8; TLS_EXPORTER_LENGTH], proof: &Signature) -> Result<ProvenAccess, Refusal> {
        let text = proof::signed_text(exporter, self.group, self.epoch);
        let key = self.key.unwrap_or_else(key_of_nobody);
        let verified = UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(&text, proof.as_bytes());
        match (verified, self.key) {
            (Ok(()), Some(key)) => Ok(ProvenAccess { group: self.group, epoch: self.epoch, key }),
            _ => Err(Refusal::Forbidden),
        }
    }
}

/// A valid key under which no proof is accepted, whoever signs.
fn key_of_nobody() -> AccessKey {
    static KEY: OnceLock<AccessKey> = OnceLock::new();
    *KEY.get_or_init(|| {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[0; 32]).expect("a seed has 32 bytes");
        AccessKey::from_slice(pair.public_key().as_ref()).expect("an Ed25519 key has 32 bytes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId([1; 16]);

    fn signed(seed: u8, exporter: &[u8; 32], group: GroupId, epoch: Epoch) -> (AccessKey, Signature) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes");
        let signature = pair.sign(&proof::signed_text(exporter, group, epoch));
        let key = AccessKey::from_slice(pair.public_key().as_ref()).expect("32 bytes");
        (key, Signature::from_slice(signature.as_ref()).expect("64 bytes"))
    }

    #[test]
    fn a_proof_opens_its_own_group_epoch_and_connection_alone() {
        let (key, proof) = signed(5, &[9; 32], GROUP, Epoch(3));
        let check = |group, epoch, key| AccessCheck::new(group, epoch, Some(key));
        assert!(check(GROUP, Epoch(3), key).verify(&[9; 32], &proof).is_ok());
        assert!(check(GROUP, Epoch(3), key).verify(&[8; 32], &proof).is_err());
        assert!(check(GROUP, Epoch(4), key).verify(&[9; 32], &proof).is_err());
        assert!(check(GroupId([2; 16]), Epoch(3), key).verify(&[9; 32], &proof).is_err());
        let (other, _) = signed(6, &[9; 32], GROUP, Epoch(3));
        assert!(check(GROUP, Epoch(3), other).verify(&[9; 32], &proof).is_err());
    }

    #[test]
    fn an_unknown_group_is_forbidden_even_to_who_holds_the_key_it_is_checked_against() {
        let (key, proof) = signed(0, &[9; 32], GROUP, Epoch(0));
        assert_eq!(key, key_of_nobody());
        let verdict = AccessCheck::new(GROUP, Epoch(0), None).verify(&[9; 32], &proof);
        assert_eq!(verdict, Err(Refusal::Forbidden));
    }
}
