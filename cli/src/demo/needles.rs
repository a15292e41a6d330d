//! What must not be found in what a relay keeps: everything that a scenario says and is called, in every form in which
//! a program might have written it.

use std::collections::BTreeSet;

use data_encoding::{BASE64, BASE64URL, HEXLOWER};
use kring_protocol::address::DeviceAddress;
use serde::Serialize;

use super::scenario::Scenario;

/// Bytes of one fragment of a message. Long enough that it does not occur by chance, short enough that a message that
/// is cut into pieces of the store's pages still holds whole ones.
const FRAGMENT: usize = 16;
/// Bytes from the beginning of one fragment to the next.
const STRIDE: usize = 8;
/// Shortest name that is looked for by itself: in 10 MB of random bytes, six given ones stand by chance once in
/// 28 million times (in either case of letters, once in 440,000).
const SHORTEST: usize = 6;
/// Shortest Base64 that is looked for: eight characters are six bytes.
const SHORTEST_BASE64: usize = 8;

/// What a needle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A piece of a message.
    Text,
    /// A name of a person, an organisation or the case, or a part of one.
    Name,
    /// An address or a domain.
    Address,
    /// A function's code.
    Function,
    /// Identifier of a device.
    Device,
    /// Identifier of the group, the case, or an item.
    Identifier,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// As they are; for text, in upper and lower case.
    Plain,
    /// As UTF-16, little-endian, in upper and lower case.
    Utf16,
    /// Hexadecimal, in upper and lower case.
    Hex,
    /// Base64 in either alphabet, at each of the three places where a group of three bytes can begin.
    Base64,
}

/// One needle in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What it is.
    pub(super) kind: Kind,
    /// How it is written.
    pub(super) form: Form,
    /// The bytes to look for.
    pub(super) bytes: Vec<u8>,
}

/// Needles, each once.
#[derive(Debug, Default)]
pub(super) struct Needles {
    needles: BTreeSet<(Kind, Vec<u8>)>,
}

impl Needles {
    /// Everything that the scenario says and is called, and the ids that were made while it was played.
    pub(super) fn of<'a>(
        scenario: &Scenario,
        devices: impl Iterator<Item = &'a DeviceAddress>,
        identifiers: impl Iterator<Item = [u8; 16]>,
    ) -> Self {
        let mut needles = Self::default();
        for said in scenario.said() {
            said.purpose.iter().for_each(|purpose| needles.name(Kind::Name, purpose));
        }
        scenario.texts().for_each(|text| needles.text(&text));
        needles.name(Kind::Name, &scenario.title);
        for organisation in &scenario.organisations {
            needles.name(Kind::Name, organisation.name.as_str());
            needles.name(Kind::Address, &organisation.domain);
            organisation.functions.iter().for_each(|function| needles.name(Kind::Function, function.as_str()));
        }
        for person in &scenario.people {
            needles.name(Kind::Name, person.name.as_str());
            needles.name(Kind::Address, person.address.as_str());
            needles.name(Kind::Address, person.address.name());
        }
        for device in devices {
            needles.add(Kind::Device, device.device.as_bytes());
            needles.add(Kind::Device, device.to_uri().as_bytes());
        }
        for identifier in identifiers {
            needles.add(Kind::Identifier, &identifier);
        }
        needles
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.needles.len()
    }

    /// All needles in all their forms.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for (kind, needle) in &self.needles {
            let mut add = |form, bytes: Vec<u8>| patterns.push(Pattern { kind: *kind, form, bytes });
            add(Form::Plain, needle.clone());
            add(Form::Hex, HEXLOWER.encode(needle).into_bytes());
            if let Ok(text) = std::str::from_utf8(needle)
                && !matches!(kind, Kind::Device | Kind::Identifier)
            {
                add(Form::Utf16, text.encode_utf16().flat_map(u16::to_le_bytes).collect());
            }
            base64(needle).into_iter().for_each(|encoded| add(Form::Base64, encoded));
        }
        patterns
    }

    fn add(&mut self, kind: Kind, bytes: &[u8]) {
        self.needles.insert((kind, bytes.to_vec()));
    }

    /// A name as a whole, and each of its words that is long enough not to stand anywhere by chance.
    fn name(&mut self, kind: Kind, name: &str) {
        for part in std::iter::once(name).chain(name.split([' ', '.', '@', '-'])) {
            // The word itself is no secret: it is the end of every invented domain.
            if part.len() >= SHORTEST && part != "example" {
                self.add(kind, part.as_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        if bytes.len() <= FRAGMENT {
            if bytes.len() >= SHORTEST {
                self.add(Kind::Text, bytes);
            }
            return;
        }
        for begin in (0..=bytes.len() - FRAGMENT).step_by(STRIDE) {
            self.add(Kind::Text, &bytes[begin..begin + FRAGMENT]);
        }
        self.add(Kind::Text, &bytes[bytes.len() - FRAGMENT..]);
    }
}

/// The characters that stand for these bytes wherever they begin in the encoded whole: those that depend on a
/// neighbour are left out.
fn base64(needle: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for before in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(needle.iter().copied()).collect();
        // Each character holds six bits; the first whole one begins at or after the needle's first bit.
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        for alphabet in [&BASE64, &BASE64URL] {
            let encoded = alphabet.encode(&padded).into_bytes();
            if last - first >= SHORTEST_BASE64 {
                found.insert(encoded[first..last].to_vec());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_wherever_the_text_begins() {
        let needle = b"Lena fietst niet";
        for before in 0..7 {
            let whole = [&b"abcdefg"[..before], needle, b"tail"].concat();
            let encoded = BASE64.encode(&whole);
            let found = base64(needle)
                .iter()
                .any(|part| encoded.as_bytes().windows(part.len()).any(|window| window == part.as_slice()));
            assert!(found, "{before}");
        }
    }

    #[test]
    fn any_24_bytes_of_a_message_hold_a_whole_needle() {
        let text = "Lena fietst sinds de zomer niet meer alleen naar school.";
        let mut needles = Needles::default();
        needles.text(text);
        for window in text.as_bytes().windows(FRAGMENT + STRIDE - 1) {
            let holds = needles
                .needles
                .iter()
                .any(|(_, needle)| window.windows(needle.len()).any(|part| part == needle.as_slice()));
            assert!(holds);
        }
    }

    #[test]
    fn a_name_is_looked_for_whole_and_in_parts() {
        let mut needles = Needles::default();
        needles.name(Kind::Name, "Noor Haddad");
        needles.name(Kind::Address, "politie-rijnveen.example");
        let texts: Vec<&str> =
            needles.needles.iter().map(|(_, needle)| std::str::from_utf8(needle).expect("text")).collect();
        assert_eq!(texts, ["Haddad", "Noor Haddad", "politie", "politie-rijnveen.example", "rijnveen"]);
    }
}
