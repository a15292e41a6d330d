//! Lies about who is added.

use kring_client::case::Role;
use kring_client::conversation::{Command, Event, NotAdded, Unbelieved};
use kring_protocol::message::Reply;
use kring_protocol::payload::Payload;
use kring_tests::simulation::scenario::{Scenario, Shown, key_package_of_another_region};

/// Adds device 1 while each KeyPackage that is claimed is replaced; what device 0's user is told.
fn add_with(swap: impl Fn(&mut Scenario) -> Payload) -> (Scenario, Vec<NotAdded>) {
    let mut scenario = Scenario::new(3);
    let case = scenario.case();
    scenario.command(0, Command::NewCase { case, title: "Gezin Proef".to_owned() });
    scenario.pass(10);
    let other = swap(&mut scenario);
    scenario.lie(move |_, shown| match shown {
        Shown::Answer(Reply::Claimed(mut claimed)) => {
            for device in &mut claimed.devices {
                device.key_package = other.clone();
            }
            vec![Shown::Answer(Reply::Claimed(claimed))]
        }
        other => vec![other],
    });
    let professional = scenario.address(1).professional;
    scenario.command(0, Command::Add { case, professional, device: None, role: Role::Member });
    scenario.pass(30);
    let reason = |event: &Event| match event {
        Event::NotAdded { reason, .. } => Some(*reason),
        _ => None,
    };
    let told = scenario.told(0).iter().filter_map(reason).collect();
    (scenario, told)
}

#[test]
fn the_key_package_of_somebody_else_is_not_added_in_a_persons_place() {
    let (scenario, told) = add_with(|scenario| scenario.key_package_of(2));
    assert_eq!(told, [NotAdded::KeyPackage], "{}", scenario.trace());
    assert!(NotAdded::KeyPackage.to_string().contains("not this device's"));
    assert_eq!(scenario.members(0), [scenario.address(0)]);
    assert_eq!(scenario.status(2), None);
}

#[test]
fn a_stranger_under_a_persons_name_is_not_added() {
    let (scenario, told) = add_with(|scenario| key_package_of_another_region(&scenario.address(1)));
    assert_eq!(told, [NotAdded::Impostor(Unbelieved::Root)], "{}", scenario.trace());
    assert_eq!(scenario.members(0), [scenario.address(0)]);
}

#[test]
fn a_commit_of_the_relays_own_making_adds_nobody_and_the_case_goes_on() {
    let mut scenario = Scenario::together(3);
    let before = scenario.epoch(0);
    // Of device 2's next Commit everybody else is shown something else.
    let mut of = None;
    scenario.lie(move |device, shown| match shown {
        Shown::Live(mut record)
            if device != 2
                && record.next_access_key.is_some()
                && *of.get_or_insert(record.operation) == record.operation =>
        {
            let mut bytes = record.message.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            record.message = bytes.into();
            vec![Shown::Live(record)]
        }
        other => vec![other],
    });
    let case = scenario.case();
    scenario.say(0, "voor");
    scenario.command(2, Command::UpdateKeys { case });
    scenario.pass(5);
    let refused = |event: &Event| matches!(event, Event::CommitRefused { .. });
    for device in [0, 1] {
        assert!(scenario.told(device).iter().any(refused), "{}", scenario.trace());
    }
    scenario.be_honest();
    scenario.pass(200);
    assert!(scenario.agree(&[0, 1]), "{}", scenario.trace());
    assert_ne!(scenario.epoch(0), before);
    scenario.say(1, "na");
    assert_eq!(scenario.texts(0), ["voor", "na"]);
    assert!(scenario.members(0).len() <= 3);
}
