//! What the user is told. An event says that something is stored already; nothing is lost if nobody listens.

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, GroupId, Seq, Timestamp};
use kring_protocol::refusal::Refusal;

use crate::case::{CaseId, DutyRefused, DutyStep, ErasureReport, Item, ItemId, Member, Role, Thing};

/// Something that the user may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A case made here is now at the relay.
    CaseOpened {
        /// The case.
        case: CaseId,
    },
    /// Somebody added this device to a case.
    Joined {
        /// The case.
        case: CaseId,
    },
    /// An item stands in the log, an own one included.
    Item(Box<Item>),
    /// The state of the case has changed.
    State {
        /// The case.
        case: CaseId,
        /// What of it.
        changed: Vec<Thing>,
    },
    /// An alert is still on this device: nobody else knows of it. Told at once while offline, after some seconds
    /// otherwise, and again and again until the relay has it.
    AlertNotSent {
        /// The case.
        case: CaseId,
        /// What was said of the alert.
        item: ItemId,
        /// When.
        since: Timestamp,
    },
    /// Nobody whom an alert's ladder names has taken action: call.
    AlertExhausted {
        /// The case.
        case: CaseId,
        /// The alert.
        alert: ItemId,
        /// This professional raised it.
        own: bool,
    },
    /// A device has said how far it is with what was said.
    Receipt {
        /// The case.
        case: CaseId,
        /// Which device.
        device: DeviceAddress,
        /// The record that says so: its group and place in the log.
        record: (GroupId, Seq),
    },
    /// This device joined, and now has the state of the case from whoever added it.
    CaughtUpWithCase {
        /// The case.
        case: CaseId,
    },
    /// An own item is durable at the relay. Nobody need have read it.
    Relayed {
        /// The case.
        case: CaseId,
        /// The item.
        item: ItemId,
        /// Its record.
        seq: Seq,
    },
    /// Devices came or went.
    MembersChanged {
        /// The case.
        case: CaseId,
        /// Who changed it.
        by: DeviceAddress,
        /// Who came.
        added: Vec<Member>,
        /// Who went.
        removed: Vec<Member>,
    },
    /// A professional has another role.
    RoleChanged {
        /// The case.
        case: CaseId,
        /// Who changed it.
        by: DeviceAddress,
        /// Whose role.
        professional: ProfessionalAddress,
        /// Their new role.
        role: Role,
    },
    /// Who answers for the family, a handover, or the case's end has changed.
    Duties {
        /// The case.
        case: CaseId,
        /// Who changed it.
        by: DeviceAddress,
        /// What it was; `None`: somebody is gone, and their part with them.
        step: Option<DutyStep>,
    },
    /// A case is being erased: what was said in it is gone from this device.
    Erasing {
        /// The case.
        case: CaseId,
        /// Who ordered it.
        by: DeviceAddress,
    },
    /// A device says that it has destroyed what it had of a case.
    Attested {
        /// The case.
        case: CaseId,
        /// Which device.
        device: DeviceAddress,
    },
    /// The relay has taken the order to erase a case's log: who has attested and who has not.
    Erased {
        /// How far it is.
        report: ErasureReport,
    },
    /// Nothing of a case is left on this device.
    Gone {
        /// The case.
        case: CaseId,
    },
    /// A member has asked to leave.
    Leaving {
        /// The case.
        case: CaseId,
        /// Which device.
        device: DeviceAddress,
    },
    /// What waits in the outbox is not sent now. Said once for each reason and epoch.
    Held {
        /// The case.
        case: CaseId,
        /// Why.
        why: Held,
    },
    /// An organisation or a region has not published the revocation list that it promised, or the relay does not hand
    /// it out. Said once a connection for each case and organisation, and again once it is stale.
    RevocationListOverdue {
        /// A case with members of it.
        case: CaseId,
        /// The organisation or region, by name.
        organisation: String,
        /// When the list was due.
        since: Timestamp,
        /// It is overdue for so long that nobody is added, and nothing is said without the user's explicit word.
        stale: bool,
    },
    /// The relay has older revocation lists than this device: it was set back, or hides newer ones.
    OldRevocationLists,
    /// The case has no coordinator any more: theirs was revoked, and no deputy was there. Whoever takes part can claim it.
    WithoutCoordinator {
        /// The case.
        case: CaseId,
    },
    /// A deputy says that the coordinator is gone, or nobody says so any more. Confirmed by another member, the deputy has
    /// the role ([`Event::RoleChanged`]).
    CoordinatorClaimed {
        /// The case.
        case: CaseId,
        /// Who changed it.
        by: DeviceAddress,
        /// Who claims the case now.
        claimant: Option<ProfessionalAddress>,
    },
    /// Members were taken out because they are revoked, or their certificates have ended. **What they had received cannot be
    /// called back.** Told beside [`Event::MembersChanged`].
    TakenOut {
        /// The case.
        case: CaseId,
        /// Who did it.
        by: DeviceAddress,
        /// Whose devices.
        devices: Vec<DeviceAddress>,
        /// Those of them of whom another device stays in the case.
        staying: Vec<ProfessionalAddress>,
    },
    /// A member's device shows a new certificate of the same address.
    CertificateRenewed {
        /// The case.
        case: CaseId,
        /// Which device.
        device: DeviceAddress,
    },
    /// A device could not be added; the others were.
    NotAdded {
        /// The case.
        case: CaseId,
        /// Whose device.
        professional: ProfessionalAddress,
        /// Which one; `None`: all of them.
        device: Option<DeviceId>,
        /// Why.
        reason: NotAdded,
    },
    /// Something that the user wanted cannot be done any more; it is dropped.
    Dropped {
        /// The case.
        case: CaseId,
        /// The item, if it was one.
        item: Option<ItemId>,
        /// Why.
        reason: Dropped,
    },
    /// This device is no longer in the case: it left, or was removed.
    Left {
        /// The case.
        case: CaseId,
        /// Who carried it out.
        by: DeviceAddress,
    },
    /// Records expired before this device read them.
    Gap {
        /// The case.
        case: CaseId,
        /// How many.
        records: u64,
    },
    /// This device missed a change of the members and must be added again.
    OutOfStep {
        /// The case.
        case: CaseId,
    },
    /// The relay no longer opens the case to this device, although this device holds its present key: the relay has
    /// lost it, went back to an earlier state, or was given a false key.
    Unreachable {
        /// The case.
        case: CaseId,
    },
    /// A member's Commit was refused; the case goes on in a successor group without them.
    CommitRefused {
        /// The case.
        case: CaseId,
        /// Whose, if it can be told.
        by: Option<DeviceAddress>,
        /// Why.
        reason: CommitRefused,
    },
    /// The case has gone on in a successor group.
    Continued {
        /// The case.
        case: CaseId,
        /// Who started it.
        by: DeviceAddress,
    },
    /// Something in the log is not as it should be.
    Suspicion {
        /// The case.
        case: CaseId,
        /// Whose message showed it, if it can be told.
        by: Option<DeviceAddress>,
        /// What.
        what: Suspicion,
    },
    /// This device's clock and the relay's are far apart; time-bound checks may fail.
    ClockOff {
        /// Seconds by which this device is ahead (negative: behind).
        ahead_seconds: i64,
    },
    /// The relay's database is not the one that this device knew: a backup was restored, or its disk was lost.
    RelayReplaced,
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Held {
    /// A member is revoked, and this device cannot take them out by itself.
    #[error("a member of the case is revoked; nothing is sent until the coordinator or a deputy has taken them out")]
    Revoked,
    /// A member's certificate has ended.
    #[error(
        "a member's certificate has ended; messages wait until the coordinator or a deputy has taken them out, or the \
         organisation's next revocation list shows it"
    )]
    Ended,
    /// An organisation's revocation list is overdue for too long.
    #[error(
        "a revocation list is overdue, so somebody in the case may have been revoked without this device knowing; \
         messages wait for the list, or for your explicit word"
    )]
    StaleList,
}

