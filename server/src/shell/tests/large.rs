//! Large requests: what one connection announces or holds is not taken from the others.

use kring_protocol::ids::{Epoch, GroupId};
use kring_protocol::message::Reply;
use kring_protocol::refusal::Refusal;
use quinn::SendStream;

use super::client::Client;
use super::world::{World, soon};

const GROUP: GroupId = GroupId([0xc8; 16]);

/// A stream that announces the largest frame and brings so many bytes of it.
async fn announce(client: &Client, bytes: usize) -> SendStream {
    let (mut send, _receive) = client.connection.open_bi().await.unwrap();
    let mut begun = (16u32 << 20).to_be_bytes().to_vec();
    begun.resize(4 + bytes, 0);
    soon("room on the stream", send.write_all(&begun)).await.unwrap();
    send
}

#[tokio::test]
async fn announced_frames_that_do_not_come_hold_up_nobody() {
    let mut world = World::new();
    world.config.limits.request_bytes = 2 << 20;
    let relay = world.relay().await;
    let hostile = Client::greeted(&world, &world.device(1), relay.addr).await;
    let honest = Client::greeted(&world, &world.device(2), relay.addr).await;
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(announce(&hostile, 1_000).await);
    }
    // The relay has seen those streams once it answers one that was opened after them.
    hostile.create_group(GROUP, 1).await;
    for _ in 0..3 {
        honest.submit(honest.access(GROUP, Epoch(0), 1), 900_000).await;
    }
}

#[tokio::test]
async fn without_memory_for_a_large_request_it_is_told_to_come_again_and_small_ones_go_on() {
    let mut world = World::new();
    world.config.limits.request_bytes = 256 << 10;
    let relay = world.relay().await;
    let hostile = Client::greeted(&world, &world.device(1), relay.addr).await;
    let honest = Client::greeted(&world, &world.device(2), relay.addr).await;
    let _held = announce(&hostile, 200 << 10).await;
    hostile.create_group(GROUP, 1).await;
    let access = honest.access(GROUP, Epoch(0), 1);
    let message = super::client::private_message(GROUP, Epoch(0), 1, 900_000);
    let operation = kring_protocol::ids::OperationId([7; 16]);
    let submit = kring_protocol::message::Submit { access: access.clone(), operation, message };
    let answer = honest.ask(submit).await;
    assert!(matches!(answer, Reply::Refused(Refusal::Busy { .. })), "{answer:?}");
    honest.submit(access, 1_000).await;
}
