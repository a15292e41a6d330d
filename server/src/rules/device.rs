//! What the relay keeps for a device: KeyPackages (RFC 9420 §10) and an inbox of sealed Welcomes and notes.
//!
//! Decides: a single-use KeyPackage is claimed once, the oldest first; when none is left the last resort is given
//! (RFC 9420 §16.8); a claim reserves a place in the inbox, which its Welcome then takes. Refused: a
//! device under an id that another professional's device has, what is not a KeyPackage, more of them than the pool holds, recipients that are revoked or full, claims that are unknown, used or
//! too old, notes to devices that are not known here.

use std::collections::VecDeque;

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{ClaimId, DeviceId, InboxSeq, MessageHash, OperationId, Timestamp};
use kring_protocol::limits::{MAX_KEY_PACKAGE, MAX_KEY_PACKAGES, MAX_NOTE};
use kring_protocol::message as wire;
use kring_protocol::mls;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::{Refusal, RefusedRecipient};
use serde::{Deserialize, Serialize};

use super::directory::Listing;
use super::entry::{Acknowledged, ClaimPart, Claimed, Entry, Noted, Published, WelcomePart};
use super::group::hash_of;
use super::limits::{MAX_INBOX, MAX_INBOX_BYTES, MAX_RECENT_NOTES, MAX_UNCLAIMED, MAX_UNCLAIMED_BYTES};
use crate::store::Position;

/// A device as the relay knows it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "a")]
    professional: Option<ProfessionalAddress>,
    #[serde(rename = "v")]
    revoked: bool,
    #[serde(rename = "k")]
    single_use: VecDeque<KeyPackageAt>,
    #[serde(rename = "l")]
    last_resort: Option<KeyPackageAt>,
    /// Hashes of KeyPackages claimed last, so that one published again is not given again.
    #[serde(rename = "h")]
    spent: VecDeque<MessageHash>,
    #[serde(rename = "c")]
    claims: Vec<(ClaimId, Timestamp)>,
    #[serde(rename = "i")]
    inbox: VecDeque<NoteAt>,
    #[serde(rename = "n")]
    newest: InboxSeq,
    #[serde(rename = "r")]
    recent: VecDeque<(OperationId, MessageHash)>,
}

/// A KeyPackage and where it stands in the journal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPackageAt {
    #[serde(rename = "h")]
    hash: MessageHash,
    #[serde(rename = "p")]
    position: Position,
}

/// A note and where it stands in the journal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteAt {
    #[serde(rename = "s")]
    pub(crate) seq: InboxSeq,
    #[serde(rename = "t")]
    pub(crate) day: Timestamp,
    #[serde(rename = "p")]
    pub(crate) position: Position,
    /// Its place among the Welcomes of its bundle; none: it came without a claim.
    #[serde(rename = "w")]
    pub(crate) welcome: Option<u32>,
    #[serde(rename = "b")]
    bytes: u64,
}

/// A KeyPackage that can be given to a claimer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Its hash.
    pub hash: MessageHash,
    /// The entry that holds it.
    pub position: Position,
    /// It is the last resort, and stays.
    pub last_resort: bool,
}

impl std::fmt::Debug for KeyPackageAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPackageAt(..)")
    }
}

/// Publishes KeyPackages. `before` is what is known of the device, whose certificate no list revokes now: one that was
/// cut off and is admitted again begins anew.
pub fn publish(
    before: &Device,
    device: DeviceId,
    professional: &ProfessionalAddress,
    listing: &Listing,
    request: &wire::PublishKeyPackages,
) -> Result<Entry, Refusal> {
    before.admit(professional)?;
    if request.single_use.len() > MAX_KEY_PACKAGES {
        return Err(Refusal::TooMany { limit: MAX_KEY_PACKAGES as u64 });
    }
    let kept = if request.replace { 0 } else { before.single_use.len() };
    let mut single_use: Vec<Payload> = Vec::with_capacity(request.single_use.len().min(MAX_KEY_PACKAGES));
    for key_package in request.single_use.iter().chain(&request.last_resort) {
        if key_package.len() > MAX_KEY_PACKAGE {
            return Err(Refusal::TooLarge { limit: MAX_KEY_PACKAGE as u64 });
        }
        mls::key_package(key_package).map_err(|_| Refusal::NotKeyPackage)?;
    }
    for key_package in &request.single_use {
        let hash = hash_of(key_package);
        let known = before.spent.contains(&hash)
            || !request.replace && before.single_use.iter().any(|known| known.hash == hash)
            || single_use.contains(key_package);
        if known {
            continue;
        }
        if kept + single_use.len() >= MAX_KEY_PACKAGES {
            return Err(Refusal::TooMany { limit: MAX_KEY_PACKAGES as u64 });
        }
        single_use.push(key_package.clone());
    }
    Ok(Entry::Published(Published {
        device,
        professional: professional.clone(),
        single_use,
        last_resort: request.last_resort.clone(),
        replace: request.replace,
        listing: Some(Box::new(listing.clone())),
    }))
}

