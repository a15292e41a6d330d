//! Somebody answered for the family at every record, and every device sees the case alike.
//!
//! Responsibility follows the group's Commits alone. Each device keeps them as it merged them; that it holds all of them
//! is seen by comparing with the log that was read from the relay.

use std::collections::BTreeMap;

use kring_client::case::{CaseState, CaseView, Change, LogEntry};
use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Seq;

use super::{Copy, line, name};
use crate::demo::play::Played;
use crate::demo::scenario::{Scenario, Who};
use crate::demo::timeline::CheckLine;

/// Hexadecimal digits of a hash that are shown.
const SHOWN: usize = 16;

const OWNED: &str = "somebody was responsible for the family at every record, as every device saw it";
const SAME: &str = "every device in the case has the same state of it, byte for byte";

/// Who was responsible from a record on: professionals with a device in the group. Empty: nobody.
type Owners = Vec<ProfessionalAddress>;

/// Follows every device's Commits. `commits`: those that the relay's log holds; `ends`: where each device stands.
pub(in crate::demo) fn responsible(
    scenario: &Scenario,
    copies: &[Copy],
    reference: Option<&Copy>,
    commits: &[Seq],
    ends: &BTreeMap<Who, CaseView>,
) -> CheckLine {
    let Some(reference) = reference else {
        return line("responsible", OWNED, false, vec!["no device was there from the first message on".to_owned()]);
    };
    let all = owners(&reference.changes);
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for copy in copies {
        let who = name(scenario, copy.who);
        let own = owners(&copy.changes);
        let left = ends.get(&copy.who).map(|view| view.seq);
        if let Some(missed) = missed(&copy.changes, commits, left) {
            wrong.push(format!("{who}: Commit {missed} is in the log and not on the device"));
        }
        for (seq, owners) in &own {
            if owners.is_empty() {
                wrong.push(format!("{who}: NOBODY from record {seq} on"));
            }
            if at(&all, *seq) != Some(owners) {
                wrong.push(format!("{who}: another person than on the first device from record {seq} on"));
            }
        }
        let state: Owners = copy.state.responsible().into_iter().cloned().collect();
        if own.last().is_none_or(|(_, owners)| *owners != state) {
            wrong.push(format!("{who}: the state at the end names somebody else than the last Commit"));
        }
        seen.push(format!("{who} {}", own.len()));
    }
    let mut spans: Vec<String> = Vec::new();
    let mut before = None;
    for (seq, owners) in &all {
        if before.replace(owners) != Some(owners) {
            spans.push(format!("{} from record {} on", names(scenario, owners), seq.0.max(1)));
        }
    }
    let mut evidence = vec![
        spans.join(", then "),
        format!(
            "followed over {} Commits at the relay, which alone move it; seen by: {}",
            commits.len(),
            seen.join(", ")
        ),
    ];
    let holds = wrong.is_empty() && !all.is_empty();
    evidence.extend(wrong);
    line("responsible", OWNED, holds, evidence)
}

/// The state of the case at everybody who is in it at the end.
pub(in crate::demo) fn same_state(scenario: &Scenario, played: &Played, copies: &[Copy]) -> CheckLine {
    let there: Vec<&Copy> = copies.iter().filter(|copy| played.members.contains(&copy.who)).collect();
    let mut by_hash: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for copy in &there {
        let joined = match copy.changes.first().map(|change| change.seq) {
            Some(Seq(0)) | None => String::new(),
            Some(seq) => format!(" (joined at record {seq})"),
        };
        let who = format!("{}{joined}", name(scenario, copy.who));
        by_hash.entry(copy.state.hash().to_hex()).or_default().push(who);
    }
    let disputes = there.iter().map(|copy| copy.state.disputes().len()).max().unwrap_or_default();
    let mut evidence: Vec<String> = by_hash
        .iter()
        .map(|(hash, who)| format!("hash {} at {} devices: {}", &hash[..SHOWN], who.len(), who.join(", ")))
        .collect();
    evidence.push(format!("{disputes} disputes of what those who joined were given"));
    let holds = by_hash.len() == 1 && there.len() == played.members.len() && disputes == 0;
    line("same_state", SAME, holds, evidence)
}

