//! Stuck and lost: what becomes of a case when a device, a Commit or the relay is lost.

use kring_client::case::{CaseStatus, Role};
use kring_client::conversation::{Command, Event, Suspicion};
use kring_protocol::ids::AccessKey;
use kring_protocol::message::{Reply, Request};
use kring_tests::simulation::scenario::{Scenario, Shown};

use crate::{is_told, nobody_is_alarmed};

/// Takes a device out and adds it again, as a coordinator does who was called.
pub(crate) fn add_again(scenario: &mut Scenario, device: usize) {
    let case = scenario.case();
    let address = scenario.address(device);
    let (professional, id) = (address.professional, Some(address.device));
    scenario.command(0, Command::Remove { case, professional: professional.clone(), device: id });
    scenario.pass(30);
    scenario.command(0, Command::Add { case, professional, device: id, role: Role::Member });
    scenario.pass(60);
}

/// Whether a device's user was told that the relay is another one and lacks the case.
fn was_told_of_the_loss(scenario: &Scenario, device: usize) -> bool {
    let told = scenario.told(device);
    let another = told.iter().any(|event| matches!(event, Event::RelayReplaced));
    another && told.iter().any(|event| matches!(event, Event::Unreachable { .. }))
}

#[test]
fn a_device_that_has_lost_its_store_is_added_again_and_reads_on() {
    let mut scenario = Scenario::together(3);
    scenario.say(0, "een");
    scenario.lose_store(1);
    assert_eq!(scenario.status(1), None);
    scenario.say(0, "twee");
    add_again(&mut scenario, 1);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    scenario.say(0, "drie");
    scenario.say(1, "vier");
    assert_eq!(scenario.texts(1), ["drie", "vier"], "it has no history");
    assert_eq!(scenario.texts(2), ["een", "twee", "drie", "vier"]);
    nobody_is_alarmed(&scenario, 3);
}

#[test]
fn everybody_may_be_offline_while_somebody_commits() {
    let mut scenario = Scenario::together(4);
    for device in [1, 2, 3] {
        scenario.go_offline(device);
    }
    let case = scenario.case();
    scenario.command(0, Command::UpdateKeys { case });
    scenario.pass(10);
    scenario.say(0, "een");
    scenario.go_offline(0);
    for device in [3, 2, 1] {
        scenario.come_back(device);
        scenario.say(device, "hier");
    }
    scenario.come_back(0);
    scenario.pass(20);
    assert!(scenario.agree(&[0, 1, 2, 3]), "{}", scenario.trace());
    assert_eq!(scenario.texts(0), ["een", "hier", "hier", "hier"]);
    assert_eq!(scenario.texts(0), scenario.texts(1));
    nobody_is_alarmed(&scenario, 4);
}

#[test]
fn a_device_that_was_away_for_longer_than_messages_are_kept_is_told_how_many_it_missed_and_goes_on() {
    let mut scenario = Scenario::together(3);
    scenario.go_offline(2);
    scenario.say(0, "een");
    scenario.say(1, "twee");
    scenario.pass_days(45);
    scenario.forget();
    scenario.come_back(2);
    scenario.pass(60);
    let missed: u64 =
        scenario.told(2).iter().map(|event| if let Event::Gap { records, .. } = event { *records } else { 0 }).sum();
    // And what the two others said of how far they had read.
    assert!((2..=4).contains(&missed), "{missed}: {}", scenario.trace());
    assert_eq!(scenario.status(2), Some(CaseStatus::Open));
    scenario.say(2, "drie");
    assert_eq!(scenario.texts(2), ["drie"]);
    assert_eq!(scenario.texts(0), ["een", "twee", "drie"]);
    assert!(scenario.agree(&[0, 1, 2]));
}

#[test]
fn a_device_that_was_away_for_longer_than_commits_are_kept_is_told_and_added_again() {
    let mut scenario = Scenario::together(3);
    scenario.say(0, "een");
    scenario.go_offline(2);
    scenario.pass_days(200);
    scenario.come_back(2);
    scenario.pass(60);
    assert_eq!(scenario.status(2), Some(CaseStatus::OutOfStep), "{}", scenario.trace());
    assert!(scenario.told(2).iter().any(|event| matches!(event, Event::OutOfStep { .. })));
    add_again(&mut scenario, 2);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    scenario.say(2, "twee");
    assert_eq!(scenario.texts(2), ["een", "twee"], "it keeps the history that it had");
}

