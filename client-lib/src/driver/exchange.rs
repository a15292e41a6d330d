//! One request and its answer, on a stream of their own.
//!
//! Nothing that a relay sends is believed: a frame that is too large or unreadable, an answer of another kind than the
//! request asks for, one that grows beyond its bound, ends early or does not come is a [`RelayFault`].

use std::future::Future;
use std::time::Duration;

use bytes::BytesMut;
use kring_protocol::frame::{self, PREFIX};
use kring_protocol::limits::{MAX_MESSAGE, MAX_READ};
use kring_protocol::message::{Access, Reply, Request};
use kring_protocol::refusal::Refusal;
use quinn::{Connection, ReadError, RecvStream, SendStream, WriteError};
use serde::de::DeserializeOwned;

use super::connection::RECEIVE_WINDOW;
use super::surroundings::{self, Since};
use crate::api::RelayFault;

/// Longest silence in an answer. A relay answers within milliseconds; a disk that stalls takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most bytes in a frame from the relay: the largest message or note, and room for what stands around it.
const FRAME_LIMIT: usize = MAX_MESSAGE + (64 << 10);

/// Most bytes in an answer that is handed over as a whole: a full read and the record that went over its limit.
const ANSWER_LIMIT: usize = MAX_READ as usize + FRAME_LIMIT;

/// Most bytes of revocation lists in one answer: those of 1,000 organisations with 1,600 entries of 40 bytes each.
const LISTS_LIMIT: usize = 64 << 20;

/// Most bytes that are set aside before they have come: an announced length is not believed.
const SET_ASIDE: usize = 64 << 10;

/// Why an exchange came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The relay breaks the protocol.
    Fault(RelayFault),
    /// The connection has ended; it knows why.
    Lost,
}

impl From<RelayFault> for Failure {
    fn from(fault: RelayFault) -> Self {
        Self::Fault(fault)
    }
}

/// Frames that come on a stream.
pub(super) struct Frames {
    stream: RecvStream,
    patience: Duration,
}

impl Frames {
    /// Reads frames from `stream`.
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, patience: PATIENCE }
    }

    /// The next frame's body; `None`: the stream has ended between two frames.
    pub(super) async fn next_body(&mut self) -> Result<Option<BytesMut>, Failure> {
        let prefix = self.bytes(PREFIX).await?;
        if prefix.is_empty() {
            return Ok(None);
        }
        let prefix = prefix.as_ref().try_into().map_err(|_| RelayFault::Unfinished)?;
        let length = frame::body_length(prefix, FRAME_LIMIT).map_err(|error| match error {
            frame::FrameError::TooLarge { .. } => RelayFault::TooMuch,
            frame::FrameError::Empty | frame::FrameError::Malformed | frame::FrameError::Trailing(_) => {
                RelayFault::Frame
            }
        })?;
        let body = self.bytes(length).await?;
        if body.len() < length { Err(RelayFault::Unfinished.into()) } else { Ok(Some(body)) }
    }

    /// The next message, without waiting for longer than a relay may take.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        match in_time(self.patience, self.next_body()).await? {
            Some(body) => Ok(Some(decode(&body)?)),
            None => Ok(None),
        }
    }

    /// Up to `wanted` bytes; fewer if the stream ends first.
    async fn bytes(&mut self, wanted: usize) -> Result<BytesMut, Failure> {
        let mut bytes = BytesMut::with_capacity(wanted.min(SET_ASIDE));
        while bytes.len() < wanted {
            match self.stream.read_chunk(wanted - bytes.len(), true).await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk.bytes),
                Ok(None) => break,
                Err(ReadError::Reset(_)) => return Err(RelayFault::Unfinished.into()),
                Err(
                    ReadError::ConnectionLost(_)
                    | ReadError::ClosedStream
                    | ReadError::IllegalOrderedRead
                    | ReadError::ZeroRttRejected,
                ) => return Err(Failure::Lost),
            }
        }
        Ok(bytes)
    }
}

/// Decodes a frame's body.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, RelayFault> {
    frame::decode(body).map_err(|_| RelayFault::Frame)
}

/// Gives up on a relay that is silent.
async fn in_time<T>(patience: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    surroundings::within(patience, work).await.unwrap_or(Err(RelayFault::Silent.into()))
}

/// Longest time without a single packet while something is under way: a living relay acknowledges within a round trip
/// what [`Watch`] sends it every second, even while its disk stalls. QUIC's own idle time-out is far longer, so that idle devices need few packets.
const DEAF_AFTER: Duration = Duration::from_secs(5);

/// A stream on which requests follow one another.
pub(super) struct Outbound {
    stream: SendStream,
    patience: Duration,
}

