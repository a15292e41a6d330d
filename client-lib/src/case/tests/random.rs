//! Anything that anybody can say, in any order: what has to hold always does, and the same log gives the same bytes.

use proptest::prelude::*;

use super::*;
use crate::case::alert::{Acknowledging, AlertPhase, AlertSays};
use crate::case::plan::{PlanPhase, PlanSays};
use crate::case::task::{TaskPhase, TaskSays};

const NAMES: [&str; 6] = ["cora", "dirk", "mees", "pim", "olga", "stranger"];

/// Something that happens.
#[derive(Debug, Clone)]
enum Happening {
    Says { actor: usize, minutes: u64, what: u8, thing: u8, other: u8, text: u8 },
    Leaves(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    let says = (0..NAMES.len(), 0..2_000u64, 0..24u8, 1..30u8, 1..30u8, 0..3u8);
    let says = says.prop_map(|(actor, minutes, what, thing, other, text)| Happening::Says {
        actor,
        minutes,
        what,
        thing,
        other,
        text,
    });
    prop_oneof![40 => says, 1 => (1..5usize).prop_map(Happening::Leaves)]
}

fn statement(state: &CaseState, what: u8, thing: u8, other: u8, text: u8) -> Statement {
    let (id, words) = (item(thing), format!("tekst {text}"));
    let hash = state.plan(id).map_or(ContentHash::of(b"nothing"), |plan| plan.hash);
    let alert = id;
    let task = id;
    let plan = id;
    let how = if text == 0 { Acknowledging::SeenOnly } else { Acknowledging::TakesAction };
    let at = START.plus(u64::from(other) * 60 * MINUTE);
    match what {
        0 => alerts::raise(u64::from(other)),
        1 => Statement::Alert(AlertSays::Acknowledge { alert, how, next_update_by: (text == 1).then_some(at) }),
        2 => Statement::Alert(AlertSays::Update { alert, text: words, next_update_by: at }),
        3 => Statement::Alert(AlertSays::Resolve { alert, outcome: words }),
        4 => Statement::Alert(AlertSays::FalseAlarm { alert, reason: words }),
        5..=7 => {
            let next = state.alert(id).map_or((0, 1), |alert| match alert.phase {
                AlertPhase::Acknowledged | AlertPhase::InAction => (alert.round + 1, 1),
                _ => (alert.round, alert.step + 1),
            });
            let (round, step) = if text == 2 { (0, 1) } else { next };
            alerts::step(id, round, step)
        }
        8 | 9 => plans::draft(&[], plans::content(&words)),
        10 | 11 => plans::draft(&[id], plans::content(&words)),
        12 => plans::draft(&[id, item(other)], plans::content(&words)),
        13 => Statement::Plan(PlanSays::Propose { plan, hash, functions: vec!["police".to_owned()] }),
        14 | 15 => Statement::Plan(PlanSays::Approve { plan, hash }),
        16 => Statement::Plan(PlanSays::Reject { plan, hash, reason: words }),
        17 => tasks::create(&words, Some(NAMES[usize::from(other) % 5]), (text == 1).then_some(at)),
        18 => Statement::Task(TaskSays::Accept { task }),
        19 => Statement::Task(TaskSays::Done { task, result: words }),
        20 => Statement::Task(TaskSays::Verify { task }),
        21 => Statement::Task(TaskSays::Decline { task, reason: words }),
        22 => {
            Statement::Task(TaskSays::Assign { task, owner: Some(who(NAMES[usize::from(other) % 5])), due: Some(at) })
        }
        _ => Statement::Deadline(state.deadlines().first().map_or(Deadline::PlanReview { plan }, |due| due.deadline)),
    }
}

/// What holds whatever is said.
fn check(state: &CaseState) {
    let active = state.open_plans().filter(|(_, plan)| plan.phase == PlanPhase::Active).count();
    assert!(active <= 1, "exactly one version is active");
    assert_eq!(active == 1, state.active_plan().is_some());
    for (_, plan) in state.open_plans() {
        if matches!(plan.phase, PlanPhase::Active | PlanPhase::Approved) {
            assert!(plan.missing().next().is_none(), "every required function has approved");
        }
    }
    for (_, alert) in state.open_alerts() {
        let taken = alert.acknowledgements.iter().any(|ack| ack.how == Acknowledging::TakesAction);
        match alert.phase {
            AlertPhase::Acknowledged | AlertPhase::InAction => assert!(taken, "who stops the ladder takes action"),
            AlertPhase::Raised => assert!(alert.due.is_some(), "the ladder goes on"),
            AlertPhase::Exhausted => assert!(alert.step > alert.raise.ladder.len() as u64),
            _ => panic!("a closed alert is not open"),
        }
    }
    for (_, task) in state.open_tasks() {
        if let Some(owner) = &task.owner {
            let pending = task.is_pending();
            assert!(!pending || state.members().role(owner).is_some(), "who is to do it is in the case");
        }
        if matches!(task.phase, TaskPhase::Accepted) {
            assert!(task.owner.is_some(), "what is accepted is somebody's");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_the_invariants_hold_and_the_state_follows_from_the_log(
        happenings in proptest::collection::vec(happening(), 1..80),
    ) {
        let mut script = Script::new();
        for happening in happenings {
            match happening {
                Happening::Leaves(index) => script.leaves(NAMES[index]),
                Happening::Says { actor, minutes, what, thing, other, text } => {
                    let before = script.state.clone();
                    let said = statement(&script.state, what, thing, other, text);
                    let (_, verdict) = script.says(NAMES[actor], minutes, said.clone());
                    // Only a legal item changes the state, but for the time of a step that was told twice.
                    if !matches!((verdict, said), (Verdict::Legal, _) | (Verdict::Repeated, Statement::Deadline(_))) {
                        prop_assert!(before == script.state);
                    }
                }
            }
            check(&script.state);
        }
        prop_assert!(script.again() == script.state);
        prop_assert_eq!(script.again().hash().to_hex(), script.state.hash().to_hex());
    }
}
