//! Who may connect, in which order things are said, and what bytes that are no requests do.

use std::net::SocketAddr;

use kring_protocol::frame;
use kring_protocol::ids::InboxSeq;
use kring_protocol::limits::MAX_FRAME;
use kring_protocol::message::{Hello, ReadInbox, Reply, Request};
use kring_protocol::refusal::Refusal;
use quinn::ConnectionError;
use rustls::crypto::aws_lc_rs::kx_group;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use super::client::{Client, Manner};
use super::world::{World, soon};
use crate::shell::closing;

/// Waits for the end that the relay gives the connection.
pub(super) async fn ended(connected: Result<Client, ConnectionError>) -> ConnectionError {
    match connected {
        Ok(client) => soon("the end of the connection", client.connection.closed()).await,
        Err(error) => error,
    }
}

pub(super) fn application_code(error: &ConnectionError) -> Option<quinn::VarInt> {
    match error {
        ConnectionError::ApplicationClosed(close) => Some(close.error_code),
        _ => None,
    }
}

/// Whether TLS ended it: QUIC carries the alert in a crypto error (RFC 9001 §4.8).
pub(super) fn is_tls_alert(error: &ConnectionError) -> bool {
    let code = match error {
        ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
        ConnectionError::TransportError(error) => u64::from(error.code),
        _ => return false,
    };
    (0x100..0x200).contains(&code)
}

#[tokio::test]
async fn the_hello_comes_first_and_once() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::connect(&world, &world.device(1), relay.addr, Manner::default()).await.unwrap();
    let early = client.ask(ReadInbox { after: InboxSeq(0) }).await;
    assert_eq!(early, Reply::Refused(Refusal::HelloOrder));
    client.hello().await;
    let again = client.ask(Hello { version: 1, features: Vec::new() }).await;
    assert_eq!(again, Reply::Refused(Refusal::HelloOrder));
}

#[tokio::test]
async fn the_relay_speaks_the_newest_version_that_both_know() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::connect(&world, &world.device(1), relay.addr, Manner::default()).await.unwrap();
    let refused = client.ask(Hello { version: 0, features: Vec::new() }).await;
    assert_eq!(refused, Reply::Refused(Refusal::UnsupportedVersion));
    match client.ask(Hello { version: 99, features: vec![7] }).await {
        Reply::Welcome(welcome) => assert_eq!(welcome.version, 1),
        other => panic!("no welcome but {other:?}"),
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_and_the_connection_lives_on() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    let valid = frame::encode(&Request::from(ReadInbox { after: InboxSeq(0) }));
    let mut trailing = valid.to_vec();
    trailing[3] += 1;
    trailing.push(0);
    let unknown = [0, 0, 0, 4, 0x82, 0x18, 99, 0xa0];
    for (bytes, refusal) in [
        (&[0, 0, 0, 0][..], Refusal::Malformed),
        (&[0, 0, 0, 1, 0xff], Refusal::Malformed),
        (&[0, 0, 0, 9, 0x82], Refusal::Malformed),
        (&[0, 0], Refusal::Malformed),
        (&trailing, Refusal::Malformed),
        (&[0xff, 0xff, 0xff, 0xff, 0], Refusal::TooLarge { limit: MAX_FRAME as u64 }),
        (&unknown, Refusal::UnknownRequest),
    ] {
        assert_eq!(client.send_bytes(bytes).await, [Reply::Refused(refusal)], "{bytes:?}");
    }
    assert!(matches!(client.send_bytes(&valid).await[..], [Reply::InboxEnd(_)]));
}

