//! One bad Commit never strands a case.

use kring_protocol::ids::{AccessKey, GroupId, OperationId};
use kring_protocol::payload::Payload;

use super::harness::World;
use crate::case::{CaseStatus, Role};
use crate::conversation::{Command, CommitRefused, Event};
use crate::mls::group::Plan;

pub(super) fn group(world: &World, index: usize) -> GroupId {
    world.core(index).authenticator(world.case).unwrap().unwrap().0
}

fn reasons(world: &World, index: usize) -> Vec<CommitRefused> {
    world.devices[index]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::CommitRefused { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

/// A member's program puts a Commit into the log that its own rules would forbid: it is built beside the gate, from
/// the member's real keys.
pub(super) fn forge(
    world: &mut World,
    index: usize,
    plan: impl Fn(&crate::mls::group::Group) -> Plan,
    key: Option<AccessKey>,
) {
    let case = world.case;
    let (id, _, message, real) = world.devices[index].core.as_mut().unwrap().forge_commit(case, plan);
    put(world, index, id, message, key.unwrap_or(real));
}

/// Puts a Commit into the log, where it wins its epoch; its author is gone then.
pub(super) fn put(world: &mut World, index: usize, id: GroupId, message: Vec<u8>, key: AccessKey) {
    let now = world.now;
    world.relay.append(id, OperationId(rand::random()), Payload::from(message), Some(key), now).unwrap();
    world.disconnect(index);
}

/// The honest refuse the Commit for this reason, go on in a successor, and hear each other there.
pub(super) fn goes_on(world: &mut World, honest: &[usize], reason: CommitRefused) {
    let before = group(world, honest[0]);
    world.settle();
    for index in honest {
        assert_eq!(reasons(world, *index), [reason], "device {index}");
    }
    world.pass(200_000);
    world.agree(honest);
    assert_ne!(group(world, honest[0]), before, "a successor");
    for index in honest {
        assert_eq!(world.core(*index).case(world.case).unwrap().unwrap().status, CaseStatus::Open);
    }
    for index in honest {
        world.say(*index, &format!("verder {index}"));
        world.settle();
    }
    let expected = world.texts(honest[0]);
    for index in honest {
        assert_eq!(world.texts(*index), expected);
        assert!(expected.contains(&format!("verder {index}")));
        assert!(world.core(*index).outbox(world.case).unwrap().is_empty());
    }
}

#[test]
fn a_commit_that_the_committers_role_forbids_is_refused_and_the_case_goes_on_without_the_committer() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk"]);
    world.say(1, "voor");
    world.settle();
    let victim = |mls: &crate::mls::group::Group| {
        let own = mls.own_index();
        let remove = (0..4).map(openmls::prelude::LeafNodeIndex::new).filter(|index| *index != own).skip(1).take(1);
        Plan { remove: remove.collect(), ..Plan::default() }
    };
    forge(&mut world, 2, victim, None);
    goes_on(&mut world, &[0, 1, 3], CommitRefused::Role);
    let members = world.core(0).members(world.case).unwrap();
    assert!(members.iter().all(|member| member.name != "cees"));
    assert_eq!(world.texts(0)[0], "voor", "what everybody had stays");
    let coordinator = members.iter().find(|member| member.role == Role::Coordinator).unwrap();
    assert_eq!(coordinator.name, "anne");
}

#[test]
fn a_commit_with_a_false_access_key_is_refused_and_the_case_goes_on() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    forge(&mut world, 2, |_| Plan::default(), Some(AccessKey([9; 32])));
    goes_on(&mut world, &[0, 1], CommitRefused::AccessKey);
}

#[test]
fn a_commit_that_nobody_can_read_is_refused_and_the_case_goes_on_with_everybody() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    // Cees's Commit is damaged on its way into the log.
    world.command(2, Command::UpdateKeys { case });
    let (_, request) = world.devices[2].requests.pop_front().unwrap();
    let kring_protocol::message::Request::SubmitCommit(mut commit) = request else { panic!("a Commit") };
    let mut bytes = commit.message.to_vec();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    commit.message = bytes.into();
    let now = world.now;
    let key = Some(commit.next_access_key);
    world.relay.append(commit.access.group, commit.operation, commit.message, key, now).unwrap();
    goes_on(&mut world, &[0, 1, 2], CommitRefused::Unreadable);
    assert_eq!(world.core(0).members(case).unwrap().len(), 3);
}

