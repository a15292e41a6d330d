//! Creating, adding, talking, offline, races.

use super::harness::{World, who};
use crate::case::{CaseStatus, Position, Role};
use crate::conversation::{Command, Event};

#[test]
fn a_case_is_made_and_somebody_is_added_and_both_talk() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "goedemorgen");
    world.settle();
    world.say(1, "dag Anne");
    world.settle();
    world.say(0, "tot straks");
    world.settle();
    assert_eq!(world.texts(0), ["goedemorgen", "dag Anne", "tot straks"]);
    assert_eq!(world.texts(0), world.texts(1));
    world.agree(&[0, 1]);
    let digest = |index: usize| world.core(index).digest(world.case, Position(0)).unwrap();
    assert_eq!(digest(0), digest(1));
    let view = world.core(1).case(world.case).unwrap().unwrap();
    assert_eq!((view.status, view.role, view.members, view.queued), (CaseStatus::Open, Role::Member, 2, 0));
    assert_eq!(view.title, "Gezin");
    assert_eq!(world.suspicions(), 0);
    let item = &world.items(1)[0];
    assert_eq!((item.author_name.as_str(), item.author_organisation.as_str(), item.own), ("anne", "Zorg", false));
}

#[test]
fn what_is_wanted_offline_is_done_in_order_afterwards() {
    let mut world = World::new(&["anne", "bert"]);
    world.settle();
    world.disconnect(0);
    let case = world.case;
    world.command(0, Command::NewCase { case, title: "Gezin".to_owned() });
    world.say(0, "een");
    world.add(0, "bert", Role::Member);
    world.say(0, "twee");
    world.settle();
    assert_eq!(world.core(0).case(case).unwrap().unwrap().status, CaseStatus::Opening);
    world.connect(0);
    world.settle();
    assert_eq!(world.texts(0), ["een", "twee"]);
    assert_eq!(world.texts(1), ["twee"], "a joiner gets everything from its Commit on, nothing before");
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn of_two_commits_in_one_epoch_the_first_wins_and_the_loser_rebases() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk"]);
    let case = world.case;
    world.command(0, Command::SetRole { case, professional: who("bert"), role: Role::Deputy });
    world.settle();
    let eva = world.device("eva", 1);
    let fien = world.device("fien", 1);
    world.settle();
    world.add(0, "eva", Role::Member);
    world.add(1, "fien", Role::Member);
    world.settle();
    world.say(eva, "hier ben ik");
    world.settle();
    let all = [0, 1, 2, 3, eva, fien];
    world.agree(&all);
    assert_eq!(world.core(0).members(case).unwrap().len(), 6);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn what_was_queued_offline_over_several_epochs_arrives_once_and_in_order() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.disconnect(2);
    for number in 0..5 {
        world.say(2, &format!("van cees {number}"));
    }
    for round in 0..3 {
        world.command(0, Command::UpdateKeys { case });
        world.say(0, &format!("van anne {round}"));
        world.settle();
        world.command(1, Command::UpdateKeys { case });
        world.settle();
    }
    world.connect(2);
    world.settle();
    let expected: Vec<_> = (0..3)
        .map(|round| format!("van anne {round}"))
        .chain((0..5).map(|number| format!("van cees {number}")))
        .collect();
    for device in 0..3 {
        assert_eq!(world.texts(device), expected);
    }
    world.agree(&[0, 1, 2]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_submission_whose_answer_was_lost_is_sent_again_and_counts_once() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "een keer");
    let (_, request) = world.devices[0].requests.pop_front().unwrap();
    world.answer(0, request).unwrap();
    world.disconnect(0);
    world.connect(0);
    world.settle();
    world.say(0, "en verder");
    world.settle();
    assert_eq!(world.texts(1), ["een keer", "en verder"]);
    assert_eq!(world.texts(0), world.texts(1));
    assert_eq!(world.core(0).outbox(world.case).unwrap().len(), 0);
}

#[test]
fn a_message_that_lost_its_epoch_is_encrypted_again_and_counts_once() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.say(1, "vooraf");
    // The submission is on its way when another epoch begins.
    let late = world.devices[1].requests.pop_front().unwrap();
    world.command(0, Command::UpdateKeys { case });
    world.settle();
    let answer = world.answer(1, late.1);
    assert!(matches!(answer, Err(kring_protocol::refusal::Refusal::StaleEpoch { .. })));
    world.settle();
    assert_eq!(world.texts(0), ["vooraf"]);
    assert_eq!(world.texts(1), ["vooraf"]);
}

#[test]
fn chat_of_one_to_two_hundred_bytes_makes_records_of_one_size() {
    let mut world = World::together(&["anne", "bert"]);
    for length in [1, 2, 20, 100, 199, 200] {
        world.say(0, &"x".repeat(length));
        world.say(1, &"é".repeat(length / 2 + 1));
        world.settle();
    }
    let log = world.relay.logs.values().next().unwrap();
    let sizes: std::collections::BTreeSet<_> = log
        .records
        .iter()
        .filter(|record| record.next_access_key.is_none())
        .map(|record| record.message.len())
        .collect();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn twenty_devices_that_add_at_once_converge() {
    let adders: Vec<String> = (0..20).map(|number| format!("a{number}")).collect();
    let names: Vec<&str> = adders.iter().map(String::as_str).collect();
    let mut world = World::together_as(&names, Role::Deputy);
    let case = world.case;
    let newcomers: Vec<usize> = (0..20).map(|number| world.device(&format!("n{number}"), 1)).collect();
    world.settle();
    for index in 0..20 {
        world.add(index, &format!("n{index}"), Role::Member);
    }
    world.settle();
    let mut all: Vec<usize> = (0..20).collect();
    all.extend(newcomers);
    world.agree(&all);
    assert_eq!(world.core(0).members(case).unwrap().len(), 40);
    world.say(39, "allemaal");
    world.settle();
    assert!(all.iter().all(|index| world.texts(*index) == ["allemaal"]));
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn who_is_added_sees_no_history_and_everybody_is_told_who_came() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "vertrouwelijk");
    world.settle();
    let cees = world.device("cees", 1);
    world.settle();
    world.add(0, "cees", Role::Observer);
    world.settle();
    assert!(world.texts(cees).is_empty());
    let told = |index: usize| {
        world.devices[index].events.iter().any(|event| {
            matches!(event, Event::MembersChanged { added, .. } if added.iter().any(|member| member.name == "cees"))
        })
    };
    assert!(told(0) && told(1));
    assert!(world.devices[cees].events.contains(&Event::Joined { case: world.case }));
}
