//! What somebody with real keys and a program of their own can send to another's inbox or put into a log.

use kring_protocol::ids::{CursorId, Epoch, GroupId, InboxSeq, OperationId, Seq};
use kring_protocol::message::Note;
use openmls::prelude::tls_codec::DeserializeBytes as _;

use super::harness::{World, who};
use crate::case::{CaseId, CaseStatus, Role};
use crate::conversation::inbox::{Envelope, Follows};
use crate::conversation::state::{GroupRecord, Phase};
use crate::conversation::{Command, CommitRefused, Event, Input, Suspicion};
use crate::mls::context::{CaseContext, Lent, Predecessor};
use crate::mls::group::{Group, Plan};
use crate::store::encode;

fn group(world: &World, index: usize) -> GroupId {
    world.core(index).authenticator(world.case).unwrap().unwrap().0
}

fn status(world: &World, index: usize) -> CaseStatus {
    world.core(index).case(world.case).unwrap().unwrap().status
}

fn told(world: &World, index: usize, what: Suspicion) -> usize {
    let is = |event: &&Event| matches!(event, Event::Suspicion { what: other, .. } if *other == what);
    world.devices[index].events.iter().filter(is).count()
}

/// A KeyPackage of `victim`, as anybody can claim it.
pub(super) fn package(world: &mut World, victim: usize) -> openmls::prelude::KeyPackage {
    let address = world.devices[victim].address.clone();
    let bytes = world.relay.packages.get_mut(&(address.professional, address.device)).unwrap().0.pop().unwrap();
    let message = openmls::prelude::MlsMessageIn::tls_deserialize_exact_bytes(&bytes).unwrap();
    let openmls::prelude::MlsMessageBodyIn::KeyPackage(package) = message.extract() else { panic!("a KeyPackage") };
    package.validate(&world.core(0).party.crypto, openmls::prelude::ProtocolVersion::Mls10).unwrap()
}

/// What `attacker` makes up, and puts into the inbox of `victim`.
pub(super) struct Forged {
    id: GroupId,
    context: CaseContext,
    /// Epoch in which the made-up group begins.
    pub(super) epoch: u64,
    /// Who is added with the victim, whether a gate lets them pass or not.
    pub(super) company: Vec<openmls::prelude::KeyPackage>,
}

impl Forged {
    pub(super) fn new(case: CaseId, id: GroupId, attacker: &str, others: &[&str]) -> Self {
        let mut context = CaseContext::new(case, "Gezin".to_owned(), who(attacker));
        for other in others {
            context.set_role(&who(other), Role::Member);
        }
        Self { id, context, epoch: 0, company: Vec::new() }
    }

    pub(super) fn send(self, world: &mut World, attacker: usize, victim: usize) {
        let mut add = vec![package(world, victim)];
        let key = crate::mls::inbox_key(&add[0]).unwrap().to_vec();
        add.extend(self.company);
        let party = &world.devices[attacker].core.as_ref().unwrap().party;
        let mut store = crate::store::Store::in_memory().unwrap();
        let tx = store.begin().unwrap();
        drop(Group::create(party, &tx, self.id, &self.context).unwrap());
        set_epoch(&tx, self.epoch);
        let mut mls = Group::load(&tx.rows(), self.id).unwrap().unwrap();
        let plan = Plan { add, context: Some(self.context.clone()), ..Plan::default() };
        let welcome = mls.welcome_beside_the_gate(party, &tx, plan);
        let epoch = Epoch(self.epoch + 1);
        let follows = self.context.predecessor.as_ref().map(Follows::from);
        let cursor = CursorId([3; 16]);
        let envelope = Envelope::welcome(self.id, "r:1", cursor, epoch, self.context.case, follows, &welcome);
        let sealed = crate::mls::seal::seal(party, &key, &encode(&envelope).unwrap()).unwrap();
        drop(tx);
        let device = world.devices[victim].address.device;
        let inbox = world.relay.inboxes.entry(device).or_default();
        inbox.push(sealed.clone().into());
        let note = Note { seq: InboxSeq(inbox.len() as u64), day: world.now.day(), sealed: sealed.into() };
        world.devices[victim].inbox_given = note.seq;
        world.feed(victim, Input::Note(note));
        world.settle();
    }
}

