//! Who is in: added, removed, gone by themselves; also when several decide at once.

use std::net::SocketAddr;

use kring_client::case::{CaseStatus, ItemDraft, Role};
use kring_client::conversation::NotAdded;
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::OperationId;
use kring_protocol::message::{ClaimKeyPackages, Reply, SendNote};
use kring_protocol::refusal::Refusal;
use kring_server::rules::limits::MAX_UNCLAIMED;
use kring_tests::circle::together;
use kring_tests::clock::soon;
use kring_tests::person::Person;
use kring_tests::relay;
use kring_tests::wire::Wire;
use kring_tests::world::{SHELTER, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_gets_everything_from_its_commit_on_and_nothing_before() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.say(&case, "voor bert").await;
    anne.add(&case, &bert, Role::Member).await;
    anne.say(&case, "na bert").await;
    let at_bert = bert.joined(&case).await;
    assert_eq!(bert.has_texts(&at_bert, 1).await, ["na bert"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_add_somebody_at_the_same_moment_both_succeed() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let carla = Person::online(&world, "carla@opvang.example", relay.addr).await;
    let dirk = Person::online(&world, "dirk@politie.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Deputy).await;
    let at_bert = bert.joined(&case).await;

    tokio::join!(anne.add(&case, &carla, Role::Member), bert.add(&at_bert, &dirk, Role::Member));
    let everybody: Vec<_> = [&anne, &bert, &carla, &dirk].map(Person::address).to_vec();
    for person in [&anne, &bert, &carla, &dirk] {
        let case = person.joined(&case).await;
        person.has_members(&case, everybody.clone()).await;
    }
    let at_dirk = dirk.joined(&case).await;
    dirk.say(&at_dirk, "ik ben er").await;
    for person in [&anne, &bert, &carla] {
        let case = person.joined(&case).await;
        assert_eq!(person.has_texts(&case, 1).await, ["ik ben er"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_who_add_somebody_at_the_same_moment_converge() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    let (mut deputies, mut joiners) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let deputy = Person::online(&world, &format!("plaats{number}@politie.example"), relay.addr).await;
        anne.add(&case, &deputy, Role::Deputy).await;
        let at_deputy = deputy.joined(&case).await;
        deputies.push((deputy, at_deputy));
        joiners.push(Person::online(&world, &format!("nieuw{number}@opvang.example"), relay.addr).await);
    }

    let mut pending = Vec::new();
    for ((_, at_deputy), joiner) in deputies.iter().zip(&joiners) {
        pending.push(at_deputy.add(joiner.address(), Role::Member).await.unwrap());
    }
    for pending in pending {
        let added = soon("an addition", pending.done()).await.unwrap();
        assert_eq!((added.added.len(), added.not_added), (1, Vec::new()));
    }
    let people = || [&anne].into_iter().chain(deputies.iter().map(|(deputy, _)| deputy)).chain(&joiners);
    let everybody: Vec<_> = people().map(Person::address).collect();
    for person in people() {
        let case = person.joined(&case).await;
        person.has_members(&case, everybody.clone()).await;
    }
    anne.say(&case, "iedereen").await;
    for person in people() {
        let case = person.joined(&case).await;
        assert_eq!(person.has_texts(&case, 1).await, ["iedereen"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_device_gets_nothing_after_its_removal() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (bert, at_bert)] =
        together(&world, ["anne@politie.example", "bert@opvang.example"], relay.addr).await;
    anne.say(&case, "met bert").await;
    bert.has_texts(&at_bert, 1).await;

    let pending = case.remove(bert.address()).await.unwrap();
    soon("the removal", pending.done()).await.unwrap();
    anne.say(&case, "zonder bert").await;
    bert.has_status(&at_bert, CaseStatus::Left).await;
    let bert = bert.restarted().await;
    soon("catching up", bert.client.caught_up()).await.unwrap();
    let at_bert = bert.joined(&case).await;
    assert_eq!(bert.texts(&at_bert).await, ["met bert"]);
    assert!(at_bert.send(ItemDraft::markdown("nog iets")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_leaves_is_taken_out_by_another() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (bert, at_bert)] =
        together(&world, ["anne@politie.example", "bert@opvang.example"], relay.addr).await;

    let pending = at_bert.leave().await.unwrap();
    soon("leaving", pending.done()).await.unwrap();
    anne.has_members(&case, vec![anne.address()]).await;
    bert.has_status(&at_bert, CaseStatus::Left).await;
    anne.say(&case, "alleen").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_has_no_device_here_does_not_block_the_others() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    let nobody = case.add("niemand@opvang.example".parse().unwrap(), Role::Member).await.unwrap();
    let added = soon("an answer", nobody.done()).await.unwrap();
    assert!(added.added.is_empty());
    assert_eq!(added.not_added, [(None, NotAdded::Unknown)]);
    anne.add(&case, &bert, Role::Member).await;
    bert.joined(&case).await;
}

/// Fills a device's inbox as strangers can: half of it with notes, the other half with places that claims keep.
async fn fill_inbox(world: &World, relay: SocketAddr, device: &DeviceAddress) {
    let first = Wire::open(world, &world.device("vreemde@politie.example"), relay).await;
    for number in 0..MAX_UNCLAIMED {
        let sealed = vec![number as u8; 4096].into();
        let note = SendNote { device: device.device, operation: OperationId(rand::random()), sealed };
        assert!(matches!(first.ask(note).await, Ok(Reply::Done(_))));
    }
    // One stranger is kept from taking all places: the inbox is full once a new one gets none.
    for number in 0.. {
        let stranger = world.device(&format!("vreemde{number}@politie.example"));
        let wire = Wire::open(world, &stranger, relay).await;
        let mut places = 0;
        loop {
            let claim = ClaimKeyPackages { professional: device.professional.clone(), device: Some(device.device) };
            match wire.ask(claim).await {
                Ok(Reply::Claimed(claimed)) if claimed.devices.len() == 1 => places += 1,
                Ok(Reply::Claimed(_) | Reply::Refused(Refusal::RateLimited { .. })) => break,
                other => panic!("{other:?}"),
            }
        }
        if places == 0 {
            assert!(number > 1, "the inbox took {number} strangers' claims");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_inbox_is_full_does_not_block_the_others() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (carla, at_carla)] =
        together(&world, ["anne@politie.example", "carla@opvang.example"], relay.addr).await;
    let laptop = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let telephone = Person::online(&world, "bert@opvang.example", relay.addr).await;
    telephone.client.disconnect();
    let full = telephone.client.address().device;
    fill_inbox(&world, relay.addr, telephone.client.address()).await;

    let pending = case.add(laptop.address(), Role::Member).await.unwrap();
    let added = soon("an answer", pending.done()).await.unwrap();
    let devices: Vec<_> = added.added.iter().map(|member| &member.address).collect();
    assert_eq!(devices, [laptop.client.address()]);
    assert_eq!(added.not_added, [(Some(full), NotAdded::InboxFull)]);
    let at_laptop = laptop.joined(&case).await;
    carla.say(&at_carla, "welkom").await;
    assert_eq!(laptop.has_texts(&at_laptop, 1).await, ["welkom"]);
    assert_eq!(anne.has_texts(&case, 1).await, ["welkom"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_does_not_block_the_others() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (carla, at_carla)] =
        together(&world, ["anne@politie.example", "carla@politie.example"], relay.addr).await;
    let laptop = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let telephone = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let lost = telephone.client.device().serial().clone();
    let administrator = Wire::open(&world, &world.device("beheer@opvang.example"), relay.addr).await;
    let taken = administrator.ask(world.revocation_list(SHELTER, &[lost], 1, 7)).await;
    assert!(matches!(taken, Ok(Reply::Done(_))), "{taken:?}");

    let pending = case.add(laptop.address(), Role::Member).await.unwrap();
    let added = soon("an answer", pending.done()).await.unwrap();
    let devices: Vec<_> = added.added.iter().map(|member| &member.address).collect();
    assert_eq!(devices, [laptop.client.address()]);
    // It is offered no more, or refused by name.
    let lost = (Some(telephone.client.address().device), NotAdded::Revoked);
    assert!(added.not_added.iter().all(|one| *one == lost), "{:?}", added.not_added);
    let at_laptop = laptop.joined(&case).await;
    carla.say(&at_carla, "welkom").await;
    assert_eq!(laptop.has_texts(&at_laptop, 1).await, ["welkom"]);
    assert_eq!(anne.has_texts(&case, 1).await, ["welkom"]);
}
