//! Another implementation of MLS in our cases: a client on mls-rs that knows docs/protocol.md and docs/items.md, among real
//! clients at a real relay, in the real ciphersuite and in a classical one.
//!
//! The wire's messages and the certificates' checks are taken from our own crates here; `tests/independent.rs` has a
//! client that shares neither. What is tried is that nothing in MLS or on top of it is OpenMLS's own way of doing things.

#![allow(
    clippy::unwrap_used,
    reason = "all of this is tests; clippy knows only the functions that bear the attribute"
)]

mod device;
mod forms;
mod identity;
mod suite;

use kring_client::api::ClientEvent;
use kring_client::case::Role;
use kring_client::conversation::Event;
use kring_protocol::message::Reply;
use kring_tests::circle::together;
use kring_tests::clock::soon;
use kring_tests::relay;
use kring_tests::world::World;
use mls_rs_core::crypto::{CipherSuite, CryptoProvider};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;

use crate::suite::{CLASSICAL, POST_QUANTUM};

const CEES: &str = "cees@opvang.example";

/// One test, since a process's clients have one suite at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_another_mls_library_is_added_is_talked_to_talks_commits_and_is_removed() {
    story(suite::Provider, POST_QUANTUM).await;
    kring_client::simulation::use_classical_suite();
    story(RustCryptoProvider::new(), CLASSICAL).await;
}

async fn story<P: CryptoProvider + Clone>(provider: P, suite: CipherSuite) {
    let world = World::new();
    let relay = relay::here(&world).await;
    let [(anne, annes), (bert, berts)] =
        together(&world, ["anne@politie.example", "bert@opvang.example"], relay.addr).await;
    let mut alarms = [anne.client.events(), bert.client.events()];
    anne.say(&annes, "voor Cees er was").await;

    let mut cees = device::online(&world, CEES, relay.addr, provider, suite).await;
    cees.publish(2).await;
    let pending = annes.add(CEES.parse().unwrap(), Role::Member).await.unwrap();
    let added = soon("the addition", pending.done()).await.unwrap();
    assert!(added.not_added.is_empty(), "{:?}", added.not_added);
    cees.join().await;
    assert_eq!(cees.members(), ["anne@politie.example", "bert@opvang.example", CEES]);

    // It is talked to, and talks.
    anne.say(&annes, "welkom").await;
    bert.has_texts(&berts, 2).await;
    bert.say(&berts, "hallo").await;
    cees.catch_up().await;
    assert_eq!(cees.case().texts, ["welkom", "hallo"], "nothing of the time before");
    cees.say("dank").await;
    for (person, case) in [(&anne, &annes), (&bert, &berts)] {
        assert_eq!(person.has_texts(case, 4).await, ["voor Cees er was", "welkom", "hallo", "dank"]);
    }

    // It follows our Commits, and we follow its own.
    let pending = berts.update_keys().await.unwrap();
    soon("fresh keys", pending.done()).await.unwrap();
    bert.say(&berts, "na mijn Commit").await;
    cees.catch_up().await;
    cees.say("gelezen").await;
    anne.has_texts(&annes, 6).await;
    cees.catch_up().await;
    cees.commit().await;
    cees.say("na het mijne").await;
    assert_eq!(anne.has_texts(&annes, 7).await[6], "na het mijne");
    assert_eq!(bert.has_texts(&berts, 7).await[6], "na het mijne");
    anne.say(&annes, "ook gelezen").await;
    cees.catch_up().await;
    assert_eq!(cees.case().texts, ["welkom", "hallo", "na mijn Commit", "ook gelezen"]);

    // It is removed, and reads nothing after the Commit that says so.
    let pending = annes.remove(CEES.parse().unwrap()).await.unwrap();
    soon("the removal", pending.done()).await.unwrap();
    anne.say(&annes, "zonder Cees").await;
    cees.catch_up().await;
    assert!(cees.case().removed);
    let (records, end) = cees.read().await;
    assert!(records.is_empty() && end.head == end.through, "{end:?}");
    let late = cees.says_too_late().await;
    assert!(matches!(late, Reply::Refused(_)), "{late:?}");
    bert.has_texts(&berts, 9).await;
    anne.has_members(&annes, vec![anne.address(), bert.address()]).await;

    // Nobody was alarmed by anything that it did.
    for (client, events) in [anne.client, bert.client].into_iter().zip(&mut alarms) {
        soon("the end of a client", client.close()).await;
        while let Some(event) = events.next().await {
            let alarm = matches!(
                event,
                ClientEvent::Conversation(
                    Event::Suspicion { .. } | Event::CommitRefused { .. } | Event::Unreachable { .. }
                )
            );
            assert!(!alarm, "{event:?}");
        }
    }
}
