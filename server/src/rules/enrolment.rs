//! An organisation's mailbox for certificates: tickets of new devices, and renewals of those it has.
//!
//! Decides: one request a ticket and one answer a request, each as often as it comes with the same bytes; a request has to
//! come before its ticket's end, an answer need not. Refused: another request or answer than the first, what is unknown or
//! over, more than [`MAX_TICKETS`] of either kind, what is larger than [`MAX_ENROLMENT`].
//!
//! A ticket is known by the hash of its id: who reads the database finds nothing with which to claim one.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use kring_protocol::address::{ADMINISTRATION, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, MessageHash, TicketId, Timestamp};
use kring_protocol::limits::{MAX_ENROLMENT, MAX_TICKET_LIFE, MAX_TICKETS};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::entry::{Enrolment, Entry};
use super::group::hash_of;
use crate::store::Position;

/// So long a ticket is known after its end, and a renewal after it was asked for: for those who come back to look.
pub const ENROLMENT_RETENTION: u64 = 30 * Timestamp::DAY;

/// Milliseconds after which to ask again for an answer that is not there.
pub const ASK_AGAIN: u64 = 2 * Timestamp::SECOND;

/// An organisation, by the domain that its authority is bound to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Organisation(String);

impl Organisation {
    /// The organisation of this domain.
    pub fn new(domain: &str) -> Self {
        Self(domain.to_owned())
    }

    /// Its domain.
    pub fn domain(&self) -> &str {
        &self.0
    }

    /// Refuses everybody but its administration.
    pub fn require_administration(&self, who: &ProfessionalAddress) -> Result<(), Refusal> {
        if who.name() == ADMINISTRATION && who.domain() == self.0 { Ok(()) } else { Err(Refusal::NotAdministration) }
    }
}

impl std::fmt::Debug for Organisation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Organisation(..)")
    }
}

/// What a ticket is known by here: SHA-256 of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketHash(pub(crate) MessageHash);

impl TicketHash {
    /// Of this ticket.
    pub fn of(ticket: TicketId) -> Self {
        let hash = digest::digest(&digest::SHA256, ticket.as_bytes());
        Self(MessageHash::from_slice(hash.as_ref()).expect("SHA-256 has 32 bytes"))
    }
}

/// A request or an answer, and where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterAt(MessageHash, Position);

impl LetterAt {
    /// The entry that holds it.
    pub fn position(&self) -> Position {
        self.1
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Ticket {
    #[serde(rename = "e")]
    expires: Timestamp,
    #[serde(rename = "o")]
    opened: Position,
    #[serde(rename = "q")]
    request: Option<LetterAt>,
    #[serde(rename = "a")]
    answer: Option<LetterAt>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Renewal {
    #[serde(rename = "t")]
    at: Timestamp,
    #[serde(rename = "q")]
    request: LetterAt,
    #[serde(rename = "a")]
    answer: Option<LetterAt>,
}

/// The mailbox of one organisation.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "t")]
    tickets: BTreeMap<TicketHash, Ticket>,
    #[serde(rename = "r")]
    renewals: BTreeMap<DeviceId, Renewal>,
}

/// Whose a ticket is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketOwner {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "o")]
    pub(crate) organisation: Option<Organisation>,
}

impl Mailbox {
    /// Opens a ticket; none if that was done.
    pub fn open(
        &self,
        organisation: &Organisation,
        ticket: TicketHash,
        expires: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        if let Some(known) = self.tickets.get(&ticket) {
            return if known.expires == expires { Ok(None) } else { Err(Refusal::TicketUsed) };
        }
        if expires <= now {
            return Err(Refusal::TicketExpired);
        }
        if expires.since(now) > MAX_TICKET_LIFE {
            return Err(Refusal::TooLarge { limit: MAX_TICKET_LIFE });
        }
        if self.tickets.len() >= MAX_TICKETS {
            return Err(Refusal::Full);
        }
        Ok(Some(Entry::Enrolment(Enrolment::Opened { organisation: organisation.clone(), ticket, expires })))
    }

