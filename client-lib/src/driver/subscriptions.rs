//! Which record goes to the conversation next, of a group whose backlog comes on one stream and whose live records
//! come on another.
//!
//! A follow begins with its backlog; live records that come meanwhile are kept, within bounds, and handed over after
//! it. What a subscription has handed over already is not handed over again. Nothing here waits or does I/O.

use std::collections::{HashMap, VecDeque};

use kring_protocol::ids::{Epoch, GroupId, Seq, Signature, Subscription};
use kring_protocol::message::Record;
use kring_protocol::refusal::Refusal;

/// Most records that one subscription keeps while its backlog is read.
const MOST_KEPT: usize = 256;
/// Most bytes of messages that one connection keeps for all its subscriptions; what goes beyond is read again.
const MOST_KEPT_BYTES: usize = 8 << 20;

/// Names one [`Action::Follow`](crate::conversation::Action::Follow); a later one of the same group replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FollowNumber(pub(crate) u64);

/// One follow: what the relay is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    pub(crate) number: FollowNumber,
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    pub(crate) proof: Signature,
    pub(crate) after: Option<Seq>,
}

/// What comes on the push stream for one subscription.
#[derive(Debug)]
pub(crate) enum Live {
    /// A record.
    Record(Record),
    /// A Commit ended what the proof opens.
    Paused(Seq),
    /// The relay has dropped some.
    Lagged,
    /// The subscription has ended for good.
    Ended(Refusal),
}

/// What to do next for a follow.
#[derive(Debug)]
pub(crate) enum Step {
    /// Hand a record to the conversation.
    Record(GroupId, Record),
    /// Say that the follow pauses.
    Paused(Follow),
    /// Ask for the backlog again, from the last record handed over.
    Again(Follow),
    /// Say that the subscription has ended.
    Ended(Follow, Refusal),
}

#[derive(Debug)]
struct State {
    follow: Follow,
    /// Last record handed over.
    last: Option<Seq>,
    /// Live records kept while the backlog is read; `None`: live.
    kept: Option<VecDeque<Live>>,
}

/// All subscriptions of one connection.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    numbers: HashMap<GroupId, Subscription>,
    states: HashMap<Subscription, State>,
    next: u32,
    kept_bytes: usize,
}

impl Subscriptions {
    /// Begins a follow, in place of an earlier one of the same group, and gives its number on the wire.
    pub(crate) fn begin(&mut self, follow: Follow) -> Subscription {
        let next = &mut self.next;
        let number = *self.numbers.entry(follow.group).or_insert_with(|| {
            *next += 1;
            Subscription(*next)
        });
        self.forget_kept(number);
        self.states.insert(number, State { last: follow.after, follow, kept: Some(VecDeque::new()) });
        number
    }

    /// Ends what is followed of a group.
    pub(crate) fn end(&mut self, group: GroupId) -> Option<Subscription> {
        let number = self.numbers.remove(&group)?;
        self.forget_kept(number);
        self.states.remove(&number);
        Some(number)
    }

    /// The relay pauses or ends a follow on its own stream: nothing more comes of it. False: another follow has taken
    /// its place.
    pub(crate) fn finish(&mut self, number: Subscription, follow: FollowNumber) -> bool {
        let current = self.current(number, follow).is_some();
        if current {
            self.forget_kept(number);
            self.states.remove(&number);
        }
        current
    }

    /// A record of the backlog: true if it goes to the conversation, false if another follow has taken its place.
    pub(crate) fn backlog(&mut self, number: Subscription, follow: FollowNumber, seq: Seq) -> bool {
        match self.current(number, follow) {
            Some(state) => {
                state.last = state.last.max(Some(seq));
                true
            }
            None => false,
        }
    }

    /// After the backlog: the next of what was kept. `None`: nothing is left, and what comes from now on is live.
    pub(crate) fn next_kept(&mut self, number: Subscription, follow: FollowNumber) -> Option<Step> {
        loop {
            let state = self.current(number, follow)?;
            let Some(live) = state.kept.as_mut()?.pop_front() else {
                state.kept = None;
                return None;
            };
            if let Live::Record(record) = &live {
                self.kept_bytes -= record.message.len();
            }
            if let Some(step) = self.take(number, live) {
                return Some(step);
            }
        }
    }

