//! What is handed to the conversation while a connection stands, and in which order.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use kring_protocol::frame;
use kring_protocol::ids::{Epoch, GroupId, InboxSeq, OperationId, Seq, Signature, Subscription, Timestamp};
use kring_protocol::message::{
    Access, Delivery, Follow as WireFollow, InboxEnd, Lagged, Live, Paused, Push, Read, ReadEnd, Receipt, Record,
    RegisterCursor, Reply, Request, Submit, SubscriptionPaused,
};
use kring_protocol::refusal::Refusal;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

use super::relay::{Flaws, World, accept, beside, next_request, reply, unlock, write};
use crate::api::{ConnectError, RelayFault};
use crate::conversation::{Input, Ticket};
use crate::driver::Wish;
use crate::driver::connection::{Standing, stand_up};
use crate::driver::core::{Arrival, Carry, ConnectionNumber, Job};
use crate::driver::exchange::Exchange;
use crate::driver::serve::{End, serve};
use crate::driver::subscriptions::{Follow, FollowNumber};
use crate::driver::surroundings::{Surroundings, within};
use crate::identity::Identity;
use crate::store::Store;

const GROUP: GroupId = GroupId([3; 16]);
const PROOF: Signature = Signature([5; 64]);

/// A connection that is served, and both of its ends.
struct Served {
    relay: Connection,
    carry: mpsc::UnboundedSender<Carry>,
    jobs: mpsc::Receiver<Job>,
    end: tokio::task::JoinHandle<End>,
    /// The wire between the two; aborted, it is cut.
    cut: tokio::task::JoinHandle<()>,
    wish: watch::Sender<Wish>,
    _folder: tempfile::TempDir,
}

/// A connection to a relay over a wire that can be cut: the relay's endpoint and end, ours, and the wire.
async fn stands(folder: &Path) -> (Endpoint, Connection, Standing, tokio::task::JoinHandle<()>) {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let (address, cut) = wire_to(endpoint.local_addr().expect("address")).await;
    let profile = world.profile(&folder.join("p"), address);
    let store = Store::open(&profile.store_folder(), &unlock()).expect("store");
    let key = store.device_key().expect("store").expect("key");
    let identity = Identity::new(&profile, key).expect("identity");
    let clock = Surroundings::default().clock;
    let (relay, standing) = tokio::join!(accept(&endpoint), stand_up(&identity, profile.relay(), &clock));
    (endpoint, relay, standing.expect("standing"), cut)
}

impl Served {
    async fn new() -> Self {
        Self::with_patience(Duration::from_secs(30)).await
    }

    async fn with_patience(patience: Duration) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let (endpoint, relay, Standing { endpoint: ours, exchange, .. }, cut) = stands(folder.path()).await;
        let (carry, carried) = mpsc::unbounded_channel();
        let (sender, jobs) = mpsc::channel(2);
        let (wish, mut wished) = watch::channel(Wish::Online(0));
        let end = beside(async move {
            let exchange: Exchange = exchange.with_patience(patience).deaf_after(Duration::from_millis(900));
            let end = serve(exchange, ConnectionNumber(1), sender, carried, &mut wished).await;
            drop((ours, endpoint));
            end
        });
        Self { relay, carry, jobs, end, cut, wish, _folder: folder }
    }

    fn follow(&self, number: u64, after: Option<u64>) {
        let after = after.map(Seq);
        let follow = Follow { number: FollowNumber(number), group: GROUP, epoch: Epoch(number), proof: PROOF, after };
        self.carry.send(Carry::Follow(follow)).expect("served");
    }

    async fn asked(&self) -> (SendStream, Request) {
        next_request(&self.relay).await.expect("a request")
    }

    async fn asked_to_follow(&self) -> (SendStream, WireFollow) {
        match self.asked().await {
            (answer, Request::Follow(follow)) => (answer, follow),
            (_, other) => panic!("{}", other.name()),
        }
    }

    /// What comes next to the conversation, in short.
    async fn next(&mut self) -> String {
        let Some(Job::Arrived(_, arrival)) = self.jobs.recv().await else { panic!("nothing arrived") };
        match arrival {
            Arrival::Input(Input::Record { record, .. }) => format!("record {}", record.seq),
            Arrival::Input(Input::Gap { gap, .. }) => format!("gap {}", gap.to),
            Arrival::Input(Input::Answered { answer, .. }) => match answer {
                Ok(replies) => format!("answered {}", replies.last().map_or("nothing", Reply::name)),
                Err(refusal) => format!("refused {}", refusal.number()),
            },
            Arrival::Input(Input::InboxWaiting) => "inbox waiting".to_owned(),
            Arrival::Input(_) => "input".to_owned(),
            Arrival::CaughtUp(follow, after) => format!("caught up {} at {after}", follow.number.0),
            Arrival::Paused(follow) => format!("paused {}", follow.number.0),
            Arrival::Again(follow) => format!("again after {:?}", follow.after.map(|seq| seq.0)),
            Arrival::Unfollowed(_, refusal) => format!("unfollowed {}", refusal.number()),
            Arrival::InboxRead => "inbox read".to_owned(),
        }
    }
}