impl Device {
    /// What is left for claimers.
    pub fn count(&self) -> wire::KeyPackageCount {
        wire::KeyPackageCount { single_use: self.single_use.len() as u64, last_resort: self.last_resort.is_some() }
    }

    /// Notes that wait.
    pub fn waiting(&self) -> u64 {
        self.inbox.len() as u64
    }

    /// The newest note, read or not.
    pub fn newest(&self) -> InboxSeq {
        self.newest
    }

    /// Whose device it is, if it has published.
    pub fn professional(&self) -> Option<&ProfessionalAddress> {
        self.professional.as_ref()
    }

    /// Whether a requester of this professional is the device. Ids are global, and a certificate's issuer vouches for its own
    /// organisation alone: whoever published first under an id has it for good.
    pub fn admit(&self, professional: &ProfessionalAddress) -> Result<(), Refusal> {
        match &self.professional {
            Some(owner) if owner != professional => Err(Refusal::Forbidden),
            Some(_) | None => Ok(()),
        }
    }

    /// Its full name, if it has published.
    pub fn address(&self, device: DeviceId) -> Option<DeviceAddress> {
        self.professional.clone().map(|professional| DeviceAddress { professional, device })
    }

    /// Whether a list has cut it off, and it has not published since.
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// The KeyPackage that the next claimer gets, or why there is none.
    pub fn offer(&self, now: Timestamp) -> Result<Offer, u64> {
        if self.revoked {
            return Err(RefusedRecipient::REVOKED);
        }
        let reserved = self.claims.iter().filter(|(_, until)| *until > now).count();
        if self.inbox.len() + reserved >= MAX_INBOX || self.bytes() >= MAX_INBOX_BYTES {
            return Err(RefusedRecipient::INBOX_FULL);
        }
        let offer =
            |known: &KeyPackageAt, last_resort| Offer { hash: known.hash, position: known.position, last_resort };
        let single_use = self.single_use.front().map(|known| offer(known, false));
        let last_resort = || self.last_resort.as_ref().map(|known| offer(known, true));
        single_use.or_else(last_resort).ok_or(RefusedRecipient::NO_CLAIM)
    }

    /// Whether a Welcome may be put into the inbox under this claim, or why not.
    pub fn place(&self, claim: ClaimId, now: Timestamp) -> Result<(), u64> {
        if self.revoked {
            return Err(RefusedRecipient::REVOKED);
        }
        let known = self.claims.iter().any(|(id, until)| *id == claim && *until > now);
        if known { Ok(()) } else { Err(RefusedRecipient::NO_CLAIM) }
    }

    /// Takes a note without a claim; none if it was taken before.
    pub fn note(&self, request: &wire::SendNote, now: Timestamp) -> Result<Option<Entry>, Refusal> {
        let refused = |reason| {
            Err(Refusal::Recipients(vec![RefusedRecipient {
                claim: ClaimId([0; 16]),
                device: request.device,
                reason,
            }]))
        };
        if request.sealed.len() > MAX_NOTE {
            return Err(Refusal::TooLarge { limit: MAX_NOTE as u64 });
        }
        if self.revoked {
            return refused(RefusedRecipient::REVOKED);
        }
        if self.professional.is_none() {
            return Err(Refusal::UnknownProfessional);
        }
        let hash = hash_of(&request.sealed);
        if let Some((_, earlier)) = self.recent.iter().find(|(operation, _)| *operation == request.operation) {
            return if *earlier == hash { Ok(None) } else { Err(Refusal::OperationReused) };
        }
        let reserved = self.claims.iter().filter(|(_, until)| *until > now).count();
        let unclaimed = self.inbox.iter().filter(|note| note.welcome.is_none());
        let (count, bytes) = unclaimed.fold((0, 0), |(count, bytes), note| (count + 1, bytes + note.bytes));
        let length = request.sealed.len() as u64;
        let full = self.inbox.len() + reserved >= MAX_INBOX || self.bytes() + length > MAX_INBOX_BYTES;
        if full || count >= MAX_UNCLAIMED || bytes + length > MAX_UNCLAIMED_BYTES {
            return refused(RefusedRecipient::INBOX_FULL);
        }
        Ok(Some(Entry::Noted(Noted {
            device: request.device,
            operation: request.operation,
            hash,
            day: now.day(),
            sealed: request.sealed.clone(),
        })))
    }

