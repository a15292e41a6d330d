//! Being added: who stands in the way is left out, who is not who they say is not added.

use kring_protocol::ids::{ClaimId, DeviceId, GroupId, Seq};
use kring_protocol::message::{Claimed, ClaimedDevice, Gap, Reply, Request};

use super::harness::{World, who};
use crate::case::{CaseStatus, Role};
use crate::conversation::{Command, Event, Input, NotAdded};

fn not_added(world: &World, index: usize) -> Vec<NotAdded> {
    world.devices[index]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::NotAdded { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

#[test]
fn a_full_inbox_never_blocks_adding_the_others() {
    let mut world = World::together(&["anne"]);
    let (phone, laptop) = (world.device("bert", 1), world.device("bert", 2));
    world.settle();
    let id = world.devices[phone].address.device;
    world.relay.full.insert(id);
    world.add(0, "bert", Role::Member);
    world.settle();
    assert_eq!(not_added(&world, 0), [NotAdded::InboxFull]);
    world.agree(&[0, laptop]);
    assert!(world.core(phone).cases().unwrap().is_empty());
    assert!(world.core(0).outbox(world.case).unwrap().is_empty());
}

#[test]
fn somebody_unknown_is_not_added_and_what_comes_after_is_said() {
    let mut world = World::together(&["anne", "bert"]);
    world.add(0, "niemand", Role::Member);
    world.say(0, "verder");
    world.settle();
    assert_eq!(not_added(&world, 0), [NotAdded::Unknown]);
    assert_eq!(world.texts(1), ["verder"]);
}

#[test]
fn somebody_who_is_there_already_is_not_added_twice() {
    let mut world = World::together(&["anne", "bert"]);
    world.add(0, "bert", Role::Member);
    world.settle();
    assert_eq!(not_added(&world, 0), [NotAdded::Already]);
    assert_eq!(world.core(0).members(world.case).unwrap().len(), 2);
}

#[test]
fn a_relay_that_hands_out_a_stranger_for_somebody_is_noticed() {
    let mut world = World::together(&["anne"]);
    let stranger = world.device("eve", 1);
    world.settle();
    world.add(0, "bert", Role::Member);
    // The relay answers the claim for bert with eve's KeyPackage.
    let (ticket, request) = loop {
        if let Some(asked) = world.devices[0].requests.pop_front() {
            break asked;
        }
        assert!(world.turn(0));
    };
    assert!(matches!(request, Request::ClaimKeyPackages(_)));
    let eve = world.devices[stranger].address.clone();
    let package = world.relay.packages[&(eve.professional, eve.device)].0[0].clone();
    for device in [eve.device, DeviceId([9; 16])] {
        let devices =
            vec![ClaimedDevice { device, claim: ClaimId([1; 16]), key_package: package.clone(), until: world.now }];
        let answer = Ok(vec![Reply::Claimed(Claimed { devices, refused: Vec::new() })]);
        world.feed(0, Input::Answered { ticket, answer });
    }
    world.settle();
    assert_eq!(not_added(&world, 0), [NotAdded::KeyPackage]);
    assert_eq!(world.core(0).members(world.case).unwrap().len(), 1);
    assert!(world.core(stranger).cases().unwrap().is_empty());
}

#[test]
fn the_single_use_packages_may_run_out_and_are_filled_again() {
    let mut world = World::together(&["anne"]);
    let bert = world.device("bert", 1);
    world.settle();
    let address = world.devices[bert].address.clone();
    let key = (address.professional, address.device);
    assert_eq!(world.relay.packages[&key].0.len(), 3);
    world.relay.packages.get_mut(&key).unwrap().0.clear();
    world.add(0, "bert", Role::Member);
    world.settle();
    world.agree(&[0, bert]);
    world.feed(bert, Input::KeyPackagesLow { left: 0 });
    world.settle();
    assert_eq!(world.relay.packages[&key].0.len(), 3);
}

#[test]
fn expired_records_are_told_with_their_number_and_missing_commits_as_out_of_step() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let group: GroupId = world.core(1).authenticator(world.case).unwrap().unwrap().0;
    world.disconnect(1);
    world.disconnect(2);
    for number in 0..4 {
        world.say(0, &format!("{number}"));
    }
    world.settle();
    let last = world.relay.logs[&group].records.last().unwrap().clone();
    // Three of the four have expired.
    let gap = |commits| Gap { from: Seq(last.seq.0 - 3), to: Seq(last.seq.0 - 1), commits, records: 3 };
    world.devices[1].online = true;
    world.feed(1, Input::Gap { group, gap: gap(0) });
    world.feed(1, Input::Record { group, record: last.clone() });
    assert_eq!(world.texts(1), ["3"]);
    assert!(world.devices[1].events.contains(&Event::Gap { case: world.case, records: 3 }));
    assert_eq!(world.suspicions(), 0);

    world.devices[2].online = true;
    world.feed(2, Input::Gap { group, gap: gap(1) });
    assert_eq!(world.core(2).case(world.case).unwrap().unwrap().status, CaseStatus::OutOfStep);
    // It is taken out and added again, and goes on.
    let case = world.case;
    world.connect(1);
    world.connect(2);
    world.command(0, crate::conversation::Command::Remove { case, professional: who("cees"), device: None });
    world.add(0, "cees", Role::Member);
    world.settle();
    world.say(0, "terug");
    world.settle();
    assert_eq!(world.texts(2), ["terug"]);
    world.agree(&[0, 1, 2]);
}

#[test]
fn a_record_that_the_relay_leaves_out_is_noticed() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "een");
    world.settle();
    world.disconnect(1);
    world.say(0, "twee");
    world.settle();
    world.say(0, "drie");
    world.settle();
    let group = world.core(1).authenticator(world.case).unwrap().unwrap().0;
    let last = world.relay.logs[&group].records.last().unwrap().clone();
    world.devices[1].online = true;
    world.feed(1, Input::Record { group, record: last });
    assert_eq!(world.texts(1), ["een", "drie"]);
    assert!(world.suspicions() > 0);
}

