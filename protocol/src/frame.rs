//! One frame: a length of four bytes, big-endian, then that many bytes of CBOR holding one message.
//!
//! Refused here: a length of zero or above the limit, bytes that are not CBOR, nesting beyond
//! [`MAX_DEPTH`], a message of another shape, and bytes after the message (which no CBOR
//! library refuses by itself).

use std::convert::Infallible;

use bytes::Bytes;
use cbor4ii::core::dec::{Read, Reference};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{MAX_DEPTH, MAX_FRAME};

/// Bytes of the length prefix.
pub const PREFIX: usize = 4;

/// Why bytes are not a frame of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The prefix announces nothing.
    #[error("a frame cannot be empty")]
    Empty,
    /// The prefix announces more than the receiver takes.
    #[error("a frame of {announced} bytes is above the limit of {limit}")]
    TooLarge {
        /// Bytes that the prefix announces.
        announced: u64,
        /// Bytes that the receiver takes.
        limit: u64,
    },
    /// The body is not the CBOR of an expected message.
    #[error("the frame does not hold a message of this protocol")]
    Malformed,
    /// Something follows the message.
    #[error("{0} bytes follow the message in its frame")]
    Trailing(usize),
}

/// Reads a prefix: how many bytes the frame's body has.
pub fn body_length(prefix: [u8; PREFIX], limit: usize) -> Result<usize, FrameError> {
    let announced = u32::from_be_bytes(prefix);
    match usize::try_from(announced) {
        Ok(0) => Err(FrameError::Empty),
        Ok(length) if length <= limit.min(MAX_FRAME) => Ok(length),
        _ => Err(FrameError::TooLarge { announced: announced.into(), limit: limit.min(MAX_FRAME) as u64 }),
    }
}

/// Decodes the body of a frame.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let mut deserializer = cbor4ii::serde::Deserializer::new(Body { rest: body, levels_left: MAX_DEPTH });
    let message = T::deserialize(&mut deserializer).map_err(|_| FrameError::Malformed)?;
    match deserializer.into_inner().rest.len() {
        0 => Ok(message),
        trailing => Err(FrameError::Trailing(trailing)),
    }
}

/// A frame's body being read: what is left of it, and how much deeper it may nest.
struct Body<'a> {
    rest: &'a [u8],
    levels_left: usize,
}

impl<'a> Read<'a> for Body<'a> {
    type Error = Infallible;

    fn fill<'b>(&'b mut self, want: usize) -> Result<Reference<'a, 'b>, Infallible> {
        Ok(Reference::Long(&self.rest[..want.min(self.rest.len())]))
    }

    fn advance(&mut self, count: usize) {
        self.rest = &self.rest[count.min(self.rest.len())..];
    }

    fn step_in(&mut self) -> bool {
        let deeper = self.levels_left.checked_sub(1);
        self.levels_left = deeper.unwrap_or(0);
        deeper.is_some()
    }

    fn step_out(&mut self) {
        self.levels_left += 1;
    }
}

/// Encodes a message without a prefix.
///
/// # Panics
/// Never for this crate's types: they have no map or sequence of unknown length.
pub fn encode_body<T: Serialize>(message: &T) -> Vec<u8> {
    cbor4ii::serde::to_vec(Vec::new(), message).expect("messages of this protocol encode")
}

/// Encodes a message as a frame, ready to be written.
pub fn encode<T: Serialize>(message: &T) -> Bytes {
    let mut frame = cbor4ii::serde::to_vec(vec![0; PREFIX], message).expect("messages of this protocol encode");
    let length = u32::try_from(frame.len() - PREFIX).expect("limits keep a frame below 4 GiB");
    frame[..PREFIX].copy_from_slice(&length.to_be_bytes());
    frame.into()
}
