//! Lists of revoked certificates (RFC 5280 §5): which one counts, and whom it cuts off.
//!
//! Decides: of each issuer the list with the highest number counts, alone; a device is cut off when the list of its
//! organisation names its certificate, or the list of its region root names the organisation's. That a list is its issuer's
//! own is decided before ([`VerifiedCrl`]). Refused: a list that is not newer than the one there is, one with a number that
//! the wire cannot carry, lists of more than [`MAX_CRL_ISSUERS`] issuers.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest;
use kring_pki::form::Serial;
use kring_pki::verify::{Crl, VerifiedCrl, VerifiedDevice, issuer_id};
use kring_protocol::ids::{CrlDigest, CrlNumber, DeviceId, IssuerId, MessageHash};
use kring_protocol::limits::{MAX_COUNTER, MAX_CRL, MAX_CRL_ISSUERS};
use kring_protocol::message::KnownCrl;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, TakenCrl};
use super::group::hash_of;
use crate::store::Position;

/// What a list could name to cut a device off: its own certificate, and its organisation's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    #[serde(rename = "i")]
    issuer: IssuerId,
    #[serde(rename = "s")]
    serial: Payload,
    #[serde(rename = "r")]
    root: IssuerId,
    #[serde(rename = "a")]
    authority: Payload,
}

impl Credential {
    /// Of a device that has been verified.
    pub fn of(device: &VerifiedDevice) -> Option<Self> {
        let organisation = device.organisation_certificate();
        Some(Self {
            issuer: issuer_id(organisation)?,
            serial: bytes(device.serial()),
            root: device.root(),
            authority: bytes(&Serial::of(organisation)?),
        })
    }

    /// Whether a list of this issuer cuts it off.
    pub fn is_revoked(&self, issuer: IssuerId, crl: &Crl) -> bool {
        let names = |serial: &Payload| Serial::from_bytes(serial).is_some_and(|serial| crl.revokes(&serial));
        self.issuer == issuer && names(&self.serial) || self.root == issuer && names(&self.authority)
    }

    /// Whether one of these lists cuts it off.
    pub fn is_revoked_by(&self, lists: &HashMap<IssuerId, Crl>) -> bool {
        [self.issuer, self.root].iter().any(|id| lists.get(id).is_some_and(|crl| self.is_revoked(*id, crl)))
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.serial.len() + self.authority.len()
    }
}

fn bytes(serial: &Serial) -> Payload {
    serial.as_bytes().to_vec().into()
}

/// Where the newest list of each issuer stands.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "i")]
    issuers: BTreeMap<IssuerId, ListAt>,
}

/// One list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAt {
    #[serde(rename = "n")]
    number: CrlNumber,
    #[serde(rename = "h")]
    hash: MessageHash,
    #[serde(rename = "p")]
    position: Position,
}

impl ListAt {
    /// The entry that holds it.
    pub fn position(&self) -> Position {
        self.position
    }
}

impl Revocations {
    /// Takes a list that cuts these devices off; none if it is the one that there is.
    pub fn take(
        &self,
        list: &VerifiedCrl,
        devices: impl FnOnce() -> Vec<DeviceId>,
    ) -> Result<Option<Entry>, Refusal> {
        let der = list.crl().der();
        if der.len() > MAX_CRL {
            return Err(Refusal::TooLarge { limit: MAX_CRL as u64 });
        }
        let number = list.crl().seen().number;
        if number > MAX_COUNTER {
            return Err(Refusal::NotCrl);
        }
        let (number, hash) = (CrlNumber(number), hash_of(der));
        match self.issuers.get(&list.issuer()) {
            Some(held) if held.hash == hash => return Ok(None),
            Some(held) if held.number >= number => return Err(Refusal::StaleCrl { number: held.number }),
            None if self.issuers.len() >= MAX_CRL_ISSUERS => return Err(Refusal::Full),
            Some(_) | None => {}
        }
        Ok(Some(Entry::CrlTaken(TakenCrl {
            issuer: list.issuer(),
            number,
            hash,
            crl: der.to_vec().into(),
            authority: list.authority().map(|certificate| certificate.to_vec().into()),
            devices: devices(),
        })))
    }

    /// The lists that somebody with these does not have.
    pub fn newer_than(&self, known: &[KnownCrl]) -> Vec<ListAt> {
        let known: HashMap<IssuerId, CrlNumber> = known.iter().map(|it| (it.issuer, it.number)).collect();
        let is_news =
            |(issuer, list): &(&IssuerId, &ListAt)| known.get(issuer).is_none_or(|have| *have < list.number);
        self.issuers.iter().filter(is_news).map(|(_, list)| *list).collect()
    }

    /// Which lists these are, in 32 bytes.
    pub fn digest(&self) -> CrlDigest {
        let mut hash = digest::Context::new(&digest::SHA256);
        for (issuer, list) in &self.issuers {
            hash.update(issuer.as_bytes());
            hash.update(&list.number.0.to_be_bytes());
        }
        CrlDigest::from_slice(hash.finish().as_ref()).expect("SHA-256 has 32 bytes")
    }

    /// Whether the entry at this position holds a list that counts.
    pub fn needs(&self, position: Position) -> bool {
        self.issuers.values().any(|list| list.position == position)
    }

    pub(crate) fn apply_taken(&mut self, position: Position, entry: &TakenCrl) {
        self.issuers.insert(entry.issuer, ListAt { number: entry.number, hash: entry.hash, position });
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.issuers.len() * 2 * size_of::<(IssuerId, ListAt)>()
    }
}

#[cfg(test)]
impl Credential {
    /// Of nobody's authority.
    pub(crate) fn for_tests(number: u64) -> Self {
        let serial: Payload = number.to_be_bytes().to_vec().into();
        Self { issuer: IssuerId([1; 32]), serial: serial.clone(), root: IssuerId([2; 32]), authority: serial }
    }
}

#[cfg(test)]
pub(super) mod tests;
