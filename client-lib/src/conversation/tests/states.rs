//! The state of a case on several devices: the same everywhere, told to joiners, there again after a restart.

use kring_protocol::ids::{Seq, Timestamp};

use super::harness::{World, who};
use crate::case::task::TaskSays;
use crate::case::{CaseState, ItemId, Position, Refused, Role, Statement, Verdict};
use crate::conversation::{Command, CommandError, Event, StepError};

impl World {
    pub(super) fn states(&mut self, index: usize, statement: &Statement) -> ItemId {
        let (case, item) = (self.case, ItemId::random());
        self.command(index, Command::Send { case, item, draft: statement.draft() });
        item
    }

    pub(super) fn state(&self, index: usize) -> CaseState {
        self.core(index).state(self.case).unwrap()
    }

    pub(super) fn same_state(&self, devices: &[usize]) {
        let hashes: Vec<_> = devices.iter().map(|index| self.state(*index).hash().to_hex()).collect();
        assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "byte-equal on every device: {hashes:?}");
    }
}

fn task(title: &str, owner: Option<&str>) -> Statement {
    let (title, owner) = (title.to_owned(), owner.map(who));
    Statement::Task(TaskSays::Create { title, text: String::new(), owner, due: None })
}

fn accept(task: ItemId) -> Statement {
    Statement::Task(TaskSays::Accept { task })
}

#[test]
fn every_device_has_the_same_state_and_has_it_again_after_a_restart() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let mut tasks = Vec::new();
    for number in 0..100 {
        tasks.push(world.states(number % 3, &task(&format!("taak {number}"), Some("bert"))));
        world.settle();
    }
    world.states(1, &accept(tasks[0]));
    world.settle();
    world.same_state(&[0, 1, 2]);
    assert_eq!(world.state(2).open_tasks().count(), 100);
    for device in 0..3 {
        world.restart(device);
    }
    world.settle();
    world.same_state(&[0, 1, 2]);
    let fortieth = world.items(0)[39].seq;
    let before = world.core(0).as_of(world.case, fortieth).unwrap();
    assert_eq!((before.state.open_tasks().count(), before.last), (40, Position(40)));
    let kept = world.core(1).store.read().state(world.case, u64::MAX >> 1, u64::MAX >> 1).unwrap();
    assert!(kept.is_some_and(|(items, _, _)| items >= 40), "no more than the last entries are applied again");
}

#[test]
fn a_case_as_it_was_at_a_record_has_no_change_of_the_group_that_came_after_it() {
    let mut world = World::together(&["anne", "bert"]);
    world.device("fien", 1);
    world.settle();
    world.say(1, "het laatste bericht");
    world.settle();
    let item = world.items(0)[0].seq;
    world.add(0, "fien", Role::Observer);
    world.settle();
    let people = |record: u64| {
        let then = world.core(0).as_of(world.case, Seq(record)).unwrap();
        let present = then.state.members().people().iter().filter(|person| person.present.is_some()).count();
        (present, then.last, then.changes)
    };
    let all = world.core(0).changes(world.case).unwrap().len();
    assert_eq!(people(item.0), (2, Position(1), all - 1));
    assert_eq!(people(item.0 + 1), (3, Position(1), all));
    assert_eq!(people(item.0 - 1), (2, Position(0), all - 1));
    assert_eq!(people(u64::MAX), (3, Position(1), all));
}

#[test]
fn two_who_do_the_same_at_once_see_the_same_one_refused() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let open = world.states(0, &task("bellen", None));
    world.settle();
    world.states(1, &accept(open));
    world.states(2, &accept(open));
    world.settle();
    world.same_state(&[0, 1, 2]);
    for device in 0..3 {
        let verdicts: Vec<_> = world.items(device).iter().map(|item| item.verdict).collect();
        assert_eq!(verdicts, [Verdict::Legal, Verdict::Legal, Verdict::Refused(Refused::Phase)]);
    }
}

#[test]
fn what_would_not_count_is_refused_before_it_is_sent() {
    let mut world = World::together(&["anne", "bert"]);
    let mine = world.states(0, &task("bellen", Some("anne")));
    let (case, item) = (world.case, ItemId::random());
    // What waits in the outbox is looked at too: the task is not in the log yet.
    world.states(0, &accept(mine));
    world.settle();
    let outcome = world.try_command(1, Command::Send { case, item, draft: accept(mine).draft() });
    assert!(matches!(outcome, Err(StepError::Command(CommandError::Refused(Refused::Phase)))));
}

