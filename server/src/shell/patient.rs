//! Writes to a stream for as long as the peer takes something now and then: a slow link is served, a stalled one is
//! given up.

use std::time::Duration;

use bytes::Bytes;
use quinn::SendStream;
use tokio::time::timeout;

/// Why a write did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// The peer took nothing for too long.
    Stalled,
    /// The stream or the connection has ended.
    Ended,
}

/// Writes all chunks; `patience` is for each step forward, not for the whole.
pub(crate) async fn write_all(
    stream: &mut SendStream,
    mut chunks: &mut [Bytes],
    patience: Duration,
) -> Result<(), Unwritten> {
    while !chunks.is_empty() {
        let written = timeout(patience, stream.write_chunks(chunks)).await.map_err(|_| Unwritten::Stalled)?;
        let written = written.map_err(|_| Unwritten::Ended)?;
        chunks = &mut chunks[written.chunks..];
    }
    Ok(())
}
