//! KeyPackages and inboxes: each KeyPackage is given once, and one device that cannot be added blocks no other.

use kring_pki::form::Serial;
use kring_protocol::ids::{ClaimId, CursorId, DeviceId, Epoch, InboxSeq, Seq};
use kring_protocol::message::{
    AcknowledgeInbox, ClaimKeyPackages, Claimed, PublishKeyPackages, ReadInbox, Reply, SealedWelcome, SubmitCommit,
};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::{Refusal, RefusedRecipient};
use kring_tests::log::Log;
use kring_tests::relay;
use kring_tests::wire::Wire;
use kring_tests::world::{SHELTER, World};

/// Something that begins as a KeyPackage does.
fn key_package(number: u8) -> Payload {
    vec![0, 1, 0, 5, 0, 1, 0, 0x4f, number].into()
}

async fn publish(wire: &Wire, single_use: &[u8], last_resort: Option<u8>) {
    let single_use = single_use.iter().map(|number| key_package(*number)).collect();
    let request = PublishKeyPackages { single_use, last_resort: last_resort.map(key_package), replace: false };
    let reply = wire.ask(request).await;
    assert!(matches!(reply, Ok(Reply::KeyPackageCount(_))), "{reply:?}");
}

async fn claim(wire: &Wire, professional: &str) -> Result<Claimed, Refusal> {
    let professional = professional.parse().unwrap();
    match wire.ask(ClaimKeyPackages { professional, device: None }).await.unwrap() {
        Reply::Claimed(claimed) => Ok(claimed),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("no claim but {other:?}"),
    }
}

/// The KeyPackages of a claim, in their order of publishing.
fn packages(claimed: &Claimed) -> Vec<Payload> {
    claimed.devices.iter().map(|device| device.key_package.clone()).collect()
}

#[tokio::test]
async fn a_key_package_is_given_once_and_the_last_resort_again_and_again() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Wire::open(&world, &world.device("anne@politie.example"), relay.addr).await;
    let bert = Wire::open(&world, &world.device("bert@opvang.example"), relay.addr).await;
    assert_eq!(claim(&anne, "bert@opvang.example").await, Err(Refusal::UnknownProfessional));

    publish(&bert, &[1, 2], Some(9)).await;
    let mut given = Vec::new();
    for _ in 0..4 {
        given.extend(packages(&claim(&anne, "bert@opvang.example").await.unwrap()));
    }
    given[..2].sort_by(|one, other| one.cmp(other));
    assert_eq!(given, [1, 2, 9, 9].map(key_package));
}

#[tokio::test]
async fn a_device_without_a_key_package_blocks_no_other_device_of_its_professional() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let anne = Wire::open(&world, &world.device("anne@politie.example"), relay.addr).await;
    let (first, second) = (world.device("bert@opvang.example"), world.device("bert@opvang.example"));
    let at_first = Wire::open(&world, &first, relay.addr).await;
    let at_second = Wire::open(&world, &second, relay.addr).await;
    publish(&at_first, &[1], None).await;
    publish(&at_second, &[2, 3], None).await;

    let both = claim(&anne, "bert@opvang.example").await.unwrap();
    assert_eq!((both.devices.len(), both.refused.len()), (2, 0));
    let one = claim(&anne, "bert@opvang.example").await.unwrap();
    assert_eq!(packages(&one), [key_package(3)]);
    assert_eq!(one.devices[0].device, second.address.device);
    let refused = one.refused.iter().map(|refused| (refused.device, refused.claim)).collect::<Vec<_>>();
    assert_eq!(refused, [(first.address.device, ClaimId([0; 16]))]);
}

