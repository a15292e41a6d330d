//! What a device does for itself as time passes: KeyPackages, clocks, messages that nobody could read.

use kring_protocol::ids::{Seq, Timestamp};
use kring_protocol::message::{Gap, PublishKeyPackages, Request};
use kring_protocol::refusal::Refusal;
use openmls::prelude::KeyPackageBundle;

use super::harness::World;
use crate::case::CaseStatus;
use crate::conversation::{Command, Input, Ticket};

/// KeyPackages whose private keys a device holds.
fn held(world: &World, index: usize) -> usize {
    world.core(index).store.read().key_packages::<KeyPackageBundle>().unwrap().len()
}

fn asked_to_publish(world: &mut World) -> Option<(Ticket, PublishKeyPackages)> {
    let (ticket, request) = world.devices[0].requests.pop_front()?;
    let Request::PublishKeyPackages(publish) = request else { panic!("nothing else is asked") };
    Some((ticket, publish))
}

#[test]
fn key_packages_that_the_relay_does_not_take_now_are_sent_again_and_no_others_are_made() {
    let mut world = World::new(&["anne"]);
    let (mut ticket, first) = asked_to_publish(&mut world).unwrap();
    assert_eq!(held(&world, 0), 4, "three and a last resort");
    for _ in 0..3 {
        world.feed(0, Input::Answered { ticket, answer: Err(Refusal::RateLimited { after_ms: 1_000 }) });
        world.now = world.now.plus(61_000);
        world.feed(0, Input::Tick);
        let again = asked_to_publish(&mut world).unwrap();
        assert_eq!(again.1, first);
        ticket = again.0;
    }
    world.restart(0);
    let (ticket, again) = asked_to_publish(&mut world).unwrap();
    assert_eq!(again, first);
    assert_eq!(held(&world, 0), 4);
    world.feed(0, Input::Answered { ticket, answer: Err(Refusal::TooMany { limit: 1 }) });
    world.now = world.now.plus(61_000);
    world.feed(0, Input::Tick);
    assert!(asked_to_publish(&mut world).is_none(), "more of the same would be refused as well");
    assert_eq!(held(&world, 0), 0, "nobody has them");
}

#[test]
fn key_packages_are_replaced_after_two_months_and_their_private_keys_deleted_when_they_have_ended() {
    let mut world = World::new(&["anne"]);
    world.settle();
    let before = world.relay.packages.values().next().unwrap().clone();
    world.pass(61 * Timestamp::DAY);
    let after = world.relay.packages.values().next().unwrap().clone();
    assert_eq!(after.0.len(), 3);
    assert!(before.0.iter().all(|old| !after.0.contains(old)) && before.1 != after.1);
    assert_eq!(held(&world, 0), 8, "a claim of the old ones may be on its way");
    world.pass(214 * Timestamp::DAY);
    assert_eq!(held(&world, 0), 16, "of the five sets that were made one has ended");
}

#[test]
fn a_clock_that_is_put_back_delays_nothing() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.command(0, Command::UpdateKeys { case });
    let (ticket, _) = world.devices[0].requests.pop_front().unwrap();
    world.feed(0, Input::Answered { ticket, answer: Err(Refusal::RateLimited { after_ms: 30_000 }) });
    world.now = Timestamp(world.now.0 - 3_600_000);
    world.feed(0, Input::Tick);
    world.pass(31_000);
    assert!(world.core(0).outbox(case).unwrap().is_empty());
    world.agree(&[0, 1]);
}

/// What a device says is accepted, and expires before the device reads it back.
fn expire_unread(world: &mut World, index: usize) {
    let (ticket, request) = world.devices[index].requests.pop_front().unwrap();
    let answer = world.answer(index, request);
    let group = *world.relay.logs.keys().next().unwrap();
    let seq = Seq(world.relay.logs[&group].records.len() as u64);
    world.feed(index, Input::Answered { ticket, answer });
    // A relay gives nothing that it has said is gone.
    world.devices[index].follows.get_mut(&group).unwrap().1 = Some(seq);
    world.feed(index, Input::Gap { group, gap: Gap { from: seq, to: seq, commits: 0, records: 1 } });
}

#[test]
fn what_expired_before_it_was_read_back_is_finished_from_what_is_stored() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.say(0, "gezegd");
    expire_unread(&mut world, 0);
    assert_eq!(world.texts(0), ["gezegd"]);
    assert!(world.core(0).outbox(case).unwrap().is_empty());
}

#[test]
fn a_wish_to_leave_that_expired_unheard_is_said_again() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.command(1, Command::Leave { case });
    expire_unread(&mut world, 1);
    let again = world.devices[1].requests.iter().any(|(_, request)| matches!(request, Request::Submit(_)));
    assert!(again);
    world.pass(5_000);
    assert_eq!(world.core(1).case(case).unwrap().unwrap().status, CaseStatus::Left);
}

#[test]
fn a_relay_that_says_again_and_again_that_none_are_left_has_no_more_made_than_a_days_worth() {
    let mut world = World::new(&["anne"]);
    world.settle();
    for _ in 0..400 {
        world.feed(0, Input::KeyPackagesLow { left: 0 });
        while let Some((ticket, _)) = asked_to_publish(&mut world) {
            let none = kring_protocol::message::KeyPackageCount { single_use: 0, last_resort: true };
            world.feed(0, Input::Answered { ticket, answer: Ok(vec![none.into()]) });
        }
    }
    let made = held(&world, 0);
    assert!((900..=1_001).contains(&made), "{made}");
    world.now = world.now.plus(Timestamp::DAY);
    world.feed(0, Input::KeyPackagesLow { left: 0 });
    assert!(asked_to_publish(&mut world).is_some(), "the next day there are new ones");
}
