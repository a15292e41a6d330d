//! Messages from one to all, once and in one order.

use kring_client::case::{Position, Role};
use kring_tests::circle::together;
use kring_tests::person::Person;
use kring_tests::relay::{self, RelayProcess};
use kring_tests::world::World;

use crate::RELAY;

#[tokio::test(flavor = "multi_thread")]
async fn two_professionals_of_two_organisations_talk() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin de Vries").await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;

    for round in 0..5 {
        anne.say(&case, &format!("vraag {round}")).await;
        bert.has_texts(&at_bert, 2 * round + 1).await;
        bert.say(&at_bert, &format!("antwoord {round}")).await;
        anne.has_texts(&case, 2 * round + 2).await;
    }
    assert_eq!(anne.texts(&case).await, bert.texts(&at_bert).await);
    let digests = (case.digest(Position(0)).await.unwrap(), at_bert.digest(Position(0)).await.unwrap());
    assert_eq!(digests.0, digests.1);
    assert_eq!(at_bert.title().await.unwrap(), "Gezin de Vries");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_members_see_the_same_order_when_all_write_at_once() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (bert, at_bert), (carla, at_carla)] =
        together(&world, ["anne@politie.example", "bert@opvang.example", "carla@opvang.example"], relay.addr).await;

    let write = async |person: &Person, case, name: &str| {
        for number in 0..20 {
            person.say(case, &format!("{name} {number}")).await;
        }
    };
    tokio::join!(write(&anne, &case, "anne"), write(&bert, &at_bert, "bert"), write(&carla, &at_carla, "carla"));
    let all = anne.has_texts(&case, 60).await;
    assert_eq!(bert.has_texts(&at_bert, 60).await, all);
    assert_eq!(carla.has_texts(&at_carla, 60).await, all);
    for name in ["anne", "bert", "carla"] {
        let own: Vec<_> = all.iter().filter(|text| text.starts_with(name)).cloned().collect();
        assert_eq!(own, (0..20).map(|number| format!("{name} {number}")).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_said_twice_when_the_relay_is_killed() {
    let world = World::new();
    let mut relay = RelayProcess::start(RELAY, &world).await;
    let address = relay.address;
    let [(anne, case), (bert, at_bert)] =
        together(&world, ["anne@politie.example", "bert@opvang.example"], address).await;

    let mut expected = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let text = format!("ronde {round}, bericht {number}");
            anne.say(&case, &text).await;
            expected.push(text);
        }
        relay.kill().await;
        // Said while there is no relay.
        let text = format!("zonder relay {round}");
        let waiting = case.send(kring_client::case::ItemDraft::markdown(&text)).await.unwrap();
        expected.push(text);
        relay = RelayProcess::start_at(RELAY, &world, address).await;
        anne.client.connect();
        bert.client.connect();
        kring_tests::clock::soon("the receipt", waiting.relayed()).await.unwrap();
    }
    assert_eq!(anne.has_texts(&case, expected.len()).await, expected);
    assert_eq!(bert.has_texts(&at_bert, expected.len()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_closed_goes_on_where_it_was() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, case), (bert, at_bert)] =
        together(&world, ["anne@politie.example", "bert@opvang.example"], relay.addr).await;
    anne.say(&case, "een").await;
    bert.has_texts(&at_bert, 1).await;

    drop(at_bert);
    let bert = bert.restarted().await;
    anne.say(&case, "twee").await;
    let at_bert = bert.joined(&case).await;
    assert_eq!(bert.has_texts(&at_bert, 2).await, ["een", "twee"]);
    bert.say(&at_bert, "drie").await;
    assert_eq!(anne.has_texts(&case, 3).await, ["een", "twee", "drie"]);
}
