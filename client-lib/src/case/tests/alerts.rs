use super::*;
use crate::case::alert::{Acknowledging, AlertPhase, AlertSays, Level, Raise, Rung};

/// An alert to the police; after `minutes` youth care is asked and has ten minutes, then Veilig Thuis has twenty.
pub(super) fn raise(minutes: u64) -> Statement {
    Statement::Alert(AlertSays::Raise(Raise {
        level: Level::Acute,
        what: "hij staat voor de deur".to_owned(),
        functions: vec!["police".to_owned()],
        ack_by: START.plus(minutes * MINUTE),
        ladder: vec![
            Rung { function: "youth-care".to_owned(), after: 10 * MINUTE },
            Rung { function: "veilig-thuis".to_owned(), after: 20 * MINUTE },
        ],
        action: "ga erheen".to_owned(),
    }))
}

pub(super) fn step(alert: ItemId, round: u64, step: u64) -> Statement {
    Statement::Deadline(Deadline::AlertStep { alert, round, step })
}

fn acknowledge(alert: ItemId, how: Acknowledging) -> Statement {
    Statement::Alert(AlertSays::Acknowledge { alert, how, next_update_by: None })
}

fn update(alert: ItemId, minutes: u64) -> Statement {
    let next_update_by = START.plus(minutes * MINUTE);
    Statement::Alert(AlertSays::Update { alert, text: "onderweg".to_owned(), next_update_by })
}

fn resolve(alert: ItemId) -> Statement {
    Statement::Alert(AlertSays::Resolve { alert, outcome: "veilig".to_owned() })
}

const TAKES: Acknowledging = Acknowledging::TakesAction;
const SEEN: Acknowledging = Acknowledging::SeenOnly;

#[test]
fn the_ladder_goes_up_one_step_at_a_time_and_whoever_says_so_first_counts() {
    let mut script = Script::new();
    let alert = script.must("mees", 0, raise(30));
    assert_eq!(script.says("cora", 29, step(alert, 0, 1)).1, Verdict::Refused(Refused::TooEarly));
    assert_eq!(script.says("cora", 99, step(alert, 0, 2)).1, Verdict::Refused(Refused::Phase), "no step is left out");
    script.must("olga", 30, step(alert, 0, 1));
    assert_eq!(script.says("pim", 31, step(alert, 0, 1)).1, Verdict::Repeated);
    assert_eq!(script.state.alert(alert).unwrap().asked(), Some("youth-care"));
    assert_eq!(script.says("pim", 39, step(alert, 0, 2)).1, Verdict::Refused(Refused::TooEarly));
    script.must("pim", 40, step(alert, 0, 2));
    script.must("pim", 60, step(alert, 0, 3));
    let exhausted = script.state.alert(alert).unwrap();
    assert!(exhausted.phase == AlertPhase::Exhausted && exhausted.due.is_none());
    assert_eq!(script.says("pim", 999, step(alert, 0, 4)).1, Verdict::Refused(Refused::Phase));
    assert!(script.state.deadlines().is_empty());
}

