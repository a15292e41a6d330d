//! One entry: its form, its place in the chain, its signature.
//!
//! ```cddl
//! head = [version: 1, number: uint, at: uint, activity: uint, outcome: 0 / 1 / 2, actor: bstr .size 8,
//!         case: bstr .size 8 / null, details: bstr .size 32, key: bstr .size 32, before: bstr .size 32]
//! hash(head)   = SHA-256("kring audit 1" ‖ head)
//! signature    = Ed25519 by `key` over "kring audit entry 1" ‖ hash(head)
//! details      = SHA-256("kring audit details 1" ‖ encoded details, which begin with a random salt)
//! before       = hash of the head before; of the first, SHA-256("kring audit 1")
//! pseudonym(x) = first 8 bytes of HMAC-SHA-256(key of the store, x)
//! ```

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::activity::{Activity, Outcome};
use crate::case::{CaseId, ItemId};
use crate::mls::party::Party;
use crate::store::{AuditRow, Rows, StoreError, Transaction, decode, encode};

/// First bytes of what a head's hash is computed over.
const HEAD: &[u8] = b"kring audit 1";
/// First bytes of what is signed.
const ENTRY: &[u8] = b"kring audit entry 1";
/// First bytes of what the details' hash is computed over.
const DETAILS: &[u8] = b"kring audit details 1";
/// Version of the form.
const VERSION: u64 = 1;
/// Name of the pseudonyms' key in the store.
const PSEUDONYMS: &str = "audit pseudonyms";
/// Name of the log's signing keys in the store.
const KEYS: &str = "audit keys";
/// Name of the last entry's number in the store.
const LAST: &str = "audit last";
/// Most bytes of a free text in an entry: the log is bounded by what is done, not by what is written.
const MAX_TEXT: usize = 512;
/// What the entries say of the program that wrote them.
const SOFTWARE: &str = concat!("kring ", env!("CARGO_PKG_VERSION"));

/// Something to record. Who, on whose authority, when and from where are added by the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// What.
    pub activity: Activity,
    /// How it ended.
    pub outcome: Outcome,
    /// The case.
    pub case: Option<CaseId>,
    /// Which family members, by their names within the case.
    pub about: Vec<String>,
    /// Why.
    pub purpose: Option<String>,
    /// The item.
    pub item: Option<ItemId>,
    /// What kind of thing: a media type, or a word such as `timeline`.
    pub kind: Option<String>,
    /// Whom else it concerns: the address of who was added, removed, given a role.
    pub concerns: Option<String>,
    /// How many items were shown or exported.
    pub count: Option<u64>,
    /// Why it was refused or failed: a name for machines.
    pub reason: Option<String>,
    /// Who did it, if not this device's user.
    pub by: Option<DeviceAddress>,
}

/// Who acted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The device, as its certificate names it (`kring://…`).
    pub device: String,
    /// The professional's name; empty for others than this device's user.
    #[serde(default)]
    pub name: String,
    /// The organisation on whose authority they acted; empty for others, whose address names its domain.
    #[serde(default)]
    pub organisation: String,
    /// Their function.
    #[serde(default)]
    pub function: String,
    /// Their role in the case.
    #[serde(default)]
    pub role: Option<u8>,
}

/// What an entry says in the clear, until the case is erased.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    salt: ByteArray<16>,
    /// Who, and on whose authority.
    pub who: Actor,
    /// The case.
    pub case: Option<CaseId>,
    /// Which family members it concerns.
    #[serde(default)]
    pub about: Vec<String>,
    /// Why.
    #[serde(default)]
    pub purpose: Option<String>,
    /// The item.
    #[serde(default)]
    pub item: Option<ItemId>,
    /// What kind of thing.
    #[serde(default)]
    pub kind: Option<String>,
    /// Whom else it concerns.
    #[serde(default)]
    pub concerns: Option<String>,
    /// How many.
    #[serde(default)]
    pub count: Option<u64>,
    /// Why it was refused or failed.
    #[serde(default)]
    pub reason: Option<String>,
    /// The device on which it was recorded.
    pub recorded_on: String,
    /// The program that recorded it.
    pub software: String,
}

/// The part of an entry that outlives an erase.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    /// Number of the activity: a newer version may know more.
    pub(crate) activity: u64,
    pub(crate) outcome: u64,
    pub(crate) actor: [u8; 8],
    pub(crate) case: Option<[u8; 8]>,
    pub(crate) details: [u8; 32],
    pub(crate) key: [u8; 32],
    pub(crate) before: [u8; 32],
}

