//! Revocation lists that come, that do not come, and that are old; a coordinator who is gone; one's own devices; renewed
//! certificates; numbers to compare.

use kring_protocol::ids::{CrlNumber, Timestamp};

use super::harness::{World, who};
use crate::case::{CaseId, CaseStatus, ItemDraft, ItemId, Role};
use crate::conversation::{Command, CommandError, Event, Held, NotAdded, StepError};
use crate::identity::SafetyNumber;

const DAY: u64 = Timestamp::DAY;

fn events(world: &World, index: usize, wanted: impl Fn(&Event) -> bool) -> usize {
    world.devices[index].events.iter().filter(|event| wanted(event)).count()
}

fn overdue(world: &World, index: usize, wanted: bool) -> usize {
    events(world, index, |event| matches!(event, Event::RevocationListOverdue { stale, .. } if *stale == wanted))
}

fn insist(world: &mut World, index: usize, text: &str) {
    let case = world.case;
    let item = ItemId::random();
    world.command(index, Command::SendAnyway { case, item, draft: ItemDraft::markdown(text) });
}

fn refused(world: &mut World, index: usize, command: Command) -> CommandError {
    match world.try_command(index, command) {
        Err(StepError::Command(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_list_that_does_not_come_is_noticed_and_three_days_later_nothing_is_said_without_the_users_word() {
    let mut world = World::together(&["anne", "bert"]);
    let cees = world.device("cees", 1);
    let next = world.now.plus(7 * DAY);
    world.publish_list(next);
    world.settle();
    world.pass(7 * DAY - 2_000);
    assert_eq!(overdue(&world, 1, false), 0, "on the promised day itself nothing is late");
    world.pass(60_000);
    assert_eq!(overdue(&world, 1, false), 1);
    world.say(1, "nog te laat om te weten");
    world.settle();
    assert_eq!(world.texts(0), ["nog te laat om te weten"], "a warning holds nothing up");
    world.pass(3 * DAY);
    assert_eq!(overdue(&world, 1, true), 1);
    world.say(1, "wacht");
    world.settle();
    assert_eq!(world.texts(0).len(), 1);
    assert_eq!(events(&world, 1, |event| matches!(event, Event::Held { why: Held::StaleList, .. })), 1);
    insist(&mut world, 1, "toch");
    world.settle();
    assert_eq!(world.texts(0), ["nog te laat om te weten", "toch"]);
    // Nobody is added.
    world.add(0, "cees", Role::Member);
    world.settle();
    assert!(world.texts(cees).is_empty());
    let stale = |event: &Event| matches!(event, Event::NotAdded { reason: NotAdded::StaleList, .. });
    assert_eq!(events(&world, 0, stale), 1);
    // The list comes, and what waited goes.
    let next = world.now.plus(7 * DAY);
    world.publish_list(next);
    world.settle();
    assert_eq!(world.texts(0), ["nog te laat om te weten", "toch", "wacht"]);
    world.add(0, "cees", Role::Member);
    world.settle();
    world.agree(&[0, 1, cees]);
}

#[test]
fn a_regions_list_that_does_not_come_is_noticed_as_well_where_one_was_seen() {
    let mut world = World::together(&["anne", "bert"]);
    let (soon, late) = (world.now.plus(7 * DAY), world.now.plus(100 * DAY));
    world.publish_list(late);
    world.settle();
    world.pass(8 * DAY);
    assert_eq!(overdue(&world, 1, false), 0, "of a region that has published none, none is expected");
    let soon = soon.plus(8 * DAY);
    world.publish_region_list(soon);
    world.settle();
    world.pass(7 * DAY - 60_000);
    assert_eq!(overdue(&world, 1, false), 0, "it is not due yet");
    world.pass(120_000);
    let of_region = |stale: bool| {
        move |event: &Event| {
            matches!(event, Event::RevocationListOverdue { organisation, since, stale: told, .. }
                if organisation == "Regio" && *told == stale && soon.since(*since) < Timestamp::SECOND)
        }
    };
    assert_eq!(events(&world, 1, of_region(false)), 1);
    world.pass(3 * DAY);
    assert_eq!(events(&world, 1, of_region(true)), 1);
    world.say(1, "wacht");
    world.settle();
    assert!(world.texts(0).is_empty());
    assert_eq!(events(&world, 1, |event| matches!(event, Event::Held { why: Held::StaleList, .. })), 1);
    let next = world.now.plus(7 * DAY);
    world.publish_region_list(next);
    world.settle();
    assert_eq!(world.texts(0), ["wacht"]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_relay_that_hides_a_list_is_found_out_by_whoever_has_seen_it_or_when_it_is_due() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let next = world.now.plus(DAY);
    world.publish_list(next);
    world.settle();
    world.relay.hides_lists_after = Some(CrlNumber(1));
    world.disconnect(2);
    world.revoke(2);
    world.settle();
    assert_eq!(world.core(0).members(world.case).unwrap().len(), 3, "nobody knows");
    world.pass(DAY + 60_000);
    assert_eq!(overdue(&world, 0, false), 1, "but the list of yesterday is overdue");
    // Shown once, it cannot be taken back: the relay goes back to the older list.
    world.relay.hides_lists_after = None;
    world.disconnect(0);
    world.connect(0);
    world.pass(5_000);
    assert_eq!(world.core(0).members(world.case).unwrap().len(), 2);
    world.relay.hides_lists_after = Some(CrlNumber(1));
    world.disconnect(0);
    world.connect(0);
    world.settle();
    assert_eq!(events(&world, 0, |event| *event == Event::OldRevocationLists), 1);
    assert!(world.relay.given_back > 0, "and is given the newer one again");
    // Over a new start of the device as well.
    world.restart(0);
    world.settle();
    assert_eq!(events(&world, 0, |event| *event == Event::OldRevocationLists), 2);
}

#[test]
fn a_list_that_came_in_a_step_that_failed_is_stored_when_it_comes_again() {
    let mut world = World::together(&["anne", "bert"]);
    // First it is told that there is one, then it is given it: the row is written, and the step is not.
    let device = &mut world.devices[0];
    device.fail = Some((device.inputs + 2, 1));
    let next = world.now.plus(7 * DAY);
    world.publish_list(next);
    world.settle();
    assert_eq!(world.core(0).party.leaves.known_lists().len(), 1);
    world.reopen(0);
    assert_eq!(world.core(0).party.leaves.known_lists().len(), 1);
}

#[test]
fn a_member_who_is_known_to_be_revoked_is_marked_until_somebody_has_taken_them_out() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let laptop = world.device("cees", 2);
    world.settle();
    world.add(0, "cees", Role::Member);
    world.settle();
    let marks = |world: &World, index: usize| {
        let members = world.core(index).members(world.case).unwrap();
        members.iter().map(|member| member.revoked).collect::<Vec<_>>()
    };
    world.disconnect(0);
    world.revoke(laptop);
    world.settle();
    assert_eq!(marks(&world, 1), [false, false, false, true]);
    let found = world.core(1).revoked_members().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, &found[0].1[0].address), (world.case, &world.devices[laptop].address));
    let numbers = world.core(1).numbers(world.case).unwrap().unwrap();
    assert!(numbers.devices[3].0.revoked && !numbers.devices[2].0.revoked);
    assert!(world.core(1).is_removing(), "bert waits for his turn");
    assert_eq!(marks(&world, 0), [false; 4], "anne is offline and knows nothing");
    assert!(!world.core(0).is_removing());
    world.disconnect(1);
    assert!(!world.core(1).is_removing(), "he can do nothing about it offline");
    assert_eq!(marks(&world, 1), [false, false, false, true], "and knows it all the same");
    world.connect(1);
    world.pass(1_000);
    assert_eq!(marks(&world, 1), [false; 3]);
    assert!(world.core(1).revoked_members().unwrap().is_empty() && !world.core(1).is_removing());
    // Cees himself is not out, only a device of his.
    let staying = |event: &Event| matches!(event, Event::TakenOut { staying, .. } if *staying == [who("cees")]);
    assert_eq!(events(&world, 1, staying), 1);
    world.revoke(2);
    world.pass(1_000);
    let gone = |event: &Event| matches!(event, Event::TakenOut { staying, .. } if staying.is_empty());
    assert_eq!(events(&world, 1, gone), 1);
}

#[test]
fn a_removal_that_is_due_no_more_is_waited_for_no_more() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.disconnect(0);
    world.revoke(2);
    world.settle();
    assert!(world.core(1).is_removing());
    world.connect(0);
    world.settle();
    assert_eq!(world.core(1).members(world.case).unwrap().len(), 2, "anne was first");
    assert!(!world.core(1).is_removing());
    // Dirk is admitted again before anybody's turn has come.
    let dirk = world.device("dirk", 1);
    world.settle();
    world.add(0, "dirk", Role::Member);
    world.settle();
    world.disconnect(0);
    world.revoke(dirk);
    world.settle();
    assert!(world.core(1).is_removing());
    world.readmit_last();
    world.pass(5_000);
    assert!(!world.core(1).is_removing());
    assert_eq!(world.core(1).members(world.case).unwrap().len(), 3);
    // Dirk wishes to leave; then bert does, who carries nothing out any more.
    let case = world.case;
    world.connect(dirk);
    world.settle();
    world.command(dirk, Command::Leave { case });
    world.settle();
    assert!(world.core(1).is_removing());
    world.command(1, Command::Leave { case });
    world.settle();
    world.pass(5_000);
    assert!(!world.core(1).is_removing());
}

#[test]
fn a_message_that_was_encrypted_before_the_list_came_is_not_sent_to_the_leaver() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.disconnect(2);
    let group = world.core(0).authenticator(world.case).unwrap().unwrap().0;
    world.say(1, "nog niet weg");
    // Encrypted and stored, but the connection ends before it goes; nobody else is there to take the leaver out.
    world.disconnect(1);
    world.disconnect(0);
    let epoch = world.relay.logs[&group].epoch;
    world.revoke(2);
    world.connect(1);
    world.pass(5_000);
    world.connect(0);
    world.settle();
    assert_eq!(world.texts(0), ["nog niet weg"]);
    let said = world.items(0).last().unwrap().clone();
    assert!(said.epoch > epoch, "it was said in an epoch without the leaver");
    world.connect(2);
    world.settle();
    assert!(world.texts(2).is_empty());
    assert_eq!(world.core(2).case(world.case).unwrap().unwrap().status, CaseStatus::Left);
}