#[tokio::test]
async fn a_client_without_the_hybrid_key_exchange_is_refused() {
    let world = World::new();
    let relay = world.relay().await;
    for group in [kx_group::X25519, kx_group::SECP256R1, kx_group::MLKEM768] {
        let manner = Manner { key_exchange: vec![group], ..Manner::default() };
        let error = ended(Client::connect(&world, &world.device(1), relay.addr, manner).await).await;
        assert!(is_tls_alert(&error), "{error:?}");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let world = World::new();
    let relay = world.relay().await;
    let manner = Manner { certificate: false, ..Manner::default() };
    let error = ended(Client::connect(&world, &world.device(1), relay.addr, manner).await).await;
    assert_eq!(application_code(&error), Some(closing::code(&Refusal::NoCertificate)));
}

#[tokio::test]
async fn a_device_of_another_region_is_refused() {
    let (world, elsewhere) = (World::new(), World::new());
    let relay = world.relay().await;
    let device = elsewhere.device(1);
    let error = ended(Client::connect(&world, &device, relay.addr, Manner::default()).await).await;
    assert!(is_tls_alert(&error), "{error:?}");
}

#[tokio::test]
async fn a_certificate_shown_with_another_key_is_refused() {
    let world = World::new();
    let relay = world.relay().await;
    let mut device = world.device(1);
    device.chain = world.device(2).chain;
    let error = ended(Client::connect(&world, &device, relay.addr, Manner::default()).await).await;
    assert!(is_tls_alert(&error), "{error:?}");
}

#[tokio::test]
async fn a_certificate_of_somebody_else_with_a_devices_id_takes_none_of_its_places() {
    let mut world = World::new();
    world.config.limits.connections_per_device = 1;
    let relay = world.relay().await;
    let _other = Client::greeted(&world, &world.device_of(1, "somebody"), relay.addr).await;
    let _device = Client::greeted(&world, &world.device(1), relay.addr).await;
}

#[tokio::test]
async fn a_device_at_its_bound_of_connections_keeps_the_old_ones() {
    let mut world = World::new();
    world.config.limits.connections_per_device = 2;
    let relay = world.relay().await;
    let device = world.device(1);
    let first = Client::greeted(&world, &device, relay.addr).await;
    let _second = Client::greeted(&world, &device, relay.addr).await;
    let error = ended(Client::connect(&world, &device, relay.addr, Manner::default()).await).await;
    assert_eq!(application_code(&error), Some(closing::busy()));
    let _other_device = Client::greeted(&world, &world.device(2), relay.addr).await;
    assert!(matches!(first.ask(ReadInbox { after: InboxSeq(0) }).await, Reply::InboxEnd(_)));
}

#[tokio::test]
async fn a_full_relay_refuses_the_newest_connection() {
    let mut world = World::new();
    world.config.limits.connections = 1;
    let relay = world.relay().await;
    let first = Client::greeted(&world, &world.device(1), relay.addr).await;
    let second = Client::connect(&world, &world.device(2), relay.addr, Manner::default()).await;
    assert!(matches!(second.err(), Some(ConnectionError::ConnectionClosed(_))));
    assert!(matches!(first.ask(ReadInbox { after: InboxSeq(0) }).await, Reply::InboxEnd(_)));
}

#[tokio::test]
async fn a_request_that_does_not_arrive_in_time_is_given_up_and_the_connection_lives_on() {
    let mut world = World::new();
    world.config.times.request = std::time::Duration::from_millis(300);
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    let (mut send, mut receive) = client.connection.open_bi().await.unwrap();
    send.write_all(&[0, 0, 0, 9, 0x82]).await.unwrap();
    let outcome = soon("the reset", receive.read_to_end(100)).await;
    let reset = quinn::ReadError::Reset(closing::busy());
    assert_eq!(outcome, Err(quinn::ReadToEndError::Read(reset)));
    assert!(matches!(client.ask(ReadInbox { after: InboxSeq(0) }).await, Reply::InboxEnd(_)));
}

#[tokio::test]
async fn a_connection_without_a_hello_is_given_up() {
    let mut world = World::new();
    world.config.times.handshake = std::time::Duration::from_millis(500);
    let relay = world.relay().await;
    let error = ended(Client::connect(&world, &world.device(1), relay.addr, Manner::default()).await).await;
    assert!(matches!(error, ConnectionError::ApplicationClosed(_)), "{error:?}");
}

#[tokio::test]
async fn a_reload_closes_who_was_revoked_and_refuses_their_return() {
    let mut world = World::new().with_crl_file();
    let relay = world.relay().await;
    let (leaver, colleague) = (world.device(1), world.device(2));
    let leaving = Client::greeted(&world, &leaver, relay.addr).await;
    let staying = Client::greeted(&world, &colleague, relay.addr).await;
    world.revoke(&[&leaver]);
    relay.reload().unwrap();
    let error = soon("the cut", leaving.connection.closed()).await;
    assert_eq!(application_code(&error), Some(closing::code(&Refusal::Revoked)));
    let error = ended(Client::connect(&world, &leaver, relay.addr, Manner::default()).await).await;
    assert!(is_tls_alert(&error), "{error:?}");
    assert!(matches!(staying.ask(ReadInbox { after: InboxSeq(0) }).await, Reply::InboxEnd(_)));
}

#[tokio::test]
async fn a_reload_of_broken_files_changes_nothing() {
    let world = World::new();
    let relay = world.relay().await;
    std::fs::write(&world.config.tls.certificate, "no certificate").unwrap();
    assert!(relay.reload().is_err());
    let _client = Client::greeted(&world, &world.device(1), relay.addr).await;
}

#[tokio::test]
async fn one_packet_of_padding_finds_the_largest_packets_that_a_path_carries() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    let connections = relay.shell.registry.all();
    let [quic] = &connections[..] else { panic!("{} connections", connections.len()) };
    soon("larger packets", async {
        while quic.stats().path.current_mtu < 1_452 {
            client.ask(ReadInbox { after: InboxSeq(0) }).await;
        }
    })
    .await;
    for _ in 0..10 {
        client.ask(ReadInbox { after: InboxSeq(0) }).await;
    }
    assert_eq!((quic.stats().path.sent_plpmtud_probes, quic.stats().path.current_mtu), (1, 1_452));
}

