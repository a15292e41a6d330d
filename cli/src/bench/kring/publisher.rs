//! The publishing member of a case: its submissions follow one another on one stream, as those of a device do that has
//! much to say.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kring_protocol::frame;
use kring_protocol::ids::{Epoch, OperationId};
use kring_protocol::message::{Access, Reply, Request, Submit};
use quinn::{RecvStream, SendStream};
use tokio::sync::{mpsc, oneshot};

use super::{Frames, Member, unexpected};
use crate::bench::load::Publisher;
use crate::bench::log::{Log, Trailer};
use crate::bench::network::lost;
use crate::outcome::{Cause, Failure, Outcome};

/// Frames that are written at once, at most.
const TOGETHER: usize = 256;

type Waiting = Arc<Mutex<VecDeque<oneshot::Sender<Outcome>>>>;

/// The publishing member of a case.
pub(in crate::bench) struct KringPublisher {
    member: Member,
    log: Log,
    size: usize,
    /// A submission and its place among those that wait are put down together.
    outgoing: Mutex<mpsc::UnboundedSender<Bytes>>,
    waiting: Waiting,
    /// The first submission has brought the proof that the others rest on.
    proven: AtomicBool,
}

impl KringPublisher {
    /// Opens the stream.
    pub(super) async fn open(member: Member, log: Log, size: usize) -> Outcome<Self> {
        let (send, receive) = member.connection.open_bi().await.map_err(lost)?;
        let (outgoing, queue) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        tokio::spawn(write(send, queue));
        tokio::spawn(read(receive, waiting.clone()));
        Ok(Self { member, log, size, outgoing: Mutex::new(outgoing), waiting, proven: AtomicBool::new(false) })
    }

    fn access(&self) -> Outcome<Access> {
        match self.proven.swap(true, Ordering::Relaxed) {
            true => Ok(Access { group: self.log.group, epoch: Epoch(0), proof: None }),
            false => self.member.access(&self.log),
        }
    }
}

impl Publisher for KringPublisher {
    async fn publish(&self, trailer: Trailer) -> Outcome {
        let (done, acknowledged) = oneshot::channel();
        {
            let outgoing = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
            let operation = OperationId(rand::random());
            let message = self.log.message(self.size, trailer);
            let submit = Request::from(Submit { access: self.access()?, operation, message });
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(done);
            outgoing.send(frame::encode(&submit)).map_err(lost)?;
        }
        acknowledged.await.map_err(lost)?
    }
}

/// Writes what waits in one go.
async fn write(mut send: SendStream, mut queue: mpsc::UnboundedReceiver<Bytes>) {
    let mut frames = Vec::new();
    while queue.recv_many(&mut frames, TOGETHER).await > 0 {
        if send.write_all_chunks(&mut frames).await.is_err() {
            return;
        }
        frames.clear();
    }
}

/// Answers who waits, in order; the end of the stream ends every wait.
async fn read(mut receive: RecvStream, waiting: Waiting) -> Outcome {
    let mut frames = Frames::default();
    while frames.more(&mut receive).await? {
        while let Some(body) = frames.next()? {
            let outcome = match frame::decode(&body).map_err(lost)? {
                Reply::Receipt(_) => Ok(()),
                Reply::Refused(refusal) => Err(Failure::new(Cause::Refused, refusal)),
                other => Err(unexpected(&other)),
            };
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            // Whoever waits no more has gone.
            let _gone = next.map(|next| next.send(outcome));
        }
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    Ok(())
}
