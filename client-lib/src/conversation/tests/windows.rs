//! Many messages under way at once, and many inputs in one step: the order stays, nothing is lost or doubled, whatever
//! happens in between.

use kring_protocol::ids::{GroupId, Timestamp};
use kring_protocol::message::{Record, Reply, Request, Submit};
use kring_protocol::refusal::Refusal;

use super::harness::World;
use crate::case::{CaseId, ItemDraft, ItemId, Position};
use crate::conversation::{Command, CommandError, Input, StepError, Ticket};

/// Messages that a case has under way at most.
const WINDOW: usize = 64;

fn numbers(to: usize) -> Vec<String> {
    (0..to).map(|number| format!("{number:04}")).collect()
}

impl World {
    fn say_many(&mut self, index: usize, texts: &[String]) {
        for text in texts {
            self.say(index, text);
        }
    }

    /// The messages that a device has sent and that the relay has not seen.
    fn sent(&mut self, index: usize) -> Vec<(Ticket, Submit)> {
        let requests = std::mem::take(&mut self.devices[index].requests);
        let (messages, others): (Vec<_>, Vec<_>) =
            requests.into_iter().partition(|(_, request)| matches!(request, Request::Submit(_)));
        self.devices[index].requests = others.into();
        let message = |(ticket, request)| match request {
            Request::Submit(submit) => Some((ticket, submit)),
            _ => None,
        };
        messages.into_iter().filter_map(message).collect()
    }

    /// The relay takes a message; its receipt, unless the device is not to hear of it.
    fn accept(&mut self, index: usize, (ticket, submit): (Ticket, Submit), heard: bool) {
        let answer = self.answer(index, Request::Submit(submit));
        assert!(answer.is_ok(), "accepted");
        if heard {
            self.feed(index, Input::Answered { ticket, answer });
        }
    }

    fn all_have(&self, devices: &[usize], texts: &[String]) {
        for index in devices {
            assert_eq!(self.texts(*index), texts, "device {index}");
            assert!(self.core(*index).outbox(self.case).unwrap().is_empty());
        }
        assert_eq!(self.suspicions(), 0);
    }

    /// What a device has still to read of its case.
    fn unread(&self, index: usize) -> (GroupId, Vec<Record>) {
        let (group, (_, after)) = self.devices[index].follows.iter().next().unwrap();
        let records = self.relay.logs[group].records.iter();
        (*group, records.filter(|record| Some(record.seq) > *after).cloned().collect())
    }
}

#[test]
fn a_window_of_messages_is_under_way_and_they_arrive_in_order() {
    let mut world = World::together(&["anne", "bert"]);
    let texts = numbers(200);
    world.say_many(0, &texts);
    assert_eq!(world.devices[0].requests.len(), WINDOW);
    world.settle();
    world.all_have(&[0, 1], &texts);
}

#[test]
fn an_epoch_that_ends_in_the_middle_of_a_window_leaves_the_order_as_it_was() {
    for accepted in [0, 1, 20, WINDOW - 1] {
        let mut world = World::together(&["anne", "bert"]);
        let texts = numbers(100);
        world.say_many(0, &texts);
        for message in world.sent(0).into_iter().enumerate() {
            let (place, (ticket, submit)) = message;
            if place < accepted {
                world.accept(0, (ticket, submit), place % 2 == 0);
                continue;
            }
            if place == accepted {
                let case = world.case;
                world.command(1, Command::UpdateKeys { case });
                while world.relay.logs.values().all(|log| log.epoch.0 < 2) {
                    assert!(world.turn(1), "makes its Commit");
                }
            }
            let answer = world.answer(0, Request::Submit(submit));
            assert!(matches!(answer, Err(Refusal::StaleEpoch { .. })), "{answer:?}");
            world.feed(0, Input::Answered { ticket, answer });
        }
        world.settle();
        world.all_have(&[0, 1], &texts);
    }
}