/// Who was responsible from each Commit on.
fn owners(changes: &[Change]) -> Vec<(Seq, Owners)> {
    let mut state = CaseState::new();
    let after = |change: &Change| {
        state.apply(&LogEntry::Changed(change.clone()));
        let present =
            |who: &&ProfessionalAddress| state.members().person(who).is_some_and(|person| person.present.is_some());
        (change.seq, state.responsible().into_iter().filter(present).cloned().collect())
    };
    changes.iter().map(after).collect()
}

/// Who was responsible after a record.
fn at(owners: &[(Seq, Owners)], record: Seq) -> Option<&Owners> {
    owners.iter().rev().find(|(seq, _)| *seq <= record).map(|(_, owners)| owners)
}

/// The first Commit since a device's joining that it does not hold. The one that removed it, at which it stands, it need
/// not hold.
fn missed(changes: &[Change], commits: &[Seq], stands: Option<Seq>) -> Option<Seq> {
    let first = changes.first().map_or(Seq(0), |change| change.seq);
    let until = stands.unwrap_or(Seq(u64::MAX));
    let since = commits.iter().copied().filter(|commit| (first..=until).contains(commit));
    let holds = |commit: &Seq| changes.iter().any(|change| change.seq == *commit);
    let last_known = changes.last().map_or(Seq(0), |change| change.seq);
    let removal = |commit: &Seq| *commit == until && *commit > last_known && !changes.is_empty();
    since.into_iter().find(|commit| !holds(commit) && !removal(commit))
}

fn names(scenario: &Scenario, owners: &Owners) -> String {
    let name = |owner: &ProfessionalAddress| {
        let person = scenario.people.iter().find(|person| person.address == *owner);
        person.map_or_else(|| owner.to_string(), |person| person.name.to_string())
    };
    if owners.is_empty() { "NOBODY".to_owned() } else { owners.iter().map(name).collect::<Vec<_>>().join(" and ") }
}

#[cfg(test)]
mod tests {
    use kring_client::case::{Duties, Person, Present, Role};
    use kring_protocol::ids::{Epoch, GroupId};

    use super::*;

    fn who(name: &str) -> ProfessionalAddress {
        ProfessionalAddress::new(name, "zorg.example").expect("an address")
    }

    fn change(seq: u64, people: &[(&str, Role, bool)]) -> Change {
        let present =
            || Present { name: "N".to_owned(), organisation: "O".to_owned(), function: "police".to_owned() };
        let person = |(name, role, there): &(&str, Role, bool)| Person {
            professional: who(name),
            role: *role,
            present: there.then(present),
        };
        Change {
            group: GroupId([1; 16]),
            epoch: Epoch(seq),
            seq: Seq(seq),
            by: None,
            people: people.iter().map(person).collect(),
            duties: Duties::default(),
        }
    }

    #[test]
    fn a_record_at_which_nobody_answers_is_seen() {
        let anne = ("anne", Role::Coordinator, true);
        let changes = [
            change(0, &[anne]),
            change(3, &[("anne", Role::Coordinator, false), ("bo", Role::Member, true)]),
            change(5, &[("anne", Role::Member, true)]),
            change(8, &[anne]),
        ];
        let found: Vec<bool> = owners(&changes).into_iter().map(|(_, owners)| owners.is_empty()).collect();
        assert_eq!(found, [false, true, true, false]);
        assert_eq!(at(&owners(&changes), Seq(4)), Some(&Owners::new()));
        assert_eq!(at(&owners(&changes), Seq(9)), Some(&vec![who("anne")]));
    }

    #[test]
    fn a_commit_that_a_device_does_not_hold_is_missed_except_its_own_removal() {
        let changes = [change(2, &[]), change(5, &[])];
        let commits = [1, 2, 5, 7].map(Seq);
        assert_eq!(missed(&changes, &commits, Some(Seq(9))), Some(Seq(7)));
        assert_eq!(missed(&changes, &commits, Some(Seq(7))), None, "it was removed there");
        assert_eq!(missed(&changes[..1], &commits, Some(Seq(7))), Some(Seq(5)));
    }
}