/// Why a device was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotAdded {
    /// Nobody of this address is known to the relay: they were revoked, or have never been there.
    #[error("nobody at this address can be added: they have left, or have not started a device yet")]
    Unknown,
    /// It has no KeyPackage left.
    #[error("the device has nothing prepared to be added with; ask them to start it once")]
    NoKeyPackage,
    /// Its inbox is full.
    #[error("the device's inbox is full; ask them to start it once")]
    InboxFull,
    /// Its certificate is revoked.
    #[error("the device's certificate has been revoked")]
    Revoked,
    /// Its certificate is not valid now.
    #[error("the device's certificate is not valid")]
    Certificate,
    /// Its KeyPackage is not usable, or belongs to somebody else.
    #[error("the relay handed out something that is not this device's")]
    KeyPackage,
    /// What it shows of itself is not believed.
    #[error("the relay handed out something that is not this device's: {0}")]
    Impostor(Unbelieved),
    /// It is a member already.
    #[error("the device is a member already")]
    Already,
    /// It is not the device whose number the user has compared.
    #[error("this device shows another number than the one that you compared; somebody may have taken its place")]
    OtherNumber,
    /// A revocation list is overdue for too long: whoever is added, or is in the case, may be revoked.
    #[error("a revocation list is overdue for more than three days; nobody is added until the relay has a newer one")]
    StaleList,
}

