//! The thread that owns the conversation: takes one job at a time, and never waits for anything but the next job.
//!
//! SQLite and MLS take milliseconds of disk and processor; on a thread of their own they hold nobody up. What the
//! thread is given comes through a bounded queue, so a relay that sends faster than this device can store is slowed
//! down by QUIC's flow control. What it gives away never blocks it: actions go to the connection in a queue that
//! holds no more than the conversation has asked for, events to a ring that drops the oldest of slow listeners.

use std::collections::{HashMap, VecDeque};

use kring_protocol::ids::{Epoch, GroupId, InboxSeq, Seq, Signature, Timestamp};
use kring_protocol::message::{Reply, Request};
use kring_protocol::proof::TLS_EXPORTER_LENGTH;
use kring_protocol::refusal::Refusal;
use rustls_pki_types::CertificateDer;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::State;
use super::exchange::access_mut;
use super::progress::Progress;
use super::subscriptions::{Follow, FollowNumber};
use super::surroundings::Surroundings;
use super::waiters::{Wait, Waiter, Waiters};
use crate::api::{CallError, ClientEvent};
use crate::conversation::{Action, Command, Connected, Conversation, Event, Handled, Input, StepError, Ticket};
use crate::store::StoreError;

/// Names one connection, so that what a former one still had under way is not taken for the present one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionNumber(pub(super) u64);

/// Something for the thread to do.
pub(crate) enum Job {
    /// The user wants something.
    Call {
        /// What.
        command: Command,
        /// Who waits for its outcome.
        waiter: Waiter,
        /// Says that it is stored.
        reply: oneshot::Sender<Result<(), CallError>>,
    },
    /// Reads from the conversation.
    Query(Box<dyn FnOnce(&Conversation) + Send>),
    /// A connection stands.
    Connected(Box<NewConnection>),
    /// A connection has ended.
    Disconnected(ConnectionNumber),
    /// Something came on a connection.
    Arrived(ConnectionNumber, Arrival),
    /// Asks the relay something that no case has to do with.
    Ask(Ask),
    /// Time has passed.
    Tick,
    /// Close the store and end.
    Stop,
}

/// A question to the relay and who waits for the answer.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The question.
    pub(crate) request: Request,
    /// Dropped where there is no connection, or where it ends first.
    pub(crate) reply: oneshot::Sender<Result<Vec<Reply>, Refusal>>,
}

/// What the thread is told of a new connection.
pub(crate) struct NewConnection {
    pub(super) number: ConnectionNumber,
    pub(super) connected: Connected,
    pub(super) exporter: [u8; TLS_EXPORTER_LENGTH],
    pub(super) carry: mpsc::UnboundedSender<Carry>,
    /// The certificate that this device has shown, and its organisation's.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// What comes on a connection.
pub(crate) enum Arrival {
    /// For the conversation.
    Input(Input),
    /// A backlog has been read.
    CaughtUp(Follow, Seq),
    /// A follow pauses at a Commit.
    Paused(Follow),
    /// A follow is asked for again, from another record.
    Again(Follow),
    /// A follow has ended, or was refused.
    Unfollowed(Follow, Refusal),
    /// The inbox has been read.
    InboxRead,
}

/// Something for the connection to do.
#[derive(Debug)]
pub(crate) enum Carry {
    /// Send a request and bring its answer.
    Request(Ticket, Request),
    /// The conversation has heard that a request was refused.
    Heard(Ticket),
    /// Follow a group.
    Follow(Follow),
    /// Stop following a group.
    Unfollow(GroupId),
    /// Read the inbox.
    ReadInbox(InboxSeq),
    /// Send a request whose answer the conversation does not see.
    Ask(Ask),
    /// End: what comes cannot be stored.
    End(StoreError),
}

/// Most inputs that share a transaction: what a case has under way at most, so that a window of messages, of answers or of
/// records costs one sync of the disk. More would only make who waits for the first wait for the last.
const MOST_TOGETHER: usize = 64;
/// Records that share a transaction are at most this long together, or one: what is stored at once is held in memory twice.
const MOST_BYTES_TOGETHER: usize = 1 << 20;

/// Whom an input is from.
enum Sender {
    /// The user: what is waited for, and who is told that it is stored.
    Caller { wait: Wait, reply: oneshot::Sender<Result<(), CallError>> },
    /// The relay, in answer to this.
    Answer { ticket: Ticket, refused: bool },
    /// The relay, of its own accord.
    Relay,
}

/// The connection, as the thread knows it.
struct Link {
    number: ConnectionNumber,
    exporter: [u8; TLS_EXPORTER_LENGTH],
    carry: mpsc::UnboundedSender<Carry>,
    progress: Progress,
    /// Proofs made for this connection, of the newest epoch of each group.
    proofs: HashMap<GroupId, (Epoch, Signature)>,
}

/// The thread's own state.
pub(super) struct Core {
    pub(super) conversation: Conversation,
    pub(super) surroundings: Surroundings,
    pub(super) events: broadcast::Sender<ClientEvent>,
    pub(super) state: watch::Sender<State>,
    pub(super) wake: watch::Sender<Option<Timestamp>>,
    link: Option<Link>,
    waiters: Waiters,
    follows: u64,
    /// Answers that this device gives itself, to be handled after the present step.
    answered_here: VecDeque<Input>,
}

impl Core {
    pub(super) fn new(
        conversation: Conversation,
        surroundings: Surroundings,
        events: broadcast::Sender<ClientEvent>,
        state: watch::Sender<State>,
        wake: watch::Sender<Option<Timestamp>>,
    ) -> Self {
        let waiters = Waiters::default();
        Self {
            conversation,
            surroundings,
            events,
            state,
            wake,
            link: None,
            waiters,
            follows: 0,
            answered_here: VecDeque::new(),
        }
    }

