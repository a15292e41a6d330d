//! An item as it crosses the group: MIMI content (draft-ietf-mimi-content) with our own extension and signature.
//!
//! CDDL in `docs/items.md`. What MIMI's own `replaces` and `inReplyTo` would carry are hashes that change when an item
//! is encrypted again after a lost epoch; ours name the item's identifier, which stays, so MIMI's are null.
//!
//! Every item carries a device signature over `"kring item 1" ‖ case id ‖ SHA-256(content)`, where `content` is the
//! encoded item with the signature's 64 bytes set to zero: MLS's framing signatures cannot be shown to a third party,
//! and a dossier has to prove its authors. Refused: bytes that are not such content, or follow it; nesting beyond the
//! wire's bound. Kept and shown as such: kinds and versions that are not known.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use kring_protocol::frame;
use kring_protocol::ids::{Seq, Timestamp};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::case::{CaseId, DraftBody, ItemDraft, ItemId, Sensitivity};
use crate::mls::party::DeviceSigner;
use crate::store::{StoreError, encode as to_cbor};

/// First bytes of every signed text.
const LABEL: &[u8] = b"kring item 1";
/// Version of our extension.
const VERSION: u64 = 1;
/// Name of our extension in MIMI's map.
const EXTENSION: &str = "kring";
/// Name of the signature in MIMI's map.
const SIGNATURE: &str = "kring.sig";
/// MIMI disposition: render.
const RENDER: u8 = 1;
/// MIMI cardinality: no part.
const NOTHING: u8 = 0;
/// MIMI cardinality: a single part.
const SINGLE: u8 = 1;
/// Chat.
const MARKDOWN: &str = "text/markdown";

/// What the sender had seen of the log when it wrote: its last record, and the running hash there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) seq: Seq,
    pub(crate) hash: [u8; 32],
}

/// An item that has been read. Its signature has been checked only if [`Read::signed_by`] says so.
pub(crate) struct Read {
    pub(crate) id: ItemId,
    pub(crate) sent_at: Timestamp,
    pub(crate) seen: Option<Seen>,
    pub(crate) in_reply_to: Option<ItemId>,
    pub(crate) replaces: Option<ItemId>,
    pub(crate) about: Vec<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) sensitivity: Sensitivity,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) said: Said,
    signature: [u8; 64],
    hash: [u8; 32],
}

impl Said {
    /// What it states, if it is of one of our own kinds.
    pub(crate) fn statement(&self) -> Option<crate::case::Statement> {
        match self {
            Self::Part { media_type: Some(kind), content } => crate::case::Statement::decode(kind, content),
            Self::Part { media_type: None, .. } | Self::Markdown(_) | Self::Deleted => None,
        }
    }
}

/// What an item says, before its kind is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Chat.
    Markdown(String),
    /// Nothing any more.
    Deleted,
    /// A part of another media type, or of a version or cardinality that is not known (then without one).
    Part { media_type: Option<String>, content: Vec<u8> },
}

#[derive(Serialize)]
struct Extension<'a>(
    u64,
    ItemId,
    u64,
    u64,
    ByteArray<32>,
    Option<ItemId>,
    Option<ItemId>,
    &'a [String],
    Option<&'a str>,
    u8,
);

#[derive(Serialize)]
struct Extensions {
    kring: ByteBuf,
    #[serde(rename = "kring.sig")]
    signature: ByteArray<64>,
}

/// A body: a single part, or none.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Single(u8, &'a str, u8, &'a str, &'a serde_bytes::Bytes),
    Nothing(u8, &'a str, u8),
}

/// When an item is of no use any more: MIMI's absolute form, in seconds.
#[derive(Serialize)]
struct Expires(bool, u32);

#[derive(Serialize)]
struct Content<'a>(
    ByteArray<16>,
    Option<()>,
    &'a serde_bytes::Bytes,
    Option<Expires>,
    Option<()>,
    Extensions,
    Part<'a>,
);

