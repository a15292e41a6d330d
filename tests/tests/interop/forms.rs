//! What members say to each other, written from the CDDL of docs/items.md alone.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use kring_protocol::frame;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

type Id = ByteArray<16>;

/// `envelope`: version, kind, group, relay, cursor, epoch, case, what it follows, the Welcome.
#[derive(Deserialize)]
pub(crate) struct Envelope(
    pub(crate) u64,
    pub(crate) u64,
    pub(crate) Id,
    pub(crate) IgnoredAny,
    pub(crate) Id,
    pub(crate) u64,
    pub(crate) Id,
    pub(crate) Option<IgnoredAny>,
    pub(crate) ByteBuf,
    #[serde(default)] pub(crate) Option<u64>,
);

/// `item`, of chat.
#[derive(Serialize, Deserialize)]
struct Content(Id, Option<()>, ByteBuf, Option<(bool, u32)>, Option<()>, Extensions, Part);

#[derive(Serialize, Deserialize)]
struct Part(u8, String, u8, String, ByteBuf);

#[derive(Serialize, Deserialize)]
struct Extensions {
    kring: ByteBuf,
    #[serde(rename = "kring.sig")]
    signature: ByteArray<64>,
}

/// `extension`.
#[derive(Serialize, Deserialize)]
struct Extension(u64, Id, u64, u64, ByteArray<32>, Option<Id>, Option<Id>, Vec<String>, Option<String>, u8);

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    digest(&SHA256, &parts.concat()).as_ref().try_into().expect("32 bytes")
}

/// What an item's signature is over.
fn signed(case: &[u8; 16], unsigned: &[u8]) -> Vec<u8> {
    [b"kring item 1".as_slice(), case, &sha256(&[unsigned])].concat()
}

/// A line of chat by somebody who has seen the log up to a record.
pub(crate) fn chat(key: &Ed25519KeyPair, case: &[u8; 16], text: &str, seen: (u64, [u8; 32]), now: u64) -> Vec<u8> {
    let (seq, hash) = seen;
    let id = ByteArray::new(rand::random());
    let extension = Extension(1, id, now, seq, ByteArray::new(hash), None, None, Vec::new(), None, 0);
    let kring = ByteBuf::from(frame::encode_body(&extension));
    let part = Part(1, String::new(), 1, "text/markdown".to_owned(), ByteBuf::from(text.as_bytes()));
    let extensions = Extensions { kring, signature: ByteArray::new([0; 64]) };
    let salt = ByteArray::new(rand::random());
    let mut content = Content(salt, None, ByteBuf::new(), None, None, extensions, part);
    let signature = key.sign(&signed(case, &frame::encode_body(&content)));
    content.5.signature = ByteArray::new(signature.as_ref().try_into().expect("64 bytes"));
    frame::encode_body(&content)
}

/// A line of chat that was received, with the number and the hash of the log that its author had seen. `None`: something else.
pub(crate) fn read_chat(bytes: &[u8], case: &[u8; 16], author: &[u8]) -> Option<(String, (u64, [u8; 32]))> {
    let content: Content = frame::decode(bytes).ok()?;
    if content.6.3 != "text/markdown" {
        return None;
    }
    let signature = content.5.signature;
    let at = bytes.windows(64).position(|window| window == signature.as_slice()).expect("it is in there");
    let mut unsigned = bytes.to_vec();
    unsigned[at..at + 64].fill(0);
    let key = UnparsedPublicKey::new(&ED25519, author);
    key.verify(&signed(case, &unsigned), signature.as_slice()).expect("the item is its author's");
    let extension: Extension = frame::decode(&content.5.kring).expect("our extension");
    let text = String::from_utf8(content.6.4.into_vec()).expect("text");
    Some((text, (extension.3, extension.4.into_array())))
}
