//! Answers that come late, twice, or say no.

use kring_protocol::ids::{Seq, Timestamp};
use kring_protocol::message::Request;
use kring_protocol::refusal::{Refusal, RefusedRecipient};

use super::harness::World;
use crate::case::Role;
use crate::conversation::{Command, Event, Input, Ticket};

/// The next request of a device, if it is one of these; what comes before is answered.
fn next(world: &mut World, index: usize, wanted: impl Fn(&Request) -> bool) -> (Ticket, Request) {
    loop {
        let (ticket, request) = world.devices[index].requests.pop_front().expect("asked");
        if wanted(&request) {
            return (ticket, request);
        }
        let answer = world.answer(index, request);
        world.feed(index, Input::Answered { ticket, answer });
    }
}

fn refuse(world: &mut World, index: usize, ticket: Ticket, refusal: Refusal) {
    world.feed(index, Input::Answered { ticket, answer: Err(refusal) });
}

#[test]
fn an_answer_to_what_was_built_anew_meanwhile_changes_nothing() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.say(0, "blijft");
    let (late, _) = next(&mut world, 0, |request| matches!(request, Request::Submit(_)));
    world.command(1, Command::UpdateKeys { case });
    while !world.devices[0].requests.iter().any(|(_, request)| matches!(request, Request::Submit(_))) {
        assert!(world.turn(1) || world.turn(0), "the new epoch has it built anew");
    }
    refuse(&mut world, 0, late, Refusal::TooLarge { limit: 1 });
    world.settle();
    assert_eq!(world.texts(1), ["blijft"]);
}

#[test]
fn cursors_are_told_again_every_day_and_one_that_the_relay_has_forgotten_is_registered() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "een");
    world.pass(60_000);
    let told = world.relay.cursors.clone();
    assert!(told.values().all(|seq| *seq >= Seq(2)), "one Commit, one item, perhaps a receipt: {told:?}");
    // What is said of it is said by then.
    world.pass(60_000);
    let told = world.relay.cursors.clone();
    world.relay.cursors.clear();
    world.pass(2 * Timestamp::DAY);
    assert_eq!(world.relay.cursors, told);
}

#[test]
fn a_cursor_that_the_relay_did_not_confirm_is_told_again_on_the_next_connection() {
    let mut world = World::together(&["anne", "bert"]);
    world.pass(60_000);
    let told = world.relay.cursors.clone();
    world.say(0, "een");
    world.settle();
    // Told, and lost on the way.
    world.devices[1].online = false;
    world.now = world.now.plus(10_000);
    world.feed(1, Input::Tick);
    world.disconnect(1);
    assert_eq!(world.relay.cursors, told);
    world.connect(1);
    world.pass(10_000);
    assert!(world.relay.cursors.values().all(|seq| *seq == Seq(2)));
}

#[test]
fn an_addition_whose_claim_has_lapsed_is_made_with_a_new_one() {
    let mut world = World::together(&["anne"]);
    let bert = world.device("bert", 1);
    world.settle();
    world.add(0, "bert", Role::Member);
    let (ticket, request) = next(&mut world, 0, |request| matches!(request, Request::SubmitCommit(_)));
    let Request::SubmitCommit(commit) = request else { panic!("a Commit") };
    let lapsed = RefusedRecipient {
        claim: commit.welcomes[0].claim,
        device: commit.welcomes[0].device,
        reason: RefusedRecipient::NO_CLAIM,
    };
    refuse(&mut world, 0, ticket, Refusal::Recipients(vec![lapsed]));
    world.settle();
    world.agree(&[0, bert]);
    assert!(!world.devices[0].events.iter().any(|event| matches!(event, Event::NotAdded { .. })));
}

#[test]
fn a_claim_that_a_stopping_relay_refuses_waits_for_the_next_connection() {
    let mut world = World::together(&["anne"]);
    let bert = world.device("bert", 1);
    world.settle();
    world.add(0, "bert", Role::Member);
    let (ticket, _) = next(&mut world, 0, |request| matches!(request, Request::ClaimKeyPackages(_)));
    refuse(&mut world, 0, ticket, Refusal::Draining);
    assert!(world.devices[0].requests.is_empty(), "not asked again at once");
    world.disconnect(0);
    world.connect(0);
    world.settle();
    world.agree(&[0, bert]);
}

#[test]
fn messages_pass_a_change_that_the_relay_has_put_off() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.command(0, Command::UpdateKeys { case });
    let (ticket, _) = next(&mut world, 0, |request| matches!(request, Request::SubmitCommit(_)));
    refuse(&mut world, 0, ticket, Refusal::RateLimited { after_ms: 30_000 });
    world.say(0, "een");
    world.say(0, "twee");
    world.settle();
    assert_eq!(world.texts(1), ["een", "twee"]);
    assert_eq!(world.texts(0), ["een", "twee"]);
    world.pass(60_000);
    world.agree(&[0, 1]);
    assert!(world.core(0).outbox(case).unwrap().is_empty());

    let cees = world.device("cees", 1);
    world.settle();
    world.add(0, "cees", Role::Member);
    let (ticket, _) = next(&mut world, 0, |request| matches!(request, Request::ClaimKeyPackages(_)));
    refuse(&mut world, 0, ticket, Refusal::RateLimited { after_ms: 30_000 });
    world.say(0, "drie");
    world.settle();
    assert_eq!(world.texts(1), ["een", "twee", "drie"]);
    world.pass(60_000);
    world.agree(&[0, 1, cees]);
    assert_eq!(world.suspicions(), 0);
}
