use super::*;
use crate::case::plan::{Agreement, Difference, Phase, PlanContent, PlanPhase, PlanSays, Section, Words};
use crate::case::task::Origin;

pub(super) fn content(condition: &str) -> PlanContent {
    PlanContent {
        phase: Phase::Direct,
        worry: "vader drinkt".to_owned(),
        conditions: vec![condition.to_owned()],
        agreements: vec![Agreement {
            who: "oma".to_owned(),
            what: "belt elke avond".to_owned(),
            when: "20:00".to_owned(),
            checked_by: "mees".to_owned(),
        }],
        triggers: vec!["drank".to_owned()],
        emergency: vec!["naar de buren".to_owned()],
        network: vec!["oma".to_owned()],
        review: START.plus(14 * Timestamp::DAY),
        order_ends: Some(START.plus(10 * Timestamp::DAY)),
    }
}

pub(super) fn draft(parents: &[ItemId], plan: PlanContent) -> Statement {
    Statement::Plan(PlanSays::Draft { parents: parents.to_vec(), plan })
}

pub(super) fn propose(state: &CaseState, plan: ItemId, functions: &[&str]) -> Statement {
    let functions = functions.iter().map(|code| (*code).to_owned()).collect();
    Statement::Plan(PlanSays::Propose { plan, hash: state.plan(plan).unwrap().hash, functions })
}

fn approve(state: &CaseState, plan: ItemId) -> Statement {
    Statement::Plan(PlanSays::Approve { plan, hash: state.plan(plan).unwrap().hash })
}

fn reject(state: &CaseState, plan: ItemId) -> Statement {
    let (hash, reason) = (state.plan(plan).unwrap().hash, "te vaag".to_owned());
    Statement::Plan(PlanSays::Reject { plan, hash, reason })
}

impl Script {
    /// Proposes a plan to two functions, who approve it.
    fn approved(&mut self, minutes: u64, plan: ItemId) {
        let proposal = propose(&self.state, plan, &["police", "veilig-thuis"]);
        self.must("cora", minutes, proposal);
        for name in ["pim", "cora"] {
            let approval = approve(&self.state, plan);
            self.must(name, minutes, approval);
        }
    }

    fn phase(&self, plan: ItemId) -> PlanPhase {
        self.state.plan(plan).unwrap().phase.clone()
    }
}

#[test]
fn a_plan_is_in_force_once_every_required_function_has_approved_it() {
    let mut script = Script::new();
    let plan = script.must("cora", 0, draft(&[], content("de deur blijft open")));
    let early = approve(&script.state, plan);
    assert_eq!(script.says("pim", 1, early).1, Verdict::Refused(Refused::Phase));
    let proposal = propose(&script.state, plan, &["police", "veilig-thuis"]);
    assert_eq!(script.says("mees", 1, proposal.clone()).1, Verdict::Refused(Refused::NotTheirs));
    script.must("cora", 1, proposal);
    let approval = approve(&script.state, plan);
    assert_eq!(script.says("mees", 2, approval.clone()).1, Verdict::Refused(Refused::Function));
    assert_eq!(script.says("olga", 2, approval.clone()).1, Verdict::Refused(Refused::Role));
    script.must("pim", 2, approval.clone());
    assert_eq!(script.says("dirk", 3, approval.clone()).1, Verdict::Repeated, "one approval a function");
    assert!(script.phase(plan) == PlanPhase::Proposed && script.state.active_plan().is_none());
    script.must("cora", 4, approval);
    assert!(script.phase(plan) == PlanPhase::Active);
    assert!(script.state.active_plan().map(|(id, _)| id) == Some(plan));
    let rejection = reject(&script.state, plan);
    assert_eq!(
        script.says("pim", 5, rejection).1,
        Verdict::Refused(Refused::Phase),
        "what is in force is not rejected"
    );
}