    /// Something came on the push stream. `None`: kept for later, or of no concern any more.
    pub(crate) fn pushed(&mut self, number: Subscription, live: Live) -> Option<Step> {
        let Some(kept) = self.states.get_mut(&number)?.kept.as_mut() else {
            return self.take(number, live);
        };
        let size = if let Live::Record(record) = &live { record.message.len() } else { 0 };
        if kept.len() < MOST_KEPT && self.kept_bytes + size <= MOST_KEPT_BYTES {
            self.kept_bytes += size;
            kept.push_back(live);
        } else if !matches!(kept.back(), Some(Live::Lagged)) {
            kept.push_back(Live::Lagged);
        }
        None
    }

    /// Live, in its turn.
    fn take(&mut self, number: Subscription, live: Live) -> Option<Step> {
        let state = self.states.get_mut(&number)?;
        match live {
            Live::Record(record) => {
                if state.last.is_some_and(|last| record.seq <= last) {
                    return None;
                }
                state.last = Some(record.seq);
                Some(Step::Record(state.follow.group, record))
            }
            Live::Paused(at) => {
                // The pause of an earlier epoch may come after this follow has begun: it began at that very Commit.
                if state.follow.after.is_some_and(|after| at <= after) {
                    return None;
                }
                let follow = state.follow.clone();
                self.forget_kept(number);
                self.states.remove(&number);
                Some(Step::Paused(follow))
            }
            Live::Lagged => {
                let follow = Follow { after: state.last.or(state.follow.after), ..state.follow.clone() };
                self.forget_kept(number);
                self.states.remove(&number);
                Some(Step::Again(follow))
            }
            Live::Ended(reason) => {
                let follow = state.follow.clone();
                self.forget_kept(number);
                self.states.remove(&number);
                Some(Step::Ended(follow, reason))
            }
        }
    }

    /// The state of a follow, unless another has taken its place.
    fn current(&mut self, number: Subscription, follow: FollowNumber) -> Option<&mut State> {
        self.states.get_mut(&number).filter(|state| state.follow.number == follow)
    }

