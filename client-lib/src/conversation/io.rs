//! What goes into the conversation core and what comes out of it.
//!
//! The driver feeds [`Input`]s in their order with the time at which they happened and carries out the [`Action`]s that
//! come back, in order. Every input is handled in one transaction of the store, alone or with others that wait: when
//! [`handle`](super::Conversation::handle) or [`handle_all`](super::Conversation::handle_all) returns, everything that its actions rest on is on the disk. An action that is lost (a crash, a broken connection) is
//! asked for again after the next [`Input::Connected`].

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{CrlDigest, DeviceId, Epoch, GroupId, InboxSeq, Incarnation, Seq, Timestamp};
use kring_protocol::message::{Gap, Note, Record, Reply, Request};
use kring_protocol::refusal::Refusal;

use super::event::Event;
use crate::case::{CaseId, DutyStep, ItemDraft, ItemId, Position, Role};
use crate::identity::SafetyNumber;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// The user wants something.
    Command(Command),
    /// A connection to the relay stands, its hello has been answered.
    Connected(Connected),
    /// The connection has ended; nothing of it will be answered any more.
    Disconnected,
    /// The answer to an [`Action::Request`].
    Answered {
        /// The action's ticket.
        ticket: Ticket,
        /// All frames of the answer, the last one last; or the relay's refusal.
        answer: Result<Vec<Reply>, Refusal>,
    },
    /// A record of a followed group.
    Record {
        /// The group.
        group: GroupId,
        /// The record.
        record: Record,
    },
    /// Records of a followed group that expired before they were read.
    Gap {
        /// The group.
        group: GroupId,
        /// Which, and whether Commits are among them.
        gap: Gap,
    },
    /// The backlog of a followed group has been read; what follows is live.
    CaughtUp {
        /// The group.
        group: GroupId,
        /// The epoch whose proof was given.
        epoch: Epoch,
        /// Last record of the backlog.
        after: Seq,
    },
    /// The relay ended a subscription, or refused to begin it.
    Unfollowed {
        /// The group.
        group: GroupId,
        /// The epoch whose proof was given.
        epoch: Epoch,
        /// Why.
        reason: Refusal,
    },
    /// A note of the inbox.
    Note(Note),
    /// The relay says that notes wait in the inbox.
    InboxWaiting,
    /// The relay says that few KeyPackages are left.
    KeyPackagesLow {
        /// How many single-use KeyPackages it still has.
        left: u64,
    },
    /// The relay says that there is a newer revocation list.
    CrlsChanged,
    /// Time has passed; due at the latest when [`Action::WakeAt`] said.
    Tick,
}

impl Input {
    /// Whether it came on a connection that stands, and means nothing beyond it.
    pub(super) fn is_of_connection(&self) -> bool {
        !matches!(self, Self::Command(_) | Self::Connected(_) | Self::Disconnected | Self::Tick)
    }
}

/// What a connection begins with.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Which life of the relay's database answers.
    pub incarnation: Incarnation,
    /// The relay's clock.
    pub relay_now: Timestamp,
    /// KeyPackages of this device at the relay.
    pub key_packages: u64,
    /// A last-resort KeyPackage of this device is at the relay.
    pub last_resort: bool,
    /// Notes waiting in the inbox.
    pub inbox: u64,
    /// Which revocation lists the relay has; `None`: it keeps none.
    pub crls: Option<CrlDigest>,
}

