//! A device that speaks the wire alone: what the load does at a Kring relay, with real proofs and no MLS.

mod publisher;

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use kring_protocol::VERSION;
use kring_protocol::frame::{self, PREFIX};
use kring_protocol::ids::{Epoch, OperationId, Seq, Signature, Subscription};
use kring_protocol::limits::{MAX_FRAME, MAX_READ};
use kring_protocol::message::{Access, CreateGroup, Follow, Hello, Push, Read, Record, Reply, Request};
use kring_protocol::proof::{TLS_EXPORTER_LABEL, TLS_EXPORTER_LENGTH, signed_text};
use quinn::{Connection, RecvStream};

use super::ground::Device;
use super::load::{Keep, Peer, Sink};
use super::log::{Keyed, Log};
use super::network::{Network, lost};
use crate::outcome::{Cause, Failure, Outcome};

pub(super) use self::publisher::KringPublisher;

/// Of so many deliveries one is decoded whole; of the others the few bytes that are needed are read, so that the
/// generator does not need more of the machine than the relay.
const DECODED: u64 = 64;

/// One connection that has said hello.
pub(super) struct Member {
    connection: Connection,
    exporter: [u8; TLS_EXPORTER_LENGTH],
}

impl Member {
    /// Connects and says hello.
    pub(super) async fn open(network: &Network, device: &Device) -> Outcome<Self> {
        let connection = network.connect(device).await?;
        let mut exporter = [0; TLS_EXPORTER_LENGTH];
        connection
            .export_keying_material(&mut exporter, TLS_EXPORTER_LABEL, &[])
            .map_err(|_| Failure::new(Cause::Internal, "nothing can be exported from a connection"))?;
        let member = Self { connection, exporter };
        match member.ask(&Hello { version: VERSION, features: Vec::new() }.into()).await? {
            Reply::Welcome(_) => Ok(member),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a request that has one answer.
    pub(super) async fn ask(&self, request: &Request) -> Outcome<Reply> {
        last(self.send(request).await?).await
    }

    /// Sends a request; its answer comes on the stream.
    async fn send(&self, request: &Request) -> Outcome<RecvStream> {
        let (mut send, receive) = self.connection.open_bi().await.map_err(lost)?;
        send.write_chunk(frame::encode(request)).await.map_err(lost)?;
        send.finish().map_err(lost)?;
        Ok(receive)
    }

    /// A log's first epoch with the proof of its key.
    pub(super) fn access(&self, log: &Log) -> Outcome<Access> {
        Keyed::new(log).map(|keyed| self.proven(&keyed))
    }

    fn proven(&self, log: &Keyed) -> Access {
        let signature = log.key.sign(&signed_text(&self.exporter, log.group, Epoch(0)));
        Access { group: log.group, epoch: Epoch(0), proof: Signature::from_slice(signature.as_ref()) }
    }

    /// Opens a log.
    pub(super) async fn create(&self, log: &Log) -> Outcome {
        let request = CreateGroup {
            access: self.access(log)?,
            operation: OperationId(rand::random()),
            access_key: log.access_key()?,
            cursor: None,
        };
        self.ask(&request.into()).await.map(|_receipt| ())
    }

    /// Follows logs from their newest records on, all at once as a client does; they are numbered in their order from `first` on.
    pub(super) async fn follow(&self, logs: impl IntoIterator<Item = &Keyed>, first: u32) -> Outcome {
        let mut asked = Vec::new();
        for (number, log) in (first..).zip(logs) {
            let access = self.proven(log);
            let request = Follow { access, subscription: Subscription(number), after: Some(Seq(0)) };
            asked.push(self.send(&request.into()).await?);
        }
        for answer in asked {
            match last(answer).await? {
                Reply::Live(_) => {}
                other => return Err(unexpected(&other)),
            }
        }
        Ok(())
    }

    /// Reads a whole log after a record; says how many records and how many bytes of messages it was.
    pub(super) async fn read(&self, log: &Log, mut after: Seq) -> Outcome<(u64, u64)> {
        let (mut records, mut bytes) = (0, 0);
        loop {
            let request = Read { access: self.access(log)?, after: Some(after), limit: MAX_READ };
            let mut end = None;
            each(self.send(&request.into()).await?, |reply| match reply {
                Reply::Record(record) => {
                    records += 1;
                    bytes += record.message.len() as u64;
                }
                other => end = Some(other),
            })
            .await?;
            match end {
                Some(Reply::ReadEnd(end)) if end.through >= end.head => return Ok((records, bytes)),
                Some(Reply::ReadEnd(end)) => after = end.through,
                Some(Reply::Refused(refusal)) => return Err(Failure::new(Cause::Refused, refusal)),
                Some(other) => return Err(unexpected(&other)),
                None => return Err(lost("without the end of a read")),
            }
        }
    }

    /// The stream of pushes; it shows once something is pushed.
    pub(super) async fn pushes(&self) -> Outcome<RecvStream> {
        self.connection.accept_uni().await.map_err(lost)
    }

    /// Waits until the connection has ended.
    pub(super) async fn ended(&self) {
        // Why is no matter.
        let _why = self.connection.closed().await;
    }

    /// Ends the connection.
    pub(super) fn close(&self) {
        self.connection.close(0u32.into(), &[]);
    }
}

/// The last part of an answer.
async fn last(answer: RecvStream) -> Outcome<Reply> {
    let mut last = None;
    each(answer, |reply| last = Some(reply)).await?;
    match last {
        Some(Reply::Refused(refusal)) => Err(Failure::new(Cause::Refused, refusal)),
        Some(reply) => Ok(reply),
        None => Err(lost("without an answer")),
    }
}

/// Every part of an answer goes to `take`.
async fn each(mut answer: RecvStream, mut take: impl FnMut(Reply)) -> Outcome {
    let mut frames = Frames::default();
    while frames.more(&mut answer).await? {
        while let Some(body) = frames.next()? {
            take(frame::decode(&body).map_err(lost)?);
        }
    }
    Ok(())
}

fn unexpected(reply: &Reply) -> Failure {
    Failure::new(Cause::Internal, format!("the relay answered something else: {reply:?}"))
}

/// Takes frames from a stream.
#[derive(Default)]
pub(super) struct Frames(BytesMut);

impl Frames {
    /// Waits for more bytes; false at the stream's end.
    pub(super) async fn more(&mut self, stream: &mut RecvStream) -> Outcome<bool> {
        match stream.read_chunk(usize::MAX, true).await.map_err(lost)? {
            Some(chunk) => {
                self.0.extend_from_slice(&chunk.bytes);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The next whole frame's body.
    pub(super) fn next(&mut self) -> Outcome<Option<BytesMut>> {
        let Some((prefix, rest)) = self.0.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = frame::body_length(*prefix, MAX_FRAME).map_err(lost)?;
        if rest.len() < length {
            return Ok(None);
        }
        self.0.advance(PREFIX);
        Ok(Some(self.0.split_to(length)))
    }
}

/// The load at a Kring relay.
#[derive(Clone)]
pub(super) struct Kring {
    pub(super) network: Arc<Network>,
    /// One for each member of each case.
    pub(super) devices: Arc<Vec<Device>>,
    /// One for each case.
    pub(super) logs: Arc<Vec<Log>>,
    pub(super) members: u32,
    /// Bytes of a message.
    pub(super) size: usize,
}

impl Kring {
    async fn member(&self, case: u32, member: u32) -> Outcome<Member> {
        Member::open(&self.network, &self.devices[(case * self.members + member) as usize]).await
    }
}

impl Peer for Kring {
    type Publisher = KringPublisher;

    async fn publisher(&self, case: u32) -> Outcome<KringPublisher> {
        let (log, member) = (self.logs[case as usize], self.member(case, 0).await?);
        member.create(&log).await?;
        KringPublisher::open(member, log, self.size).await
    }

    async fn subscriber(&self, case: u32, member: u32, mut sink: Sink) -> Outcome<Keep> {
        let (log, member) = (self.logs[case as usize], Arc::new(self.member(case, member).await?));
        member.follow([&Keyed::new(&log)?], case).await?;
        let receiving = member.clone();
        tokio::spawn(async move {
            // The end of the connection is the end of the load.
            let _ended = receive(&receiving, &mut sink).await;
        });
        Ok(Box::new(member))
    }
}

/// Hands what is pushed to the sink until the connection ends.
pub(super) async fn receive(member: &Member, sink: &mut Sink) -> Outcome {
    let mut stream = member.pushes().await?;
    let mut frames = Frames::default();
    let mut count = 0;
    while frames.more(&mut stream).await? {
        while let Some(body) = frames.next()? {
            count += 1;
            match delivery(&body, count % DECODED == 1) {
                Some((seq, message)) => sink.deliver(seq.0, message),
                None => sink.fault(),
            }
        }
    }
    Ok(())
}

/// Place and message of a delivery. The message of an application record is the last thing in it.
fn delivery(body: &[u8], whole: bool) -> Option<(Seq, &[u8])> {
    let (seq, record) = peek(body)?;
    if whole {
        let Ok(Push::Delivery(delivery)) = frame::decode(body) else { return None };
        let decoded: Record = frame::decode(&delivery.record).ok()?;
        let agrees = decoded.seq == seq && record.ends_with(&decoded.message);
        return agrees.then_some((seq, record));
    }
    Some((seq, record))
}

/// Reads the sequence number at the front of a delivery without decoding the rest: `[0, {0: subscription, 1: record}]`, and
/// the record begins `{0: seq, …`.
fn peek(body: &[u8]) -> Option<(Seq, &[u8])> {
    let rest = body.strip_prefix(&[0x82, 0x00, 0xa2, 0x00])?;
    let (_subscription, rest) = unsigned(rest, 0)?;
    let rest = rest.strip_prefix(&[0x01])?;
    let (length, record) = unsigned(rest, 2)?;
    let map = record.split_first().filter(|(head, _)| **head >> 5 == 5)?;
    let (seq, _) = unsigned(map.1.strip_prefix(&[0x00])?, 0)?;
    (u64::try_from(record.len()).ok() == Some(length)).then_some((Seq(seq), record))
}

/// A head of this major type (RFC 8949 §3), and what follows it.
fn unsigned(bytes: &[u8], major: u8) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first()?;
    if head >> 5 != major {
        return None;
    }
    let width = match head & 0x1f {
        small @ 0..24 => return Some((small.into(), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(width)?;
    Some((number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kring_protocol::ids::Timestamp;
    use kring_protocol::message::Delivery;
    use kring_protocol::payload::Payload;

    use super::super::log::Trailer;
    use super::*;

    #[test]
    fn what_is_peeked_of_a_delivery_is_what_it_decodes_to() {
        let log = Log::random();
        for (seq, size, number) in [(1, 80, 0), (24, 512, 23), (300, 512, 24), (1 << 20, 70_000, 1 << 20)] {
            let trailer = Trailer { case: 1, sent: seq };
            let record = Record {
                seq: Seq(seq),
                at: Timestamp(1_800_000_000_000),
                operation: OperationId([1; 16]),
                message: log.message(size, trailer),
                next_access_key: None,
                closes: None,
            };
            let record = Payload(Bytes::from(frame::encode_body(&record)));
            let push = Push::Delivery(Delivery { subscription: Subscription(number), record });
            let body = frame::encode_body(&push);
            for whole in [false, true] {
                let (found, message) = delivery(&body, whole).expect("a delivery");
                assert_eq!((found, Trailer::of(message)), (Seq(seq), Some(trailer)));
            }
            assert!(delivery(&body[..body.len() - 1], false).is_none());
        }
    }

    #[test]
    fn another_push_is_no_delivery() {
        let push = Push::Lagged(kring_protocol::message::Lagged { subscription: Subscription(1) });
        assert!(delivery(&frame::encode_body(&push), false).is_none());
    }
}