#[test]
fn before_the_lists_are_read_nothing_is_said() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.disconnect(1);
    world.disconnect(2);
    world.say(1, "bij terugkomst");
    // Anne is away; bert is the first to come back after cees was revoked.
    world.disconnect(0);
    world.revoke(2);
    world.connect(1);
    world.connect(0);
    world.pass(5_000);
    let said = world.items(0).last().unwrap().clone();
    let removal = world.core(0).members(world.case).unwrap().len();
    assert_eq!((said.body.text(), removal), (Some("bij terugkomst"), 2));
    world.connect(2);
    world.settle();
    assert!(world.texts(2).is_empty());
}

#[test]
fn a_member_whose_certificate_has_ended_holds_messages_until_a_manager_or_a_newer_list_takes_them_out() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.disconnect(0);
    // Bert and anne have renewed theirs; cees has been away for a year.
    world.disconnect(2);
    world.pass(300 * DAY);
    world.renew(1);
    world.pass(4 * DAY);
    world.connect(0);
    world.renew(0);
    world.pass(4 * DAY);
    world.disconnect(0);
    world.pass(60 * DAY);
    world.say(1, "is cees er nog");
    world.settle();
    assert!(world.texts(1).is_empty(), "bert has no right to remove by his clock alone");
    assert_eq!(events(&world, 1, |event| matches!(event, Event::Held { why: Held::Ended, .. })), 1);
    insist(&mut world, 1, "dringend");
    world.settle();
    assert_eq!(world.texts(1), ["dringend"]);
    // A list that was signed after the end shows it to everybody.
    let next = world.now.plus(30 * DAY);
    world.publish_list(next);
    world.pass(5_000);
    assert_eq!(world.texts(1), ["dringend", "is cees er nog"]);
    assert_eq!(world.core(1).members(world.case).unwrap().len(), 2);
    world.connect(0);
    world.settle();
    world.agree(&[0, 1]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_case_whose_coordinator_was_revoked_without_a_deputy_is_claimed_visibly() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    assert_eq!(refused(&mut world, 1, Command::Claim { case }), CommandError::Role);
    world.disconnect(0);
    world.revoke(0);
    world.pass(5_000);
    assert_eq!(world.core(1).coordination(case).unwrap().unwrap().coordinator, None);
    assert_eq!(events(&world, 2, |event| matches!(event, Event::WithoutCoordinator { .. })), 1);
    // The case goes on meanwhile.
    world.say(2, "wie neemt het over");
    world.settle();
    assert_eq!(world.texts(1), ["wie neemt het over"]);
    world.command(2, Command::Claim { case });
    world.settle();
    assert_eq!(world.core(1).coordination(case).unwrap().unwrap().coordinator, Some(who("cees")));
    let told = |event: &Event| matches!(event, Event::RoleChanged { role: Role::Coordinator, .. });
    assert_eq!(events(&world, 1, told), 1);
    world.agree(&[1, 2]);
    // And has a coordinator like any other.
    let dirk = world.device("dirk", 1);
    world.settle();
    world.add(2, "dirk", Role::Member);
    world.settle();
    world.agree(&[1, 2, dirk]);
    assert_eq!(refused(&mut world, 1, Command::Claim { case }), CommandError::Role);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_silent_coordinator_is_claimed_from_by_a_deputy_and_confirmed_by_a_second_member() {
    let mut world = World::together_as(&["anne", "bert", "cees"], Role::Deputy);
    let case = world.case;
    world.say(0, "ik ben er even niet");
    world.settle();
    world.disconnect(0);
    world.pass(2 * DAY);
    assert!(matches!(refused(&mut world, 1, Command::Claim { case }), CommandError::CoordinatorHeard { .. }));
    world.pass(DAY + 1);
    world.command(1, Command::Claim { case });
    world.settle();
    let coordination = world.core(2).coordination(case).unwrap().unwrap();
    assert_eq!((coordination.coordinator, coordination.claimed_by), (Some(who("anne")), Some(who("bert"))));
    // Who comes back in time takes the claim back by being there.
    world.connect(0);
    world.settle();
    assert_eq!(world.core(2).coordination(case).unwrap().unwrap().claimed_by, None);
    world.disconnect(0);
    world.pass(3 * DAY + 1);
    world.command(1, Command::Claim { case });
    world.settle();
    world.command(2, Command::ConfirmClaim { case });
    world.settle();
    let coordination = world.core(1).coordination(case).unwrap().unwrap();
    assert_eq!((coordination.coordinator, coordination.claimed_by), (Some(who("bert")), None));
    world.connect(0);
    world.settle();
    world.agree(&[0, 1, 2]);
    let roles: Vec<_> = world.core(0).members(case).unwrap().iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Deputy, Role::Coordinator, Role::Deputy]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_second_device_joins_all_cases_through_the_first_and_only_with_its_own_number() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    let laptop = world.device("bert", 2);
    world.settle();
    let id = world.devices[laptop].address.device;
    let number = SafetyNumber::of_device(world.core(laptop).party.verified());
    let other = SafetyNumber::of_device(world.core(0).party.verified());
    world.command(1, Command::AddOwnDevice { device: id, number: other });
    world.settle();
    let told = |event: &Event| matches!(event, Event::NotAdded { reason: NotAdded::OtherNumber, .. });
    assert_eq!(events(&world, 1, told), 1);
    assert_eq!(world.core(0).members(case).unwrap().len(), 2);
    // Bert is a mere member; his own devices are his affair.
    world.command(1, Command::AddOwnDevice { device: id, number });
    world.settle();
    world.agree(&[0, 1, laptop]);
    let mistyped = Command::AddOwnDevice { device: id, number: other };
    assert_eq!(refused(&mut world, 1, mistyped), CommandError::OtherNumber, "though it is there already");
    let roles: Vec<_> = world.core(0).members(case).unwrap().iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Coordinator, Role::Member, Role::Member]);
    world.say(0, "aan beide");
    world.settle();
    assert_eq!(world.texts(laptop), ["aan beide"]);
    // Either takes the other one out, and nobody takes somebody else's out.
    let device = Some(world.devices[0].address.device);
    let remove = Command::Remove { case, professional: who("anne"), device };
    assert_eq!(refused(&mut world, laptop, remove), CommandError::Role);
    world.command(laptop, Command::DropOwnDevice { device: world.devices[1].address.device });
    world.settle();
    assert_eq!(world.core(1).case(case).unwrap().unwrap().status, CaseStatus::Left);
    world.agree(&[0, laptop]);
    let own = world.devices[laptop].address.device;
    assert_eq!(refused(&mut world, laptop, Command::DropOwnDevice { device: own }), CommandError::Oneself);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_number_that_is_put_right_at_once_is_not_taken_for_the_mistyped_one() {
    let mut world = World::together(&["anne", "bert"]);
    let laptop = world.device("bert", 2);
    world.settle();
    let id = world.devices[laptop].address.device;
    let number = SafetyNumber::of_device(world.core(laptop).party.verified());
    let other = SafetyNumber::of_device(world.core(0).party.verified());
    for number in [other, number] {
        world.command(1, Command::AddOwnDevice { device: id, number });
    }
    world.settle();
    let told = |event: &Event| matches!(event, Event::NotAdded { reason: NotAdded::OtherNumber, .. });
    assert_eq!(events(&world, 1, told), 1);
    world.agree(&[0, 1, laptop]);
}