/// A wire that carries packets between one client and a relay, and where the client finds it.
async fn wire_to(relay: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("socket");
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("socket");
    let address = near.local_addr().expect("address");
    let wire = beside(async move {
        let (mut there, mut back) = ([0; 2048], [0; 2048]);
        let mut client = address;
        loop {
            // A packet that cannot be sent is lost, as packets are.
            let _ = tokio::select! {
                Ok((size, from)) = near.recv_from(&mut there) => {
                    client = from;
                    far.send_to(&there[..size], relay).await
                }
                Ok((size, _)) = far.recv_from(&mut back) => near.send_to(&back[..size], client).await,
                else => return,
            };
        }
    });
    (address, wire)
}

fn record(seq: u64) -> Record {
    Record {
        seq: Seq(seq),
        at: Timestamp(1),
        operation: OperationId([0; 16]),
        message: vec![1, 2, 3].into(),
        next_access_key: None,
        closes: None,
    }
}

async fn push(stream: &mut SendStream, push: &Push) {
    stream.write_all(&frame::encode(push)).await.expect("written");
}

fn delivery(subscription: Subscription, seq: u64) -> Push {
    Push::Delivery(Delivery { subscription, record: frame::encode_body(&record(seq)).into() })
}

fn read(epoch: u64) -> Request {
    let access = Access { group: GROUP, epoch: Epoch(epoch), proof: Some(PROOF) };
    Request::Read(Read { access, after: None, limit: 1 })
}

fn read_end() -> Reply {
    Reply::ReadEnd(ReadEnd { head: Seq(0), through: Seq(0), epoch: Epoch(1) })
}

#[tokio::test]
async fn live_records_come_after_the_backlog_however_the_streams_race() {
    let mut served = Served::new().await;
    served.follow(1, Some(0));
    let (mut answer, follow) = served.asked_to_follow().await;
    assert_eq!(follow.access.proof, Some(PROOF));
    let mut pushes = served.relay.open_uni().await.expect("stream");
    push(&mut pushes, &delivery(follow.subscription, 3)).await;
    push(&mut pushes, &Push::InboxWaiting(kring_protocol::message::InboxWaiting { through: InboxSeq(1) })).await;
    assert_eq!(served.next().await, "inbox waiting", "the live record was read before, and waits");
    write(&mut answer, &Reply::Record(record(1))).await;
    write(&mut answer, &Reply::Record(record(2))).await;
    reply(&mut answer, &Reply::Live(Live { after: Seq(2) })).await;
    for expected in ["record 1", "record 2", "caught up 1 at 2", "record 3"] {
        assert_eq!(served.next().await, expected);
    }
    push(&mut pushes, &delivery(follow.subscription, 4)).await;
    assert_eq!(served.next().await, "record 4");
}