/// Moves a group that has just been made to another epoch.
fn set_epoch(tx: &crate::store::Transaction<'_>, epoch: u64) {
    if epoch == 0 {
        return;
    }
    let mut statement = tx.prepare("SELECT rowid, group_data FROM openmls_group_data").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).unwrap();
    let rows: Vec<(i64, Vec<u8>)> = rows.map(Result::unwrap).collect();
    let mut moved = 0;
    for (row, data) in rows {
        let name = b"\x65epoch\x00";
        let Some(at) = data.windows(name.len()).position(|window| window == name) else { continue };
        let mut changed = data[..at + name.len() - 1].to_vec();
        changed.push(0x1b);
        changed.extend_from_slice(&epoch.to_be_bytes());
        changed.extend_from_slice(&data[at + name.len()..]);
        tx.execute("UPDATE openmls_group_data SET group_data = ?2 WHERE rowid = ?1", rusqlite::params![row, changed])
            .unwrap();
        moved += 1;
    }
    assert!(moved > 0, "the epoch stands in the store");
}

#[test]
fn a_welcome_under_another_case_does_not_touch_a_group_that_this_device_is_in() {
    let mut world = World::together(&["anne", "bert", "eve"]);
    let id = group(&world, 1);
    Forged::new(CaseId([0xee; 16]), id, "eve", &["bert"]).send(&mut world, 2, 1);
    assert_eq!(world.core(1).cases().unwrap().len(), 1);
    world.restart(1);
    world.say(0, "nog steeds");
    world.settle();
    world.say(1, "ja");
    world.settle();
    assert_eq!(world.texts(0), ["nog steeds", "ja"]);
    world.agree(&[0, 1]);
    assert_eq!(told(&world, 1, Suspicion::Order), 0);
}

#[test]
fn a_welcome_under_a_false_group_name_does_not_touch_a_group_that_this_device_is_in() {
    let mut world = World::together(&["anne", "bert", "eve"]);
    let case = world.case;
    world.case = CaseId([0xcb; 16]);
    let other = world.case;
    world.new_case(0);
    world.add(0, "bert", Role::Member);
    world.settle();
    world.command(0, Command::Remove { case: other, professional: who("bert"), device: None });
    world.settle();
    assert_eq!(status(&world, 1), CaseStatus::Left);
    world.case = case;
    // The Welcome of a group under the identifier of the live one says that it is for the one that bert has left.
    let live = group(&world, 1);
    let forged = Forged::new(case, live, "anne", &["bert"]);
    forged.send(&mut world, 0, 1);
    world.restart(1);
    world.say(0, "nog steeds");
    world.settle();
    assert_eq!(world.texts(1), ["nog steeds"]);
}

#[test]
fn a_welcome_for_a_group_that_this_device_is_in_waits_and_is_told() {
    let mut world = World::together(&["anne", "bert", "eve"]);
    let (case, id) = (world.case, group(&world, 1));
    for epoch in 10..15 {
        let mut forged = Forged::new(case, id, "eve", &["bert"]);
        forged.epoch = epoch;
        world.devices[1].events.clear();
        forged.send(&mut world, 2, 1);
        assert_eq!(told(&world, 1, Suspicion::Invitation), 0, "the record that speaks for it may be on its way");
        world.pass(121_000);
        assert_eq!(told(&world, 1, Suspicion::Invitation), 1);
        world.feed(1, Input::KeyPackagesLow { left: 0 });
        world.settle();
    }
    let held = world.core(1).store.read().notes::<serde::de::IgnoredAny>(case).unwrap();
    assert_eq!(held.len(), 2, "of one inviter only the newest are kept");
    assert_eq!(status(&world, 1), CaseStatus::Open);
}

