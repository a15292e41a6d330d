//! One professional added to many cases at once: a few at a time, and in the end to all of them.

use std::collections::VecDeque;

use kring_protocol::ids::{ClaimId, DeviceId, Timestamp};
use kring_protocol::message::Request;

use super::harness::{World, who};
use super::relay::MAX_OPEN_CLAIMS;
use crate::case::{CaseId, ItemDraft, ItemId, Role};
use crate::conversation::{Command, Event, NotAdded};
use crate::identity::SafetyNumber;

/// Cases of a professional.
const CASES: u8 = 20;

fn cases() -> impl Iterator<Item = CaseId> {
    (1..=CASES).map(|number| CaseId([number; 16]))
}

/// Anne with so many cases, a laptop of hers that is in none of them, and bert with two devices.
fn anne_and_her_laptop() -> (World, usize, SafetyNumber) {
    let mut world = World::new(&["anne"]);
    let laptop = world.device("anne", 2);
    world.settle();
    for case in cases() {
        world.case = case;
        world.new_case(0);
    }
    let number = SafetyNumber::of_device(world.core(laptop).party.verified());
    (world, laptop, number)
}

fn add(world: &mut World, laptop: usize, number: SafetyNumber) {
    let device = world.devices[laptop].address.device;
    world.command(0, Command::AddOwnDevice { device, number });
}

/// In how many cases a device is.
fn joined(world: &World, index: usize) -> usize {
    world.core(index).cases().unwrap().len()
}

fn not_added(world: &World) -> Vec<NotAdded> {
    let reason = |event: &Event| match event {
        Event::NotAdded { reason, .. } => Some(*reason),
        _ => None,
    };
    world.devices[0].events.iter().filter_map(reason).collect()
}

/// Claims of a device that anne's relay keeps places for, and that nobody will use.
fn leave_over(world: &mut World, index: usize, until: Timestamp) {
    let pair = (world.devices[0].address.device, world.devices[index].address.device);
    let left = (0..MAX_OPEN_CLAIMS).map(|number| (ClaimId([0xf0 + number as u8; 16]), until));
    world.relay.open.insert(pair, left.collect());
}

#[test]
fn a_second_device_is_added_to_twenty_cases_a_few_at_a_time() {
    let (mut world, laptop, number) = anne_and_her_laptop();
    add(&mut world, laptop, number);
    world.settle();
    assert_eq!(joined(&world, laptop), usize::from(CASES));
    assert!(not_added(&world).is_empty());
    assert_eq!((world.relay.put_off, world.relay.most_open), (0, MAX_OPEN_CLAIMS / 2));
}

#[test]
fn what_was_claimed_before_a_connection_ended_counts_on_the_next_one() {
    let (mut world, laptop, number) = anne_and_her_laptop();
    add(&mut world, laptop, number);
    let commits = |world: &World| {
        let requests = world.devices[0].requests.iter();
        requests.filter(|(_, request)| matches!(request, Request::SubmitCommit(_))).count()
    };
    while commits(&world) < MAX_OPEN_CLAIMS / 2 {
        assert!(world.turn(0));
    }
    world.restart(0);
    // All logs are read before the relay answers anything.
    let mut asked = VecDeque::new();
    loop {
        asked.append(&mut world.devices[0].requests);
        if !world.turn(0) {
            break;
        }
    }
    world.devices[0].requests = asked;
    world.settle();
    assert_eq!(joined(&world, laptop), usize::from(CASES));
    assert!(not_added(&world).is_empty());
    assert_eq!((world.relay.put_off, world.relay.most_open), (0, MAX_OPEN_CLAIMS / 2));
}

#[test]
fn additions_wait_until_claims_of_an_earlier_life_have_expired_and_hold_nothing_else_up() {
    let (mut world, laptop, number) = anne_and_her_laptop();
    let until = world.now.plus(60 * 60 * 1_000);
    leave_over(&mut world, laptop, until);
    add(&mut world, laptop, number);
    for case in cases() {
        let draft = ItemDraft::markdown("intussen");
        world.command(0, Command::Send { case, item: ItemId::random(), draft });
    }
    world.pass(6_000);
    assert_eq!(joined(&world, laptop), 0);
    for case in cases() {
        world.case = case;
        assert_eq!(world.texts(0), ["intussen"]);
    }
    world.pass(60 * 60 * 1_000);
    assert_eq!(joined(&world, laptop), usize::from(CASES));
    assert!(not_added(&world).is_empty());
    // Some at a time every five seconds, and not each case by itself.
    assert!(world.relay.put_off <= 4 * 721, "{}", world.relay.put_off);
}

#[test]
fn a_device_of_which_too_many_claims_are_open_is_added_after_the_others_of_its_professional() {
    let mut world = World::together(&["anne"]);
    let (phone, laptop) = (world.device("bert", 1), world.device("bert", 2));
    world.settle();
    let until = world.now.plus(60_000);
    leave_over(&mut world, phone, until);
    world.add(0, "bert", Role::Deputy);
    world.settle();
    world.agree(&[0, laptop]);
    assert_eq!(joined(&world, phone), 0);
    world.pass(120_000);
    world.agree(&[0, laptop, phone]);
    assert!(not_added(&world).is_empty());
    let members = world.core(0).members(world.case).unwrap();
    assert!(members.iter().filter(|member| member.address.professional == who("bert")).count() == 2);
}

#[test]
fn a_mistyped_number_is_tried_in_a_few_cases_and_is_not_in_the_way_of_the_right_one() {
    let (mut world, laptop, number) = anne_and_her_laptop();
    let other = SafetyNumber::of_device(world.core(0).party.verified());
    add(&mut world, laptop, other);
    world.settle();
    assert_eq!(not_added(&world), [NotAdded::OtherNumber; CASES as usize]);
    let claimed: usize = world.relay.open.values().map(|open| open.len()).sum();
    assert!(claimed <= MAX_OPEN_CLAIMS / 2, "{claimed}");
    add(&mut world, laptop, number);
    world.settle();
    assert_eq!(joined(&world, laptop), usize::from(CASES));
}

#[test]
fn nothing_is_claimed_for_a_device_that_is_there() {
    let mut world = World::together(&["anne", "bert"]);
    let device: DeviceId = world.devices[1].address.device;
    let case = world.case;
    world.command(0, Command::Add { case, professional: who("bert"), device: Some(device), role: Role::Member });
    world.settle();
    assert_eq!(not_added(&world), [NotAdded::Already]);
    assert!(world.relay.open.values().all(|open| open.is_empty()));
}
