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
