//! The lines that commands print, as data: what `--json` shows is their serialisation. Names and meanings of these
//! fields are a promise to scripts; `docs/cli.md` lists them, and fields are only ever added.

use std::io::{self, Write};

use kring_client::case::{Body, CaseStatus, CaseView, Item, Member, Refused, Role, Sensitivity, Verdict};
use serde::Serialize;

use crate::clock::{local, rfc3339};
use crate::names::SHORT_ID;
use crate::output::Line;
use crate::statement;
use crate::words::{Told, say};

/// One case.
#[derive(Serialize)]
#[serde(tag = "type", rename = "case")]
pub(crate) struct CaseLine {
    case: String,
    title: String,
    status: &'static str,
    role: &'static str,
    devices: usize,
    items: u64,
    queued: usize,
    relay: String,
    group: String,
    epoch: u64,
    record: u64,
    #[serde(skip)]
    status_shown: String,
    #[serde(skip)]
    role_shown: String,
}

/// One device in a case.
#[derive(Serialize)]
#[serde(tag = "type", rename = "member")]
pub(crate) struct MemberLine {
    address: String,
    device: String,
    name: String,
    organisation: String,
    function: String,
    role: &'static str,
    own: bool,
    leaving: bool,
    /// Its certificate is known to be revoked, and nobody has taken it out yet.
    revoked: bool,
    #[serde(skip)]
    role_shown: String,
}

/// One item.
#[derive(Serialize)]
#[serde(tag = "type", rename = "item")]
pub(crate) struct ItemLine {
    case: String,
    item: String,
    position: u64,
    record: u64,
    epoch: u64,
    author: String,
    device: String,
    name: String,
    organisation: String,
    function: String,
    own: bool,
    sent_at: String,
    relayed_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    about: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    restricted: bool,
    media_type: Option<String>,
    text: Option<String>,
    /// Addresses of those whom its text mentions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<String>,
    /// What it states, where it is of one of our own kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<serde_json::Value>,
    /// Why it does not count, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
    #[serde(skip)]
    stated: Option<String>,
    #[serde(skip)]
    shown_at: String,
    /// What it answers, and what it replaces, in words.
    #[serde(skip)]
    refers: Vec<String>,
}

/// A role as it is written.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Coordinator => "coordinator",
        Role::Deputy => "deputy",
        Role::Member => "member",
        Role::Observer => "observer",
    }
}

/// A role in words.
pub(crate) fn role_word(role: Role) -> String {
    match role {
        Role::Coordinator => say!("role-coordinator"),
        Role::Deputy => say!("role-deputy"),
        Role::Member => say!("role-member"),
        Role::Observer => say!("role-observer"),
    }
}

/// A status in words.
fn status_word(status: CaseStatus) -> String {
    match status {
        CaseStatus::Opening => say!("case-opening"),
        CaseStatus::Open => say!("case-open"),
        CaseStatus::Leaving => say!("case-leaving"),
        CaseStatus::Left => say!("case-left"),
        CaseStatus::OutOfStep => say!("case-out-of-step"),
        CaseStatus::Closed => say!("case-closed"),
        CaseStatus::Erasing => say!("case-erasing"),
        CaseStatus::Broken => say!("case-broken"),
    }
}

/// A function in words; what is not known here stays as its organisation wrote it.
pub(crate) fn function_word(code: &str) -> String {
    match code {
        "police" => say!("function-police"),
        "veilig-thuis" => say!("function-veilig-thuis"),
        "womens-shelter" | "shelter" => say!("function-shelter"),
        "youth-protection" => say!("function-youth-protection"),
        "youth-care" => say!("function-youth-care"),
        "district-team" => say!("function-district-team"),
        "public-prosecutor" => say!("function-public-prosecutor"),
        "probation" => say!("function-probation"),
        "general-practitioner" => say!("function-general-practitioner"),
        other => other.to_owned(),
    }
}

/// A status as it is written.
pub(crate) fn status(status: CaseStatus) -> &'static str {
    match status {
        CaseStatus::Opening => "opening",
        CaseStatus::Open => "open",
        CaseStatus::Leaving => "leaving",
        CaseStatus::Left => "left",
        CaseStatus::OutOfStep => "out_of_step",
        CaseStatus::Closed => "closed",
        CaseStatus::Erasing => "erasing",
        CaseStatus::Broken => "broken",
    }
}

impl From<&CaseView> for CaseLine {
    fn from(view: &CaseView) -> Self {
        Self {
            case: view.case.to_hex(),
            title: view.title.clone(),
            status: status(view.status),
            role: role(view.role),
            devices: view.members,
            items: view.items,
            queued: view.queued,
            relay: view.relay.clone(),
            group: view.group.to_hex(),
            epoch: view.epoch.0,
            record: view.seq.0,
            status_shown: status_word(view.status),
            role_shown: role_word(view.role),
        }
    }
}

impl Line for CaseLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}  {}", &self.case[..SHORT_ID], visible(&self.title))?;
        let devices = say!("devices", count = self.devices);
        write!(out, "  ({}, {}, {devices}", self.status_shown, self.role_shown)?;
        write!(out, ", {}", say!("items", count = self.items))?;
        if self.queued > 0 {
            write!(out, ", {}", say!("waiting-to-be-sent", count = self.queued))?;
        }
        writeln!(out, ")")
    }
}