#[test]
fn an_approval_is_bound_to_the_content() {
    let mut script = Script::new();
    let one = script.must("cora", 0, draft(&[], content("een")));
    let two = script.must("cora", 0, draft(&[], content("twee")));
    let proposal = propose(&script.state, one, &["police"]);
    script.must("cora", 1, proposal);
    let hash = script.state.plan(two).unwrap().hash;
    let swapped = Statement::Plan(PlanSays::Approve { plan: one, hash });
    assert_eq!(script.says("pim", 2, swapped).1, Verdict::Refused(Refused::OtherContent));
}

#[test]
fn of_two_siblings_neither_replaces_the_other_until_somebody_merges_them() {
    let mut script = Script::new();
    let first = script.must("cora", 0, draft(&[], content("een")));
    script.approved(1, first);
    let mut a = content("een");
    a.triggers.push("geldzorgen".to_owned());
    let mut b = content("een");
    b.network.push("tante".to_owned());
    let left = script.must("mees", 2, draft(&[first], a));
    let right = script.must("pim", 2, draft(&[first], b));
    script.approved(3, left);
    assert!(script.phase(left) == PlanPhase::Active && script.phase(first) == PlanPhase::Superseded);
    script.approved(4, right);
    assert!(script.phase(right) == PlanPhase::Approved, "beside, not instead");
    assert!(script.phase(left) == PlanPhase::Active);
    let mut both = content("een");
    both.triggers.push("geldzorgen".to_owned());
    both.network.push("tante".to_owned());
    let merge = script.must("mees", 5, draft(&[left, right], both));
    script.approved(6, merge);
    assert!(script.phase(merge) == PlanPhase::Active);
    assert!(script.phase(left) == PlanPhase::Superseded && script.phase(right) == PlanPhase::Superseded);
    assert_eq!(script.state.plan(merge).unwrap().version, 3);
    assert_eq!(script.state.open_plans().count(), 1);
}

#[test]
fn a_draft_on_top_of_a_draft_replaces_the_plan_below_both() {
    let mut script = Script::new();
    let first = script.must("cora", 0, draft(&[], content("een")));
    script.approved(1, first);
    let rough = script.must("mees", 2, draft(&[first], content("een")));
    let fine = script.must("mees", 3, draft(&[rough], content("een")));
    script.approved(4, fine);
    assert!(script.phase(fine) == PlanPhase::Active);
    assert!(script.phase(rough) == PlanPhase::Superseded && script.phase(first) == PlanPhase::Superseded);
}

#[test]
fn only_veilig_thuis_changes_conditions() {
    let mut script = Script::new();
    let conditions = Verdict::Refused(Refused::Conditions);
    assert_eq!(script.says("mees", 0, draft(&[], content("van mij"))).1, conditions);
    let first = script.must("cora", 0, draft(&[], content("een")));
    script.approved(1, first);
    assert_eq!(script.says("mees", 2, draft(&[first], content("twee"))).1, conditions);
    let second = script.must("cora", 2, draft(&[first], content("twee")));
    script.approved(3, second);
    // Going back to a former version's conditions changes them too, and needs who may.
    let back = script.must("mees", 4, draft(&[second, first], content("een")));
    let proposal = propose(&script.state, back, &["police"]);
    script.must("mees", 5, proposal);
    let approval = approve(&script.state, back);
    script.must("pim", 6, approval.clone());
    assert!(script.phase(back) == PlanPhase::Proposed, "Veilig Thuis is missing");
    script.must("cora", 7, approval);
    assert!(script.phase(back) == PlanPhase::Active);
}

#[test]
fn conditions_that_have_changed_since_the_proposal_need_veilig_thuis_all_the_same() {
    let mut script = Script::new();
    let first = script.must("cora", 0, draft(&[], content("een")));
    script.approved(1, first);
    let mine = script.must("mees", 2, draft(&[first], content("een")));
    let proposal = propose(&script.state, mine, &["police"]);
    script.must("mees", 2, proposal);
    let theirs = script.must("cora", 3, draft(&[first], content("twee")));
    script.approved(4, theirs);
    let approval = approve(&script.state, mine);
    script.must("pim", 5, approval);
    assert!(script.phase(mine) == PlanPhase::Proposed);
    assert!(script.state.plan(mine).unwrap().missing().eq(["veilig-thuis"]));
}

