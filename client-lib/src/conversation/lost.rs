//! When the relay does not open a group to the key that this device holds, or has less of it than this device has read.
//!
//! That ends the group where the relay cannot be expected to have it again: its database is another one (its disk was lost,
//! or a backup restored), or it never opened this epoch (committer or relay gave it a false key). The case then goes on in
//! a successor group, as after a refused Commit, for which [`lacking`] stands. In all other cases the relay is wrong or
//! lies: the user is told, and this device asks again with every connection.
//!
//! **Who had read more is not led back by who had read less.** A device follows a successor of an epoch that it has left
//! behind under no circumstances, since somebody may have been taken out since; one of an epoch that it has not come to
//! only where a coordinator or deputy started it. Who heard the log last comes first.

use kring_protocol::ids::{Epoch, GroupId, MessageHash, Timestamp};

use super::event::Event;
use super::state::{GroupRecord, Phase, RefusedCommit};
use super::step::Step;
use crate::item::sha256;
use crate::store::StoreError;

/// How long a relay surely keeps what opens an epoch, from the moment at which it did: shorter than the 180 days of Commits,
/// which a device may have read a while before it was accepted.
const KEPT: u64 = 150 * Timestamp::DAY;
/// How long another life of the relay's database explains a successor: as long as messages are kept at most. Whoever was
/// away for longer has missed messages anyway, and is added by hand.
const REPLACED: u64 = 30 * Timestamp::DAY;
/// Of the time since it last was up to date with the log a device waits this part longer than its rank asks, so that those
/// who have read the most go first: who was away for an hour more waits a minute more.
const BEHIND: u64 = 60;
/// How much longer everybody waits than after a refused Commit: until those who are online have connected to the relay
/// again and published fresh KeyPackages.
const RECONNECTING: u64 = 20 * Timestamp::SECOND;
/// How far back a device says again what it has said: days that a daily backup, tried again twice, can lack.
const SAID_AGAIN: u64 = 3 * Timestamp::DAY;
/// How long after somebody has come into the successor: whoever is online has come by then.
const SAID_AGAIN_AFTER: u64 = 30 * Timestamp::SECOND;
/// How long those who were in a group that the relay lacks are waited for; whoever comes later is added by hand.
pub(super) const AWAITED: u64 = 30 * Timestamp::DAY;
/// Epochs of a group that are remembered after they have ended: a year of weekly fresh keys in a case of many devices.
const REMEMBERED: u64 = 1_024;

/// What stands for the refused Commit in a successor of a group that the relay lacks.
pub(super) fn lacking() -> MessageHash {
    MessageHash(sha256(b"kring lacks 1"))
}

impl RefusedCommit {
    /// That the relay lacks the group as it stands.
    pub(super) fn lack(state: &GroupRecord, now: Timestamp) -> Self {
        Self { hash: lacking(), at: now, since: state.heard_at.min(now), offender: None }
    }

    /// Whether it stands for a group that the relay lacks.
    pub(super) fn is_lack(&self) -> bool {
        self.hash == lacking()
    }

    /// How much longer than its rank asks this device waits before it starts a successor.
    pub(super) fn waits(&self) -> u64 {
        if self.is_lack() { RECONNECTING + self.at.since(self.since) / BEHIND } else { 0 }
    }
}

impl GroupRecord {
    /// Whether the relay's database was replaced under this group, and when.
    pub(super) fn lately_replaced(&self, now: Timestamp) -> Option<Timestamp> {
        self.replaced.filter(|at| now.since(*at) < REPLACED)
    }

    /// Whether the relay cannot be expected to open the group again.
    fn is_lost(&self, epoch: Epoch, now: Timestamp) -> bool {
        let unread = self.at.is_none();
        let never_opened = self.reached != Some(epoch) && now.since(self.heard_at) < KEPT;
        self.rejoined.is_none() && (self.lately_replaced(now).is_some() || unread || never_opened)
    }
}

