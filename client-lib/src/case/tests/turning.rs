use super::handovers::{offer, offers, synthesis};
use super::*;
use crate::case::handover::HandoverSays;

const ID: ItemId = ItemId([0xa0; 16]);

/// What the last change of the log was about.
fn last(script: &Script) -> Vec<CaseStep> {
    let changes = script.log.iter().filter_map(|entry| match entry {
        LogEntry::Changed(change) => Some(change),
        LogEntry::Said(_) => None,
    });
    let changes: Vec<_> = changes.collect();
    changes[changes.len() - 1].since(changes[changes.len() - 2])
}

fn only(script: &Script, step: &CaseStep) {
    assert!(last(script) == [step.clone()], "and nothing else");
}

/// Mees, and pim where they are to, can start.
fn ready(to: &[&str]) -> Script {
    let mut script = Script::new();
    let (standing, statement) = (offer(to, None), offers(offer(to, None)));
    assert_eq!(script.says_as(ID, "cora", 0, statement.clone()), Verdict::Legal);
    script.takes("cora", &DutyStep::Offer(standing.step(ID, statement.hash(), who("cora")))).unwrap();
    only(&script, &CaseStep::Stands(ID));
    for name in to {
        script.must(name, 1, Statement::Handover(HandoverSays::Received { handover: ID }));
        for section in 0..2 {
            script.must(name, 1, Statement::Handover(HandoverSays::Opened { handover: ID, section }));
        }
        script.must(name, 2, synthesis(ID));
        let (receiver, synthesis) = (who(name), synthesis(ID).hash());
        script.takes("cora", &DutyStep::Confirm { offer: ID, receiver, synthesis }).unwrap();
        only(&script, &CaseStep::Confirmed(ID, who(name)));
        let (receiver, start) = (who(name), START);
        script.takes(name, &DutyStep::Ready { offer: ID, receiver, start }).unwrap();
        only(&script, &CaseStep::Ready(ID, who(name), START));
    }
    script
}

#[test]
fn what_a_commit_meant_is_told_as_its_steps() {
    let mut script = ready(&["mees", "pim"]);
    let (mut lost, mut gone, mut ended) = (script.clone(), script.clone(), script.clone());
    script.takes("pim", &DutyStep::Complete { offer: ID }).unwrap();
    let both = CaseStep::Responsible(vec![who("mees"), who("pim")]);
    assert!(last(&script) == [CaseStep::Completed(ID), both]);

    lost.leaves("mees");
    assert!(last(&lost) == [CaseStep::Went(who("mees")), CaseStep::Reopened(ID, who("mees"))]);
    // Who is gone leaves the family to somebody else, and that is no completion.
    gone.duties = gone.duties.without(&who("cora"), Some(&who("mees")));
    gone.leaves("cora");
    let heir = CaseStep::Responsible(vec![who("mees")]);
    assert!(last(&gone) == [CaseStep::Went(who("cora")), CaseStep::SenderGone(ID), heir]);

    for (name, step) in
        [("cora", CaseStep::Withdrawn(ID)), ("mees", CaseStep::Declined(ID)), ("dirk", CaseStep::Cleared(ID))]
    {
        let mut script = ended.clone();
        script.takes(name, &DutyStep::End { offer: ID }).unwrap();
        only(&script, &step);
    }
    ended.takes("cora", &DutyStep::End { offer: ID }).unwrap();
    ended.takes("mees", &DutyStep::Hold { organisation: "zorg.example".to_owned() }).unwrap();
    only(&ended, &CaseStep::Held("zorg.example".to_owned()));
    ended.takes("cora", &DutyStep::ProposeClosing { keep_days: 9 }).unwrap();
    only(&ended, &CaseStep::ClosingProposed(9));
    let (organisation, statement) = ("zorg.example".to_owned(), FileStatement::Exported);
    ended.takes("mees", &DutyStep::State { organisation: organisation.clone(), statement }).unwrap();
    only(&ended, &CaseStep::Stated(organisation, statement));
    ended.takes("cora", &DutyStep::Close).unwrap();
    only(&ended, &CaseStep::Closed);
}
