//! An organisation's archive of a device's audit log: one line an entry, as NDJSON or CSV, each with the fields of
//! NEN 7513 in the clear and, behind them, the signed bytes from which they were written. So an archive can be checked
//! without the device: the signed bytes by [`Chain`], and the clear text because it must be what the signed bytes give.
//!
//! Lines end in a line feed; a last line without one was cut off while being written, and is written again.

use data_encoding::{BASE64, HEXLOWER};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::activity::{Activity, Outcome};
use super::chain::{Broken, Chain, Fault};
use super::entry::{Details, Entry};
use crate::case::Role;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values (RFC 4180, lines end in a line feed), with a first line of names.
    Csv,
}

/// The fields of a line, in their order.
#[derive(Serialize)]
struct Line<'e> {
    entry: u64,
    at: String,
    event: String,
    action: &'static str,
    outcome: &'static str,
    reason: Option<&'e str>,
    user: Option<&'e str>,
    user_name: Option<&'e str>,
    user_function: Option<&'e str>,
    user_role: Option<&'static str>,
    authority: Option<&'e str>,
    case: Option<String>,
    about: Option<String>,
    purpose: Option<&'e str>,
    object: Option<String>,
    kind: Option<&'e str>,
    concerns: Option<&'e str>,
    count: Option<u64>,
    source: Option<&'e str>,
    software: Option<&'e str>,
    user_pseudonym: String,
    case_pseudonym: Option<String>,
    head: String,
    details: Option<String>,
    signature: String,
}

/// Names of the fields, in their order; the first line of CSV.
const FIELDS: [&str; 25] = [
    "entry",
    "at",
    "event",
    "action",
    "outcome",
    "reason",
    "user",
    "user_name",
    "user_function",
    "user_role",
    "authority",
    "case",
    "about",
    "purpose",
    "object",
    "kind",
    "concerns",
    "count",
    "source",
    "software",
    "user_pseudonym",
    "case_pseudonym",
    "head",
    "details",
    "signature",
];

impl Format {
    /// What a new archive begins with.
    pub fn beginning(self) -> String {
        match self {
            Self::Ndjson => String::new(),
            Self::Csv => format!("{}\n", FIELDS.join(",")),
        }
    }

    /// An entry's line, its line feed included.
    pub fn line(self, entry: &Entry) -> String {
        let line = Line::of(entry);
        match self {
            Self::Ndjson => {
                format!("{}\n", serde_json::to_string(&line).expect("texts and numbers under text keys serialise"))
            }
            Self::Csv => line.csv(),
        }
    }

    /// The entry of a line; `None` if it is none, or if what it shows is not what was signed.
    pub fn read(self, line: &str) -> Option<Entry> {
        let (head, details, signature) = match self {
            Self::Ndjson => {
                let value: serde_json::Value = serde_json::from_str(line).ok()?;
                let text = |name: &str| value.get(name).and_then(|value| value.as_str()).map(str::to_owned);
                (text("head")?, text("details"), text("signature")?)
            }
            Self::Csv => {
                let mut fields = split(line)?;
                (fields.len() == FIELDS.len()).then_some(())?;
                let (signature, details, head) = (fields.pop()?, fields.pop()?, fields.pop()?);
                (head, Some(details).filter(|details| !details.is_empty()), signature)
            }
        };
        let details = match details {
            Some(details) => Some(base64(&details)?),
            None => None,
        };
        let entry = Entry::read(base64(&head)?, details, base64(&signature)?)?;
        (self.line(&entry).trim_end_matches('\n') == line).then_some(entry)
    }

    /// The last whole entry of an archive, and how many of its bytes are whole lines.
    pub fn end(self, archive: &str) -> (usize, Option<Entry>) {
        let whole = archive.rfind('\n').map_or(0, |at| at + 1);
        let last = archive[..whole].trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
        (whole, self.read(last))
    }

    /// Checks an archive as a whole, whose device signs with one of these keys. It may begin in the middle of a log only
    /// if it never had the beginning: the first entry must be number 1.
    pub fn verify(self, archive: &str, keys: Vec<[u8; 32]>) -> Result<Chain, Broken> {
        let mut chain = Chain::new(keys);
        let skipped = match self {
            Self::Ndjson => 0,
            Self::Csv => 1,
        };
        for line in archive.lines().skip(skipped) {
            match self.read(line) {
                Some(entry) => chain.next(&entry)?,
                None => return Err(chain.broken_here(Fault::Unreadable)),
            }
        }
        Ok(chain)
    }
}