#[test]
fn who_has_left_is_added_again_only_by_somebody_who_had_the_right_when_it_left() {
    let mut world = World::together(&["anne", "bert", "eve"]);
    let (case, id) = (world.case, group(&world, 1));
    world.command(0, Command::Remove { case, professional: who("bert"), device: None });
    world.settle();
    assert_eq!(status(&world, 1), CaseStatus::Left);
    let mut forged = Forged::new(case, id, "eve", &["bert", "anne"]);
    forged.epoch = 100;
    forged.send(&mut world, 2, 1);
    assert_eq!(status(&world, 1), CaseStatus::Left);
    assert_eq!(told(&world, 1, Suspicion::Invitation), 1);
    // By the right person, but into the past.
    Forged::new(case, id, "anne", &["bert", "eve"]).send(&mut world, 0, 1);
    assert_eq!(status(&world, 1), CaseStatus::Left);
    world.add(0, "bert", Role::Member);
    world.settle();
    assert_eq!(status(&world, 1), CaseStatus::Open);
    world.agree(&[0, 1, 2]);
}

#[test]
fn a_readmission_that_the_log_does_not_bear_out_makes_way_for_the_right_one() {
    let mut world = World::together(&["anne", "bert"]);
    let (case, id) = (world.case, group(&world, 1));
    world.command(0, Command::Remove { case, professional: who("bert"), device: None });
    world.settle();
    // Anne's program makes one up in an epoch that the log will not come to.
    let mut forged = Forged::new(case, id, "anne", &["bert"]);
    forged.epoch = 1_000;
    world.devices[1].online = false;
    forged.send(&mut world, 0, 1);
    assert_eq!(status(&world, 1), CaseStatus::Open);
    world.feed(
        1,
        Input::Unfollowed { group: id, epoch: Epoch(1_001), reason: kring_protocol::refusal::Refusal::Forbidden },
    );
    world.devices[1].online = true;
    world.devices[1].follows.clear();
    world.add(0, "bert", Role::Member);
    world.settle();
    world.agree(&[0, 1]);
}

#[test]
fn a_welcome_of_an_epoch_that_no_group_reaches_does_not_hold_up_the_inbox() {
    let mut world = World::new(&["anne", "bert", "eve"]);
    world.settle();
    for epoch in [1 << 62, (1 << 63) - 1, 1 << 63] {
        let mut forged = Forged::new(CaseId([0xee; 16]), GroupId([9; 16]), "eve", &["bert"]);
        forged.epoch = epoch;
        forged.send(&mut world, 2, 1);
        assert_eq!(world.devices[1].failures, 0);
        assert!(world.core(1).cases().unwrap().is_empty());
        world.feed(1, Input::KeyPackagesLow { left: 0 });
        world.settle();
    }
    world.new_case(0);
    world.add(0, "bert", Role::Member);
    world.settle();
    world.agree(&[0, 1]);
}

#[test]
fn a_commit_that_closes_the_case_is_refused_and_the_case_goes_on_without_its_committer() {
    let mut world = World::together(&["anne", "bert", "eve"]);
    let (case, id) = (world.case, group(&world, 0));
    world.command(2, Command::UpdateKeys { case });
    let (_, request) = world.devices[2].requests.pop_front().unwrap();
    let kring_protocol::message::Request::SubmitCommit(commit) = request else { panic!("a Commit") };
    let (operation, key, now) = (OperationId([8; 16]), Some(commit.next_access_key), world.now);
    world.relay.append(id, operation, commit.message, key, now).unwrap();
    world.relay.logs.get_mut(&id).unwrap().records.last_mut().unwrap().closes = Some(true);
    world.disconnect(2);
    world.pass(100_000);
    for index in [0, 1] {
        let refused = |event: &Event| {
            matches!(event, Event::CommitRefused { by: Some(by), reason: CommitRefused::Closes, .. }
                if by.professional == who("eve"))
        };
        assert!(world.devices[index].events.iter().any(refused), "device {index}");
    }
    assert_ne!(group(&world, 0), id);
    world.agree(&[0, 1]);
    assert_eq!(world.core(0).members(case).unwrap().len(), 2);
}

