//! A plan as Markdown, for a file of one's own or for paper.

use kring_protocol::ids::Timestamp;

use super::{Phase, PlanContent};

/// The words around a plan's texts, in the reader's language. Each is one line.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is the heading of the field of that name")]
pub struct Words {
    pub title: String,
    pub phase: String,
    pub direct: String,
    pub stable: String,
    pub recovery: String,
    pub worry: String,
    pub conditions: String,
    pub agreements: String,
    pub who: String,
    pub what: String,
    pub when: String,
    pub checked_by: String,
    pub triggers: String,
    pub emergency: String,
    pub network: String,
    pub review: String,
    pub order_ends: String,
}

impl PlanContent {
    /// The plan as Markdown (CommonMark, with a table as in GitHub's). `show` writes a time in the reader's zone.
    pub fn markdown(&self, version: u64, words: &Words, show: impl Fn(Timestamp) -> String) -> String {
        let mut page = format!("# {} {version}\n\n", words.title);
        let phase = match self.phase {
            Phase::Direct => &words.direct,
            Phase::Stable => &words.stable,
            Phase::Recovery => &words.recovery,
        };
        page.push_str(&format!("- {}: {phase}\n- {}: {}\n", words.phase, words.review, show(self.review)));
        if let Some(end) = self.order_ends {
            page.push_str(&format!("- {}: {}\n", words.order_ends, show(end)));
        }
        page.push_str(&format!("\n## {}\n\n{}\n", words.worry, self.worry.trim()));
        section(&mut page, &words.conditions, &self.conditions);
        if !self.agreements.is_empty() {
            let heads = [&words.who, &words.what, &words.when, &words.checked_by];
            page.push_str(&format!("\n## {}\n\n", words.agreements));
            page.push_str(&row(heads.map(String::as_str)));
            page.push_str("| --- | --- | --- | --- |\n");
            for agreement in &self.agreements {
                page.push_str(&row([&agreement.who, &agreement.what, &agreement.when, &agreement.checked_by]));
            }
        }
        section(&mut page, &words.triggers, &self.triggers);
        section(&mut page, &words.emergency, &self.emergency);
        section(&mut page, &words.network, &self.network);
        page
    }
}

fn section(page: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    page.push_str(&format!("\n## {heading}\n\n"));
    for line in lines {
        page.push_str(&format!("- {}\n", one_line(line)));
    }
}

fn row<T: AsRef<str>>(cells: [T; 4]) -> String {
    let cells = cells.map(|cell| one_line(cell.as_ref()).replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

/// A text without line breaks, which would end a list's line or a table's row.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
