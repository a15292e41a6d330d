//! A family is never without somebody responsible: everybody does at once what touches it, in every order in which their
//! devices can come to the relay, and any of them fails at any write or begins again.

use super::duties::OFFER;
use super::harness::{World, who};
use crate::case::{CaseStatus, DutyStep, Role};
use crate::conversation::{Command, Event};

/// Devices: anne hands over to bert, who is ready; cees is a deputy, dirk a member.
const DEVICES: usize = 4;
/// Writes at which a device fails: more than the longest of these steps has.
const WRITES: usize = 12;

/// All orders of the devices.
fn orders() -> Vec<[usize; DEVICES]> {
    let mut orders = Vec::new();
    for code in 0..DEVICES.pow(DEVICES as u32) {
        let order: [usize; DEVICES] = std::array::from_fn(|place| code / DEVICES.pow(place as u32) % DEVICES);
        if (0..DEVICES).all(|device| order.contains(&device)) {
            orders.push(order);
        }
    }
    orders
}

/// Whatever a device shows, at any moment: somebody in the case answers for the family, and it is anne, or bert once
/// the handover is completed, or whoever took anne's place.
fn somebody_is_responsible(world: &World, context: &str) {
    for index in 0..DEVICES {
        let view = world.core(index).case(world.case).unwrap().unwrap();
        if !matches!(view.status, CaseStatus::Open | CaseStatus::Leaving) {
            continue;
        }
        let state = world.state(index);
        assert!(!state.responsible().is_empty(), "{context}: device {index} shows nobody");
        for who in state.responsible() {
            let there = state.members().person(who).is_some_and(|person| person.present.is_some());
            assert!(there, "{context}: who is responsible on device {index} has no device in the case");
        }
        assert_eq!(world.responsible(index).len(), state.responsible().len(), "{context}: state and context differ");
    }
}

fn play(order: [usize; DEVICES], failing: usize, write: usize) -> World {
    let context = format!("{order:?}, device {failing} fails at write {write}");
    let mut world = World::together_as(&["anne", "bert", "cees", "dirk"], Role::Member);
    let (case, professional) = (world.case, who("cees"));
    world.command(0, Command::SetRole { case, professional, role: Role::Deputy });
    world.settle();
    world.ready(0, &[1], Some(1));
    for index in 0..DEVICES {
        world.disconnect(index);
    }
    let step = |step| Command::Duty { case, before: Vec::new(), step, after: Vec::new() };
    world.command(0, step(DutyStep::End { offer: OFFER }));
    world.command(1, step(DutyStep::Complete { offer: OFFER }));
    // Removes the receiver: if the handover is completed by then, that is refused.
    world.command(2, Command::Remove { case, professional: who("bert"), device: None });
    world.command(3, Command::UpdateKeys { case });
    for index in order {
        let next = world.devices[index].inputs + 1;
        if index == failing {
            world.devices[index].fail = Some((next + write % 3, write));
        }
        world.connect(index);
        while world.turn(index) {
            somebody_is_responsible(&world, &context);
        }
        if index == failing {
            world.restart(index);
        }
    }
    for _ in 0..100_000 {
        if !(0..DEVICES).any(|index| world.turn(index)) {
            break;
        }
        somebody_is_responsible(&world, &context);
    }
    world.pass(5_000);
    somebody_is_responsible(&world, &context);
    world
}

#[test]
fn at_every_moment_of_every_order_with_every_failure_somebody_is_responsible_and_all_agree_who() {
    let (mut moved, mut stayed) = (0, 0);
    for (number, order) in orders().into_iter().enumerate() {
        for failing in 0..DEVICES {
            let world = play(order, failing, (number * 5 + failing * 3) % WRITES);
            let inside: Vec<usize> = (0..DEVICES)
                .filter(|index| world.core(*index).case(world.case).unwrap().unwrap().status == CaseStatus::Open)
                .collect();
            world.same_state(&inside);
            world.agree(&inside);
            let now = world.responsible(0);
            match now.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["anne"] => stayed += 1,
                ["bert"] => moved += 1,
                _ => panic!("{now:?} after {order:?}"),
            }
            // It moved by the completion and by nothing else.
            let completed =
                |event: &Event| matches!(event, Event::Duties { step: Some(DutyStep::Complete { .. }), .. });
            let told = world.devices[0].events.iter().any(completed);
            assert_eq!(told, now == ["bert"], "{order:?}");
            assert_eq!(world.suspicions(), 0, "{order:?}");
        }
    }
    assert!(moved > 10 && stayed > 10, "{moved} and {stayed}: both come about");
}