#[tokio::test]
async fn a_subscription_that_pauses_goes_on_with_the_next_epochs_proof() {
    let mut served = Served::new().await;
    served.follow(1, Some(0));
    let (mut answer, first) = served.asked_to_follow().await;
    reply(&mut answer, &Reply::Live(Live { after: Seq(0) })).await;
    assert_eq!(served.next().await, "caught up 1 at 0");
    let mut pushes = served.relay.open_uni().await.expect("stream");
    push(&mut pushes, &delivery(first.subscription, 1)).await;
    assert_eq!(served.next().await, "record 1");
    served.follow(2, Some(1));
    let (mut answer, second) = served.asked_to_follow().await;
    assert_eq!((second.subscription, second.after), (first.subscription, Some(Seq(1))));
    let late = Push::SubscriptionPaused(SubscriptionPaused { subscription: first.subscription, at: Seq(1) });
    push(&mut pushes, &late).await;
    write(&mut answer, &Reply::Record(record(2))).await;
    reply(&mut answer, &Reply::Paused(Paused { at: Seq(2) })).await;
    assert_eq!(served.next().await, "record 2");
    assert_eq!(served.next().await, "paused 2");
}

#[tokio::test]
async fn a_lagging_subscription_is_asked_for_again_from_the_last_record() {
    let mut served = Served::new().await;
    served.follow(1, None);
    let (mut answer, follow) = served.asked_to_follow().await;
    write(&mut answer, &Reply::Record(record(7))).await;
    reply(&mut answer, &Reply::Live(Live { after: Seq(7) })).await;
    let mut pushes = served.relay.open_uni().await.expect("stream");
    push(&mut pushes, &Push::Lagged(Lagged { subscription: follow.subscription })).await;
    for expected in ["record 7", "caught up 1 at 7", "again after Some(7)"] {
        assert_eq!(served.next().await, expected);
    }
}

fn submit(number: u8) -> Request {
    let access = Access { group: GROUP, epoch: Epoch(1), proof: Some(PROOF) };
    Request::Submit(Submit { access, operation: OperationId([number; 16]), message: vec![number].into() })
}

/// The messages that come next on a stream: their numbers, and whether each brings a proof.
async fn messages(stream: &mut RecvStream, count: usize) -> Vec<(u8, bool)> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let mut prefix = [0; frame::PREFIX];
        stream.read_exact(&mut prefix).await.expect("a frame");
        let mut body = vec![0; frame::body_length(prefix, 1 << 20).expect("a length")];
        stream.read_exact(&mut body).await.expect("a body");
        match frame::decode(&body).expect("a request") {
            Request::Submit(submit) => messages.push((submit.operation.0[0], submit.access.proof.is_some())),
            other => panic!("{}", other.name()),
        }
    }
    messages
}

#[tokio::test]
async fn messages_of_a_group_follow_one_another_and_nothing_goes_on_behind_a_refusal_before_it_is_heard() {
    let mut served = Served::new().await;
    let receipt = |seq| Reply::Receipt(Receipt { seq: Seq(seq), at: Timestamp(1) });
    for number in 1..=4 {
        served.carry.send(Carry::Request(Ticket(number.into()), submit(number))).expect("served");
    }
    let (mut answer, mut stream) = served.relay.accept_bi().await.expect("a stream");
    assert_eq!(messages(&mut stream, 4).await, [(1, true), (2, false), (3, false), (4, false)]);
    write(&mut answer, &receipt(1)).await;
    assert_eq!(served.next().await, "answered Receipt");
    reply(&mut answer, &Reply::Refused(Refusal::Busy { after_ms: 5 })).await;
    for _ in 2..=4 {
        assert_eq!(served.next().await, "refused 18");
    }
    // Sent before the conversation has heard of it.
    served.carry.send(Carry::Request(Ticket(5), submit(5))).expect("served");
    assert_eq!(served.next().await, "refused 18");
    served.carry.send(Carry::Heard(Ticket(2))).expect("served");
    served.carry.send(Carry::Request(Ticket(6), submit(2))).expect("served");
    let (mut answer, mut stream) = served.relay.accept_bi().await.expect("a stream");
    assert_eq!(messages(&mut stream, 1).await, [(2, true)]);
    reply(&mut answer, &receipt(2)).await;
    assert_eq!(served.next().await, "answered Receipt");
    assert!(stream.read_chunk(1, true).await.expect("whole").is_none(), "the stream ends when nothing is under way");
}

