//! What a simulation of the whole system needs besides the [`conversation`](crate::conversation): identifiers of a seed,
//! and the order in which a driver hands records over. In no program that is installed: a cargo feature that only the
//! whole-system tests turn on.

use std::cell::RefCell;

use kring_protocol::ids::{Epoch, GroupId, Seq, Signature, Subscription};
use kring_protocol::message::Record;
use kring_protocol::refusal::Refusal;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

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
