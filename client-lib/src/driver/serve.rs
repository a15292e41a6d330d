//! Serving a connection that stands: requests out, answers, backlogs and live records in, until it ends.
//!
//! Each request has a task and a stream of its own, but for messages of a group, which follow one another on one
//! ([`lane`](super::lane)); one task reads the push stream. What they bring goes into the
//! bounded queue of the conversation's thread: while that is full they wait, and QUIC's flow control slows the relay
//! down. Whatever a relay does against the protocol ends the connection with a typed reason, never the program.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kring_protocol::ids::{Epoch, GroupId, InboxSeq, Subscription};
use kring_protocol::message::{self as wire, Push, ReadInbox, Record, Reply, Request, Unfollow};
use kring_protocol::refusal::{Refusal, Retry};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Wish;
use super::connection::ended;
use super::core::{Arrival, Ask, Carry, ConnectionNumber, Job};
use super::exchange::{Exchange, Failure, Frames, Watch, access_mut, decode};
use super::lane::{Lanes, fits};
use super::subscriptions::{Follow, FollowNumber, Live, Step, Subscriptions};
use super::surroundings::{pause, within};
use crate::api::{ConnectError, OwnFault, RelayFault};
use crate::conversation::{Input, Ticket};

/// Most requests under way at once: below the streams that a relay allows, above what fills a link.
const MOST_UNDER_WAY: usize = 64;
/// Longest wait, at closing, for answers to what is under way.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// Longest wait before a follow or a reading of the inbox is tried again, whatever the relay asks for.
const MOST_PAUSE_MS: u64 = 60_000;

/// How often it is looked whether the relay is still there, while something is under way.
const LOOK: Duration = Duration::from_secs(1);

/// How serving a connection ended.
#[derive(Debug)]
pub(super) struct End {
    /// Why.
    pub(super) reason: ConnectError,
    /// Milliseconds that the relay asks to wait.
    pub(super) after_ms: u64,
}

impl From<ConnectError> for End {
    fn from(reason: ConnectError) -> Self {
        Self { reason, after_ms: 0 }
    }
}

/// What all tasks of a connection share.
pub(super) struct Shared {
    pub(super) exchange: Exchange,
    number: ConnectionNumber,
    jobs: mpsc::Sender<Job>,
    subscriptions: Mutex<Subscriptions>,
    pub(super) lanes: Lanes,
    /// The newest epoch of each group whose proof the relay has accepted on this connection.
    proven: Mutex<HashMap<GroupId, Epoch>>,
    /// The inbox is read once at a time.
    inbox: tokio::sync::Mutex<()>,
    /// Tasks that wait because the relay has asked them to.
    pausing: AtomicUsize,
}

