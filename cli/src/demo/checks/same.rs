//! Everybody who was there has the same items in the same order: messages, and all else that was said in the case.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use kring_client::case::{Body, Item};

use super::{Copy, line, name, reference};
use crate::demo::play::Played;
use crate::demo::scenario::{Scenario, Who};
use crate::demo::timeline::CheckLine;

/// Hexadecimal digits of a digest that are shown.
const SHOWN: usize = 16;

/// Each message once, with its author and its words; and every device's items are, in the same order, those said while
/// it was in the case.
pub(in crate::demo) fn same(scenario: &Scenario, played: &Played, copies: &[Copy]) -> Vec<CheckLine> {
    let Some(reference) = reference(copies, played) else {
        let evidence = vec!["no device was in the case from the first message to the last".to_owned()];
        return vec![line("same_items", SAME, false, evidence)];
    };
    vec![complete(scenario, played, reference), equal(scenario, played, copies, reference)]
}

const COMPLETE: &str = "every message stands in the log once, with its author and its words";
const SAME: &str = "every device that was a member has the same items in the same order";

fn complete(scenario: &Scenario, played: &Played, reference: &Copy) -> CheckLine {
    let mut wrong = Vec::new();
    for (told, said) in played.told.iter().zip(scenario.said()) {
        let found: Vec<&Item> = reference.find(told.item).collect();
        let author = &scenario.person(told.by).address;
        match found[..] {
            [item] if item.author.professional == *author && item.body.text() == Some(said.text.as_str()) => {}
            [_] => wrong.push(format!("a message of {} has another author or other words", name(scenario, told.by))),
            _ => wrong.push(format!("a message of {} is there {} times", name(scenario, told.by), found.len())),
        }
    }
    let messages = reference.items.iter().filter(|item| item.body.text().is_some()).count();
    let extra = messages.saturating_sub(played.told.len());
    let holds = wrong.is_empty() && extra == 0 && played.told.len() == scenario.said().count();
    let mut evidence = vec![format!(
        "{} messages said, {messages} in the log of {}, beside {} items of other kinds",
        played.told.len(),
        name(scenario, reference.who),
        reference.items.len() - messages
    )];
    evidence.extend(wrong);
    line("complete", COMPLETE, holds, evidence)
}

fn equal(scenario: &Scenario, played: &Played, copies: &[Copy], reference: &Copy) -> CheckLine {
    let mut holds = true;
    let mut whole = Vec::new();
    let mut evidence = Vec::new();
    let digest_of_all = digest(reference.items.iter());
    for copy in copies {
        let expected: Vec<&Item> =
            reference.items.iter().filter(|item| was_member(scenario, played, copy.who, item, reference)).collect();
        let own = digest(copy.items.iter());
        let equal = own == digest(expected.iter().copied());
        let ascending = copy.items.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        holds &= equal && ascending;
        if equal && expected.len() == reference.items.len() {
            whole.push(name(scenario, copy.who));
        } else {
            evidence.push(format!(
                "{}: {} of {} items, digest {}, {}",
                name(scenario, copy.who),
                copy.items.len(),
                reference.items.len(),
                &own[..SHOWN],
                if equal { "that of the others for the same time" } else { "NOT that of the others" }
            ));
        }
    }
    let all = format!(
        "digest {} over {} items at {} devices: {}",
        &digest_of_all[..SHOWN],
        reference.items.len(),
        whole.len(),
        whole.join(", ")
    );
    evidence.insert(0, all);
    line("same_items", SAME, holds, evidence)
}

/// Two who changed the case at one moment: the relay took one, and the other did it again by itself.
pub(in crate::demo) fn races(played: &Played, concurrent: usize, commits: usize, expected: usize) -> CheckLine {
    let claim = "of two who change the case at once both get what they wanted, one after the other";
    if concurrent == 0 {
        return line("commit_race", claim, None, Vec::new());
    }
    let lost = match played.lost_races {
        0 => "this time they did not meet: none had to be made again".to_owned(),
        lost => format!("the relay refused {lost} of them whose epoch had ended; its device made it again unnoticed"),
    };
    let evidence = vec![
        format!(
            "{commits} Commits in the log for {expected} changes of the members and of who answers for the family"
        ),
        lost,
    ];
    line("commit_race", claim, commits >= expected, evidence)
}

/// Whether somebody was in the case when an item was said: for messages as the script says, for all else by the log.
fn was_member(scenario: &Scenario, played: &Played, who: Who, item: &Item, reference: &Copy) -> bool {
    match played.told.iter().find(|told| told.item == item.id) {
        Some(told) => told.members.contains(&who),
        None => reference.had(&scenario.person(who).address, item),
    }
}

/// SHA-256 over record, identifier, author, and text or statement of each item, in order, with the lengths.
fn digest<'a>(items: impl Iterator<Item = &'a Item>) -> String {
    let mut context = Context::new(&SHA256);
    for item in items {
        let author = item.author.to_uri();
        let said = match &item.body {
            Body::Statement(statement) => statement.encode(),
            body => body.text().unwrap_or_default().as_bytes().to_vec(),
        };
        context.update(&item.seq.0.to_be_bytes());
        context.update(&item.id.0);
        for part in [author.as_bytes(), &said] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
    }
    context.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
