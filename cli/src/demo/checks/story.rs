//! The story was told once: who takes over has every message in the words of who said it, proven by that device's
//! signature, and nobody wrote it again.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kring_client::case::dossier::{DossierEntry, DossierSection};
use kring_client::case::handover::{HandoverPhase, HandoverSays};
use kring_client::case::{Body, Item, ItemId, Sensitivity, Statement};

use kring_protocol::ids::Seq;

use super::{Copy, line, name};
use crate::demo::play::Played;
use crate::demo::scenario::Scenario;
use crate::demo::timeline::CheckLine;

/// Characters in a row that nobody writes twice by chance, and that a quotation of somebody's own words does not reach:
/// about one line of a page.
const PASSAGE: usize = 80;

const CLAIM: &str =
    "the story was told once: whoever takes over has it in the words of those who told it, proven theirs";

/// Compares the dossiers that were opened with the log from which they were made.
pub(in crate::demo) fn story(
    scenario: &Scenario,
    played: &Played,
    copies: &[Copy],
    reference: Option<&Copy>,
) -> CheckLine {
    let completed: Vec<_> = played.handovers.iter().filter(|handover| handover.completed).collect();
    let (Some(reference), false) = (reference, completed.is_empty()) else {
        return line("story_once", CLAIM, if completed.is_empty() { None } else { Some(false) }, Vec::new());
    };
    let mut holds = true;
    let mut evidence = Vec::new();
    for handover in completed {
        let stands = reference.state.handover(handover.handover);
        holds &= stands.is_some_and(|stands| matches!(stands.phase, HandoverPhase::Completed { .. }));
        holds &= handover.opened.len() == handover.handing.to.len();
        for (who, sections) in &handover.opened {
            let joined = copies.iter().find(|copy| copy.who == *who).and_then(|copy| copy.changes.first());
            evidence.push(format!(
                "{} joined at record {}; {} handed over at record {}",
                name(scenario, *who),
                joined.map_or(0, |change| change.seq.0),
                name(scenario, handover.from),
                handover.offered
            ));
            let read = Reading::of(sections, &reference.items, handover.offered);
            holds &= read.holds();
            evidence.extend(read.evidence());
        }
    }
    let texts: Vec<Vec<String>> = reference.items.iter().map(told).collect();
    let (again, passages) = told_again(&texts);
    evidence.push(format!(
        "{again} of {passages} passages of {PASSAGE} characters were written a second time by anybody"
    ));
    line("story_once", CLAIM, holds && again == 0 && passages > 0, evidence)
}

/// What came of reading one dossier against the log.
#[derive(Default)]
struct Reading {
    /// Messages before the offer, and how many of them are in it once.
    said: usize,
    there: usize,
    /// Other items in it, such as the plan.
    others: usize,
    /// Proven items, by the names of their authors.
    proven: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Reading {
    fn of(sections: &[DossierSection], items: &[Item], offered: Seq) -> Self {
        let mut reading = Self::default();
        let mut seen: BTreeSet<ItemId> = BTreeSet::new();
        for entry in sections.iter().flat_map(|section| &section.entries) {
            match original(entry, items) {
                Ok(item) => {
                    if !seen.insert(item.id) {
                        reading.wrong.push(format!("record {} is in it twice", item.seq));
                    }
                    reading.others += usize::from(item.body.text().is_none());
                    *reading.proven.entry(item.author_name.clone()).or_default() += 1;
                }
                Err(problem) => reading.wrong.push(problem),
            }
        }
        let may_travel = |item: &&Item| {
            item.seq < offered
                && item.body.text().is_some()
                && item.sensitivity == Sensitivity::Normal
                && item.replaced_by.is_none()
        };
        for item in items.iter().filter(may_travel) {
            reading.said += 1;
            reading.there += usize::from(seen.contains(&item.id));
        }
        reading
    }

    fn holds(&self) -> bool {
        self.wrong.is_empty() && self.said > 0 && self.said == self.there
    }

    fn evidence(&self) -> Vec<String> {
        let proven: Vec<String> = self.proven.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let mut evidence = vec![
            format!(
                "{} of {} messages from before are in the dossier, and {} other items",
                self.there, self.said, self.others
            ),
            format!("proven by the signature of their author's own device: {}", proven.join(", ")),
        ];
        evidence.extend(self.wrong.iter().cloned());
        evidence
    }
}

/// The item of the log that an entry is, if it is that item in everything that its author signed.
fn original<'a>(entry: &DossierEntry, items: &'a [Item]) -> Result<&'a Item, String> {
    let said = entry.said.as_ref().map_err(|_| "an entry is not proven to be its author's".to_owned())?;
    let Some(item) = items.iter().find(|item| item.id == said.item) else {
        return Err("an entry was never said in the case".to_owned());
    };
    let same = said.author.professional == item.author.professional
        && said.author.device == item.author.device
        && said.sent_at == item.sent_at
        && said.body == item.body;
    if same { Ok(item) } else { Err(format!("record {} has another author, time or words in the dossier", item.seq)) }
}