impl Outbound {
    /// Writes requests in one go.
    pub(super) async fn write(&mut self, requests: &[Request]) -> Result<(), Failure> {
        let mut frames: Vec<_> = requests.iter().map(frame::encode).collect();
        in_time(self.patience, async {
            match self.stream.write_all_chunks(&mut frames).await {
                // Stopped: the relay wants no more of it; its answer says why.
                Ok(()) | Err(WriteError::Stopped(_)) => Ok(()),
                Err(WriteError::ConnectionLost(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected) => {
                    Err(Failure::Lost)
                }
            }
        })
        .await
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self) {
        // Fails only if the relay has stopped the stream, which does not matter.
        let _ = self.stream.finish();
    }
}

/// A connection on which requests are sent.
pub(super) struct Exchange {
    connection: Connection,
    patience: Duration,
    deaf_after: Duration,
}

/// Watches for a relay that has vanished: killed, or cut off.
pub(super) struct Watch {
    packets: u64,
    since: Since,
    provocations: u32,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn begin() -> Self {
        Self { packets: 0, since: Since::now(), provocations: 0 }
    }

    /// Whether nothing has come for too long, although something is under way. To be asked about every second.
    pub(super) fn is_deaf(&mut self, exchange: &Exchange, under_way: bool) -> bool {
        let packets = exchange.connection.stats().udp_rx.datagrams;
        if !under_way || packets != self.packets {
            self.packets = packets;
            self.since = Since::now();
        }
        if under_way {
            self.provoke(&exchange.connection);
        }
        self.since.passed() >= exchange.deaf_after
    }

    /// Has the relay acknowledge something: QUIC's keep-alive is longer than the patience here, and an answer may take
    /// longer still. One more byte of flow control is a frame that must be acknowledged (RFC 9000 §13.2.1) and changes
    /// nothing else.
    fn provoke(&mut self, connection: &Connection) {
        self.provocations = self.provocations.saturating_add(1);
        connection.set_receive_window(RECEIVE_WINDOW.saturating_add(self.provocations).into());
    }
}

impl Exchange {
    /// Sends requests on `connection`.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, patience: PATIENCE, deaf_after: DEAF_AFTER }
    }

    /// The same with less patience.
    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same, noticing sooner that the relay has vanished.
    #[cfg(test)]
    pub(super) fn deaf_after(self, deaf_after: Duration) -> Self {
        Self { deaf_after, ..self }
    }

    /// The connection.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends a request and gives back the stream on which the answer comes.
    pub(super) async fn send(&self, request: &Request) -> Result<Frames, Failure> {
        in_time(self.patience, async {
            let (mut sender, receiver) = self.connection.open_bi().await.map_err(|_| Failure::Lost)?;
            match sender.write_chunk(frame::encode(request)).await {
                Ok(()) => {
                    // Fails only if the relay has stopped the stream, which does not matter: its answer says why.
                    let _ = sender.finish();
                }
                // The relay wants no more of it; its answer says why.
                Err(WriteError::Stopped(_)) => {}
                Err(WriteError::ConnectionLost(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected) => {
                    return Err(Failure::Lost);
                }
            }
            Ok(Frames { stream: receiver, patience: self.patience })
        })
        .await
    }

    /// Opens a stream for requests one behind another, and gives the stream on which their answers come.
    pub(super) async fn open(&self) -> Result<(Outbound, Frames), Failure> {
        let (sender, receiver) =
            in_time(self.patience, async { self.connection.open_bi().await.map_err(|_| Failure::Lost) }).await?;
        let frames = Frames { stream: receiver, patience: self.patience };
        Ok((Outbound { stream: sender, patience: self.patience }, frames))
    }

    /// Sends a request and waits for its whole answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Result<Vec<Reply>, Refusal>, Failure> {
        let mut frames = self.send(request).await?;
        let mut answer = Vec::new();
        let mut size = 0;
        let limit = if matches!(request, Request::ReadCrls(_)) { LISTS_LIMIT } else { ANSWER_LIMIT };
        loop {
            let body = in_time(self.patience, frames.next_body()).await?.ok_or(RelayFault::Unfinished)?;
            size += body.len();
            if size > limit {
                return Err(RelayFault::TooMuch.into());
            }
            let reply: Reply = decode(&body)?;
            if let Reply::Refused(refusal) = reply {
                return Ok(Err(refusal));
            }
            let place = place(request, &reply);
            answer.push(reply);
            match place {
                Place::Middle => {}
                Place::Last => return Ok(Ok(answer)),
                Place::Nowhere => return Err(RelayFault::WrongAnswer.into()),
            }
        }
    }
}

/// Where a reply may stand in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Middle,
    Last,
    Nowhere,
}