/// Why a task of a connection ended the connection.
pub(super) enum Stop {
    Failure(Failure),
    Refused(Refusal),
    GoingAway(u64),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<RelayFault> for Stop {
    fn from(fault: RelayFault) -> Self {
        Self::Failure(Failure::Fault(fault))
    }
}

/// Serves a connection until it ends or is not wanted any more.
pub(super) async fn serve(
    exchange: Exchange,
    number: ConnectionNumber,
    jobs: mpsc::Sender<Job>,
    mut carry: mpsc::UnboundedReceiver<Carry>,
    wish: &mut watch::Receiver<Wish>,
) -> End {
    let shared = Arc::new(Shared {
        exchange,
        number,
        jobs,
        subscriptions: Mutex::default(),
        lanes: Lanes::default(),
        proven: Mutex::default(),
        inbox: tokio::sync::Mutex::default(),
        pausing: AtomicUsize::new(0),
    });
    // Dropping the sets ends their tasks.
    let mut readers = JoinSet::new();
    let mut requests = JoinSet::new();
    readers.spawn(Arc::clone(&shared).read_pushes());
    let mut watch = Watch::begin();
    loop {
        // One of the readers reads the push stream for as long as the connection stands.
        let idle = 1 + shared.pausing.load(Ordering::Relaxed);
        let under_way = !requests.is_empty() || readers.len() > idle;
        if watch.is_deaf(&shared.exchange, under_way) {
            return ConnectError::Unreachable.into();
        }
        let outcome = tokio::select! {
            wished = Wish::is_no_longer_online(wish) => {
                within(LAST_ANSWERS, finish(&shared, &mut carry, &mut requests)).await;
                return wished.reason().into();
            }
            error = shared.exchange.connection().closed() => return ended(&error).into(),
            () = pause(LOOK), if under_way => continue,
            Some(outcome) = readers.join_next() => outcome,
            Some(outcome) = requests.join_next() => outcome,
            next = carry.recv(), if requests.len() + readers.len() < MOST_UNDER_WAY => match next {
                Some(Carry::End(error)) => return ConnectError::Store(error).into(),
                Some(next) => {
                    shared.start(next, &mut readers, &mut requests);
                    continue;
                }
                // The conversation's thread has another connection, or has ended.
                None => return ConnectError::Closed.into(),
            },
        };
        let stop = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(stop)) => stop,
            Err(_) => {
                tracing::error!("a task of the connection panicked");
                return ConnectError::Broken.into();
            }
        };
        return match stop {
            Stop::Failure(Failure::Fault(fault)) => ConnectError::Fault(fault).into(),
            Stop::Failure(Failure::Lost) => {
                shared.exchange.connection().close_reason().map_or(ConnectError::Broken, |error| ended(&error)).into()
            }
            Stop::Refused(Refusal::Revoked) => ConnectError::OwnRefused(OwnFault::Revoked).into(),
            Stop::Refused(Refusal::Draining) => ConnectError::GoingAway.into(),
            Stop::Refused(refusal) => ConnectError::Refused(refusal).into(),
            Stop::GoingAway(after_ms) => {
                // The relay still answers what is under way.
                within(LAST_ANSWERS, async { while requests.join_next().await.is_some() {} }).await;
                End { reason: ConnectError::GoingAway, after_ms }
            }
        };
    }
}

/// Sends what is still queued, and waits for what is under way.
async fn finish(
    shared: &Arc<Shared>,
    carry: &mut mpsc::UnboundedReceiver<Carry>,
    requests: &mut JoinSet<Result<(), Stop>>,
) {
    loop {
        while let Ok(next) = carry.try_recv() {
            match next {
                Carry::Request(ticket, request) => shared.send(ticket, request, requests),
                Carry::Heard(ticket) => shared.lanes.heard(ticket),
                Carry::Follow(_) | Carry::Unfollow(_) | Carry::ReadInbox(_) | Carry::Ask(_) | Carry::End(_) => {}
            }
        }
        if requests.join_next().await.is_none() {
            return;
        }
    }
}

impl Shared {
    fn start(
        self: &Arc<Self>,
        carry: Carry,
        readers: &mut JoinSet<Result<(), Stop>>,
        requests: &mut JoinSet<Result<(), Stop>>,
    ) {
        match carry {
            Carry::Request(ticket, request) => self.send(ticket, request, requests),
            Carry::Heard(ticket) => self.lanes.heard(ticket),
            Carry::Follow(follow) => {
                // Here and not in the task, so that follows begin in the order in which they were wished.
                let number = self.subscriptions().begin(follow.clone());
                readers.spawn(Arc::clone(self).follow(number, follow));
            }
            Carry::Unfollow(group) => {
                if let Some(number) = self.subscriptions().end(group) {
                    readers.spawn(Arc::clone(self).unfollow(number));
                }
            }
            Carry::ReadInbox(after) => {
                readers.spawn(Arc::clone(self).read_inbox(after));
            }
            Carry::Ask(ask) => {
                requests.spawn(Arc::clone(self).bring(ask));
            }
            // Ends the connection before it comes here.
            Carry::End(_) => {}
        }
    }

    /// Sends a request: a message behind those of its group that are under way, anything else by itself.
    fn send(self: &Arc<Self>, ticket: Ticket, request: Request, requests: &mut JoinSet<Result<(), Stop>>) {
        match request {
            Request::Submit(submit) if fits(&submit) => {
                if let Some(lane) = self.lanes.submit(ticket, submit) {
                    requests.spawn(lane.run(Arc::clone(self)));
                }
            }
            request => {
                requests.spawn(Arc::clone(self).request(ticket, request));
            }
        }
    }

