//! Who is in: added, removed, gone by themselves; also when several decide at once.

use kring_client::case::{CaseStatus, Role};
use kring_client::conversation::NotAdded;
use kring_tests::clock::soon;
use kring_tests::person::Person;
use kring_tests::relay;
use kring_tests::world::World;

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
async fn ten_who_add_somebody_at_the_same_moment_converge() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    let (mut deputies, mut joiners) = (Vec::new(), Vec::new());
    for number in 0..10 {
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
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;
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
    assert!(at_bert.send(kring_client::case::ItemDraft::markdown("nog iets")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_leaves_is_taken_out_by_another() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Person::online(&world, "anne@politie.example", relay.addr).await;
    let bert = Person::online(&world, "bert@opvang.example", relay.addr).await;
    let case = anne.new_case("Gezin").await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;

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
