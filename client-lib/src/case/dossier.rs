//! The dossier of a handover: the story is told once. A joiner has no history, so the sender chooses what the receivers
//! need and sends it again to the group that now contains them.
//!
//! A section is its entries with their authors' certificate chains, as bytes; the bytes are cut into parts, each an item
//! of its own, and the offer names every part by hash. An entry is the original item as its author's device signed it, so
//! that **whoever reads it needs to trust nobody but that author's region root** as to who said it. Refused: parts that
//! are not those that the offer names; a section that is not made of them exactly. Restricted items are in it only where
//! they were chosen one by one.

use kring_protocol::frame;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::draft::Sensitivity;
use super::fold::Refused;
use super::handover::{MAX_PARTS, MAX_SECTIONS, SectionIndex};
use super::hash::ContentHash;
use super::ids::ItemId;
use super::item::{Body, Position};
use super::log::{Author, says_nothing};
use super::statement::{MAX_LINE, Statement};

/// Media type of its parts.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kring.dossier+cbor";
/// Most bytes of a section in one item.
pub(crate) const PART: usize = 128 * 1024;
/// Most entries of one section.
pub const MAX_ENTRIES: usize = 2_000;

/// What an item says of a dossier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DossierSays {
    /// A part of a section's bytes.
    Part(ByteBuf),
}

/// What goes into a dossier, by choice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DossierChoice {
    /// Its sections, in the order in which they are to be read.
    pub sections: Vec<SectionChoice>,
}

/// What goes into a section.
#[derive(Clone, PartialEq, Eq)]
pub struct SectionChoice {
    /// Its title.
    pub title: String,
    /// Its entries.
    pub entries: Vec<EntryChoice>,
}

/// One entry of a dossier.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryChoice {
    /// What.
    pub what: Chosen,
    /// Where it comes from, in a line; shown beside its author.
    pub source: String,
    /// Why it is handed over, in a line.
    pub purpose: String,
    /// It is handed over although its author has restricted it.
    pub although_restricted: bool,
}

/// Something that can go into a dossier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chosen {
    /// An item of this device's copy of the case.
    Item(Position),
    /// An entry of a dossier that this professional has received, handed on.
    Entry {
        /// The handover.
        handover: ItemId,
        /// The section, from 0.
        section: u64,
        /// The entry in it, from 0.
        entry: u64,
    },
}

/// A suggestion of what to choose: the plan, what is open, and what was said; nothing restricted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DossierSuggestion {
    /// The choice.
    pub choice: DossierChoice,
    /// What was left out because its author has restricted it: to be chosen one by one.
    pub restricted: Vec<Position>,
}

/// A section as it is read.
#[derive(Clone, PartialEq, Eq)]
pub struct DossierSection {
    /// Its title.
    pub title: String,
    /// Its entries.
    pub entries: Vec<DossierEntry>,
}

/// An entry as it is read.
#[derive(Clone, PartialEq, Eq)]
pub struct DossierEntry {
    /// Where it comes from, in its chooser's words.
    pub source: String,
    /// Why it was handed over, in its chooser's words.
    pub purpose: String,
    /// When the relay had accepted the original, as its chooser says.
    pub relayed_at: Timestamp,
    /// What was said, proven to be its author's; or why that cannot be proven, and then nothing of it is shown.
    pub said: Result<OriginalItem, Unproven>,
}

/// An item as its author signed it.
#[derive(Clone, PartialEq, Eq)]
pub struct OriginalItem {
    /// Its identifier.
    pub item: ItemId,
    /// Who said it, from the certificate whose key signed it.
    pub author: Author,
    /// When, by the author's clock.
    pub sent_at: Timestamp,
    /// Which family members it concerns.
    pub about: Vec<String>,
    /// Why it was shared at the time.
    pub purpose: Option<String>,
    /// How widely it may travel.
    pub sensitivity: Sensitivity,
    /// What was said.
    pub body: Body,
}

/// Why an entry's author is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unproven {
    /// It is no item, or one of a newer version.
    #[error("this entry cannot be read")]
    Unreadable,
    /// Its chain does not end at a region root that this device knows.
    #[error("the author's certificate is not one that this device's regions vouch for")]
    Certificate,
    /// The signature is not by the certificate's key, or for another case.
    #[error("this was not signed by the author that it names, or not for this case")]
    Signature,
}