#[test]
fn after_a_restored_backup_of_the_relay_the_case_goes_on_with_what_everybody_has() {
    let mut scenario = Scenario::together(4);
    scenario.say(0, "een");
    // Device 3 is away from before the backup on, and knows nothing of what the backup lacks.
    scenario.go_offline(3);
    let backup = scenario.back_up_relay();
    let group = scenario.epoch(0).map(|(group, _)| group);
    let case = scenario.case();
    scenario.command(0, Command::UpdateKeys { case });
    scenario.pass(10);
    scenario.say(1, "twee");
    scenario.forget();
    scenario.restore_relay(backup);
    scenario.pass(200);
    for device in 0..3 {
        assert!(was_told_of_the_loss(&scenario, device), "{}", scenario.trace());
        assert_eq!(scenario.texts(device), ["een", "twee"], "what a device has it keeps, once");
    }
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    assert_ne!(scenario.epoch(0).map(|(group, _)| group), group, "in a group of its own");

    scenario.come_back(3);
    scenario.pass(200);
    assert!(scenario.agree(&[0, 1, 2, 3]), "{}", scenario.trace());
    scenario.say(3, "drie");
    assert_eq!(scenario.texts(3), ["een", "twee", "drie"], "what the backup lacks was said again");
    assert_eq!(scenario.texts(0), ["een", "twee", "drie"]);
    assert_eq!(scenario.status(3), Some(CaseStatus::Open));
}

#[test]
fn after_a_backup_that_lacks_a_few_messages_the_case_goes_on_with_them() {
    let mut scenario = Scenario::together(4);
    scenario.go_offline(3);
    let backup = scenario.back_up_relay();
    scenario.say(1, "een");
    scenario.go_offline(2);
    scenario.say(1, "twee");
    scenario.restore_relay(backup);
    scenario.pass(60);
    for device in [2, 3] {
        scenario.come_back(device);
    }
    scenario.pass(300);
    assert!(scenario.agree(&[0, 1, 2, 3]), "{}", scenario.trace());
    for device in 0..4 {
        let texts = scenario.texts(device);
        assert_eq!(texts, ["een", "twee"], "device {device}: {}", scenario.trace());
    }
}

#[test]
fn after_the_loss_of_the_relays_disk_the_case_goes_on_with_what_everybody_has() {
    let mut scenario = Scenario::together(3);
    scenario.say(0, "een");
    scenario.go_offline(2);
    scenario.forget();
    scenario.lose_relay_disk();
    scenario.pass(200);
    for device in 0..2 {
        assert!(was_told_of_the_loss(&scenario, device), "{}", scenario.trace());
        assert_eq!(scenario.texts(device), ["een"]);
    }
    assert!(scenario.agree(&[0, 1]), "{}", scenario.trace());
    assert_eq!(scenario.members(0).len(), 2);
    scenario.say(1, "twee");
    // The relay knows nothing of device 2 until it comes.
    scenario.come_back(2);
    scenario.pass(200);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    scenario.say(2, "drie");
    assert_eq!(scenario.texts(2), ["een", "twee", "drie"]);
    assert_eq!(scenario.texts(0), ["een", "twee", "drie"]);
}