/// A head as it is encoded.
#[derive(Serialize, Deserialize)]
struct Encoded(
    u64,
    u64,
    u64,
    u64,
    u64,
    ByteArray<8>,
    Option<ByteArray<8>>,
    ByteArray<32>,
    ByteArray<32>,
    ByteArray<32>,
);

/// An entry of the log. Nothing of it has been checked: see [`Chain`](super::Chain).
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub(super) head: Head,
    pub(super) details: Option<Details>,
    pub(super) head_bytes: Vec<u8>,
    pub(super) details_bytes: Option<Vec<u8>>,
    pub(super) signature: Vec<u8>,
}

impl Note {
    /// Something that was done.
    pub fn done(activity: Activity) -> Self {
        Self {
            activity,
            outcome: Outcome::Done,
            case: None,
            about: Vec::new(),
            purpose: None,
            item: None,
            kind: None,
            concerns: None,
            count: None,
            reason: None,
            by: None,
        }
    }

    /// In this case.
    pub fn in_case(self, case: CaseId) -> Self {
        Self { case: Some(case), ..self }
    }

    /// Of this kind.
    pub fn of(self, kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// So many.
    pub fn counting(self, count: u64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// It was refused, for a reason with this name.
    pub fn refused(self, reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Refused, reason: Some(reason.into()), ..self }
    }

    /// It failed, for a reason with this name.
    pub fn failed(self, reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, reason: Some(reason.into()), ..self }
    }
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let Encoded(version, number, at, activity, outcome, actor, case, details, key, before) =
            kring_protocol::frame::decode(bytes).ok()?;
        (version == VERSION).then_some(Self {
            number,
            at: Timestamp(at),
            activity,
            outcome,
            actor: actor.into_array(),
            case: case.map(ByteArray::into_array),
            details: details.into_array(),
            key: key.into_array(),
            before: before.into_array(),
        })
    }

    fn encode(&self) -> Result<Vec<u8>, StoreError> {
        encode(&Encoded(
            VERSION,
            self.number,
            self.at.0,
            self.activity,
            self.outcome,
            ByteArray::new(self.actor),
            self.case.map(ByteArray::new),
            ByteArray::new(self.details),
            ByteArray::new(self.key),
            ByteArray::new(self.before),
        ))
    }
}

impl Entry {
    pub(crate) fn of(row: AuditRow) -> Result<Self, StoreError> {
        Self::read(row.head, row.details, row.signature).ok_or(StoreError::Corrupt)
    }

    /// Reads an entry; `None` if the bytes are none.
    pub(super) fn read(head_bytes: Vec<u8>, details_bytes: Option<Vec<u8>>, signature: Vec<u8>) -> Option<Self> {
        let head = Head::read(&head_bytes)?;
        let details = match &details_bytes {
            Some(bytes) => Some(kring_protocol::frame::decode(bytes).ok()?),
            None => None,
        };
        Some(Self { head, details, head_bytes, details_bytes, signature })
    }

    /// Its number: 1 for the first, without holes.
    pub fn number(&self) -> u64 {
        self.head.number
    }

    /// When, by this device's clock.
    pub fn at(&self) -> Timestamp {
        self.head.at
    }

    /// What; `None`: a newer version recorded something that this one does not know.
    pub fn activity(&self) -> Option<Activity> {
        Activity::from_number(self.head.activity)
    }

    /// How it ended.
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::from_number(self.head.outcome)
    }

    /// All in the clear; `None` once the case has been erased.
    pub fn details(&self) -> Option<&Details> {
        self.details.as_ref()
    }

    /// The pseudonym of who acted.
    pub fn actor_pseudonym(&self) -> [u8; 8] {
        self.head.actor
    }

    /// The pseudonym of the case.
    pub fn case_pseudonym(&self) -> Option<[u8; 8]> {
        self.head.case
    }

    /// Its hash, which the next entry names.
    pub(super) fn hash(&self) -> [u8; 32] {
        hash_of(&self.head_bytes)
    }

    pub(super) fn signed_text(&self) -> Vec<u8> {
        signed_text(&self.hash())
    }

    /// Whether the details are those that the head was written with.
    pub(super) fn details_hold(&self) -> bool {
        self.details_bytes.as_ref().is_none_or(|bytes| hash_of_details(bytes) == self.head.details)
    }
}

