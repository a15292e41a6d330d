//! Every message twice where it has optional parts: with all of them, and with none.

use kring_protocol::ids::{
    AccessKey, ClaimId, CrlDigest, CrlNumber, CursorId, DeviceId, Epoch, GroupId, InboxSeq, Incarnation, IssuerId,
    MessageHash, OperationId, Seq, Signature, Subscription, TicketId, Timestamp,
};
use kring_protocol::message::{
    Access, AcknowledgeInbox, AnswerRenewal, AnswerTicket, AskRenewal, ClaimKeyPackages, Claimed, ClaimedDevice,
    CloseTicket, CreateGroup, Crl, CrlsChanged, CrlsEnd, CursorMove, Delivery, Empty, EnrolmentAnswer, EraseGroup,
    FetchAnswer, FetchRenewal, FindReceipt, Follow, Found, FoundDevice, Gap, GoingAway, Hello, InboxEnd,
    InboxWaiting, KeyPackageCount, KnownCrl, Lagged, Live, MailboxEnd, MoveCursors, Note, OpenTicket, Paused,
    PublishCrl, PublishKeyPackages, Push, PutRequest, Read, ReadCrls, ReadEnd, ReadInbox, ReadRenewals, ReadTickets,
    Receipt, Record, RegisterCursor, Renewal, Reply, Request, SealedWelcome, SearchDirectory, SendNote, Submit,
    SubmitCommit, SubscriptionEnded, SubscriptionPaused, TicketRequest, Unfollow, Welcome,
};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::{Refusal, RefusedRecipient};
use kring_protocol::{VERSION, frame};

use crate::message::Message;

pub(crate) const GROUP: GroupId = GroupId([0x11; 16]);
const OPERATION: OperationId = OperationId([0x22; 16]);
const CURSOR: CursorId = CursorId([0x33; 16]);
const DEVICE: DeviceId = DeviceId([0x44; 16]);
const CLAIM: ClaimId = ClaimId([0x55; 16]);
const INCARNATION: Incarnation = Incarnation([0x66; 16]);
const HASH: MessageHash = MessageHash([0x77; 32]);
const KEY: AccessKey = AccessKey([0x88; 32]);
const ISSUER: IssuerId = IssuerId([0xaa; 32]);
const TICKET: TicketId = TicketId([0xbb; 16]);
const CRLS: CrlDigest = CrlDigest([0xcc; 32]);
const PROOF: Signature = Signature([0x99; 64]);
/// 2027-01-15T08:00:00Z.
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn access() -> Access {
    Access { group: GROUP, epoch: Epoch(7), proof: Some(PROOF) }
}

fn proven() -> Access {
    Access { proof: None, ..access() }
}

fn bytes(text: &str) -> Payload {
    text.as_bytes().to_vec().into()
}

fn recipients() -> Vec<RefusedRecipient> {
    [RefusedRecipient::INBOX_FULL, RefusedRecipient::REVOKED, RefusedRecipient::NO_CLAIM]
        .map(|reason| RefusedRecipient { claim: CLAIM, device: DEVICE, reason })
        .to_vec()
}

fn record() -> Record {
    Record {
        seq: Seq(300),
        at: NOW,
        operation: OPERATION,
        message: bytes("commit"),
        next_access_key: Some(KEY),
        closes: Some(true),
    }
}

fn plain_record() -> Record {
    Record { message: bytes("message"), next_access_key: None, closes: None, ..record() }
}

/// Every refusal.
pub(crate) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::Malformed,
        Refusal::UnsupportedVersion,
        Refusal::HelloOrder,
        Refusal::UnknownRequest,
        Refusal::Forbidden,
        Refusal::StaleEpoch { epoch: Epoch(8), winner: Seq(301) },
        Refusal::NotPrivateMessage,
        Refusal::NotKeyPackage,
        Refusal::OperationReused,
        Refusal::NoReceipt,
        Refusal::GroupExists,
        Refusal::TooLarge { limit: 1 << 20 },
        Refusal::TooMany { limit: 32 },
        Refusal::Recipients(recipients()),
        Refusal::UnknownProfessional,
        Refusal::RateLimited { after_ms: 250 },
        Refusal::Full,
        Refusal::Busy { after_ms: 5_000 },
        Refusal::DiskFull,
        Refusal::StoreFailed,
        Refusal::Draining,
        Refusal::Revoked,
        Refusal::UnknownCursor,
        Refusal::NotFinal,
        Refusal::NotCrl,
        Refusal::StaleCrl { number: CrlNumber(12) },
        Refusal::UnknownTicket,
        Refusal::TicketUsed,
        Refusal::TicketExpired,
        Refusal::NotAnswered { after_ms: 2_000 },
        Refusal::NotAdministration,
        Refusal::NoCertificate,
    ]
}