/// Where `reply` may stand in the answer to `request`; the table of `docs/protocol.md`.
fn place(request: &Request, reply: &Reply) -> Place {
    match (request, reply) {
        (Request::Hello(_), Reply::Welcome(_))
        | (
            Request::CreateGroup(_) | Request::Submit(_) | Request::SubmitCommit(_) | Request::FindReceipt(_),
            Reply::Receipt(_),
        )
        | (Request::Read(_), Reply::ReadEnd(_))
        | (Request::Follow(_), Reply::Live(_) | Reply::Paused(_))
        | (
            Request::Unfollow(_)
            | Request::RegisterCursor(_)
            | Request::MoveCursors(_)
            | Request::SendNote(_)
            | Request::AcknowledgeInbox(_)
            | Request::EraseGroup(_)
            | Request::PublishCrl(_)
            | Request::OpenTicket(_)
            | Request::AnswerTicket(_)
            | Request::CloseTicket(_)
            | Request::PutRequest(_)
            | Request::AskRenewal(_)
            | Request::AnswerRenewal(_),
            Reply::Done(_),
        )
        | (Request::PublishKeyPackages(_), Reply::KeyPackageCount(_))
        | (Request::ClaimKeyPackages(_), Reply::Claimed(_))
        | (Request::ReadInbox(_), Reply::InboxEnd(_))
        | (Request::ReadCrls(_), Reply::CrlsEnd(_))
        | (Request::ReadTickets(_) | Request::ReadRenewals(_), Reply::MailboxEnd(_))
        | (Request::FetchAnswer(_) | Request::FetchRenewal(_), Reply::EnrolmentAnswer(_))
        | (Request::SearchDirectory(_), Reply::Found(_)) => Place::Last,
        (Request::Read(_) | Request::Follow(_), Reply::Record(_) | Reply::Gap(_))
        | (Request::ReadInbox(_), Reply::Note(_))
        | (Request::ReadCrls(_), Reply::Crl(_))
        | (Request::ReadTickets(_), Reply::TicketRequest(_))
        | (Request::ReadRenewals(_), Reply::Renewal(_)) => Place::Middle,
        _ => Place::Nowhere,
    }
}

/// The access that a request claims, if it is about a group.
pub(super) fn access_mut(request: &mut Request) -> Option<&mut Access> {
    match request {
        Request::CreateGroup(request) => Some(&mut request.access),
        Request::Submit(request) => Some(&mut request.access),
        Request::SubmitCommit(request) => Some(&mut request.access),
        Request::FindReceipt(request) => Some(&mut request.access),
        Request::Read(request) => Some(&mut request.access),
        Request::Follow(request) => Some(&mut request.access),
        Request::RegisterCursor(request) => Some(&mut request.access),
        Request::EraseGroup(request) => Some(&mut request.access),
        Request::Hello(_)
        | Request::Unfollow(_)
        | Request::MoveCursors(_)
        | Request::PublishKeyPackages(_)
        | Request::ClaimKeyPackages(_)
        | Request::SendNote(_)
        | Request::ReadInbox(_)
        | Request::AcknowledgeInbox(_)
        | Request::PublishCrl(_)
        | Request::ReadCrls(_)
        | Request::OpenTicket(_)
        | Request::ReadTickets(_)
        | Request::AnswerTicket(_)
        | Request::CloseTicket(_)
        | Request::PutRequest(_)
        | Request::FetchAnswer(_)
        | Request::AskRenewal(_)
        | Request::ReadRenewals(_)
        | Request::AnswerRenewal(_)
        | Request::FetchRenewal(_)
        | Request::SearchDirectory(_)
        | Request::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kring_protocol::ids::{InboxSeq, Seq, Timestamp};
    use kring_protocol::message::{Empty, InboxEnd, MoveCursors, ReadInbox, Receipt};

    #[test]
    fn an_answer_of_another_kind_fits_nowhere() {
        let receipt = Reply::Receipt(Receipt { seq: Seq(1), at: Timestamp(1) });
        let moves = Request::MoveCursors(MoveCursors { moves: Vec::new() });
        assert_eq!(place(&moves, &receipt), Place::Nowhere);
        assert_eq!(place(&moves, &Reply::Done(Empty)), Place::Last);
        assert_eq!(place(&moves, &Reply::Unknown(99)), Place::Nowhere);
        let inbox = Request::ReadInbox(ReadInbox { after: InboxSeq(0) });
        assert_eq!(place(&inbox, &Reply::InboxEnd(InboxEnd { through: InboxSeq(0) })), Place::Last);
        assert_eq!(place(&inbox, &Reply::Done(Empty)), Place::Nowhere);
    }
}
