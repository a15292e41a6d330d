//! Every request, reply and push, with its number.
//!
//! A request is one frame on a stream of its own; the relay answers with one [`Reply`] frame, or with several where
//! the request says so, and finishes the stream. Numbers are never used again for something else; a number that is
//! not known is answered with [`Refusal::UnknownRequest`].

use crate::address::ProfessionalAddress;
use crate::ids::{
    AccessKey, ClaimId, CrlDigest, CursorId, DeviceId, Epoch, GroupId, InboxSeq, Incarnation, MessageHash,
    OperationId, Seq, Signature, Subscription, Timestamp,
};
use crate::payload::Payload;
use crate::refusal::{Refusal, RefusedRecipient};
use crate::wire::{choice, structure};

mod directory;
mod enrolment;
mod revocation;

pub use self::directory::{Found, FoundDevice, SearchDirectory, SearchText};
pub use self::enrolment::{
    AnswerRenewal, AnswerTicket, AskRenewal, CloseTicket, EnrolmentAnswer, FetchAnswer, FetchRenewal, MailboxEnd,
    OpenTicket, PutRequest, ReadRenewals, ReadTickets, Renewal, TicketRequest,
};
pub use self::revocation::{Crl, CrlsChanged, CrlsEnd, KnownCrl, PublishCrl, ReadCrls};
pub use crate::wire::Empty;

choice! {
    /// What a client asks of the relay.
    pub enum Request {
        /// First request of a connection, once. Answered by [`Welcome`].
        0 => Hello(Hello),
        /// Opens a new group's log. Answered by [`Receipt`].
        1 => CreateGroup(CreateGroup),
        /// Appends an application message or a proposal. Answered by [`Receipt`].
        2 => Submit(Submit),
        /// Appends a Commit with all that belongs to it. Answered by [`Receipt`].
        3 => SubmitCommit(SubmitCommit),
        /// Asks whether an operation was accepted. Answered by [`Receipt`].
        4 => FindReceipt(FindReceipt),
        /// Reads records once. Answered by any number of [`Record`] and [`Gap`], then [`ReadEnd`].
        5 => Read(Read),
        /// Subscribes. Answered by any number of [`Record`] and [`Gap`], then [`Live`] or [`Paused`].
        6 => Follow(Follow),
        /// Ends a subscription. Answered by [`Reply::Done`].
        7 => Unfollow(Unfollow),
        /// Registers a cursor. Answered by [`Reply::Done`].
        8 => RegisterCursor(RegisterCursor),
        /// Moves cursors forward, or removes them. Answered by [`Reply::Done`].
        9 => MoveCursors(MoveCursors),
        /// Publishes KeyPackages of this connection's device. Answered by [`KeyPackageCount`].
        10 => PublishKeyPackages(PublishKeyPackages),
        /// Claims one KeyPackage of each device of a professional. Answered by [`Claimed`].
        11 => ClaimKeyPackages(ClaimKeyPackages),
        /// Sends a sealed note to a device's inbox. Answered by [`Reply::Done`].
        12 => SendNote(SendNote),
        /// Reads the inbox of this connection's device. Answered by any number of [`Note`], then [`InboxEnd`].
        13 => ReadInbox(ReadInbox),
        /// Confirms that notes are stored by the device. Answered by [`Reply::Done`].
        14 => AcknowledgeInbox(AcknowledgeInbox),
        /// Erases the log of a closed group. Answered by [`Reply::Done`].
        15 => EraseGroup(EraseGroup),
        /// Hands in a list of revoked certificates. Answered by [`Reply::Done`].
        16 => PublishCrl(PublishCrl),
        /// Reads lists of revoked certificates. Answered by any number of [`Crl`], then [`CrlsEnd`].
        17 => ReadCrls(ReadCrls),
        /// Opens a ticket. Answered by [`Reply::Done`].
        18 => OpenTicket(OpenTicket),
        /// Reads requests of new devices. Answered by any number of [`TicketRequest`], then [`MailboxEnd`].
        19 => ReadTickets(ReadTickets),
        /// Answers a new device. Answered by [`Reply::Done`].
        20 => AnswerTicket(AnswerTicket),
        /// Closes a ticket. Answered by [`Reply::Done`].
        21 => CloseTicket(CloseTicket),
        /// A new device's request. Answered by [`Reply::Done`].
        22 => PutRequest(PutRequest),
        /// Asks for the answer to a new device's request. Answered by [`EnrolmentAnswer`].
        23 => FetchAnswer(FetchAnswer),
        /// Asks for a new certificate. Answered by [`Reply::Done`].
        24 => AskRenewal(AskRenewal),
        /// Reads requests for renewal. Answered by any number of [`Renewal`], then [`MailboxEnd`].
        25 => ReadRenewals(ReadRenewals),
        /// Answers a request for renewal. Answered by [`Reply::Done`].
        26 => AnswerRenewal(AnswerRenewal),
        /// Asks for the answer to a request for renewal. Answered by [`EnrolmentAnswer`].
        27 => FetchRenewal(FetchRenewal),
        /// Looks for people. Answered by [`Found`].
        28 => SearchDirectory(SearchDirectory),
    }
}

