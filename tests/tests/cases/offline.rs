//! A device that was away catches up, and what it said meanwhile arrives.

use kring_client::case::{ItemDraft, Role};
use kring_tests::circle::together;
use kring_tests::clock::soon;
use kring_tests::person::Person;
use kring_tests::relay;
use kring_tests::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_offline_arrives_once_and_in_order_although_the_epoch_changed() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let carla = Person::online(&world, "carla@opvang.example", relay.addr).await;
    let dirk = Person::online(&world, "dirk@politie.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;

    bert.client.disconnect();
    let mut queued = Vec::new();
    for number in 0..5 {
        queued.push(at_bert.send(ItemDraft::markdown(format!("offline {number}"))).await.unwrap());
    }
    anne.add(&case, &carla, Role::Member).await;
    anne.say(&case, "carla is erbij").await;
    anne.add(&case, &dirk, Role::Member).await;
    soon("new keys", case.update_keys().await.unwrap().done()).await.unwrap();

    bert.client.connect();
    for sent in queued {
        soon("the receipt", sent.relayed()).await.unwrap();
    }
    let expected: Vec<_> =
        ["carla is erbij".to_owned()].into_iter().chain((0..5).map(|number| format!("offline {number}"))).collect();
    assert_eq!(anne.has_texts(&case, 6).await, expected);
    assert_eq!(bert.has_texts(&at_bert, 6).await, expected);
    let at_carla = carla.joined(&case).await;
    assert_eq!(carla.has_texts(&at_carla, 6).await, expected);
    let at_dirk = dirk.joined(&case).await;
    assert_eq!(dirk.has_texts(&at_dirk, 5).await, expected[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_was_away_catches_up_with_everything() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (bert, at_bert)] =
        together(&world, ["anne@politie.example", "bert@opvang.example"], relay.addr).await;
    bert.client.disconnect();
    let mut expected = Vec::new();
    for number in 0..60 {
        if number % 20 == 10 {
            soon("new keys", case.update_keys().await.unwrap().done()).await.unwrap();
        }
        let text = format!("{number} {}", "lang ".repeat(number * 20));
        anne.say(&case, &text).await;
        expected.push(text);
    }
    bert.client.connect();
    soon("catching up", bert.client.caught_up()).await.unwrap();
    assert_eq!(bert.texts(&at_bert).await, expected);
}
