//! Urgent alerts over several devices: the ladder goes on whoever is there, one step at a time; nothing goes before an
//! alert; one that has not left says so.

use kring_protocol::ids::Timestamp;

use super::harness::World;
use crate::case::alert::{Acknowledging, Alert, AlertPhase, AlertSays, Level, Raise, Rung};
use crate::case::{Deadline, ItemId, Statement, Verdict};
use crate::conversation::{Command, Connected, Event, Input};

const MINUTE: u64 = 60 * Timestamp::SECOND;

impl World {
    /// An alert with ten minutes, then two steps of five.
    pub(super) fn raise(&mut self, index: usize) -> ItemId {
        let rung = |function: &str| Rung { function: function.to_owned(), after: 5 * MINUTE };
        let raise = Raise {
            level: Level::Acute,
            what: "hij staat voor de deur".to_owned(),
            functions: vec!["police".to_owned()],
            ack_by: self.now.plus(10 * MINUTE),
            ladder: vec![rung("veilig-thuis"), rung("youth-care")],
            action: "ga erheen".to_owned(),
        };
        self.states(index, &Statement::Alert(AlertSays::Raise(raise)))
    }

    fn alert(&self, index: usize, alert: ItemId) -> Alert {
        self.state(index).alert(alert).unwrap().clone()
    }

    /// The ladder's steps in a device's log: who said them, and what became of them.
    fn steps(&self, index: usize) -> Vec<(u64, Verdict)> {
        let step = |item: &crate::case::Item| match item.body.statement() {
            Some(Statement::Deadline(Deadline::AlertStep { step, .. })) => Some((*step, item.verdict)),
            _ => None,
        };
        self.items(index).iter().filter_map(step).collect()
    }
}

#[test]
fn the_ladder_goes_on_without_the_raiser_and_exactly_one_step_each_time() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk"]);
    let alert = world.raise(0);
    world.settle();
    world.disconnect(0);
    world.pass(10 * MINUTE - 1);
    assert!(world.steps(1).is_empty());
    world.pass(4 * Timestamp::SECOND);
    assert_eq!(world.steps(2), [(1, Verdict::Legal)], "one device said it, the others kept silent");
    assert_eq!(world.alert(3, alert).asked(), Some("veilig-thuis"));
    world.pass(6 * MINUTE);
    assert_eq!(world.steps(2), [(1, Verdict::Legal), (2, Verdict::Legal)]);
    world.pass(60 * MINUTE);
    assert_eq!(world.steps(2), [(1, Verdict::Legal), (2, Verdict::Legal), (3, Verdict::Legal)]);
    assert!(world.alert(1, alert).phase == AlertPhase::Exhausted);
    world.connect(0);
    world.settle();
    let exhausted = Event::AlertExhausted { case: world.case, alert, own: true };
    assert!(world.devices[0].events.contains(&exhausted), "loud on the raiser's device");
    world.same_state(&[0, 1, 2, 3]);
}

#[test]
fn whoever_is_left_says_it_even_if_it_is_the_last_of_the_rank() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let alert = world.raise(0);
    world.settle();
    world.disconnect(0);
    world.disconnect(1);
    world.pass(10 * MINUTE + 5 * Timestamp::SECOND);
    assert!(world.steps(2).is_empty(), "it gives the two before it their time");
    world.pass(2 * Timestamp::SECOND);
    assert_eq!(world.steps(2), [(1, Verdict::Legal)]);
    world.connect(0);
    world.connect(1);
    world.settle();
    world.same_state(&[0, 1, 2]);
    assert_eq!(world.alert(1, alert).step, 1);
}

#[test]
fn deadlines_outlive_restarts_and_a_case_in_which_nobody_was_there() {
    let mut world = World::together(&["anne", "bert"]);
    let alert = world.raise(0);
    world.settle();
    world.disconnect(0);
    world.disconnect(1);
    world.pass(60 * MINUTE);
    world.restart(1);
    world.pass(4 * Timestamp::SECOND);
    assert_eq!(world.steps(1), [(1, Verdict::Legal)], "one step, however long nobody was there");
    assert_eq!(world.alert(1, alert).due, Some(world.now.plus(5 * MINUTE - 4 * Timestamp::SECOND)));
}

#[test]
fn taking_action_stops_the_ladder_on_every_device() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let alert = world.raise(0);
    world.settle();
    world.pass(10 * MINUTE + 4 * Timestamp::SECOND);
    let how = Acknowledging::TakesAction;
    world.states(1, &Statement::Alert(AlertSays::Acknowledge { alert, how, next_update_by: None }));
    world.pass(600 * MINUTE);
    for device in 0..3 {
        assert_eq!(world.steps(device), [(1, Verdict::Legal)], "no reminder after the stop");
    }
}

#[test]
fn a_device_whose_clock_is_off_says_no_deadline() {
    let mut world = World::together(&["anne", "bert"]);
    world.raise(0);
    world.settle();
    for device in 0..2 {
        let relay_now = Timestamp(world.now.0 - 61 * Timestamp::SECOND);
        world.connect(device);
        let connected = Connected {
            incarnation: kring_protocol::ids::Incarnation([1; 16]),
            relay_now,
            key_packages: 3,
            last_resort: true,
            inbox: 0,
            crls: Some(world.relay.lists_digest()),
        };
        world.feed(device, Input::Connected(connected));
    }
    world.pass(60 * MINUTE);
    assert!(world.steps(0).is_empty());
    world.connect(1);
    world.pass(4 * Timestamp::SECOND);
    assert_eq!(world.steps(0), [(1, Verdict::Legal)]);
}

#[test]
fn an_alert_raised_offline_says_loudly_that_it_has_not_left() {
    let mut world = World::together(&["anne", "bert"]);
    world.disconnect(0);
    let item = world.raise(0);
    let unsent = |world: &World| {
        let told = |event: &&Event| matches!(event, Event::AlertNotSent { item: told, .. } if *told == item);
        world.devices[0].events.iter().filter(told).count()
    };
    assert_eq!(unsent(&world), 1, "at once");
    world.pass(65 * Timestamp::SECOND);
    assert_eq!(unsent(&world), 3, "again and again");
    world.reopen(0);
    assert_eq!(unsent(&world), 4, "and at once when the program is started again");
    world.connect(0);
    world.settle();
    let told = unsent(&world);
    world.pass(MINUTE);
    assert_eq!(unsent(&world), told, "until the relay has it");
    assert_eq!(world.items(1).len(), 1);
}

#[test]
fn an_alert_leaves_the_outbox_before_everything_else() {
    let mut world = World::together(&["anne", "bert"]);
    let fien = world.device("fien", 1);
    world.settle();
    world.disconnect(0);
    for number in 0..5 {
        world.say(0, &format!("bericht {number}"));
    }
    let case = world.case;
    world.command(0, Command::UpdateKeys { case });
    world.add(0, "fien", crate::case::Role::Member);
    let alert = world.raise(0);
    world.connect(0);
    world.settle();
    assert_eq!(world.items(1)[0].id, alert);
    assert_eq!(world.texts(1)[1..6], ["bericht 0", "bericht 1", "bericht 2", "bericht 3", "bericht 4"]);
    assert!(world.state(fien).alert(alert).is_some(), "who is added afterwards is told of it");
    world.same_state(&[0, 1, fien]);
}