choice! {
    /// What the relay answers on the request's stream.
    pub enum Reply {
        /// A rule said no; nothing was stored.
        0 => Refused(Refusal),
        /// Done, nothing more to say.
        1 => Done(Empty),
        /// Answer to a hello.
        2 => Welcome(Welcome),
        /// The submission is durable.
        3 => Receipt(Receipt),
        /// One record.
        4 => Record(Record),
        /// Records that expired unread.
        5 => Gap(Gap),
        /// A read has ended.
        6 => ReadEnd(ReadEnd),
        /// The backlog has ended; what follows comes on the push stream.
        7 => Live(Live),
        /// A Commit ended what this proof opens.
        8 => Paused(Paused),
        /// KeyPackages left at the relay.
        9 => KeyPackageCount(KeyPackageCount),
        /// KeyPackages claimed.
        10 => Claimed(Claimed),
        /// One note of the inbox.
        11 => Note(Note),
        /// The inbox has been read.
        12 => InboxEnd(InboxEnd),
        /// One list of revoked certificates.
        13 => Crl(Crl),
        /// All lists have been read.
        14 => CrlsEnd(CrlsEnd),
        /// A new device's request.
        15 => TicketRequest(TicketRequest),
        /// A request for renewal.
        16 => Renewal(Renewal),
        /// The requests have been read.
        17 => MailboxEnd(MailboxEnd),
        /// The administration's answer.
        18 => EnrolmentAnswer(EnrolmentAnswer),
        /// Devices found.
        19 => Found(Found),
    }
}

choice! {
    /// What the relay sends by itself, on the push stream.
    pub enum Push {
        /// A record of a followed group.
        0 => Delivery(Delivery),
        /// A Commit ended what the proof opens: follow again with the proof of the new epoch.
        1 => SubscriptionPaused(SubscriptionPaused),
        /// The client reads too slowly: follow again from the last record it has.
        2 => Lagged(Lagged),
        /// The subscription has ended for good.
        3 => SubscriptionEnded(SubscriptionEnded),
        /// Notes wait in the inbox.
        4 => InboxWaiting(InboxWaiting),
        /// Few KeyPackages are left.
        5 => KeyPackagesLow(KeyPackageCount),
        /// The relay stops soon; connect again after the time given.
        6 => GoingAway(GoingAway),
        /// The relay has a newer list of revoked certificates.
        7 => CrlsChanged(CrlsChanged),
        /// For the administration: requests wait. For a device: its request for renewal was answered.
        8 => EnrolmentWaiting(Empty),
    }
}

structure! {
    /// Which group, in which epoch, and the proof of that epoch's key.
    ///
    /// The proof is verified once per connection, group and epoch; later requests on the connection leave it out.
    pub struct Access {
        /// The group.
        0 => group: GroupId;
        /// The epoch whose key opens the log.
        1 => epoch: Epoch;
        /// Signature over [`signed_text`](crate::proof::signed_text).
        2 => proof: Signature, optional;
    }
}

structure! {
    /// First request of a connection.
    pub struct Hello {
        /// Newest version that the client speaks.
        0 => version: u64;
        /// Optional abilities of the client, by number; none are defined yet.
        1 => features: u64, list;
    }
}

structure! {
    /// Answer to a hello.
    pub struct Welcome {
        /// The version that both speak.
        0 => version: u64;
        /// Optional abilities of the relay, by number; none are defined yet.
        1 => features: u64, list;
        /// Which life of the relay's database this is.
        2 => incarnation: Incarnation;
        /// The relay's clock.
        3 => now: Timestamp;
        /// Most bytes of one message.
        4 => max_message: u64;
        /// KeyPackages of this device at the relay, the last resort not counted.
        5 => key_packages: u64;
        /// Notes waiting in this device's inbox.
        6 => inbox: u64;
        /// The device has a last-resort KeyPackage at the relay.
        7 => last_resort: bool;
        /// Which lists of revoked certificates the relay has; absent: it keeps none.
        8 => crls: CrlDigest, optional;
    }
}

structure! {
    /// Opens a new group's log, in epoch `access.epoch`. The proof is made with `access_key`'s own private key.
    pub struct CreateGroup {
        /// The new group, and the proof of `access_key`.
        0 => access: Access;
        /// Random.
        1 => operation: OperationId;
        /// Key of the first epoch.
        2 => access_key: AccessKey;
        /// Cursor of the creator, if it wants one.
        3 => cursor: CursorId, optional;
    }
}

