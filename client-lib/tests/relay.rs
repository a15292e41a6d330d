//! Real clients and the real relay, over QUIC on loopback.

mod support;

use std::time::Duration;

use kring_client::api::{Case, Client, ClientEvent, Link};
use kring_client::case::{ItemDraft, Position, Role};
use kring_client::conversation::Event;
use support::World;

/// Longest wait for anything: far beyond what it takes, so that only what never comes fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits, but not for ever.
async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come"),
    }
}

/// The texts of a case, in its order.
async fn texts(case: &Case) -> Vec<String> {
    let items = case.items(Position(0), 10_000).await.expect("items");
    items.iter().filter_map(|item| item.body.text().map(str::to_owned)).collect()
}

/// Waits until a case has this many items here.
async fn until_items(client: &Client, case: &Case, wanted: usize) {
    let mut events = client.events();
    soon("the items", async {
        while texts(case).await.len() < wanted {
            events.next().await.expect("the client is open");
        }
    })
    .await;
}

/// Opens a case with `a`, adds `b`, and waits until `b` has it.
async fn shared_case(a: &Client, b: &Client) -> (Case, Case) {
    soon("b's KeyPackages", b.caught_up()).await.expect("a relay");
    let mut joining = b.events();
    let case = a.new_case("Proef").await.expect("a case");
    let pending = case.add(b.address().professional.clone(), Role::Member).await.expect("stored");
    let added = soon("the addition", pending.done()).await.expect("done");
    assert_eq!((added.added.len(), added.not_added.len()), (1, 0));
    let joined = soon(
        "b's joining",
        joining.find(|event| match event {
            ClientEvent::Conversation(Event::Joined { case }) => Some(case),
            _ => None,
        }),
    );
    let id = joined.await.expect("open");
    assert_eq!(id, case.id());
    (case, b.case(id).await.expect("the case"))
}

async fn open(world: &World, name: &str, relay: std::net::SocketAddr) -> Client {
    let (profile, unlock) = world.profile(name, relay);
    Client::open(&profile, &unlock).await.expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_messages_of_two_clients_stand_in_one_order_on_both() {
    let world = World::new();
    let relay = world.relay(0).await;
    let (a, b) = (open(&world, "a", relay.addr).await, open(&world, "b", relay.addr).await);
    let (of_a, of_b) = shared_case(&a, &b).await;
    let mut last = Vec::new();
    for number in 0..250 {
        last.push(of_a.send(ItemDraft::markdown(format!("a {number}"))).await.expect("stored"));
        last.push(of_b.send(ItemDraft::markdown(format!("b {number}"))).await.expect("stored"));
    }
    for sent in last {
        soon("the receipt", sent.relayed()).await.expect("relayed");
    }
    until_items(&a, &of_a, 500).await;
    until_items(&b, &of_b, 500).await;
    let (on_a, on_b) = (texts(&of_a).await, texts(&of_b).await);
    assert_eq!(on_a, on_b);
    for author in ["a", "b"] {
        let own: Vec<_> = on_a.iter().filter(|text| text.starts_with(author)).cloned().collect();
        let expected: Vec<_> = (0..250).map(|number| format!("{author} {number}")).collect();
        assert_eq!(own, expected, "each in its author's order, once");
    }
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_while_the_relay_is_away_arrives_when_it_is_back() {
    let world = World::new();
    let relay = world.relay(0).await;
    let address = relay.addr;
    let (a, b) = (open(&world, "a", address).await, open(&world, "b", address).await);
    let (of_a, of_b) = shared_case(&a, &b).await;
    let before = of_a.send(ItemDraft::markdown("before")).await.expect("stored");
    soon("the receipt", before.relayed()).await.expect("relayed");

    let mut events = a.events();
    let _drained = relay.shutdown().await;
    let away = events.find(|event| matches!(event, ClientEvent::Disconnected(_)).then_some(()));
    soon("the end of the connection", away).await.expect("open");
    let queued = of_a.send(ItemDraft::markdown("queued")).await.expect("stored");
    assert_ne!(a.status().link, Link::Connected);

    let relay = world.relay(address.port()).await;
    soon("the receipt", queued.relayed()).await.expect("relayed");
    until_items(&b, &of_b, 2).await;
    assert_eq!(texts(&of_b).await, ["before", "queued"]);
    a.close().await;
    b.close().await;
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_closed_has_everything_after_it_is_opened_again() {
    let world = World::new();
    let relay = world.relay(0).await;
    let (profile, unlock) = world.profile("b", relay.addr);
    let a = open(&world, "a", relay.addr).await;
    let b = Client::open(&profile, &unlock).await.expect("a client");
    let (of_a, of_b) = shared_case(&a, &b).await;
    let id = of_b.id();
    drop(of_b);
    soon("the end of the client", b.close()).await;
    for number in 0..20 {
        let sent = of_a.send(ItemDraft::markdown(format!("{number}"))).await.expect("stored");
        soon("the receipt", sent.relayed()).await.expect("relayed");
    }
    let b = Client::open(&profile, &unlock).await.expect("a client");
    soon("the backlog", b.caught_up()).await.expect("a relay");
    let of_b = b.case(id).await.expect("the case");
    assert_eq!(texts(&of_b).await.len(), 20, "caught up means that all of it is stored");
    assert_eq!(of_a.digest(Position(0)).await.expect("digest"), of_b.digest(Position(0)).await.expect("digest"));

    let remove = of_a.remove(b.address().professional.clone()).await.expect("stored");
    let mut events = b.events();
    soon("the removal", remove.done()).await.expect("removed");
    let left = events.find(|event| matches!(event, ClientEvent::Conversation(Event::Left { .. })).then_some(()));
    soon("b's leaving", left).await.expect("open");
    a.close().await;
    b.close().await;
}
