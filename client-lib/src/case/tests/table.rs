//! `docs/states.md`: every transition of every machine, legal and illegal, as the code has it.

use std::fmt::Write as _;

use super::*;
use crate::case::alert::{Acknowledging, AlertPhase, AlertSays};
use crate::case::handover::{HandoverPhase, HandoverSays};
use crate::case::plan::{PlanPhase, PlanSays};
use crate::case::task::{TaskPhase, TaskSays};

const PAGE: &str = include_str!("../../../../docs/states.md");

const HEAD: &str = "# What follows from what is said in a case

Each machine of `client-lib/src/case` is a pure function over the log: the tables below are made by it, and a test compares
them with this page. They show, for every phase, what anybody can say and what becomes of it. `unchanged` is what says
again what is so already; `refused` stays in the log and is shown with its reason, the same on every device.

To make this page anew: `KRING_WRITE_STATES=1 cargo test -p kring-client the_page_of_states`.

In the tables cora coordinates and is of Veilig Thuis, dirk is a deputy of the police, mees a member of youth care, pim a
member of the police, olga an observer of the district team. All of them are invented. Of somebody who is not in the case
everything is refused.
";

/// A machine's phases, each reached by a script, and what can be said.
struct Machine {
    title: &'static str,
    intro: &'static str,
    begins: (&'static str, Statement),
    situations: Vec<(&'static str, Script)>,
    moves: Vec<(&'static str, u64, Statement)>,
    phase: fn(&CaseState) -> String,
}

const ACTORS: &[&str] = &["cora", "dirk", "mees", "pim", "olga"];

fn table(machine: &Machine, page: &mut String) {
    write!(
        page,
        "\n## {}\n\n{}\n\n| from | what | by | becomes |\n| --- | --- | --- | --- |\n",
        machine.title, machine.intro
    )
    .unwrap();
    let begins = vec![(machine.begins.0, 0, machine.begins.1.clone())];
    let nothing = ("none", Script::new());
    for (from, script) in [&nothing].into_iter().chain(&machine.situations) {
        assert_eq!(*from, (machine.phase)(&script.state), "{}", machine.title);
        let (id, moves) = if *from == "none" { (THING, &begins) } else { (item(200), &machine.moves) };
        for (what, minutes, statement) in moves {
            let stranger = script.clone().says_as(id, "stranger", *minutes, statement.clone());
            assert_eq!(stranger, Verdict::Refused(Refused::Role));
            let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
            for actor in ACTORS {
                let mut script = script.clone();
                let outcome = match script.says_as(id, actor, *minutes, statement.clone()) {
                    Verdict::Legal => format!("**{}**", (machine.phase)(&script.state)),
                    Verdict::Repeated => "unchanged".to_owned(),
                    Verdict::Refused(reason) => format!("refused: {reason}"),
                    Verdict::Unknown => unreachable!("every statement of this version is known"),
                };
                match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                    Some((_, actors)) => actors.push(actor),
                    None => outcomes.push((outcome, vec![actor])),
                }
            }
            for (outcome, actors) in outcomes {
                let by = if actors.len() == ACTORS.len() { "anybody".to_owned() } else { actors.join(", ") };
                writeln!(page, "| {from} | {what} | {by} | {outcome} |").unwrap();
            }
        }
    }
}

const THING: ItemId = ItemId([1; 16]);

fn alert_machine() -> Machine {
    let says = |says| Statement::Alert(says);
    let ack = |how| says(AlertSays::Acknowledge { alert: THING, how, next_update_by: None });
    let update = says(AlertSays::Update {
        alert: THING,
        text: "onderweg".to_owned(),
        next_update_by: START.plus(90 * MINUTE),
    });
    let resolve = says(AlertSays::Resolve { alert: THING, outcome: "veilig".to_owned() });
    let nothing = says(AlertSays::FalseAlarm { alert: THING, reason: "niets".to_owned() });
    let step = |round, step| alerts::step(THING, round, step);
    let takes = Acknowledging::TakesAction;

    let mut raised = Script::new();
    raised.must("mees", 0, alerts::raise(30));
    let mut escalated = raised.clone();
    escalated.must("cora", 30, step(0, 1));
    let mut exhausted = escalated.clone();
    exhausted.must("cora", 40, step(0, 2));
    exhausted.must("cora", 60, step(0, 3));
    let mut acknowledged = raised.clone();
    acknowledged.must("dirk", 5, ack(takes));
    let mut in_action = acknowledged.clone();
    in_action.must("dirk", 6, update.clone());
    let mut armed_again = in_action.clone();
    armed_again.must("cora", 90, step(1, 1));
    let mut resolved = in_action.clone();
    resolved.must("dirk", 10, resolve.clone());
    let mut false_alarm = raised.clone();
    false_alarm.must("mees", 2, nothing.clone());
    Machine {
        title: "Urgent alert",
        intro: "Raised by mees at minute 0, to be acknowledged by minute 30, with a ladder of two steps of 10 and 20 \
                minutes; where action is taken, dirk takes it, and says that an update comes by minute 90.",
        begins: ("raise", alerts::raise(30)),
        situations: vec![
            ("raised", raised),
            ("raised, round 0, step 1", escalated),
            ("exhausted", exhausted),
            ("acknowledged", acknowledged),
            ("in action", in_action),
            ("raised, round 1, step 1", armed_again),
            ("resolved", resolved),
            ("false alarm", false_alarm),
        ],
        moves: vec![
            ("acknowledge: takes action", 10, ack(takes)),
            ("acknowledge: seen only", 10, ack(Acknowledging::SeenOnly)),
            ("update", 10, update),
            ("resolve", 10, resolve),
            ("false alarm", 10, nothing),
            ("first step, minute 29", 29, step(0, 1)),
            ("first step, minute 30", 30, step(0, 1)),
            ("second step, minute 40", 40, step(0, 2)),
            ("above the last step, minute 60", 60, step(0, 3)),
            ("first step of the second round, minute 90", 90, step(1, 1)),
        ],
        phase: |state| match state.alert(THING) {
            None => "none".to_owned(),
            Some(alert) => match &alert.phase {
                AlertPhase::Raised if alert.step == 0 => "raised".to_owned(),
                AlertPhase::Raised => format!("raised, round {}, step {}", alert.round, alert.step),
                AlertPhase::Exhausted => "exhausted".to_owned(),
                AlertPhase::Acknowledged => "acknowledged".to_owned(),
                AlertPhase::InAction => "in action".to_owned(),
                AlertPhase::Resolved { .. } => "resolved".to_owned(),
                AlertPhase::FalseAlarm { .. } => "false alarm".to_owned(),
            },
        },
    }
}

fn plan_machine() -> Machine {
    let mut draft = Script::new();
    draft.must("cora", 0, plans::draft(&[], plans::content("een")));
    let hash = draft.state.plan(THING).unwrap().hash;
    let other = plans::content("twee").hash();
    let says = |says| Statement::Plan(says);
    let functions = vec!["police".to_owned(), "veilig-thuis".to_owned()];
    let propose = |hash| says(PlanSays::Propose { plan: THING, hash, functions: functions.clone() });
    let approve = |hash| says(PlanSays::Approve { plan: THING, hash });
    let reject = says(PlanSays::Reject { plan: THING, hash, reason: "te vaag".to_owned() });
    let review = Statement::Deadline(Deadline::PlanReview { plan: THING });
    let order = Statement::Deadline(Deadline::OrderEnds { plan: THING });
    let day = Timestamp::DAY / MINUTE;

    let mut proposed = draft.clone();
    proposed.must("cora", 1, propose(hash));
    let mut half = proposed.clone();
    half.must("pim", 2, approve(hash));
    let mut active = half.clone();
    active.must("cora", 3, approve(hash));
    // Another one came into force meanwhile, beside which this one stands.
    let mut beside = half.clone();
    let another = beside.must("cora", 3, plans::draft(&[], plans::content("twee")));
    beside.must("cora", 3, says(PlanSays::Propose { plan: another, hash: other, functions: functions.clone() }));
    for name in ["pim", "cora"] {
        beside.must(name, 4, says(PlanSays::Approve { plan: another, hash: other }));
    }
    beside.must("cora", 5, approve(hash));
    let mut superseded = active.clone();
    let next = superseded.must("cora", 4, plans::draft(&[THING], plans::content("twee")));
    superseded.must("cora", 4, says(PlanSays::Propose { plan: next, hash: other, functions: functions.clone() }));
    for name in ["pim", "cora"] {
        superseded.must(name, 5, says(PlanSays::Approve { plan: next, hash: other }));
    }
    let mut rejected = proposed.clone();
    rejected.must("pim", 2, reject.clone());
    Machine {
        title: "Safety plan",
        intro: "A first version, written by cora, proposed to the police and Veilig Thuis. Its review date is day 14, and a \
                restraining order ends on day 10. `approved` has another version in force beside it that was not \
                written on top of it: somebody has to merge the two.",
        begins: ("draft with a condition", plans::draft(&[], plans::content("een"))),
        situations: vec![
            ("draft", draft),
            ("proposed, 0 approvals", proposed),
            ("proposed, 1 approval", half),
            ("active", active),
            ("approved", beside),
            ("superseded", superseded),
            ("rejected", rejected),
        ],
        moves: vec![
            ("propose", 9, propose(hash)),
            ("approve", 9, approve(hash)),
            ("approve another content", 9, approve(other)),
            ("reject", 9, reject),
            ("order ends, day 7", 7 * day, order.clone()),
            ("order ends, day 8", 8 * day, order),
            ("review, day 13", 13 * day, review.clone()),
            ("review, day 14", 14 * day, review),
        ],
        phase: |state| match state.plan(THING) {
            None => "none".to_owned(),
            Some(plan) => match &plan.phase {
                PlanPhase::Draft => "draft".to_owned(),
                PlanPhase::Proposed if plan.approvals.len() == 1 => "proposed, 1 approval".to_owned(),
                PlanPhase::Proposed => format!("proposed, {} approvals", plan.approvals.len()),
                PlanPhase::Approved => "approved".to_owned(),
                PlanPhase::Active => {
                    let task = if state.open_tasks().next().is_some() { " and a task" } else { "" };
                    format!("active{task}")
                }
                PlanPhase::Superseded => "superseded".to_owned(),
                PlanPhase::Rejected { .. } => "rejected".to_owned(),
            },
        },
    }
}

fn task_machine() -> Machine {
    let says = |says| Statement::Task(says);
    let due = START.plus(60 * MINUTE);
    let text = || "zo".to_owned();
    let accept = says(TaskSays::Accept { task: THING });
    let done = says(TaskSays::Done { task: THING, result: text() });
    let decline = says(TaskSays::Decline { task: THING, reason: text() });
    let verify = says(TaskSays::Verify { task: THING });
    let cancel = says(TaskSays::Cancel { task: THING, reason: text() });
    let overdue = Statement::Deadline(Deadline::TaskOverdue { task: THING, due });

    let mut open = Script::new();
    open.must("cora", 0, tasks::create("huisbezoek", Some("mees"), Some(due)));
    let mut unassigned = Script::new();
    unassigned.must("cora", 0, tasks::create("huisbezoek", None, Some(due)));
    let mut declined = open.clone();
    declined.must("mees", 1, decline.clone());
    let mut accepted = open.clone();
    accepted.must("mees", 1, accept.clone());
    let mut late = accepted.clone();
    late.must("pim", 60, overdue.clone());
    let mut finished = accepted.clone();
    finished.must("mees", 2, done.clone());
    let mut verified = finished.clone();
    verified.must("cora", 3, verify.clone());
    let mut cancelled = open.clone();
    cancelled.must("cora", 3, cancel.clone());
    let mut returned = accepted.clone();
    returned.leaves("mees");
    Machine {
        title: "Task",
        intro: "Made by cora for mees, due at minute 60. `returned` is a task whose owner mees has left the case.",
        begins: ("create for mees", tasks::create("huisbezoek", Some("mees"), Some(due))),
        situations: vec![
            ("open, of mees", open),
            ("open", unassigned),
            ("declined", declined),
            ("accepted, of mees", accepted),
            ("accepted, of mees, overdue", late),
            ("done, of mees", finished),
            ("verified, of mees", verified),
            ("cancelled, of mees", cancelled),
            ("open, returned", returned),
        ],
        moves: vec![
            ("accept", 5, accept),
            ("decline", 5, decline),
            ("assign to pim", 5, says(TaskSays::Assign { task: THING, owner: Some(who("pim")), due: Some(due) })),
            ("done", 5, done),
            ("verify", 5, verify),
            ("reopen", 5, says(TaskSays::Reopen { task: THING, reason: text() })),
            ("cancel", 5, cancel),
            ("overdue, minute 59", 59, overdue.clone()),
            ("overdue, minute 60", 60, overdue),
        ],
        phase: |state| match state.task(THING) {
            None => "none".to_owned(),
            Some(task) => {
                let phase = match &task.phase {
                    TaskPhase::Open => "open",
                    TaskPhase::Declined { .. } => "declined",
                    TaskPhase::Accepted => "accepted",
                    TaskPhase::Done { .. } => "done",
                    TaskPhase::Verified { .. } => "verified",
                    TaskPhase::Cancelled { .. } => "cancelled",
                };
                let owner = task.owner.as_ref().map(|owner| format!(", of {}", owner.name())).unwrap_or_default();
                let overdue = if task.overdue { ", overdue" } else { "" };
                let returned = if task.returned { ", returned" } else { "" };
                format!("{phase}{owner}{overdue}{returned}")
            }
        },
    }
}

/// A handover to mees, in each of its phases.
fn handover_situations() -> Vec<(&'static str, Script)> {
    let mut announced = Script::new();
    let offer = || handovers::offer(&["mees"], Some(60));
    assert_eq!(announced.says_as(THING, "cora", 0, handovers::offers(offer())), Verdict::Legal);
    let mut offered = Script::new();
    handovers::stands(&mut offered, THING, "cora", offer());
    let mut received = offered.clone();
    received.must("mees", 1, handovers::says(HandoverSays::Received { handover: THING }));
    let mut opened = offered.clone();
    handovers::reads(&mut opened, THING, "mees");
    let mut written = opened.clone();
    written.must("mees", 3, handovers::synthesis(THING));
    let mut understood = opened.clone();
    handovers::understands(&mut understood, THING, "cora", "mees");
    let mut ready = understood.clone();
    handovers::readies(&mut ready, THING, "mees");
    let mut completed = ready.clone();
    completed.takes("cora", &DutyStep::Complete { offer: THING }).unwrap();
    let mut expired = offered.clone();
    expired.must("pim", 60, handovers::expires(THING));
    let ended = |name| {
        let mut script = offered.clone();
        script.takes(name, &DutyStep::End { offer: THING }).unwrap();
        script
    };
    let (declined, withdrawn, cleared) = (ended("mees"), ended("cora"), ended("dirk"));
    vec![
        ("announced", announced),
        ("offered", offered),
        ("received", received),
        ("received, opened", opened),
        ("received, opened, synthesis", written),
        ("understood", understood),
        ("ready", ready),
        ("completed", completed),
        ("expired", expired),
        ("declined", declined),
        ("withdrawn", withdrawn),
        ("cleared", cleared),
    ]
}

fn handover_phase(state: &CaseState) -> String {
    let Some(handover) = state.handover(THING) else { return "none".to_owned() };
    let reception = &handover.receptions[0];
    let phase = match &handover.phase {
        HandoverPhase::Open if !handover.standing => "announced",
        HandoverPhase::Open if reception.ready.is_some() => "ready",
        HandoverPhase::Open if reception.understood => "understood",
        HandoverPhase::Open if reception.received.is_none() => "offered",
        HandoverPhase::Open if reception.opened.len() < 2 => "received",
        HandoverPhase::Open => match &reception.synthesis {
            None => "received, opened",
            Some(synthesis) if synthesis.correction.is_none() => "received, opened, synthesis",
            Some(_) => "received, opened, corrected",
        },
        HandoverPhase::Expired => "expired",
        HandoverPhase::Completed { .. } => "completed",
        HandoverPhase::Declined { .. } => "declined",
        HandoverPhase::Withdrawn { .. } => "withdrawn",
        HandoverPhase::Cleared { .. } => "cleared",
    };
    phase.to_owned()
}

fn handover_machine() -> Machine {
    let says = handovers::says;
    let text = || "woorden".to_owned();
    let situations = handover_situations();
    let written = situations.iter().find(|(from, _)| *from == "received, opened, synthesis").expect("there");
    let synthesis = written.1.state.handover(THING).unwrap().receptions[0].synthesis.as_ref().unwrap().item;
    Machine {
        title: "Handover: what is said",
        intro: "Offered by cora, who is responsible, to mees, with a dossier of two sections, to be taken by minute 60. \
                `announced` is an offer that the members have not agreed on; `received, opened` is one whose sections \
                have all been opened.",
        begins: ("offer", handovers::offers(handovers::offer(&["mees"], Some(60)))),
        situations,
        moves: vec![
            ("received", 10, says(HandoverSays::Received { handover: THING })),
            ("opened the first section", 10, says(HandoverSays::Opened { handover: THING, section: 0 })),
            ("ask", 10, says(HandoverSays::Ask { handover: THING, text: text() })),
            ("synthesis", 10, handovers::synthesis(THING)),
            ("correct", 10, says(HandoverSays::Correct { handover: THING, synthesis, text: text() })),
            ("reason of its end", 10, says(HandoverSays::Reason { handover: THING, text: text() })),
            ("expired, minute 59", 59, handovers::expires(THING)),
            ("expired, minute 60", 60, handovers::expires(THING)),
        ],
        phase: handover_phase,
    }
}

/// A step, by whoever takes it.
type StepBy = Box<dyn Fn(&str) -> DutyStep>;

/// What the members agree on by Commits: every step in every phase.
fn commits(page: &mut String) {
    page.push_str(
        "\n## Handover: what is committed\n\nThe same handover. These steps are Commits, judged by every member before \
         they are merged; responsibility follows them alone.\n\n| from | step | by | becomes | responsible |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    let receiver = || who("mees");
    for (from, script) in handover_situations() {
        let reception = script.state.handover(THING).map(|handover| &handover.receptions[0]);
        let synthesis = reception.and_then(|reception| reception.synthesis.as_ref()).map(|synthesis| synthesis.hash);
        let synthesis = synthesis.unwrap_or(ContentHash::of(b"none"));
        let offer = handovers::offer(&["mees"], Some(60));
        let hash = handovers::offers(offer.clone()).hash();
        let rows: [(&str, StepBy); 5] = [
            ("offer", Box::new(move |by| DutyStep::Offer(offer.step(THING, hash, who(by))))),
            ("confirm", Box::new(move |_| DutyStep::Confirm { offer: THING, receiver: receiver(), synthesis })),
            ("ready", Box::new(move |_| DutyStep::Ready { offer: THING, receiver: receiver(), start: START })),
            ("complete", Box::new(|_| DutyStep::Complete { offer: THING })),
            ("end", Box::new(|_| DutyStep::End { offer: THING })),
        ];
        for (what, step) in rows {
            let outcome = |actor: &str| {
                let mut script = script.clone();
                match script.takes(actor, &step(actor)) {
                    Ok(()) => {
                        let names: Vec<_> =
                            script.state.responsible().iter().map(|who| who.name().to_owned()).collect();
                        format!("**{}** | {}", handover_phase(&script.state), names.join(", "))
                    }
                    Err(refused) => format!("refused: {refused} | "),
                }
            };
            grouped(page, &format!("{from} | {what}"), outcome);
        }
    }
    page.push_str(
        "\n## Closing: what is committed\n\nEverybody is of one organisation, which states and holds as a whole.\n\n\
         | from | step | by | becomes |\n| --- | --- | --- | --- |\n",
    );
    let organisation = || "zorg.example".to_owned();
    let statement = FileStatement::Exported;
    let moves: [(&str, DutyStep); 7] = [
        ("propose", DutyStep::ProposeClosing { keep_days: 30 }),
        ("take the proposal back", DutyStep::WithdrawClosing),
        ("state", DutyStep::State { organisation: organisation(), statement }),
        ("close", DutyStep::Close),
        ("hold", DutyStep::Hold { organisation: organisation() }),
        ("lift the hold", DutyStep::Lift { organisation: organisation() }),
        ("erase", DutyStep::Erase),
    ];
    let phase = |script: &Script| {
        let stage = match script.duties.closing() {
            None => "open",
            Some(closing) => match closing.stage {
                ClosingStage::Proposed if closing.statements.is_empty() => "proposed",
                ClosingStage::Proposed => "proposed, stated",
                ClosingStage::Closed => "closed",
                ClosingStage::Erasing => "erased",
            },
        };
        format!("{stage}{}", if script.duties.holds().is_empty() { "" } else { ", held" })
    };
    let mut script = Script::new();
    let mut situations = vec![script.clone()];
    for step in [0, 2, 3, 6] {
        script.takes("cora", &moves[step].1).unwrap();
        situations.push(script.clone());
    }
    let mut held = situations[3].clone();
    held.takes("mees", &moves[4].1).unwrap();
    situations.insert(4, held);
    for script in situations {
        for (what, step) in &moves {
            let outcome = |actor: &str| {
                let mut script = script.clone();
                match script.takes(actor, step) {
                    Ok(()) => format!("**{}**", phase(&script)),
                    Err(refused) => format!("refused: {refused}"),
                }
            };
            grouped(page, &format!("{} | {what}", phase(&script)), outcome);
        }
    }
}

/// Writes one line for all actors who come to the same.
fn grouped(page: &mut String, what: &str, outcome: impl Fn(&str) -> String) {
    let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
    for actor in ACTORS {
        let outcome = outcome(actor);
        match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, actors)) => actors.push(actor),
            None => outcomes.push((outcome, vec![actor])),
        }
    }
    for (outcome, actors) in outcomes {
        let by = if actors.len() == ACTORS.len() { "anybody".to_owned() } else { actors.join(", ") };
        writeln!(page, "| {what} | {by} | {outcome} |").unwrap();
    }
}

#[test]
fn the_page_of_states_is_what_the_code_does() {
    let mut page = HEAD.to_owned();
    for machine in [alert_machine(), plan_machine(), task_machine(), handover_machine()] {
        table(&machine, &mut page);
    }
    commits(&mut page);
    if std::env::var_os("KRING_WRITE_STATES").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/states.md");
        std::fs::write(path, &page).expect("written");
        return;
    }
    assert!(PAGE == page, "docs/states.md is not what the code does; make it anew as it says");
}