structure! {
    /// Appends an application message or a proposal.
    pub struct Submit {
        /// The group; the epoch is the message's.
        0 => access: Access;
        /// Random; the same one when sent again.
        1 => operation: OperationId;
        /// `MLSMessage` holding a PrivateMessage.
        2 => message: Payload;
    }
}

structure! {
    /// Appends a Commit with all that belongs to it: all of it is stored, or nothing.
    pub struct SubmitCommit {
        /// The group; the epoch is the one that the Commit ends.
        0 => access: Access;
        /// Random; the same one when sent again.
        1 => operation: OperationId;
        /// `MLSMessage` holding a PrivateMessage.
        2 => message: Payload;
        /// Key of the epoch that the Commit opens.
        3 => next_access_key: AccessKey;
        /// One sealed Welcome for each device that joins.
        4 => welcomes: SealedWelcome, list;
        /// The epoch that the Commit opens is the last: its proof may erase the log.
        5 => closes: bool, optional;
    }
}

structure! {
    /// A Welcome sealed to one device, with the cursor that holds the log for it.
    pub struct SealedWelcome {
        /// The claim that reserved its place.
        0 => claim: ClaimId;
        /// The device.
        1 => device: DeviceId;
        /// The sealed Welcome.
        2 => sealed: Payload;
        /// Cursor registered for the joiner at the Commit's record; the Welcome tells the joiner its id.
        3 => cursor: CursorId;
    }
}

structure! {
    /// Asks whether an operation was accepted.
    pub struct FindReceipt {
        /// The group; the epoch is the one in which it was submitted.
        0 => access: Access;
        /// Its id.
        1 => operation: OperationId;
        /// Hash of its message; zeros for the creation of a group.
        2 => hash: MessageHash;
    }
}

structure! {
    /// A submission is durable.
    pub struct Receipt {
        /// Its record.
        0 => seq: Seq;
        /// The relay's clock when it was accepted.
        1 => at: Timestamp;
    }
}

structure! {
    /// Reads records once.
    pub struct Read {
        /// Opens the log up to and including the Commit that ends this epoch.
        0 => access: Access;
        /// Records after this one; absent: from the Commit that opened the epoch of `access` on, so that a joiner
        /// begins with the Commit that added it.
        1 => after: Seq, optional;
        /// Most bytes of messages; at least one record comes if there is one.
        2 => limit: u64;
    }
}

structure! {
    /// One record of a log.
    pub struct Record {
        /// Its place in the log.
        0 => seq: Seq;
        /// The relay's clock when it was accepted.
        1 => at: Timestamp;
        /// The submission's operation id.
        2 => operation: OperationId;
        /// `MLSMessage` holding a PrivateMessage.
        3 => message: Payload;
        /// Of a Commit: the key of the epoch that it opens, as its sender gave it.
        4 => next_access_key: AccessKey, optional;
        /// Of a Commit: the epoch that it opens is the last.
        5 => closes: bool, optional;
    }
}

structure! {
    /// Records that expired before they were read.
    pub struct Gap {
        /// First missing record.
        0 => from: Seq;
        /// Last missing record.
        1 => to: Seq;
        /// How many of them were Commits: above 0, the device is out of step and must be added again.
        2 => commits: u64;
        /// How many records are missing: fewer than `to - from + 1` where Commits between them are still there.
        3 => records: u64;
    }
}

structure! {
    /// A read has ended.
    pub struct ReadEnd {
        /// The newest record that this proof opens.
        0 => head: Seq;
        /// The record up to which this answer went; ask again after it if it is below `head`.
        1 => through: Seq;
        /// The epoch that the log is in.
        2 => epoch: Epoch;
    }
}

structure! {
    /// Subscribes to a group, or takes a paused or lagged subscription up again.
    pub struct Follow {
        /// Opens the log.
        0 => access: Access;
        /// The client's number for it; one that it uses already is replaced.
        1 => subscription: Subscription;
        /// Records after this one; absent: from the Commit that opened the epoch of `access` on, so that a joiner
        /// begins with the Commit that added it.
        2 => after: Seq, optional;
    }
}

structure! {
    /// The backlog has ended: every record after `after` comes on the push stream.
    pub struct Live {
        /// Last record of the backlog.
        0 => after: Seq;
    }
}

structure! {
    /// A Commit ended what the proof opens; its record was the last one.
    pub struct Paused {
        /// The Commit's record.
        0 => at: Seq;
    }
}

structure! {
    /// Ends a subscription.
    pub struct Unfollow {
        /// The client's number for it.
        0 => subscription: Subscription;
    }
}