    /// Takes a new device's request; none if it was taken.
    pub fn put(
        &self,
        organisation: &Organisation,
        ticket: TicketHash,
        sealed: &Payload,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        bounded(sealed)?;
        let known = self.tickets.get(&ticket).ok_or(Refusal::UnknownTicket)?;
        match known.request {
            Some(request) => same(request, sealed).map(|()| None),
            None if now >= known.expires => Err(Refusal::TicketExpired),
            None => Ok(Some(Entry::Enrolment(Enrolment::Put {
                organisation: organisation.clone(),
                ticket,
                sealed: sealed.clone(),
            }))),
        }
    }

    /// The request of a ticket that is not answered.
    pub fn waiting(&self, ticket: TicketHash) -> Option<LetterAt> {
        self.tickets.get(&ticket).filter(|known| known.answer.is_none())?.request
    }

    /// Answers a request; none if that was done.
    pub fn answer(
        &self,
        organisation: &Organisation,
        ticket: TicketHash,
        sealed: &Payload,
    ) -> Result<Option<Entry>, Refusal> {
        bounded(sealed)?;
        let known = self.tickets.get(&ticket).ok_or(Refusal::UnknownTicket)?;
        match (known.request, known.answer) {
            (_, Some(answer)) => same(answer, sealed).map(|()| None),
            (None, None) => Err(Refusal::NotAnswered { after_ms: ASK_AGAIN }),
            (Some(_), None) => Ok(Some(Entry::Enrolment(Enrolment::Answered {
                organisation: organisation.clone(),
                ticket,
                sealed: sealed.clone(),
            }))),
        }
    }

    /// The answer to a ticket's request.
    pub fn answered(&self, ticket: TicketHash, now: Timestamp) -> Result<LetterAt, Refusal> {
        let known = self.tickets.get(&ticket).ok_or(Refusal::UnknownTicket)?;
        match known.answer {
            Some(answer) => Ok(answer),
            None if known.request.is_none() && now >= known.expires => Err(Refusal::TicketExpired),
            None => Err(Refusal::NotAnswered { after_ms: ASK_AGAIN }),
        }
    }

    /// Drops a ticket.
    pub fn close(&self, organisation: &Organisation, ticket: TicketHash) -> Result<Entry, Refusal> {
        self.tickets.get(&ticket).ok_or(Refusal::UnknownTicket)?;
        Ok(Entry::Enrolment(Enrolment::Closed { organisation: organisation.clone(), ticket }))
    }

    /// Takes a device's request for renewal in place of an earlier one; none if it is that.
    pub fn ask(
        &self,
        organisation: &Organisation,
        device: DeviceId,
        request: &Payload,
        chain: &[Payload],
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        bounded(request)?;
        match self.renewals.get(&device) {
            Some(known) if known.request.0 == hash_of(request) => return Ok(None),
            None if self.renewals.len() >= MAX_TICKETS => return Err(Refusal::Full),
            Some(_) | None => {}
        }
        Ok(Some(Entry::Enrolment(Enrolment::RenewalAsked {
            organisation: organisation.clone(),
            device,
            request: request.clone(),
            chain: chain.to_vec(),
            at: now,
        })))
    }

    /// Requests for renewal that are not answered, after this device.
    pub fn asking(&self, after: Option<DeviceId>) -> impl Iterator<Item = (DeviceId, LetterAt)> {
        self.renewals
            .iter()
            .filter(move |(device, known)| known.answer.is_none() && after.is_none_or(|after| **device > after))
            .map(|(device, known)| (*device, known.request))
    }

    /// Answers a request for renewal; none if that was done.
    pub fn renew(
        &self,
        organisation: &Organisation,
        device: DeviceId,
        request: MessageHash,
        answer: &Payload,
    ) -> Result<Option<Entry>, Refusal> {
        bounded(answer)?;
        let known = self.renewals.get(&device).filter(|known| known.request.0 == request);
        match known.ok_or(Refusal::UnknownTicket)?.answer {
            Some(earlier) => same(earlier, answer).map(|()| None),
            None => Ok(Some(Entry::Enrolment(Enrolment::RenewalAnswered {
                organisation: organisation.clone(),
                device,
                answer: answer.clone(),
            }))),
        }
    }

