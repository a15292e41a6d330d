//! Reads the configuration file and collects everything that is wrong with it, each with its line and what to write
//! instead, so that an operator mends a file in one go.
//!
//! Refused: what is not TOML, settings that do not exist, values of another kind or out of range, settings without
//! which a relay cannot run, and an observation address that others can reach unless that is said on purpose.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kring_protocol::limits::MAX_MESSAGE;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    Config, DEFAULT_LISTEN, KIB, Limits, LogFormat, LogLevel, LogSettings, MIB, ObserveSettings, Times, TlsFiles,
};

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} problem(s)", .findings.len())]
pub struct ConfigError {
    /// Everything that is wrong, by line.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line in the file, from 1; 0 for what is missing from the whole file.
    pub line: usize,
    /// What it is.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The file is not TOML; the reader's own words.
    Syntax(String),
    /// There is no such section.
    UnknownSection {
        /// As written.
        found: String,
        /// The section that was probably meant.
        instead: Option<&'static str>,
    },
    /// There is no such setting.
    UnknownKey {
        /// As written.
        found: String,
        /// The setting that was probably meant.
        instead: Option<&'static str>,
        /// All settings of the section.
        known: Vec<&'static str>,
    },
    /// The value cannot be used.
    Value {
        /// Section and name.
        key: String,
        /// What to write.
        expected: Expected,
    },
    /// A relay cannot run without it.
    Missing {
        /// Section and name.
        key: String,
        /// What to write.
        expected: Expected,
    },
    /// Others could reach the observation endpoint.
    NotLoopback,
}

/// What a value has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// A section of settings.
    Section,
    /// A path.
    Path,
    /// A list of paths.
    Paths,
    /// An address and a port.
    Address,
    /// `true` or `false`.
    Switch,
    /// A whole number in a range.
    Number(RangeInclusive<u64>),
    /// One of some words.
    OneOf(&'static [&'static str]),
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section => f.write_str("a section in square brackets"),
            Self::Path => f.write_str("a path in quotes"),
            Self::Paths => f.write_str("a list of paths, such as [\"/etc/kring/region.pem\"]"),
            Self::Address => {
                f.write_str("an address and a port in quotes, such as \"127.0.0.1:4433\" or \"[::]:4433\"")
            }
            Self::Switch => f.write_str("true or false"),
            Self::Number(range) => write!(f, "a whole number from {} to {}", range.start(), range.end()),
            Self::OneOf(words) => {
                f.write_str("one of ")?;
                for (at, word) in words.iter().enumerate() {
                    write!(f, "{}\"{word}\"", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        match &self.problem {
            Problem::Syntax(reason) => write!(f, "this is not TOML: {reason}"),
            Problem::UnknownSection { found, instead: Some(instead) } => {
                write!(f, "there is no section [{found}]; write [{instead}]")
            }
            Problem::UnknownSection { found, instead: None } => {
                write!(f, "there is no section [{found}]; remove it, or write one of {}", SECTIONS.join(", "))
            }
            Problem::UnknownKey { found, instead: Some(instead), .. } => {
                write!(f, "there is no setting {found}; write {instead}")
            }
            Problem::UnknownKey { found, instead: None, known } => {
                write!(f, "there is no setting {found}; remove it, or write one of {}", known.join(", "))
            }
            Problem::Value { key, expected } => write!(f, "{key} cannot be used; write {expected}"),
            Problem::Missing { key, expected } => write!(f, "{key} is missing; write {expected}"),
            Problem::NotLoopback => f.write_str(
                "observe.address can be reached by other machines; write \"127.0.0.1:9464\", \
                 or observe.allow_other_addresses = true if a firewall protects it",
            ),
        }
    }
}

/// The sections of a file.
const SECTIONS: [&str; 6] = ["listen", "tls", "store", "limits", "times", "observe"];
/// The section of the log, which stands beside the others.
const LOG: &str = "log";
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
const FORMATS: &[&str] = &["text", "json"];
/// A day: no time-out of a connection makes sense beyond it.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Reads a configuration; relative paths are seen from `folder`, where the file lies.
pub fn parse(text: &str, folder: &Path) -> Result<Config, ConfigError> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut findings: Vec<Finding> = errors
        .iter()
        .map(|error| Finding {
            line: error.span().map_or(0, |span| line_of(text, span.start)),
            problem: Problem::Syntax(error.message().to_owned()),
        })
        .collect();
    let mut reader = Reader { text, folder, root: root.get_ref(), findings: &mut findings };
    let config = reader.config();
    findings.sort_by_key(|finding| if finding.line == 0 { usize::MAX } else { finding.line });
    findings.dedup();
    match config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => Err(ConfigError { findings }),
    }
}

/// Line of a byte, from 1.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count()
}