/// What a user can want. All of it is stored at once and done when the relay can be reached.
#[derive(Debug, Clone)]
pub enum Command {
    /// Open a case, with this user as its coordinator.
    NewCase {
        /// Its new identifier, chosen at random by the caller.
        case: CaseId,
        /// What the members call it; encrypted, the relay never sees it.
        title: String,
    },
    /// Say something in a case.
    Send {
        /// The case.
        case: CaseId,
        /// Its new identifier, chosen at random by the caller.
        item: ItemId,
        /// What is said.
        draft: ItemDraft,
    },
    /// Note that the user has read a case up to an item.
    MarkRead {
        /// The case.
        case: CaseId,
        /// The last item read.
        position: Position,
    },
    /// Acknowledge an item that somebody said.
    Acknowledge {
        /// The case.
        case: CaseId,
        /// The item.
        item: ItemId,
    },
    /// Add all devices of a professional, or only one of them.
    Add {
        /// The case.
        case: CaseId,
        /// Who.
        professional: ProfessionalAddress,
        /// Only this device.
        device: Option<DeviceId>,
        /// Their role.
        role: Role,
    },
    /// Remove all devices of a professional, or only one of them.
    Remove {
        /// The case.
        case: CaseId,
        /// Who.
        professional: ProfessionalAddress,
        /// Only this device.
        device: Option<DeviceId>,
    },
    /// Change a professional's role.
    SetRole {
        /// The case.
        case: CaseId,
        /// Who.
        professional: ProfessionalAddress,
        /// Their new role.
        role: Role,
    },
    /// Take a step of the case's duties: a handover, closing, holding. What is said before and after it is stored with
    /// it, all or nothing, and said in this order.
    Duty {
        /// The case.
        case: CaseId,
        /// Items that the step rests on.
        before: Vec<(ItemId, ItemDraft)>,
        /// The step.
        step: DutyStep,
        /// Items that follow from it.
        after: Vec<(ItemId, ItemDraft)>,
    },
    /// Have the relay erase a case although attestations are missing.
    FinishErasing {
        /// The case.
        case: CaseId,
    },
    /// Say something although a revocation list is overdue for so long that somebody in the case may have been revoked
    /// without this device knowing, or although a member's certificate has ended. The user's explicit word.
    SendAnyway {
        /// The case.
        case: CaseId,
        /// Its new identifier, chosen at random by the caller.
        item: ItemId,
        /// What is said.
        draft: ItemDraft,
    },
    /// Add another device of this device's own professional to all cases that this device is in. The user has compared
    /// its number.
    AddOwnDevice {
        /// Which.
        device: DeviceId,
        /// The number that it shows itself.
        number: SafetyNumber,
    },
    /// Take another device of this device's own professional out of all cases that this device is in.
    DropOwnDevice {
        /// Which.
        device: DeviceId,
    },
    /// Take the coordinator's role in a case that has no coordinator, or say that the coordinator is gone, which another
    /// member has to confirm.
    Claim {
        /// The case.
        case: CaseId,
    },
    /// Confirm that the coordinator is gone: whoever has claimed the case gets the role.
    ConfirmClaim {
        /// The case.
        case: CaseId,
    },
    /// Take a claim of one's own back.
    WithdrawClaim {
        /// The case.
        case: CaseId,
    },
    /// Leave a case: sends a Remove proposal, which another member commits.
    Leave {
        /// The case.
        case: CaseId,
    },
    /// Give this device fresh keys in a case.
    UpdateKeys {
        /// The case.
        case: CaseId,
    },
    /// Record in the audit log what only the application knows: that something was looked at or exported.
    Record(Box<crate::audit::Note>),
}

/// Pairs an [`Action::Request`] with its [`Input::Answered`]; has a meaning during one connection only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something to be done by the driver.
#[derive(Debug)]
pub enum Action {
    /// Send a request and hand its answer back. Where the request has an `Access`, its proof is left out: the driver
    /// adds it if the connection has not given it yet ([`prove`](super::Conversation::prove)).
    Request {
        /// To be handed back with the answer.
        ticket: Ticket,
        /// The request.
        request: Request,
    },
    /// Follow a group, or go on following it in a new epoch; replaces what was followed of this group before.
    Follow {
        /// The group.
        group: GroupId,
        /// The epoch whose proof to give.
        epoch: Epoch,
        /// Records after this one; `None`: from the Commit that opened `epoch`.
        after: Option<Seq>,
    },
    /// Stop following a group.
    Unfollow {
        /// The group.
        group: GroupId,
    },
    /// Read the inbox after this note; each note comes back as [`Input::Note`].
    ReadInbox {
        /// The last note that is stored.
        after: InboxSeq,
    },
    /// Tell the user.
    Tell(Event),
    /// Feed a [`Input::Tick`] at this time; replaces an earlier wish.
    WakeAt(Timestamp),
}