fn requests() -> Vec<(&'static str, Request)> {
    let welcome = SealedWelcome { claim: CLAIM, device: DEVICE, sealed: bytes("sealed"), cursor: CURSOR };
    let commit = SubmitCommit {
        access: access(),
        operation: OPERATION,
        message: bytes("commit"),
        next_access_key: KEY,
        welcomes: vec![welcome.clone(), welcome],
        closes: Some(true),
    };
    let moved = CursorMove { group: GROUP, cursor: CURSOR, seq: Some(Seq(300)) };
    let removed = CursorMove { seq: None, ..moved.clone() };
    let professional = || "a.jansen@politie.example".parse().expect("an address");
    vec![
        ("hello", Hello { version: VERSION, features: vec![1, 300] }.into()),
        ("hello.least", Hello { version: VERSION, features: vec![] }.into()),
        (
            "create-group",
            CreateGroup { access: access(), operation: OPERATION, access_key: KEY, cursor: Some(CURSOR) }.into(),
        ),
        (
            "create-group.least",
            CreateGroup { access: proven(), operation: OPERATION, access_key: KEY, cursor: None }.into(),
        ),
        ("submit", Submit { access: access(), operation: OPERATION, message: bytes("message") }.into()),
        ("submit-commit", commit.clone().into()),
        ("submit-commit.least", SubmitCommit { access: proven(), welcomes: vec![], closes: None, ..commit }.into()),
        ("find-receipt", FindReceipt { access: proven(), operation: OPERATION, hash: HASH }.into()),
        ("read", Read { access: access(), after: Some(Seq(299)), limit: 65_536 }.into()),
        ("read.least", Read { access: proven(), after: None, limit: 1 }.into()),
        ("follow", Follow { access: access(), subscription: Subscription(4), after: Some(Seq(299)) }.into()),
        ("follow.least", Follow { access: proven(), subscription: Subscription(u32::MAX), after: None }.into()),
        ("unfollow", Unfollow { subscription: Subscription(4) }.into()),
        ("register-cursor", RegisterCursor { access: proven(), cursor: CURSOR, seq: Seq(300) }.into()),
        ("move-cursors", MoveCursors { moves: vec![moved, removed] }.into()),
        ("move-cursors.least", MoveCursors { moves: vec![] }.into()),
        (
            "publish-key-packages",
            PublishKeyPackages {
                single_use: vec![bytes("one"), bytes("two")],
                last_resort: Some(bytes("last")),
                replace: true,
            }
            .into(),
        ),
        (
            "publish-key-packages.least",
            PublishKeyPackages { single_use: vec![], last_resort: None, replace: false }.into(),
        ),
        ("claim-key-packages", ClaimKeyPackages { professional: professional(), device: Some(DEVICE) }.into()),
        ("claim-key-packages.least", ClaimKeyPackages { professional: professional(), device: None }.into()),
        ("send-note", SendNote { device: DEVICE, operation: OPERATION, sealed: bytes("sealed") }.into()),
        ("read-inbox", ReadInbox { after: InboxSeq(0) }.into()),
        ("acknowledge-inbox", AcknowledgeInbox { through: InboxSeq(24) }.into()),
        ("erase-group", EraseGroup { access: access() }.into()),
    ]
}

/// Certificates: revocation, enrolment, directory.
fn certificate_requests() -> Vec<(&'static str, Request)> {
    let known = KnownCrl { issuer: ISSUER, number: CrlNumber(12) };
    vec![
        ("publish-crl", PublishCrl { crl: bytes("crl"), issuer: Some(bytes("authority")) }.into()),
        ("publish-crl.least", PublishCrl { crl: bytes("crl"), issuer: None }.into()),
        ("read-crls", ReadCrls { known: vec![known.clone(), known] }.into()),
        ("read-crls.least", ReadCrls { known: vec![] }.into()),
        ("open-ticket", OpenTicket { ticket: TICKET, expires: NOW }.into()),
        ("read-tickets", ReadTickets { tickets: vec![TICKET, TICKET] }.into()),
        ("read-tickets.least", ReadTickets { tickets: vec![] }.into()),
        ("answer-ticket", AnswerTicket { ticket: TICKET, sealed: bytes("sealed") }.into()),
        ("close-ticket", CloseTicket { ticket: TICKET }.into()),
        ("put-request", PutRequest { ticket: TICKET, sealed: bytes("sealed") }.into()),
        ("fetch-answer", FetchAnswer { ticket: TICKET }.into()),
        ("ask-renewal", AskRenewal { request: bytes("request") }.into()),
        ("read-renewals", ReadRenewals { after: Some(DEVICE) }.into()),
        ("read-renewals.least", ReadRenewals { after: None }.into()),
        ("answer-renewal", AnswerRenewal { device: DEVICE, request: HASH, answer: bytes("answer") }.into()),
        ("fetch-renewal", FetchRenewal { request: HASH }.into()),
        ("search-directory", SearchDirectory { text: "jansen wijk".into(), limit: 20 }.into()),
    ]
}

