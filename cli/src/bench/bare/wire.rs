//! Frames of the limit, and its clients.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::{mpsc, oneshot};

use crate::bench::ground::Device;
use crate::bench::load::{Keep, Peer, Publisher, Sink};
use crate::bench::log::{Log, Trailer};
use crate::bench::network::{Network, lost};
use crate::outcome::Outcome;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The number of a case to follow.
    Follow = 1,
    /// The number of a case to publish in.
    Publish = 2,
    /// A message.
    Message = 3,
    /// How many further messages are acknowledged.
    Acknowledged = 4,
    /// The answer to the first two.
    Ready = 5,
}

/// Bytes before a body.
const HEAD: usize = 5;

/// Makes a frame.
pub(super) fn frame(kind: Kind, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + body.len());
    frame.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    frame.put_u8(kind as u8);
    frame.put_slice(body);
    frame.freeze()
}

/// Takes one whole frame off the front.
pub(super) fn take(buffer: &mut BytesMut) -> Option<(Kind, Bytes)> {
    let (head, _) = buffer.split_first_chunk::<HEAD>()?;
    let kind = match head[4] {
        1 => Kind::Follow,
        2 => Kind::Publish,
        3 => Kind::Message,
        4 => Kind::Acknowledged,
        _ => Kind::Ready,
    };
    let length = HEAD + usize::try_from((&head[..4]).get_u32()).ok()?;
    (buffer.len() >= length).then(|| (kind, buffer.split_to(length).freeze()))
}

/// The number in a frame's body.
pub(super) fn number(frame: &[u8]) -> u32 {
    frame.get(HEAD..HEAD + 4).map_or(0, |mut body| body.get_u32())
}

/// The load at the limit.
#[derive(Clone)]
pub(in crate::bench) struct Bare {
    pub(in crate::bench) network: Arc<Network>,
    /// One for each member of each case.
    pub(in crate::bench) devices: Arc<Vec<Device>>,
    /// One for each case: its messages are those of Kring's load.
    pub(in crate::bench) logs: Arc<Vec<Log>>,
    pub(in crate::bench) members: u32,
    pub(in crate::bench) size: usize,
}

/// A connection that was answered.
pub(in crate::bench) struct Open {
    connection: Connection,
    input: RecvStream,
    output: SendStream,
    buffer: BytesMut,
}

impl Bare {
    /// Connects and follows cases, or publishes in one.
    async fn open(&self, kind: Kind, cases: &[u32], device: &Device) -> Outcome<Open> {
        let connection = self.network.connect(device).await?;
        let mut output = connection.open_uni().await.map_err(lost)?;
        for case in cases {
            output.write_chunk(frame(kind, &case.to_be_bytes())).await.map_err(lost)?;
        }
        let mut input = connection.accept_uni().await.map_err(lost)?;
        let (mut buffer, mut ready) = (BytesMut::new(), 0);
        while ready < cases.len() {
            more(&mut input, &mut buffer).await?;
            while take(&mut buffer).is_some() {
                ready += 1;
            }
        }
        Ok(Open { connection, input, output, buffer })
    }

    fn device(&self, case: u32, member: u32) -> &Device {
        &self.devices[(case * self.members + member) as usize]
    }

    /// Connects a device that follows these cases and says nothing.
    pub(in crate::bench) async fn idle(&self, cases: &[u32], device: &Device) -> Outcome<Open> {
        self.open(Kind::Follow, cases, device).await
    }
}

impl Open {
    /// Ends the connection.
    pub(in crate::bench) fn close(&self) {
        self.connection.close(0u32.into(), &[]);
    }
}

async fn more(input: &mut RecvStream, buffer: &mut BytesMut) -> Outcome {
    match input.read_chunk(usize::MAX, true).await.map_err(lost)? {
        Some(chunk) => buffer.extend_from_slice(&chunk.bytes),
        None => return Err(lost("with its stream")),
    }
    Ok(())
}

impl Peer for Bare {
    type Publisher = BarePublisher;

    async fn publisher(&self, case: u32) -> Outcome<BarePublisher> {
        let open = self.open(Kind::Publish, &[case], self.device(case, 0)).await?;
        let Open { connection, mut input, mut output, mut buffer } = open;
        let waiting = Waiting::default();
        let (outgoing, mut queue) = mpsc::unbounded_channel::<Bytes>();
        tokio::spawn(async move {
            let mut frames = Vec::new();
            while queue.recv_many(&mut frames, 256).await > 0 {
                if output.write_all_chunks(&mut frames).await.is_err() {
                    return;
                }
                frames.clear();
            }
        });
        let acknowledged = waiting.clone();
        tokio::spawn(async move {
            loop {
                while let Some((kind, frame)) = take(&mut buffer) {
                    if kind == Kind::Acknowledged {
                        let mut waiting = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                        let count = (number(&frame) as usize).min(waiting.len());
                        for one in waiting.drain(..count) {
                            // Whoever waits no more has gone.
                            let _gone = one.send(());
                        }
                    }
                }
                if more(&mut input, &mut buffer).await.is_err() {
                    acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    return;
                }
            }
        });
        let log = self.logs[case as usize];
        Ok(BarePublisher { outgoing: Mutex::new(outgoing), waiting, log, size: self.size, _connection: connection })
    }

    async fn subscriber(&self, case: u32, member: u32, mut sink: Sink) -> Outcome<Keep> {
        let open = self.open(Kind::Follow, &[case], self.device(case, member)).await?;
        let Open { connection, mut input, output, mut buffer } = open;
        tokio::spawn(async move {
            // The limit numbers nothing; its one log has an order all the same.
            let mut place = 0;
            while more(&mut input, &mut buffer).await.is_ok() {
                while let Some((kind, frame)) = take(&mut buffer) {
                    if kind == Kind::Message {
                        place += 1;
                        sink.deliver(place, &frame);
                    }
                }
            }
        });
        Ok(Box::new((connection, output)))
    }
}

type Waiting = Arc<Mutex<VecDeque<oneshot::Sender<()>>>>;

/// The publishing member of a case.
pub(in crate::bench) struct BarePublisher {
    /// A message and its place among those that wait are put down together.
    outgoing: Mutex<mpsc::UnboundedSender<Bytes>>,
    waiting: Waiting,
    log: Log,
    size: usize,
    _connection: Connection,
}

impl Publisher for BarePublisher {
    async fn publish(&self, trailer: Trailer) -> Outcome {
        let frame = frame(Kind::Message, &self.log.message(self.size, trailer));
        let (done, acknowledged) = oneshot::channel();
        {
            let outgoing = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(done);
            outgoing.send(frame).map_err(lost)?;
        }
        acknowledged.await.map_err(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let whole = [frame(Kind::Follow, &7u32.to_be_bytes()), frame(Kind::Ready, &[])].concat();
        for cut in 0..=whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            let mut found = Vec::new();
            found.extend(std::iter::from_fn(|| take(&mut buffer)));
            buffer.extend_from_slice(&whole[cut..]);
            found.extend(std::iter::from_fn(|| take(&mut buffer)));
            let kinds: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
            assert_eq!(kinds, [Kind::Follow, Kind::Ready], "{cut}");
            assert_eq!(number(&found[0].1), 7);
        }
    }
}
