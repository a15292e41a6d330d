//! Each way in which a connection can fail has a reason of its own, and the next attempt follows by itself.

use std::sync::Arc;

use kring_pki::issue::Validity;
use kring_protocol::ids::Timestamp;
use kring_protocol::message::{Empty, Reply};
use kring_protocol::refusal::Refusal;
use quinn::Endpoint;
use rustls::crypto::aws_lc_rs;

use super::relay::{
    Flaws, Stopped, World, accept, accept_and_hear, accept_silently, answer_all, beside, next_request, now, unlock,
    welcome,
};
use crate::api::{Client, ClientEvent, ConnectError, Link, OpenError, OwnFault, RelayFault};
use crate::audit::Activity;
use crate::driver::Surroundings;
use crate::identity::Profile;
use crate::store::{StoreError, Unlock};

/// How the first attempt to connect to a relay with these flaws ends.
async fn attempt(world: &World, flaws: Flaws) -> Result<(), ConnectError> {
    let endpoint = world.listen(&flaws);
    let address = endpoint.local_addr().expect("address");
    let relay = beside(async move {
        while let Some(incoming) = endpoint.accept().await {
            // What comes of it, the client says.
            let _ = incoming.await;
        }
    });
    let folder = tempfile::tempdir().expect("folder");
    let profile = world.profile(&folder.path().join("p"), address);
    let client = Client::open_offline(&profile, &unlock()).await.expect("client");
    let outcome = client.connected().await;
    client.close().await;
    relay.abort();
    outcome
}

#[tokio::test]
async fn a_relay_whose_certificate_is_not_its_own_is_refused() {
    let flaws = Flaws { name: "other.example", ..Flaws::default() };
    assert_eq!(attempt(&World::new(), flaws).await, Err(ConnectError::RelayOtherName));
}

#[tokio::test]
async fn a_relay_whose_certificate_has_expired_or_is_not_valid_yet_is_refused() {
    let world = World::new();
    let past = Validity {
        not_before: Timestamp(now().0 - 9 * Timestamp::DAY),
        not_after: Timestamp(now().0 - Timestamp::DAY),
    };
    let outcome = attempt(&world, Flaws { validity: past, ..Flaws::default() }).await;
    assert_eq!(outcome, Err(ConnectError::RelayExpired));
    let future = Validity { not_before: now().plus(Timestamp::DAY), not_after: now().plus(2 * Timestamp::DAY) };
    let outcome = attempt(&world, Flaws { validity: future, ..Flaws::default() }).await;
    assert_eq!(outcome, Err(ConnectError::RelayNotYetValid));
}

#[tokio::test]
async fn a_relay_of_an_unknown_root_is_refused() {
    let (ours, theirs) = (World::new(), World::new());
    let endpoint = theirs.listen(&Flaws::default());
    let address = endpoint.local_addr().expect("address");
    let relay = beside(async move { accept_silently(&endpoint).await.is_none() });
    let folder = tempfile::tempdir().expect("folder");
    let client = Client::open(&ours.profile(&folder.path().join("p"), address), &unlock()).await.expect("client");
    assert_eq!(client.connected().await, Err(ConnectError::RelayUnknownRoot));
    assert!(relay.await.expect("relay"), "the handshake fails for the relay as well");
}

#[tokio::test]
async fn a_relay_without_the_hybrid_key_exchange_is_refused() {
    let flaws = Flaws { groups: vec![aws_lc_rs::kx_group::X25519], ..Flaws::default() };
    assert_eq!(attempt(&World::new(), flaws).await, Err(ConnectError::KeyExchange));
}

#[tokio::test]
async fn what_speaks_another_protocol_is_not_a_relay() {
    let flaws = Flaws { protocol: b"h3", ..Flaws::default() };
    assert_eq!(attempt(&World::new(), flaws).await, Err(ConnectError::NotARelay));
}

#[tokio::test]
async fn a_relay_that_does_not_accept_our_certificate_is_named_as_that() {
    let flaws = Flaws { distrusts: true, ..Flaws::default() };
    assert_eq!(attempt(&World::new(), flaws).await, Err(ConnectError::OwnRefused(OwnFault::Root)));
}

#[tokio::test]
async fn an_expired_certificate_of_our_own_is_not_shown_to_anybody() {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let folder = tempfile::tempdir().expect("folder");
    let profile = world.profile(&folder.path().join("p"), endpoint.local_addr().expect("address"));
    for (moment, reason) in [
        (now().plus(40 * Timestamp::DAY), ConnectError::OwnExpired),
        (Timestamp(now().0 - 2 * Timestamp::DAY), ConnectError::OwnNotYetValid),
    ] {
        let surroundings = Surroundings { clock: Arc::new(Stopped(moment)), ..Surroundings::default() };
        let client = Client::open_in(&profile, &unlock(), surroundings).await.expect("client");
        assert_eq!(client.connected().await, Err(reason));
        client.close().await;
    }
}

/// How a client meets a relay that answers the hello with these bytes and ends the stream.
async fn hello_answered_with(bytes: Vec<u8>) -> Result<(), ConnectError> {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let folder = tempfile::tempdir().expect("folder");
    let profile = world.profile(&folder.path().join("p"), endpoint.local_addr().expect("address"));
    let relay = beside(async move {
        let connection = accept_silently(&endpoint).await.expect("a connection");
        let (mut answer, _) = next_request(&connection).await.expect("a hello");
        // The client may have gone before it is all written.
        let _ = answer.write_all(&bytes).await;
        let _ = answer.finish();
        connection.closed().await;
    });
    let client = Client::open_offline(&profile, &unlock()).await.expect("client");
    let outcome = client.connected().await;
    client.close().await;
    relay.abort();
    outcome
}

