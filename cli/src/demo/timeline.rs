//! What a demo prints: the timeline of the case, what the relay knows, and the checks.

use std::io::{self, Write};

use serde::Serialize;

use super::scenario::{Scenario, Step, Who};
use crate::lines::visible;
use crate::output::Line;

/// Characters of a line of text in the timeline.
const WIDTH: usize = 92;
/// Lines of one message that the timeline shows.
const SHOWN_LINES: usize = 3;

/// One step, as it happened.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "step")]
pub(super) struct StepLine {
    /// Its line in the scenario.
    line: usize,
    /// The invented time.
    at: Option<String>,
    /// `chapter`, `case`, `members`, `message`, `alert`, `plan`, `handover`, `connection` or `relay`.
    kind: &'static str,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    /// What happened, or what was said.
    text: String,
    /// Its record at the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

impl StepLine {
    /// A heading.
    pub(super) fn chapter(step: &Step, title: &str) -> Self {
        Self::new(step, "chapter", title.to_owned())
    }

    /// Something that happened to the case, its members, a connection or the relay.
    pub(super) fn happened(step: &Step, kind: &'static str, text: String) -> Self {
        Self::new(step, kind, text)
    }

    /// A message.
    pub(super) fn message(step: &Step, scenario: &Scenario, who: Who, text: &str, record: Option<u64>) -> Self {
        let (person, organisation) = (scenario.person(who), scenario.organisation_of(who));
        Self {
            who: Some(format!("{}, {}", person.name, organisation.name)),
            record,
            state: Some(if record.is_some() { "relayed" } else { "queued" }),
            ..Self::new(step, "message", text.to_owned())
        }
    }

    /// Somebody's part of an alert, a plan or a handover.
    pub(super) fn done(
        step: &Step,
        scenario: &Scenario,
        (kind, who): (&'static str, Who),
        text: &str,
        record: Option<u64>,
    ) -> Self {
        let said = Self::message(step, scenario, who, text, record);
        Self { kind, state: said.state.filter(|_| record.is_some()), ..said }
    }

    fn new(step: &Step, kind: &'static str, text: String) -> Self {
        Self { line: step.line, at: step.at.clone(), kind, who: None, text, record: None, state: None }
    }
}

impl Line for StepLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.kind == "chapter" {
            return writeln!(
                out,
                "\n── {} {}",
                self.text,
                "─".repeat(WIDTH.saturating_sub(self.text.chars().count()))
            );
        }
        let at = self.at.as_deref().unwrap_or_default();
        let Some(who) = &self.who else {
            return writeln!(out, "{at:>9}   * {}", visible(&self.text));
        };
        let record = match (self.record, self.state) {
            (Some(record), _) => format!("record {record}"),
            (None, Some(_)) => "on its way".to_owned(),
            (None, None) => String::new(),
        };
        let gap = WIDTH.saturating_sub(who.chars().count() + record.len()).max(2);
        let head = format!("{at:>9}  {}{}{record}", visible(who), " ".repeat(gap));
        writeln!(out, "{}", head.trim_end())?;
        let lines = wrapped(&self.text, WIDTH);
        for line in lines.iter().take(SHOWN_LINES) {
            writeln!(out, "           {}", visible(line))?;
        }
        if lines.len() > SHOWN_LINES {
            writeln!(out, "           … ({} bytes in all)", self.text.len())?;
        }
        Ok(())
    }
}

/// One record, as the relay has it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "relay_record")]
pub(super) struct RecordLine {
    /// Its place in the log.
    pub(super) record: u64,
    /// `application`, `proposal` or `commit`.
    pub(super) kind: &'static str,
    /// The epoch in its clear header.
    pub(super) epoch: u64,
    /// Bytes of its message.
    pub(super) bytes: usize,
    /// Its submission's random id.
    pub(super) operation: String,
}

