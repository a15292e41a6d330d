//! Reads one request from its stream: a frame with a bounded length, in bounded time, in bounded memory.
//!
//! Refused, and answered on the stream while the connection lives on: a frame above its limit, bytes that are no
//! request, a stream that is finished within its frame, a large frame for which there is no memory. Given up without an
//! answer: a stream that does not bring its frame in time or makes no progress, and one that is reset.
//!
//! Memory for large frames is shared by all connections. A connection receives one of them at a time, and takes memory
//! as the bytes come: what it announces alone takes nothing from anybody. Small frames never wait behind large ones.

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
pub(super) const SMALL: usize = 64 << 10;
/// The unit in which the memory for large frames is shared out.
const SHARE: usize = 64 << 10;
/// In so long each further share of a frame has to come: 52 kbit/s, less than the slowest mobile network gives.
const PROGRESS: Duration = Duration::from_secs(10);
/// So long a frame waits for its next share of the memory. Then it gives back what it has: of many that each hold a part
/// and wait for more, some come through.
const SCARCE: Duration = Duration::from_secs(2);

/// Memory for large frames, of all connections.
pub(crate) struct FrameMemory(Arc<Semaphore>);

impl FrameMemory {
    pub(crate) fn new(bytes: u64) -> Self {
        let shares = usize::try_from(bytes / SHARE as u64).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(shares.min(Semaphore::MAX_PERMITS))))
    }

    /// One more share.
    async fn share(&self) -> Result<OwnedSemaphorePermit, NoRequest> {
        let scarce =
            NoRequest::Refused(Refusal::Busy { after_ms: u64::try_from(SCARCE.as_millis()).unwrap_or(u64::MAX) });
        // It is never closed.
        timeout(SCARCE, self.0.clone().acquire_owned()).await.ok().and_then(Result::ok).ok_or(scarce)
    }
}

/// A connection's turn to receive a large frame.
#[derive(Clone)]
pub(crate) struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// What a large frame holds, until its request is answered.
pub(crate) struct Share {
    _turn: OwnedSemaphorePermit,
    memory: Option<OwnedSemaphorePermit>,
}

impl Share {
    async fn begin(turn: &Turn) -> Result<Self, NoRequest> {
        // It is never closed.
        let turn = turn.0.clone().acquire_owned().await.map_err(|_| NoRequest::Ended)?;
        Ok(Self { _turn: turn, memory: None })
    }

    async fn grow(&mut self, memory: &FrameMemory) -> Result<(), NoRequest> {
        let more = memory.share().await?;
        match &mut self.memory {
            Some(held) => held.merge(more),
            None => self.memory = Some(more),
        }
        Ok(())
    }
}

/// What a stream brought.
pub(crate) struct Arrived {
    pub(crate) request: Request,
    pub(crate) bytes: u64,
    /// Of a large frame: its share of the memory, to be kept until the request is answered.
    pub(crate) share: Option<Share>,
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
    turn: &Turn,
) -> Result<Arrived, NoRequest> {
    timeout(patience, read(stream, limit, memory, turn)).await.unwrap_or(Err(NoRequest::TimedOut))
}

async fn read(
    stream: &mut RecvStream,
    limit: usize,
    memory: &FrameMemory,
    turn: &Turn,
) -> Result<Arrived, NoRequest> {
    let mut prefix = [0; PREFIX];
    stream.read_exact(&mut prefix).await.map_err(|error| ended(&error))?;
    let length = frame::body_length(prefix, limit).map_err(|error| NoRequest::Refused(refusal(error)))?;
    let (body, share) = if length <= SMALL {
        (small(stream, length).await?, None)
    } else {
        let mut share = Share::begin(turn).await?;
        (large(stream, length, memory, &mut share).await?, Some(share))
    };
    let request = frame::decode(&body).map_err(|error| NoRequest::Refused(refusal(error)))?;
    Ok(Arrived { request, bytes: (PREFIX + length) as u64, share })
}

/// The usual small request is one chunk: its bytes are used where they lie.
async fn small(stream: &mut RecvStream, length: usize) -> Result<Bytes, NoRequest> {
    let first = chunk(stream, length).await?;
    if first.len() == length {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(length);
    body.extend_from_slice(&first);
    fill(stream, &mut body, length).await?;
    Ok(body.freeze())
}

/// Grows with what has come, so that a prefix alone takes no memory.
async fn large(
    stream: &mut RecvStream,
    length: usize,
    memory: &FrameMemory,
    share: &mut Share,
) -> Result<Bytes, NoRequest> {
    let mut body = BytesMut::with_capacity(SHARE);
    while body.len() < length {
        share.grow(memory).await?;
        let next = length.min(body.len() + SHARE);
        timeout(PROGRESS, fill(stream, &mut body, next)).await.map_err(|_| NoRequest::TimedOut)??;
    }
    Ok(body.freeze())
}

/// Reads until there are so many bytes.
async fn fill(stream: &mut RecvStream, body: &mut BytesMut, length: usize) -> Result<(), NoRequest> {
    while body.len() < length {
        body.extend_from_slice(&chunk(stream, length - body.len()).await?);
    }
    Ok(())
}

async fn chunk(stream: &mut RecvStream, most: usize) -> Result<Bytes, NoRequest> {
    match stream.read_chunk(most, true).await {
        Ok(Some(chunk)) => Ok(chunk.bytes),
        // Whoever finished the stream within the frame waits for an answer.
        Ok(None) => Err(NoRequest::Refused(Refusal::Malformed)),
        Err(_) => Err(NoRequest::Ended),
    }
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
pub(super) fn refusal(error: FrameError) -> Refusal {
    match error {
        FrameError::TooLarge { limit, .. } => Refusal::TooLarge { limit },
        FrameError::Empty | FrameError::Malformed | FrameError::Trailing(_) => Refusal::Malformed,
    }
}
