//! The administrator's connection to a relay: tickets opened and answered, renewals answered, lists of revoked
//! certificates handed in.
//!
//! It decides nothing: who is granted a certificate is decided, and signed, where the organisation's key lies. The
//! connection shows a certificate of the organisation's administration, which the organisation's authority issues for it
//! (`docs/protocol.md`, section Enrolment).

use std::sync::Arc;

use kring_pki::issue::PrivateKey;
use kring_protocol::ids::{DeviceId, MessageHash, TicketId, Timestamp};
use kring_protocol::message::{
    AnswerRenewal, AnswerTicket, CloseTicket, OpenTicket, PublishCrl, ReadRenewals, ReadTickets, Reply, Request,
};
use kring_protocol::refusal::Refusal;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::api::{ConnectError, OpenError, RelayFault, Surroundings};
use crate::driver::office::OfficeLink;
use crate::identity::{Identity, RelayAddress};

/// Most tickets named in one request: below the elements that a list may have.
const TICKETS_AT_ONCE: usize = 512;

/// What an administration's connection shows and believes.
pub struct Office {
    link: OfficeLink,
}

/// A device that asks for its next certificate.
#[derive(Debug)]
pub struct RenewalRequest {
    /// Which.
    pub device: DeviceId,
    /// The request: see [`renewal`](super::renewal).
    pub request: Vec<u8>,
    /// The certificates with which the relay says that it was admitted.
    pub chain: Vec<CertificateDer<'static>>,
}

/// Why something was not done at the relay.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// The administration's own certificate cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The relay said no.
    #[error(transparent)]
    Refused(Refusal),
}

impl Office {
    /// Connects to `relay`, whose certificate one of `relay_roots` has signed, with a certificate of the
    /// administration and its key.
    pub async fn connect(
        chain: &[CertificateDer<'static>],
        key: &PrivateKey,
        region: &CertificateDer<'static>,
        relay: &RelayAddress,
        relay_roots: &[CertificateDer<'static>],
        surroundings: &Surroundings,
    ) -> Result<Self, OfficeError> {
        let seed = key.ed25519_seed().ok_or(OpenError::KeyMissing)?;
        let identity = Identity::of(chain, seed, std::slice::from_ref(region), relay_roots)?;
        let link = OfficeLink::stand_up(&identity, relay, &Arc::clone(&surroundings.clock)).await?;
        Ok(Self { link })
    }

    /// Opens a ticket until `expires`.
    pub async fn open_ticket(&self, ticket: TicketId, expires: Timestamp) -> Result<(), OfficeError> {
        self.done(&Request::OpenTicket(OpenTicket { ticket, expires })).await
    }

    /// Which of these tickets have a request that waits, with it.
    pub async fn waiting(&self, tickets: &[TicketId]) -> Result<Vec<(TicketId, Vec<u8>)>, OfficeError> {
        let mut waiting = Vec::new();
        for some in tickets.chunks(TICKETS_AT_ONCE) {
            let mut asked = some.to_vec();
            // As many come as fit into one answer: what has come is left out of the next question.
            loop {
                let read = Request::ReadTickets(ReadTickets { tickets: asked.clone() });
                let mut more = false;
                let before = asked.len();
                for reply in self.ask(&read).await? {
                    match reply {
                        Reply::TicketRequest(request) => {
                            asked.retain(|ticket| *ticket != request.ticket);
                            if some.contains(&request.ticket) {
                                waiting.push((request.ticket, request.sealed.to_vec()));
                            }
                        }
                        Reply::MailboxEnd(end) => more = end.more,
                        _ => return Err(ConnectError::from(RelayFault::WrongAnswer).into()),
                    }
                }
                if !more || asked.len() == before {
                    break;
                }
            }
        }
        Ok(waiting)
    }

    /// Answers a ticket's request.
    pub async fn answer(&self, ticket: TicketId, sealed: Vec<u8>) -> Result<(), OfficeError> {
        self.done(&Request::AnswerTicket(AnswerTicket { ticket, sealed: sealed.into() })).await
    }

    /// Closes a ticket: nothing of it stays at the relay.
    pub async fn close_ticket(&self, ticket: TicketId) -> Result<(), OfficeError> {
        self.done(&Request::CloseTicket(CloseTicket { ticket })).await
    }

    /// The devices that ask for their next certificate.
    pub async fn renewals(&self) -> Result<Vec<RenewalRequest>, OfficeError> {
        let mut renewals: Vec<RenewalRequest> = Vec::new();
        loop {
            let after = renewals.last().map(|renewal| renewal.device);
            let mut more = false;
            for reply in self.ask(&Request::ReadRenewals(ReadRenewals { after })).await? {
                match reply {
                    Reply::Renewal(renewal) => renewals.push(RenewalRequest {
                        device: renewal.device,
                        request: renewal.request.to_vec(),
                        chain: renewal.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect(),
                    }),
                    Reply::MailboxEnd(end) => more = end.more,
                    _ => return Err(ConnectError::from(RelayFault::WrongAnswer).into()),
                }
            }
            // A relay that always has more and never a further device would be asked for ever.
            if !more || renewals.last().map(|renewal| renewal.device) == after {
                return Ok(renewals);
            }
        }
    }

    /// Answers a device's request for its next certificate.
    pub async fn answer_renewal(&self, renewal: &RenewalRequest, answer: Vec<u8>) -> Result<(), OfficeError> {
        let request = MessageHash(super::renewal::hash(&renewal.request));
        self.done(&Request::AnswerRenewal(AnswerRenewal { device: renewal.device, request, answer: answer.into() }))
            .await
    }

    /// Hands in a list of revoked certificates, with the certificate of the authority that signed it; without one, a
    /// region's root did. When this returns, the relay has it on its disk and cuts off whom it names.
    pub async fn publish(
        &self,
        list: &CertificateRevocationListDer<'_>,
        issuer: Option<&CertificateDer<'_>>,
    ) -> Result<(), OfficeError> {
        let issuer = issuer.map(|issuer| issuer.to_vec().into());
        self.done(&Request::PublishCrl(PublishCrl { crl: list.to_vec().into(), issuer })).await
    }

    /// Waits until the relay says that requests wait. An error: the connection has ended.
    pub async fn something_waits(&self) -> Result<(), OfficeError> {
        Ok(self.link.something_waits().await?)
    }

    /// Ends the connection in good order.
    pub async fn close(self) {
        self.link.close().await;
    }

    async fn done(&self, request: &Request) -> Result<(), OfficeError> {
        match self.ask(request).await?[..] {
            [Reply::Done(_)] => Ok(()),
            _ => Err(ConnectError::from(RelayFault::WrongAnswer).into()),
        }
    }

    async fn ask(&self, request: &Request) -> Result<Vec<Reply>, OfficeError> {
        self.link.ask(request).await?.map_err(OfficeError::Refused)
    }
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Office(..)")
    }
}
