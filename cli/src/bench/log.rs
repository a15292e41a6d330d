//! A group's log as a load generator plays it: an access key for each epoch, and messages of the form that the relay
//! reads (RFC 9420 §6.3), whose ciphertext is noise with a trailer. Only devices could tell that nothing is encrypted.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bytes::Bytes;
use kring_protocol::ids::{AccessKey, Epoch, GroupId};
use kring_protocol::payload::Payload;

use crate::outcome::{Cause, Failure, Outcome};

/// Bytes of a trailer: the case, and when it was sent.
pub(super) const TRAILER: usize = 4 + 8;

/// Bytes of a message of the smallest form before its ciphertext: version, wire format, group, epoch, content type,
/// authenticated data, sender data (28 and its length), and the length of the ciphertext.
const HEADER: usize = 2 + 2 + 17 + 8 + 1 + 1 + 29;

/// The ending of every message of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Number of the case.
    pub(super) case: u32,
    /// Nanoseconds on the generator's own clock.
    pub(super) sent: u64,
}

impl Trailer {
    pub(super) fn to_bytes(self) -> [u8; TRAILER] {
        let mut bytes = [0; TRAILER];
        bytes[..4].copy_from_slice(&self.case.to_be_bytes());
        bytes[4..].copy_from_slice(&self.sent.to_be_bytes());
        bytes
    }

    /// Reads the end of a message.
    pub(super) fn of(message: &[u8]) -> Option<Self> {
        let bytes: &[u8; TRAILER] = message.last_chunk()?;
        let (case, sent) = bytes.split_first_chunk::<4>()?;
        Some(Self { case: u32::from_be_bytes(*case), sent: u64::from_be_bytes(sent.try_into().ok()?) })
    }
}

/// A group in its first epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log {
    /// The group.
    pub(super) group: GroupId,
    /// Seed of the first epoch's key.
    seed: [u8; 32],
}

impl Log {
    /// A new group.
    pub(super) fn random() -> Self {
        Self { group: GroupId(rand::random()), seed: rand::random() }
    }

    /// The key pair of the first epoch.
    pub(super) fn key(&self) -> Outcome<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(&self.seed)
            .map_err(|_| Failure::new(Cause::Internal, "a seed is no Ed25519 key"))
    }

    /// Its public key.
    pub(super) fn access_key(&self) -> Outcome<AccessKey> {
        AccessKey::from_slice(self.key()?.public_key().as_ref())
            .ok_or_else(|| Failure::new(Cause::Internal, "an Ed25519 key has another length"))
    }

    /// An application message of so many bytes in all, or of the fewest that hold the trailer.
    pub(super) fn message(&self, size: usize, trailer: Trailer) -> Payload {
        let mut message = Vec::with_capacity(size.max(HEADER + 2 + TRAILER));
        message.extend_from_slice(&[0, 1, 0, 2]);
        vector(&mut message, self.group.as_bytes());
        message.extend_from_slice(&Epoch(0).0.to_be_bytes());
        message.push(1);
        vector(&mut message, &[]);
        vector(&mut message, &[0x5e; 28]);
        let ciphertext = ciphertext_length(size);
        length(&mut message, ciphertext);
        noise(&mut message, ciphertext - TRAILER, trailer.sent);
        message.extend_from_slice(&trailer.to_bytes());
        Bytes::from(message).into()
    }
}

/// A log whose key is at hand: it costs as much to derive as a signature with it.
pub(super) struct Keyed {
    pub(super) group: GroupId,
    pub(super) key: Ed25519KeyPair,
}

impl Keyed {
    /// Derives the key of a log's first epoch.
    pub(super) fn new(log: &Log) -> Outcome<Self> {
        Ok(Self { group: log.group, key: log.key()? })
    }
}

/// How much ciphertext makes a message of this size.
fn ciphertext_length(size: usize) -> usize {
    let room = size.saturating_sub(HEADER);
    let prefix = match room {
        0..65 => 1,
        65..16_388 => 2,
        _ => 4,
    };
    (room - prefix.min(room)).max(TRAILER)
}

/// Bytes that do not compress, other ones in every message.
fn noise(out: &mut Vec<u8>, count: usize, seed: u64) {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let end = out.len() + count;
    while out.len() < end {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.to_le_bytes();
        out.extend_from_slice(&word[..word.len().min(end - out.len())]);
    }
}

/// A vector with its length in the shortest form (RFC 9420 §2.1.2).
fn vector(out: &mut Vec<u8>, content: &[u8]) {
    length(out, content.len());
    out.extend_from_slice(content);
}

fn length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    match length {
        0..64 => out.extend_from_slice(&length.to_be_bytes()[3..]),
        64..16_384 => out.extend_from_slice(&(length | 1 << 14).to_be_bytes()[2..]),
        _ => out.extend_from_slice(&(length | 2 << 30).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use kring_protocol::mls::{ContentType, private_message};

    use super::*;

    #[test]
    fn messages_have_the_form_and_the_size_asked_for() {
        let log = Log::random();
        for size in [80, 124, 128, 512, 4_096, 16_445, 17_000, 1 << 20] {
            let trailer = Trailer { case: 7, sent: 1 << 40 };
            let message = log.message(size, trailer);
            assert_eq!(message.len(), size, "{size}");
            let header = private_message(&message).expect("a PrivateMessage");
            assert_eq!(header.group, log.group);
            assert_eq!(header.content, ContentType::Application);
            assert_eq!(Trailer::of(&message), Some(trailer));
        }
    }

    #[test]
    fn a_message_holds_its_trailer_however_small_it_was_to_be() {
        assert!(private_message(&Log::random().message(0, Trailer { case: 0, sent: 0 })).is_ok());
    }
}
