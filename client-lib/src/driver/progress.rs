//! Whether a device has all that the relay had for it, and the relay all that others need of it: every followed group's
//! backlog, the inbox and the revocation lists are read and handled by the conversation, and the device's KeyPackages are
//! published.

use std::collections::{HashMap, HashSet};

use kring_protocol::ids::GroupId;

use super::subscriptions::FollowNumber;
use crate::conversation::Ticket;

/// What of the backlogs of one connection is still to come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    backlogs: HashMap<GroupId, FollowNumber>,
    inbox_reads: usize,
    answers: HashSet<Ticket>,
}

impl Progress {
    /// A backlog will be read, in place of an earlier one of the same group.
    pub(super) fn follow(&mut self, group: GroupId, number: FollowNumber) {
        self.backlogs.insert(group, number);
    }

    /// A group is not followed any more.
    pub(super) fn unfollow(&mut self, group: GroupId) {
        self.backlogs.remove(&group);
    }

    /// A backlog has been handled, or will not come. One that was replaced meanwhile does not count.
    pub(super) fn settle(&mut self, group: GroupId, number: FollowNumber) {
        if self.backlogs.get(&group) == Some(&number) {
            self.backlogs.remove(&group);
        }
    }

    /// The inbox will be read.
    pub(super) fn inbox(&mut self) {
        self.inbox_reads += 1;
    }

    /// One reading of the inbox has been handled.
    pub(super) fn inbox_read(&mut self) {
        self.inbox_reads = self.inbox_reads.saturating_sub(1);
    }

    /// KeyPackages are on their way to the relay, or its revocation lists to this device.
    pub(super) fn wait_for(&mut self, ticket: Ticket) {
        self.answers.insert(ticket);
    }

    /// A request has been answered.
    pub(super) fn answered(&mut self, ticket: Ticket) {
        self.answers.remove(&ticket);
    }

    /// Nothing is to come.
    pub(super) fn is_caught_up(&self) -> bool {
        self.backlogs.is_empty() && self.inbox_reads == 0 && self.answers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_only_if_nothing_goes_on_from_it() {
        let group = GroupId([1; 16]);
        let mut progress = Progress::default();
        progress.follow(group, FollowNumber(1));
        progress.follow(group, FollowNumber(2));
        progress.settle(group, FollowNumber(1));
        assert!(!progress.is_caught_up());
        progress.settle(group, FollowNumber(2));
        assert!(progress.is_caught_up());
    }

    #[test]
    fn key_packages_on_their_way_belong_to_it() {
        let mut progress = Progress::default();
        progress.wait_for(Ticket(1));
        progress.answered(Ticket(2));
        assert!(!progress.is_caught_up());
        progress.answered(Ticket(1));
        assert!(progress.is_caught_up());
    }

    #[test]
    fn the_inbox_belongs_to_it() {
        let mut progress = Progress::default();
        progress.inbox();
        assert!(!progress.is_caught_up());
        progress.inbox_read();
        assert!(progress.is_caught_up());
    }
}
