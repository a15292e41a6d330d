//! Reads one request from its stream: a frame with a bounded length, in bounded time, in bounded memory.
//!
//! Refused, and answered on the stream while the connection lives on: a frame above its limit, bytes that are no
//! request, a stream that is finished within its frame. Given up without an answer: a stream that does not bring its
//! frame in time, and one that is reset. Memory for large frames is shared by all connections and waited for; small ones never wait behind
//! them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kring_protocol::frame::{self, FrameError, PREFIX};
use kring_protocol::message::Request;
use kring_protocol::refusal::Refusal;
use quinn::{ReadExactError, RecvStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Frames up to this size need no share of the memory for large ones: 64 streams of them are 4 MiB a connection.
const SMALL: usize = 64 << 10;
/// The unit in which the memory for large frames is shared out.
const SHARE: usize = 64 << 10;

/// Memory for large frames, of all connections.
pub(crate) struct FrameMemory(Arc<Semaphore>);

impl FrameMemory {
    pub(crate) fn new(bytes: u64) -> Self {
        let shares = usize::try_from(bytes / SHARE as u64).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(shares.min(Semaphore::MAX_PERMITS))))
    }

    async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL {
            return None;
        }
        let shares = u32::try_from(bytes.div_ceil(SHARE)).unwrap_or(u32::MAX);
        // It is never closed.
        self.0.clone().acquire_many_owned(shares).await.ok()
    }
}

/// What a stream brought.
pub(crate) struct Arrived {
    pub(crate) request: Request,
    pub(crate) bytes: u64,
    /// Of a large frame: its share of the memory, to be kept until the request is answered.
    pub(crate) share: Option<OwnedSemaphorePermit>,
}

/// Why a stream brought no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoRequest {
    /// To be answered.
    Refused(Refusal),
    /// It took too long.
    TimedOut,
    /// The stream or its connection ended before the frame did.
    Ended,
}

/// Reads the request.
pub(crate) async fn request(
    stream: &mut RecvStream,
    limit: usize,
    patience: Duration,
    memory: &FrameMemory,
) -> Result<Arrived, NoRequest> {
    timeout(patience, read(stream, limit, memory)).await.unwrap_or(Err(NoRequest::TimedOut))
}

async fn read(stream: &mut RecvStream, limit: usize, memory: &FrameMemory) -> Result<Arrived, NoRequest> {
    let mut prefix = [0; PREFIX];
    stream.read_exact(&mut prefix).await.map_err(|error| ended(&error))?;
    let length = frame::body_length(prefix, limit).map_err(|error| NoRequest::Refused(refusal(error)))?;
    let share = memory.reserve(length).await;
    let body = body(stream, length).await?;
    let request = frame::decode(&body).map_err(|error| NoRequest::Refused(refusal(error)))?;
    Ok(Arrived { request, bytes: (PREFIX + length) as u64, share })
}

/// Grows with what has come, so that a prefix alone takes no memory.
async fn body(stream: &mut RecvStream, length: usize) -> Result<Bytes, NoRequest> {
    let mut body = BytesMut::with_capacity(length.min(SMALL));
    while body.len() < length {
        match stream.read_chunk(length - body.len(), true).await {
            // The usual small request is one chunk: its bytes are used where they lie.
            Ok(Some(chunk)) if chunk.bytes.len() == length => return Ok(chunk.bytes),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk.bytes),
            // Whoever finished the stream within the frame waits for an answer.
            Ok(None) => return Err(NoRequest::Refused(Refusal::Malformed)),
            Err(_) => return Err(NoRequest::Ended),
        }
    }
    Ok(body.freeze())
}

fn ended(error: &ReadExactError) -> NoRequest {
    match error {
        ReadExactError::FinishedEarly(0) => NoRequest::Ended,
        // A stream that ends within the prefix was no request; who sent it can be told.
        ReadExactError::FinishedEarly(_) => NoRequest::Refused(Refusal::Malformed),
        ReadExactError::ReadError(_) => NoRequest::Ended,
    }
}

/// The answer to bytes that are no request.
fn refusal(error: FrameError) -> Refusal {
    match error {
        FrameError::TooLarge { limit, .. } => Refusal::TooLarge { limit },
        FrameError::Empty | FrameError::Malformed | FrameError::Trailing(_) => Refusal::Malformed,
    }
}