#[test]
fn only_taking_action_stops_the_ladder() {
    let mut script = Script::new();
    let alert = script.must("mees", 0, raise(30));
    script.must("dirk", 5, acknowledge(alert, SEEN));
    assert_eq!(script.says("dirk", 6, acknowledge(alert, SEEN)).1, Verdict::Repeated);
    script.must("cora", 30, step(alert, 0, 1));
    script.must("dirk", 31, acknowledge(alert, TAKES));
    assert_eq!(script.says("dirk", 32, acknowledge(alert, TAKES)).1, Verdict::Repeated);
    assert_eq!(script.says("cora", 90, step(alert, 0, 2)).1, Verdict::Refused(Refused::Stopped), "no reminder");
    let state = script.state.alert(alert).unwrap();
    assert!(state.phase == AlertPhase::Acknowledged);
    assert_eq!(state.acknowledgements.iter().map(|ack| ack.late).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn action_without_an_update_arms_the_ladder_again() {
    let mut script = Script::new();
    let alert = script.must("mees", 0, raise(30));
    script.must("dirk", 5, acknowledge(alert, TAKES));
    script.must("dirk", 6, update(alert, 20));
    assert!(script.state.alert(alert).unwrap().phase == AlertPhase::InAction);
    script.must("dirk", 19, update(alert, 40));
    assert_eq!(script.says("cora", 21, step(alert, 1, 1)).1, Verdict::Refused(Refused::TooEarly));
    assert_eq!(script.says("cora", 41, step(alert, 0, 1)).1, Verdict::Refused(Refused::Stopped));
    script.must("cora", 40, step(alert, 1, 1));
    assert_eq!(script.state.alert(alert).unwrap().asked(), Some("youth-care"));
    script.must("dirk", 42, acknowledge(alert, TAKES));
    assert!(script.state.alert(alert).unwrap().phase == AlertPhase::Acknowledged);
    script.must("dirk", 50, resolve(alert));
    assert_eq!(script.says("dirk", 51, update(alert, 60)).1, Verdict::Refused(Refused::Closed));
    assert_eq!(script.says("pim", 52, acknowledge(alert, TAKES)).1, Verdict::Repeated, "late, and harmless");
    assert_eq!(script.says("pim", 99, step(alert, 1, 2)).1, Verdict::Refused(Refused::Stopped));
}

#[test]
fn who_takes_action_and_leaves_the_case_leaves_the_ladder_going_on() {
    let mut script = Script::new();
    let alert = script.must("mees", 0, raise(30));
    script.must("pim", 5, acknowledge(alert, TAKES));
    script.must("dirk", 6, acknowledge(alert, TAKES));
    script.leaves("pim");
    assert!(script.state.alert(alert).unwrap().phase == AlertPhase::Acknowledged, "somebody is left");
    script.leaves("dirk");
    let state = script.state.alert(alert).unwrap();
    assert!(state.phase == AlertPhase::Raised);
    script.must("mees", 31, step(alert, 0, 1));
}

#[test]
fn a_step_said_with_a_time_in_the_future_does_not_hold_up_the_next() {
    let mut script = Script::new();
    let alert = script.must("mees", 0, raise(30));
    script.must("pim", 30_000, step(alert, 0, 1));
    assert_eq!(script.says("cora", 31, step(alert, 0, 1)).1, Verdict::Repeated);
    assert_eq!(script.state.alert(alert).unwrap().due, Some(START.plus(41 * MINUTE)));
    script.must("cora", 41, step(alert, 0, 2));
}

#[test]
fn who_may_end_an_alert_and_who_not() {
    let mut script = Script::new();
    let alert = script.must("mees", 0, raise(30));
    assert_eq!(script.says("pim", 1, resolve(alert)).1, Verdict::Refused(Refused::NotTheirs));
    assert_eq!(script.says("olga", 1, acknowledge(alert, TAKES)).1, Verdict::Refused(Refused::Role));
    script.must("olga", 1, acknowledge(alert, SEEN));
    assert_eq!(script.says("mees", 2, update(alert, 9)).1, Verdict::Refused(Refused::NotTheirs));
    assert_eq!(script.says("cora", 2, update(alert, 9)).1, Verdict::Refused(Refused::Phase), "nobody takes action");
    let none = Statement::Alert(AlertSays::FalseAlarm { alert, reason: "de buurman".to_owned() });
    script.must("mees", 3, none);
    assert!(matches!(script.state.alert(alert).unwrap().phase, AlertPhase::FalseAlarm { .. }));
    assert_eq!(script.says_as(alert, "pim", 4, raise(30)), Verdict::Refused(Refused::AlreadyThere));
}

#[test]
fn an_alert_out_of_bounds_is_refused() {
    let mut script = Script::new();
    let Statement::Alert(AlertSays::Raise(good)) = raise(30) else { unreachable!() };
    let bad = [
        Raise { what: " ".to_owned(), ..good.clone() },
        Raise { what: "x".repeat(MAX_TEXT + 1), ..good.clone() },
        Raise { functions: Vec::new(), ..good.clone() },
        Raise { functions: vec!["Politie!".to_owned()], ..good.clone() },
        Raise { ack_by: Timestamp((1 << 53) + 1), ..good.clone() },
        Raise { ladder: vec![Rung { function: "police".to_owned(), after: u64::MAX }], ..good.clone() },
        Raise { ladder: vec![good.ladder[0].clone(); 17], ..good },
    ];
    for raise in bad {
        let verdict = script.says("mees", 0, Statement::Alert(AlertSays::Raise(raise))).1;
        assert_eq!(verdict, Verdict::Refused(Refused::Bounds));
    }
}

/// Europe/Amsterdam goes from UTC+1 to UTC+2 on 29 March 2026 at 01:00 UTC, and back on 25 October 2026 at 01:00 UTC.
#[test]
fn a_ladder_over_either_change_of_the_clocks_keeps_its_minutes() {
    for day in [28, 238] {
        let before = day * 24 * 60 + 50;
        let mut script = Script::new();
        let alert = script.must("mees", before, raise(before + 5));
        assert_eq!(script.says("cora", before + 4, step(alert, 0, 1)).1, Verdict::Refused(Refused::TooEarly));
        script.must("cora", before + 5, step(alert, 0, 1));
        assert_eq!(script.state.alert(alert).unwrap().due, Some(START.plus((before + 15) * MINUTE)));
        assert_eq!(script.says("cora", before + 14, step(alert, 0, 2)).1, Verdict::Refused(Refused::TooEarly));
        script.must("cora", before + 15, step(alert, 0, 2));
    }
}