fn replies() -> Vec<(&'static str, Reply)> {
    let claimed = ClaimedDevice { device: DEVICE, claim: CLAIM, key_package: bytes("key package"), until: NOW };
    let welcome = Welcome {
        version: VERSION,
        features: vec![1],
        incarnation: INCARNATION,
        now: NOW,
        max_message: 1 << 20,
        key_packages: 100,
        inbox: 2,
        last_resort: true,
        crls: Some(CRLS),
    };
    let chain = vec![bytes("device"), bytes("authority")];
    vec![
        ("done", Empty.into()),
        ("welcome", welcome.clone().into()),
        (
            "welcome.least",
            Welcome { features: vec![], key_packages: 0, inbox: 0, last_resort: false, crls: None, ..welcome }.into(),
        ),
        ("receipt", Receipt { seq: Seq(300), at: NOW }.into()),
        ("record", record().into()),
        ("record.least", plain_record().into()),
        ("gap", Gap { from: Seq(1), to: Seq(299), commits: 1, records: 298 }.into()),
        ("read-end", ReadEnd { head: Seq(301), through: Seq(300), epoch: Epoch(8) }.into()),
        ("live", Live { after: Seq(300) }.into()),
        ("paused", Paused { at: Seq(300) }.into()),
        ("key-package-count", KeyPackageCount { single_use: 99, last_resort: true }.into()),
        ("claimed", Claimed { devices: vec![claimed], refused: recipients() }.into()),
        ("claimed.least", Claimed { devices: vec![], refused: vec![] }.into()),
        ("note", Note { seq: InboxSeq(24), day: NOW.day(), sealed: bytes("sealed") }.into()),
        ("inbox-end", InboxEnd { through: InboxSeq(24) }.into()),
        ("crl", Crl { crl: bytes("crl"), issuer: Some(bytes("authority")) }.into()),
        ("crl.least", Crl { crl: bytes("crl"), issuer: None }.into()),
        ("crls-end", CrlsEnd { digest: CRLS }.into()),
        ("ticket-request", TicketRequest { ticket: TICKET, sealed: bytes("sealed") }.into()),
        ("renewal", Renewal { device: DEVICE, request: bytes("request"), chain: chain.clone() }.into()),
        ("mailbox-end", MailboxEnd { more: true }.into()),
        ("enrolment-answer", EnrolmentAnswer { answer: bytes("answer") }.into()),
        ("found", Found { devices: vec![FoundDevice { chain }], more: true }.into()),
        ("found.least", Found { devices: vec![], more: false }.into()),
    ]
}

fn pushes() -> Vec<(&'static str, Push)> {
    let subscription = Subscription(4);
    vec![
        ("delivery", Delivery { subscription, record: frame::encode_body(&plain_record()).into() }.into()),
        ("delivery.commit", Delivery { subscription, record: frame::encode_body(&record()).into() }.into()),
        ("subscription-paused", SubscriptionPaused { subscription, at: Seq(300) }.into()),
        ("lagged", Lagged { subscription }.into()),
        ("subscription-ended", SubscriptionEnded { subscription, reason: Refusal::Forbidden }.into()),
        ("inbox-waiting", InboxWaiting { through: InboxSeq(24) }.into()),
        ("key-packages-low", KeyPackageCount { single_use: 9, last_resort: false }.into()),
        ("going-away", GoingAway { after_ms: 1_500 }.into()),
        ("crls-changed", CrlsChanged { issuer: ISSUER, number: CrlNumber(13) }.into()),
        ("enrolment-waiting", Empty.into()),
    ]
}

/// Every message, with the name of its golden frame.
pub(crate) fn all() -> Vec<(String, Message)> {
    let refused = refusals().into_iter().map(|refusal| {
        let name = format!("refused.{}", refusal.number());
        (name, Message::from(Reply::from(refusal)))
    });
    let own = |name: &str| name.to_owned();
    requests()
        .into_iter()
        .chain(certificate_requests())
        .map(|(name, message)| (own(name), Message::from(message)))
        .chain(refused)
        .chain(replies().into_iter().map(|(name, message)| (own(name), message.into())))
        .chain(pushes().into_iter().map(|(name, message)| (own(name), message.into())))
        .map(|(name, message)| (format!("{}.{name}", message.kind().rule()), message))
        .collect()
}
