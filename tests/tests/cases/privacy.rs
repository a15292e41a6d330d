//! The relay knows nothing: canaries are said, named and numbered, and then looked for in every byte that it keeps,
//! logs at `trace`, and counts.

use std::collections::BTreeSet;

use kring_client::case::Role;
use kring_tests::person::Person;
use kring_tests::relay::RelayProcess;
use kring_tests::scan::Canaries;
use kring_tests::world::World;

use crate::RELAY;

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_keeps_logs_and_counts_nothing_that_tells_of_people_or_cases() {
    let world = World::new();
    let relay = RelayProcess::start(RELAY, &world).await;
    let anne = Person::online(&world, "kanarie.anne@politie.example", relay.address).await;
    let bert = Person::online(&world, "kanarie.bert@opvang.example", relay.address).await;
    let title = "Kanarietitel van het gezin";
    let case = anne.new_case(title).await;
    anne.add(&case, &bert, Role::Member).await;
    let at_bert = bert.joined(&case).await;

    let mut canaries = Canaries::default();
    canaries.add_text("the title", title);
    for number in 0..20 {
        let text = format!("Kanarietekst nummer {number} over het gezin ").repeat(1 + number * 10);
        anne.say(&case, &text).await;
        canaries.add_text("a text", &format!("Kanarietekst nummer {number} over"));
    }
    bert.has_texts(&at_bert, 20).await;
    bert.say(&at_bert, "Kanarieantwoord van Bert").await;
    anne.has_texts(&case, 21).await;
    canaries.add_text("an answer", "Kanarieantwoord van Bert");

    for person in [&anne, &bert] {
        let address = person.client.address();
        canaries.add_text("an address", address.professional.as_str());
        canaries.add_text("a person's name", &format!("Proef {}", address.professional.name()));
        canaries.add("a device", address.device.as_bytes());
        for certificate in person.profile.chain() {
            canaries.add("a certificate", &certificate[certificate.len() - 24..]);
        }
    }
    canaries.add_text("an organisation", "Politie Proef");
    canaries.add_text("a domain", "opvang.example");
    let view = case.view().await.unwrap();
    canaries.add("the group", view.group.as_bytes());
    canaries.add("the case", case.id().0.as_slice());

    let metrics = relay.metrics().await;
    let log = relay.log.clone();
    relay.kill().await;
    assert!(metrics.contains("# TYPE"), "metrics were read: {metrics}");
    assert_eq!(canaries.found_in(metrics.as_bytes()), BTreeSet::new(), "in the metrics");
    let log = std::fs::read(log).unwrap();
    let logged = b"connection opened";
    assert!(log.windows(logged.len()).any(|line| line == logged), "something was logged");
    assert_eq!(canaries.found_in(&log), BTreeSet::new(), "in the log");
    let (found, size) = canaries.found_under(&world.data());
    assert!(size > 100_000, "the messages are in the {size} bytes of the store");
    assert_eq!(found, [], "in the store");

    // The same search finds what is planted.
    std::fs::write(world.data().join("planted"), [b"xx", view.group.as_bytes().as_slice()].concat()).unwrap();
    assert_eq!(canaries.found_under(&world.data()).0.len(), 1);
}