    /// Hands something to the conversation; waits while its queue is full.
    pub(super) async fn arrive(&self, arrival: Arrival) -> Result<(), Stop> {
        let job = Job::Arrived(self.number, arrival);
        self.jobs.send(job).await.map_err(|_| Stop::Failure(Failure::Lost))
    }

    /// Sends a request, without its proof if the relay has that already.
    async fn ask(&self, request: &mut Request) -> Result<Result<Vec<Reply>, Refusal>, Failure> {
        let Some(access) = access_mut(request) else {
            return self.exchange.ask(request).await;
        };
        let (group, epoch, proof) = (access.group, access.epoch, access.proof);
        let known = self.proven().get(&group) == Some(&epoch);
        if known {
            access.proof = None;
            let answer = self.exchange.ask(request).await?;
            if answer != Err(Refusal::Forbidden) {
                return Ok(answer);
            }
            // The relay may have forgotten the proof: its memory is bounded, too.
            if let Some(access) = access_mut(request) {
                access.proof = proof;
            }
        }
        let answer = self.exchange.ask(request).await?;
        self.note_proof(group, epoch, answer.is_ok());
        Ok(answer)
    }

    /// Remembers whether the relay has accepted a proof.
    fn note_proof(&self, group: GroupId, epoch: Epoch, accepted: bool) {
        let mut proven = self.proven();
        let known = proven.get(&group).copied();
        if accepted && known.is_none_or(|known| known < epoch) {
            proven.insert(group, epoch);
        } else if !accepted && known == Some(epoch) {
            proven.remove(&group);
        }
    }

    async fn request(self: Arc<Self>, ticket: Ticket, mut request: Request) -> Result<(), Stop> {
        let answer = self.ask(&mut request).await?;
        self.arrive(Arrival::Input(Input::Answered { ticket, answer })).await
    }

    async fn unfollow(self: Arc<Self>, subscription: Subscription) -> Result<(), Stop> {
        // Whether the relay knew the subscription still makes no difference.
        let _ = self.exchange.ask(&Request::Unfollow(Unfollow { subscription })).await?;
        Ok(())
    }

    /// Follows a group: its backlog to the end, then what was kept meanwhile.
    async fn follow(self: Arc<Self>, number: Subscription, follow: Follow) -> Result<(), Stop> {
        loop {
            let Some(wait) = self.follow_once(number, &follow).await? else { return Ok(()) };
            self.pause(wait).await;
        }
    }

    /// Waits as the relay has asked.
    async fn pause(&self, wait: Duration) {
        self.pausing.fetch_add(1, Ordering::Relaxed);
        pause(wait).await;
        self.pausing.fetch_sub(1, Ordering::Relaxed);
    }

    /// `Some`: the relay asks to try again later.
    async fn follow_once(&self, number: Subscription, follow: &Follow) -> Result<Option<Duration>, Stop> {
        let access = wire::Access { group: follow.group, epoch: follow.epoch, proof: Some(follow.proof) };
        let request = wire::Follow { access, subscription: number, after: follow.after };
        let mut frames = self.exchange.send(&Request::Follow(request)).await?;
        loop {
            match frames.next().await?.ok_or(RelayFault::Unfinished)? {
                Reply::Record(record) => {
                    if !self.subscriptions().backlog(number, follow.number, record.seq) {
                        return Ok(None);
                    }
                    self.arrive(Arrival::Input(Input::Record { group: follow.group, record })).await?;
                }
                Reply::Gap(gap) => {
                    if !self.subscriptions().backlog(number, follow.number, gap.to) {
                        return Ok(None);
                    }
                    self.arrive(Arrival::Input(Input::Gap { group: follow.group, gap })).await?;
                }
                Reply::Live(live) => {
                    self.note_proof(follow.group, follow.epoch, true);
                    self.arrive(Arrival::CaughtUp(follow.clone(), live.after)).await?;
                    self.hand_over_kept(number, follow.number).await?;
                    return Ok(None);
                }
                Reply::Paused(_) => {
                    self.subscriptions().finish(number, follow.number);
                    self.arrive(Arrival::Paused(follow.clone())).await?;
                    return Ok(None);
                }
                Reply::Refused(refusal) => match refusal.retry() {
                    Retry::After(milliseconds) => {
                        return Ok(Some(Duration::from_millis(milliseconds.min(MOST_PAUSE_MS))));
                    }
                    Retry::Reconnect => return Err(Stop::Refused(refusal)),
                    Retry::Never | Retry::AfterReading => {
                        if self.subscriptions().finish(number, follow.number) {
                            self.arrive(Arrival::Unfollowed(follow.clone(), refusal)).await?;
                        }
                        return Ok(None);
                    }
                },
                _ => return Err(RelayFault::WrongAnswer.into()),
            }
        }
    }

