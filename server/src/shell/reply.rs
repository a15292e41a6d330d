//! Writes the answer to one request: frames, each in bounded time, then the stream's end.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kring_protocol::frame;
use kring_protocol::message::Reply;
use quinn::SendStream;

use super::patient::{self, Unwritten};
use super::{closing, deliver};
use crate::metrics::Metrics;

/// The answer being written.
pub(crate) struct Answer<'m> {
    stream: SendStream,
    patience: Duration,
    metrics: &'m Metrics,
}

/// The peer does not take the answer, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotTaken;

impl<'m> Answer<'m> {
    pub(crate) fn new(stream: SendStream, patience: Duration, metrics: &'m Metrics) -> Self {
        Self { stream, patience, metrics }
    }

    /// Writes the last frame and ends the stream.
    pub(crate) async fn finish(mut self, reply: &Reply) -> Result<(), NotTaken> {
        self.frames(std::slice::from_ref(reply)).await?;
        self.end()
    }

    /// Writes frames together.
    pub(crate) async fn frames(&mut self, replies: &[Reply]) -> Result<(), NotTaken> {
        let mut chunks = Vec::with_capacity(replies.len());
        for reply in replies {
            if let Reply::Refused(refusal) = reply {
                self.metrics.refusal(refusal);
                tracing::debug!(number = refusal.number(), "refused");
            }
            chunks.push(frame::encode(reply));
        }
        self.write(&mut chunks).await
    }

    /// Ends the stream.
    pub(crate) fn end(mut self) -> Result<(), NotTaken> {
        self.stream.finish().map_err(|_| NotTaken)
    }

    /// Writes records that are encoded already.
    pub(crate) async fn records(&mut self, records: impl IntoIterator<Item = Bytes>) -> Result<(), NotTaken> {
        let (mut chunks, mut heads) = (Vec::new(), BytesMut::new());
        for record in records {
            deliver::record_head(&mut heads, record.len());
            chunks.push(heads.split().freeze());
            chunks.push(record);
        }
        self.metrics.backlog_records.increment(chunks.len() as u64 / 2);
        self.write(&mut chunks).await
    }

    /// Writes one frame that is not the last.
    pub(crate) async fn frame(&mut self, reply: &Reply) -> Result<(), NotTaken> {
        self.write(&mut [frame::encode(reply)]).await
    }

    /// Gives the stream up.
    pub(crate) fn abandon(mut self) {
        self.metrics.requests_timed_out.increment(1);
        // An error says that the stream has ended already.
        let _ended = self.stream.reset(closing::busy());
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), NotTaken> {
        match patient::write_all(&mut self.stream, chunks, self.patience).await {
            Ok(()) => Ok(()),
            Err(Unwritten::Ended) => Err(NotTaken),
            Err(Unwritten::Stalled) => {
                self.metrics.requests_timed_out.increment(1);
                let _ended = self.stream.reset(closing::busy());
                Err(NotTaken)
            }
        }
    }
}