/// Why something that the user wanted was dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// This device's role no longer allows it.
    #[error("your role in this case does not allow it any more")]
    Role,
    /// This device is no longer in the case.
    #[error("you are no longer in this case")]
    Left,
    /// What it was about is gone, or it is so already.
    #[error("there is nothing left to do")]
    NothingToDo,
    /// The coordinator's other devices go already: one of them stays until somebody else coordinates.
    #[error("the coordinator hands the case to somebody else before the last device leaves")]
    LastOfCoordinator,
    /// It is a step that is not possible, or not possible any more.
    #[error(transparent)]
    Duty(DutyRefused),
    /// The case is closed: nothing is said in it any more.
    #[error("the case is closed and read only")]
    Closed,
    /// The relay will not take it.
    #[error("the relay does not take it: {0}")]
    Relay(Refusal),
}

/// Why a Commit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CommitRefused {
    /// It cannot be processed.
    #[error("a change to the case's members cannot be read")]
    Unreadable,
    /// Its committer's role forbids it.
    #[error("somebody changed the case without the right to do so")]
    Role,
    /// A device that it adds or updates cannot show who it is, or is another one than before.
    #[error("somebody added a device that cannot show who it is: {0}")]
    Leaf(Unbelieved),
    /// It is not the case's last Commit but marked so at the relay, or the other way round.
    #[error("somebody, or the relay, tried to have the case erased without the members' agreement")]
    Closes,
    /// The access key beside it is not that of the epoch that it opens.
    #[error("somebody gave the relay a false key for this case")]
    AccessKey,
}

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Suspicion {
    /// The sender has seen another log than this device: the relay shows different members different things.
    #[error("the relay has shown this member other messages than this device")]
    Fork,
    /// An item's signature is not its sender's.
    #[error("an item's signature is not that of the device that sent it")]
    Signature,
    /// A message cannot be decrypted or read.
    #[error("a message in the case cannot be read")]
    Unreadable,
    /// An item with an identifier that its sender has used for something else.
    #[error("a member sent two different items under one identifier")]
    ItemReused,
    /// Somebody invites this device into a case or group that it has already, without the right to.
    #[error("somebody tried to bring this device into another group under the name of this case")]
    Invitation,
    /// The log holds what this device has sent and does not know of: its store is older than that.
    #[error("this device was set back to an older state; what it has said since is missing here")]
    SetBack,
    /// A record came out of order.
    #[error("the relay delivered messages out of order")]
    Order,
    /// This device was invited into a case with somebody in it who cannot show who they are: it stays out.
    #[error("somebody invited this device into a case with a device in it that cannot show who it is: {0}")]
    Company(Unbelieved),
}

/// Why a device's leaf is not believed, whatever the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unbelieved {
    /// Its key is not the certificate's: a stolen chain.
    #[error("its certificate names another key than the one that it has")]
    OtherKey,
    /// Its certificate is by another organisation than the one that its address belongs to.
    #[error("its certificate is not by the organisation that its address belongs to")]
    OtherOrganisation,
    /// It claims a function that its organisation cannot give.
    #[error("it claims a function that its organisation was not given")]
    Function,
    /// Its certificate was made for something else.
    #[error("its certificate was made for something else than a device")]
    Usage,
    /// The authority over it was not valid when its certificate began.
    #[error("the authority that signed its certificate was not valid then")]
    Authority,
    /// No pinned root vouches for it.
    #[error("no region that this device trusts vouches for it")]
    Root,
    /// It is in the case already, or another device than the one in whose place it comes.
    #[error("it is in the case already, or takes another device's place")]
    Place,
    /// Whatever else is wrong with its certificate.
    #[error("its certificate does not hold")]
    Certificate,
}
