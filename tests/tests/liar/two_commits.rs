//! A relay that accepts two Commits in one epoch, and so splits a case in two.

use std::cell::RefCell;
use std::rc::Rc;

use kring_client::conversation::{Command, Event, Suspicion};
use kring_protocol::message::{Receipt, Record, Reply, Request, SubmitCommit};
use kring_protocol::refusal::Refusal;
use kring_tests::simulation::scenario::{Scenario, Shown};

use crate::is_told;
use crate::stuck::add_again;

#[test]
fn of_two_commits_in_one_epoch_the_relay_accepts_one_and_the_other_is_made_anew() {
    let mut scenario = Scenario::together(3);
    let case = scenario.case();
    scenario.command(0, Command::UpdateKeys { case });
    scenario.command(1, Command::UpdateKeys { case });
    scenario.pass(10);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    assert_eq!(scenario.queued(0) + scenario.queued(1), 0);
}

#[test]
fn a_relay_that_splits_a_case_with_two_commits_shows_itself_with_the_next_message_across() {
    let mut scenario = Scenario::together(3);
    let case = scenario.case();
    let lost: Rc<RefCell<Option<SubmitCommit>>> = Rc::default();
    let kept = Rc::clone(&lost);
    // Device 1's Commit loses, and the relay tells device 1 that it has won.
    scenario.lie(move |device, shown| match shown {
        Shown::Asked(Request::SubmitCommit(commit)) if device == 1 => {
            *kept.borrow_mut() = Some(commit.clone());
            vec![Shown::Asked(Request::SubmitCommit(commit))]
        }
        Shown::Answer(Reply::Refused(Refusal::StaleEpoch { winner, .. })) if device == 1 => {
            vec![Shown::Answer(Reply::Receipt(Receipt { seq: winner, at: kring_protocol::ids::Timestamp(0) }))]
        }
        Shown::Live(record) if device == 1 && record.next_access_key.is_some() => {
            let Some(own) = kept.borrow().clone() else { return Vec::new() };
            let record = Record {
                operation: own.operation,
                message: own.message,
                next_access_key: Some(own.next_access_key),
                ..record
            };
            vec![Shown::Live(record)]
        }
        other => vec![other],
    });
    scenario.command(0, Command::UpdateKeys { case });
    scenario.command(1, Command::UpdateKeys { case });
    scenario.pass(10);
    if scenario.agree(&[0, 1]) {
        // Device 1 has come first after all: there was nothing to split.
        return split_the_other_way();
    }
    assert!(!scenario.agree(&[0, 1]), "the case is split");
    // The relay has another key for the epoch of device 1, which is told, and goes on alone: nobody follows it.
    let told = |event: &Event| matches!(event, Event::Unreachable { .. });
    assert!(scenario.told(1).iter().any(told), "{}", scenario.trace());
    scenario.be_honest();
    scenario.pass(200);
    assert!(scenario.agree(&[0, 2]));
    assert!(!scenario.agree(&[0, 1]), "{}", scenario.trace());
    scenario.say(1, "hoort iemand mij");
    scenario.say(0, "een");

    // It is added again, and what it said alone is heard.
    add_again(&mut scenario, 1);
    assert!(scenario.agree(&[0, 1, 2]), "{}", scenario.trace());
    assert_eq!(scenario.texts(2), ["een", "hoort iemand mij"]);
}

/// The same with the other device's Commit first.
fn split_the_other_way() {
    let mut scenario = Scenario::together(3);
    let case = scenario.case();
    // Device 2 is shown nothing of the Commit, and what is said after it: it cannot read that, and says so.
    scenario.lie(|device, shown| match shown {
        Shown::Live(record) if device == 2 && record.next_access_key.is_some() => Vec::new(),
        other => vec![other],
    });
    scenario.command(0, Command::UpdateKeys { case });
    scenario.pass(10);
    scenario.say(0, "na");
    assert!(!scenario.agree(&[0, 2]));
    assert!(is_told(&scenario, 2, Suspicion::Order) || scenario.status(2).is_some(), "{}", scenario.trace());
}
