//! Lies about records.

use std::collections::VecDeque;

use kring_client::conversation::{Event, Suspicion};
use kring_protocol::ids::Seq;
use kring_protocol::message::{Live, Record, Reply};
use kring_tests::simulation::scenario::{Scenario, Shown};

use crate::{is_told, nobody_is_alarmed};

/// Applies a lie to every record that goes to one device.
fn about_records(
    victim: usize,
    mut lie: impl FnMut(Record) -> Vec<Record> + 'static,
) -> impl FnMut(usize, Shown) -> Vec<Shown> {
    move |device, shown| match shown {
        Shown::Live(record) if device == victim => lie(record).into_iter().map(Shown::Live).collect(),
        Shown::Answer(Reply::Record(record)) if device == victim => {
            lie(record).into_iter().map(|record| Shown::Answer(Reply::Record(record))).collect()
        }
        other => vec![other],
    }
}

#[test]
fn a_record_that_is_left_out_shows_with_the_next() {
    let mut scenario = Scenario::together(3);
    let mut left_out = false;
    scenario.lie(about_records(
        1,
        move |record| {
            if std::mem::replace(&mut left_out, true) { vec![record] } else { Vec::new() }
        },
    ));
    scenario.say(0, "een");
    assert!(!is_told(&scenario, 1, Suspicion::Order));
    scenario.say(0, "twee");
    assert_eq!(scenario.texts(1), ["twee"]);
    assert!(is_told(&scenario, 1, Suspicion::Order), "{}", scenario.trace());
    assert!(!is_told(&scenario, 2, Suspicion::Order));
}

#[test]
fn a_record_that_is_late_comes_in_its_place_and_alarms_nobody() {
    let mut scenario = Scenario::together(3);
    let mut held: VecDeque<Record> = VecDeque::new();
    scenario.lie(about_records(1, move |record| {
        held.push_back(record);
        if held.len() < 3 { Vec::new() } else { held.drain(..).collect() }
    }));
    for text in ["een", "twee", "drie"] {
        scenario.say(0, text);
    }
    assert_eq!(scenario.texts(1), ["een", "twee", "drie"]);
    nobody_is_alarmed(&scenario, 3);
}

#[test]
fn a_record_that_comes_twice_is_shown_once() {
    let mut scenario = Scenario::together(3);
    scenario.lie(about_records(1, |record| vec![record.clone(), record]));
    scenario.say(0, "een");
    scenario.say(1, "twee");
    assert_eq!(scenario.texts(1), ["een", "twee"]);
    nobody_is_alarmed(&scenario, 3);
}

#[test]
fn records_in_another_order_are_noticed() {
    let mut scenario = Scenario::together(3);
    let mut held: Vec<Record> = Vec::new();
    scenario.lie(about_records(1, move |record| {
        held.push(record);
        if held.len() < 2 { Vec::new() } else { held.drain(..).rev().collect() }
    }));
    scenario.say(0, "een");
    scenario.say(2, "twee");
    assert!(is_told(&scenario, 1, Suspicion::Order), "{}", scenario.trace());
}

#[test]
fn a_log_that_is_shown_to_one_without_what_another_has_said_is_noticed_with_the_next_who_has_seen_it() {
    let mut scenario = Scenario::together(3);
    scenario.say(0, "voor allen");
    // Of what device 0 says next device 2 sees nothing, and the numbers after it close the gap.
    let mut hidden: Option<Seq> = None;
    scenario.lie(move |device, shown| {
        if device != 2 {
            return vec![shown];
        }
        let Shown::Live(mut record) = shown else { return vec![shown] };
        let hidden = *hidden.get_or_insert(record.seq);
        if record.seq == hidden {
            return Vec::new();
        }
        record.seq = Seq(record.seq.0 - 1);
        vec![Shown::Live(record)]
    });
    scenario.say(0, "verzwegen");
    assert_eq!(scenario.texts(2), ["voor allen"]);
    scenario.say(1, "dat is goed");
    assert!(is_told(&scenario, 2, Suspicion::Fork), "{}", scenario.trace());
}

#[test]
fn an_old_end_of_the_log_is_told_and_nothing_is_said_into_it() {
    let mut scenario = Scenario::together(3);
    scenario.say(0, "een");
    scenario.go_offline(1);
    scenario.forget();
    scenario.lie(|device, shown| match shown {
        Shown::Answer(Reply::Live(live)) if device == 1 => {
            vec![Shown::Answer(Reply::Live(Live { after: Seq(live.after.0 - 1) }))]
        }
        other => vec![other],
    });
    scenario.come_back(1);
    let told = scenario.told(1).iter().any(|event| matches!(event, Event::Unreachable { .. }));
    assert!(told, "{}", scenario.trace());
    scenario.say(1, "wacht");
    assert_eq!(scenario.queued(1), 1, "what is said waits");
    scenario.be_honest();
    scenario.go_offline(1);
    scenario.come_back(1);
    scenario.pass(10);
    assert_eq!(scenario.queued(1), 0);
    assert_eq!(scenario.texts(0), ["een", "wacht"]);
}

#[test]
fn an_end_of_the_log_beyond_what_was_shown_is_noticed_and_nothing_is_said_into_it() {
    let mut scenario = Scenario::together(2);
    scenario.go_offline(1);
    scenario.forget();
    scenario.lie(|device, shown| match shown {
        Shown::Answer(Reply::Live(live)) if device == 1 => {
            vec![Shown::Answer(Reply::Live(Live { after: Seq(live.after.0 + 5) }))]
        }
        other => vec![other],
    });
    scenario.come_back(1);
    assert!(is_told(&scenario, 1, Suspicion::Order), "{}", scenario.trace());
    scenario.say(1, "wacht");
    assert_eq!(scenario.queued(1), 1, "what is said waits");
}

#[test]
fn a_message_that_the_relay_has_changed_is_not_shown() {
    let mut scenario = Scenario::together(2);
    scenario.lie(about_records(1, |mut record| {
        let mut bytes = record.message.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        record.message = bytes.into();
        vec![record]
    }));
    scenario.say(0, "een");
    assert!(scenario.texts(1).is_empty());
    assert!(is_told(&scenario, 1, Suspicion::Unreadable), "{}", scenario.trace());
}

#[test]
fn a_message_of_one_case_does_not_pass_for_one_of_another_epoch() {
    let mut scenario = Scenario::together(2);
    // The relay keeps the first message and shows it once more, under a new number, in the next epoch.
    let mut kept: Option<Record> = None;
    scenario.lie(about_records(1, move |record| {
        let first = kept.get_or_insert_with(|| record.clone()).clone();
        let again = Record { seq: record.seq, ..first };
        if record.seq == again.seq && record.next_access_key.is_none() && record.operation != again.operation {
            vec![again]
        } else {
            vec![record]
        }
    }));
    scenario.say(0, "een");
    let case = scenario.case();
    scenario.command(0, kring_client::conversation::Command::UpdateKeys { case });
    scenario.pass(5);
    scenario.say(0, "twee");
    assert_eq!(scenario.texts(1), ["een"], "an old message does not stand in for a new one");
    // Nor for long: what was kept back shows with what others say after it.
    scenario.be_honest();
    scenario.say(0, "drie");
    assert!(is_told(&scenario, 1, Suspicion::Fork), "{}", scenario.trace());
}
