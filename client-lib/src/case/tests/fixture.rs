//! A log of version 1 as it lay in stores and crossed groups: later versions still read it, and judge it as it was judged.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::*;
use crate::case::alert::{Acknowledging, AlertPhase, AlertSays};
use crate::case::plan::PlanSays;
use crate::case::task::TaskSays;

const LOG: &[u8] = include_bytes!("../../../tests/fixtures/log-1.cbor");

/// An entry as it is kept: a change, or an item's media type and bytes.
#[derive(Serialize, Deserialize)]
enum Kept {
    Changed(Change),
    Said { item: ItemId, author: Author, sent_at: Timestamp, media_type: String, content: ByteBuf, verdict: Verdict },
}

/// An intervention at night, with everything that can be said about alert, plan and task.
pub(super) fn night() -> Script {
    let mut script = Script::new();
    let day = Timestamp::DAY / MINUTE;
    let alert = script.must("dirk", 0, alerts::raise(15));
    let ack = |how| Statement::Alert(AlertSays::Acknowledge { alert, how, next_update_by: Some(START.plus(MINUTE)) });
    script.must("mees", 3, ack(Acknowledging::SeenOnly));
    script.must("olga", 15, alerts::step(alert, 0, 1));
    script.says("pim", 15, alerts::step(alert, 0, 1));
    script.must("cora", 16, ack(Acknowledging::TakesAction));
    let text = || "in eigen woorden".to_owned();
    let next_update_by = START.plus(60 * MINUTE);
    script.must("cora", 20, Statement::Alert(AlertSays::Update { alert, text: text(), next_update_by }));
    script.must("mees", 60, alerts::step(alert, 1, 1));
    script.must("cora", 61, ack(Acknowledging::TakesAction));
    script.must("cora", 90, Statement::Alert(AlertSays::Resolve { alert, outcome: text() }));
    let other = script.must("olga", 91, alerts::raise(200));
    script.must("olga", 92, Statement::Alert(AlertSays::FalseAlarm { alert: other, reason: text() }));

    let plan = script.must("cora", 100, plans::draft(&[], plans::content("een")));
    let hash = script.state.plan(plan).unwrap().hash;
    let functions = vec!["police".to_owned()];
    script.must("cora", 101, Statement::Plan(PlanSays::Propose { plan, hash, functions: functions.clone() }));
    script.must("pim", 102, Statement::Plan(PlanSays::Approve { plan, hash }));
    script.must("cora", 103, Statement::Plan(PlanSays::Approve { plan, hash }));
    script.says("mees", 104, plans::draft(&[plan], plans::content("van mij")));
    let sibling = script.must("mees", 105, plans::draft(&[plan], plans::content("een")));
    let hash = script.state.plan(sibling).unwrap().hash;
    script.must("mees", 106, Statement::Plan(PlanSays::Propose { plan: sibling, hash, functions }));
    script.must("pim", 107, Statement::Plan(PlanSays::Reject { plan: sibling, hash, reason: text() }));

    let due = START.plus(200 * MINUTE);
    let task = script.must("cora", 110, tasks::create("huisbezoek", Some("mees"), Some(due)));
    script.must("mees", 111, Statement::Task(TaskSays::Decline { task, reason: text() }));
    let owner = Some(who("pim"));
    script.must("cora", 112, Statement::Task(TaskSays::Assign { task, owner, due: Some(due) }));
    script.must("pim", 113, Statement::Task(TaskSays::Accept { task }));
    script.must("mees", 200, Statement::Deadline(Deadline::TaskOverdue { task, due }));
    script.must("pim", 201, Statement::Task(TaskSays::Done { task, result: text() }));
    script.must("cora", 202, Statement::Task(TaskSays::Reopen { task, reason: text() }));
    script.must("pim", 203, Statement::Task(TaskSays::Done { task, result: text() }));
    script.must("cora", 204, Statement::Task(TaskSays::Verify { task }));
    let cancelled = script.must("cora", 205, tasks::create("bellen", Some("pim"), None));
    script.must("cora", 206, Statement::Task(TaskSays::Cancel { task: cancelled, reason: text() }));
    script.must("cora", 207, tasks::create("van wie weggaat", Some("pim"), None));
    script.leaves("pim");
    script.must("mees", 8 * day, Statement::Deadline(Deadline::OrderEnds { plan }));
    script.must("mees", 14 * day, Statement::Deadline(Deadline::PlanReview { plan }));
    script
}

/// Writes the fixture; only ever for a new version, whose predecessor's stays.
fn write(path: &std::path::Path) {
    let mut state = CaseState::new();
    let kept: Vec<Kept> = night()
        .log
        .into_iter()
        .map(|entry| {
            let verdict = state.apply(&entry).verdict;
            match entry {
                LogEntry::Changed(change) => Kept::Changed(change),
                LogEntry::Said(said) => {
                    let statement = said.body.statement().unwrap();
                    let (media_type, content) =
                        (statement.media_type().to_owned(), ByteBuf::from(statement.encode()));
                    let (item, author, sent_at) = (said.item, said.author.clone(), said.sent_at);
                    Kept::Said { item, author, sent_at, media_type, content, verdict }
                }
            }
        })
        .collect();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, kring_protocol::frame::encode_body(&kept)).unwrap();
}

#[test]
fn a_log_of_version_1_is_read_and_judged_as_it_was() {
    if std::env::var_os("KRING_WRITE_FIXTURE").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-1.cbor");
        return write(&path);
    }
    let kept: Vec<Kept> = kring_protocol::frame::decode(LOG).expect("the log is read");
    let mut state = CaseState::new();
    let mut judged = 0;
    for kept in kept {
        match kept {
            Kept::Changed(change) => {
                state.apply(&LogEntry::Changed(change));
            }
            Kept::Said { item, author, sent_at, media_type, content, verdict } => {
                let statement = Statement::decode(&media_type, &content).expect("every kind is still known");
                let body = Body::Statement(Box::new(statement));
                let hash = ContentHash::of(&content);
                let said = Said { item, author, sent_at, replaces: None, body, hash };
                assert_eq!(state.apply(&LogEntry::Said(said)).verdict, verdict, "item {judged}");
                judged += 1;
            }
        }
    }
    assert_eq!(judged, 33);
    let (_, plan) = state.active_plan().expect("a plan is in force");
    assert!(plan.review_passed && plan.order_passed && plan.content.conditions == ["een"]);
    let ends: Vec<_> = state.closed_alerts().map(|(_, alert)| alert.phase.clone()).collect();
    assert!(matches!(ends.as_slice(), [AlertPhase::Resolved { .. }, AlertPhase::FalseAlarm { .. }]));
    assert_eq!((state.open_tasks().count(), state.closed_tasks().count()), (3, 2));
    assert!(state.open_tasks().any(|(_, task)| task.returned));
}
