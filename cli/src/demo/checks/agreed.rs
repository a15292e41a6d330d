//! What the members have agreed on as the machines of the case have it: how far an alert's ladder went, and which safety
//! plan is in force, by whose approval.

use std::collections::BTreeSet;

use kring_client::case::alert::{Acknowledging, Alert};
use kring_client::case::plan::PlanSays;
use kring_client::case::{Deadline, Item, ItemId, Statement, Verdict};

use super::{Copy, line, name};
use crate::alert::functions;
use crate::demo::play::{Played, PlayedPlan};
use crate::demo::scenario::Scenario;
use crate::demo::timeline::{CheckLine, PlanPage};

const LADDER: &str = "an alert's ladder ran exactly as far as nobody acted, each step once";
const PLAN: &str = "the plan in force is the one printed, approved at its hash by at least two organisations";

/// The steps of every alert's ladder, as the log has them.
pub(in crate::demo) fn ladder(scenario: &Scenario, played: &Played, reference: Option<&Copy>) -> CheckLine {
    let (Some(reference), false) = (reference, played.alerts.is_empty()) else {
        return line("ladder", LADDER, if played.alerts.is_empty() { None } else { Some(false) }, Vec::new());
    };
    let mut holds = true;
    let mut evidence = Vec::new();
    for alert in &played.alerts {
        let steps = steps(&reference.items, alert.alert);
        let counted: Vec<u64> = steps.iter().map(|(_, step)| *step).collect();
        let wanted: Vec<u64> = (1..=alert.steps).collect();
        let Some(stands) = reference.state.alert(alert.alert) else {
            holds = false;
            evidence.push("the alert is not in the state".to_owned());
            continue;
        };
        holds &= counted == wanted && stands.step == alert.steps && stands.round == 0 && stands.is_closed();
        evidence.push(format!("{} of {} expected steps in the log", counted.len(), wanted.len()));
        evidence.extend(steps.iter().map(|(item, step)| rung(stands, item, *step)));
        for acknowledgement in &stands.acknowledgements {
            let person = scenario.people.iter().find(|person| person.address == acknowledgement.by);
            evidence.push(format!(
                "{} {}, {} ms after the alert",
                person.map_or("somebody", |person| person.name.as_str()),
                match acknowledgement.how {
                    Acknowledging::SeenOnly => "only looked",
                    Acknowledging::TakesAction => "took action, which stopped it",
                },
                acknowledgement.at.0.saturating_sub(stands.at.0)
            ));
        }
    }
    line("ladder", LADDER, holds, evidence)
}

/// The steps that count, in the order of the log.
fn steps(items: &[Item], alert: ItemId) -> Vec<(&Item, u64)> {
    let step = |item: &Item| match item.body.statement() {
        Some(Statement::Deadline(Deadline::AlertStep { alert: of, step, .. })) if *of == alert => Some(*step),
        _ => None,
    };
    items.iter().filter(|item| item.verdict == Verdict::Legal).filter_map(|item| Some((item, step(item)?))).collect()
}

fn rung(alert: &Alert, item: &Item, step: u64) -> String {
    let asked = usize::try_from(step).ok().and_then(|step| alert.raise.ladder.get(step.checked_sub(1)?));
    let asked =
        asked.map_or_else(|| "nobody is left".to_owned(), |rung| functions(std::slice::from_ref(&rung.function)));
    format!(
        "step {step} asks {asked}: told by the device of {} at record {}, {} ms after the time to act was over",
        item.author_name,
        item.seq,
        item.sent_at.0.saturating_sub(alert.raise.ack_by.0)
    )
}

/// The plan that is in force at every device, against what was written and printed.
pub(in crate::demo) fn plan(
    scenario: &Scenario,
    played: &Played,
    copies: &[Copy],
    printed: Option<&PlanPage>,
) -> CheckLine {
    let Some(wanted) = played.plans.iter().rev().find(|plan| !plan.approved.is_empty()) else {
        return line("plan_in_force", PLAN, None, Vec::new());
    };
    let mut wrong = Vec::new();
    let members = copies.iter().filter(|copy| played.members.contains(&copy.who));
    for copy in members {
        let who = name(scenario, copy.who);
        match copy.state.active_plan() {
            Some((id, plan)) if id == wanted.plan => {
                let hash = plan.content.hash();
                let is_it = hash == wanted.hash && plan.hash == hash && plan.missing().next().is_none();
                let approved: BTreeSet<_> = plan.approvals.iter().map(|approval| &approval.by).collect();
                let people = wanted.approved.iter().map(|who| &scenario.person(*who).address);
                if !is_it || approved != people.collect() {
                    wrong.push(format!("{who}: another content, or other people have approved it"));
                }
            }
            Some(_) => wrong.push(format!("{who}: another plan is in force")),
            None => wrong.push(format!("{who}: no plan is in force")),
        }
    }
    let approvals = approvals(scenario, copies, wanted);
    let organisations: BTreeSet<usize> =
        wanted.approved.iter().map(|who| scenario.person(*who).organisation).collect();
    let is_printed = printed.is_some_and(|page| page.hash == wanted.hash.to_hex());
    if !is_printed {
        wrong.push("what is printed has another hash".to_owned());
    }
    let holds = wrong.is_empty() && approvals.len() == wanted.approved.len() && organisations.len() >= 2;
    let mut evidence = vec![format!("hash {}", wanted.hash.to_hex())];
    evidence.extend(approvals);
    evidence.extend(wrong);
    line("plan_in_force", PLAN, holds, evidence)
}

/// The approvals in the log that name the plan by the hash of what was written.
fn approvals(scenario: &Scenario, copies: &[Copy], wanted: &PlayedPlan) -> Vec<String> {
    let Some(longest) = copies.iter().max_by_key(|copy| copy.items.len()) else { return Vec::new() };
    let approves = |item: &&Item| {
        item.verdict == Verdict::Legal
            && matches!(
                item.body.statement(),
                Some(Statement::Plan(PlanSays::Approve { plan, hash }))
                    if *plan == wanted.plan && *hash == wanted.hash
            )
    };
    let by =
        |item: &Item| wanted.approved.iter().any(|who| scenario.person(*who).address == item.author.professional);
    let found = longest.items.iter().filter(approves).filter(|item| by(item));
    found
        .map(|item| {
            format!(
                "approved at this hash by {} of {}, record {}",
                item.author_name, item.author_organisation, item.seq
            )
        })
        .collect()
}