#[test]
fn a_missed_review_becomes_a_task_and_then_an_escalation() {
    let mut script = Script::new();
    let plan = script.must("cora", 0, draft(&[], content("een")));
    script.approved(1, plan);
    let day = Timestamp::DAY / MINUTE;
    let review = || Statement::Deadline(Deadline::PlanReview { plan });
    let order = || Statement::Deadline(Deadline::OrderEnds { plan });
    assert_eq!(script.says("pim", 14 * day - 1, review()).1, Verdict::Refused(Refused::TooEarly));
    assert_eq!(script.says("pim", 8 * day - 1, order()).1, Verdict::Refused(Refused::TooEarly));
    let order_task = script.must("pim", 8 * day, order());
    let task = script.must("pim", 14 * day, review());
    assert_eq!(script.says("mees", 14 * day, review()).1, Verdict::Repeated);
    assert!(script.state.task(order_task).unwrap().origin == Origin::OrderEnds { plan });
    let made = script.state.task(task).unwrap();
    assert!(made.owner == Some(who("cora")) && made.origin == Origin::PlanReview { plan });
    let due = made.due.unwrap();
    script.must("mees", 21 * day, Statement::Deadline(Deadline::TaskOverdue { task, due }));
    assert!(script.state.task(task).unwrap().overdue);
}

#[test]
fn a_rejected_plan_says_why_and_goes_no_further() {
    let mut script = Script::new();
    let plan = script.must("cora", 0, draft(&[], content("een")));
    let proposal = propose(&script.state, plan, &["police"]);
    script.must("cora", 1, proposal.clone());
    let rejection = reject(&script.state, plan);
    assert_eq!(script.says("mees", 2, rejection.clone()).1, Verdict::Refused(Refused::NotTheirs));
    script.must("pim", 2, rejection);
    let approval = approve(&script.state, plan);
    for late in [approval, proposal] {
        assert_eq!(script.says("cora", 3, late).1, Verdict::Refused(Refused::Closed));
    }
}

#[test]
fn what_differs_is_told_line_by_line() {
    let (old, mut new) = (content("een"), content("twee"));
    new.phase = Phase::Stable;
    new.network.insert(0, "tante".to_owned());
    let differences = new.differences(&old);
    let expected = [
        Difference::Changed(Section::Phase),
        Difference::Removed(Section::Conditions, "een".to_owned()),
        Difference::Added(Section::Conditions, "twee".to_owned()),
        Difference::Added(Section::Network, "tante".to_owned()),
    ];
    assert!(differences == expected);
    assert!(new.differences(&new).is_empty());
}

#[test]
fn a_plan_becomes_markdown_that_its_texts_cannot_break() {
    let word = |text: &str| text.to_owned();
    let words = Words {
        title: word("Veiligheidsplan"),
        phase: word("Fase"),
        direct: word("directe veiligheid"),
        stable: word("stabiele veiligheid"),
        recovery: word("herstel"),
        worry: word("Zorg"),
        conditions: word("Voorwaarden"),
        agreements: word("Afspraken"),
        who: word("Wie"),
        what: word("Wat"),
        when: word("Wanneer"),
        checked_by: word("Wie let op"),
        triggers: word("Signalen"),
        emergency: word("Bij nood"),
        network: word("Netwerk"),
        review: word("Evaluatie"),
        order_ends: word("Huisverbod tot"),
    };
    let mut plan = content("een\n## twee");
    plan.agreements[0].what = "belt | schrijft".to_owned();
    let page = plan.markdown(3, &words, |at| format!("dag {}", at.since(START) / Timestamp::DAY));
    assert!(page.starts_with("# Veiligheidsplan 3\n\n- Fase: directe veiligheid\n- Evaluatie: dag 14\n"));
    assert!(page.contains("- een ## twee\n"), "{page}");
    assert!(page.contains("| oma | belt \\| schrijft | 20:00 | mees |\n"), "{page}");
}