/// Hash that the first entry names as the one before it.
pub(super) fn beginning() -> [u8; 32] {
    digest(HEAD, &[])
}

fn hash_of(head: &[u8]) -> [u8; 32] {
    digest(HEAD, head)
}

fn hash_of_details(details: &[u8]) -> [u8; 32] {
    digest(DETAILS, details)
}

fn signed_text(hash: &[u8; 32]) -> Vec<u8> {
    [ENTRY, hash].concat()
}

fn digest(label: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(label);
    context.update(bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The public keys with which this device's log was signed, in their order, and how long the log must be.
pub(crate) struct Keys {
    pub(crate) keys: Vec<[u8; 32]>,
    pub(crate) last: u64,
}

impl Keys {
    pub(crate) fn load(rows: &Rows<'_>) -> Result<Self, StoreError> {
        let keys: Vec<ByteArray<32>> = rows.meta(KEYS)?.map_or(Ok(Vec::new()), |bytes| decode(&bytes))?;
        let last: u64 = rows.meta(LAST)?.map_or(Ok(0), |bytes| decode(&bytes))?;
        Ok(Self { keys: keys.into_iter().map(ByteArray::into_array).collect(), last })
    }
}

/// Appends an entry within a step. `role` is the acting professional's in the case, if it is known.
pub(crate) fn write(
    step: &Transaction<'_>,
    party: &Party,
    now: Timestamp,
    note: &Note,
    role: Option<u8>,
) -> Result<(), StoreError> {
    let own = party.verified();
    let device = note.by.as_ref().unwrap_or(own.address());
    let mut who = Actor {
        device: device.to_uri(),
        name: String::new(),
        organisation: String::new(),
        function: String::new(),
        role,
    };
    if device == own.address() {
        who.name = own.name().as_str().to_owned();
        who.organisation = own.organisation().as_str().to_owned();
        who.function = own.function().as_str().to_owned();
    }
    let short = |text: &String| text.chars().take(MAX_TEXT / 4).collect::<String>();
    let details = encode(&Details {
        salt: ByteArray::new(rand::random()),
        who,
        case: note.case,
        about: note.about.clone(),
        purpose: note.purpose.as_ref().map(short),
        item: note.item,
        kind: note.kind.as_ref().map(short),
        concerns: note.concerns.as_ref().map(short),
        count: note.count,
        reason: note.reason.as_ref().map(short),
        recorded_on: own.address().to_uri(),
        software: SOFTWARE.to_owned(),
    })?;

    let rows = step.rows();
    let (number, before) = match rows.last_audit()? {
        Some((number, head)) => (number + 1, hash_of(&head)),
        None => (1, beginning()),
    };
    let pseudonyms = match rows.meta(PSEUDONYMS)? {
        Some(key) => key,
        None => {
            let key = rand::random::<[u8; 32]>().to_vec();
            step.write_meta(PSEUDONYMS, &key)?;
            key
        }
    };
    let key: [u8; 32] = party.signer().public().try_into().map_err(|_| StoreError::Internal)?;
    let mut known = Keys::load(&rows)?;
    if known.keys.last() != Some(&key) {
        known.keys.push(key);
        let keys: Vec<ByteBuf> = known.keys.iter().map(|key| ByteBuf::from(*key)).collect();
        step.write_meta(KEYS, &encode(&keys)?)?;
    }
    let head = Head {
        number,
        at: now,
        activity: note.activity.number(),
        outcome: note.outcome.number(),
        actor: pseudonym(&pseudonyms, device.to_uri().as_bytes()),
        case: note.case.map(|case| pseudonym(&pseudonyms, &case.0)),
        details: hash_of_details(&details),
        key,
        before,
    }
    .encode()?;
    let signature = party.signer().sign_bytes(&signed_text(&hash_of(&head)));
    step.append_audit(number, note.case, &head, &signature, &details)?;
    step.write_meta(LAST, &encode(&number)?)
}

fn pseudonym(key: &[u8], of: &[u8]) -> [u8; 8] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), of);
    let mut short = [0; 8];
    short.copy_from_slice(&tag.as_ref()[..8]);
    short
}

/// The public key of a device's certificate (DER), with which its log is signed; `None` if it is no such certificate.
pub fn key_of_certificate(der: &[u8]) -> Option<[u8; 32]> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    certificate.public_key().subject_public_key.data.as_ref().try_into().ok()
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({:?}, {:?})", self.activity, self.outcome)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actor(..)")
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Details(..)")
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({})", self.number)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.head.number)
    }
}