    fn forget_kept(&mut self, number: Subscription) {
        let Some(kept) = self.states.get_mut(&number).and_then(|state| state.kept.as_mut()) else { return };
        let bytes = kept.iter().map(|live| if let Live::Record(record) = live { record.message.len() } else { 0 });
        self.kept_bytes -= bytes.sum::<usize>();
        kept.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kring_protocol::ids::{OperationId, Timestamp};

    const GROUP: GroupId = GroupId([1; 16]);

    fn follow(number: u64, after: Option<u64>) -> Follow {
        let proof = Signature([0; 64]);
        Follow { number: FollowNumber(number), group: GROUP, epoch: Epoch(number), proof, after: after.map(Seq) }
    }

    fn record(seq: u64) -> Record {
        sized(seq, 1)
    }

    fn sized(seq: u64, size: usize) -> Record {
        Record {
            seq: Seq(seq),
            at: Timestamp(0),
            operation: OperationId([0; 16]),
            message: vec![0; size].into(),
            next_access_key: None,
            closes: None,
        }
    }

    /// The record that a step hands over.
    fn seq(step: Option<Step>) -> Option<u64> {
        match step {
            Some(Step::Record(_, record)) => Some(record.seq.0),
            _ => None,
        }
    }

    #[test]
    fn live_records_wait_for_the_backlog_and_come_once() {
        let mut subscriptions = Subscriptions::default();
        let number = subscriptions.begin(follow(1, Some(0)));
        assert!(subscriptions.pushed(number, Live::Record(record(2))).is_none());
        assert!(subscriptions.backlog(number, FollowNumber(1), Seq(1)));
        assert!(subscriptions.backlog(number, FollowNumber(1), Seq(2)));
        assert!(subscriptions.pushed(number, Live::Record(record(3))).is_none());
        assert_eq!(seq(subscriptions.next_kept(number, FollowNumber(1))), Some(3), "2 came with the backlog");
        assert!(subscriptions.next_kept(number, FollowNumber(1)).is_none());
        assert_eq!(seq(subscriptions.pushed(number, Live::Record(record(4)))), Some(4));
        assert_eq!(seq(subscriptions.pushed(number, Live::Record(record(4)))), None, "a repeated record is dropped");
        assert_eq!(subscriptions.kept_bytes, 0);
    }

    #[test]
    fn the_pause_of_an_earlier_epoch_does_not_pause_the_follow_that_went_on_from_it() {
        let mut subscriptions = Subscriptions::default();
        let number = subscriptions.begin(follow(1, Some(0)));
        assert!(subscriptions.next_kept(number, FollowNumber(1)).is_none());
        assert_eq!(seq(subscriptions.pushed(number, Live::Record(record(5)))), Some(5));
        assert_eq!(subscriptions.begin(follow(2, Some(5))), number, "the number on the wire stays");
        assert!(subscriptions.pushed(number, Live::Paused(Seq(5))).is_none());
        assert!(subscriptions.next_kept(number, FollowNumber(2)).is_none());
        assert_eq!(seq(subscriptions.pushed(number, Live::Record(record(6)))), Some(6));
        assert!(matches!(subscriptions.pushed(number, Live::Paused(Seq(6))), Some(Step::Paused(_))));
    }

    #[test]
    fn the_backlog_of_a_replaced_follow_is_dropped() {
        let mut subscriptions = Subscriptions::default();
        let number = subscriptions.begin(follow(1, Some(0)));
        subscriptions.begin(follow(2, Some(0)));
        assert!(!subscriptions.backlog(number, FollowNumber(1), Seq(1)));
        assert!(!subscriptions.finish(number, FollowNumber(1)));
        assert!(subscriptions.finish(number, FollowNumber(2)));
    }

    #[test]
    fn more_than_can_be_kept_is_read_again_from_the_last_record_handed_over() {
        let mut subscriptions = Subscriptions::default();
        let number = subscriptions.begin(follow(1, Some(0)));
        let last = MOST_KEPT as u64;
        for seq in 1..=last + 50 {
            assert!(subscriptions.pushed(number, Live::Record(record(seq))).is_none());
        }
        for expected in 1..=last {
            assert_eq!(seq(subscriptions.next_kept(number, FollowNumber(1))), Some(expected));
        }
        match subscriptions.next_kept(number, FollowNumber(1)) {
            Some(Step::Again(again)) => assert_eq!(again.after, Some(Seq(last))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bytes_kept_are_bounded_over_all_subscriptions() {
        let mut subscriptions = Subscriptions::default();
        let number = subscriptions.begin(follow(1, None));
        for seq in 1..=20 {
            assert!(subscriptions.pushed(number, Live::Record(sized(seq, 1 << 20))).is_none());
        }
        assert_eq!(subscriptions.kept_bytes, MOST_KEPT_BYTES);
        assert_eq!(subscriptions.end(GROUP), Some(number));
        assert_eq!(subscriptions.kept_bytes, 0);
    }

    #[test]
    fn a_lagging_subscription_is_read_again_and_an_ended_one_is_not() {
        let mut subscriptions = Subscriptions::default();
        let number = subscriptions.begin(follow(1, Some(7)));
        assert!(subscriptions.next_kept(number, FollowNumber(1)).is_none());
        assert_eq!(seq(subscriptions.pushed(number, Live::Record(record(8)))), Some(8));
        match subscriptions.pushed(number, Live::Lagged) {
            Some(Step::Again(again)) => assert_eq!(again.after, Some(Seq(8))),
            other => panic!("{other:?}"),
        }
        assert!(subscriptions.pushed(number, Live::Record(record(9))).is_none(), "nothing is followed now");
        let number = subscriptions.begin(follow(2, Some(8)));
        assert!(subscriptions.next_kept(number, FollowNumber(2)).is_none());
        let step = subscriptions.pushed(number, Live::Ended(Refusal::Forbidden));
        assert!(matches!(step, Some(Step::Ended(_, Refusal::Forbidden))));
    }
}