#[tokio::test]
async fn a_bundle_with_a_recipient_that_stands_in_the_way_stores_nothing_and_goes_without_it() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let device = world.device("bert@opvang.example");
    let anne = Wire::open(&world, &world.device("anne@politie.example"), relay.addr).await;
    let bert = Wire::open(&world, &device, relay.addr).await;
    publish(&bert, &[1], None).await;
    let claimed = claim(&anne, "bert@opvang.example").await.unwrap().devices.remove(0);

    let log = Log::random();
    anne.create(log, None).await;
    let cursor = CursorId(rand::random());
    let good =
        SealedWelcome { claim: claimed.claim, device: claimed.device, sealed: b"welcome".to_vec().into(), cursor };
    let bad = SealedWelcome { claim: ClaimId(rand::random()), cursor: CursorId(rand::random()), ..good.clone() };
    let both = SubmitCommit { welcomes: vec![good.clone(), bad.clone()], ..anne.commit_of(log, Epoch(0)) };
    let in_the_way = RefusedRecipient { claim: bad.claim, device: bad.device, reason: RefusedRecipient::NO_CLAIM };
    let refused = Ok(Reply::Refused(Refusal::Recipients(vec![in_the_way])));
    assert_eq!(anne.ask(both.clone()).await, refused);
    assert_eq!(anne.read(log, Epoch(0), Some(Seq(0))).await.0, [], "nothing in the log");
    let inbox = bert.ask_all(ReadInbox { after: InboxSeq(0) }).await.unwrap();
    assert_eq!(inbox.len(), 1, "nothing in the inbox: {inbox:?}");

    let one = SubmitCommit { welcomes: vec![good], ..both };
    assert!(matches!(anne.ask(one).await, Ok(Reply::Receipt(_))));
    let inbox = bert.ask_all(ReadInbox { after: InboxSeq(0) }).await.unwrap();
    let [Reply::Note(note), Reply::InboxEnd(end)] = &inbox[..] else { panic!("{inbox:?}") };
    assert_eq!((&note.sealed[..], note.seq), (&b"welcome"[..], end.through));

    // It comes again until the device has stored it.
    let again = bert.ask_all(ReadInbox { after: InboxSeq(0) }).await.unwrap();
    assert_eq!(again, inbox);
    let acknowledged = bert.ask(AcknowledgeInbox { through: note.seq }).await;
    assert!(matches!(acknowledged, Ok(Reply::Done(_))), "{acknowledged:?}");
    assert_eq!(bert.ask_all(ReadInbox { after: InboxSeq(0) }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_device_that_is_revoked_between_its_claim_and_the_bundle_blocks_no_other() {
    let world = World::new();
    let relay = relay::here(&world).await;
    let (stays, goes) = (world.device("bert@opvang.example"), world.device("bert@opvang.example"));
    let anne = Wire::open(&world, &world.device("anne@politie.example"), relay.addr).await;
    let bert = Wire::open(&world, &stays, relay.addr).await;
    let leaver = Wire::open(&world, &goes, relay.addr).await;
    publish(&bert, &[1], None).await;
    publish(&leaver, &[2], None).await;
    let claimed = claim(&anne, "bert@opvang.example").await.unwrap();
    assert_eq!(claimed.devices.len(), 2);
    let welcome = |device: DeviceId| {
        let claimed = claimed.devices.iter().find(|claimed| claimed.device == device).expect("claimed");
        let cursor = CursorId(rand::random());
        SealedWelcome { claim: claimed.claim, device, sealed: b"welcome".to_vec().into(), cursor }
    };
    let (good, bad) = (welcome(stays.address.device), welcome(goes.address.device));

    let serial = Serial::of(&goes.chain[0]).expect("a serial");
    let list = world.revocation_list(SHELTER, &[serial], 1, 7);
    assert!(matches!(anne.ask(list).await, Ok(Reply::Done(_))), "the list is taken");
    leaver.ended().await;
    let log = Log::random();
    anne.create(log, None).await;
    let both = SubmitCommit { welcomes: vec![good.clone(), bad.clone()], ..anne.commit_of(log, Epoch(0)) };
    let in_the_way = RefusedRecipient { claim: bad.claim, device: bad.device, reason: RefusedRecipient::REVOKED };
    let refused = Ok(Reply::Refused(Refusal::Recipients(vec![in_the_way])));
    assert_eq!(anne.ask(both.clone()).await, refused);
    assert_eq!(anne.read(log, Epoch(0), Some(Seq(0))).await.0, [], "nothing in the log");

    let one = SubmitCommit { welcomes: vec![good], ..both };
    assert!(matches!(anne.ask(one).await, Ok(Reply::Receipt(_))));
    let inbox = bert.ask_all(ReadInbox { after: InboxSeq(0) }).await.unwrap();
    assert!(matches!(&inbox[..], [Reply::Note(_), Reply::InboxEnd(_)]), "{inbox:?}");
}