    /// Works until it is told to stop, or nobody is left to give it work.
    pub(super) fn run(mut self, jobs: &mut mpsc::Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
            match job {
                Job::Stop => break,
                Job::Query(query) => query(&self.conversation),
                Job::Call { .. } | Job::Arrived(_, Arrival::Input(_)) => next = self.together(job, jobs),
                Job::Connected(new) => self.connected(*new),
                Job::Disconnected(number) => {
                    if self.link.take_if(|link| link.number == number).is_some() {
                        self.step(Input::Disconnected);
                    }
                }
                Job::Arrived(number, arrival) => {
                    if self.is_present(number) {
                        self.arrived(arrival);
                    }
                }
                Job::Ask(ask) => {
                    // Dropping it says that there is no connection.
                    if let Some(link) = &mut self.link {
                        link.carry(Carry::Ask(ask));
                    }
                }
                Job::Tick => self.step(Input::Tick),
            }
            self.answer_here();
            self.settle();
        }
    }

    fn is_present(&self, number: ConnectionNumber) -> bool {
        self.link.as_ref().is_some_and(|link| link.number == number)
    }

    /// Takes an input and those that wait behind it, in one transaction. Gives back the job that came next and is none.
    fn together(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> Option<Job> {
        let (mut inputs, mut senders, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Call { command, waiter, reply } => {
                    senders.push(Sender::Caller { wait: Wait::of(&command, waiter), reply });
                    inputs.push(Input::Command(command));
                }
                Job::Arrived(number, Arrival::Input(input)) if self.is_present(number) => {
                    senders.push(match &input {
                        Input::Answered { ticket, answer } => {
                            Sender::Answer { ticket: *ticket, refused: answer.is_err() }
                        }
                        _ => Sender::Relay,
                    });
                    bytes += if let Input::Record { record, .. } = &input { record.message.len() } else { 0 };
                    inputs.push(input);
                }
                Job::Arrived(_, Arrival::Input(_)) => {}
                other => {
                    next = Some(other);
                    break;
                }
            }
            if inputs.len() < MOST_TOGETHER && bytes < MOST_BYTES_TOGETHER {
                next = jobs.try_recv().ok();
            }
        }
        if !inputs.is_empty() {
            self.take(inputs, senders);
        }
        next
    }

    fn take(&mut self, inputs: Vec<Input>, senders: Vec<Sender>) {
        let mut senders = senders.into_iter();
        for Handled { inputs, outcome } in self.conversation.handle_all(inputs, self.surroundings.clock.now()) {
            let of_these: Vec<_> = senders.by_ref().take(inputs).collect();
            let (taken, failure) = match outcome {
                Ok(actions) => (Some(actions), None),
                Err(error) => (None, Some(error)),
            };
            let mut replies = Vec::new();
            for sender in of_these {
                match sender {
                    Sender::Caller { wait, reply } => {
                        if taken.is_some() {
                            self.waiters.wait(wait);
                        }
                        replies.push(reply);
                    }
                    Sender::Answer { ticket, refused } => self.heard(ticket, refused),
                    Sender::Relay => {}
                }
            }
            self.carry_out(taken.unwrap_or_default());
            if let Some(StepError::Store(error)) = &failure {
                self.store_failed(*error);
            }
            for reply in replies {
                // A caller that no longer listens has its command stored all the same.
                let _ = reply.send(failure.map_or(Ok(()), |error| Err(error.into())));
            }
        }
    }

