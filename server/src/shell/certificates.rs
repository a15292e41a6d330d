//! Answers the requests about certificates, and cuts off whom a list of revoked ones names.
//!
//! Taking a list is a task of its own, which goes on when whoever handed it in is gone: otherwise a list could be in the
//! journal and nobody cut off. First it is durable, then it is believed, so that no new connection comes, then live
//! connections are closed, then it is answered. Refused: a list whose issuer no pinned root vouches for.

use std::sync::Arc;

use kring_pki::verify::VerifiedCrl;
use kring_protocol::limits::MAX_CRL;
use kring_protocol::message::{
    CrlsEnd, EnrolmentAnswer, MailboxEnd, PublishCrl, ReadCrls, ReadRenewals, ReadTickets, Reply,
};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use rustls_pki_types::CertificateDer;

use super::Shell;
use super::answer::Stopped;
use super::reply::Answer;
use super::session::Session;
use crate::clock;

/// Tickets whose requests are read in one step: 16 of the largest are 200 KB.
const TICKETS_AT_ONCE: usize = 16;

/// Answers a list that was handed in.
pub(crate) async fn publish(shell: &Arc<Shell>, request: PublishCrl) -> Result<(), Refusal> {
    if request.crl.len() > MAX_CRL {
        return Err(Refusal::TooLarge { limit: MAX_CRL as u64 });
    }
    let authority = request.issuer.as_ref().map(|der| CertificateDer::from(&der[..]));
    let list = shell.trust().verify(&request.crl, authority.as_ref(), clock::now()).map_err(|reason| {
        tracing::debug!(%reason, "a revocation list is not believed");
        Refusal::NotCrl
    })?;
    take(shell, list).await
}

async fn take(shell: &Arc<Shell>, list: VerifiedCrl) -> Result<(), Refusal> {
    let shell = shell.clone();
    let taking = tokio::spawn(async move {
        let list = Arc::new(list);
        shell.engine.publish_crl(list.clone()).await?;
        shell.metrics.crls_taken.increment(1);
        shell.believed.take(&list);
        cut_off(&shell, &list);
        Ok(())
    });
    // It does not panic; and nobody cancels it before the runtime ends.
    taking.await.unwrap_or(Err(Refusal::Draining))
}

/// Closes the live connections of those whom the list names and who are not believed any more.
fn cut_off(shell: &Shell, list: &VerifiedCrl) {
    let named = shell.registry.showing(|serials| serials.iter().any(|serial| list.crl().revokes(serial)));
    // Numbers are the issuer's own: another one's certificate may bear the same, and is still believed.
    shell.close_unbelieved(&named);
}

/// Takes a list from a file of the operator.
pub(crate) async fn from_file(shell: &Arc<Shell>, list: VerifiedCrl) {
    match take(shell, list).await {
        // The file is older than what was handed in.
        Ok(()) | Err(Refusal::StaleCrl { .. }) => {}
        Err(refusal) => {
            tracing::warn!(number = refusal.number(), "a revocation list of the configuration is used but not kept");
        }
    }
}

/// Believes the lists that the journal has, before anybody connects.
pub(crate) async fn recall(shell: &Shell) -> Result<(), Refusal> {
    let newer = shell.engine.newer_crls(Vec::new()).await?;
    for list in newer.lists {
        let Some(list) = shell.engine.read_crl(list).await? else { continue };
        let authority = list.issuer.as_ref().map(|der| CertificateDer::from(&der[..]));
        match shell.trust().verify(&list.crl, authority.as_ref(), clock::now()) {
            Ok(list) => shell.believed.take(&list),
            // Its root is no longer pinned, or its authority is over: there is nobody left whom it could name.
            Err(reason) => tracing::info!(%reason, "a kept revocation list is not used"),
        }
    }
    Ok(())
}

/// Writes the lists that the client does not have.
pub(crate) async fn read(session: &Session, read: ReadCrls, answer: &mut Answer<'_>) -> Result<Reply, Stopped> {
    let engine = &session.shell.engine;
    let newer = engine.newer_crls(read.known).await?;
    for list in newer.lists {
        if let Some(list) = engine.read_crl(list).await? {
            answer.frame(&Reply::Crl(list)).await?;
        }
    }
    Ok(Reply::CrlsEnd(CrlsEnd { digest: newer.digest }))
}

/// Writes the requests of tickets that are not answered.
pub(crate) async fn tickets(session: &Session, read: ReadTickets, answer: &mut Answer<'_>) -> Result<Reply, Stopped> {
    // At least once, so that whoever may not ask is refused whatever is asked.
    let mut rest = &read.tickets[..];
    loop {
        let (now, later) = rest.split_at(rest.len().min(TICKETS_AT_ONCE));
        for request in session.shell.engine.read_tickets(session.requester.clone(), now.to_vec()).await? {
            answer.frame(&Reply::TicketRequest(request)).await?;
        }
        if later.is_empty() {
            return Ok(Reply::MailboxEnd(MailboxEnd { more: false }));
        }
        rest = later;
    }
}

/// Writes some requests for renewal.
pub(crate) async fn renewals(
    session: &Session,
    read: ReadRenewals,
    answer: &mut Answer<'_>,
) -> Result<Reply, Stopped> {
    let part = session.shell.engine.read_renewals(session.requester.clone(), read).await?;
    for renewal in part.letters {
        answer.frame(&Reply::Renewal(renewal)).await?;
    }
    Ok(Reply::MailboxEnd(MailboxEnd { more: part.more }))
}

/// An answer of the administration.
pub(crate) fn answer(answer: Payload) -> Reply {
    Reply::EnrolmentAnswer(EnrolmentAnswer { answer })
}
