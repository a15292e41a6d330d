//! People who are not who they say, in a Welcome and in a Commit that has won its epoch: the conversation tells why
//! they are not believed, and the case goes on.

use kring_protocol::ids::GroupId;

use super::attacks::Forged;
use super::bad_commits::{forge, goes_on, group, put};
use super::harness::{Region, World, address, real_now, who};
use crate::case::{CaseStatus, Role};
use crate::conversation::{Command, CommitRefused, Event, NotAdded, Suspicion, Unbelieved};
use crate::mls::disguises::Lands;
use crate::mls::group::{Group, Plan};

fn region(lands: &Lands) -> Region {
    let (root, organisation) = lands.own();
    Region::of(root, organisation, real_now())
}

/// A case of anne, who coordinates, and bert and eve, who may add people.
fn three(lands: &Lands) -> World {
    let names = ["anne", "bert", "eve"];
    World::in_region(region(lands), &names).joined(&names, Role::Deputy)
}

/// Why this device has stayed out of cases.
fn company(world: &World, index: usize) -> Vec<Unbelieved> {
    let why = |event: &Event| match event {
        Event::Suspicion { what: Suspicion::Company(why), .. } => Some(*why),
        _ => None,
    };
    world.devices[index].events.iter().filter_map(why).collect()
}

fn names(world: &World, index: usize) -> Vec<String> {
    world.core(index).members(world.case).unwrap().into_iter().map(|member| member.name).collect()
}

fn status(world: &World, index: usize) -> Option<CaseStatus> {
    world.core(index).case(world.case).unwrap().map(|view| view.status)
}

#[test]
fn an_invitation_into_an_impostors_company_is_refused_for_its_own_reason_and_the_case_goes_on() {
    let lands = Lands::new();
    for (what, disguise, why) in lands.impostors(&address("mallory", 1)) {
        let mut world = World::in_region(region(&lands), &["anne", "bert", "eve"]);
        world.settle();
        world.new_case(0);
        world.add(0, "eve", Role::Deputy);
        world.settle();
        let (case, id) = (world.case, group(&world, 0));
        let stranger = disguise.wearer(&lands).package().1;

        let mut forged = Forged::new(case, GroupId([9; 16]), "eve", &["bert", "mallory"]);
        forged.company.push(stranger.clone());
        forged.send(&mut world, 2, 1);
        assert_eq!(company(&world, 1), [why], "{what}, as joiner into a new case");
        assert_eq!(status(&world, 1), None, "{what}: bert stays out");
        world.add(0, "bert", Role::Member);
        world.settle();
        world.agree(&[0, 1, 2]);

        // Who was in the case is not taken back into such company either, by whomever.
        world.command(0, Command::Remove { case, professional: who("bert"), device: None });
        world.settle();
        let mut forged = Forged::new(case, id, "eve", &["anne", "bert", "mallory"]);
        forged.company.push(stranger);
        forged.epoch = 100;
        forged.send(&mut world, 2, 1);
        assert_eq!(company(&world, 1), [why, why], "{what}, as who is taken back");
        assert_eq!(status(&world, 1), Some(CaseStatus::Left), "{what}");
        world.add(0, "bert", Role::Member);
        world.settle();
        world.agree(&[0, 1, 2]);
        world.say(1, "verder");
        world.settle();
        assert_eq!(world.texts(0), ["verder"], "{what}: the case goes on");
        assert_eq!(names(&world, 0), ["anne", "eve", "bert"], "{what}");
    }
}

#[test]
fn an_impostor_whom_a_commit_in_the_log_adds_is_refused_for_its_own_reason_and_the_case_goes_on() {
    let lands = Lands::new();
    for (what, disguise, why) in lands.impostors(&address("mallory", 1)) {
        let mut world = three(&lands);
        let stranger = disguise.wearer(&lands).package().1;
        let plan = |mls: &Group| {
            let mut context = mls.context().unwrap();
            context.set_role(&who("mallory"), Role::Member);
            Plan { add: vec![stranger.clone()], context: Some(context), ..Plan::default() }
        };
        println!("{what}");
        forge(&mut world, 2, plan, None);
        goes_on(&mut world, &[0, 1], CommitRefused::Leaf(why));
        assert_eq!(names(&world, 0), ["anne", "bert"], "{what}");
    }
}

#[test]
fn an_impostors_leaf_in_a_members_place_is_refused_for_its_own_reason_and_the_case_goes_on() {
    let lands = Lands::new();
    for (what, disguise, why) in lands.impostors(&address("eve", 1)) {
        let mut world = three(&lands);
        let case = world.case;
        let wearer = disguise.wearer(&lands);
        let (id, _, message, key) = world.devices[2].core.as_mut().unwrap().forge_signer(case, &wearer.party);
        println!("{what}");
        put(&mut world, 2, id, message, key);
        goes_on(&mut world, &[0, 1], CommitRefused::Leaf(why));
        assert_eq!(names(&world, 0), ["anne", "bert"], "{what}");
    }
}

#[test]
fn a_revoked_device_whose_key_package_the_relay_still_hands_out_is_not_added() {
    let lands = Lands::new();
    let mut world = three(&lands);
    let dirk = world.device("dirk", 1);
    world.settle();
    world.disconnect(dirk);
    world.revoke(dirk);
    world.settle();
    world.add(0, "dirk", Role::Member);
    world.settle();
    let revoked = |event: &&Event| matches!(event, Event::NotAdded { reason: NotAdded::Revoked, .. });
    assert_eq!(world.devices[0].events.iter().filter(revoked).count(), 1);
    world.say(0, "verder");
    world.settle();
    assert_eq!(world.texts(1), ["verder"]);
    assert_eq!(names(&world, 1), ["anne", "bert", "eve"]);
}

#[test]
fn a_revoked_device_that_a_commit_adds_all_the_same_is_taken_out_before_anything_is_said() {
    let lands = Lands::new();
    let mut world = three(&lands);
    let dirk = world.device("dirk", 1);
    world.settle();
    let package = super::attacks::package(&mut world, dirk);
    world.disconnect(dirk);
    world.revoke(dirk);
    world.settle();
    // All must judge alike, and not everybody has read the list: the Commit stands.
    let plan = |mls: &Group| {
        let mut context = mls.context().unwrap();
        context.set_role(&who("dirk"), Role::Member);
        Plan { add: vec![package.clone()], context: Some(context), ..Plan::default() }
    };
    let id = group(&world, 0);
    let before = world.relay.logs[&id].records.len();
    forge(&mut world, 2, plan, None);
    world.say(1, "zonder dirk");
    world.pass(5_000);
    let records = &world.relay.logs[&id].records[before..];
    let commits: Vec<bool> = records.iter().map(|record| record.next_access_key.is_some()).collect();
    let said = commits.iter().position(|is_commit| !is_commit).expect("something was said");
    assert_eq!(said, 2, "the addition, the removal, and only then the message");
    for index in [0, 1] {
        let taken_out = |event: &&Event| matches!(event, Event::TakenOut { .. });
        assert_eq!(world.devices[index].events.iter().filter(taken_out).count(), 1, "and its reason is told");
        assert_eq!(world.texts(index), ["zonder dirk"]);
    }
    world.agree(&[0, 1]);
    assert_eq!(group(&world, 0), id, "the case goes on in its group");
    assert_eq!(names(&world, 0), ["anne", "bert", "eve"]);
    assert_eq!(world.suspicions(), 0);
}
