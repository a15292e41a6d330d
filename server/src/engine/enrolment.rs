//! Mailboxes for certificates, and the rest that the engine does for certificates: lists of revoked ones, the directory.

use kring_pki::verify::VerifiedCrl;
use kring_protocol::ids::{CrlNumber, DeviceId, MessageHash, TicketId, Timestamp};
use kring_protocol::message::{self as wire, Push};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;

use super::answer::{Answer, Letters, NewerLists};
use super::command::Requester;
use super::core::{Core, Stop};
use super::subscriptions::Whom;
use crate::rules::Entry;
use crate::rules::directory::Sought;
use crate::rules::enrolment::{LetterAt, Mailbox, Organisation, TicketHash};
use crate::rules::entry::Enrolment;
use crate::rules::revocation::ListAt;
use crate::store::StoreError;

/// Most letters in one answer: 16 of the largest requests for renewal with their chains are 450 KB.
const MOST_LETTERS: usize = 16;

/// One thing that is asked of a mailbox.
#[derive(Clone)]
pub enum MailboxCommand {
    /// [`wire::OpenTicket`].
    OpenTicket(Requester, wire::OpenTicket),
    /// [`wire::ReadTickets`], a few tickets at a time.
    ReadTickets(Requester, Vec<TicketId>),
    /// [`wire::AnswerTicket`].
    AnswerTicket(Requester, wire::AnswerTicket),
    /// [`wire::CloseTicket`].
    CloseTicket(Requester, wire::CloseTicket),
    /// [`wire::PutRequest`], of nobody that is known.
    PutRequest(wire::PutRequest),
    /// [`wire::FetchAnswer`], of nobody that is known.
    FetchAnswer(wire::FetchAnswer),
    /// [`wire::AskRenewal`].
    AskRenewal(Requester, wire::AskRenewal),
    /// [`wire::ReadRenewals`].
    ReadRenewals(Requester, wire::ReadRenewals),
    /// [`wire::AnswerRenewal`].
    AnswerRenewal(Requester, wire::AnswerRenewal),
    /// [`wire::FetchRenewal`].
    FetchRenewal(Requester, wire::FetchRenewal),
}

impl MailboxCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::OpenTicket(..) => "OpenTicket",
            Self::ReadTickets(..) => "ReadTickets",
            Self::AnswerTicket(..) => "AnswerTicket",
            Self::CloseTicket(..) => "CloseTicket",
            Self::PutRequest(_) => "PutRequest",
            Self::FetchAnswer(_) => "FetchAnswer",
            Self::AskRenewal(..) => "AskRenewal",
            Self::ReadRenewals(..) => "ReadRenewals",
            Self::AnswerRenewal(..) => "AnswerRenewal",
            Self::FetchRenewal(..) => "FetchRenewal",
        }
    }
}

/// The organisation whose administration asks.
fn administered(requester: &Requester) -> Result<Organisation, Refusal> {
    requester.organisation.require_administration(&requester.professional)?;
    Ok(requester.organisation.clone())
}

impl Core {
    pub(super) fn mailbox_command(&mut self, command: MailboxCommand, now: Timestamp) -> Result<Answer, Stop> {
        match command {
            MailboxCommand::OpenTicket(requester, wire::OpenTicket { ticket, expires }) => {
                let (organisation, ticket) = (administered(&requester)?, TicketHash::of(ticket));
                // Another organisation's ticket is known to whoever has its id, and to nobody else.
                if self.views.owner(ticket)?.is_some_and(|owner| owner != organisation) {
                    return Err(Refusal::TicketUsed.into());
                }
                let entry = self.mailbox(&organisation)?.open(&organisation, ticket, expires, now)?;
                self.write_if(entry)
            }
            MailboxCommand::ReadTickets(requester, tickets) => self.read_tickets(&requester, &tickets),
            MailboxCommand::AnswerTicket(requester, wire::AnswerTicket { ticket, sealed }) => {
                let organisation = administered(&requester)?;
                let entry = self.mailbox(&organisation)?.answer(&organisation, TicketHash::of(ticket), &sealed)?;
                self.write_if(entry)
            }
            MailboxCommand::CloseTicket(requester, wire::CloseTicket { ticket }) => {
                let organisation = administered(&requester)?;
                let entry = self.mailbox(&organisation)?.close(&organisation, TicketHash::of(ticket))?;
                self.write_if(Some(entry))
            }
            MailboxCommand::PutRequest(wire::PutRequest { ticket, sealed }) => {
                let ticket = TicketHash::of(ticket);
                let organisation = self.views.owner(ticket)?.ok_or(Refusal::UnknownTicket)?;
                let entry = self.mailbox(&organisation)?.put(&organisation, ticket, &sealed, now)?;
                self.call_administration(entry.is_some(), organisation);
                self.write_if(entry)
            }
            MailboxCommand::FetchAnswer(wire::FetchAnswer { ticket }) => {
                let ticket = TicketHash::of(ticket);
                let organisation = self.views.owner(ticket)?.ok_or(Refusal::UnknownTicket)?;
                let answer = self.mailbox(&organisation)?.answered(ticket, now)?;
                Ok(Answer::Letter(self.letter(answer)?))
            }
            MailboxCommand::AskRenewal(requester, wire::AskRenewal { request }) => {
                self.require_not_revoked(&requester)?;
                let organisation = requester.organisation.clone();
                let (device, chain) = (requester.device, &requester.listing.chain);
                let entry = self.mailbox(&organisation)?.ask(&organisation, device, &request, chain, now)?;
                self.call_administration(entry.is_some(), organisation);
                self.write_if(entry)
            }
            MailboxCommand::ReadRenewals(requester, wire::ReadRenewals { after }) => {
                self.read_renewals(&requester, after)
            }
            MailboxCommand::AnswerRenewal(requester, wire::AnswerRenewal { device, request, answer }) => {
                self.answer_renewal(&requester, device, request, &answer)
            }
            MailboxCommand::FetchRenewal(requester, wire::FetchRenewal { request }) => {
                let answer = self.mailbox(&requester.organisation)?.renewed(requester.device, request)?;
                Ok(Answer::Letter(self.letter(answer)?))
            }
        }
    }