#[test]
fn nothing_overtakes_a_message_for_which_the_relay_is_busy() {
    let mut world = World::together(&["anne", "bert"]);
    let mut texts = numbers(80);
    world.say_many(0, &texts);
    let sent = world.sent(0);
    for (place, (ticket, submit)) in sent.into_iter().enumerate() {
        if place < 10 {
            world.accept(0, (ticket, submit), true);
        } else {
            // The first is refused, and nothing behind it is taken.
            let after_ms = if place == 10 { 2_000 } else { 0 };
            world.feed(0, Input::Answered { ticket, answer: Err(Refusal::Busy { after_ms }) });
        }
    }
    // What it had sent before it heard of the refusal is behind it as well.
    for (ticket, _) in world.sent(0) {
        world.feed(0, Input::Answered { ticket, answer: Err(Refusal::Busy { after_ms: 0 }) });
    }
    world.say(0, "nog iets");
    texts.push("nog iets".to_owned());
    assert!(world.sent(0).is_empty(), "everything waits behind it");
    world.settle();
    assert_eq!(world.texts(1), texts[..10]);
    world.pass(2_500);
    world.all_have(&[0, 1], &texts);
}

#[test]
fn what_was_taken_before_a_connection_or_a_program_ended_is_there_once_and_the_rest_follows_in_order() {
    for accepted in [0, 1, 30, WINDOW] {
        for killed in [false, true] {
            let mut world = World::together(&["anne", "bert"]);
            let texts = numbers(90);
            world.say_many(0, &texts);
            for (place, message) in world.sent(0).into_iter().enumerate().take(accepted) {
                world.accept(0, message, place < 3);
            }
            if killed {
                world.restart(0);
            } else {
                world.disconnect(0);
                world.connect(0);
            }
            world.settle();
            world.all_have(&[0, 1], &texts);
        }
    }
}

