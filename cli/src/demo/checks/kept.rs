//! What the relay had acknowledged before it was killed is there afterwards, at the record that it had named.

use super::{Copy, line};
use crate::demo::play::Played;
use crate::demo::timeline::CheckLine;

const CLAIM: &str = "nothing that the relay acknowledged before it was killed is missing";
/// SIGKILL, which a process cannot handle.
const SIGKILL: i32 = 9;

/// Compares the receipts from before each kill with the log at the end.
pub(in crate::demo) fn kept(played: &Played, reference: Option<&Copy>) -> CheckLine {
    let (Some(reference), false) = (reference, played.kills.is_empty()) else {
        return line("kept", CLAIM, if played.kills.is_empty() { None } else { Some(false) }, Vec::new());
    };
    let mut holds = true;
    let mut evidence = Vec::new();
    for kill in &played.kills {
        let at_its_record = kill.acknowledged.iter().filter(|(place, seq)| {
            let mut found = reference.find(played.told[*place].item);
            found.next().is_some_and(|item| item.seq == *seq) && found.next().is_none()
        });
        let there = at_its_record.count();
        holds &= there == kill.acknowledged.len() && kill.signal == Some(SIGKILL);
        evidence.push(format!(
            "killed with signal {}, running again after {} ms; {there} of {} acknowledged messages at their record; \
             {} on their way were sent again by their devices",
            kill.signal.map_or_else(|| "unknown".to_owned(), |signal| signal.to_string()),
            kill.restart.map_or(0, |restart| restart.as_millis()),
            kill.acknowledged.len(),
            kill.unacknowledged,
        ));
    }
    line("kept", CLAIM, holds, evidence)
}