    fn mailbox(&mut self, organisation: &Organisation) -> Result<Mailbox, Stop> {
        Ok(self.views.mailbox(organisation)?.map(|mailbox| mailbox.clone()).unwrap_or_default())
    }

    fn call_administration(&mut self, news: bool, organisation: Organisation) {
        let call = (Whom::Administration(organisation), Push::EnrolmentWaiting(wire::Empty));
        self.notices.extend(news.then_some(call));
    }

    fn read_tickets(&mut self, requester: &Requester, tickets: &[TicketId]) -> Result<Answer, Stop> {
        let mailbox = self.mailbox(&administered(requester)?)?;
        let mut requests = Vec::new();
        for ticket in tickets {
            if let Some(request) = mailbox.waiting(TicketHash::of(*ticket)) {
                requests.push(wire::TicketRequest { ticket: *ticket, sealed: self.letter(request)? });
            }
        }
        Ok(Answer::Tickets(requests))
    }

    fn read_renewals(&mut self, requester: &Requester, after: Option<DeviceId>) -> Result<Answer, Stop> {
        let mailbox = self.mailbox(&administered(requester)?)?;
        let asking: Vec<_> = mailbox.asking(after).take(MOST_LETTERS + 1).collect();
        let more = asking.len() > MOST_LETTERS;
        let mut renewals = Vec::new();
        for (device, at) in asking.into_iter().take(MOST_LETTERS) {
            let Some(Entry::Enrolment(Enrolment::RenewalAsked { request, chain, .. })) =
                self.views.entry(at.position())?
            else {
                return Err(StoreError::Corrupt.into());
            };
            renewals.push(wire::Renewal { device, request, chain });
        }
        Ok(Answer::Renewals(Letters { letters: renewals, more }))
    }

    fn answer_renewal(
        &mut self,
        requester: &Requester,
        device: DeviceId,
        request: MessageHash,
        answer: &Payload,
    ) -> Result<Answer, Stop> {
        let organisation = administered(requester)?;
        let entry = self.mailbox(&organisation)?.renew(&organisation, device, request, answer)?;
        if entry.is_some()
            && let Some(address) = self.views.device(device)?.and_then(|known| known.address(device))
        {
            self.notices.push((Whom::Device(address), Push::EnrolmentWaiting(wire::Empty)));
        }
        self.write_if(entry)
    }

    fn letter(&mut self, at: LetterAt) -> Result<Payload, Stop> {
        match self.views.entry(at.position())? {
            Some(Entry::Enrolment(
                Enrolment::Put { sealed: letter, .. }
                | Enrolment::Answered { sealed: letter, .. }
                | Enrolment::RenewalAnswered { answer: letter, .. },
            )) => Ok(letter),
            _ => Err(StoreError::Corrupt.into()),
        }
    }

    pub(super) fn require_not_revoked(&self, requester: &Requester) -> Result<(), Refusal> {
        if requester.listing.credential().is_revoked_by(self.views.lists()) { Err(Refusal::Revoked) } else { Ok(()) }
    }

    pub(super) fn take_crl(&mut self, list: &VerifiedCrl) -> Result<Answer, Stop> {
        let revocations = self.views.revocations()?;
        let directory = self.views.directory();
        let cut_off = || {
            let revoked = directory.devices().filter(|(_, it)| it.credential().is_revoked(list.issuer(), list.crl()));
            revoked.map(|(device, _)| device).collect()
        };
        let Some(entry) = revocations.take(list, cut_off)? else { return Ok(Answer::Done) };
        self.views.write(&entry)?;
        let changed = wire::CrlsChanged { issuer: list.issuer(), number: CrlNumber(list.crl().seen().number) };
        self.notices.push((Whom::Everybody, Push::CrlsChanged(changed)));
        Ok(Answer::Done)
    }

    pub(super) fn newer_lists(&mut self, known: &[wire::KnownCrl]) -> Result<Answer, Stop> {
        let revocations = self.views.revocations()?;
        Ok(Answer::NewerLists(NewerLists { lists: revocations.newer_than(known), digest: revocations.digest() }))
    }

    /// One list; none if a newer one has taken its place.
    pub(super) fn read_crl(&mut self, list: ListAt) -> Result<Answer, Stop> {
        match self.views.entry(list.position())? {
            Some(Entry::CrlTaken(entry)) => {
                Ok(Answer::Crl(Some(wire::Crl { crl: entry.crl, issuer: entry.authority })))
            }
            None => Ok(Answer::Crl(None)),
            Some(_) => Err(StoreError::Corrupt.into()),
        }
    }

    pub(super) fn search(
        &mut self,
        device: DeviceId,
        request: &wire::SearchDirectory,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        let sought = Sought::read(&request.text.0)?;
        self.quotas.search(device, now)?;
        let mut found = wire::Found { devices: Vec::new(), more: false };
        let Some(sought) = sought else { return Ok(Answer::Found(found)) };
        let (positions, more) = self.views.directory().find(&sought, request.limit, now);
        found.more = more;
        for position in positions {
            let Some(Entry::Published(entry)) = self.views.entry(position)? else {
                return Err(StoreError::Corrupt.into());
            };
            let chain = entry.listing.ok_or(StoreError::Corrupt)?.chain;
            found.devices.push(wire::FoundDevice { chain });
        }
        Ok(Answer::Found(found))
    }
}
