//! A group's log as seen by somebody who holds its keys but speaks no MLS: messages of the right form, and an access
//! key for each epoch.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use kring_protocol::ids::{AccessKey, Epoch, GroupId};
use kring_protocol::payload::Payload;

/// A group whose epochs have keys that follow from its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log(pub GroupId);

impl Log {
    /// A new group.
    pub fn random() -> Self {
        Self(GroupId(rand::random()))
    }

    /// The key pair of an epoch.
    pub fn key(self, epoch: Epoch) -> Ed25519KeyPair {
        let seed = [self.0.as_bytes().as_slice(), &epoch.0.to_be_bytes(), b"testseed"].concat();
        Ed25519KeyPair::from_seed_unchecked(&seed).expect("16 + 8 + 8 bytes")
    }

    /// The public key of an epoch.
    pub fn access_key(self, epoch: Epoch) -> AccessKey {
        AccessKey::from_slice(self.key(epoch).public_key().as_ref()).expect("32 bytes")
    }

    /// An application message.
    pub fn application(self, epoch: Epoch, ciphertext: &[u8]) -> Payload {
        private_message(self.0, epoch, 1, ciphertext)
    }

    /// A Commit.
    pub fn commit(self, epoch: Epoch, ciphertext: &[u8]) -> Payload {
        private_message(self.0, epoch, 3, ciphertext)
    }
}

/// An `MLSMessage` that holds a PrivateMessage (RFC 9420 §6 and §6.3) of this content type.
pub fn private_message(group: GroupId, epoch: Epoch, content_type: u8, ciphertext: &[u8]) -> Payload {
    let mut message = vec![0, 1, 0, 2];
    message.extend(vector(group.as_bytes()));
    message.extend(epoch.0.to_be_bytes());
    message.push(content_type);
    message.extend(vector(b""));
    message.extend(vector(&[0x5e; 28]));
    message.extend(vector(ciphertext));
    message.into()
}

/// A vector with its length in the shortest form (RFC 9420 §2.1.2).
fn vector(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a test's message");
    let prefix = match length {
        0..64 => length.to_be_bytes()[3..].to_vec(),
        64..16_384 => (length | 1 << 14).to_be_bytes()[2..].to_vec(),
        _ => (length | 2 << 30).to_be_bytes().to_vec(),
    };
    [&prefix, content].concat()
}
