use super::*;
use crate::case::task::{TaskPhase, TaskSays};

pub(super) fn create(title: &str, owner: Option<&str>, due: Option<Timestamp>) -> Statement {
    let (title, owner) = (title.to_owned(), owner.map(who));
    Statement::Task(TaskSays::Create { title, text: String::new(), owner, due })
}

pub(super) fn create_with(title: &str, text: &str) -> Statement {
    let (title, text) = (title.to_owned(), text.to_owned());
    Statement::Task(TaskSays::Create { title, text, owner: None, due: None })
}

fn accept(task: ItemId) -> Statement {
    Statement::Task(TaskSays::Accept { task })
}

fn done(task: ItemId) -> Statement {
    Statement::Task(TaskSays::Done { task, result: "gedaan".to_owned() })
}

fn verify(task: ItemId) -> Statement {
    Statement::Task(TaskSays::Verify { task })
}

fn decline(task: ItemId) -> Statement {
    Statement::Task(TaskSays::Decline { task, reason: "geen tijd".to_owned() })
}

fn assign(task: ItemId, owner: &str) -> Statement {
    Statement::Task(TaskSays::Assign { task, owner: Some(who(owner)), due: None })
}

#[test]
fn a_task_is_accepted_done_and_verified_by_somebody_else() {
    let mut script = Script::new();
    let task = script.must("cora", 0, create("huisbezoek", Some("mees"), None));
    assert_eq!(script.says("pim", 1, accept(task)).1, Verdict::Refused(Refused::NotTheirs));
    assert_eq!(script.says("mees", 1, done(task)).1, Verdict::Refused(Refused::Phase));
    script.must("mees", 2, accept(task));
    assert_eq!(script.says("mees", 2, accept(task)).1, Verdict::Repeated);
    assert_eq!(script.says("cora", 3, done(task)).1, Verdict::Refused(Refused::NotTheirs));
    script.must("mees", 3, done(task));
    assert_eq!(script.says("mees", 4, verify(task)).1, Verdict::Refused(Refused::NotTheirs), "not by oneself");
    let reopen = Statement::Task(TaskSays::Reopen { task, reason: "niemand thuis".to_owned() });
    script.must("cora", 5, reopen);
    script.must("mees", 6, done(task));
    script.must("pim", 7, verify(task));
    assert!(script.state.task(task).unwrap().phase == TaskPhase::Verified { by: who("pim") });
    assert_eq!(script.says("pim", 8, verify(task)).1, Verdict::Refused(Refused::Closed));
}

#[test]
fn a_declined_task_is_nobodys_until_somebody_takes_it() {
    let mut script = Script::new();
    let task = script.must("cora", 0, create("bellen", Some("mees"), None));
    script.must("mees", 1, decline(task));
    assert!(script.state.task(task).unwrap().owner.is_none());
    script.must("pim", 2, accept(task));
    assert!(script.state.task(task).unwrap().owner == Some(who("pim")));
    script.must("cora", 3, assign(task, "dirk"));
    assert!(script.state.task(task).unwrap().phase == TaskPhase::Open, "who is asked has to accept");
    assert_eq!(script.says("mees", 4, assign(task, "pim")).1, Verdict::Refused(Refused::NotTheirs));
    assert_eq!(script.says("cora", 4, assign(task, "olga")).1, Verdict::Refused(Refused::Role));
    assert_eq!(script.says("cora", 4, assign(task, "nobody")).1, Verdict::Refused(Refused::NotAMember));
}

#[test]
fn the_removal_of_its_owner_returns_a_task() {
    let mut script = Script::new();
    let open = script.must("cora", 0, create("een", Some("pim"), None));
    let accepted = script.must("cora", 0, create("twee", Some("pim"), None));
    let finished = script.must("cora", 0, create("drie", Some("pim"), None));
    let other = script.must("cora", 0, create("vier", Some("mees"), None));
    for task in [accepted, finished] {
        script.must("pim", 1, accept(task));
    }
    script.must("pim", 2, done(finished));
    script.leaves("pim");
    for task in [open, accepted] {
        let task = script.state.task(task).unwrap();
        assert!(task.owner.is_none() && task.returned && task.phase == TaskPhase::Open);
    }
    assert!(matches!(script.state.task(finished).unwrap().phase, TaskPhase::Done { .. }));
    assert!(script.state.task(other).unwrap().owner == Some(who("mees")));
    script.must("cora", 3, assign(open, "mees"));
    assert!(!script.state.task(open).unwrap().returned);
}

#[test]
fn what_is_not_done_in_time_is_overdue_once() {
    let mut script = Script::new();
    let due = START.plus(60 * MINUTE);
    let task = script.must("cora", 0, create("bellen", Some("mees"), Some(due)));
    let overdue = |due| Statement::Deadline(Deadline::TaskOverdue { task, due });
    assert_eq!(script.state.deadlines(), [Due { deadline: Deadline::TaskOverdue { task, due }, at: due }]);
    assert_eq!(script.says("pim", 59, overdue(due)).1, Verdict::Refused(Refused::TooEarly));
    assert_eq!(script.says("pim", 61, overdue(START)).1, Verdict::Refused(Refused::Phase), "another deadline");
    script.must("pim", 60, overdue(due));
    assert_eq!(script.says("cora", 61, overdue(due)).1, Verdict::Repeated);
    assert!(script.state.deadlines().is_empty());
    let cancel = Statement::Task(TaskSays::Cancel { task, reason: "verhuisd".to_owned() });
    assert_eq!(script.says("pim", 62, cancel.clone()).1, Verdict::Refused(Refused::NotTheirs));
    script.must("dirk", 62, cancel);
    assert_eq!(script.says("pim", 63, overdue(due)).1, Verdict::Refused(Refused::Closed));
}

#[test]
fn observers_change_no_task() {
    let mut script = Script::new();
    assert_eq!(script.says("olga", 0, create("x", None, None)).1, Verdict::Refused(Refused::Role));
    let task = script.must("cora", 0, create("bellen", None, None));
    assert_eq!(script.says("olga", 1, accept(task)).1, Verdict::Refused(Refused::Role));
}
