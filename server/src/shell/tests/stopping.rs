//! How a relay ends, and what it tells its operator while it runs.

use std::time::Duration;

use kring_protocol::ids::{Epoch, GroupId};
use kring_protocol::message::{Push, Reply};
use kring_protocol::refusal::Refusal;
use quinn::ConnectionError;

use super::client::Client;
use super::world::{World, http, soon};
use crate::metrics::NAMES;
use crate::shell::{Drained, closing};

#[tokio::test]
async fn a_stop_tells_every_client_when_to_come_back_and_ends_whole() {
    let mut world = World::new();
    world.config.times.reconnect_spread = Duration::from_millis(700);
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    let told = async {
        let mut pushes = client.pushes().await;
        match pushes.next().await {
            Push::GoingAway(going) => assert!(going.after_ms <= 700),
            other => panic!("no farewell but {other:?}"),
        }
        drop(pushes);
        soon("the end", client.connection.closed()).await
    };
    let (drained, ended) = tokio::join!(relay.shutdown(), told);
    assert_eq!(drained, Drained::Whole);
    match ended {
        ConnectionError::ApplicationClosed(close) => {
            assert_eq!(close.error_code, closing::code(&Refusal::Draining));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_holds_a_request_open_does_not_hold_up_the_stop() {
    let mut world = World::new();
    world.config.times.drain = Duration::from_millis(300);
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    let (mut send, _receive) = client.connection.open_bi().await.unwrap();
    send.write_all(&[0, 0]).await.unwrap();
    // The relay has seen the stream once it answers one that was opened after it.
    client.create_group(GroupId([4; 16]), 1).await;
    assert_eq!(soon("the stop", relay.shutdown()).await, Drained::InPart);
}

#[tokio::test]
async fn every_declared_metric_is_counted_and_none_names_anybody() {
    let world = World::new();
    let relay = world.relay().await;
    let group = GroupId([0xab; 16]);
    let device = world.device(0xdd);
    let client = Client::greeted(&world, &device, relay.addr).await;
    client.create_group(group, 1).await;
    client.submit(client.access(group, Epoch(0), 1), 100).await;
    assert!(matches!(client.submit(client.access(group, Epoch(0), 1), 100).await.seq.0, 2));
    client.follow(client.access(group, Epoch(0), 1), None).await;
    client.submit(client.access(group, Epoch(0), 1), 100).await;
    client.pushes().await.record().await;
    assert!(matches!(client.send_bytes(&[0, 0, 0, 0]).await[..], [Reply::Refused(Refusal::Malformed)]));
    relay.reload().unwrap();

    let text = http(&relay, "/metrics").await;
    for name in NAMES.iter().copied().chain(["kring_requests_total", "kring_refusals_total"]) {
        assert!(text.contains(&format!("\n{name}")), "{name} is missing");
    }
    for name in [
        "kring_connections 1",
        "kring_connections_opened_total 1",
        "kring_pushes_total 1",
        "kring_push_writes_total 1",
        "kring_backlog_records_total 2",
        "kring_reloads_total 1",
        "kring_refusals_total{number=\"1\"} 1",
        "kring_requests_total{kind=\"Submit\"} 3",
    ] {
        assert!(text.contains(&format!("\n{name}\n")), "{name} is not there:\n{text}");
    }
    for hidden in [device.id.to_hex(), group.to_hex(), "127.0.0.1".into(), "canary".into()] {
        assert!(!text.contains(&hidden));
    }
}

#[tokio::test]
async fn health_is_told_and_nothing_else_is_served() {
    let world = World::new();
    let relay = world.relay().await;
    let health = http(&relay, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("{\"status\":\"ok\"}\n"), "{health}");
    assert!(http(&relay, "/data").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn an_observation_address_that_others_can_reach_must_be_meant() {
    let mut world = World::new();
    let observe = world.config.observe.as_mut().unwrap();
    observe.address = "0.0.0.0:0".parse().unwrap();
    let started = crate::shell::start(world.config.clone()).await;
    assert!(matches!(started.err(), Some(crate::shell::StartError::ObserveOthers(_))));
}
