//! Taking out those who wish to leave and those who are revoked, and what waits for it.

use super::harness::{World, who};
use crate::case::{CaseStatus, Role};
use crate::conversation::{Command, Dropped, Event, Suspicion};

fn told(world: &World, index: usize, what: Suspicion) -> usize {
    let wanted = |event: &&Event| matches!(event, Event::Suspicion { what: other, .. } if *other == what);
    world.devices[index].events.iter().filter(wanted).count()
}

fn records(world: &World) -> usize {
    world.relay.logs.values().map(|log| log.records.len()).sum()
}

#[test]
fn while_the_coordinators_only_device_is_revoked_nothing_is_sent_until_a_deputy_adds_another() {
    let mut world = World::together_as(&["anne", "bert", "cees"], Role::Deputy);
    world.say(0, "eerst");
    world.settle();
    world.disconnect(0);
    world.revoke(0);
    world.settle();
    let before = records(&world);
    world.say(1, "wacht");
    world.settle();
    assert_eq!(records(&world), before, "nothing is encrypted to a revoked leaf");
    assert_eq!(told(&world, 1, Suspicion::CoordinatorRevoked), 1);
    assert_eq!(told(&world, 2, Suspicion::CoordinatorRevoked), 1);

    let laptop = world.device("anne", 2);
    world.settle();
    let device = Some(world.devices[laptop].address.device);
    let case = world.case;
    world.command(1, Command::Add { case, professional: who("anne"), device, role: Role::Member });
    world.settle();
    // Said first, it waited for the addition behind it.
    world.pass(5_000);
    world.agree(&[1, 2, laptop]);
    assert_eq!(world.core(1).members(case).unwrap().len(), 3, "the revoked device went with the addition");
    assert_eq!(world.texts(2), ["eerst", "wacht"]);
    assert_eq!(world.texts(laptop), ["wacht"]);
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