/// Somebody who shows its address if it is asked to, and whom nothing else of the relay's reaches. Each packet that goes to the
/// relay after that is told.
async fn deaf(world: &World, device: u8, relay: SocketAddr, shown: mpsc::UnboundedSender<()>) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let hole = near.local_addr().unwrap();
    let passing = async {
        let (mut there, mut back, mut client, mut asked) = ([0; 2_048], [0; 2_048], relay, false);
        loop {
            tokio::select! {
                sent = near.recv_from(&mut there) => {
                    let (length, from) = sent.unwrap();
                    client = from;
                    far.send_to(&there[..length], relay).await.unwrap();
                    if asked {
                        let _enough = shown.send(());
                    }
                }
                // A Retry packet (RFC 9000 §17.2.5).
                sent = far.recv(&mut back) => if back[0] >> 4 == 0b1111 {
                    near.send_to(&back[..sent.unwrap()], client).await.unwrap();
                    asked = true;
                },
            }
        }
    };
    let device = world.device(device);
    tokio::select! {
        () = passing => {}
        _never = Client::connect(world, &device, hole, Manner::default()) => {}
    }
}

#[tokio::test]
async fn who_falls_silent_in_its_handshake_keeps_nobody_from_theirs() {
    let mut world = World::new();
    world.config.limits.handshakes = 2;
    let relay = world.relay().await;
    let (shown, mut packets) = mpsc::unbounded_channel();
    let honest = async {
        // One of them has the first place, and the other is asked, as one of two places is half. A ClientHello with the
        // post-quantum key exchange takes two packets.
        for _ in 0..2 {
            packets.recv().await.unwrap();
        }
        Client::greeted(&world, &world.device(3), relay.addr).await
    };
    tokio::select! {
        () = deaf(&world, 1, relay.addr, shown.clone()) => panic!("it heard something"),
        () = deaf(&world, 2, relay.addr, shown.clone()) => panic!("it heard something"),
        _greeted = honest => {}
    }
}
