//! A professional with several devices: each has a place of its own in every case.

use kring_client::case::{CaseStatus, Role};
use kring_client::conversation::{Event, NotAdded};
use kring_tests::clock::soon;
use kring_tests::person::Person;
use kring_tests::relay;
use kring_tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_joins_all_cases_through_the_first_with_the_number_that_it_shows() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let phone = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let mut cases = Vec::new();
    for title in ["Gezin een", "Gezin twee"] {
        let case = anne.new_case(title).await;
        anne.add(&case, &phone, Role::Member).await;
        phone.joined(&case).await;
        cases.push(case);
    }
    let laptop = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let id = laptop.client.address().device;

    let mut told = phone.client.events();
    phone.client.add_own_device(id, anne.client.number()).await.unwrap();
    let refused = told.find(|event| match event {
        kring_client::api::ClientEvent::Conversation(Event::NotAdded { reason, .. }) => Some(reason),
        _ => None,
    });
    assert_eq!(soon("the refusal", refused).await, Some(NotAdded::OtherNumber));

    phone.client.add_own_device(id, laptop.client.number()).await.unwrap();
    for case in &cases {
        let at_laptop = laptop.joined(case).await;
        anne.say(case, "aan beide").await;
        assert_eq!(laptop.has_texts(&at_laptop, 1).await, ["aan beide"]);
        let members = at_laptop.members().await.unwrap();
        let own = members.iter().filter(|member| member.address.professional == laptop.address());
        assert_eq!(own.map(|member| member.role).collect::<Vec<_>>(), [Role::Member, Role::Member]);
    }
    // All read the same numbers to each other.
    anne.until("one number", async || {
        let numbers = cases[0].numbers().await.ok()?;
        let at_laptop = laptop.joined(&cases[0]).await.numbers().await.ok()?;
        (numbers == at_laptop_as_seen_by(&numbers, at_laptop)).then_some(())
    })
    .await;

    laptop.client.drop_own_device(phone.client.address().device).await.unwrap();
    for case in &cases {
        let at_phone = phone.joined(case).await;
        phone.has_status(&at_phone, CaseStatus::Left).await;
        anne.has_members(case, vec![anne.address(), laptop.address()]).await;
    }
}

/// Cases of a busy professional: more than a relay keeps places for at once.
const CASES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_joins_twenty_cases_at_once_and_a_colleague_as_many() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let phone = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let mut cases = Vec::new();
    for number in 0..CASES {
        cases.push(phone.new_case(&format!("Gezin {number}")).await);
    }
    let mut told = phone.client.events();
    let laptop = Person::online(&world, "bert@opvang.example", relay.addr).await;
    phone.client.add_own_device(laptop.client.address().device, laptop.client.number()).await.unwrap();
    for case in &cases {
        laptop.joined(case).await;
    }

    // A colleague who takes them over is added to all of them while the device is offline.
    let carla = Person::online(&world, "carla@politie.example", relay.addr).await;
    phone.client.disconnect();
    let mut pending = Vec::new();
    for case in &cases {
        pending.push(case.add(carla.address(), Role::Deputy).await.unwrap());
    }
    phone.client.connect();
    for pending in pending {
        let added = soon("an addition", pending.done()).await.unwrap();
        assert_eq!((added.added.len(), added.not_added), (1, Vec::new()));
    }
    for case in &cases {
        carla.joined(case).await;
    }
    phone.put_down().await;
    let refused = told.find(|event| match event {
        kring_client::api::ClientEvent::Conversation(Event::NotAdded { reason, .. }) => Some(reason),
        _ => None,
    });
    assert_eq!(soon("the end of the events", refused).await, None, "nobody was left out on the way");
}

/// The same numbers without the mark of the device that shows them.
fn at_laptop_as_seen_by(
    whose: &kring_client::conversation::CaseNumbers,
    mut numbers: kring_client::conversation::CaseNumbers,
) -> kring_client::conversation::CaseNumbers {
    for ((member, _), (other, _)) in numbers.devices.iter_mut().zip(&whose.devices) {
        member.own = other.own;
    }
    numbers
}
