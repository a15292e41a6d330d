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

use crate::case::{Body, CaseId, DraftBody, ItemDraft, ItemId, Sensitivity};
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
    pub(crate) body: Body,
    signature: [u8; 64],
    hash: [u8; 32],
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

#[derive(Serialize)]
struct Part<'a>(u8, &'a str, u8, &'a str, &'a serde_bytes::Bytes);

#[derive(Serialize)]
struct Content<'a>(ByteArray<16>, Option<()>, &'a serde_bytes::Bytes, Option<()>, Option<()>, Extensions, Part<'a>);

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
    let (media_type, content) = match &draft.body {
        DraftBody::Markdown(text) => (MARKDOWN, text.as_bytes()),
        DraftBody::Part { media_type, content } => (media_type.as_str(), content.as_slice()),
    };
    let salt = rand::random::<[u8; 16]>();
    let with = |signature: [u8; 64]| {
        to_cbor(&Content(
            ByteArray::new(salt),
            None,
            serde_bytes::Bytes::new(&[]),
            None,
            None,
            Extensions { kring: kring.clone(), signature: ByteArray::new(signature) },
            Part(RENDER, "", SINGLE, media_type, serde_bytes::Bytes::new(content)),
        ))
    };
    let unsigned = with([0; 64])?;
    with(signer.sign_bytes(&signed_text(case, &sha256(&unsigned))))
}

/// Reads an item; `None` if the bytes are none.
pub(crate) fn read(bytes: &[u8]) -> Option<Read> {
    let wire: WireContent = frame::decode(bytes).ok()?;
    let signature: [u8; 64] = wire.signature.as_slice().try_into().ok()?;
    let at = bytes.windows(64).position(|window| window == signature)?;
    let mut unsigned = bytes.to_vec();
    unsigned[at..at + 64].fill(0);
    let hash = sha256(&unsigned);
    let extension: WireExtension = frame::decode(&wire.extension).ok()?;
    let known = extension.known;
    let body = match (&known, wire.part) {
        (Some(_), Some((media_type, content))) if media_type == MARKDOWN => match String::from_utf8(content) {
            Ok(text) => Body::Markdown(text),
            Err(error) => Body::Unknown { media_type: Some(media_type), content: error.into_bytes() },
        },
        (_, Some((media_type, content))) => Body::Unknown { media_type: Some(media_type), content },
        (_, None) => Body::Unknown { media_type: None, content: Vec::new() },
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
        body,
        signature,
        hash,
    })
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
    extension: Vec<u8>,
    signature: Vec<u8>,
    part: Option<(String, Vec<u8>)>,
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
                for _ in 0..4 {
                    seq.next_element::<IgnoredAny>()?.ok_or_else(short)?;
                }
                let extensions: WireExtensions = seq.next_element()?.ok_or_else(short)?;
                let WirePart(part) = seq.next_element()?.ok_or_else(short)?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(WireContent { extension: extensions.kring, signature: extensions.signature, part })
            }
        }
        deserializer.deserialize_seq(Fields)
    }
}

/// MIMI's extension map: ours, and whatever else is in it.
struct WireExtensions {
    kring: Vec<u8>,
    signature: Vec<u8>,
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
                let kring = kring.ok_or_else(|| A::Error::missing_field(EXTENSION))?;
                let signature = signature.ok_or_else(|| A::Error::missing_field(SIGNATURE))?;
                Ok(WireExtensions { kring, signature })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// MIMI's nested part: media type and bytes of a single one, nothing of the others.
struct WirePart(Option<(String, Vec<u8>)>);

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
                    Some((media_type, seq.next_element::<ByteBuf>()?.ok_or_else(short)?.into_vec()))
                } else {
                    None
                };
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(WirePart(part))
            }
        }
        deserializer.deserialize_seq(Fields)
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
                    let sent_at = Timestamp(seq.next_element()?.ok_or_else(short)?);
                    let seq_seen = Seq(seq.next_element()?.ok_or_else(short)?);
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