    /// The conversation has an answer: what it sends from now on takes it into account.
    fn heard(&mut self, ticket: Ticket, refused: bool) {
        let Some(link) = &mut self.link else { return };
        link.progress.answered(ticket);
        if refused {
            link.carry(Carry::Heard(ticket));
        }
    }

    fn connected(&mut self, new: NewConnection) {
        if self.link.take().is_some() {
            self.step(Input::Disconnected);
        }
        self.link = Some(Link {
            number: new.number,
            exporter: new.exporter,
            carry: new.carry,
            progress: Progress::default(),
            proofs: HashMap::new(),
        });
        self.conversation.show(&new.chain);
        self.step(Input::Connected(new.connected));
    }

    fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            // Taken together with others.
            Arrival::Input(input) => self.step(input),
            Arrival::CaughtUp(follow, after) => {
                self.step(Input::CaughtUp { group: follow.group, epoch: follow.epoch, after });
                self.settle_follow(&follow);
            }
            Arrival::Paused(follow) => self.settle_follow(&follow),
            Arrival::Again(follow) => {
                if let Some(link) = &mut self.link {
                    link.progress.follow(follow.group, follow.number);
                    link.carry(Carry::Follow(follow));
                }
            }
            Arrival::Unfollowed(follow, reason) => {
                self.step(Input::Unfollowed { group: follow.group, epoch: follow.epoch, reason });
                self.settle_follow(&follow);
            }
            Arrival::InboxRead => {
                if let Some(link) = &mut self.link {
                    link.progress.inbox_read();
                }
            }
        }
    }

    fn settle_follow(&mut self, follow: &Follow) {
        if let Some(link) = &mut self.link {
            link.progress.settle(follow.group, follow.number);
        }
    }

    /// Hands an input over. If the store fails the connection is given up: what came on it is asked for again on the
    /// next one.
    fn step(&mut self, input: Input) {
        match self.conversation.handle(input, self.surroundings.clock.now()) {
            Ok(actions) => self.carry_out(actions),
            Err(StepError::Store(error)) => self.store_failed(error),
            // Only a command is refused, and none comes this way.
            Err(StepError::Command(_)) => tracing::error!("an input that is no command was refused as one"),
        }
    }

    /// Hands over what this device has answered itself. The conversation does not repeat a request that was forbidden,
    /// so this ends.
    fn answer_here(&mut self) {
        while let Some(input) = self.answered_here.pop_front() {
            self.step(input);
        }
    }

    fn store_failed(&mut self, error: StoreError) {
        tracing::warn!(%error, "the store failed");
        let _ = self.events.send(ClientEvent::StoreFailed(error));
        self.answered_here.clear();
        if let Some(link) = self.link.take() {
            link.carry(Carry::End(error));
            // What this would tell the store, the store takes with the next connection.
            if let Ok(actions) = self.conversation.handle(Input::Disconnected, self.surroundings.clock.now()) {
                self.carry_out(actions);
            }
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Tell(event) => self.tell(event),
                Action::WakeAt(at) => {
                    self.wake.send_replace(Some(at));
                }
                Action::Request { ticket, request } => self.request(ticket, request),
                Action::Follow { group, epoch, after } => self.follow(group, epoch, after),
                Action::Unfollow { group } => {
                    if let Some(link) = &mut self.link {
                        link.progress.unfollow(group);
                        link.carry(Carry::Unfollow(group));
                    }
                }
                Action::ReadInbox { after } => {
                    if let Some(link) = &mut self.link {
                        link.progress.inbox();
                        link.carry(Carry::ReadInbox(after));
                    }
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        self.waiters.see(&event);
        // Fails only if nobody listens.
        let _ = self.events.send(ClientEvent::Conversation(event));
    }

    fn request(&mut self, ticket: Ticket, mut request: Request) {
        if self.link.is_none() {
            return;
        }
        if let Some(access) = access_mut(&mut request) {
            match self.proof(access.group, access.epoch) {
                Ok(Some(proof)) => access.proof = Some(proof),
                // Without the key the relay would say no; so does this device, and spares it the question.
                Ok(None) => {
                    let answer = Err(Refusal::Forbidden);
                    return self.answered_here.push_back(Input::Answered { ticket, answer });
                }
                Err(error) => return self.store_failed(error),
            }
        }
        if let Some(link) = &mut self.link {
            if matches!(request, Request::PublishKeyPackages(_) | Request::ReadCrls(_)) {
                link.progress.wait_for(ticket);
            }
            link.carry(Carry::Request(ticket, request));
        }
    }

    fn follow(&mut self, group: GroupId, epoch: Epoch, after: Option<Seq>) {
        if self.link.is_none() {
            return;
        }
        let proof = match self.proof(group, epoch) {
            Ok(Some(proof)) => proof,
            Ok(None) => {
                let reason = Refusal::Forbidden;
                return self.answered_here.push_back(Input::Unfollowed { group, epoch, reason });
            }
            Err(error) => return self.store_failed(error),
        };
        self.follows += 1;
        let number = FollowNumber(self.follows);
        if let Some(link) = &mut self.link {
            link.progress.follow(group, number);
            link.carry(Carry::Follow(Follow { number, group, epoch, proof, after }));
        }
    }

    /// The proof of an epoch for the present connection. `None`: this device does not hold that key.
    fn proof(&mut self, group: GroupId, epoch: Epoch) -> Result<Option<Signature>, StoreError> {
        let Some(link) = &mut self.link else { return Ok(None) };
        if let Some((known, proof)) = link.proofs.get(&group)
            && *known == epoch
        {
            return Ok(Some(*proof));
        }
        let proof = self.conversation.prove(&link.exporter, group, epoch)?;
        if let Some(proof) = proof {
            link.proofs.insert(group, (epoch, proof));
        }
        Ok(proof)
    }

    /// After each job: answers who waits, and says whether this device has caught up and whether it is to take
    /// somebody out.
    fn settle(&mut self) {
        if self.waiters.expect_changes() {
            let conversation = &self.conversation;
            // A store that cannot be asked says nothing about what is under way.
            self.waiters.settle(|case| conversation.is_changing(case).unwrap_or(true));
        }
        let removing = self.conversation.is_removing();
        self.state.send_if_modified(|state| std::mem::replace(&mut state.removing, removing) != removing);
        let caught_up = self.link.as_ref().is_some_and(|link| link.progress.is_caught_up());
        let changed =
            self.state.send_if_modified(|state| std::mem::replace(&mut state.caught_up, caught_up) != caught_up);
        if changed && caught_up {
            let _ = self.events.send(ClientEvent::CaughtUp);
        }
    }
}

impl Link {
    /// Fails only if the connection is gone already; then this is asked for again on the next one.
    fn carry(&self, carry: Carry) {
        let _ = self.carry.send(carry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseId;
    use crate::conversation::Settings;
    use crate::conversation::harness::{Region, real_now};
    use crate::store::Store;
    use kring_protocol::ids::Incarnation;

    fn connect(core: &mut Core, number: u64) -> mpsc::UnboundedReceiver<Carry> {
        let (carry, carried) = mpsc::unbounded_channel();
        let connected = Connected {
            incarnation: Incarnation([1; 16]),
            relay_now: real_now(),
            key_packages: 3,
            last_resort: true,
            inbox: 0,
            crls: None,
        };
        let (number, chain) = (ConnectionNumber(number), Vec::new());
        core.connected(NewConnection { number, connected, exporter: [7; 32], carry, chain });
        carried
    }

    fn new_case(core: &mut Core) -> Result<(), CallError> {
        let (reply, mut outcome) = oneshot::channel();
        let command = Command::NewCase { case: CaseId([1; 16]), title: "Gezin".to_owned() };
        let (_jobs, mut none) = mpsc::channel(1);
        core.together(Job::Call { command, waiter: Waiter::Nobody, reply }, &mut none);
        outcome.try_recv().expect("answered")
    }

    #[test]
    fn a_command_that_cannot_be_stored_gives_the_connection_up_and_the_next_one_is_heard() {
        let credentials = Region::new(real_now()).credentials("anne", 1);
        let settings = Settings { relay: "relay.example:1".to_owned(), key_packages: 3 };
        let store = Store::in_memory().expect("store");
        let conversation = Conversation::open(store, credentials, settings, real_now()).expect("opens");
        let (state, _) = watch::channel(State::default());
        let (events, wake) = (broadcast::channel(64).0, watch::channel(None).0);
        let mut core = Core::new(conversation, Surroundings::default(), events, state, wake);

        let mut first = connect(&mut core, 1);
        core.conversation.fail_after_writes(Some(0));
        assert!(matches!(new_case(&mut core), Err(CallError::Store(_))));
        core.conversation.fail_after_writes(None);
        assert!(core.link.is_none());
        let carried = std::iter::from_fn(|| first.try_recv().ok()).last();
        assert!(matches!(carried, Some(Carry::End(_))), "the connection is ended");

        let mut second = connect(&mut core, 2);
        new_case(&mut core).expect("stored");
        let mut carried = std::iter::from_fn(|| second.try_recv().ok());
        assert!(carried.any(|carried| matches!(carried, Carry::Request(_, Request::CreateGroup(_)))));
    }
}