impl From<&Member> for MemberLine {
    fn from(member: &Member) -> Self {
        Self {
            address: member.address.professional.to_string(),
            device: member.address.device.to_hex(),
            name: member.name.clone(),
            organisation: member.organisation.clone(),
            function: member.function.clone(),
            role: role(member.role),
            own: member.own,
            leaving: member.leaving,
            revoked: member.revoked,
            role_shown: role_word(member.role),
        }
    }
}

impl Line for MemberLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let own = self.own.then(|| say!("member-own"));
        let leaving = self.leaving.then(|| say!("member-leaving"));
        let revoked = self.revoked.then(|| say!("member-revoked"));
        let marks = in_brackets([own, leaving, revoked]);
        let device = say!("member-device", device = &self.device[..SHORT_ID]);
        writeln!(
            out,
            "  {:<11} {}  {}, {} ({})  {device}{marks}",
            self.role_shown,
            visible(&self.name),
            visible(&self.organisation),
            function_word(&self.function),
            self.address,
        )
    }
}

impl From<&Item> for ItemLine {
    fn from(item: &Item) -> Self {
        let (media_type, text) = match &item.body {
            Body::Markdown(text) => (Some("text/markdown".to_owned()), Some(text.clone())),
            Body::Deleted | Body::Expired => (None, None),
            Body::Statement(statement) => (Some(statement.media_type().to_owned()), None),
            Body::Unknown { media_type, .. } => (media_type.clone(), None),
        };
        Self {
            case: item.case.to_hex(),
            item: item.id.to_hex(),
            position: item.position.0,
            record: item.seq.0,
            epoch: item.epoch.0,
            author: item.author.professional.to_string(),
            device: item.author.device.to_hex(),
            name: item.author_name.clone(),
            organisation: item.author_organisation.clone(),
            function: item.author_function.clone(),
            own: item.own,
            sent_at: rfc3339(item.sent_at),
            relayed_at: rfc3339(item.relayed_at),
            in_reply_to: item.in_reply_to.map(|id| id.to_hex()),
            replaces: item.replaces.map(|id| id.to_hex()),
            about: item.about.clone(),
            purpose: item.purpose.clone(),
            restricted: item.sensitivity == Sensitivity::Restricted,
            media_type,
            text,
            mentions: item.body.mentions().iter().map(ToString::to_string).collect(),
            statement: item.body.statement().map(statement::fields),
            refused: match item.verdict {
                Verdict::Refused(reason) => Some(reason),
                Verdict::Legal | Verdict::Repeated | Verdict::Unknown => None,
            },
            stated: match &item.body {
                Body::Statement(statement) => Some(statement::words(statement)),
                Body::Deleted => Some(say!("said-deleted")),
                Body::Expired => Some(say!("said-expired")),
                Body::Markdown(_) | Body::Unknown { .. } => None,
            },
            shown_at: local(item.sent_at),
            refers: Vec::new(),
        }
    }
}

impl ItemLine {
    /// With what it answers and replaces, in words.
    pub(crate) fn referring(self, refers: Vec<String>) -> Self {
        Self { refers, ..self }
    }
}

impl Line for ItemLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}  {} ({}", self.shown_at, visible(&self.name), visible(&self.organisation))?;
        let restricted = if self.restricted { format!("  [{}]", say!("restricted")) } else { String::new() };
        writeln!(out, ")  #{}{restricted}", self.position)?;
        self.refers.iter().try_for_each(|refers| writeln!(out, "    ({refers})"))?;
        match (&self.text, &self.stated) {
            (None, Some(stated)) => {
                writeln!(out, "    * {stated}")?;
                match self.refused {
                    Some(reason) => {
                        writeln!(out, "      {}", say!("not-counted", reason = reason.told()))
                    }
                    None => Ok(()),
                }
            }
            (Some(text), _) => {
                for line in text.lines() {
                    writeln!(out, "    {}", visible(line))?;
                }
                Ok(())
            }
            (None, None) => writeln!(out, "    [{}]", say!("needs-newer-version")),
        }
    }
}

/// What there is to remark of somebody, behind their line.
pub(crate) fn in_brackets(remarks: impl IntoIterator<Item = Option<String>>) -> String {
    let remarks: Vec<String> = remarks.into_iter().flatten().collect();
    if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join(", ")) }
}

/// Text of others as a terminal may show it: control characters, with which it could be made to show something else
/// or to do something, are replaced.
pub(crate) fn visible(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    text.chars().map(|c| if (c.is_control() && c != '\t') || turns(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered_by_what_others_write() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\td"), "a\u{fffd}[2Jb\u{fffd}c\td");
    }

    #[test]
    fn remarks_stand_in_brackets_and_none_leave_none() {
        let own = || Some("own".to_owned());
        assert_eq!(in_brackets([None, None]), "");
        assert_eq!(in_brackets([None, own()]), "  (own)");
        assert_eq!(in_brackets([own(), None, Some("revoked".to_owned())]), "  (own, revoked)");
    }
}
