use super::*;
use crate::case::alert::{Acknowledging, AlertSays};
use crate::case::task::TaskSays;

fn names(script: &Script, of: fn(&Waiting) -> bool) -> Vec<&'static str> {
    let cast = ["cora", "dirk", "mees", "olga", "pim"];
    cast.into_iter().filter(|name| script.state.waiting_for(&who(name)).iter().any(of)).collect()
}

#[test]
fn an_alert_waits_for_those_whom_it_asks_until_they_have_seen_it() {
    let mut script = Script::new();
    let alert = script.must("olga", 0, alerts::raise(30));
    let asked = |waiting: &Waiting| matches!(waiting, Waiting::AlertToAcknowledge(_));
    assert_eq!(names(&script, asked), ["dirk", "pim"]);
    script.must("cora", 30, alerts::step(alert, 0, 1));
    assert_eq!(names(&script, asked), ["dirk", "mees", "pim"], "youth care is asked next");
    let ack = |how| Statement::Alert(AlertSays::Acknowledge { alert, how, next_update_by: None });
    script.must("pim", 31, ack(Acknowledging::SeenOnly));
    assert_eq!(names(&script, asked), ["dirk", "mees"]);
    script.must("cora", 40, alerts::step(alert, 0, 2));
    script.must("cora", 60, alerts::step(alert, 0, 3));
    assert_eq!(names(&script, |waiting| matches!(waiting, Waiting::AlertExhausted(_))), ["olga"]);
    script.must("dirk", 61, ack(Acknowledging::TakesAction));
    assert!(names(&script, asked).is_empty());
    assert_eq!(names(&script, |waiting| matches!(waiting, Waiting::AlertToUpdate(_))), ["dirk"]);
}

#[test]
fn a_plan_waits_for_the_functions_whose_approval_is_missing() {
    let mut script = Script::new();
    let plan = script.must("cora", 0, plans::draft(&[], plans::content("een")));
    let proposal = plans::propose(&script.state, plan, &["police"]);
    script.must("cora", 0, proposal);
    let approve = |waiting: &Waiting| matches!(waiting, Waiting::PlanToApprove(_));
    assert_eq!(names(&script, approve), ["cora", "dirk", "pim"]);
}

#[test]
fn a_task_waits_for_its_owner_then_for_who_verifies_it() {
    let mut script = Script::new();
    let task = script.must("mees", 0, tasks::create("bellen", Some("pim"), None));
    assert_eq!(names(&script, |waiting| matches!(waiting, Waiting::TaskToAccept(_))), ["pim"]);
    script.must("pim", 1, Statement::Task(TaskSays::Accept { task }));
    assert_eq!(names(&script, |waiting| matches!(waiting, Waiting::TaskToDo(_))), ["pim"]);
    script.must("pim", 2, Statement::Task(TaskSays::Done { task, result: String::new() }));
    let verify = |waiting: &Waiting| matches!(waiting, Waiting::TaskToVerify(_));
    assert_eq!(names(&script, verify), ["cora", "dirk", "mees"]);
    let nobodys = script.must("mees", 3, tasks::create("schrijven", Some("pim"), None));
    script.leaves("pim");
    let assign = |waiting: &Waiting| *waiting == Waiting::TaskToAssign(item(4));
    assert_eq!(nobodys, item(4));
    assert_eq!(names(&script, assign), ["cora", "dirk"]);
}