impl Line for RecordLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "  record {:>4}  epoch {:>3}  {:<11} {:>7} bytes  operation {}",
            self.record, self.epoch, self.kind, self.bytes, self.operation
        )
    }
}

/// What the relay knows, in sum.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "relay")]
pub(super) struct RelayLine {
    /// The group's random id, which a running relay sees and its disk does not show.
    pub(super) group: String,
    /// Records in its log.
    pub(super) records: usize,
    /// Bytes of their messages.
    pub(super) message_bytes: usize,
    /// How many messages have which size.
    pub(super) sizes: Vec<(usize, usize)>,
    /// Files of its database.
    pub(super) files: usize,
    /// Bytes of those files.
    pub(super) file_bytes: u64,
}

impl Line for RelayLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  group {} (random)", self.group)?;
        writeln!(out, "  {} records, {} bytes of ciphertext, by size:", self.records, self.message_bytes)?;
        for (bytes, count) in &self.sizes {
            writeln!(out, "    {count:>4} × {bytes} bytes")?;
        }
        writeln!(
            out,
            "  its database: {} files, {} bytes, encrypted under the relay's key",
            self.files, self.file_bytes
        )
    }
}

/// One check.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "check")]
pub(super) struct CheckLine {
    /// What is checked, for machines.
    pub(super) check: &'static str,
    /// Whether it holds; `None`: the scenario does not play it.
    pub(super) holds: Option<bool>,
    /// What is checked, for people.
    pub(super) claim: &'static str,
    /// What was seen.
    pub(super) evidence: Vec<String>,
}

impl Line for CheckLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mark = match self.holds {
            Some(true) => "holds",
            Some(false) => "FAILS",
            None => "not played",
        };
        writeln!(out, "  [{mark}] {}", self.claim)?;
        for line in &self.evidence {
            writeln!(out, "          {}", visible(line))?;
        }
        Ok(())
    }
}

/// A heading between the parts.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "part")]
pub(super) struct PartLine {
    /// `timeline`, `plan`, `relay` or `checks`.
    pub(super) part: &'static str,
    /// For people.
    #[serde(skip)]
    pub(super) title: &'static str,
}

impl Line for PartLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n══ {} {}", self.title, "═".repeat(WIDTH.saturating_sub(self.title.chars().count())))
    }
}

/// The safety plan that is in force at the end.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "plan_in_force")]
pub(super) struct PlanPage {
    /// Its version.
    pub(super) version: u64,
    /// Its hash, to which approvals are bound.
    pub(super) hash: String,
    /// The plan as Markdown.
    pub(super) text: String,
}

impl Line for PlanPage {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out)?;
        for line in self.text.lines() {
            writeln!(out, "{}", format!("  {}", visible(line)).trim_end())?;
        }
        writeln!(out, "\n  hash {}", self.hash)
    }
}

/// How it ended.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "result")]
pub(super) struct ResultLine {
    /// Whether every check holds.
    pub(super) holds: bool,
    /// Messages said.
    pub(super) messages: usize,
    /// People who took part.
    pub(super) people: usize,
    /// Seconds from the relay's start to the last check.
    pub(super) seconds: f64,
    /// Where everything is kept, if it is.
    pub(super) kept: Option<std::path::PathBuf>,
}

impl Line for ResultLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let verdict = if self.holds { "Every check holds" } else { "NOT every check holds" };
        writeln!(
            out,
            "\n{verdict}: {} messages between {} people, in {:.1} seconds.",
            self.messages, self.people, self.seconds
        )?;
        match &self.kept {
            Some(folder) => writeln!(out, "Everything is kept in {}.", folder.display()),
            None => Ok(()),
        }
    }
}

/// The text in lines of at most so many characters, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words() {
        assert_eq!(wrapped("een twee drie\nvier\n\nvijf", 9), ["een twee", "drie vier", "vijf"]);
        assert_eq!(wrapped("onderverdeling", 4), ["onderverdeling"]);
    }
}