struct Reader<'a, 'i> {
    text: &'a str,
    folder: &'a Path,
    root: &'a DeTable<'i>,
    findings: &'a mut Vec<Finding>,
}

/// One section being read: what is left over at the end is unknown.
struct Section<'r, 'a, 'i> {
    reader: &'r mut Reader<'a, 'i>,
    name: &'static str,
    table: Option<&'a DeTable<'i>>,
    known: BTreeSet<&'static str>,
}

impl<'a, 'i> Reader<'a, 'i> {
    fn config(&mut self) -> Option<Config> {
        self.unknown_sections();

        let mut listen = self.section("listen");
        let address = listen.optional("address", Expected::Address, address);
        listen.finish();

        let mut tls = self.section("tls");
        let certificate = tls.path("certificate", true);
        let private_key = tls.path("private_key", true);
        let region_roots = tls.paths("region_roots", true);
        let crls = tls.paths("crls", false);
        tls.finish();

        let mut store = self.section("store");
        let data = store.path("data", true);
        let relay_key = store.path("relay_key", false);
        let cache = store.number("cache_mib", 16..=1 << 20);
        let min_free = store.number("min_free_mib", 0..=1 << 30);
        store.finish();

        let limits = self.limits();
        let times = self.times();
        let observe = self.observe();

        let mut log = self.section(LOG);
        let level = log.word("level", LEVELS, &LOG_LEVELS);
        let format = log.word("format", FORMATS, &[LogFormat::Text, LogFormat::Json]);
        log.finish();

        let tls = TlsFiles {
            certificate: certificate?,
            private_key: private_key?,
            region_roots: region_roots?,
            crls: crls.unwrap_or_default(),
        };
        let listen = address.unwrap_or_else(|| DEFAULT_LISTEN.parse().expect("the default is an address"));
        let mut config = Config::new(listen, tls, data?, relay_key);
        config.store.cache = cache.map_or(config.store.cache, |mebibytes| mebibytes * MIB);
        config.store.min_free = min_free.map_or(config.store.min_free, |mebibytes| mebibytes * MIB);
        config.limits = limits;
        config.times = times;
        config.observe = observe;
        config.log = LogSettings { level: level.unwrap_or_default(), format: format.unwrap_or_default() };
        Some(config)
    }

    fn limits(&mut self) -> Limits {
        let mut limits = Limits::default();
        let mut section = self.section("limits");
        section.count("connections", 1..=1_000_000, &mut limits.connections, 1);
        section.count("connections_per_device", 1..=1_000, &mut limits.connections_per_device, 1);
        section.count("handshakes", 2..=100_000, &mut limits.handshakes, 1);
        if let Some(requests) = section.number("requests_per_connection", 4..=1_000) {
            limits.requests_per_connection = u32::try_from(requests).unwrap_or(u32::MAX);
        }
        section.count("queue_records", 16..=1_000_000, &mut limits.queue_records, 1);
        section.count("queue_kib", 64..=1 << 20, &mut limits.queue_bytes, KIB);
        // The largest frame that the wire allows, and a little, has to fit.
        if let Some(mebibytes) = section.number("request_mib", 32..=1 << 20) {
            limits.request_bytes = mebibytes * MIB;
        }
        section.count("message_kib", 64..=MAX_MESSAGE as u64 / KIB, &mut limits.message, KIB);
        section.finish();
        limits
    }

    fn times(&mut self) -> Times {
        let mut times = Times::default();
        let mut section = self.section("times");
        section.seconds("idle_seconds", 10..=DAY_SECONDS, &mut times.idle);
        section.seconds("keep_alive_seconds", 5..=DAY_SECONDS, &mut times.keep_alive);
        section.seconds("handshake_seconds", 2..=60, &mut times.handshake);
        section.seconds("request_seconds", 2..=3_600, &mut times.request);
        section.seconds("drain_seconds", 1..=3_600, &mut times.drain);
        section.seconds("reconnect_spread_seconds", 1..=3_600, &mut times.reconnect_spread);
        section.finish();
        times
    }