#[test]
fn a_joiner_is_told_the_state_by_whoever_adds_it_and_nobody_disputes_it() {
    let mut world = World::together(&["anne", "bert"]);
    let one = world.states(0, &task("een", Some("bert")));
    world.settle();
    world.states(1, &accept(one));
    world.settle();
    let cees = world.device("cees", 1);
    world.settle();
    world.add(0, "cees", Role::Member);
    // Said between the addition and the snapshot, or before both: it counts once either way.
    world.states(1, &task("twee", None));
    world.settle();
    world.same_state(&[0, 1, cees]);
    assert_eq!(world.state(cees).open_tasks().count(), 2);
    assert!(world.state(0).disputes().is_empty());
    assert!(world.devices[cees].events.contains(&Event::CaughtUpWithCase { case: world.case }));
    world.restart(cees);
    world.settle();
    world.same_state(&[0, 1, cees]);
    assert!(world.texts(cees).iter().all(|text| text == "?"), "the state is told, the history is not");
}

#[test]
fn who_joined_while_there_was_nothing_to_tell_tells_those_whom_they_add() {
    let mut world = World::together(&["anne", "bert"]);
    let (case, professional) = (world.case, who("bert"));
    world.command(0, Command::SetRole { case, professional, role: Role::Deputy });
    world.states(0, &task("een", Some("bert")));
    world.settle();
    let cees = world.device("cees", 1);
    world.settle();
    world.add(1, "cees", Role::Member);
    world.settle();
    world.same_state(&[0, 1, cees]);
    assert_eq!(world.state(cees).open_tasks().count(), 1);
    assert!(world.state(0).disputes().is_empty());
}

#[test]
fn a_false_snapshot_is_disputed_for_everybody_to_see() {
    let mut world = World::together(&["anne", "bert"]);
    world.states(0, &task("een", Some("bert")));
    world.settle();
    let cees = world.device("cees", 1);
    world.settle();
    // Anne's device has another state than the log gives: as a dishonest program would.
    let case = world.case;
    let core = world.devices[0].core.as_mut().unwrap();
    core.states.remove(&case);
    let mut lie = super::super::folding::load(&core.store.read(), case, None).unwrap();
    lie.state = CaseState::new();
    let other = crate::case::LogEntry::Said(crate::case::Said {
        item: ItemId([9; 16]),
        author: lie_author(),
        sent_at: Timestamp(1),
        replaces: None,
        hash: task("verzonnen", None).hash(),
        body: task("verzonnen", None).draft().as_read(),
    });
    let people = core_people(core, case);
    lie.state.apply(&crate::case::LogEntry::Changed(people));
    lie.state.apply(&other);
    core.states.insert(case, lie);
    world.add(0, "cees", Role::Member);
    world.settle();
    assert!(world.state(cees).open_tasks().any(|(_, task)| task.title == "verzonnen"), "the joiner cannot know");
    for device in [1, cees] {
        let disputes = world.state(device).disputes().len();
        assert_eq!(disputes, 1, "but is told by those who do");
    }
}

fn lie_author() -> crate::case::Author {
    crate::case::Author {
        professional: who("anne"),
        device: kring_protocol::ids::DeviceId([1; 16]),
        name: "anne".to_owned(),
        organisation: "Zorg".to_owned(),
        function: "youth-care".to_owned(),
    }
}

fn core_people(core: &crate::conversation::Conversation, case: crate::case::CaseId) -> crate::case::Change {
    let people = core.state(case).unwrap().members().people().to_vec();
    crate::case::Change {
        group: kring_protocol::ids::GroupId([1; 16]),
        epoch: kring_protocol::ids::Epoch(1),
        seq: kring_protocol::ids::Seq(1),
        by: None,
        people,
        duties: core.state(case).unwrap().duties().clone(),
    }
}

#[test]
fn a_case_that_an_earlier_version_made_has_a_state_from_now_on() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "van vroeger");
    world.settle();
    for device in 0..2 {
        let core = world.devices[device].core.as_mut().unwrap();
        core.states.clear();
        let step = core.store.begin().unwrap();
        step.execute_batch("DELETE FROM changes; DELETE FROM states;").unwrap();
        step.commit().unwrap();
        world.restart(device);
    }
    world.settle();
    world.states(0, &task("nieuw", Some("bert")));
    world.settle();
    world.same_state(&[0, 1]);
    assert_eq!(world.state(1).open_tasks().count(), 1);
}

