//! Who leaves an organisation is out of all cases in seconds, whoever is online to see it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kring_client::api::{Case, ClientEvent, Link};
use kring_client::case::{CaseStatus, Role};
use kring_client::conversation::Event;
use kring_protocol::message::{PublishCrl, Reply};
use kring_tests::clock::{soon, stopwatch};
use kring_tests::person::Person;
use kring_tests::relay::{self, RelayProcess};
use kring_tests::wire::Wire;
use kring_tests::world::{SHELTER, World};

use crate::RELAY;

/// Cases of the leaver.
const CASES: usize = 20;

/// Hands a list to the relay, as an administrator's machine does, and waits until it is durable there.
async fn publish(world: &World, relay: SocketAddr, list: PublishCrl) {
    let administrator = Wire::open(world, &world.device("beheer@opvang.example"), relay).await;
    let answer = soon("the relay's answer", administrator.ask(list)).await;
    assert!(matches!(answer, Ok(Reply::Done(_))), "the list is taken");
}

/// Waits until the case has so many devices in it.
async fn has_devices(person: &Person, case: &Case, count: usize) {
    person.until("the devices", async || (case.members().await.ok()?.len() == count).then_some(())).await;
}

/// The time at which all of somebody's cases have so many devices.
async fn all_have(person: &Person, cases: &[Case], count: usize, since: Instant) -> Duration {
    for case in cases {
        let own = person.joined(case).await;
        has_devices(person, &own, count).await;
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_with_two_devices_is_out_of_twenty_cases_with_half_of_the_others_offline() {
    let world = World::new();
    let first = RelayProcess::start(RELAY, &world).await;
    let address = first.address;
    let anne = Person::online(&world, "anne@politie.example", address).await;
    let bert = Person::online(&world, "bert@politie.example", address).await;
    let carla = Person::online(&world, "carla@opvang.example", address).await;
    let dirk = Person::online(&world, "dirk@opvang.example", address).await;
    let phone = Person::online(&world, "eva@opvang.example", address).await;
    let laptop = Person::online(&world, "eva@opvang.example", address).await;
    let mut cases = Vec::new();
    for number in 0..CASES {
        let case = anne.new_case(&format!("Gezin {number}")).await;
        for who in [&bert, &carla, &dirk, &phone] {
            anne.add(&case, who, Role::Member).await;
        }
        cases.push(case);
    }
    for person in [&bert, &carla, &dirk, &phone, &laptop] {
        all_have(person, &cases, 6, stopwatch()).await;
    }
    let mut epochs = Vec::new();
    for case in &cases {
        epochs.push(case.view().await.unwrap().epoch.0);
    }

    // Everybody is away when eva is revoked; the relay dies right after it has said that the list is durable.
    for person in [&anne, &bert, &carla, &dirk] {
        person.client.disconnect();
    }
    let serials = [&phone, &laptop].map(|device| device.client.device().serial().clone());
    publish(&world, address, world.revocation_list(SHELTER, &serials, 1, 7)).await;
    first.kill().await;
    let relay = RelayProcess::start_at(RELAY, &world, address).await;
    let since = stopwatch();
    // Half of the others come back: one coordinates, the other is a mere member.
    anne.client.connect();
    bert.client.connect();
    let at_anne = all_have(&anne, &cases, 4, since).await;
    let at_bert = all_have(&bert, &cases, 4, since).await;
    println!("after a restart of the relay: {CASES} cases without the leaver in {at_anne:?} and {at_bert:?}");
    for (case, epoch) in cases.iter().zip(&epochs) {
        assert_eq!(case.view().await.unwrap().epoch.0, epoch + 1, "both devices went in one change");
    }
    anne.say(&cases[0], "zonder eva").await;

    // The others learn it whenever they come, and the leaver never.
    carla.client.connect();
    dirk.client.connect();
    for person in [&carla, &dirk] {
        all_have(person, &cases, 4, since).await;
        let case = person.joined(&cases[0]).await;
        assert_eq!(person.has_texts(&case, 1).await, ["zonder eva"]);
    }
    for device in [&phone, &laptop] {
        let case = device.joined(&cases[0]).await;
        assert!(device.texts(&case).await.is_empty());
        assert_eq!(case.members().await.unwrap().len(), 6, "it learns nothing of what came after");
    }

    // While everybody is online the relay's push is enough.
    let serials: Vec<_> = serials.into_iter().chain([dirk.client.device().serial().clone()]).collect();
    let since = stopwatch();
    publish(&world, address, world.revocation_list(SHELTER, &serials, 2, 7)).await;
    let published = since.elapsed();
    let cut_off = async || matches!(dirk.client.status().link, Link::Connecting { .. }).then_some(());
    dirk.until("the cut", cut_off).await;
    let cut = since.elapsed().saturating_sub(published);
    let at_anne = all_have(&anne, &cases, 3, since).await;
    let at_carla = all_have(&carla, &cases, 3, since).await;
    println!("from the relay's answer to the cut of the leaver's connection: {cut:?}");
    println!("while online: list taken after {published:?}, {CASES} cases in {at_anne:?} and {at_carla:?}");
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_open_for_a_moment_only_takes_the_leaver_out_too() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@politie.example", relay.addr).await;
    let carla = Person::online(&world, "carla@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    for who in [&bert, &carla] {
        anne.add(&case, who, Role::Member).await;
        who.joined(&case).await;
    }
    has_devices(&bert, &bert.joined(&case).await, 3).await;
    let (id, bert_device) = (case.id(), bert.client.address().clone());
    drop(case);
    let (anne, bert) = (anne.put_down().await, bert.put_down().await);
    let out = carla.client.device().serial().clone();
    publish(&world, relay.addr, world.revocation_list(SHELTER, &[out], 1, 7)).await;

    // Bert is open for as long as it takes to read what there is: anne's turn would come before his.
    let bert = bert.taken_up().await;
    soon("catching up", bert.client.caught_up()).await.unwrap();
    let revoked = bert.client.revoked_members().await.unwrap();
    assert_eq!((revoked.len(), revoked[0].0, &revoked[0].1[0].address), (1, id, carla.client.address()));
    bert.put_down().await;

    let anne = anne.taken_up().await;
    let mut told = anne.client.events();
    let by = told.find(|event| match event {
        ClientEvent::Conversation(Event::TakenOut { by, .. }) => Some(by),
        _ => None,
    });
    assert_eq!(soon("who took carla out", by).await, Some(bert_device));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_coordinators_case_goes_to_its_deputy_and_without_one_to_who_claims_it() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@opvang.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let carla = Person::online(&world, "carla@politie.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Deputy).await;
    anne.add(&case, &carla, Role::Member).await;
    let at_carla = carla.joined(&case).await;
    let at_bert = bert.joined(&case).await;

    let anne_out = anne.client.device().serial().clone();
    publish(&world, relay.addr, world.revocation_list(SHELTER, std::slice::from_ref(&anne_out), 1, 7)).await;
    has_devices(&carla, &at_carla, 2).await;
    let coordination = at_carla.coordination().await.unwrap();
    assert_eq!(coordination.coordinator, Some(bert.address()));
    bert.say(&at_bert, "ik neem het over").await;
    assert_eq!(carla.has_texts(&at_carla, 1).await, ["ik neem het over"]);

    let bert_out = bert.client.device().serial().clone();
    publish(&world, relay.addr, world.revocation_list(SHELTER, &[anne_out, bert_out], 2, 7)).await;
    has_devices(&carla, &at_carla, 1).await;
    assert_eq!(at_carla.coordination().await.unwrap().coordinator, None);
    soon("the claim", at_carla.claim().await.unwrap().done()).await.unwrap();
    assert_eq!(at_carla.coordination().await.unwrap().coordinator, Some(carla.address()));
    let dirk = Person::online(&world, "dirk@politie.example", relay.addr).await;
    carla.add(&at_carla, &dirk, Role::Member).await;
    dirk.joined(&case).await;
    assert_eq!(at_bert.view().await.unwrap().status, CaseStatus::Open, "cut off, bert is told nothing more");
}