    /// Brings the answer to whoever asked.
    async fn bring(self: Arc<Self>, ask: Ask) -> Result<(), Stop> {
        let answer = self.exchange.ask(&ask.request).await?;
        // Fails only if nobody waits for it any more.
        let _ = ask.reply.send(answer);
        Ok(())
    }

    async fn hand_over_kept(&self, number: Subscription, follow: FollowNumber) -> Result<(), Stop> {
        loop {
            let Some(step) = self.subscriptions().next_kept(number, follow) else { return Ok(()) };
            self.take(step).await?;
        }
    }

    async fn take(&self, step: Step) -> Result<(), Stop> {
        self.arrive(match step {
            Step::Record(group, record) => Arrival::Input(Input::Record { group, record }),
            Step::Paused(follow) => Arrival::Paused(follow),
            Step::Again(follow) => Arrival::Again(follow),
            Step::Ended(follow, reason) => Arrival::Unfollowed(follow, reason),
        })
        .await
    }

    async fn read_inbox(self: Arc<Self>, after: InboxSeq) -> Result<(), Stop> {
        let _turn = self.inbox.lock().await;
        loop {
            let mut frames = self.exchange.send(&Request::ReadInbox(ReadInbox { after })).await?;
            let wait = loop {
                match frames.next().await?.ok_or(RelayFault::Unfinished)? {
                    Reply::Note(note) => self.arrive(Arrival::Input(Input::Note(note))).await?,
                    Reply::InboxEnd(_) => return self.arrive(Arrival::InboxRead).await,
                    Reply::Refused(refusal) => match refusal.retry() {
                        Retry::After(milliseconds) => break milliseconds.min(MOST_PAUSE_MS),
                        Retry::Reconnect | Retry::Never | Retry::AfterReading => return Err(Stop::Refused(refusal)),
                    },
                    _ => return Err(RelayFault::WrongAnswer.into()),
                }
            };
            self.pause(Duration::from_millis(wait)).await;
        }
    }

    /// Reads the push stream for as long as the connection stands.
    async fn read_pushes(self: Arc<Self>) -> Result<(), Stop> {
        let stream = self.exchange.connection().accept_uni().await.map_err(|_| Failure::Lost)?;
        let mut frames = Frames::new(stream);
        loop {
            let body = frames.next_body().await?.ok_or(RelayFault::Unfinished)?;
            let (number, live) = match decode::<Push>(&body)? {
                Push::Delivery(delivery) => {
                    let record: Record = decode(&delivery.record)?;
                    (delivery.subscription, Live::Record(record))
                }
                Push::SubscriptionPaused(paused) => (paused.subscription, Live::Paused(paused.at)),
                Push::Lagged(lagged) => (lagged.subscription, Live::Lagged),
                Push::SubscriptionEnded(ended) => (ended.subscription, Live::Ended(ended.reason)),
                Push::InboxWaiting(_) => {
                    self.arrive(Arrival::Input(Input::InboxWaiting)).await?;
                    continue;
                }
                Push::KeyPackagesLow(count) => {
                    self.arrive(Arrival::Input(Input::KeyPackagesLow { left: count.single_use })).await?;
                    continue;
                }
                Push::GoingAway(going) => return Err(Stop::GoingAway(going.after_ms)),
                Push::CrlsChanged(_) => {
                    self.arrive(Arrival::Input(Input::CrlsChanged)).await?;
                    continue;
                }
                // A newer relay may say more than this version knows.
                Push::EnrolmentWaiting(_) | Push::Unknown(_) => continue,
            };
            let step = self.subscriptions().pushed(number, live);
            if let Some(step) = step {
                self.take(step).await?;
            }
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proven(&self) -> MutexGuard<'_, HashMap<GroupId, Epoch>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