/// An observer's Commit that nobody can read, and what it names.
fn broken(world: &mut World, index: usize) -> Predecessor {
    let (case, id) = (world.case, group(world, 0));
    let authenticator = world.core(0).authenticator(case).unwrap().unwrap().2;
    world.command(index, Command::UpdateKeys { case });
    let (_, request) = world.devices[index].requests.pop_front().unwrap();
    let kring_protocol::message::Request::SubmitCommit(commit) = request else { panic!("a Commit") };
    let mut bytes = commit.message.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let refused = kring_protocol::ids::MessageHash(crate::item::sha256(&bytes));
    let now = world.now;
    world.relay.append(id, OperationId([8; 16]), bytes.into(), Some(commit.next_access_key), now).unwrap();
    Predecessor { group: id, authenticator: authenticator.into(), refused, lent: None }
}

fn successor(world: &World, named: &Predecessor, starter: &str, keep: &[(&str, Role)], lent: Option<Lent>) -> Forged {
    let mut forged = Forged::new(world.case, GroupId([7; 16]), starter, &[]);
    for (name, role) in keep {
        forged.context.set_role(&who(name), *role);
    }
    forged.context.predecessor = Some(Predecessor { lent, ..named.clone() });
    forged
}

#[test]
fn an_observer_who_breaks_a_case_does_not_get_it_by_being_first_with_a_successor() {
    let mut world = World::together_as(&["anne", "bert", "eve"], Role::Observer);
    let named = broken(&mut world, 2);
    while world.turn(1) {}
    assert_eq!(status(&world, 1), CaseStatus::Broken);
    let lent = Lent { coordinator: who("anne"), starter: who("eve"), role: Role::Observer };
    let keep = [("anne", Role::Deputy), ("bert", Role::Observer)];
    let forged = successor(&world, &named, "eve", &keep, Some(lent));
    world.disconnect(2);
    forged.send(&mut world, 2, 1);
    assert_eq!(status(&world, 1), CaseStatus::Broken, "it waits for eve's turn");
    world.pass(30_000);
    world.agree(&[0, 1]);
    assert_ne!(group(&world, 1), GroupId([7; 16]));
    let members = world.core(1).members(world.case).unwrap();
    assert!(members.iter().all(|member| member.role != Role::Coordinator || member.name == "anne"));
}

#[test]
fn a_successor_with_other_roles_or_other_people_is_not_followed_whenever_it_comes() {
    let lent = Lent { coordinator: who("anne"), starter: who("eve"), role: Role::Observer };
    let all = [("anne", Role::Deputy), ("bert", Role::Observer)];
    let as_deputy = Lent { role: Role::Deputy, ..lent.clone() };
    let for_herself = Lent { coordinator: who("eve"), ..lent.clone() };
    let table = [
        ("not lent", all.to_vec(), None),
        ("somebody left out", vec![("bert", Role::Observer)], Some(lent.clone())),
        ("a role changed", vec![("anne", Role::Deputy), ("bert", Role::Deputy)], Some(lent.clone())),
        ("an outsider", vec![all[0], all[1], ("mallory", Role::Member)], Some(lent)),
        ("a better role afterwards", all.to_vec(), Some(as_deputy)),
        ("the role stays", all.to_vec(), Some(for_herself)),
    ];
    for (what, keep, lent) in table {
        let mut world = World::together_as(&["anne", "bert", "eve"], Role::Observer);
        let named = broken(&mut world, 2);
        world.disconnect(0);
        while world.turn(1) {}
        world.disconnect(2);
        // Bert's own successor would come first.
        world.devices[1].wake = None;
        world.now = world.now.plus(70_000);
        world.devices[1].core.as_mut().unwrap().session.successor_at.clear();
        successor(&world, &named, "eve", &keep, lent).send(&mut world, 2, 1);
        assert_ne!(group(&world, 1), GroupId([7; 16]), "{what}");
    }
}

#[test]
fn who_starts_a_successor_has_no_more_rights_in_it_than_before_once_the_coordinator_is_back() {
    let mut world = World::together(&["anne", "bert", "cees", "eve"]);
    world.disconnect(0);
    broken(&mut world, 3);
    world.disconnect(3);
    world.pass(100_000);
    world.connect(0);
    world.pass(100_000);
    world.agree(&[0, 1, 2]);
    for member in world.core(2).members(world.case).unwrap() {
        let expected = if member.name == "anne" { Role::Coordinator } else { Role::Member };
        assert_eq!(member.role, expected, "{}", member.name);
    }
}