    /// The answer to a device's request for renewal.
    pub fn renewed(&self, device: DeviceId, request: MessageHash) -> Result<LetterAt, Refusal> {
        let known = self.renewals.get(&device).filter(|known| known.request.0 == request);
        known.ok_or(Refusal::UnknownTicket)?.answer.ok_or(Refusal::NotAnswered { after_ms: ASK_AGAIN })
    }

    /// What of an entry at this position has had its time: the entry that says so.
    pub fn expire(&self, position: Position, entry: &Enrolment, now: Timestamp) -> Option<Entry> {
        match entry {
            Enrolment::Opened { organisation, ticket, .. } => {
                let known = self.tickets.get(ticket).filter(|known| known.opened == position)?;
                (now.since(known.expires) >= ENROLMENT_RETENTION).then(|| {
                    Entry::Enrolment(Enrolment::Closed { organisation: organisation.clone(), ticket: *ticket })
                })
            }
            Enrolment::RenewalAsked { organisation, device, .. } => {
                let known = self.renewals.get(device).filter(|known| known.request.1 == position)?;
                (now.since(known.at) >= ENROLMENT_RETENTION).then(|| {
                    Entry::Enrolment(Enrolment::RenewalOver { organisation: organisation.clone(), device: *device })
                })
            }
            Enrolment::Put { .. }
            | Enrolment::Answered { .. }
            | Enrolment::Closed { .. }
            | Enrolment::RenewalAnswered { .. }
            | Enrolment::RenewalOver { .. } => None,
        }
    }

    /// Whether something of the entry at this position is still needed.
    pub fn needs(&self, position: Position, entry: &Enrolment) -> bool {
        match entry {
            Enrolment::Opened { ticket, .. } | Enrolment::Put { ticket, .. } | Enrolment::Answered { ticket, .. } => {
                self.tickets.get(ticket).is_some_and(|known| {
                    known.opened == position
                        || [known.request, known.answer].into_iter().flatten().any(|it| it.1 == position)
                })
            }
            Enrolment::RenewalAsked { device, .. } | Enrolment::RenewalAnswered { device, .. } => self
                .renewals
                .get(device)
                .is_some_and(|known| known.request.1 == position || known.answer.is_some_and(|it| it.1 == position)),
            Enrolment::Closed { .. } | Enrolment::RenewalOver { .. } => false,
        }
    }

    pub(crate) fn apply(&mut self, position: Position, entry: &Enrolment) {
        match entry {
            Enrolment::Opened { ticket, expires, .. } => {
                let opened = Ticket { expires: *expires, opened: position, request: None, answer: None };
                self.tickets.insert(*ticket, opened);
            }
            Enrolment::Put { ticket, sealed, .. } => {
                if let Some(known) = self.tickets.get_mut(ticket) {
                    known.request = Some(LetterAt(hash_of(sealed), position));
                }
            }
            Enrolment::Answered { ticket, sealed, .. } => {
                if let Some(known) = self.tickets.get_mut(ticket) {
                    known.answer = Some(LetterAt(hash_of(sealed), position));
                }
            }
            Enrolment::Closed { ticket, .. } => {
                self.tickets.remove(ticket);
            }
            Enrolment::RenewalAsked { device, request, at, .. } => {
                let asked = Renewal { at: *at, request: LetterAt(hash_of(request), position), answer: None };
                self.renewals.insert(*device, asked);
            }
            Enrolment::RenewalAnswered { device, answer, .. } => {
                if let Some(known) = self.renewals.get_mut(device) {
                    known.answer = Some(LetterAt(hash_of(answer), position));
                }
            }
            Enrolment::RenewalOver { device, .. } => {
                self.renewals.remove(device);
            }
        }
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        64 + self.tickets.len() * 2 * size_of::<(TicketHash, Ticket)>()
            + self.renewals.len() * 2 * size_of::<(DeviceId, Renewal)>()
    }
}

fn bounded(letter: &Payload) -> Result<(), Refusal> {
    if letter.len() > MAX_ENROLMENT { Err(Refusal::TooLarge { limit: MAX_ENROLMENT as u64 }) } else { Ok(()) }
}

/// Whether these are the bytes that came first.
fn same(first: LetterAt, letter: &Payload) -> Result<(), Refusal> {
    if first.0 == hash_of(letter) { Ok(()) } else { Err(Refusal::TicketUsed) }
}

#[cfg(test)]
mod tests;