#[tokio::test]
async fn a_proof_is_given_once_and_again_if_the_relay_has_forgotten_it() {
    let mut served = Served::new().await;
    let proof = |request: &Request| match request {
        Request::Read(read) => read.access.proof,
        other => panic!("{}", other.name()),
    };
    served.carry.send(Carry::Request(Ticket(1), read(1))).expect("served");
    let (mut answer, request) = served.asked().await;
    assert_eq!(proof(&request), Some(PROOF));
    reply(&mut answer, &read_end()).await;
    assert_eq!(served.next().await, "answered ReadEnd");

    served.carry.send(Carry::Request(Ticket(2), read(1))).expect("served");
    let (mut answer, request) = served.asked().await;
    assert_eq!(proof(&request), None);
    reply(&mut answer, &Reply::Refused(Refusal::Forbidden)).await;
    let (mut answer, request) = served.asked().await;
    assert_eq!(proof(&request), Some(PROOF));
    reply(&mut answer, &read_end()).await;
    assert_eq!(served.next().await, "answered ReadEnd");

    served.carry.send(Carry::Request(Ticket(3), read(2))).expect("served");
    let (mut answer, request) = served.asked().await;
    assert_eq!(proof(&request), Some(PROOF), "another epoch has another proof");
    reply(&mut answer, &Reply::Refused(Refusal::Forbidden)).await;
    assert_eq!(served.next().await, "refused 5", "what is forbidden with its proof is not asked again");
}

#[tokio::test]
async fn a_follow_that_is_refused_for_now_is_tried_again_and_one_refused_for_good_is_told() {
    let mut served = Served::new().await;
    served.follow(1, Some(0));
    let (mut answer, _) = served.asked_to_follow().await;
    reply(&mut answer, &Reply::Refused(Refusal::RateLimited { after_ms: 1 })).await;
    let (mut answer, _) = served.asked_to_follow().await;
    reply(&mut answer, &Reply::Refused(Refusal::Forbidden)).await;
    assert_eq!(served.next().await, "unfollowed 5");
}

#[tokio::test]
async fn the_inbox_is_read_once_at_a_time() {
    let mut served = Served::new().await;
    served.carry.send(Carry::ReadInbox(InboxSeq(0))).expect("served");
    served.carry.send(Carry::ReadInbox(InboxSeq(0))).expect("served");
    for _ in 0..2 {
        let (mut answer, request) = served.asked().await;
        assert!(matches!(request, Request::ReadInbox(_)));
        reply(&mut answer, &Reply::InboxEnd(InboxEnd { through: InboxSeq(0) })).await;
        assert_eq!(served.next().await, "inbox read");
    }
}

#[tokio::test]
async fn a_relay_that_never_answers_is_given_up() {
    let served = Served::with_patience(Duration::from_millis(20)).await;
    served.carry.send(Carry::Request(Ticket(1), read(1))).expect("served");
    let _held = served.asked().await;
    let end = served.end.await.expect("end");
    assert_eq!(end.reason, ConnectError::Fault(RelayFault::Silent));
}

#[tokio::test]
async fn a_relay_that_vanishes_with_something_under_way_is_given_up_before_the_connection_idles_out() {
    let served = Served::new().await;
    served.cut.abort();
    served.carry.send(Carry::Request(Ticket(1), read(1))).expect("served");
    let end = served.end.await.expect("end");
    assert_eq!(end.reason, ConnectError::Unreachable);
}

#[tokio::test]
async fn a_relay_that_takes_long_but_still_hears_is_not_taken_for_one_that_has_vanished() {
    let mut served = Served::new().await;
    served.carry.send(Carry::Request(Ticket(1), read(1))).expect("served");
    let (mut answer, _) = served.asked().await;
    // Four times as long as a relay may be deaf.
    let ended = within(Duration::from_millis(3_600), &mut served.end).await;
    assert!(ended.is_none(), "{ended:?}");
    reply(&mut answer, &read_end()).await;
    assert_eq!(served.next().await, "answered ReadEnd");
}

