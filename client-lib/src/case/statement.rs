//! What an item states, as typed bodies: one media type for each family of kinds.
//!
//! A body is CBOR (`docs/items.md` has its CDDL): `[version, { kind: fields }]`. Fields that are not known are ignored, so
//! that later versions can add some; another version or kind is kept as it is and shown as "needs a newer version".
//! Refused: bytes that are no such thing, or that something follows.

use kring_protocol::frame;
use kring_protocol::ids::Timestamp;
use serde::de::DeserializeOwned;

use super::alert::AlertSays;
use super::attestation::AttestationSays;
use super::deadline::Deadline;
use super::dossier::DossierSays;
use super::draft::{DraftBody, ItemDraft};
use super::fold::Refused;
use super::handover::HandoverSays;
use super::hash::ContentHash;
use super::log::says_nothing;
use super::plan::PlanSays;
use super::snapshot::{DisputeSays, SnapshotSays};
use super::task::TaskSays;

/// Version of the bodies.
const VERSION: u64 = 1;
/// Most bytes of one text: some pages.
pub const MAX_TEXT: usize = 16 * 1024;
/// Most bytes of what is shown as a line: a title, who, when.
pub const MAX_LINE: usize = 512;
/// Most elements of a list.
pub const MAX_LIST: usize = 64;
/// Latest time that an item can name, 2^53 ms: later ones no calendar shows, and sums with it cannot overflow.
const LATEST: Timestamp = Timestamp(1 << 53);

/// What an item states.
#[derive(Clone, PartialEq, Eq)]
pub enum Statement {
    /// About an urgent alert.
    Alert(AlertSays),
    /// About the safety plan.
    Plan(PlanSays),
    /// About a task.
    Task(TaskSays),
    /// About a handover.
    Handover(HandoverSays),
    /// A part of a handover's dossier.
    Dossier(DossierSays),
    /// What a device had of the case is destroyed.
    Attestation(AttestationSays),
    /// A deadline has passed.
    Deadline(Deadline),
    /// The state of the case, for those who have joined.
    Snapshot(SnapshotSays),
    /// A snapshot is not what its reader has.
    Dispute(DisputeSays),
}

macro_rules! families {
    ($($variant:ident => $media_type:literal),+ $(,)?) => {
        impl Statement {
            /// Media types of all families.
            pub const MEDIA_TYPES: &[&str] = &[$($media_type),+];

            /// Its media type.
            pub fn media_type(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $media_type),+
                }
            }

            /// Its bytes.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Self::$variant(says) => frame::encode_body(&(VERSION, says))),+
                }
            }

            /// Reads a body; `None`: of another family, version or kind, or no such thing.
            pub fn decode(media_type: &str, content: &[u8]) -> Option<Self> {
                match media_type {
                    $($media_type => decode(content).map(Self::$variant)),+,
                    _ => None,
                }
            }
        }
    };
}

families! {
    Alert => "application/vnd.kring.alert+cbor",
    Plan => "application/vnd.kring.plan+cbor",
    Task => "application/vnd.kring.task+cbor",
    Handover => "application/vnd.kring.handover+cbor",
    Dossier => "application/vnd.kring.dossier+cbor",
    Attestation => "application/vnd.kring.attestation+cbor",
    Deadline => "application/vnd.kring.deadline+cbor",
    Snapshot => "application/vnd.kring.snapshot+cbor",
    Dispute => "application/vnd.kring.dispute+cbor",
}

fn decode<T: DeserializeOwned>(content: &[u8]) -> Option<T> {
    let (version, says): (u64, T) = frame::decode(content).ok()?;
    (version == VERSION).then_some(says)
}

impl Statement {
    /// Checks the bounds that every statement keeps.
    pub fn check(&self) -> Result<(), Refused> {
        match self {
            Self::Alert(says) => says.check(),
            Self::Plan(says) => says.check(),
            Self::Task(says) => says.check(),
            Self::Handover(says) => says.check(),
            Self::Dossier(says) => says.check(),
            Self::Attestation(_) | Self::Deadline(_) | Self::Dispute(_) => Ok(()),
            Self::Snapshot(says) => says.check(),
        }
    }

    /// Whether it leaves the outbox before everything else: alerts, and what belongs to their ladder.
    pub fn is_urgent(&self) -> bool {
        matches!(self, Self::Alert(_) | Self::Deadline(Deadline::AlertStep { .. }))
    }

    /// SHA-256 of its bytes.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.encode())
    }

    /// The draft of an item that states it.
    pub fn draft(&self) -> ItemDraft {
        let body = DraftBody::Part { media_type: self.media_type().to_owned(), content: self.encode() };
        ItemDraft { body, ..ItemDraft::markdown(String::new()) }
    }
}

/// Bounds of a text.
pub(super) fn text(text: &str) -> Result<(), Refused> {
    if text.len() <= MAX_TEXT { Ok(()) } else { Err(Refused::Bounds) }
}

/// Bounds of a line, which cannot be empty.
pub(super) fn line(text: &str) -> Result<(), Refused> {
    if !text.trim().is_empty() && text.len() <= MAX_LINE { Ok(()) } else { Err(Refused::Bounds) }
}

/// Bounds of the code of a function.
pub(super) fn function(code: &str) -> Result<(), Refused> {
    kring_pki::form::FunctionCode::new(code).map(drop).map_err(|_| Refused::Bounds)
}

/// Bounds of a list.
pub(super) fn list<T>(elements: &[T]) -> Result<(), Refused> {
    if elements.len() <= MAX_LIST { Ok(()) } else { Err(Refused::Bounds) }
}

/// Bounds of a time.
pub(super) fn time(time: Timestamp) -> Result<(), Refused> {
    if time <= LATEST { Ok(()) } else { Err(Refused::Bounds) }
}

says_nothing!(Statement);