#[test]
fn after_the_loss_of_the_relays_disk_nobody_is_led_back_to_who_was_taken_out() {
    let mut scenario = Scenario::together(4);
    let case = scenario.case();
    let address = |scenario: &Scenario, device| scenario.address(device).professional;
    let deputy = address(&scenario, 1);
    scenario.command(0, Command::SetRole { case, professional: deputy, role: Role::Deputy });
    scenario.pass(10);
    // The coordinator is away while the deputy takes somebody out.
    scenario.go_offline(0);
    let out = address(&scenario, 3);
    scenario.command(1, Command::Remove { case, professional: out, device: None });
    scenario.pass(10);
    scenario.say(1, "zonder drie");
    for device in [1, 2, 3] {
        scenario.go_offline(device);
    }
    scenario.lose_relay_disk();
    // Back first is who knows least.
    for device in [0, 3, 2, 1] {
        scenario.come_back(device);
    }
    scenario.pass(300);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    let outside = scenario.address(3);
    assert!(!scenario.members(0).contains(&outside), "{}", scenario.trace());
    assert!(!scenario.members(1).contains(&outside));
    scenario.say(2, "verder");
    assert_eq!(scenario.texts(1), ["zonder drie", "verder"]);
    assert_eq!(scenario.texts(3), Vec::<String>::new());
    let said_again = scenario.texts(0);
    assert!(said_again.contains(&"zonder drie".to_owned()), "{said_again:?}");
}

#[test]
fn a_false_key_that_only_the_relay_knows_of_closes_the_group_and_the_case_goes_on() {
    let mut scenario = Scenario::together(3);
    scenario.say(0, "een");
    scenario.forget();
    let group = scenario.epoch(0).map(|(group, _)| group);
    // The relay keeps another key than the one that it was given, and shows the members theirs.
    let mut given = None;
    scenario.lie(move |_, shown| match shown {
        Shown::Asked(Request::SubmitCommit(mut commit)) if given.is_none() => {
            given = Some(commit.next_access_key);
            commit.next_access_key = AccessKey([9; 32]);
            vec![Shown::Asked(Request::SubmitCommit(commit))]
        }
        Shown::Live(mut record) if record.next_access_key == Some(AccessKey([9; 32])) => {
            record.next_access_key = given;
            vec![Shown::Live(record)]
        }
        Shown::Answer(Reply::Record(mut record)) if record.next_access_key == Some(AccessKey([9; 32])) => {
            record.next_access_key = given;
            vec![Shown::Answer(Reply::Record(record))]
        }
        other => vec![other],
    });
    let case = scenario.case();
    scenario.command(1, Command::UpdateKeys { case });
    scenario.pass(200);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    assert_ne!(scenario.epoch(0).map(|(group, _)| group), group, "{}", scenario.trace());
    for device in 0..3 {
        assert!(scenario.told(device).iter().any(|event| matches!(event, Event::Unreachable { .. })));
    }
    scenario.say(2, "twee");
    assert_eq!(scenario.texts(1), ["een", "twee"]);
    assert_eq!(scenario.members(0).len(), 3);
}

#[test]
fn a_device_set_back_to_an_old_backup_is_told_and_says_nothing_before_it_has_fresh_keys() {
    let mut scenario = Scenario::together(3);
    let backup = scenario.back_up(1);
    scenario.say(1, "een");
    scenario.say(0, "twee");
    scenario.forget();
    let before = scenario.epoch(0);
    scenario.put(1, backup);
    scenario.pass(60);
    assert!(is_told(&scenario, 1, Suspicion::SetBack), "{}", scenario.trace());
    assert_ne!(scenario.epoch(0), before, "it has taken fresh keys");
    scenario.say(1, "drie");
    assert_eq!(scenario.texts(0), ["een", "twee", "drie"]);
    assert_eq!(scenario.texts(1), ["twee", "drie"]);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    assert!(!is_told(&scenario, 0, Suspicion::Unreadable));
}

#[test]
fn a_device_set_back_before_its_own_commit_does_not_start_a_case_of_its_own() {
    let mut scenario = Scenario::together(3);
    let backup = scenario.back_up(1);
    let case = scenario.case();
    scenario.command(1, Command::UpdateKeys { case });
    scenario.pass(10);
    let group = scenario.epoch(0).map(|(group, _)| group);
    scenario.put(1, backup);
    scenario.pass(200);
    assert_eq!(scenario.status(1), Some(CaseStatus::OutOfStep), "{}", scenario.trace());
    assert_eq!(scenario.epoch(1).map(|(group, _)| group), group, "{}", scenario.trace());
    add_again(&mut scenario, 1);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
}