/// What an item tells in words of its author.
fn told(item: &Item) -> Vec<String> {
    let says = match &item.body {
        Body::Markdown(text) => return vec![text.clone()],
        Body::Statement(statement) => match &**statement {
            Statement::Handover(says) => says,
            _ => return Vec::new(),
        },
        Body::Deleted | Body::Expired | Body::Unknown { .. } => return Vec::new(),
    };
    match says {
        HandoverSays::Offer(offer) => {
            let summary = &offer.summary;
            let texts = [&summary.situation, &summary.background, &summary.assessment, &summary.recommendation];
            texts.into_iter().chain(&offer.actions).chain([&offer.contingency]).cloned().collect()
        }
        HandoverSays::Synthesis { text, .. }
        | HandoverSays::Ask { text, .. }
        | HandoverSays::Answer { text, .. }
        | HandoverSays::Correct { text, .. }
        | HandoverSays::Reason { text, .. } => vec![text.clone()],
        HandoverSays::Received { .. } | HandoverSays::Opened { .. } => Vec::new(),
    }
}

/// How many passages stand in an item and in an earlier one, and how many there are. Breaks of lines do not count.
fn told_again(items: &[Vec<String>]) -> (usize, usize) {
    let spaced = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let items: Vec<Vec<String>> = items.iter().map(|texts| texts.iter().map(spaced).collect()).collect();
    let mut before: HashSet<&str> = HashSet::new();
    let (mut again, mut all) = (0, 0);
    for texts in &items {
        let passages: HashSet<&str> = texts.iter().flat_map(|text| passages(text)).collect();
        all += passages.len();
        again += passages.intersection(&before).count();
        before.extend(passages);
    }
    (again, all)
}

fn passages(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(PASSAGE);
    text.char_indices().zip(ends).map(|((begin, _), end)| &text[begin..end])
}

#[cfg(test)]
mod tests {
    use kring_client::case::dossier::{OriginalItem, Unproven};
    use kring_client::case::{Author, CaseId, Position, Verdict};
    use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
    use kring_protocol::ids::{DeviceId, Epoch, Timestamp};

    use super::*;

    fn author(name: &str) -> DeviceAddress {
        let professional = ProfessionalAddress::new(name, "zorg.example").expect("an address");
        DeviceAddress { professional, device: DeviceId([1; 16]) }
    }

    fn item(record: u8, by: &str) -> Item {
        Item {
            case: CaseId([9; 16]),
            position: Position(record.into()),
            seq: Seq(record.into()),
            epoch: Epoch(1),
            id: ItemId([record; 16]),
            author: author(by),
            author_name: by.to_owned(),
            author_organisation: "O".to_owned(),
            author_function: "police".to_owned(),
            own: false,
            sent_at: Timestamp(5),
            relayed_at: Timestamp(6),
            in_reply_to: None,
            replaces: None,
            about: Vec::new(),
            purpose: None,
            sensitivity: Sensitivity::Normal,
            expires: None,
            replaced_by: None,
            body: Body::Markdown(format!("bericht {record}")),
            verdict: Verdict::Legal,
        }
    }

    fn entry(of: &Item) -> DossierEntry {
        let said = OriginalItem {
            item: of.id,
            author: Author {
                professional: of.author.professional.clone(),
                device: of.author.device,
                name: of.author_name.clone(),
                organisation: of.author_organisation.clone(),
                function: of.author_function.clone(),
            },
            sent_at: of.sent_at,
            about: Vec::new(),
            purpose: None,
            sensitivity: of.sensitivity,
            body: of.body.clone(),
        };
        DossierEntry { source: "s".to_owned(), purpose: "p".to_owned(), relayed_at: of.relayed_at, said: Ok(said) }
    }

    #[test]
    fn a_dossier_that_is_not_the_story_as_it_was_told_is_seen() {
        let items = [item(1, "anne"), item(2, "bo"), item(3, "anne"), item(9, "bo")];
        let holds = |entries: Vec<DossierEntry>| {
            let section = DossierSection { title: "t".to_owned(), entries };
            Reading::of(&[section], &items, Seq(5)).holds()
        };
        let whole = || items[..3].iter().map(entry).collect::<Vec<_>>();
        let changed = |change: fn(&mut OriginalItem)| {
            let mut entries = whole();
            change(entries[1].said.as_mut().expect("proven"));
            entries
        };
        assert!(holds(whole()), "what was said after the offer need not be in it");
        assert!(!holds(items[..2].iter().map(entry).collect()), "one is missing");
        assert!(!holds([whole(), vec![entry(&items[0])]].concat()), "one is there twice");
        assert!(!holds(changed(|said| said.author.professional = author("anne").professional)), "another's words");
        assert!(!holds(changed(|said| said.body = Body::Markdown("in andere woorden".to_owned()))));
        assert!(!holds(changed(|said| said.sent_at = Timestamp(4))));
        assert!(!holds(changed(|said| said.item = ItemId([7; 16]))), "never said");
        let mut unproven = whole();
        unproven[2].said = Err(Unproven::Signature);
        assert!(!holds(unproven));
    }

    #[test]
    fn a_passage_that_is_written_again_is_found_whatever_its_line_breaks() {
        let first =
            "Moeder zit met de kinderen bij de buurvrouw op nummer 41, en de deur is op slot; é is één teken. "
                .to_owned();
        let again = format!("Even voor jou: {}", first.replacen(" de ", "\nde ", 1));
        let other =
            "Iets heel anders, dat ook lang genoeg is om een paar stukken van tachtig tekens te hebben, hoor.";
        let (found, all) = told_again(&[vec![first.clone()], vec![other.to_owned()], vec![again]]);
        assert!(found > 0 && all > found, "{found} of {all}");
        assert_eq!(told_again(&[vec![first], vec![other.to_owned()]]).0, 0);
        assert_eq!(passages(&"é".repeat(PASSAGE)).count(), 1);
        assert_eq!(passages(&"é".repeat(PASSAGE - 1)).count(), 0);
    }
}
