//! Writes a connection's push stream: everything that waits goes in one write, so that the network gets full packets
//! and the kernel many of them at once.

use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;

use super::patient::{self, Unwritten};
use super::queue::{Closed, PushQueue};
use crate::metrics::Metrics;

/// Live records go before backlog: a device that catches up still hears at once what is said now.
const PRIORITY: i32 = 1;

/// Writes until the queue is closed or the connection ends. Ends only after the peer has what was written.
pub(crate) async fn write(
    connection: Connection,
    queue: Arc<PushQueue>,
    patience: Duration,
    metrics: Arc<Metrics>,
) -> Closed {
    let Ok(mut stream) = connection.open_uni().await else { return Closed::Finished };
    // An error says that the stream has ended, which the first write says again.
    let _ended = stream.set_priority(PRIORITY);
    loop {
        let mut batch = match queue.take().await {
            Ok(batch) => batch,
            Err(Closed::Finished) => {
                let _ended = stream.finish();
                let _acknowledged = stream.stopped().await;
                return Closed::Finished;
            }
            Err(Closed::Overflowed) => return Closed::Overflowed,
        };
        metrics.push_writes.increment(1);
        metrics.pushes.increment(batch.messages);
        metrics.push_bytes.increment(batch.bytes);
        match patient::write_all(&mut stream, &mut batch.chunks, patience).await {
            Ok(()) => {}
            Err(Unwritten::Stalled) => return Closed::Overflowed,
            Err(Unwritten::Ended) => return Closed::Finished,
        }
    }
}
