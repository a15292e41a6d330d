//! Taking out those who wish to leave and those who are revoked, and what waits for it.

use super::harness::{World, who};
use crate::case::{CaseStatus, Role};
use crate::conversation::{Command, Dropped, Event};

fn records(world: &World) -> usize {
    world.relay.logs.values().map(|log| log.records.len()).sum()
}

fn roles(world: &World, index: usize) -> Vec<(String, Role)> {
    let members = world.core(index).members(world.case).unwrap();
    members.into_iter().map(|member| (member.name, member.role)).collect()
}

fn named(roles: &[(&str, Role)]) -> Vec<(String, Role)> {
    roles.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect()
}

/// Every member's clear view of who was in the group when each message was sent: nothing is said to a revoked device.
#[test]
fn nothing_is_said_before_a_revoked_member_is_out_whoever_is_left_to_do_it() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk"]);
    world.disconnect(0);
    world.disconnect(3);
    world.revoke(3);
    let before = records(&world);
    // No manager is online: a member has the list for evidence, and does not wait for its turn.
    world.say(2, "zonder dirk");
    world.settle();
    assert_eq!(records(&world), before + 2, "a removal, and then the message");
    assert_eq!(world.texts(1), ["zonder dirk"]);
    world.connect(0);
    world.connect(3);
    world.pass(10_000);
    assert_eq!(world.texts(0), ["zonder dirk"]);
    assert!(world.texts(3).is_empty());
    assert_eq!(world.core(3).case(world.case).unwrap().unwrap().status, CaseStatus::Left);
    world.agree(&[0, 1, 2]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn with_nothing_to_say_the_first_in_rank_takes_a_revoked_member_out_and_nobody_twice() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk", "eva"]);
    world.disconnect(4);
    world.disconnect(0);
    world.revoke(4);
    let before = records(&world);
    world.pass(299);
    assert_eq!(records(&world), before, "bert, who comes second, waits for anne");
    world.pass(1);
    world.pass(5_000);
    assert_eq!(records(&world), before + 1);
    world.agree(&[1, 2, 3]);
    assert_eq!(world.core(1).members(world.case).unwrap().len(), 4);
}

#[test]
fn all_devices_of_a_person_who_is_revoked_go_in_one_commit_with_their_role() {
    let mut world = World::together(&["anne", "bert"]);
    let (phone, laptop) = (world.device("cees", 1), world.device("cees", 2));
    world.settle();
    world.add(0, "cees", Role::Deputy);
    world.settle();
    world.agree(&[0, 1, phone, laptop]);
    world.disconnect(phone);
    world.disconnect(laptop);
    let before = records(&world);
    world.revoke_all(&[phone, laptop]);
    world.pass(5_000);
    assert_eq!(records(&world), before + 1);
    assert_eq!(roles(&world, 1), named(&[("anne", Role::Coordinator), ("bert", Role::Member)]));
    // Nobody of that name has a role that a later device of theirs would come into.
    let new = world.device("cees", 3);
    world.settle();
    world.add(0, "cees", Role::Observer);
    world.settle();
    assert_eq!(roles(&world, new).last(), Some(&("cees".to_owned(), Role::Observer)));
}