/// Encodes and signs an item.
pub(crate) fn encode(
    signer: &DeviceSigner,
    case: CaseId,
    id: ItemId,
    draft: &ItemDraft,
    sent_at: Timestamp,
    seen: Seen,
) -> Result<Vec<u8>, StoreError> {
    let extension = Extension(
        VERSION,
        id,
        sent_at.0,
        seen.seq.0,
        ByteArray::new(seen.hash),
        draft.in_reply_to,
        draft.replaces,
        &draft.about,
        draft.purpose.as_deref(),
        match draft.sensitivity {
            Sensitivity::Normal => 0,
            Sensitivity::Restricted => 1,
        },
    );
    let kring = ByteBuf::from(to_cbor(&extension)?);
    let single = |media_type, content| Part::Single(RENDER, "", SINGLE, media_type, serde_bytes::Bytes::new(content));
    let part = || match &draft.body {
        DraftBody::Markdown(text) => single(MARKDOWN, text.as_bytes()),
        DraftBody::Part { media_type, content } => single(media_type.as_str(), content.as_slice()),
        DraftBody::Deleted => Part::Nothing(RENDER, "", NOTHING),
    };
    let expires = || draft.expires.map(|at| Expires(false, seconds(at)));
    let salt = rand::random::<[u8; 16]>();
    let with = |signature: [u8; 64]| {
        to_cbor(&Content(
            ByteArray::new(salt),
            None,
            serde_bytes::Bytes::new(&[]),
            expires(),
            None,
            Extensions { kring: kring.clone(), signature: ByteArray::new(signature) },
            part(),
        ))
    };
    let unsigned = with([0; 64])?;
    with(signer.sign_bytes(&signed_text(case, &sha256(&unsigned))))
}

/// Reads an item; `None` if the bytes are none.
pub(crate) fn read(bytes: &[u8]) -> Option<Read> {
    let wire: WireContent = frame::decode(bytes).ok()?;
    let signature: [u8; 64] = wire.signature?.as_slice().try_into().ok()?;
    let at = bytes.windows(64).position(|window| window == signature)?;
    let mut unsigned = bytes.to_vec();
    unsigned[at..at + 64].fill(0);
    let hash = sha256(&unsigned);
    let extension: WireExtension = frame::decode(&wire.extension?).ok()?;
    let known = extension.known;
    let said = match (&known, wire.part) {
        (Some(_), WirePart::Single(media_type, content)) if is_markdown(&media_type) => {
            match String::from_utf8(content) {
                Ok(text) => Said::Markdown(text),
                Err(error) => Said::Part { media_type: Some(media_type), content: error.into_bytes() },
            }
        }
        (Some(known), WirePart::Nothing) if known.replaces.is_some() => Said::Deleted,
        // Of another version nothing but the identifier is believed, its media type least of all.
        (Some(_), WirePart::Single(media_type, content)) => Said::Part { media_type: Some(media_type), content },
        (None, WirePart::Single(_, content)) => Said::Part { media_type: None, content },
        (_, WirePart::Nothing | WirePart::Other) => Said::Part { media_type: None, content: Vec::new() },
    };
    let known = known.unwrap_or_default();
    Some(Read {
        id: extension.id,
        sent_at: known.sent_at,
        seen: known.seen,
        in_reply_to: known.in_reply_to,
        replaces: known.replaces,
        about: known.about,
        purpose: known.purpose,
        sensitivity: known.sensitivity,
        expires: wire.expires,
        said,
        signature,
        hash,
    })
}

/// Chat, with or without parameters such as MIMI's `variant=GFM-MIMI`.
fn is_markdown(media_type: &str) -> bool {
    media_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(MARKDOWN))
}

/// MIMI's whole seconds of 32 bits, up to the year 2106; later is then.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.0 / Timestamp::SECOND).unwrap_or(u32::MAX)
}

impl Read {
    /// Whether a device's key signed this item for this case.
    pub(crate) fn signed_by(&self, key: &[u8; 32], case: CaseId) -> bool {
        UnparsedPublicKey::new(&ED25519, key).verify(&signed_text(case, &self.hash), &self.signature).is_ok()
    }
}

fn signed_text(case: CaseId, hash: &[u8; 32]) -> Vec<u8> {
    [LABEL, case.0.as_slice(), hash.as_slice()].concat()
}

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// MIMI content as received: what of it matters here.
struct WireContent {
    extension: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    expires: Option<Timestamp>,
    part: WirePart,
}

impl<'de> Deserialize<'de> for WireContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = WireContent;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("MIMI content")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<WireContent, A::Error> {
                let short = || serde::de::Error::invalid_length(0, &"7 elements");
                seq.next_element::<ByteArray<16>>()?.ok_or_else(short)?;
                for _ in 0..2 {
                    seq.next_element::<IgnoredAny>()?.ok_or_else(short)?;
                }
                let expires: Option<(bool, u32)> = seq.next_element()?.ok_or_else(short)?;
                // From reading on, the other form counts; but when that was nobody else knows.
                let expires = expires.filter(|(relative, _)| !relative);
                let expires = expires.map(|(_, at)| Timestamp(u64::from(at) * Timestamp::SECOND));
                seq.next_element::<IgnoredAny>()?.ok_or_else(short)?;
                let extensions: WireExtensions = seq.next_element()?.ok_or_else(short)?;
                let part: WirePart = seq.next_element()?.ok_or_else(short)?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(WireContent { extension: extensions.kring, signature: extensions.signature, expires, part })
            }
        }
        deserializer.deserialize_seq(Fields)
    }
}