#[test]
fn numbers_are_equal_on_all_devices_and_change_with_the_case() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    let case = world.case;
    let numbers = |world: &World, index: usize| world.core(index).numbers(case).unwrap().unwrap();
    let of_case: Vec<_> = (0..3).map(|index| numbers(&world, index).number).collect();
    assert!(of_case.windows(2).all(|pair| pair[0] == pair[1]));
    let devices = |world: &World, index: usize| {
        let devices = numbers(world, index).devices;
        devices.into_iter().map(|(member, number)| (member.address.to_uri(), number.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(devices(&world, 0), devices(&world, 2));
    assert_eq!(devices(&world, 0)[1].1, SafetyNumber::of_device(world.core(1).party.verified()).to_string());
    world.command(1, Command::UpdateKeys { case });
    world.settle();
    assert_ne!(numbers(&world, 0).number, of_case[0]);
    assert_eq!(numbers(&world, 0).number, numbers(&world, 1).number);
    assert_eq!(devices(&world, 0), devices(&world, 1), "a device keeps its number");
}

#[test]
fn a_renewed_certificate_shows_in_the_case_within_days() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.pass(243 * DAY);
    let published = |world: &World| {
        let of_bert = |key: &(kring_protocol::address::ProfessionalAddress, _)| key.0 == who("bert");
        world.relay.packages.iter().find(|(key, _)| of_bert(key)).unwrap().1.clone()
    };
    let old = published(&world);
    let before = world.core(0).numbers(case).unwrap().unwrap().devices[1].1;
    world.renew(1);
    world.settle();
    let new = published(&world);
    assert!(new.0.iter().all(|package| !old.0.contains(package)) && new.1 != old.1, "and in what adds the device");
    world.pass(3 * DAY + 1);
    // The day's look at what is due.
    world.pass(DAY);
    let renewed = |event: &Event| matches!(event, Event::CertificateRenewed { .. });
    assert_eq!(events(&world, 0, renewed), 1);
    assert_eq!(world.core(0).numbers(case).unwrap().unwrap().devices[1].1, before, "the key is the same");
    // The old certificate ends; the leaf does not.
    world.pass(130 * DAY);
    world.renew(0);
    world.pass(5 * DAY);
    world.say(1, "nog steeds hier");
    world.settle();
    assert_eq!(world.texts(0), ["nog steeds hier"]);
    world.agree(&[0, 1]);
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn a_renewed_certificate_is_one_commit_in_each_case_and_each_case_has_a_day_of_its_own() {
    let mut world = World::new(&["anne", "bert"]);
    world.settle();
    // Cases whose turns come on the first, the second and the third day.
    let cases = [0xd0, 0xcb, 0xda].map(|number| CaseId([number; 16]));
    let mut groups = Vec::new();
    for case in cases {
        world.case = case;
        world.new_case(0);
        world.add(0, "bert", Role::Member);
        world.settle();
        groups.push(world.core(1).authenticator(case).unwrap().unwrap().0);
    }
    let commits = |world: &World| -> Vec<usize> {
        let of =
            |group| world.relay.logs[group].records.iter().filter(|record| record.next_access_key.is_some()).count();
        groups.iter().map(of).collect()
    };
    let before = commits(&world);
    world.renew(1);
    world.settle();
    assert_eq!(commits(&world), before, "none at once");
    // Shorter than what brings a device fresh keys in any case.
    let mut days = Vec::new();
    for _ in 0..5 {
        let until_now = commits(&world);
        world.pass(DAY);
        let made: Vec<_> = commits(&world).iter().zip(&until_now).map(|(now, before)| now - before).collect();
        days.push(made);
    }
    let after = commits(&world);
    assert!(after.iter().zip(&before).all(|(after, before)| *after == before + 1), "one in each: {days:?}");
    assert!(days.iter().all(|made| made.iter().sum::<usize>() <= 1), "on no day more than one: {days:?}");
    let renewed = |event: &Event| matches!(event, Event::CertificateRenewed { .. });
    assert_eq!(events(&world, 0, renewed), 3);
    assert_eq!(world.suspicions(), 0);
}
