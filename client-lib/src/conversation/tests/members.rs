//! Leaving, removing, roles.

use super::harness::{World, who};
use crate::case::{CaseStatus, ItemDraft, ItemId, Role};
use crate::conversation::{Command, CommandError, Event, Input, StepError};
use crate::mls::group::{Group, MlsFailure};

fn refused(world: &mut World, index: usize, command: Command) -> CommandError {
    match world.try_command(index, command) {
        Err(StepError::Command(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn who_leaves_is_taken_out_by_another_member() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.disconnect(0);
    world.command(2, Command::Leave { case });
    world.settle();
    assert_eq!(world.core(2).case(case).unwrap().unwrap().status, CaseStatus::Leaving);
    assert!(world.core(1).members(case).unwrap().iter().any(|member| member.leaving));
    world.pass(299);
    assert_eq!(world.core(2).case(case).unwrap().unwrap().status, CaseStatus::Leaving, "the first in rank may do it");
    world.pass(1);
    assert_eq!(world.core(2).case(case).unwrap().unwrap().status, CaseStatus::Left);
    world.connect(0);
    world.settle();
    assert_eq!(world.core(0).members(case).unwrap().len(), 2);
    world.say(1, "zonder cees");
    world.settle();
    assert_eq!(world.texts(0), ["zonder cees"]);
    assert!(world.texts(2).is_empty());
    world.agree(&[0, 1]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_wish_to_leave_outlives_the_epoch_that_it_was_said_in() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.disconnect(2);
    world.command(2, Command::Leave { case });
    world.command(0, Command::UpdateKeys { case });
    world.settle();
    world.connect(2);
    // The proposal is on its way when yet another epoch begins.
    while world.devices[2].requests.is_empty() {
        assert!(world.turn(2));
    }
    world.command(1, Command::UpdateKeys { case });
    for _ in 0..200 {
        if !(world.turn(0) || world.turn(1)) {
            break;
        }
    }
    world.pass(3_000);
    assert_eq!(world.core(2).case(case).unwrap().unwrap().status, CaseStatus::Left);
    world.agree(&[0, 1]);
}

#[test]
fn what_is_said_while_somebody_leaves_waits_for_the_commit_and_no_longer() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.command(2, Command::Leave { case });
    world.settle();
    world.say(1, "meteen");
    world.settle();
    assert_eq!(world.texts(0), ["meteen"], "no time has passed");
    assert!(world.texts(2).is_empty());
}

#[test]
fn a_removed_device_decrypts_nothing_that_comes_after() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.say(0, "met cees");
    world.settle();
    let group = world.core(2).authenticator(case).unwrap().unwrap().0;
    world.command(0, Command::Remove { case, professional: who("cees"), device: None });
    world.settle();
    world.say(0, "zonder cees");
    world.settle();
    assert_eq!(world.core(2).case(case).unwrap().unwrap().status, CaseStatus::Left);
    assert_eq!(world.texts(2), ["met cees"]);
    assert_eq!(world.texts(1), ["met cees", "zonder cees"]);
    // Even with everything in hand.
    let record = world.relay.logs[&group].records.last().unwrap().clone();
    let core = world.devices[2].core.as_mut().unwrap();
    let tx = core.store.begin().unwrap();
    let mut mls = Group::load(&tx.rows(), group).unwrap().unwrap();
    assert!(matches!(mls.receive(&core.party, &tx, &record.message, false), Err(MlsFailure::Refused)));
    drop(tx);
    let proof = world.core(2).prove(&[0; 32], group, kring_protocol::ids::Epoch(u64::MAX >> 1)).unwrap();
    assert!(proof.is_none());
    let send = Command::Send { case, item: ItemId::random(), draft: ItemDraft::markdown("nog iets") };
    assert_eq!(refused(&mut world, 2, send), CommandError::NotOpen);
}

#[test]
fn who_was_removed_can_be_added_again_and_keeps_what_it_had() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.say(0, "eerst");
    world.settle();
    world.command(0, Command::Remove { case, professional: who("bert"), device: None });
    world.say(0, "tussendoor");
    world.add(0, "bert", Role::Member);
    world.settle();
    world.say(0, "daarna");
    world.settle();
    assert_eq!(world.texts(1), ["eerst", "daarna"]);
    assert_eq!(world.core(1).case(case).unwrap().unwrap().status, CaseStatus::Open);
    world.agree(&[0, 1]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_welcome_that_overtakes_the_removal_waits_for_it() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.disconnect(1);
    world.command(0, Command::Remove { case, professional: who("bert"), device: None });
    world.add(0, "bert", Role::Member);
    world.settle();
    let inbox = &world.relay.inboxes[&world.devices[1].address.device];
    let sealed = inbox.last().unwrap().clone();
    let note = kring_protocol::message::Note {
        seq: kring_protocol::ids::InboxSeq(inbox.len() as u64),
        day: world.now.day(),
        sealed,
    };
    world.devices[1].online = true;
    world.feed(1, Input::Note(note));
    world.connect(1);
    world.settle();
    world.say(0, "weer samen");
    world.settle();
    assert_eq!(world.texts(1), ["weer samen"]);
    world.agree(&[0, 1]);
}

#[test]
fn roles_forbid_what_they_forbid() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    let add = |role| Command::Add { case, professional: who("dirk"), device: None, role };
    let remove = |name| Command::Remove { case, professional: who(name), device: None };
    assert_eq!(refused(&mut world, 1, add(Role::Member)), CommandError::Role);
    assert_eq!(refused(&mut world, 1, remove("cees")), CommandError::Role);
    let promote = Command::SetRole { case, professional: who("bert"), role: Role::Deputy };
    assert_eq!(refused(&mut world, 1, promote), CommandError::Role);
    assert_eq!(refused(&mut world, 0, Command::Leave { case }), CommandError::SoleCoordinator);
    assert_eq!(refused(&mut world, 0, remove("anne")), CommandError::Oneself);
    assert_eq!(refused(&mut world, 0, remove("dirk")), CommandError::NotAMember);
    let title = Command::NewCase { case: crate::case::CaseId([1; 16]), title: String::new() };
    assert_eq!(refused(&mut world, 0, title), CommandError::Title);
    world.command(0, Command::SetRole { case, professional: who("bert"), role: Role::Deputy });
    world.settle();
    assert_eq!(refused(&mut world, 1, add(Role::Deputy)), CommandError::Role);
    assert_eq!(refused(&mut world, 1, remove("anne")), CommandError::SoleCoordinator);
}

#[test]
fn the_coordinator_hands_role_and_responsibility_over_and_can_then_leave() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.command(0, Command::SetRole { case, professional: who("bert"), role: Role::Coordinator });
    world.settle();
    let roles: Vec<_> = world.core(2).members(case).unwrap().iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Deputy, Role::Coordinator, Role::Member]);
    assert!(world.devices[2].events.iter().any(|event| matches!(event, Event::RoleChanged { .. })));
    assert_eq!(refused(&mut world, 0, Command::Leave { case }), CommandError::SoleResponsible);
    world.hand_over(0, &[2], None);
    world.command(0, Command::Leave { case });
    world.pass(2_000);
    assert_eq!(world.core(0).case(case).unwrap().unwrap().status, CaseStatus::Left);
    world.agree(&[1, 2]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn all_devices_of_a_professional_come_and_go_together() {
    let mut world = World::together(&["anne"]);
    let case = world.case;
    let (phone, laptop) = (world.device("bert", 1), world.device("bert", 2));
    world.settle();
    world.add(0, "bert", Role::Member);
    world.settle();
    world.agree(&[0, phone, laptop]);
    world.say(phone, "van mijn telefoon");
    world.settle();
    assert_eq!(world.texts(laptop), ["van mijn telefoon"]);
    let device = Some(world.devices[laptop].address.device);
    world.command(0, Command::Remove { case, professional: who("bert"), device });
    world.settle();
    world.agree(&[0, phone]);
    assert_eq!(world.core(laptop).case(case).unwrap().unwrap().status, CaseStatus::Left);
}

#[test]
fn a_wish_to_leave_that_a_commit_passed_over_is_said_again() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    world.disconnect(1);
    // Anne's Commit is on its way when cees's wish enters the log before it.
    world.command(0, Command::UpdateKeys { case });
    let (ticket, request) = world.devices[0].requests.pop_front().unwrap();
    world.command(2, Command::Leave { case });
    while world.turn(2) {}
    let answer = world.answer(0, request);
    assert!(answer.is_ok());
    world.feed(0, Input::Answered { ticket, answer });
    world.connect(1);
    world.pass(3_000);
    assert_eq!(world.core(2).case(case).unwrap().unwrap().status, CaseStatus::Left);
    world.agree(&[0, 1]);
}
