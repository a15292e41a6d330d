//! What a conversation knows only for the length of a connection, and its timers. Nothing here is needed after a crash.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{Epoch, GroupId, OperationId, Seq, Timestamp};

use super::event::Held;
use super::io::Ticket;
use super::revocation::{Age, Reading};
use crate::case::CaseId;

/// The state of one connection.
#[derive(Clone, Default)]
pub(super) struct Session {
    pub(super) connected: bool,
    /// A step failed: what comes on this connection no longer joins what is stored.
    pub(super) stale: bool,
    next_ticket: u64,
    /// What was asked.
    pub(super) asked: HashMap<Ticket, Asked>,
    /// Groups whose backlog has been read, and in which epoch.
    pub(super) live: HashMap<GroupId, Epoch>,
    /// Intents that are being claimed for, or sent, on this connection.
    pub(super) busy: HashSet<i64>,
    /// Intents that wait after a refusal.
    pub(super) retry_at: BTreeMap<i64, Timestamp>,
    /// Intents for which KeyPackages have been asked for, and whose.
    pub(super) claiming: BTreeMap<i64, ProfessionalAddress>,
    /// Professionals of whom the relay gives no more KeyPackages before then.
    pub(super) claim_after: BTreeMap<ProfessionalAddress, Timestamp>,
    /// Cases in which an addition waits until others of the same professional are made.
    pub(super) additions: BTreeSet<(ProfessionalAddress, CaseId)>,
    /// When to look whether claims have expired meanwhile.
    pub(super) additions_at: Option<Timestamp>,
    /// When to take out those who wish to leave, or must go.
    pub(super) sweep_at: BTreeMap<CaseId, Timestamp>,
    /// Cases in which that time has come.
    pub(super) sweep_due: BTreeSet<CaseId>,
    /// The relay's revocation lists.
    pub(super) lists: Reading,
    /// Lists of which the user was told that they are overdue.
    pub(super) aged: BTreeSet<(CaseId, String, Age)>,
    /// When the next one is.
    pub(super) aged_at: Option<Timestamp>,
    /// What was said of messages that wait, and in which epoch.
    pub(super) held: BTreeMap<(CaseId, Held), Epoch>,
    /// Epochs of groups in which those who must go cannot.
    pub(super) stuck: HashMap<GroupId, Epoch>,
    /// When to start a successor.
    pub(super) successor_at: BTreeMap<CaseId, Timestamp>,
    /// When to look at the Welcomes that wait for a case.
    pub(super) notes_at: BTreeMap<CaseId, Timestamp>,
    /// When to tell the relay where the cursors are.
    pub(super) cursors_at: Option<Timestamp>,
    /// Groups whose cursors have moved.
    pub(super) moved: BTreeSet<GroupId>,
    /// When to say that deadlines of a case have passed.
    pub(super) deadlines_at: BTreeMap<CaseId, Timestamp>,
    /// Cases whose deadlines may be others than before.
    pub(super) unplanned: BTreeSet<CaseId>,
    /// When to tell joiners of a case whom nobody has told.
    pub(super) telling_at: BTreeMap<CaseId, Timestamp>,
    /// This device's clock does not agree with the relay's.
    pub(super) clock_off: bool,
    /// When to say how far this device is in a case.
    pub(super) receipts_at: BTreeMap<CaseId, Timestamp>,
    /// When to forget the next item.
    pub(super) expiry_at: Option<Timestamp>,
    /// When to tell of alerts that have not left this device.
    pub(super) unsent_at: Option<Timestamp>,
    /// When to say again what somebody who has come to a group may lack.
    pub(super) says_again_at: BTreeMap<GroupId, Timestamp>,
    /// Cases that are being erased and may have something to do.
    pub(super) erasing: BTreeSet<CaseId>,
    /// Cases that may have something to do.
    pub(super) dirty: BTreeSet<CaseId>,
    /// When to look at the keys' age.
    pub(super) keys_at: Option<Timestamp>,
    /// When to publish KeyPackages again after a refusal.
    pub(super) publish_at: Option<Timestamp>,
    /// Single-use KeyPackages at the relay, and whether a last-resort one is.
    pub(super) key_packages: (u64, bool),
    /// The latest time that this device has seen.
    seen: Timestamp,
    /// KeyPackages are on their way, or this connection takes none.
    pub(super) publishing: bool,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A submission of an intent: which one, since an intent may be submitted anew before the answer comes.
    Submission(i64, OperationId),
    /// KeyPackages for an intent.
    Claim(i64),
    /// KeyPackages to publish.
    Publish,
    /// The relay's revocation lists.
    Lists,
    /// To move these groups' cursors to these records.
    Cursors(Vec<(GroupId, Seq)>),
    /// To register a group's cursor at a record.
    Cursor(GroupId, Seq),
    /// To erase the log of a case.
    Erase(CaseId),
    /// Something that needs no answer.
    Nothing,
}