#[test]
fn a_revoked_coordinators_role_goes_to_the_first_deputy_with_the_commit_that_removes_them() {
    let mut world = World::together_as(&["anne", "bert", "cees"], Role::Deputy);
    let member = world.device("dirk", 1);
    world.settle();
    world.add(0, "dirk", Role::Member);
    world.settle();
    for index in 0..3 {
        world.disconnect(index);
    }
    world.revoke(0);
    let before = records(&world);
    world.say(member, "verder");
    world.settle();
    assert_eq!(records(&world), before + 2);
    let after = named(&[("bert", Role::Coordinator), ("cees", Role::Deputy), ("dirk", Role::Member)]);
    assert_eq!(roles(&world, member), after);
    world.connect(1);
    world.connect(2);
    world.settle();
    world.agree(&[1, 2, member]);
    assert_eq!(roles(&world, 1), after);
    assert_eq!(world.texts(1), ["verder"]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_member_who_shows_a_list_that_names_nobody_in_the_removal_is_refused() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.disconnect(0);
    world.disconnect(2);
    world.revoke(2);
    let case = world.case;
    // Bert knows the list; by itself it gives him no right over anne.
    let remove = Command::Remove { case, professional: who("anne"), device: None };
    assert!(world.try_command(1, remove).is_err());
    world.pass(5_000);
    assert_eq!(roles(&world, 1), named(&[("anne", Role::Coordinator), ("bert", Role::Member)]));
}

#[test]
fn of_two_devices_of_the_coordinator_that_leave_at_once_the_second_stays() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    let laptop = world.device("anne", 2);
    world.settle();
    let device = Some(world.devices[laptop].address.device);
    world.command(0, Command::Add { case, professional: who("anne"), device, role: Role::Member });
    world.settle();
    world.agree(&[0, 1, laptop]);
    world.command(0, Command::Leave { case });
    world.command(laptop, Command::Leave { case });
    world.pass(5_000);
    assert_eq!(world.core(0).case(case).unwrap().unwrap().status, CaseStatus::Left);
    assert_eq!(world.core(laptop).case(case).unwrap().unwrap().status, CaseStatus::Open);
    let dropped = Event::Dropped { case, item: None, reason: Dropped::LastOfCoordinator };
    assert!(world.devices[laptop].events.contains(&dropped));
    world.say(1, "verder");
    world.pass(5_000);
    assert_eq!(world.texts(laptop), ["verder"]);
    world.agree(&[1, laptop]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_revoked_device_that_gives_itself_a_new_leaf_is_taken_out_before_anything_more_is_said() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.revoke(2);
    // Its own program goes on as if nothing were: its Commit is in order, and everybody merges it.
    let case = world.case;
    world.disconnect(0);
    world.disconnect(1);
    let plan = |_: &crate::mls::group::Group| crate::mls::group::Plan::default();
    let (group, _, message, key) = world.devices[2].core.as_mut().unwrap().forge_commit(case, plan);
    let (operation, now) = (kring_protocol::ids::OperationId(rand::random()), world.now);
    world.relay.append(group, operation, message.into(), Some(key), now).unwrap();
    world.disconnect(2);
    world.connect(1);
    world.say(1, "zonder cees");
    world.settle();
    world.connect(0);
    world.pass(5_000);
    world.agree(&[0, 1]);
    for index in [0, 1] {
        assert_eq!(world.texts(index), ["zonder cees"]);
        let told = world.devices[index].events.iter();
        let taken_out = |event: &&Event| matches!(event, Event::TakenOut { .. });
        assert_eq!(told.filter(taken_out).count(), 1, "and its reason is told");
        assert_eq!(world.core(index).members(case).unwrap().len(), 2);
    }
    assert_eq!(world.suspicions(), 0, "the case goes on in its group");
    world.connect(2);
    world.settle();
    assert!(world.texts(2).is_empty());
}

#[test]
fn who_joins_a_case_with_a_revoked_device_in_it_has_it_out_before_they_say_anything() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let eva = world.device("eva", 1);
    world.settle();
    // Her Welcome waits in her inbox; by the time that she reads it, cees, who is in it, is revoked.
    world.disconnect(eva);
    world.add(0, "eva", Role::Member);
    world.settle();
    for index in 0..3 {
        world.disconnect(index);
    }
    world.revoke(2);
    let before = world.relay.logs.values().next().unwrap().records.len();
    world.devices[eva].events.clear();
    world.connect(eva);
    while world.core(eva).case(world.case).unwrap().is_none() {
        assert!(world.turn(eva), "she joins");
    }
    assert_eq!(world.core(eva).members(world.case).unwrap().len(), 4, "cees is in the Welcome");
    world.say(eva, "zonder cees");
    world.pass(5_000);

    let place = |wanted: &dyn Fn(&Event) -> bool| world.devices[eva].events.iter().position(wanted);
    let joined = place(&|event| matches!(event, Event::Joined { .. })).expect("she is told that she has joined");
    let out = place(&|event| matches!(event, Event::TakenOut { .. })).expect("and that cees is out");
    let said = place(&|event| matches!(event, Event::Item(_))).expect("and what she has said");
    assert!(joined < out && out < said, "{joined} {out} {said}");
    let records = &world.relay.logs.values().next().unwrap().records[before..];
    let commits: Vec<bool> = records.iter().map(|record| record.next_access_key.is_some()).collect();
    assert!(commits[0], "nothing goes to the revoked leaf before the removal");
    assert_eq!(commits.iter().filter(|is_commit| **is_commit).count(), 1);
    world.connect(1);
    world.connect(2);
    world.pass(5_000);
    assert_eq!(world.texts(1), ["zonder cees"]);
    assert!(world.texts(2).is_empty());
    assert_eq!(world.core(1).members(world.case).unwrap().len(), 3);
    world.agree(&[1, eva]);
    assert_eq!(world.suspicions(), 0);
}
