//! Has one request answered: proof first where it concerns a group, then the engine, then the reply.
//!
//! Refused here, before the engine is asked: a second hello, an unknown kind of request, a group without a valid proof
//! on this connection (in the same words and the same time as a group that does not exist), and, while the disk is
//! nearly full, everything that would be stored.
//!
//! Submissions that follow one another on one stream have [`submissions`](super::submissions) to themselves.
//!
//! Long answers are read in stretches: what is in memory for one answer is a stretch, however long the log.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use kring_protocol::ids::{InboxSeq, Seq};
use kring_protocol::limits::MAX_READ;
use kring_protocol::message::{
    Access, CreateGroup, Empty, Follow, Hello, Live, Paused, Read, ReadEnd, ReadInbox, Reply, Request, Welcome,
};
use kring_protocol::refusal::Refusal;
use kring_protocol::{OLDEST_VERSION, VERSION};

use super::certificates;
use super::reply::{Answer, NotTaken};
use super::session::Session;
use crate::engine::{AccessCheck, Backlog, Followed, MailboxCommand, Next, ProvenAccess, Stretch};

/// Bytes of one stretch of an answer: large enough that a device which catches up is bound by the network, small
/// enough that 1,000 that do so at once, each with one stretch that is written and one that is read, take 256 MB.
const STRETCH: u64 = 128 << 10;

/// Answers the hello: the newest version that both speak, and what waits for the device.
pub(crate) async fn hello(session: &Arc<Session>, hello: &Hello) -> Result<Welcome, Refusal> {
    if hello.version < OLDEST_VERSION {
        return Err(Refusal::UnsupportedVersion);
    }
    let shell = &session.shell;
    let facts = shell.engine.connect(session.requester.clone(), session.queue.clone()).await?;
    Ok(Welcome {
        version: hello.version.min(VERSION),
        features: Vec::new(),
        incarnation: facts.incarnation,
        now: facts.now,
        max_message: shell.limits.message as u64,
        key_packages: facts.key_packages,
        inbox: facts.inbox,
        last_resort: facts.last_resort,
        crls: Some(facts.crls),
    })
}

/// Answers any other request.
pub(crate) async fn request(
    session: &Arc<Session>,
    request: Request,
    mut answer: Answer<'_>,
) -> Result<(), NotTaken> {
    let last = match request {
        Request::Read(read) => reading(session, read, &mut answer).await,
        Request::Follow(follow) => following(session, follow, &mut answer).await,
        Request::ReadInbox(read) => inbox(session, &read, &mut answer).await,
        Request::ReadCrls(read) => certificates::read(session, read, &mut answer).await,
        Request::ReadTickets(read) => certificates::tickets(session, read, &mut answer).await,
        Request::ReadRenewals(read) => certificates::renewals(session, read, &mut answer).await,
        other => at_once(session, other).await.map_err(Stopped::Refused),
    };
    match last {
        Ok(reply) => answer.finish(&reply).await,
        Err(Stopped::Refused(refusal)) => answer.finish(&Reply::Refused(refusal)).await,
        Err(Stopped::NotTaken) => Err(NotTaken),
    }
}