#[test]
fn a_relay_that_shows_two_members_different_logs_is_noticed_by_the_next_item() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let group = world.core(1).authenticator(world.case).unwrap().unwrap().0;
    world.disconnect(1);
    world.disconnect(2);
    world.say(0, "de ene");
    world.settle();
    // The relay shows bert something else in its place.
    let mut other = world.relay.logs[&group].records.last().unwrap().clone();
    let mut bytes = other.message.to_vec();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    other.message = bytes.into();
    world.devices[1].online = true;
    world.feed(1, Input::Record { group, record: other });
    world.say(0, "daarna");
    world.settle();
    let last = world.relay.logs[&group].records.last().unwrap().clone();
    world.devices[1].events.clear();
    world.feed(1, Input::Record { group, record: last });
    let fork = |event: &Event| {
        matches!(event, Event::Suspicion { what: crate::conversation::Suspicion::Fork, by: Some(_), .. })
    };
    assert!(world.devices[1].events.iter().any(fork));
}

/// A member's program sends an item of its own making.
fn smuggle(world: &mut World, index: usize, content: &[u8]) {
    let group = world.core(index).authenticator(world.case).unwrap().unwrap().0;
    let core = world.devices[index].core.as_mut().unwrap();
    let tx = core.store.begin().unwrap();
    let mut mls = crate::mls::group::Group::load(&tx.rows(), group).unwrap().unwrap();
    let message = mls.encrypt(&core.party, &tx, content).unwrap();
    tx.commit().unwrap();
    core.groups.clear();
    let operation = kring_protocol::ids::OperationId(rand::random());
    let now = world.now;
    world.relay.append(group, operation, message.into(), None, now).unwrap();
}

#[test]
fn an_item_with_a_signature_for_another_case_or_none_is_not_shown_and_told() {
    use crate::case::{CaseId, ItemDraft, ItemId};
    use crate::conversation::Suspicion;
    let mut world = World::together(&["anne", "bert"]);
    let seen = crate::item::Seen { seq: Seq(1), hash: [0; 32] };
    let draft = ItemDraft::markdown("elders gezegd");
    let signer = world.core(0).party.signer();
    let content = crate::item::encode(signer, CaseId([9; 16]), ItemId([1; 16]), &draft, world.now, seen).unwrap();
    smuggle(&mut world, 0, &content);
    smuggle(&mut world, 0, b"geen item");
    world.settle();
    assert!(world.texts(1).is_empty());
    let what: Vec<_> = world.devices[1]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Suspicion { what, by: Some(_), .. } => Some(*what),
            _ => None,
        })
        .collect();
    assert_eq!(what, [Suspicion::Signature, Suspicion::Unreadable]);
}

#[test]
fn a_second_thing_under_one_identifier_is_not_shown_and_told() {
    use crate::case::{ItemDraft, ItemId};
    use crate::conversation::Suspicion;
    let mut world = World::together(&["anne", "bert"]);
    world.say_once(0, 5, "het eerste");
    world.settle();
    let group = world.core(0).authenticator(world.case).unwrap().unwrap().0;
    let seq = Seq(world.relay.logs[&group].records.len() as u64);
    let hash = world.core(1).store.read().view(group, seq).unwrap().unwrap();
    let seen = crate::item::Seen { seq, hash };
    let signer = world.core(0).party.signer();
    let draft = ItemDraft::markdown("iets anders");
    let case = world.case;
    let content = crate::item::encode(signer, case, ItemId([5; 16]), &draft, world.now, seen).unwrap();
    smuggle(&mut world, 0, &content);
    world.settle();
    assert_eq!(world.texts(1), ["het eerste"]);
    let reused = |event: &Event| matches!(event, Event::Suspicion { what: Suspicion::ItemReused, .. });
    assert!(world.devices[1].events.iter().any(reused));
}

#[test]
fn who_left_and_is_added_again_takes_nothing_along_that_was_proposed_before() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.command(1, Command::Leave { case });
    world.pass(10_000);
    assert_eq!(world.core(1).case(case).unwrap().unwrap().status, CaseStatus::Left);
    world.add(0, "bert", Role::Deputy);
    world.settle();
    // The group is loaded again, with what openmls keeps of the time before.
    world.restart(1);
    world.settle();
    world.command(1, Command::UpdateKeys { case });
    world.settle();
    world.agree(&[0, 1, 2]);
    let refused = |device: &super::harness::Device| {
        device.events.iter().any(|event| matches!(event, Event::CommitRefused { .. }))
    };
    assert!(!world.devices.iter().any(refused));
    world.say(1, "weer terug");
    world.settle();
    assert_eq!(world.texts(0), ["weer terug"]);
}
