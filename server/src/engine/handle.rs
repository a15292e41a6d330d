//! The handle through which the shell asks the engine. Cheap to clone.
//!
//! Refused: a command when [`MOST_WAITING`] wait for their answers already ([`Refusal::Busy`]), and everything once the engine has stopped ([`Refusal::Draining`]) or has failed
//! ([`Refusal::StoreFailed`]).

use std::sync::Arc;

use kring_pki::verify::VerifiedCrl;
use kring_protocol::ids::{DeviceId, Epoch, GroupId, InboxSeq, Seq, Subscription, TicketId};
use kring_protocol::message as wire;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::access::{AccessCheck, ProvenAccess};
use super::answer::{Answer, Followed, HelloFacts, InboxPart, Letters, NewerLists, Stretch};
use super::command::{Command, ConnectionId, Outbound, Requester, Row};
use super::enrolment::MailboxCommand;
use super::thread::Condition;
use crate::rules::revocation::ListAt;

/// A command and whom to answer.
pub(crate) struct Letter {
    pub(crate) command: Command,
    pub(crate) reply: Option<oneshot::Sender<Result<Answer, Refusal>>>,
}

/// The handle.
#[derive(Debug, Clone)]
pub struct Engine {
    letters: mpsc::UnboundedSender<Letter>,
    condition: watch::Receiver<Condition>,
    places: Arc<Semaphore>,
}

/// Commands that wait for their answers at once: 16 full batches, which take a tenth of a second.
const MOST_WAITING: usize = 16 << 10;
/// Milliseconds after which to try again when that many wait.
const BUSY_MS: u64 = 1_000;

/// Takes the one kind of answer that a command has.
macro_rules! expect_answer {
    ($answer:expr, $kind:ident) => {
        match $answer {
            Ok(Answer::$kind(value)) => Ok(value),
            Err(refusal) => Err(refusal),
            Ok(_) => unreachable!("each command has one kind of answer"),
        }
    };
}

/// A command that the engine has, and its answer to come.
struct UnderWay {
    answer: oneshot::Receiver<Result<Answer, Refusal>>,
    /// Kept until the answer has come.
    _place: OwnedSemaphorePermit,
}

impl UnderWay {
    async fn answer(&mut self, engine: &Engine) -> Result<Answer, Refusal> {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            Err(_) => Err(engine.stopped().await),
        }
    }
}

/// A submission that the engine has, and its receipt to come.
pub struct Submission(UnderWay);

impl Submission {
    /// Waits for the receipt: the submission is then durable. To be asked for once; giving up the wait loses nothing.
    pub async fn receipt(&mut self, engine: &Engine) -> Result<wire::Receipt, Refusal> {
        expect_answer!(self.0.answer(engine).await, Receipt)
    }

    /// The receipt, if it has come.
    pub fn receipt_now(&mut self) -> Option<Result<wire::Receipt, Refusal>> {
        let answer = self.0.answer.try_recv().ok()?;
        Some(expect_answer!(answer, Receipt))
    }
}

impl Engine {
    pub(crate) fn new(letters: mpsc::UnboundedSender<Letter>, condition: watch::Receiver<Condition>) -> Self {
        Self { letters, condition, places: Arc::new(Semaphore::new(MOST_WAITING)) }
    }

    /// How the engine is now.
    pub fn condition(&self) -> Condition {
        *self.condition.borrow()
    }

    /// Waits until the engine has failed; never ends when it stops because it was asked to.
    pub async fn failed(&self) -> Condition {
        let mut condition = self.condition.clone();
        match condition.wait_for(|condition| condition.has_failed()).await {
            Ok(condition) => *condition,
            // It has ended, in good order: a thread that breaks says so.
            Err(_) => std::future::pending().await,
        }
    }

    async fn ask(&self, command: Command) -> Result<Answer, Refusal> {
        self.begin(command)?.answer(self).await
    }