impl Session {
    pub(super) fn ticket(&mut self, asked: Asked) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.asked.insert(ticket, asked);
        ticket
    }

    /// Nobody has to be taken out of a case any more, or somebody is about to be.
    pub(super) fn forget_sweep(&mut self, case: CaseId) {
        self.sweep_at.remove(&case);
        self.sweep_due.remove(&case);
    }

    /// Nothing of a case is due any more.
    pub(super) fn forget_case(&mut self, case: CaseId) {
        self.forget_sweep(case);
        self.successor_at.remove(&case);
        self.notes_at.remove(&case);
        self.deadlines_at.remove(&case);
        self.receipts_at.remove(&case);
        self.telling_at.remove(&case);
        self.unplanned.remove(&case);
        self.additions.retain(|(_, waiting)| *waiting != case);
    }

    /// The connection is gone.
    pub(super) fn disconnect(&mut self) {
        self.connected = false;
        self.asked.clear();
        self.live.clear();
        self.busy.clear();
        self.retry_at.clear();
        self.claiming.clear();
        self.claim_after.clear();
        self.additions.clear();
        self.additions_at = None;
        self.publishing = false;
        self.publish_at = None;
        self.lists = Reading::default();
        self.aged.clear();
        self.aged_at = None;
        self.deadlines_at.clear();
        self.says_again_at.clear();
        self.telling_at.clear();
    }

    /// Looks at the clock. If it was put back, everything that waits is due as much earlier.
    pub(super) fn look_at_clock(&mut self, now: Timestamp) {
        let back = self.seen.since(now);
        self.seen = now;
        if back == 0 {
            return;
        }
        let timers = self.retry_at.values_mut();
        let timers = timers.chain(self.sweep_at.values_mut()).chain(self.successor_at.values_mut());
        let timers = timers.chain(self.notes_at.values_mut()).chain(&mut self.cursors_at);
        let timers = timers.chain(&mut self.lists.at).chain(&mut self.aged_at);
        // Those of deadlines are moments of the calendar, and are looked at again.
        let timers = timers.chain(self.deadlines_at.values_mut()).chain(&mut self.unsent_at);
        let timers = timers.chain(self.receipts_at.values_mut()).chain(self.says_again_at.values_mut());
        let timers = timers.chain(self.telling_at.values_mut()).chain(self.claim_after.values_mut());
        let timers = timers.chain(&mut self.additions_at);
        for timer in timers.chain(&mut self.keys_at).chain(&mut self.publish_at) {
            *timer = Timestamp(timer.0.saturating_sub(back));
        }
    }

    /// The next moment at which something is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let online = self.connected.then(|| {
            let retries = self.retry_at.values();
            retries
                .chain(self.sweep_at.values())
                .chain(self.deadlines_at.values())
                .chain(self.receipts_at.values())
                .chain(self.says_again_at.values())
                .chain(self.telling_at.values())
                .copied()
                .chain(self.cursors_at)
                .chain(self.keys_at)
                .chain(self.publish_at)
                .chain(self.lists.at)
                .chain(self.aged_at)
                .chain(self.additions_at)
        });
        let always = self
            .successor_at
            .values()
            .chain(self.notes_at.values())
            .copied()
            .chain(self.unsent_at)
            .chain(self.expiry_at);
        online.into_iter().flatten().chain(always).min()
    }
}
