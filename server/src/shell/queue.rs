//! What waits to be written to one connection's push stream: bounded in records and bytes, filled by the engine without
//! ever blocking it, emptied as a whole by one writer so that the network gets as much at once as there is.
//!
//! A record that finds the queue full is refused, and the engine lags its subscription. The notice that says so must
//! still get in, so notices have room of their own; a peer that does not even take those is given up.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use kring_protocol::frame;
use kring_protocol::ids::Subscription;
use tokio::sync::Notify;

use super::deliver;
use crate::engine::{Outbound, Pushed, QueueFull};
use crate::metrics::Metrics;
use std::sync::Arc;

/// Notices that wait beyond the records: one for each subscription that a connection of a busy professional has
/// (200 cases), with its successor, and room to spare.
const NOTICES: usize = 1_024;

/// The queue of one connection.
pub(crate) struct PushQueue {
    state: Mutex<State>,
    changed: Notify,
    most_records: usize,
    most_bytes: usize,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    records: usize,
    notices: usize,
    bytes: usize,
    closed: Option<Closed>,
}

/// Records up to this size are copied behind one another, so that QUIC has one piece to cut packets from and not two for
/// each record; copying 2 KiB takes 50 ns. Larger ones stay shared by all who get them.
const COPIED: usize = 2 << 10;

/// One frame that waits.
enum Frame {
    /// A record: the head of its frame is made when it is written, its bytes are shared by all who get it.
    Record(Subscription, Bytes),
    /// Anything else, whole.
    Notice(Bytes),
}

/// Why nothing more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The connection has ended, or the relay stops.
    Finished,
    /// The peer takes nothing.
    Overflowed,
}

/// Everything that waited, in order, to be written at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl PushQueue {
    pub(crate) fn new(most_records: usize, most_bytes: usize, metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), most_records, most_bytes, metrics }
    }

    /// Everything that waits; waits for something if there is nothing.
    pub(crate) async fn take(&self) -> Result<Batch, Closed> {
        loop {
            let changed = self.changed.notified();
            if let Some(taken) = self.take_waiting() {
                return taken;
            }
            changed.await;
        }
    }

    /// What waits is still written if the end is an orderly one.
    fn take_waiting(&self) -> Option<Result<Batch, Closed>> {
        let mut state = self.state();
        if state.closed == Some(Closed::Overflowed) {
            return Some(Err(Closed::Overflowed));
        }
        if state.frames.is_empty() {
            return state.closed.map(Err);
        }
        let frames = std::mem::take(&mut state.frames);
        (state.records, state.notices, state.bytes) = (0, 0, 0);
        drop(state);
        Some(Ok(Batch::of(frames)))
    }

    /// Nothing more is taken; what waits may be written.
    pub(crate) fn finish(&self) {
        self.state().closed.get_or_insert(Closed::Finished);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that can panic: there are none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, frame: Frame) -> Result<(), QueueFull> {
        let mut state = self.state();
        let bytes = state.bytes + frame.len();
        // The largest record fits an empty queue whatever its bound.
        let full = state.records >= self.most_records || (bytes > self.most_bytes && state.records > 0);
        if full || state.closed.is_some() {
            self.metrics.queue_full.increment(1);
            return Err(QueueFull);
        }
        state.records += 1;
        state.bytes = bytes;
        state.frames.push_back(frame);
        Ok(())
    }

    fn notice(&self, frame: Frame) -> Result<(), QueueFull> {
        let mut state = self.state();
        if state.closed.is_some() {
            return Err(QueueFull);
        }
        if state.notices >= NOTICES {
            self.metrics.queue_full.increment(1);
            state.closed = Some(Closed::Overflowed);
            state.frames = VecDeque::new();
            return Err(QueueFull);
        }
        state.notices += 1;
        state.frames.push_back(frame);
        Ok(())
    }
}

impl Batch {
    fn of(frames: VecDeque<Frame>) -> Self {
        let messages = frames.len() as u64;
        let (mut chunks, mut together) =
            (Vec::new(), BytesMut::with_capacity(frames.iter().map(Frame::copied).sum()));
        for frame in frames {
            match frame {
                Frame::Record(subscription, record) => {
                    deliver::delivery_head(&mut together, subscription, record.len());
                    if record.len() <= COPIED {
                        together.extend_from_slice(&record);
                    } else {
                        chunks.push(together.split().freeze());
                        chunks.push(record);
                    }
                }
                Frame::Notice(notice) => together.extend_from_slice(&notice),
            }
        }
        if !together.is_empty() {
            chunks.push(together.freeze());
        }
        let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks, messages, bytes }
    }
}

