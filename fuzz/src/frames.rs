//! Bytes as the body of a frame, of each of the three kinds of message.
//!
//! Must hold: no panic; what is decoded is written as bytes that decode to the same, and those bytes are the shortest
//! form, so that writing them again changes nothing.

use kring_protocol::frame::{self, PREFIX};
use kring_protocol::limits::MAX_FRAME;
use kring_protocol::message::{Push, Record, Reply, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::mix;

/// The first byte chooses the kind, the rest is the body.
pub(crate) fn run(input: &[u8]) -> u64 {
    let Some((kind, body)) = input.split_first() else { return 0 };
    if let Some(prefix) = body.first_chunk::<PREFIX>()
        && let Ok(length) = frame::body_length(*prefix, MAX_FRAME)
    {
        assert!((1..=MAX_FRAME).contains(&length));
    }
    match kind % 4 {
        0 => survives::<Request>(body, |message| message.name()),
        1 => survives::<Reply>(body, |message| message.name()),
        2 => survives::<Push>(body, |message| message.name()),
        _ => survives::<Record>(body, |_| "Record"),
    }
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    body: &[u8],
    name: impl Fn(&T) -> &'static str,
) -> u64 {
    let message: T = match frame::decode(body) {
        Ok(message) => message,
        Err(error) => return mix(1, std::mem::discriminant(&error).hash_of()),
    };
    let written = frame::encode_body(&message);
    let again: T = frame::decode(&written).expect("what this side writes, it reads");
    assert_eq!(again, message);
    assert_eq!(frame::encode_body(&again), written, "one message has one encoding");
    name(&message).bytes().fold(written.len().ilog2().into(), |sum, byte| mix(sum, byte.into()))
}

/// The hash of something that has no number.
trait HashOf {
    fn hash_of(&self) -> u64;
}

impl<T: std::hash::Hash> HashOf for T {
    fn hash_of(&self) -> u64 {
        use std::hash::{DefaultHasher, Hasher as _};
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}
