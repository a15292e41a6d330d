//! The handle through which the shell asks the engine. Cheap to clone.
//!
//! The queue to the engine has no bound of its own: each command in it belongs to a request that waits for its answer,
//! and the shell bounds those. Refused: everything once the engine has stopped ([`Refusal::Draining`]) or has failed
//! ([`Refusal::StoreFailed`]).

use std::sync::Arc;

use kring_protocol::ids::{DeviceId, Epoch, GroupId, InboxSeq, Seq, Subscription};
use kring_protocol::message as wire;
use kring_protocol::refusal::Refusal;
use tokio::sync::{mpsc, oneshot, watch};

use super::access::{AccessCheck, ProvenAccess};
use super::answer::{Answer, Followed, HelloFacts, InboxPart, Stretch};
use super::command::{Command, ConnectionId, Outbound, Requester};
use super::thread::Condition;

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
}

/// Takes the one kind of answer that a command has.
macro_rules! expect_answer {
    ($answer:expr, $kind:ident) => {
        match $answer? {
            Answer::$kind(value) => Ok(value),
            _ => unreachable!("each command has one kind of answer"),
        }
    };
}

impl Engine {
    pub(crate) fn new(letters: mpsc::UnboundedSender<Letter>, condition: watch::Receiver<Condition>) -> Self {
        Self { letters, condition }
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
        let (reply, answer) = oneshot::channel();
        if self.letters.send(Letter { command, reply: Some(reply) }).is_err() {
            return Err(self.stopped().await);
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.stopped().await),
        }
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
        device: DeviceId,
        request: wire::ClaimKeyPackages,
    ) -> Result<wire::Claimed, Refusal> {
        expect_answer!(self.ask(Command::ClaimKeyPackages { device, request }).await, Claimed)
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

    /// Drops the KeyPackages and the inbox of a revoked device, for good.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<(), Refusal> {
        self.done(Command::RevokeDevice(device)).await
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