#[test]
fn an_alert_behind_a_thousand_messages_leaves_first_and_they_keep_their_order() {
    let mut world = World::together(&["anne", "bert"]);
    world.disconnect(0);
    let texts = numbers(1_000);
    world.say_many(0, &texts);
    let alert = world.raise(0);
    world.connect(0);
    world.settle();
    let items = world.items(1);
    assert_eq!(items[0].id, alert);
    let after: Vec<_> = items[1..].iter().filter_map(|item| item.body.text().map(str::to_owned)).collect();
    assert_eq!(after, texts);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn an_alert_that_was_encrypted_before_older_messages_is_sent_again_before_them() {
    let mut world = World::together(&["anne", "bert"]);
    world.disconnect(0);
    world.say_many(0, &numbers(20));
    let alert = world.raise(0);
    world.connect(0);
    while world.devices[0].requests.iter().all(|(_, request)| !matches!(request, Request::Submit(_))) {
        assert!(world.turn(0), "reads its log");
    }
    // Nothing of it has arrived, and a program that begins again knows only what is stored.
    world.restart(0);
    world.settle();
    assert_eq!(world.items(1)[0].id, alert);
    assert_eq!(world.items(1).len(), 21);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_change_of_the_group_waits_until_the_messages_before_it_have_been_read_back() {
    let mut world = World::together(&["anne", "bert"]);
    world.say_many(0, &numbers(5));
    let case = world.case;
    world.command(0, Command::UpdateKeys { case });
    world.say(0, "0005");
    let commits = |world: &World| {
        let is_commit = |(_, request): &(Ticket, Request)| matches!(request, Request::SubmitCommit(_));
        world.devices[0].requests.iter().filter(|request| is_commit(request)).count()
    };
    assert_eq!(commits(&world), 0);
    let sent = world.sent(0);
    assert_eq!(sent.len(), 5, "what is said after the change waits for it");
    for message in sent {
        world.accept(0, message, true);
    }
    assert_eq!(commits(&world), 0);
    world.settle();
    world.all_have(&[0, 1], &numbers(6));
}

#[test]
fn large_messages_go_alone_and_in_their_place() {
    let mut world = World::together(&["anne", "bert"]);
    let large = "x".repeat(100_000);
    let texts: Vec<String> = ["een", &large, "twee", &large, "drie"].map(str::to_owned).to_vec();
    world.say_many(0, &texts);
    assert_eq!(world.devices[0].requests.len(), 1);
    world.settle();
    world.all_have(&[0, 1], &texts);
}

#[test]
fn records_that_are_taken_together_are_each_there_once_and_a_bad_one_costs_only_itself() {
    let mut world = World::together(&["anne", "bert"]);
    let texts = numbers(40);
    world.say_many(0, &texts);
    while world.turn(0) {}
    let (group, mut records) = world.unread(1);
    assert_eq!(records.len(), 40);
    // One that nobody can read, and one that comes twice.
    let mut message = records[7].message.to_vec();
    *message.last_mut().unwrap() ^= 1;
    records[7].message = message.into();
    records.insert(20, records[19].clone());
    let inputs = records.into_iter().map(|record| Input::Record { group, record }).collect();
    let now = world.now;
    let handled = world.devices[1].core.as_mut().unwrap().handle_all(inputs, now);
    assert_eq!(handled.len(), 1, "one transaction");
    assert_eq!(handled[0].inputs, 41);
    assert!(handled[0].outcome.is_ok());
    let mut expected = texts;
    expected.remove(7);
    assert_eq!(world.texts(1), expected);
    let positions: Vec<_> = world.items(1).iter().map(|item| item.position).collect();
    assert_eq!(positions, (1..=39).map(Position).collect::<Vec<_>>());
}

#[test]
fn a_command_that_is_refused_among_others_costs_only_itself() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    let send = |case: CaseId, id: u8| {
        let draft = ItemDraft::markdown(format!("{id}"));
        Input::Command(Command::Send { case, item: ItemId([id; 16]), draft })
    };
    let inputs = vec![send(case, 1), send(CaseId([9; 16]), 2), send(case, 3), send(case, 1)];
    let now = world.now;
    let handled = world.devices[0].core.as_mut().unwrap().handle_all(inputs, now);
    let refused: Vec<_> = handled
        .iter()
        .map(|handled| match &handled.outcome {
            Ok(_) => None,
            Err(StepError::Command(error)) => Some(*error),
            Err(StepError::Store(error)) => panic!("{error}"),
        })
        .collect();
    assert_eq!(refused, [None, Some(CommandError::UnknownCase), None, Some(CommandError::ItemExists)]);
    world.connect(0);
    world.settle();
    assert_eq!(world.texts(1), ["1", "3"]);
}

#[test]
fn a_step_of_many_inputs_fails_at_every_write_and_nothing_is_half_there() {
    for writes in 0..40 {
        let mut world = World::together(&["anne", "bert"]);
        let texts = numbers(4);
        world.say_many(0, &texts);
        while world.turn(0) {}
        let (group, records) = world.unread(1);
        let inputs = records.into_iter().map(|record| Input::Record { group, record }).collect();
        let now = world.now;
        let core = world.devices[1].core.as_mut().unwrap();
        core.fail_after_writes(Some(writes));
        let handled = core.handle_all(inputs, now);
        core.fail_after_writes(None);
        let done = handled.iter().all(|handled| handled.outcome.is_ok());
        let there = world.texts(1);
        assert_eq!(there, texts[..if done { 4 } else { 0 }], "fails at write {writes}");
        world.connect(1);
        world.settle();
        world.all_have(&[0, 1], &texts);
        world.now = world.now.plus(Timestamp::SECOND);
    }
}

#[test]
fn a_receipt_says_where_each_message_of_a_window_is() {
    let mut world = World::together(&["anne", "bert"]);
    world.say_many(0, &numbers(3));
    let before = world.relay.logs.values().next().unwrap().records.len() as u64;
    for (place, (ticket, submit)) in world.sent(0).into_iter().enumerate() {
        let answer = world.answer(0, Request::Submit(submit));
        let Ok([Reply::Receipt(receipt)]) = answer.as_deref() else { panic!("{answer:?}") };
        assert_eq!(receipt.seq.0, before + 1 + place as u64);
        world.feed(0, Input::Answered { ticket, answer });
    }
}