impl Step<'_> {
    /// The relay's database is another one than the groups were in.
    pub(super) fn relay_replaced(&mut self) -> Result<(), StoreError> {
        self.restart_inbox()?;
        // What it has of this device's may have been used since.
        self.renew_key_packages()?;
        for id in self.tx.rows().groups()? {
            let Some(mut state) = self.group_record(id)?.filter(|state| state.phase == Phase::Live) else { continue };
            state.replaced = Some(self.now);
            self.save(id, &state)?;
        }
        self.tell(Event::RelayReplaced);
        Ok(())
    }

    /// The relay does not have the group as this device knows it. After a readmission that may be the fault of whoever
    /// made it, and another Welcome the right one.
    pub(super) fn unreachable(&mut self, id: GroupId, mut state: GroupRecord) -> Result<(), StoreError> {
        state.unreachable = true;
        self.save(id, &state)?;
        self.tell(Event::Unreachable { case: state.case });
        if state.rejoined.is_some() {
            return self.replay_notes(state.case);
        }
        let mut group = self.take(id)?;
        if !state.is_lost(group.epoch(), self.now) {
            self.put(id, group);
            return Ok(());
        }
        let refused = RefusedCommit::lack(&state, self.now);
        self.close_group(id, state, &mut group, refused)
    }

    /// Whether this group is the successor of one that the relay lacked, lately.
    pub(super) fn follows_lost(&self, group: GroupId) -> Result<bool, StoreError> {
        self.group_record(group)?.map_or(Ok(false), |state| Ok(self.lost_before(&state)?.is_some()))
    }

    /// Whether this device went on from a group of which it was told that the relay lacks it. Who may add it again there
    /// shows by a later epoch that the relay has it after all.
    pub(super) fn went_on_from(&self, group: GroupId, state: &GroupRecord) -> Result<bool, StoreError> {
        let lacked = state.refused.as_ref().is_some_and(RefusedCommit::is_lack);
        let Some(present) = self.case(state.case)?.map(|record| record.group).filter(|_| lacked) else {
            return Ok(false);
        };
        let follows = self.group_record(present)?.and_then(|state| state.follows);
        Ok(follows.is_some_and(|(before, _)| before == group))
    }

    /// In a successor of a group that the relay lacked: somebody has come, who may lack what this device has said. It says
    /// it again once nobody has come for a while.
    pub(super) fn say_again_later(&mut self, id: GroupId) -> Result<(), StoreError> {
        let Some(mut state) = self.group_record(id)? else { return Ok(()) };
        if self.lost_before(&state)?.is_some() {
            let at = self.now.plus(SAID_AGAIN_AFTER);
            state.says_again_at = Some(at);
            self.session.says_again_at.insert(id, at);
            self.save(id, &state)?;
        }
        Ok(())
    }

    /// Says again what was said in a group that the relay lacked, shortly before and since; who has it drops the repetition.
    pub(super) fn say_again_now(&mut self, id: GroupId) -> Result<(), StoreError> {
        let Some(mut state) = self.group_record(id)?.filter(|state| state.phase == Phase::Live) else {
            return Ok(());
        };
        state.says_again_at = None;
        self.save(id, &state)?;
        let Some((before, at)) = self.lost_before(&state)? else { return Ok(()) };
        let since = Timestamp(at.0.saturating_sub(SAID_AGAIN));
        self.say_again(state.case, &[before, id], since)
    }

    /// The group that the relay lacked, of which this one is the successor, and since when.
    fn lost_before(&self, state: &GroupRecord) -> Result<Option<(GroupId, Timestamp)>, StoreError> {
        let Some((before, _)) = state.follows else { return Ok(None) };
        let refused = self.group_record(before)?.and_then(|state| state.refused);
        let lately = |refused: &RefusedCommit| refused.is_lack() && self.now.since(refused.at) < AWAITED;
        Ok(refused.filter(lately).map(|refused| (before, refused.at)))
    }

    /// Remembers an epoch that this device has come to.
    pub(super) fn remember_epoch(
        &mut self,
        id: GroupId,
        epoch: Epoch,
        authenticator: &[u8],
    ) -> Result<(), StoreError> {
        self.tx.write_epoch(id, epoch, authenticator)?;
        self.tx.delete_epochs(id, Epoch(epoch.0.saturating_sub(REMEMBERED)))
    }
}