/// Why an answer of several parts stopped.
pub(crate) enum Stopped {
    Refused(Refusal),
    NotTaken,
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NotTaken> for Stopped {
    fn from(NotTaken: NotTaken) -> Self {
        Self::NotTaken
    }
}

/// The requests whose answer is one frame.
async fn at_once(session: &Session, request: Request) -> Result<Reply, Refusal> {
    let (engine, requester) = (&session.shell.engine, &session.requester);
    if stores(&request) && session.shell.disk.is_raised() {
        return Err(Refusal::DiskFull);
    }
    let done = |()| Reply::Done(Empty);
    match request {
        Request::CreateGroup(request) => {
            let access = of_new_group(session, &request)?;
            engine.create_group(requester.device, access, request).await.map(Reply::Receipt)
        }
        Request::Submit(request) => {
            let access = access(session, &request.access).await?;
            engine.submit(access, request).await.map(Reply::Receipt)
        }
        Request::SubmitCommit(request) => {
            let access = access(session, &request.access).await?;
            engine.submit_commit(access, request).await.map(Reply::Receipt)
        }
        Request::FindReceipt(request) => {
            let access = access(session, &request.access).await?;
            engine.find_receipt(access, request).await.map(Reply::Receipt)
        }
        Request::Unfollow(request) => engine.unfollow(requester.connection, request.subscription).await.map(done),
        Request::RegisterCursor(request) => {
            let access = access(session, &request.access).await?;
            engine.register_cursor(access, request).await.map(done)
        }
        Request::MoveCursors(request) => engine.move_cursors(request).await.map(done),
        Request::PublishKeyPackages(request) => {
            engine.publish_key_packages(requester.clone(), request).await.map(Reply::KeyPackageCount)
        }
        Request::ClaimKeyPackages(request) => {
            engine.claim_key_packages(requester.clone(), request).await.map(Reply::Claimed)
        }
        Request::SendNote(request) => engine.send_note(requester.device, request).await.map(done),
        Request::AcknowledgeInbox(request) => {
            engine.acknowledge_inbox(requester.clone(), request.through).await.map(done)
        }
        Request::EraseGroup(request) => {
            let access = access(session, &request.access).await?;
            engine.erase_group(access).await.map(done)
        }
        Request::Hello(_) => Err(Refusal::HelloOrder),
        Request::PublishCrl(request) => certificates::publish(&session.shell, request).await.map(done),
        Request::OpenTicket(request) => {
            mailbox(session, MailboxCommand::OpenTicket(requester.clone(), request)).await
        }
        Request::AnswerTicket(request) => {
            mailbox(session, MailboxCommand::AnswerTicket(requester.clone(), request)).await
        }
        Request::CloseTicket(request) => {
            mailbox(session, MailboxCommand::CloseTicket(requester.clone(), request)).await
        }
        Request::AskRenewal(request) => {
            mailbox(session, MailboxCommand::AskRenewal(requester.clone(), request)).await
        }
        Request::AnswerRenewal(request) => {
            mailbox(session, MailboxCommand::AnswerRenewal(requester.clone(), request)).await
        }
        Request::FetchRenewal(request) => {
            engine.fetch_renewal(requester.clone(), request).await.map(certificates::answer)
        }
        Request::SearchDirectory(request) => engine.search(requester.device, request).await.map(Reply::Found),
        Request::Read(_)
        | Request::Follow(_)
        | Request::ReadInbox(_)
        | Request::ReadCrls(_)
        | Request::ReadTickets(_)
        | Request::ReadRenewals(_)
        | Request::PutRequest(_)
        | Request::FetchAnswer(_)
        | Request::Unknown(_) => Err(Refusal::UnknownRequest),
    }
}

/// Asks a mailbox for something that has no answer of its own, and wakes who waits for one.
async fn mailbox(session: &Session, command: MailboxCommand) -> Result<Reply, Refusal> {
    session.shell.engine.mailbox(command).await?;
    session.shell.answered.send_replace(());
    Ok(Reply::Done(Empty))
}

/// Whether a request brings something new to the disk. Moved cursors and acknowledgements do not count: they make room.
fn stores(request: &Request) -> bool {
    match request {
        Request::CreateGroup(_)
        | Request::Submit(_)
        | Request::SubmitCommit(_)
        | Request::PublishKeyPackages(_)
        | Request::RegisterCursor(_)
        | Request::ClaimKeyPackages(_)
        | Request::SendNote(_)
        | Request::OpenTicket(_)
        | Request::AnswerTicket(_)
        | Request::PutRequest(_)
        | Request::AskRenewal(_)
        | Request::AnswerRenewal(_) => true,
        Request::Hello(_)
        | Request::FindReceipt(_)
        | Request::Read(_)
        | Request::Follow(_)
        | Request::Unfollow(_)
        | Request::MoveCursors(_)
        | Request::ReadInbox(_)
        | Request::AcknowledgeInbox(_)
        | Request::EraseGroup(_)
        | Request::ReadCrls(_)
        | Request::ReadTickets(_)
        | Request::CloseTicket(_)
        | Request::FetchAnswer(_)
        | Request::ReadRenewals(_)
        | Request::FetchRenewal(_)
        | Request::SearchDirectory(_)
        // A full disk is no reason to let a leaver go on.
        | Request::PublishCrl(_)
        | Request::Unknown(_) => false,
    }
}

/// The connection's right to a group: proven now, or before on this connection.
pub(super) async fn access(session: &Session, access: &Access) -> Result<ProvenAccess, Refusal> {
    let recalled = proven(session).recall(access.group, access.epoch);
    if let Some(recalled) = recalled {
        return Ok(recalled);
    }
    let proof = access.proof.as_ref().ok_or(Refusal::Forbidden)?;
    let check = session.shell.engine.access(access.group, access.epoch).await?;
    verify(session, access, check, proof)
}

/// A new group's proof is made with the key that the request brings.
fn of_new_group(session: &Session, request: &CreateGroup) -> Result<ProvenAccess, Refusal> {
    let proof = request.access.proof.as_ref().ok_or(Refusal::Forbidden)?;
    session.shell.metrics.proofs_verified.increment(1);
    // Not kept: whether the group comes to be with this key, the engine decides.
    AccessCheck::of_new_group(request).verify(&session.exporter, proof)
}

fn verify(
    session: &Session,
    access: &Access,
    check: AccessCheck,
    proof: &kring_protocol::ids::Signature,
) -> Result<ProvenAccess, Refusal> {
    session.shell.metrics.proofs_verified.increment(1);
    let verified = check.verify(&session.exporter, proof)?;
    proven(session).keep(access.group, access.epoch, verified);
    Ok(verified)
}

fn proven(session: &Session) -> std::sync::MutexGuard<'_, super::proofs::Proven<ProvenAccess>> {
    // Nothing panics while it is held.
    session.proven.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a stretch behind the first one, when it is this reader's turn.
async fn in_turn<T>(session: &Session, reading: impl Future<Output = T>) -> T {
    // It is never closed.
    let _turn = session.shell.reading_on.acquire().await;
    reading.await
}

/// The engine reads the next stretch while the last one is written.
async fn reading(session: &Session, read: Read, answer: &mut Answer<'_>) -> Result<Reply, Stopped> {
    let access = access(session, &read.access).await?;
    let engine = &session.shell.engine;
    let mut left = read.limit.min(MAX_READ);
    let mut stretch = engine.read(access, read.after, left.min(STRETCH)).await?;
    loop {
        let Stretch { backlog, through, head, epoch } = stretch;
        left = left.saturating_sub(backlog.iter().map(Backlog::bytes).sum());
        if through >= head || backlog.is_empty() || left == 0 {
            write(answer, backlog).await?;
            return Ok(Reply::ReadEnd(ReadEnd { head, through, epoch }));
        }
        let next = in_turn(session, engine.read(access, Some(through), left.min(STRETCH)));
        let (written, next) = tokio::join!(write(answer, backlog), next);
        written?;
        stretch = next?;
    }
}

/// The engine subscribes in the same step in which it reads the last stretch, so that between the backlog and what is
/// pushed nothing is missing and nothing comes twice.
async fn following(session: &Session, follow: Follow, answer: &mut Answer<'_>) -> Result<Reply, Stopped> {
    let access = access(session, &follow.access).await?;
    let (engine, connection) = (&session.shell.engine, session.requester.connection);
    let read = |after: Option<Seq>| engine.follow(connection, access, follow.subscription, after, STRETCH);
    let mut followed = read(follow.after).await?;
    loop {
        let Followed { stretch: Stretch { backlog, through, .. }, next } = followed;
        let reply = match next {
            Next::More => {
                let next = in_turn(session, read(Some(through)));
                let (written, next) = tokio::join!(write(answer, backlog), next);
                written?;
                followed = next?;
                continue;
            }
            Next::Live => Reply::Live(Live { after: through }),
            Next::Paused(at) => Reply::Paused(Paused { at }),
        };
        write(answer, backlog).await?;
        return Ok(reply);
    }
}

/// Writes a stretch; records that stand together are written together.
async fn write(answer: &mut Answer<'_>, backlog: Vec<Backlog>) -> Result<(), NotTaken> {
    let mut together: Vec<Bytes> = Vec::new();
    for part in backlog {
        match part {
            Backlog::Record(record) => together.push(record),
            Backlog::Gap(gap) => {
                answer.records(together.drain(..)).await?;
                answer.frame(&Reply::Gap(gap)).await?;
            }
        }
    }
    answer.records(together).await
}

async fn inbox(session: &Session, read: &ReadInbox, answer: &mut Answer<'_>) -> Result<Reply, Stopped> {
    let mut after: InboxSeq = read.after;
    loop {
        let part = session.shell.engine.read_inbox(session.requester.clone(), after, STRETCH).await?;
        let last = part.notes.last().map(|note| note.seq);
        for note in part.notes {
            answer.frame(&Reply::Note(note)).await?;
        }
        match last {
            Some(last) if part.more => after = last,
            _ => return Ok(Reply::InboxEnd(part.newest)),
        }
    }
}