#[test]
fn a_step_that_fails_at_any_write_leaves_state_and_log_together() {
    for write in 0..14 {
        let mut world = World::together(&["anne", "bert"]);
        world.states(0, &task("een", Some("bert")));
        let next = world.devices[1].inputs + 1;
        world.devices[1].fail = Some((next, write));
        world.settle();
        world.states(0, &task("twee", Some("bert")));
        world.settle();
        world.same_state(&[0, 1]);
        assert_eq!(world.state(1).open_tasks().count(), 2);
    }
}

/// Anne has added cees, who is a deputy, and is gone before she has told them anything.
fn added_and_not_told() -> (World, usize) {
    let mut world = World::together(&["anne", "bert"]);
    world.states(0, &task("een", Some("bert")));
    world.settle();
    let cees = world.device("cees", 1);
    world.settle();
    world.disconnect(1);
    world.add(0, "cees", Role::Deputy);
    while world.relay.inboxes.get(&world.devices[cees].address.device).is_none_or(Vec::is_empty) {
        assert!(world.turn(0), "anne adds cees");
    }
    world.disconnect(0);
    world.connect(1);
    world.settle();
    assert!(world.core(cees).case(world.case).unwrap().is_some(), "cees is in the case");
    (world, cees)
}

fn is_whole(world: &World, device: usize) -> bool {
    world.core(device).has_whole_state(world.case).unwrap()
}

#[test]
fn whoever_waits_for_the_state_hands_none_over_before_it_has_come() {
    let (mut world, cees) = added_and_not_told();
    let dirk = world.device("dirk", 1);
    world.settle();
    world.add(cees, "dirk", Role::Member);
    world.settle();
    assert!(!is_whole(&world, cees) && !is_whole(&world, dirk));
    assert!(world.items(1).iter().all(|item| !matches!(item.body.statement(), Some(Statement::Snapshot(_)))));
    world.connect(0);
    world.pass(1_000);
    assert!(is_whole(&world, cees) && is_whole(&world, dirk));
    world.same_state(&[0, 1, cees, dirk]);
    assert_eq!(world.state(dirk).open_tasks().count(), 1);
    assert!(world.state(0).disputes().is_empty(), "nobody was told anything else");
}

#[test]
fn where_the_state_does_not_come_another_member_tells_it() {
    let (mut world, cees) = added_and_not_told();
    let dirk = world.device("dirk", 1);
    world.settle();
    world.add(cees, "dirk", Role::Member);
    world.settle();
    world.restart(1);
    world.restart(cees);
    world.pass(120_000);
    assert!(is_whole(&world, cees) && is_whole(&world, dirk));
    world.same_state(&[1, cees, dirk]);
    world.connect(0);
    world.pass(1_000);
    world.same_state(&[0, 1, cees, dirk]);
    assert!(world.state(0).disputes().is_empty());
}

#[test]
fn whoever_has_missed_messages_tells_nobody_and_disputes_nothing() {
    let mut world = World::together_as(&["anne", "bert", "cees"], Role::Deputy);
    world.states(0, &task("een", Some("bert")));
    world.settle();
    let group = world.core(1).authenticator(world.case).unwrap().unwrap().0;
    let at = world.core(1).case(world.case).unwrap().unwrap().seq;
    let gap = kring_protocol::message::Gap { from: at.next(), to: at.next(), records: 1, commits: 0 };
    world.disconnect(1);
    world.states(0, &task("twee", None));
    world.settle();
    world.devices[1].online = true;
    world.feed(1, crate::conversation::Input::Gap { group, gap });
    assert!(!is_whole(&world, 1));
    world.connect(1);
    world.settle();
    world.restart(1);
    world.settle();
    assert!(!is_whole(&world, 1), "it is remembered");
    let dirk = world.device("dirk", 1);
    world.settle();
    world.add(1, "dirk", Role::Member);
    world.pass(120_000);
    world.same_state(&[0, 2, dirk]);
    assert!(is_whole(&world, dirk));
    assert!(world.state(0).disputes().is_empty());
}