#[test]
fn without_the_coordinator_another_starts_the_successor_and_gives_the_role_back() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk"]);
    world.disconnect(0);
    forge(&mut world, 3, |_| Plan::default(), Some(AccessKey([9; 32])));
    world.say(1, "wacht op een opvolger");
    goes_on(&mut world, &[1, 2], CommitRefused::AccessKey);
    world.connect(0);
    world.pass(200_000);
    world.agree(&[0, 1, 2]);
    let members = world.core(2).members(world.case).unwrap();
    let coordinator = members.iter().find(|member| member.role == Role::Coordinator).unwrap();
    assert_eq!(coordinator.name, "anne");
    world.say(0, "ik ben er weer");
    world.settle();
    assert!(world.texts(2).contains(&"ik ben er weer".to_owned()));
    assert!(world.texts(2).contains(&"wacht op een opvolger".to_owned()));
}

#[test]
fn of_two_successors_the_one_of_lower_rank_wins() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk"]);
    world.disconnect(0);
    forge(&mut world, 3, |_| Plan::default(), Some(AccessKey([9; 32])));
    world.settle();
    // Bert and cees start theirs at the same time, each before hearing of the other's.
    let late = world.now.plus(70_000);
    world.now = late;
    for index in [1, 2] {
        let case = world.case;
        world.feed(index, crate::conversation::Input::Tick);
        world.say(index, &format!("uit {index}"));
        assert!(world.core(index).case(case).unwrap().is_some());
    }
    world.pass(100_000);
    world.agree(&[1, 2]);
    let group_of_bert = group(&world, 1);
    world.connect(0);
    world.pass(100_000);
    world.agree(&[0, 1, 2]);
    assert_eq!(group(&world, 0), group_of_bert, "who comes later joins what there is");
    let texts = world.texts(0);
    for index in [1, 2] {
        let said = format!("uit {index}");
        assert_eq!(texts.iter().filter(|text| **text == said).count(), 1, "said once, though in a lost successor");
    }
}

#[test]
fn nobody_follows_a_successor_of_a_group_that_it_has_not_seen_break() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let before = group(&world, 1);
    let case = world.case;
    // Anne's program pretends that a Commit was refused.
    let core = world.devices[0].core.as_mut().unwrap();
    let tx = core.store.begin().unwrap();
    let mut state: crate::conversation::state::GroupRecord = tx.rows().group(before).unwrap().unwrap();
    state.phase = crate::conversation::state::Phase::Broken;
    state.refused = Some(crate::conversation::state::RefusedCommit {
        hash: kring_protocol::ids::MessageHash([5; 32]),
        at: world.now,
        since: world.now,
        offender: None,
    });
    tx.write_group(before, case, &state).unwrap();
    tx.commit().unwrap();
    let now = world.now;
    core.session.successor_at.insert(case, now);
    world.feed(0, crate::conversation::Input::Tick);
    world.pass(100_000);
    assert_ne!(group(&world, 0), before);
    assert_eq!(group(&world, 1), before);
    assert_eq!(group(&world, 2), before);
    world.agree(&[1, 2]);
}

#[test]
fn a_stranger_with_a_stolen_chain_cannot_be_added() {
    let world = World::together(&["anne", "bert"]);
    // Mallory has bert's chain and a key of her own.
    let stolen = world.core(1).party.identity().credential;
    let mut mallory = world.region.credentials("mallory", 1);
    mallory.chain = crate::mls::chain_of(&stolen);
    let store = crate::store::Store::in_memory().unwrap();
    let settings = crate::conversation::Settings::new("relay.example:1");
    let opened = crate::conversation::Conversation::open(store, mallory, settings, world.now);
    assert!(matches!(opened, Err(crate::conversation::OpenError::Certificate)));
}

#[test]
fn a_successors_welcome_that_overtakes_the_refused_commit_waits_for_it() {
    let mut world = World::together(&["anne", "bert", "cees", "dirk"]);
    world.disconnect(1);
    forge(&mut world, 3, |_| Plan::default(), Some(AccessKey([9; 32])));
    goes_on(&mut world, &[0, 2], CommitRefused::AccessKey);
    let inbox = &world.relay.inboxes[&world.devices[1].address.device];
    let note = kring_protocol::message::Note {
        seq: kring_protocol::ids::InboxSeq(inbox.len() as u64),
        day: world.now.day(),
        sealed: inbox.last().unwrap().clone(),
    };
    world.devices[1].online = true;
    world.feed(1, crate::conversation::Input::Note(note));
    assert_eq!(reasons(&world, 1), []);
    world.connect(1);
    world.settle();
    world.agree(&[0, 1, 2]);
}