impl Frame {
    /// Bytes on the wire, at most.
    fn len(&self) -> usize {
        match self {
            Self::Record(_, record) => deliver::LONGEST_HEAD + record.len(),
            Self::Notice(notice) => notice.len(),
        }
    }

    /// Bytes that are copied, at most.
    fn copied(&self) -> usize {
        match self {
            Self::Record(_, record) if record.len() > COPIED => deliver::LONGEST_HEAD,
            _ => self.len(),
        }
    }
}

impl Outbound for PushQueue {
    fn push(&self, push: Pushed) -> Result<(), QueueFull> {
        match push {
            Pushed::Record { subscription, record } => self.record(Frame::Record(subscription, record)),
            Pushed::Notice(push) => self.notice(Frame::Notice(frame::encode(&push))),
        }
    }

    fn flush(&self) {
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use kring_protocol::message::{Lagged, Push};

    use super::*;

    fn queue(records: usize, bytes: usize) -> PushQueue {
        PushQueue::new(records, bytes, Arc::new(Metrics::new()))
    }

    fn record(length: usize) -> Pushed {
        Pushed::Record { subscription: Subscription(1), record: vec![0; length].into() }
    }

    fn lagged() -> Pushed {
        Pushed::Notice(Push::Lagged(Lagged { subscription: Subscription(1) }))
    }

    #[tokio::test]
    async fn everything_that_waits_is_taken_at_once_and_in_order() {
        let queue = queue(8, 1_000);
        queue.push(record(10)).unwrap();
        queue.push(lagged()).unwrap();
        let batch = queue.take().await.unwrap();
        assert_eq!((batch.messages, batch.chunks.len()), (2, 1));
        assert!(batch.chunks[0].ends_with(&frame::encode(&Push::Lagged(Lagged { subscription: Subscription(1) }))));
        assert_eq!(batch.bytes, batch.chunks[0].len() as u64);
    }

    #[tokio::test]
    async fn large_records_stay_shared_and_everything_keeps_its_order() {
        let queue = queue(8, 1 << 20);
        let large = Bytes::from(vec![7; COPIED + 1]);
        let mut whole = BytesMut::new();
        for (number, record) in
            [Bytes::from_static(b"small"), large.clone(), Bytes::from_static(b"last")].into_iter().enumerate()
        {
            let subscription = Subscription(number as u32);
            deliver::delivery_head(&mut whole, subscription, record.len());
            whole.extend_from_slice(&record);
            queue.push(Pushed::Record { subscription, record }).unwrap();
        }
        let batch = queue.take().await.unwrap();
        assert_eq!(batch.chunks.concat(), whole);
        assert!(batch.chunks.iter().any(|chunk| chunk.as_ptr() == large.as_ptr()));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_records_and_still_takes_the_notice_that_says_so() {
        let queue = queue(2, 1_000);
        queue.push(record(10)).unwrap();
        queue.push(record(10)).unwrap();
        assert_eq!(queue.push(record(10)), Err(QueueFull));
        queue.push(lagged()).unwrap();
        assert_eq!(queue.take().await.unwrap().messages, 3);
        queue.push(record(10)).unwrap();
    }

    #[test]
    fn bytes_are_bounded_but_the_largest_record_fits_an_empty_queue() {
        let queue = queue(8, 100);
        queue.push(record(500)).unwrap();
        assert_eq!(queue.push(record(1)), Err(QueueFull));
    }

    #[tokio::test]
    async fn a_peer_that_does_not_even_take_notices_is_given_up() {
        let queue = queue(8, 100);
        for _ in 0..NOTICES {
            queue.push(lagged()).unwrap();
        }
        assert_eq!(queue.push(lagged()), Err(QueueFull));
        assert_eq!(queue.take().await, Err(Closed::Overflowed));
    }

    #[tokio::test]
    async fn what_waits_at_an_orderly_end_is_still_written() {
        let queue = queue(8, 100);
        queue.push(lagged()).unwrap();
        queue.finish();
        assert_eq!(queue.take().await.unwrap().messages, 1);
        assert_eq!(queue.take().await, Err(Closed::Finished));
        assert_eq!(queue.push(lagged()), Err(QueueFull));
    }

    #[tokio::test]
    async fn a_writer_that_waits_is_woken_by_the_flush() {
        let queue = Arc::new(queue(8, 100));
        let writer = tokio::spawn({
            let queue = queue.clone();
            async move { queue.take().await }
        });
        tokio::task::yield_now().await;
        queue.push(lagged()).unwrap();
        queue.push(lagged()).unwrap();
        queue.flush();
        assert_eq!(writer.await.unwrap().unwrap().messages, 2);
    }
}