/// MIMI's extension map: ours, and whatever else is in it.
struct WireExtensions {
    kring: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

/// A name in MIMI's extension map: text or integer.
enum Name {
    Text(String),
    Number,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Name;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text or an integer")
            }

            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                Ok(Name::Text(text.to_owned()))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Name, E> {
                Ok(Name::Number)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Name, E> {
                Ok(Name::Number)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for WireExtensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = WireExtensions;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("MIMI extensions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireExtensions, A::Error> {
                use serde::de::Error as _;
                let (mut kring, mut signature) = (None, None);
                while let Some(name) = map.next_key::<Name>()? {
                    let slot = match &name {
                        Name::Text(text) if text == EXTENSION => &mut kring,
                        Name::Text(text) if text == SIGNATURE => &mut signature,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if slot.replace(map.next_value::<ByteBuf>()?.into_vec()).is_some() {
                        return Err(A::Error::duplicate_field(EXTENSION));
                    }
                }
                Ok(WireExtensions { kring, signature })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// MIMI's nested part: media type and bytes of a single one, nothing of the others.
#[cfg_attr(test, derive(Debug, PartialEq))]
enum WirePart {
    Nothing,
    Single(String, Vec<u8>),
    Other,
}

impl<'de> Deserialize<'de> for WirePart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = WirePart;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a MIMI part")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<WirePart, A::Error> {
                let short = || serde::de::Error::invalid_length(0, &"a part");
                seq.next_element::<u64>()?.ok_or_else(short)?;
                seq.next_element::<IgnoredAny>()?.ok_or_else(short)?;
                let cardinality = seq.next_element::<u64>()?.ok_or_else(short)?;
                let part = if cardinality == u64::from(SINGLE) {
                    let media_type = seq.next_element::<String>()?.ok_or_else(short)?;
                    WirePart::Single(media_type, seq.next_element::<ByteBuf>()?.ok_or_else(short)?.into_vec())
                } else if cardinality == u64::from(NOTHING) {
                    WirePart::Nothing
                } else {
                    WirePart::Other
                };
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(part)
            }
        }
        deserializer.deserialize_seq(Fields)
    }
}

/// A number below 2^62.
struct Counter(u64);

impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u64::deserialize(deserializer)?;
        let bounded = value <= kring_protocol::limits::MAX_COUNTER;
        if bounded { Ok(Self(value)) } else { Err(serde::de::Error::custom("a number below 2^62")) }
    }
}

/// Our extension: its identifier in every version, the rest in the one that is known.
struct WireExtension {
    id: ItemId,
    known: Option<Known>,
}

#[derive(Default)]
struct Known {
    sent_at: Timestamp,
    seen: Option<Seen>,
    in_reply_to: Option<ItemId>,
    replaces: Option<ItemId>,
    about: Vec<String>,
    purpose: Option<String>,
    sensitivity: Sensitivity,
}

impl<'de> Deserialize<'de> for WireExtension {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = WireExtension;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an item's extension")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<WireExtension, A::Error> {
                let short = || serde::de::Error::invalid_length(0, &"an item's extension");
                let version: u64 = seq.next_element()?.ok_or_else(short)?;
                let id = seq.next_element()?.ok_or_else(short)?;
                let known = if version == VERSION {
                    // Bounded as every counter: what could not be read again must not be stored.
                    let Counter(sent_at) = seq.next_element()?.ok_or_else(short)?;
                    let sent_at = Timestamp(sent_at);
                    let seq_seen: Seq = seq.next_element()?.ok_or_else(short)?;
                    let hash: ByteArray<32> = seq.next_element()?.ok_or_else(short)?;
                    Some(Known {
                        sent_at,
                        seen: Some(Seen { seq: seq_seen, hash: hash.into_array() }),
                        in_reply_to: seq.next_element()?.ok_or_else(short)?,
                        replaces: seq.next_element()?.ok_or_else(short)?,
                        about: seq.next_element()?.ok_or_else(short)?,
                        purpose: seq.next_element()?.ok_or_else(short)?,
                        sensitivity: match seq.next_element::<u8>()?.ok_or_else(short)? {
                            0 => Sensitivity::Normal,
                            _ => Sensitivity::Restricted,
                        },
                    })
                } else {
                    None
                };
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(WireExtension { id, known })
            }
        }
        deserializer.deserialize_seq(Fields)
    }
}

#[cfg(test)]
mod tests;