structure! {
    /// Registers a cursor: records after it are kept for its device.
    pub struct RegisterCursor {
        /// Opens the log.
        0 => access: Access;
        /// Random.
        1 => cursor: CursorId;
        /// Records up to and including this one are stored by the device.
        2 => seq: Seq;
    }
}

structure! {
    /// Moves cursors forward; whoever knows a cursor may move it.
    pub struct MoveCursors {
        /// Each cursor once.
        0 => moves: CursorMove, list;
    }
}

structure! {
    /// One move.
    pub struct CursorMove {
        /// The cursor's group.
        0 => group: GroupId;
        /// The cursor.
        1 => cursor: CursorId;
        /// Records up to and including this one are stored by the device; absent: the cursor is removed.
        2 => seq: Seq, optional;
    }
}

structure! {
    /// Publishes KeyPackages of this connection's device.
    pub struct PublishKeyPackages {
        /// `MLSMessage`s holding KeyPackages for single use.
        0 => single_use: Payload, list;
        /// `MLSMessage` holding the last-resort KeyPackage (RFC 9420 §16.8); replaces the one before.
        1 => last_resort: Payload, optional;
        /// Those published before are dropped first.
        2 => replace: bool;
    }
}

structure! {
    /// KeyPackages left at the relay.
    pub struct KeyPackageCount {
        /// Single-use KeyPackages.
        0 => single_use: u64;
        /// There is a last-resort KeyPackage.
        1 => last_resort: bool;
    }
}

structure! {
    /// Claims one KeyPackage of each device of a professional, and a place in each device's inbox.
    pub struct ClaimKeyPackages {
        /// Whom to add.
        0 => professional: ProfessionalAddress;
        /// Only this device.
        1 => device: DeviceId, optional;
    }
}

structure! {
    /// KeyPackages claimed, and devices that have none to give.
    pub struct Claimed {
        /// One for each device that can be added.
        0 => devices: ClaimedDevice, list;
        /// Devices that cannot be added now; their `claim` is zeros.
        1 => refused: RefusedRecipient, list;
    }
}

structure! {
    /// One claimed KeyPackage.
    pub struct ClaimedDevice {
        /// The device, as the relay knows it; the KeyPackage's certificate decides.
        0 => device: DeviceId;
        /// The claim.
        1 => claim: ClaimId;
        /// `MLSMessage` holding a KeyPackage.
        2 => key_package: Payload;
        /// The place in the inbox is kept until then.
        3 => until: Timestamp;
    }
}

structure! {
    /// Sends a sealed note to a device.
    pub struct SendNote {
        /// The device.
        0 => device: DeviceId;
        /// Random; the same one when sent again.
        1 => operation: OperationId;
        /// The sealed note.
        2 => sealed: Payload;
    }
}

structure! {
    /// Reads the inbox of this connection's device.
    pub struct ReadInbox {
        /// Notes after this one.
        0 => after: InboxSeq;
    }
}

structure! {
    /// One note.
    pub struct Note {
        /// Its place in the inbox.
        0 => seq: InboxSeq;
        /// The day on which it came, in UTC.
        1 => day: Timestamp;
        /// The sealed Welcome or note.
        2 => sealed: Payload;
    }
}

structure! {
    /// The inbox has been read.
    pub struct InboxEnd {
        /// The newest note.
        0 => through: InboxSeq;
    }
}

structure! {
    /// Confirms that the device has stored its notes.
    pub struct AcknowledgeInbox {
        /// Notes up to and including this one go.
        0 => through: InboxSeq;
    }
}

structure! {
    /// Erases the log of a closed group.
    pub struct EraseGroup {
        /// Proof of the final epoch.
        0 => access: Access;
    }
}

structure! {
    /// A record of a followed group.
    pub struct Delivery {
        /// The client's number for the subscription.
        0 => subscription: Subscription;
        /// The CBOR of a [`Record`], the same bytes for all who get it.
        1 => record: Payload;
    }
}

structure! {
    /// A Commit ended what the proof opens; its record has been delivered.
    pub struct SubscriptionPaused {
        /// The subscription.
        0 => subscription: Subscription;
        /// The Commit's record.
        1 => at: Seq;
    }
}

structure! {
    /// The client reads too slowly.
    pub struct Lagged {
        /// The subscription.
        0 => subscription: Subscription;
    }
}

structure! {
    /// The subscription has ended for good.
    pub struct SubscriptionEnded {
        /// The subscription.
        0 => subscription: Subscription;
        /// Why.
        1 => reason: Refusal;
    }
}

structure! {
    /// Notes wait in the inbox.
    pub struct InboxWaiting {
        /// The newest note.
        0 => through: InboxSeq;
    }
}

structure! {
    /// The relay stops soon.
    pub struct GoingAway {
        /// Milliseconds after which to connect again; each client adds its own random share.
        0 => after_ms: u64;
    }
}