    /// Drops what the device has stored; none if that is nothing.
    pub fn acknowledge(&self, device: DeviceId, through: InboxSeq) -> Option<Entry> {
        let through = through.min(self.newest);
        let any = self.inbox.front().is_some_and(|note| note.seq <= through);
        any.then_some(Entry::Acknowledged(Acknowledged { device, through }))
    }

    /// Notes after `after`, in order.
    pub fn notes(&self, after: InboxSeq) -> impl Iterator<Item = &NoteAt> {
        self.inbox.iter().filter(move |note| note.seq > after)
    }

    /// Whether something of the entry at `position` is still needed.
    pub fn needs(&self, position: Position) -> bool {
        self.single_use.iter().chain(&self.last_resort).any(|known| known.position == position)
            || self.inbox.iter().any(|note| note.position == position)
    }

    fn bytes(&self) -> u64 {
        self.inbox.iter().map(|note| note.bytes).sum()
    }

    pub(crate) fn apply_published(&mut self, position: Position, entry: &Published) {
        if entry.replace {
            self.single_use.clear();
        }
        self.revoked = false;
        self.professional.get_or_insert_with(|| entry.professional.clone());
        let at = |key_package: &Payload| KeyPackageAt { hash: hash_of(key_package), position };
        self.single_use.extend(entry.single_use.iter().map(at));
        if let Some(last_resort) = &entry.last_resort {
            self.last_resort = Some(at(last_resort));
        }
    }

    pub(crate) fn apply_claimed(&mut self, entry: &Claimed, part: &ClaimPart) {
        self.claims.retain(|(_, until)| *until > entry.at);
        self.claims.push((part.claim, entry.until));
        let Some(spent) = part.spent else { return };
        self.single_use.retain(|known| known.hash != spent);
        self.spent.push_back(spent);
        if self.spent.len() > MAX_KEY_PACKAGES {
            self.spent.pop_front();
        }
    }

    pub(crate) fn apply_welcome(&mut self, position: Position, index: u32, at: Timestamp, part: &WelcomePart) {
        self.claims.retain(|(claim, _)| *claim != part.claim);
        self.store(position, Some(index), at.day(), &part.sealed);
    }

    pub(crate) fn apply_noted(&mut self, position: Position, entry: &Noted) {
        self.recent.push_back((entry.operation, entry.hash));
        if self.recent.len() > MAX_RECENT_NOTES {
            self.recent.pop_front();
        }
        self.store(position, None, entry.day, &entry.sealed);
    }

    fn store(&mut self, position: Position, welcome: Option<u32>, day: Timestamp, sealed: &Payload) {
        self.newest = self.newest.next();
        let bytes = sealed.len() as u64;
        self.inbox.push_back(NoteAt { seq: self.newest, day, position, welcome, bytes });
    }

    pub(crate) fn apply_acknowledged(&mut self, through: InboxSeq) {
        while self.inbox.front().is_some_and(|note| note.seq <= through) {
            self.inbox.pop_front();
        }
    }

    pub(crate) fn apply_revoked(&mut self) {
        let professional = self.professional.take();
        *self = Self { through: self.through, professional, revoked: true, newest: self.newest, ..Self::default() };
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        256 + self.single_use.len() * size_of::<KeyPackageAt>()
            + self.inbox.len() * size_of::<NoteAt>()
            + (self.spent.len() + self.recent.len()) * 48
    }
}

#[cfg(test)]
mod tests;