/// Why a dossier cannot be made or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DossierError {
    /// There is no such item, handover, section or entry.
    #[error("there is no such item, section or entry to hand over")]
    NoSuchThing,
    /// Its author has restricted it.
    #[error("item {} is restricted: choose it by itself, or leave it out", .0.0)]
    Restricted(Position),
    /// An entry of an earlier dossier is restricted, or not proven.
    #[error("an entry of the earlier dossier is restricted or not proven: choose it by itself, or leave it out")]
    Entry,
    /// Something that is chosen has been taken back or replaced by its author.
    #[error("item {} has been taken back or replaced by its author", .0.0)]
    TakenBack(Position),
    /// The author's certificate is not kept: the author was gone before this device joined.
    #[error("item {} cannot be proven to be its author's", .0.0)]
    NoProof(Position),
    /// It is larger than a dossier can be, or a title or label is too long or empty.
    #[error("the dossier has too many sections or entries, or a title, source or purpose that is empty or too long")]
    Bounds,
    /// Parts of it have not come, or are not those that the offer names.
    #[error("the dossier is not complete on this device")]
    Incomplete,
}

/// A dossier, ready to be sent.
pub(crate) struct Packed {
    /// The bodies of its items, in order.
    pub(crate) parts: Vec<Statement>,
    /// How the offer names it.
    pub(crate) index: Vec<SectionIndex>,
}

/// A section as it is hashed and sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// Certificate chains of the authors, the device's own certificate first.
    pub(crate) chains: Vec<Vec<ByteBuf>>,
    pub(crate) entries: Vec<Entry>,
}

/// An entry as it is hashed and sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) source: String,
    pub(crate) purpose: String,
    pub(crate) relayed_at: Timestamp,
    /// Which of the section's chains is the author's.
    pub(crate) chain: u64,
    /// The item as it was signed.
    pub(crate) signed: ByteBuf,
}

impl Section {
    pub(crate) fn new(title: String) -> Self {
        Self { title, chains: Vec::new(), entries: Vec::new() }
    }

    /// Puts an entry behind the others; a chain is there once.
    pub(crate) fn push(&mut self, chain: &[ByteBuf], choice: &EntryChoice, relayed_at: Timestamp, signed: ByteBuf) {
        let place = self.chains.iter().position(|known| known == chain).unwrap_or_else(|| {
            self.chains.push(chain.to_vec());
            self.chains.len() - 1
        });
        let (source, purpose) = (choice.source.clone(), choice.purpose.clone());
        self.entries.push(Entry { source, purpose, relayed_at, chain: place as u64, signed });
    }

    fn check(&self) -> Result<(), DossierError> {
        let line = |text: &str| !text.trim().is_empty() && text.len() <= MAX_LINE;
        let entries = self.entries.iter().all(|entry| line(&entry.source) && line(&entry.purpose));
        let fits = line(&self.title) && entries && self.entries.len() <= MAX_ENTRIES;
        if fits { Ok(()) } else { Err(DossierError::Bounds) }
    }
}

/// Cuts sections into the items that carry them.
pub(crate) fn pack(sections: &[Section]) -> Result<Packed, DossierError> {
    if sections.len() > MAX_SECTIONS {
        return Err(DossierError::Bounds);
    }
    let mut packed = Packed { parts: Vec::new(), index: Vec::new() };
    for section in sections {
        section.check()?;
        let bytes = frame::encode_body(section);
        let parts: Vec<_> =
            bytes.chunks(PART).map(|part| Statement::Dossier(DossierSays::Part(ByteBuf::from(part)))).collect();
        packed.index.push(SectionIndex {
            title: section.title.clone(),
            entries: section.entries.len() as u64,
            parts: parts.iter().map(|part| ContentHash::of(&part.encode())).collect(),
        });
        packed.parts.extend(parts);
    }
    if packed.parts.len() > MAX_PARTS { Err(DossierError::Bounds) } else { Ok(packed) }
}

/// Puts a section together from its parts, each found by its hash.
pub(crate) fn unpack(
    index: &SectionIndex,
    mut part: impl FnMut(ContentHash) -> Option<Vec<u8>>,
) -> Result<Section, DossierError> {
    let mut bytes = Vec::new();
    for hash in &index.parts {
        let found = part(*hash).filter(|found| ContentHash::of(found) == *hash).ok_or(DossierError::Incomplete)?;
        match Statement::decode(MEDIA_TYPE, &found) {
            Some(Statement::Dossier(DossierSays::Part(part))) => bytes.extend_from_slice(&part),
            _ => return Err(DossierError::Incomplete),
        }
    }
    let section: Section = frame::decode(&bytes).map_err(|_| DossierError::Incomplete)?;
    let same = section.title == index.title && section.entries.len() as u64 == index.entries;
    if same && section.check().is_ok() { Ok(section) } else { Err(DossierError::Incomplete) }
}

impl DossierSays {
    pub(super) fn check(&self) -> Result<(), Refused> {
        let Self::Part(bytes) = self;
        if bytes.is_empty() || bytes.len() > PART { Err(Refused::Bounds) } else { Ok(()) }
    }
}

says_nothing!(
    DossierSays,
    DossierChoice,
    SectionChoice,
    EntryChoice,
    DossierSuggestion,
    DossierSection,
    DossierEntry,
    OriginalItem
);