#[tokio::test]
async fn an_unreadable_answer_is_a_fault_of_the_relay_and_no_panic() {
    let fault = |fault| Err(ConnectError::Fault(fault));
    assert_eq!(hello_answered_with(vec![0, 0, 0, 3, 0xff, 0xff, 0xff]).await, fault(RelayFault::Frame));
    assert_eq!(hello_answered_with(vec![0, 0, 0, 0]).await, fault(RelayFault::Frame));
    assert_eq!(hello_answered_with(vec![0xff; 4]).await, fault(RelayFault::TooMuch));
    assert_eq!(hello_answered_with(vec![0, 0, 0, 9, 1, 2]).await, fault(RelayFault::Unfinished));
    assert_eq!(hello_answered_with(Vec::new()).await, fault(RelayFault::Unfinished));
    let other = kring_protocol::frame::encode(&Reply::Done(Empty)).to_vec();
    assert_eq!(hello_answered_with(other).await, fault(RelayFault::WrongAnswer));
    let newer = Reply::Welcome(kring_protocol::message::Welcome { version: 99, ..welcome() });
    let newer = kring_protocol::frame::encode(&newer).to_vec();
    assert_eq!(hello_answered_with(newer).await, fault(RelayFault::WrongAnswer));
    let refused = kring_protocol::frame::encode(&Reply::Refused(Refusal::UnsupportedVersion)).to_vec();
    assert_eq!(hello_answered_with(refused).await, Err(ConnectError::Refused(Refusal::UnsupportedVersion)));
}

/// A relay whose connections end in the ways given, one after the other, and then stand.
fn moody(endpoint: Endpoint, codes: Vec<u64>) -> tokio::task::JoinHandle<()> {
    beside(async move {
        for code in codes {
            let connection = accept_and_hear(&endpoint).await;
            connection.close(quinn::VarInt::from_u64(code).expect("small"), &[]);
        }
        loop {
            answer_all(accept(&endpoint).await).await;
        }
    })
}

#[tokio::test]
async fn a_client_comes_back_by_itself_and_tells_why_it_was_away() {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let folder = tempfile::tempdir().expect("folder");
    let profile = world.profile(&folder.path().join("p"), endpoint.local_addr().expect("address"));
    let relay = moody(endpoint, vec![0, Refusal::Draining.number()]);
    let client = Client::open_offline(&profile, &unlock()).await.expect("client");
    let mut events = client.events();
    client.connect();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let event = events.next().await.expect("an event");
        if matches!(event, ClientEvent::Connected | ClientEvent::Disconnected(_)) {
            seen.push(event);
        }
    }
    let expected = [
        ClientEvent::Connected,
        ClientEvent::Disconnected(ConnectError::Broken),
        ClientEvent::Connected,
        ClientEvent::Disconnected(ConnectError::GoingAway),
        ClientEvent::Connected,
    ];
    assert_eq!(seen, expected);
    assert_eq!(client.status().link, Link::Connected);
    client.disconnect();
    let offline = ClientEvent::Disconnected(ConnectError::Offline);
    assert!(events.find(|event| (event == offline).then_some(())).await.is_some());
    client.close().await;
    assert!(events.find(|_| None::<()>).await.is_none(), "the events end with the client");
    relay.abort();
}

#[tokio::test]
async fn a_device_that_is_revoked_while_connected_is_told_so() {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let folder = tempfile::tempdir().expect("folder");
    let profile = world.profile(&folder.path().join("p"), endpoint.local_addr().expect("address"));
    let relay = moody(endpoint, vec![Refusal::Revoked.number()]);
    let client = Client::open_offline(&profile, &unlock()).await.expect("client");
    let mut events = client.events();
    client.connect();
    let refused = ClientEvent::Disconnected(ConnectError::OwnRefused(OwnFault::Revoked));
    assert!(events.find(|event| (event == refused).then_some(())).await.is_some());
    client.close().await;
    relay.abort();
}

#[tokio::test]
async fn the_store_is_free_again_when_closing_has_ended() {
    let world = World::new();
    let endpoint = world.listen(&Flaws::default());
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("p");
    world.profile(&path, endpoint.local_addr().expect("address"));
    let relay = beside(async move { answer_all(accept(&endpoint).await).await });
    let profile = Profile::open(&path).expect("profile");
    let client = Client::open(&profile, &unlock()).await.expect("client");
    client.connected().await.expect("connected");
    let second = Client::open(&profile, &unlock()).await;
    assert!(matches!(second, Err(OpenError::Store(StoreError::InUse))));
    let case = client.clone();
    client.close().await;
    assert!(case.cases().await.is_err(), "other handles are of no use any more");
    Client::open_offline(&profile, &unlock()).await.expect("again").close().await;
    let wrong = Unlock::Key(zeroize::Zeroizing::new([8; 32]));
    assert!(matches!(Client::open(&profile, &wrong).await, Err(OpenError::Store(StoreError::WrongKey))));
    let client = Client::open_offline(&profile, &unlock()).await.expect("again");
    let log = client.audit(0, 100).await.expect("read");
    let attempts = log.iter().filter(|entry| entry.activity() == Some(Activity::OpeningFailed)).count();
    let openings = log.iter().filter(|entry| entry.activity() == Some(Activity::StoreOpened)).count();
    assert_eq!((attempts, openings), (1, 3), "a wrong key, and three right ones");
    client.close().await;
    relay.abort();
}