    /// Puts a command into the queue; commands of one caller are decided in the order in which they begin.
    fn begin(&self, command: Command) -> Result<UnderWay, Refusal> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Refusal::Busy { after_ms: BUSY_MS })?;
        let (reply, answer) = oneshot::channel();
        // A stopped engine drops the letter, which ends the wait for its answer.
        let _stopped = self.letters.send(Letter { command, reply: Some(reply) });
        Ok(UnderWay { answer, _place: place })
    }

    /// What an engine answers that answers no more. A thread that breaks drops what waited a moment before it says so.
    async fn stopped(&self) -> Refusal {
        let mut condition = self.condition.clone();
        let condition = condition.wait_for(|condition| *condition != Condition::Well).await;
        match condition.map_or(Condition::Ended, |condition| *condition) {
            Condition::StoreFailed | Condition::Broken => Refusal::StoreFailed,
            Condition::Well | Condition::Ended => Refusal::Draining,
        }
    }

    async fn done(&self, command: Command) -> Result<(), Refusal> {
        self.ask(command).await.map(|_| ())
    }

    /// Makes a connection known, so that notices for its device reach it; says what its hello is told.
    pub async fn connect(&self, requester: Requester, outbound: Arc<dyn Outbound>) -> Result<HelloFacts, Refusal> {
        expect_answer!(self.ask(Command::Connect { requester, outbound }).await, Hello)
    }

    /// Forgets a connection and its subscriptions. Does not wait.
    pub fn disconnect(&self, connection: ConnectionId) {
        // A stopped engine has forgotten it already.
        let _stopped = self.letters.send(Letter { command: Command::Disconnect(connection), reply: None });
    }

    /// The check that decides a proof of this epoch. Never says whether the group exists.
    pub async fn access(&self, group: GroupId, epoch: Epoch) -> Result<AccessCheck, Refusal> {
        expect_answer!(self.ask(Command::Access { group, epoch }).await, Access)
    }

    /// Opens a new group's log. The proof comes from [`AccessCheck::of_new_group`].
    pub async fn create_group(
        &self,
        device: DeviceId,
        access: ProvenAccess,
        request: wire::CreateGroup,
    ) -> Result<wire::Receipt, Refusal> {
        expect_answer!(self.ask(Command::CreateGroup { device, access, request }).await, Receipt)
    }

    /// Begins to append an application message or a proposal behind those of its row that have begun: they are appended
    /// in that order, nothing behind one that is refused, and share a sync of the disk where the engine finds them together.
    pub fn begin_submit(
        &self,
        row: &Row,
        access: ProvenAccess,
        request: wire::Submit,
    ) -> Result<Submission, Refusal> {
        self.begin(Command::SubmitInRow { row: row.clone(), access, request }).map(Submission)
    }

    /// Appends an application message or a proposal.
    pub async fn submit(&self, access: ProvenAccess, request: wire::Submit) -> Result<wire::Receipt, Refusal> {
        expect_answer!(self.ask(Command::Submit { access, request }).await, Receipt)
    }

    /// Appends a Commit with all that belongs to it.
    pub async fn submit_commit(
        &self,
        access: ProvenAccess,
        request: wire::SubmitCommit,
    ) -> Result<wire::Receipt, Refusal> {
        expect_answer!(self.ask(Command::SubmitCommit { access, request }).await, Receipt)
    }

    /// Says whether an operation was accepted.
    pub async fn find_receipt(
        &self,
        access: ProvenAccess,
        request: wire::FindReceipt,
    ) -> Result<wire::Receipt, Refusal> {
        expect_answer!(self.ask(Command::FindReceipt { access, request }).await, Receipt)
    }

    /// Reads one stretch of a log of at most `limit` bytes, at least one record if there is one.
    pub async fn read(&self, access: ProvenAccess, after: Option<Seq>, limit: u64) -> Result<Stretch, Refusal> {
        expect_answer!(self.ask(Command::Read { access, after, limit }).await, Stretch)
    }

    /// Reads one stretch and, if it reaches the newest record, subscribes from there in the same step. Call it
    /// again after `stretch.through` for as long as it answers [`Next::More`](super::Next::More).
    pub async fn follow(
        &self,
        connection: ConnectionId,
        access: ProvenAccess,
        subscription: Subscription,
        after: Option<Seq>,
        limit: u64,
    ) -> Result<Followed, Refusal> {
        let command = Command::Follow { access, connection, subscription, after, limit };
        expect_answer!(self.ask(command).await, Followed)
    }

    /// Ends a subscription.
    pub async fn unfollow(&self, connection: ConnectionId, subscription: Subscription) -> Result<(), Refusal> {
        self.done(Command::Unfollow { connection, subscription }).await
    }

    /// Registers a cursor.
    pub async fn register_cursor(&self, access: ProvenAccess, request: wire::RegisterCursor) -> Result<(), Refusal> {
        self.done(Command::RegisterCursor { access, request }).await
    }

    /// Moves cursors forward, or removes them.
    pub async fn move_cursors(&self, request: wire::MoveCursors) -> Result<(), Refusal> {
        self.done(Command::MoveCursors(request)).await
    }

    /// Publishes KeyPackages of the requester's device.
    pub async fn publish_key_packages(
        &self,
        requester: Requester,
        request: wire::PublishKeyPackages,
    ) -> Result<wire::KeyPackageCount, Refusal> {
        expect_answer!(self.ask(Command::PublishKeyPackages { requester, request }).await, KeyPackageCount)
    }

    /// Claims one KeyPackage of each device of a professional.
    pub async fn claim_key_packages(
        &self,
        requester: Requester,
        request: wire::ClaimKeyPackages,
    ) -> Result<wire::Claimed, Refusal> {
        expect_answer!(self.ask(Command::ClaimKeyPackages { requester, request }).await, Claimed)
    }

    /// Puts a sealed note into a device's inbox.
    pub async fn send_note(&self, sender: DeviceId, request: wire::SendNote) -> Result<(), Refusal> {
        self.done(Command::SendNote { sender, request }).await
    }

    /// Reads at most `limit` bytes of a device's inbox, at least one note if there is one.
    pub async fn read_inbox(&self, requester: Requester, after: InboxSeq, limit: u64) -> Result<InboxPart, Refusal> {
        expect_answer!(self.ask(Command::ReadInbox { requester, after, limit }).await, Inbox)
    }

    /// Drops what a device has stored.
    pub async fn acknowledge_inbox(&self, requester: Requester, through: InboxSeq) -> Result<(), Refusal> {
        self.done(Command::AcknowledgeInbox { requester, through }).await
    }

    /// Erases the log of a closed group.
    pub async fn erase_group(&self, access: ProvenAccess) -> Result<(), Refusal> {
        self.done(Command::EraseGroup(access)).await
    }

    /// Takes a list of revoked certificates: what it cuts off loses KeyPackages and inbox.
    pub async fn publish_crl(&self, list: Arc<VerifiedCrl>) -> Result<(), Refusal> {
        self.done(Command::PublishCrl(list)).await
    }

    /// Which lists of revoked certificates there are that are not known.
    pub async fn newer_crls(&self, known: Vec<wire::KnownCrl>) -> Result<NewerLists, Refusal> {
        expect_answer!(self.ask(Command::ReadCrls(known)).await, NewerLists)
    }

    /// Reads one of these lists; none if a newer one has taken its place.
    pub async fn read_crl(&self, list: ListAt) -> Result<Option<wire::Crl>, Refusal> {
        expect_answer!(self.ask(Command::ReadCrl(list)).await, Crl)
    }

    /// Asks something of a mailbox that has nothing to answer.
    pub async fn mailbox(&self, command: MailboxCommand) -> Result<(), Refusal> {
        self.done(Command::Mailbox(command)).await
    }

    /// Reads the requests of these tickets, few at a time.
    pub async fn read_tickets(
        &self,
        requester: Requester,
        tickets: Vec<TicketId>,
    ) -> Result<Vec<wire::TicketRequest>, Refusal> {
        let command = MailboxCommand::ReadTickets(requester, tickets);
        expect_answer!(self.ask(Command::Mailbox(command)).await, Tickets)
    }

    /// Reads some requests for renewal.
    pub async fn read_renewals(
        &self,
        requester: Requester,
        request: wire::ReadRenewals,
    ) -> Result<Letters<wire::Renewal>, Refusal> {
        let command = MailboxCommand::ReadRenewals(requester, request);
        expect_answer!(self.ask(Command::Mailbox(command)).await, Renewals)
    }

    /// The answer to a new device's request.
    pub async fn fetch_answer(&self, request: wire::FetchAnswer) -> Result<Payload, Refusal> {
        let command = MailboxCommand::FetchAnswer(request);
        expect_answer!(self.ask(Command::Mailbox(command)).await, Letter)
    }

    /// The answer to a device's request for renewal.
    pub async fn fetch_renewal(&self, requester: Requester, request: wire::FetchRenewal) -> Result<Payload, Refusal> {
        let command = MailboxCommand::FetchRenewal(requester, request);
        expect_answer!(self.ask(Command::Mailbox(command)).await, Letter)
    }

    /// Looks into the directory.
    pub async fn search(&self, device: DeviceId, request: wire::SearchDirectory) -> Result<wire::Found, Refusal> {
        expect_answer!(self.ask(Command::SearchDirectory { device, request }).await, Found)
    }

    /// Begins a pass of retention now, instead of within the hour.
    pub async fn sweep(&self) -> Result<(), Refusal> {
        self.done(Command::Sweep).await
    }

    /// Accepts nothing new from now on, and returns when everything is checkpointed. The thread then ends.
    pub async fn drain(&self) -> Result<(), Refusal> {
        self.done(Command::Drain).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn when_too_many_wait_the_newest_is_told_to_come_again_and_an_answer_makes_room() {
        let (letters, mut waiting) = mpsc::unbounded_channel();
        let (_condition, condition) = watch::channel(Condition::Well);
        let mut engine = Engine::new(letters, condition);
        engine.places = Arc::new(Semaphore::new(1));
        let first = tokio::spawn({
            let engine = engine.clone();
            async move { engine.sweep().await }
        });
        let letter: Letter = waiting.recv().await.expect("the first");
        assert_eq!(engine.sweep().await, Err(Refusal::Busy { after_ms: BUSY_MS }));
        letter.reply.expect("asked").send(Ok(Answer::Done)).expect("waited for");
        assert_eq!(first.await.expect("ended"), Ok(()));
        assert_eq!(engine.places.available_permits(), 1);
    }
}
