//! An item as it stands in the log: what was said, by whom, and where.

use std::fmt;

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{Epoch, Seq, Timestamp};

use super::draft::Sensitivity;
use super::fold::Verdict;
use super::ids::{CaseId, ItemId};
use super::statement::Statement;

/// Place of an item in this device's copy of a case, from 1, without holes. It follows the log's order, also across
/// successor groups; another device, which joined at another time, counts differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// One item of a case's log.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Its case.
    pub case: CaseId,
    /// Its place in this device's copy of the case.
    pub position: Position,
    /// Its record in the log of the group that carried it.
    pub seq: Seq,
    /// The epoch in which it was encrypted.
    pub epoch: Epoch,
    /// Its identifier, unique for its author's device.
    pub id: ItemId,
    /// Whose device sent it, from the verified certificate.
    pub author: DeviceAddress,
    /// The author's name, from the certificate.
    pub author_name: String,
    /// The author's organisation, from the certificate.
    pub author_organisation: String,
    /// The author's function, from the certificate.
    pub author_function: String,
    /// This device sent it.
    pub own: bool,
    /// When its author wrote it, by the author's clock.
    pub sent_at: Timestamp,
    /// When the relay accepted it, by the relay's clock.
    pub relayed_at: Timestamp,
    /// The item that this one answers.
    pub in_reply_to: Option<ItemId>,
    /// The author's own earlier item that this one replaces.
    pub replaces: Option<ItemId>,
    /// Which family members it concerns.
    pub about: Vec<String>,
    /// Why it is shared.
    pub purpose: Option<String>,
    /// How widely it may travel.
    pub sensitivity: Sensitivity,
    /// From when on it is of no use any more.
    pub expires: Option<Timestamp>,
    /// The author's later item that replaces it: an edited text, or nothing where it was taken back.
    pub replaced_by: Option<ItemId>,
    /// What was said.
    pub body: Body,
    /// Whether it counts in the state of the case.
    pub verdict: Verdict,
}

/// What stands between the name and the address of a mention.
const MENTION: &str = "](kring://";

/// What an item says.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Chat, as `text/markdown`.
    Markdown(String),
    /// Nothing any more: with `replaces`, the earlier item is deleted.
    Deleted,
    /// Nothing any more: its time was over, and this device has forgotten it.
    Expired,
    /// One of our own kinds.
    Statement(Box<Statement>),
    /// A kind that this version does not know: kept, and shown as "needs a newer version".
    Unknown {
        /// Its media type, if it could be read.
        media_type: Option<String>,
        /// Its bytes.
        content: Vec<u8>,
    },
}

impl Body {
    /// The text, of chat.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Markdown(text) => Some(text),
            Self::Deleted | Self::Expired | Self::Statement(_) | Self::Unknown { .. } => None,
        }
    }

    /// The professionals whom a chat mentions: links to their addresses, `[Noor](kring://zorg.example/noor)`.
    pub fn mentions(&self) -> Vec<ProfessionalAddress> {
        let mut found = Vec::new();
        let mut rest = self.text().unwrap_or_default();
        while let Some((_, after)) = rest.split_once(MENTION) {
            let (target, behind) = after.split_once(')').unwrap_or((after, ""));
            let address =
                target.split_once('/').and_then(|(domain, name)| ProfessionalAddress::new(name, domain).ok());
            if let Some(address) = address
                && !found.contains(&address)
            {
                found.push(address);
            }
            rest = behind;
        }
        found
    }

    /// A mention of somebody, as it stands in a chat.
    pub fn mention(name: &str, who: &ProfessionalAddress) -> String {
        let name: String = name.chars().filter(|c| !matches!(c, '[' | ']' | '(' | ')' | '\\')).collect();
        format!("[{name}{MENTION}{}/{})", who.domain(), who.name())
    }

    /// What it states, if it is of one of our own kinds.
    pub fn statement(&self) -> Option<&Statement> {
        match self {
            Self::Statement(statement) => Some(statement),
            Self::Markdown(_) | Self::Deleted | Self::Expired | Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({:?}, {:?})", self.position, self.seq)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> ProfessionalAddress {
        ProfessionalAddress::new(name, "zorg.example").unwrap()
    }

    #[test]
    fn mentions_are_links_to_addresses() {
        let text =
            format!("{} en {}: bel", Body::mention("Noor [VT]", &who("noor")), Body::mention("Bo", &who("bo")));
        assert_eq!(text, "[Noor VT](kring://zorg.example/noor) en [Bo](kring://zorg.example/bo): bel");
        assert!(Body::Markdown(text).mentions() == [who("noor"), who("bo")]);
    }

    #[test]
    fn what_is_no_link_to_an_address_mentions_nobody() {
        for text in ["", "](kring://", "[x](kring://zorg.example)", "[x](kring://../noor)", "[x](https://noor)"] {
            assert!(Body::Markdown(text.to_owned()).mentions().is_empty(), "{text}");
        }
        let twice = Body::mention("Bo", &who("bo")).repeat(2);
        assert!(Body::Markdown(twice).mentions() == [who("bo")]);
    }
}