    fn observe(&mut self) -> Option<ObserveSettings> {
        let mut section = self.section("observe");
        let line = section.table.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == "address"));
        let line = line.map(|(key, _)| line_of(section.reader.text, key.span().start));
        let address = section.optional("address", Expected::Address, address);
        let allow = section.optional("allow_other_addresses", Expected::Switch, |value| value.as_bool());
        section.finish();
        let settings = ObserveSettings { address: address?, allow_other_addresses: allow.unwrap_or(false) };
        if !settings.allow_other_addresses && !settings.address.ip().is_loopback() {
            self.findings.push(Finding { line: line.unwrap_or(0), problem: Problem::NotLoopback });
        }
        Some(settings)
    }

    fn unknown_sections(&mut self) {
        for (key, value) in self.root {
            let (name, line) = (key.get_ref().as_ref(), line_of(self.text, key.span().start));
            let known = SECTIONS.iter().chain([&LOG]).any(|section| *section == name);
            let problem = if !known {
                let instead = nearest(name, SECTIONS.iter().copied().chain([LOG]));
                Problem::UnknownSection { found: name.to_owned(), instead }
            } else if !value.get_ref().is_table() {
                Problem::Value { key: name.to_owned(), expected: Expected::Section }
            } else {
                continue;
            };
            self.findings.push(Finding { line, problem });
        }
    }

    fn section<'r>(&'r mut self, name: &'static str) -> Section<'r, 'a, 'i> {
        let root: &'a DeTable<'i> = self.root;
        let table =
            root.iter().find(|(key, _)| key.get_ref() == name).and_then(|(_, value)| value.get_ref().as_table());
        Section { reader: self, name, table, known: BTreeSet::new() }
    }
}

const LOG_LEVELS: [LogLevel; 5] = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

impl<'a, 'i> Section<'_, 'a, 'i> {
    fn optional<T>(
        &mut self,
        key: &'static str,
        expected: Expected,
        read: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        self.known.insert(key);
        let value = self.value(key)?;
        let read = read(value.get_ref());
        if read.is_none() {
            let line = line_of(self.reader.text, value.span().start);
            let key = format!("{}.{key}", self.name);
            self.reader.findings.push(Finding { line, problem: Problem::Value { key, expected } });
        }
        read
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table?.iter().find(|(found, _)| found.get_ref() == key).map(|(_, value)| value)
    }

    fn missing(&mut self, key: &'static str, expected: Expected) {
        let key = format!("{}.{key}", self.name);
        self.reader.findings.push(Finding { line: 0, problem: Problem::Missing { key, expected } });
    }

    fn path(&mut self, key: &'static str, required: bool) -> Option<PathBuf> {
        let folder = self.reader.folder;
        let path = self.optional(key, Expected::Path, |value| path(value, folder));
        if required && self.value(key).is_none() {
            self.missing(key, Expected::Path);
        }
        path
    }

    fn paths(&mut self, key: &'static str, required: bool) -> Option<Vec<PathBuf>> {
        let folder = self.reader.folder;
        let paths = self.optional(key, Expected::Paths, |value| {
            let list: Vec<PathBuf> =
                value.as_array()?.iter().map(|entry| path(entry.get_ref(), folder)).collect::<Option<_>>()?;
            (!required || !list.is_empty()).then_some(list)
        });
        if required && self.value(key).is_none() {
            self.missing(key, Expected::Paths);
        }
        paths
    }

    fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.optional(key, Expected::Number(range.clone()), |value| {
            let integer = value.as_integer()?;
            u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number))
        })
    }

    fn count(&mut self, key: &'static str, range: RangeInclusive<u64>, target: &mut usize, unit: u64) {
        if let Some(number) = self.number(key, range) {
            *target = usize::try_from(number * unit).unwrap_or(usize::MAX);
        }
    }

    fn seconds(&mut self, key: &'static str, range: RangeInclusive<u64>, target: &mut Duration) {
        if let Some(number) = self.number(key, range) {
            *target = Duration::from_secs(number);
        }
    }

    fn word<T: Copy>(&mut self, key: &'static str, words: &'static [&'static str], values: &[T]) -> Option<T> {
        self.optional(key, Expected::OneOf(words), |value| {
            let text = value.as_str()?;
            words.iter().zip(values).find(|(word, _)| **word == text).map(|(_, value)| *value)
        })
    }

    /// Names what nobody asked for.
    fn finish(self) {
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if !self.known.contains(name) {
                let problem = Problem::UnknownKey {
                    found: format!("{}.{name}", self.name),
                    instead: nearest(name, self.known.iter().copied()),
                    known: self.known.iter().copied().collect(),
                };
                self.reader.findings.push(Finding { line: line_of(self.reader.text, key.span().start), problem });
            }
        }
    }
}

fn address(value: &DeValue<'_>) -> Option<SocketAddr> {
    value.as_str()?.parse().ok()
}

fn path(value: &DeValue<'_>, folder: &Path) -> Option<PathBuf> {
    value.as_str().filter(|text| !text.is_empty()).map(|text| folder.join(text))
}

/// The word that was probably meant: at most a third of its letters differ.
fn nearest(found: &str, words: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    words
        .map(|word| (distance(found, word), word))
        .filter(|(distance, word)| distance * 3 <= word.len())
        .min()
        .map(|(_, word)| word)
}

/// Letters to insert, remove or change to make one word of another (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (other, known) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *known);
            diagonal = row[other + 1];
            row[other + 1] = changed.min(diagonal + 1).min(row[other] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