#[test]
fn a_device_that_is_out_of_step_follows_only_a_successor_by_somebody_who_managed_the_case() {
    let mut world = World::together(&["anne", "bert", "eve"]);
    let (case, id) = (world.case, group(&world, 1));
    let core = world.devices[1].core.as_mut().unwrap();
    let tx = core.store.begin().unwrap();
    let mut state: GroupRecord = tx.rows().group(id).unwrap().unwrap();
    state.phase = Phase::OutOfStep;
    tx.write_group(id, case, &state).unwrap();
    tx.commit().unwrap();
    world.devices[1].follows.clear();
    let named = Predecessor {
        group: id,
        authenticator: vec![1; 32].into(),
        refused: kring_protocol::ids::MessageHash([1; 32]),
        lent: None,
    };
    let keep = [("anne", Role::Member), ("bert", Role::Member)];
    successor(&world, &named, "eve", &keep, None).send(&mut world, 2, 1);
    assert_eq!(group(&world, 1), id);
    let keep = [("eve", Role::Member), ("bert", Role::Member)];
    successor(&world, &named, "anne", &keep, None).send(&mut world, 0, 1);
    assert_eq!(group(&world, 1), GroupId([7; 16]));
}

#[test]
fn numbers_of_the_relay_that_cannot_be_are_not_followed() {
    use kring_protocol::message::Gap;
    let mut world = World::together(&["anne", "bert"]);
    let id = group(&world, 1);
    let at = world.core(1).case(world.case).unwrap().unwrap().seq;
    let gap = |from: u64, to: u64, records| Gap { from: Seq(from), to: Seq(to), commits: 0, records };
    let table = [
        gap(at.0 + 2, at.0 + 3, 2),
        gap(at.0 + 1, at.0 + 3, 4),
        gap(at.0 + 3, at.0 + 1, 1),
        gap(at.0 + 1, u64::MAX, 1),
        gap(u64::MAX, u64::MAX, 1),
    ];
    for (number, gap) in table.into_iter().enumerate() {
        world.devices[1].events.clear();
        world.feed(1, Input::Gap { group: id, gap });
        assert!(!world.devices[1].events.iter().any(|event| matches!(event, Event::Gap { .. })), "{number}");
    }
    let epoch = world.core(1).case(world.case).unwrap().unwrap().epoch;
    world.devices[1].events.clear();
    world.feed(1, Input::CaughtUp { group: id, epoch, after: Seq(1 << 40) });
    assert_eq!(told(&world, 1, Suspicion::Order), 1);
    assert_eq!(world.core(1).case(world.case).unwrap().unwrap().seq, at);
    assert!(world.core(1).session.live.is_empty(), "nothing is said into a log of which the end is not known");
    world.connect(1);
    world.say(0, "verder");
    world.settle();
    assert_eq!(world.texts(1), ["verder"]);
}

#[test]
fn after_a_restored_backup_notes_are_counted_anew_and_cases_that_it_lacks_are_told() {
    use kring_protocol::ids::Incarnation;
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    assert!(world.core(1).missing_at_relay().unwrap().is_empty());
    let again = || crate::conversation::Connected {
        incarnation: Incarnation([2; 16]),
        relay_now: world.now,
        key_packages: 3,
        last_resort: true,
        inbox: 0,
        crls: None,
    };
    let again = again();
    world.relay.logs.clear();
    world.relay.inboxes.clear();
    world.feed(1, Input::Connected(again));
    world.settle();
    assert_eq!(world.core(1).missing_at_relay().unwrap(), [case]);
    assert!(world.devices[1].events.contains(&Event::RelayReplaced));
    // The first note of the new life has a number that the old one had, too.
    Forged::new(CaseId([0xcc; 16]), GroupId([5; 16]), "anne", &["bert"]).send(&mut world, 0, 1);
    assert_eq!(world.core(1).cases().unwrap().len(), 2);
}
