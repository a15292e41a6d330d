//! Every step fails at every point, and nothing is lost, doubled, or half there.

use super::harness::World;
use crate::case::Role;
use crate::conversation::Command;

/// Plays a short story in which one device's step `input` fails at its write `write`; whether it did fail.
fn story(device: usize, input: usize, write: usize) -> bool {
    let mut world = World::new(&["anne", "bert", "cees"]);
    let case = world.case;
    world.devices[device].fail = Some((input, write));
    world.settle();
    world.retry(0, |case| Command::NewCase { case, title: "Gezin".to_owned() });
    world.settle();
    for name in ["bert", "cees"] {
        world.retry(0, |case| Command::Add {
            case,
            professional: super::harness::who(name),
            device: None,
            role: Role::Member,
        });
        world.settle();
    }
    world.say_once(0, 1, "een");
    world.settle();
    world.say_once(1, 2, "twee");
    world.retry(0, |case| Command::UpdateKeys { case });
    world.settle();
    world.say_once(2, 3, "drie");
    world.settle();
    world.pass(70_000);
    let expected = ["een", "twee", "drie"];
    for index in 0..3 {
        let mut texts = world.texts(index);
        texts.sort();
        let mut sorted = expected;
        sorted.sort_unstable();
        assert_eq!(texts, sorted, "device {index}, step {input} of device {device} fails at write {write}");
        assert!(world.core(index).outbox(case).unwrap().is_empty());
    }
    assert_eq!(world.texts(0), world.texts(1));
    world.agree(&[0, 1, 2]);
    assert_eq!(world.suspicions(), 0);
    world.devices[device].failures > 0
}

/// Fails every step of a device at its first, middle and later writes, until there are no more.
fn fail_everywhere(device: usize, writes: &[usize]) {
    for write in writes {
        let mut failed = 0;
        for input in 2..80 {
            if story(device, input, *write) {
                failed += 1;
            }
        }
        assert!(failed > 3, "steps with {write} writes have failed: {failed}");
    }
}

#[test]
fn the_one_who_adds_may_fail_at_any_step() {
    fail_everywhere(0, &[0, 2]);
}

#[test]
fn the_one_who_is_added_may_fail_at_any_step() {
    fail_everywhere(1, &[0, 4]);
}

#[test]
fn a_device_that_begins_again_goes_on_where_it_was() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.say(0, "een");
    // Submitted and stored, and nobody knows whether the relay has it.
    let (_, request) = world.devices[0].requests.pop_front().unwrap();
    world.answer(0, request).unwrap();
    world.restart(0);
    world.settle();
    world.command(0, Command::UpdateKeys { case });
    // A Commit waits in the group for its record.
    world.restart(0);
    world.say(0, "twee");
    world.restart(0);
    world.settle();
    world.restart(1);
    world.say(1, "drie");
    world.settle();
    assert_eq!(world.texts(0), ["een", "twee", "drie"]);
    assert_eq!(world.texts(0), world.texts(1));
    world.agree(&[0, 1]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_case_that_waits_for_its_successor_waits_through_a_restart() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.command(2, Command::UpdateKeys { case });
    let (_, request) = world.devices[2].requests.pop_front().unwrap();
    let kring_protocol::message::Request::SubmitCommit(commit) = request else { panic!("a Commit") };
    let key = Some(kring_protocol::ids::AccessKey([1; 32]));
    let now = world.now;
    world.relay.append(commit.access.group, commit.operation, commit.message, key, now).unwrap();
    world.disconnect(2);
    world.settle();
    world.restart(0);
    world.restart(1);
    world.say(1, "wacht");
    world.pass(100_000);
    world.agree(&[0, 1]);
    assert_eq!(world.texts(0), ["wacht"]);
}

#[test]
fn a_clock_an_hour_off_is_told_and_a_store_of_another_device_is_refused() {
    use crate::conversation::{Conversation, Event, Input, OpenError, Settings};
    let mut world = World::new(&["anne", "bert"]);
    let connected = crate::conversation::Connected {
        incarnation: kring_protocol::ids::Incarnation([2; 16]),
        relay_now: kring_protocol::ids::Timestamp(world.now.0 - 3_600_000),
        key_packages: 3,
        last_resort: true,
        inbox: 0,
        crls: None,
    };
    world.feed(0, Input::Connected(connected));
    assert!(world.devices[0].events.contains(&Event::ClockOff { ahead_seconds: 3_600 }));
    assert!(world.devices[0].events.contains(&Event::RelayReplaced));
    let Conversation { store, .. } = world.devices[0].core.take().unwrap();
    let other = world.region.credentials("bert", 1);
    let opened = Conversation::open(store, other, Settings::new("relay.example:1"), world.now);
    assert!(matches!(opened, Err(OpenError::OtherDevice)));
}

#[test]
fn a_refusal_that_cannot_be_recorded_is_told_as_the_failing_store_and_the_device_goes_on() {
    use crate::case::CaseId;
    use crate::conversation::{Input, StepError};
    let mut world = World::together(&["anne", "bert"]);
    let now = world.now;
    let unknown = || Input::Command(Command::UpdateKeys { case: CaseId([9; 16]) });
    let core = world.devices[1].core.as_mut().unwrap();
    core.fail_after_writes(Some(0));
    let outcome = core.handle(unknown(), now);
    assert!(matches!(outcome, Err(StepError::Store(_))), "{outcome:?}");
    core.fail_after_writes(None);
    // What a driver does that is told of a store.
    world.disconnect(1);
    world.connect(1);
    world.settle();
    let outcome = world.devices[1].core.as_mut().unwrap().handle(unknown(), now);
    assert!(matches!(outcome, Err(StepError::Command(_))), "{outcome:?}");
    // A refusal that was recorded leaves the connection as it is.
    world.say(0, "een");
    world.settle();
    assert_eq!(world.texts(1), ["een"]);
}
