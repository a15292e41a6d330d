//! What a user hands over to be said in a case, before it has an author, a time or a place in the log.

use std::fmt;

use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::hash::ContentHash;
use super::ids::ItemId;
use super::item::Body;
use super::statement::Statement;

/// Something to be said in a case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemDraft {
    /// What is said.
    pub body: DraftBody,
    /// The item that this one answers.
    pub in_reply_to: Option<ItemId>,
    /// The author's own earlier item that this one replaces.
    pub replaces: Option<ItemId>,
    /// Which family members it concerns, as case-local pseudonyms such as "child-2".
    pub about: Vec<String>,
    /// Why it is shared.
    pub purpose: Option<String>,
    /// How widely it may travel.
    pub sensitivity: Sensitivity,
    /// From when on it is of no use any more, in whole seconds. Its receivers' devices then forget what it says.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// The body of a draft.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DraftBody {
    /// Chat, as `text/markdown`.
    Markdown(String),
    /// Nothing: with `replaces`, takes the earlier item back.
    Deleted,
    /// A part of another media type.
    Part {
        /// Its media type (RFC 2046).
        media_type: String,
        /// Its bytes.
        #[serde(with = "serde_bytes")]
        content: Vec<u8>,
    },
}

/// How widely an item may travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sensitivity {
    /// May go into a handover's dossier.
    #[default]
    Normal,
    /// Goes into a dossier only when chosen by itself.
    Restricted,
}

/// Why a draft cannot become an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// It says nothing.
    #[error("there is nothing in it to send")]
    Empty,
    /// It is larger than one item can be.
    #[error("an item has at most {limit} bytes; send it in several")]
    TooLarge {
        /// Most bytes of an item's body.
        limit: usize,
    },
    /// A label is longer than it can be.
    #[error("a label of an item has at most {limit} bytes")]
    LabelTooLong {
        /// Most bytes of one label.
        limit: usize,
    },
}

/// Most bytes of one item's body: a quarter of the largest message, so that framing, signature and padding fit.
pub const MAX_BODY: usize = kring_protocol::limits::MAX_MESSAGE / 4;
/// Most bytes of a media type, a purpose, or one name in `about`.
pub const MAX_LABEL: usize = 255;
/// Most names in `about`.
pub const MAX_ABOUT: usize = 64;

impl DraftBody {
    /// SHA-256 of its bytes.
    pub fn hash(&self) -> ContentHash {
        match self {
            Self::Markdown(text) => ContentHash::of(text.as_bytes()),
            Self::Deleted => ContentHash::of(&[]),
            Self::Part { content, .. } => ContentHash::of(content),
        }
    }
}

impl ItemDraft {
    /// A chat message.
    pub fn markdown(text: impl Into<String>) -> Self {
        Self {
            body: DraftBody::Markdown(text.into()),
            in_reply_to: None,
            replaces: None,
            about: Vec::new(),
            purpose: None,
            sensitivity: Sensitivity::Normal,
            expires: None,
        }
    }

    /// Takes back an earlier item of one's own. Those who have it still see that it was there.
    pub fn deletion(item: ItemId) -> Self {
        Self { body: DraftBody::Deleted, replaces: Some(item), ..Self::markdown(String::new()) }
    }

    /// What it says, as its readers understand it.
    pub(crate) fn as_read(&self) -> Body {
        match &self.body {
            DraftBody::Markdown(text) => Body::Markdown(text.clone()),
            DraftBody::Deleted => Body::Deleted,
            DraftBody::Part { media_type, content } => match Statement::decode(media_type, content) {
                Some(statement) => Body::Statement(Box::new(statement)),
                None => Body::Unknown { media_type: Some(media_type.clone()), content: content.clone() },
            },
        }
    }

    /// Checks the bounds that every item keeps.
    pub fn check(&self) -> Result<(), DraftError> {
        let (length, media_type) = match &self.body {
            DraftBody::Markdown(text) => (text.len(), "text/markdown"),
            DraftBody::Deleted => (usize::from(self.replaces.is_some()), ""),
            DraftBody::Part { media_type, content } => (content.len(), media_type.as_str()),
        };
        if length == 0 {
            return Err(DraftError::Empty);
        }
        if length > MAX_BODY {
            return Err(DraftError::TooLarge { limit: MAX_BODY });
        }
        let labels = self.about.iter().map(String::len).chain(self.purpose.iter().map(String::len));
        if self.about.len() > MAX_ABOUT || labels.chain([media_type.len()]).any(|length| length > MAX_LABEL) {
            return Err(DraftError::LabelTooLong { limit: MAX_LABEL });
        }
        Ok(())
    }
}

impl fmt::Debug for ItemDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ItemDraft(..)")
    }
}

impl fmt::Debug for DraftBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DraftBody(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_keeps_its_bounds() {
        assert_eq!(ItemDraft::markdown("hallo").check(), Ok(()));
        assert_eq!(ItemDraft::markdown("").check(), Err(DraftError::Empty));
        let long = ItemDraft::markdown("x".repeat(MAX_BODY + 1));
        assert_eq!(long.check(), Err(DraftError::TooLarge { limit: MAX_BODY }));
        assert_eq!(ItemDraft::deletion(ItemId([1; 16])).check(), Ok(()));
        let nothing = ItemDraft { replaces: None, ..ItemDraft::deletion(ItemId([1; 16])) };
        assert_eq!(nothing.check(), Err(DraftError::Empty));
        let about = ItemDraft { about: vec!["x".repeat(MAX_LABEL + 1)], ..ItemDraft::markdown("x") };
        assert_eq!(about.check(), Err(DraftError::LabelTooLong { limit: MAX_LABEL }));
    }
}
