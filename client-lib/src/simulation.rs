//! What a simulation of the whole system needs besides the [`conversation`](crate::conversation): identifiers of a seed,
//! the order in which a driver hands records over, and another ciphersuite. In no program that is installed: a cargo
//! feature that only the whole-system tests turn on.

use std::cell::RefCell;

use kring_protocol::ids::{Epoch, GroupId, Seq, Signature, Subscription};
use kring_protocol::message::{Record, Reply, Request, Submit};
use kring_protocol::refusal::Refusal;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::conversation::Ticket;
use crate::driver::row;
use crate::driver::subscriptions as order;

thread_local! {
    static IDENTIFIERS: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// Takes this thread's identifiers from a seed from now on.
pub fn seed_identifiers(seed: u64) {
    IDENTIFIERS.with_borrow_mut(|identifiers| *identifiers = Some(StdRng::seed_from_u64(seed)));
}

/// The next identifier, if this thread has a seed.
pub(crate) fn identifier<const LENGTH: usize>() -> Option<[u8; LENGTH]> {
    IDENTIFIERS.with_borrow_mut(|identifiers| {
        let mut identifier = [0; LENGTH];
        identifiers.as_mut()?.fill(identifier.as_mut_slice());
        Some(identifier)
    })
}

/// Every device that is opened in this process from now on knows the classical ciphersuite 0x0001 and no other: another
/// implementation is tried in both.
pub fn use_classical_suite() {
    crate::mls::use_classical();
}

/// What an answer to a message leads to.
#[derive(Debug)]
pub enum RowNext {
    /// The stream goes on; this is answered.
    On((Ticket, Result<Vec<Reply>, Refusal>)),
    /// The stream has ended; these are answered.
    Over(Vec<(Ticket, Result<Vec<Reply>, Refusal>)>),
    /// The stream has ended; this goes on another one.
    Again(Vec<Request>),
}

/// The driver's own row of the messages of one group on one connection.
#[derive(Debug, Default)]
pub struct Row(row::Row);

impl Row {
    /// A message comes: what to write on the stream, or its answer at once.
    pub fn offer(
        &mut self,
        ticket: Ticket,
        submit: Submit,
    ) -> Result<Request, (Ticket, Result<Vec<Reply>, Refusal>)> {
        self.0.offer(ticket, submit)
    }

    /// The relay answers the message that was sent first.
    pub fn answered(&mut self, answer: Result<Reply, Refusal>) -> Option<RowNext> {
        Some(match self.0.answered(answer)? {
            row::Next::On(outcome) => RowNext::On(outcome),
            row::Next::Over(outcomes) => RowNext::Over(outcomes),
            row::Next::Again(requests) => RowNext::Again(requests),
        })
    }

    /// The conversation has heard the answer to a request.
    pub fn heard(&mut self, ticket: Ticket) {
        self.0.heard(ticket);
    }

    /// Whether messages wait for their answers.
    pub fn awaits(&self) -> bool {
        self.0.awaits()
    }

    /// A stream has ended in good order.
    pub fn end_stream(&mut self) {
        self.0.end_stream();
    }
}

/// What came on the push stream for one subscription.
#[derive(Debug)]
pub enum Live {
    /// A record.
    Record(Record),
    /// A Commit ended what the proof opens.
    Paused(Seq),
    /// The relay has dropped some.
    Lagged,
    /// The subscription has ended for good.
    Ended(Refusal),
}

/// What is asked of the relay.
#[derive(Debug, Clone)]
pub struct Follow(order::Follow);

impl Follow {
    /// The `number`th follow of a connection.
    pub fn new(number: u64, group: GroupId, epoch: Epoch, proof: Signature, after: Option<Seq>) -> Self {
        Self(order::Follow { number: order::FollowNumber(number), group, epoch, proof, after })
    }

    /// The group.
    pub fn group(&self) -> GroupId {
        self.0.group
    }

    /// The epoch whose proof is given.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// The proof.
    pub fn proof(&self) -> Signature {
        self.0.proof
    }

    /// Records after this one.
    pub fn after(&self) -> Option<Seq> {
        self.0.after
    }
}

/// What a driver does next for a follow.
#[derive(Debug)]
pub enum Next {
    /// Hand a record to the conversation.
    Record(GroupId, Record),
    /// Nothing more comes: the follow pauses.
    Paused,
    /// Ask for the backlog again.
    Again(Follow),
    /// Say that the subscription has ended.
    Ended(Follow, Refusal),
}

impl From<order::Step> for Next {
    fn from(step: order::Step) -> Self {
        match step {
            order::Step::Record(group, record) => Self::Record(group, record),
            order::Step::Paused(_) => Self::Paused,
            order::Step::Again(follow) => Self::Again(Follow(follow)),
            order::Step::Ended(follow, refusal) => Self::Ended(Follow(follow), refusal),
        }
    }
}

/// The driver's own order of backlog and live records, of one connection.
#[derive(Debug, Default)]
pub struct Subscriptions(order::Subscriptions);

impl Subscriptions {
    /// Begins a follow, in place of an earlier one of the same group, and gives its number on the wire.
    pub fn begin(&mut self, follow: &Follow) -> Subscription {
        self.0.begin(follow.0.clone())
    }

    /// Ends what is followed of a group.
    pub fn end(&mut self, group: GroupId) -> Option<Subscription> {
        self.0.end(group)
    }

    /// The relay pauses or ends a follow on its own stream. False: another follow has taken its place.
    pub fn finish(&mut self, number: Subscription, follow: &Follow) -> bool {
        self.0.finish(number, follow.0.number)
    }

    /// A record of the backlog: true if it goes to the conversation.
    pub fn backlog(&mut self, number: Subscription, follow: &Follow, seq: Seq) -> bool {
        self.0.backlog(number, follow.0.number, seq)
    }

    /// After the backlog: the next of what was kept.
    pub fn next_kept(&mut self, number: Subscription, follow: &Follow) -> Option<Next> {
        self.0.next_kept(number, follow.0.number).map(Next::from)
    }

    /// Something came on the push stream.
    pub fn pushed(&mut self, number: Subscription, live: Live) -> Option<Next> {
        let live = match live {
            Live::Record(record) => order::Live::Record(record),
            Live::Paused(at) => order::Live::Paused(at),
            Live::Lagged => order::Live::Lagged,
            Live::Ended(refusal) => order::Live::Ended(refusal),
        };
        self.0.pushed(number, live).map(Next::from)
    }
}