#[tokio::test]
async fn an_answer_of_another_kind_or_half_an_answer_ends_the_connection() {
    let cursor = || {
        let access = Access { group: GROUP, epoch: Epoch(1), proof: Some(PROOF) };
        Request::RegisterCursor(RegisterCursor {
            access,
            cursor: kring_protocol::ids::CursorId([0; 16]),
            seq: Seq(0),
        })
    };
    let served = Served::new().await;
    served.carry.send(Carry::Request(Ticket(1), cursor())).expect("served");
    let (mut answer, _) = served.asked().await;
    reply(&mut answer, &read_end()).await;
    assert_eq!(served.end.await.expect("end").reason, ConnectError::Fault(RelayFault::WrongAnswer));

    let mut served = Served::new().await;
    served.follow(1, Some(0));
    let (mut answer, _) = served.asked_to_follow().await;
    reply(&mut answer, &Reply::Record(record(1))).await;
    assert_eq!(served.next().await, "record 1");
    assert_eq!(served.end.await.expect("end").reason, ConnectError::Fault(RelayFault::Unfinished));
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let served = Served::new().await;
    served.carry.send(Carry::Request(Ticket(1), read(1))).expect("served");
    let (mut answer, _) = served.asked().await;
    let big = Record { message: vec![0; kring_protocol::limits::MAX_MESSAGE].into(), ..record(1) };
    let frame = frame::encode(&Reply::Record(big));
    let relay = beside(async move { while answer.write_all(&frame).await.is_ok() {} });
    assert_eq!(served.end.await.expect("end").reason, ConnectError::Fault(RelayFault::TooMuch));
    drop(served.relay);
    relay.await.expect("relay");
}

#[tokio::test]
async fn garbage_on_the_push_stream_ends_the_connection_and_what_is_newer_does_not() {
    let mut served = Served::new().await;
    let mut pushes = served.relay.open_uni().await.expect("stream");
    // [99, {}]: a push of a later version.
    pushes.write_all(&[0, 0, 0, 4, 0x82, 0x18, 99, 0xa0]).await.expect("written");
    push(&mut pushes, &Push::InboxWaiting(kring_protocol::message::InboxWaiting { through: InboxSeq(1) })).await;
    assert_eq!(served.next().await, "inbox waiting");
    let broken = Delivery { subscription: Subscription(1), record: vec![0xff].into() };
    push(&mut pushes, &Push::Delivery(broken)).await;
    assert_eq!(served.end.await.expect("end").reason, ConnectError::Fault(RelayFault::Frame));
}

#[tokio::test]
async fn a_connection_that_drops_in_the_middle_says_so() {
    let mut served = Served::new().await;
    served.follow(1, Some(0));
    let (mut answer, _) = served.asked_to_follow().await;
    write(&mut answer, &Reply::Record(record(1))).await;
    assert_eq!(served.next().await, "record 1");
    served.relay.close(0u32.into(), &[]);
    assert_eq!(served.end.await.expect("end").reason, ConnectError::Broken);
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_a_relay_that_goes_is_left() {
    let mut served = Served::new().await;
    served.carry.send(Carry::Request(Ticket(1), read(1))).expect("served");
    let (mut answer, _) = served.asked().await;
    let mut pushes = served.relay.open_uni().await.expect("stream");
    push(&mut pushes, &Push::GoingAway(kring_protocol::message::GoingAway { after_ms: 9 })).await;
    reply(&mut answer, &read_end()).await;
    assert_eq!(served.next().await, "answered ReadEnd");
    let end = served.end.await.expect("end");
    assert_eq!((end.reason, end.after_ms), (ConnectError::GoingAway, 9));
}

#[tokio::test]
async fn at_closing_what_is_queued_is_still_sent() {
    let mut served = Served::new().await;
    served.carry.send(Carry::Request(Ticket(1), read(1))).expect("served");
    served.wish.send_replace(Wish::Closed);
    let (mut answer, _) = served.asked().await;
    reply(&mut answer, &Reply::Refused(Refusal::Full)).await;
    assert_eq!(served.next().await, "refused 17");
    assert_eq!(served.end.await.expect("end").reason, ConnectError::Closed);
}

#[tokio::test]
async fn one_packet_of_padding_finds_the_largest_packets_that_a_path_carries() {
    let folder = tempfile::tempdir().expect("folder");
    let (_endpoint, _relay, standing, _cut) = stands(folder.path()).await;
    let path = || standing.exchange.connection().stats().path;
    let found = within(Duration::from_secs(20), async {
        while path().current_mtu < 1_452 {
            tokio::task::yield_now().await;
        }
    });
    assert!(found.await.is_some(), "still {}", path().current_mtu);
    assert_eq!(path().sent_plpmtud_probes, 1);
}