impl Entry {
    /// Whether another copy is the same link of the same chain; one of them may have lost its details.
    pub fn is_same_link(&self, other: &Self) -> bool {
        self.head_bytes == other.head_bytes && self.signature == other.signature
    }
}

impl<'e> Line<'e> {
    fn of(entry: &'e Entry) -> Self {
        let details: Option<&Details> = entry.details();
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(entry.at().0) * 1_000_000);
        let role = |number| Role::from_number(number).map_or("unknown", role);
        Self {
            entry: entry.number(),
            at: at.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default(),
            event: entry
                .activity()
                .map_or_else(|| format!("unknown_{}", entry.head.activity), |activity| activity.name().to_owned()),
            action: entry.activity().map_or("", letter),
            outcome: entry.outcome().map_or("unknown", Outcome::name),
            reason: details.and_then(|details| details.reason.as_deref()),
            user: details.map(|details| details.who.device.as_str()),
            user_name: details.map(|details| details.who.name.as_str()),
            user_function: details.map(|details| details.who.function.as_str()),
            user_role: details.and_then(|details| details.who.role).map(role),
            authority: details.map(|details| details.who.organisation.as_str()),
            case: details.and_then(|details| details.case).map(|case| case.to_hex()),
            about: details.map(|details| details.about.join(" ")),
            purpose: details.and_then(|details| details.purpose.as_deref()),
            object: details.and_then(|details| details.item).map(|item| item.to_hex()),
            kind: details.and_then(|details| details.kind.as_deref()),
            concerns: details.and_then(|details| details.concerns.as_deref()),
            count: details.and_then(|details| details.count),
            source: details.map(|details| details.recorded_on.as_str()),
            software: details.map(|details| details.software.as_str()),
            user_pseudonym: HEXLOWER.encode(&entry.actor_pseudonym()),
            case_pseudonym: entry.case_pseudonym().map(|pseudonym| HEXLOWER.encode(&pseudonym)),
            head: BASE64.encode(&entry.head_bytes),
            details: entry.details_bytes.as_deref().map(|bytes| BASE64.encode(bytes)),
            signature: BASE64.encode(&entry.signature),
        }
    }

    fn csv(&self) -> String {
        let value = serde_json::to_value(self).expect("texts and numbers under text keys serialise");
        let fields = FIELDS.map(|name| match &value[name] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => quoted(text),
            other => other.to_string(),
        });
        format!("{}\n", fields.join(","))
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Coordinator => "coordinator",
        Role::Deputy => "deputy",
        Role::Member => "member",
        Role::Observer => "observer",
    }
}

fn letter(activity: Activity) -> &'static str {
    match activity.action() {
        'C' => "C",
        'R' => "R",
        'U' => "U",
        'D' => "D",
        _ => "E",
    }
}

/// A CSV field. Line breaks become spaces, so that a line is an entry; a spreadsheet is kept from reading a formula.
fn quoted(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let flat = if flat.starts_with(['=', '+', '-', '@']) { format!("'{flat}") } else { flat };
    if flat.contains([',', '"']) { format!("\"{}\"", flat.replace('"', "\"\"")) } else { flat }
}

/// Bytes of a field; Base64 that begins with a plus sign is kept from being read as a formula like any other field.
fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.strip_prefix('\'').unwrap_or(text).as_bytes()).ok()
}

/// The fields of a CSV line; `None` if its quotes do not pair.
fn split(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut after = quoted;
            loop {
                let (part, tail) = after.split_once('"')?;
                field.push_str(part);
                match tail.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        after = more;
                    }
                    None => {
                        after = tail;
                        break;
                    }
                }
            }
            fields.push(field);
            rest = match after.strip_prefix(',') {
                Some(more) => more,
                None if after.is_empty() => return Some(fields),
                None => return None,
            };
        } else {
            match rest.split_once(',') {
                Some((field, more)) => {
                    fields.push(field.to_owned());
                    rest = more;
                }
                None => {
                    fields.push(rest.to_owned());
                    return Some(fields);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_line_is_split_as_it_was_joined() {
        let fields = ["plain", "with, comma", "with \"quotes\"", "", "last"];
        let line = fields.map(quoted).join(",");
        assert_eq!(split(&line).unwrap(), fields);
        assert_eq!(split("\"open"), None);
        assert_eq!(split("\"a\"b,c"), None);
    }

    #[test]
    fn a_field_is_no_formula_and_no_second_line() {
        assert_eq!(quoted("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(quoted("a\nb"), "a b");
        let plus = BASE64.encode(&[0xf8, 1, 2]);
        assert!(plus.starts_with('+'));
        assert_eq!(base64(&quoted(&plus)).unwrap(), [0xf8, 1, 2]);
    }
}
