//! The end of a case: destroyed on every device that reads of it, attested, and erased at the relay.

use super::harness::World;
use crate::case::{CaseStatus, DutyStep, FileStatement, ItemDraft, ItemId};
use crate::conversation::{Command, CommandError, Event, StepError};
use kring_protocol::ids::{GroupId, Timestamp};

impl World {
    fn close(&mut self, index: usize) {
        self.take(index, DutyStep::ProposeClosing { keep_days: 30 });
        let organisation = "zorg.example".to_owned();
        self.take(index, DutyStep::State { organisation, statement: FileStatement::Exported });
        self.take(index, DutyStep::Close);
    }

    fn group(&self, index: usize) -> GroupId {
        self.core(index).authenticator(self.case).unwrap().unwrap().0
    }

    /// Rows of a device's store that bear the case's or the group's identifier, or any of these texts.
    fn traces(&self, index: usize, group: GroupId, texts: &[&str]) -> Vec<String> {
        let core = self.core(index);
        let rows = core.store.read();
        let tables = rows.table_names();
        let mut needles: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        needles.push(self.case.0.to_vec());
        needles.push(self.case.to_hex().into_bytes());
        needles.push(group.0.to_vec());
        let mut found = Vec::new();
        for table in tables {
            for value in rows.all_values(&table) {
                if needles.iter().any(|needle| value.windows(needle.len()).any(|window| window == needle.as_slice()))
                {
                    found.push(table.clone());
                }
            }
        }
        found
    }
}

const TEXTS: &[&str] = &["kanarie van het gezin", "Gezin"];

#[test]
fn every_device_destroys_what_it_has_and_the_relay_its_log() {
    let mut world = World::together(&["anne", "bert", "cees"]);
    world.say(1, "kanarie van het gezin");
    world.settle();
    let (case, item) = (world.case, world.items(0)[0].id);
    world.command(0, Command::Acknowledge { case, item });
    world.command(2, Command::MarkRead { case, position: crate::case::Position(1) });
    let group = world.group(0);
    world.close(0);
    assert!(!world.traces(1, group, TEXTS).is_empty(), "the search finds what is there");
    world.take(0, DutyStep::Erase);
    for device in 0..3 {
        assert!(world.core(device).case(world.case).unwrap().is_none());
        let left = world.traces(device, group, TEXTS);
        let allowed: &[&str] = if device == 0 { &["erasures"] } else { &[] };
        assert!(left.iter().all(|table| allowed.contains(&table.as_str())), "{left:?}");
        assert!(world.devices[device].events.iter().any(|event| matches!(event, Event::Gone { .. })));
    }
    assert!(!world.relay.logs.contains_key(&group));
    let report = &world.core(0).erasures().unwrap()[0];
    assert_eq!((report.attested.len(), report.missing.len(), report.at_relay.is_some()), (3, 0, true));
    assert!(world.core(1).erasures().unwrap().is_empty(), "who did not order it keeps no list");
    assert_eq!(world.suspicions(), 0);
}

#[test]
fn who_has_not_attested_is_reported_and_not_waited_for_for_ever() {
    for impatient in [true, false] {
        let mut world = World::together(&["anne", "bert", "cees"]);
        let case = world.case;
        world.say(1, "kanarie van het gezin");
        world.settle();
        let group = world.group(0);
        world.close(0);
        world.disconnect(2);
        world.take(0, DutyStep::Erase);
        assert_eq!(world.core(0).case(case).unwrap().unwrap().status, CaseStatus::Erasing);
        assert!(world.core(1).case(case).unwrap().is_none());
        let report = world.core(0).erasures().unwrap().remove(0);
        assert_eq!(report.missing, [world.devices[2].address.clone()]);
        assert!(report.at_relay.is_none() && world.relay.logs.contains_key(&group));
        let refused = world.try_command(2, Command::FinishErasing { case });
        assert!(matches!(refused, Err(StepError::Command(CommandError::NotErasing))));
        // It is known after a restart as well.
        world.restart(0);
        world.settle();
        if impatient {
            world.command(0, Command::FinishErasing { case });
        } else {
            world.now = world.now.plus(31 * Timestamp::DAY);
            world.restart(0);
        }
        world.settle();
        assert!(!world.relay.logs.contains_key(&group));
        let report = world.core(0).erasures().unwrap().remove(0);
        assert_eq!((report.missing.len(), report.at_relay.is_some()), (1, true), "and stays reported as missing");
        assert!(world.core(0).case(case).unwrap().is_none());
    }
}

#[test]
fn who_comes_later_destroys_and_attests_then() {
    let mut world = World::together(&["anne", "bert"]);
    world.say(0, "kanarie van het gezin");
    world.settle();
    let group = world.group(0);
    world.close(0);
    world.disconnect(1);
    world.take(0, DutyStep::Erase);
    // What waits in the outbox goes with the rest.
    world.now = world.now.plus(Timestamp::DAY);
    world.connect(1);
    world.settle();
    assert!(world.core(1).case(world.case).unwrap().is_none());
    assert!(world.traces(1, group, TEXTS).is_empty());
    assert!(!world.relay.logs.contains_key(&group));
    assert!(world.core(0).erasures().unwrap()[0].missing.is_empty());
}

#[test]
fn erasing_goes_on_after_a_failure_at_any_write() {
    for device in [0usize, 1] {
        for (input, write) in [(1, 0), (1, 5), (2, 3), (2, 12), (3, 1), (3, 20), (4, 2), (5, 4), (6, 1), (7, 3)] {
            let mut world = World::together(&["anne", "bert"]);
            world.say(0, "kanarie van het gezin");
            world.settle();
            let group = world.group(0);
            world.close(0);
            let inputs = world.devices[device].inputs;
            world.devices[device].fail = Some((inputs + input, write));
            let step = DutyStep::Erase;
            world.retry(0, |case| Command::Duty { case, before: vec![], step: step.clone(), after: vec![] });
            world.settle();
            for device in 0..2 {
                assert!(world.core(device).case(world.case).unwrap().is_none(), "{device} after {input}, {write}");
            }
            assert!(world.traces(1, group, TEXTS).is_empty());
            assert!(!world.relay.logs.contains_key(&group));
            assert_eq!(world.suspicions(), 0);
        }
    }
}

#[test]
fn a_mark_that_closes_the_log_without_the_members_agreement_is_refused() {
    let mut world = World::together(&["anne", "bert"]);
    let case = world.case;
    world.command(0, Command::UpdateKeys { case });
    assert!(world.turn(0));
    let group = world.group(1);
    world.relay.logs.get_mut(&group).unwrap().records.last_mut().unwrap().closes = Some(true);
    world.settle();
    let refused = |event: &Event| {
        matches!(event, Event::CommitRefused { reason: crate::conversation::CommitRefused::Closes, .. })
    };
    assert!(world.devices[1].events.iter().any(refused));
    let send = Command::Send { case, item: ItemId::random(), draft: ItemDraft::markdown("we gaan door") };
    world.command(1, send);
    assert_ne!(world.core(1).case(case).unwrap().unwrap().status, CaseStatus::Erasing);
}
