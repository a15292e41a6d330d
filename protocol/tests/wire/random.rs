//! Random messages of every kind.

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{
    AccessKey, ClaimId, CrlDigest, CrlNumber, CursorId, DeviceId, Epoch, GroupId, InboxSeq, Incarnation, IssuerId,
    MessageHash, OperationId, Seq, Signature, Subscription, TicketId, Timestamp,
};
use kring_protocol::limits::MAX_COUNTER;
use kring_protocol::message::{
    Access, AcknowledgeInbox, AnswerRenewal, AnswerTicket, AskRenewal, ClaimKeyPackages, Claimed, ClaimedDevice,
    CloseTicket, CreateGroup, Crl, CrlsChanged, CrlsEnd, CursorMove, Delivery, Empty, EnrolmentAnswer, EraseGroup,
    FetchAnswer, FetchRenewal, FindReceipt, Follow, Found, FoundDevice, Gap, GoingAway, Hello, InboxEnd,
    InboxWaiting, KeyPackageCount, KnownCrl, Lagged, Live, MailboxEnd, MoveCursors, Note, OpenTicket, Paused,
    PublishCrl, PublishKeyPackages, Push, PutRequest, Read, ReadCrls, ReadEnd, ReadInbox, ReadRenewals, ReadTickets,
    Receipt, Record, RegisterCursor, Renewal, Reply, Request, SealedWelcome, SearchDirectory, SearchText, SendNote,
    Submit, SubmitCommit, SubscriptionEnded, SubscriptionPaused, TicketRequest, Unfollow, Welcome,
};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::{Refusal, RefusedRecipient};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::message::Message;

/// Strategies for identifiers and counters, each from what its type holds.
macro_rules! newtypes {
    ($($function:ident: $type:ident($inner:ty)),* $(,)?) => {
        $( fn $function() -> impl Strategy<Value = $type> { any::<$inner>().prop_map($type) } )*
    };
}

newtypes! {
    group: GroupId([u8; 16]), operation: OperationId([u8; 16]), cursor: CursorId([u8; 16]),
    device: DeviceId([u8; 16]), claim: ClaimId([u8; 16]), incarnation: Incarnation([u8; 16]),
    hash: MessageHash([u8; 32]), key: AccessKey([u8; 32]),
    issuer: IssuerId([u8; 32]), ticket: TicketId([u8; 16]), digest: CrlDigest([u8; 32]),
    subscription: Subscription(u32),
}

/// Strategies for counters: what is decoded, no more.
macro_rules! counters {
    ($($function:ident: $type:ident),* $(,)?) => {
        $( fn $function() -> impl Strategy<Value = $type> { (0..=MAX_COUNTER).prop_map($type) } )*
    };
}

counters! { seq: Seq, epoch: Epoch, inbox_seq: InboxSeq, timestamp: Timestamp, crl_number: CrlNumber }

fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>())
        .prop_map(|(first, second)| Signature::from_slice(&[first, second].concat()).expect("64 bytes"))
}

fn payload() -> impl Strategy<Value = Payload> {
    vec(any::<u8>(), 0..300).prop_map(Payload::from)
}

fn address() -> impl Strategy<Value = ProfessionalAddress> {
    ("[a-z0-9._-]{1,64}", "[a-z0-9]{1,20}(-[a-z0-9]{1,20})?\\.[a-z]{2,10}")
        .prop_map(|(name, domain)| ProfessionalAddress::new(&name, &domain).expect("valid"))
}

fn access() -> impl Strategy<Value = Access> {
    (group(), epoch(), option::of(signature())).prop_map(|(group, epoch, proof)| Access { group, epoch, proof })
}

fn sealed_welcome() -> impl Strategy<Value = SealedWelcome> {
    (claim(), device(), payload(), cursor()).prop_map(|(claim, device, sealed, cursor)| SealedWelcome {
        claim,
        device,
        sealed,
        cursor,
    })
}

fn recipient() -> impl Strategy<Value = RefusedRecipient> {
    (claim(), device(), any::<u64>()).prop_map(|(claim, device, reason)| RefusedRecipient { claim, device, reason })
}

fn record() -> impl Strategy<Value = Record> {
    (seq(), timestamp(), operation(), payload(), option::of(key()), option::of(any::<bool>())).prop_map(
        |(seq, at, operation, message, next_access_key, closes)| Record {
            seq,
            at,
            operation,
            message,
            next_access_key,
            closes,
        },
    )
}

/// Any refusal that the wire can carry, unknown ones included.
pub(crate) fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        proptest::sample::select(crate::samples::refusals()),
        (epoch(), seq()).prop_map(|(epoch, winner)| Refusal::StaleEpoch { epoch, winner }),
        any::<u64>().prop_map(|limit| Refusal::TooLarge { limit }),
        any::<u64>().prop_map(|limit| Refusal::TooMany { limit }),
        any::<u64>().prop_map(|after_ms| Refusal::RateLimited { after_ms }),
        any::<u64>().prop_map(|after_ms| Refusal::Busy { after_ms }),
        vec(recipient(), 0..5).prop_map(Refusal::Recipients),
        crl_number().prop_map(|number| Refusal::StaleCrl { number }),
        any::<u64>().prop_map(|after_ms| Refusal::NotAnswered { after_ms }),
        (33u64..).prop_map(Refusal::Unknown),
    ]
}

fn group_request() -> impl Strategy<Value = Request> {
    let after = || option::of(seq());
    prop_oneof![
        (access(), operation(), key(), option::of(cursor())).prop_map(|(access, operation, access_key, cursor)| {
            CreateGroup { access, operation, access_key, cursor }.into()
        }),
        (access(), operation(), payload()).prop_map(|(access, operation, message)| Submit {
            access,
            operation,
            message
        }
        .into()),
        (access(), operation(), payload(), key(), vec(sealed_welcome(), 0..4), option::of(any::<bool>())).prop_map(
            |(access, operation, message, next_access_key, welcomes, closes)| {
                SubmitCommit { access, operation, message, next_access_key, welcomes, closes }.into()
            }
        ),
        (access(), operation(), hash())
            .prop_map(|(access, operation, hash)| FindReceipt { access, operation, hash }.into()),
        (access(), after(), any::<u64>()).prop_map(|(access, after, limit)| Read { access, after, limit }.into()),
        (access(), subscription(), after()).prop_map(|(access, subscription, after)| Follow {
            access,
            subscription,
            after
        }
        .into()),
        (access(), cursor(), seq()).prop_map(|(access, cursor, seq)| RegisterCursor { access, cursor, seq }.into()),
        access().prop_map(|access| EraseGroup { access }.into()),
    ]
}

fn device_request() -> impl Strategy<Value = Request> {
    let moved = (group(), cursor(), option::of(seq()));
    let moved = moved.prop_map(|(group, cursor, seq)| CursorMove { group, cursor, seq });
    prop_oneof![
        (any::<u64>(), vec(any::<u64>(), 0..4)).prop_map(|(version, features)| Hello { version, features }.into()),
        subscription().prop_map(|subscription| Unfollow { subscription }.into()),
        vec(moved, 0..4).prop_map(|moves| MoveCursors { moves }.into()),
        (vec(payload(), 0..4), option::of(payload()), any::<bool>()).prop_map(
            |(single_use, last_resort, replace)| { PublishKeyPackages { single_use, last_resort, replace }.into() }
        ),
        (address(), option::of(device())).prop_map(|(professional, device)| ClaimKeyPackages {
            professional,
            device
        }
        .into()),
        (device(), operation(), payload()).prop_map(|(device, operation, sealed)| SendNote {
            device,
            operation,
            sealed
        }
        .into()),
        inbox_seq().prop_map(|after| ReadInbox { after }.into()),
        inbox_seq().prop_map(|through| AcknowledgeInbox { through }.into()),
        (29u64..).prop_map(Request::Unknown),
    ]
}

fn certificate_request() -> impl Strategy<Value = Request> {
    let known = (issuer(), crl_number()).prop_map(|(issuer, number)| KnownCrl { issuer, number });
    prop_oneof![
        (payload(), option::of(payload())).prop_map(|(crl, issuer)| PublishCrl { crl, issuer }.into()),
        vec(known, 0..4).prop_map(|known| ReadCrls { known }.into()),
        (ticket(), timestamp()).prop_map(|(ticket, expires)| OpenTicket { ticket, expires }.into()),
        vec(ticket(), 0..4).prop_map(|tickets| ReadTickets { tickets }.into()),
        (ticket(), payload()).prop_map(|(ticket, sealed)| AnswerTicket { ticket, sealed }.into()),
        ticket().prop_map(|ticket| CloseTicket { ticket }.into()),
        (ticket(), payload()).prop_map(|(ticket, sealed)| PutRequest { ticket, sealed }.into()),
        ticket().prop_map(|ticket| FetchAnswer { ticket }.into()),
        payload().prop_map(|request| AskRenewal { request }.into()),
        option::of(device()).prop_map(|after| ReadRenewals { after }.into()),
        (device(), hash(), payload())
            .prop_map(|(device, request, answer)| AnswerRenewal { device, request, answer }.into()),
        hash().prop_map(|request| FetchRenewal { request }.into()),
        ("\\PC{0,40}", any::<u64>())
            .prop_map(|(text, limit)| SearchDirectory { text: SearchText(text), limit }.into()),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let welcome =
        (any::<[u64; 4]>(), vec(any::<u64>(), 0..4), incarnation(), timestamp(), any::<bool>(), option::of(digest()));
    let claimed = (device(), claim(), payload(), timestamp());
    let claimed =
        claimed.prop_map(|(device, claim, key_package, until)| ClaimedDevice { device, claim, key_package, until });
    prop_oneof![
        refusal().prop_map(Reply::from),
        Just(Reply::Done(Empty)),
        welcome.prop_map(
            |([version, max_message, key_packages, inbox], features, incarnation, now, last_resort, crls)| {
                Welcome { version, features, incarnation, now, max_message, key_packages, inbox, last_resort, crls }
                    .into()
            }
        ),
        (seq(), timestamp()).prop_map(|(seq, at)| Receipt { seq, at }.into()),
        record().prop_map(Reply::from),
        (seq(), seq(), any::<u64>(), any::<u64>()).prop_map(|(from, to, commits, records)| Gap {
            from,
            to,
            commits,
            records
        }
        .into()),
        (seq(), seq(), epoch()).prop_map(|(head, through, epoch)| ReadEnd { head, through, epoch }.into()),
        seq().prop_map(|after| Live { after }.into()),
        seq().prop_map(|at| Paused { at }.into()),
        key_package_count().prop_map(Reply::from),
        (vec(claimed, 0..4), vec(recipient(), 0..4))
            .prop_map(|(devices, refused)| Claimed { devices, refused }.into()),
        (inbox_seq(), timestamp(), payload()).prop_map(|(seq, day, sealed)| Note { seq, day, sealed }.into()),
        inbox_seq().prop_map(|through| InboxEnd { through }.into()),
        (payload(), option::of(payload())).prop_map(|(crl, issuer)| Crl { crl, issuer }.into()),
        digest().prop_map(|digest| CrlsEnd { digest }.into()),
        (ticket(), payload()).prop_map(|(ticket, sealed)| TicketRequest { ticket, sealed }.into()),
        (device(), payload(), vec(payload(), 0..3)).prop_map(|(device, request, chain)| Renewal {
            device,
            request,
            chain
        }
        .into()),
        any::<bool>().prop_map(|more| MailboxEnd { more }.into()),
        payload().prop_map(|answer| EnrolmentAnswer { answer }.into()),
        (vec(vec(payload(), 0..3).prop_map(|chain| FoundDevice { chain }), 0..4), any::<bool>())
            .prop_map(|(devices, more)| Found { devices, more }.into()),
        (20u64..).prop_map(Reply::Unknown),
    ]
}

fn key_package_count() -> impl Strategy<Value = KeyPackageCount> {
    (any::<u64>(), any::<bool>()).prop_map(|(single_use, last_resort)| KeyPackageCount { single_use, last_resort })
}

fn push() -> impl Strategy<Value = Push> {
    prop_oneof![
        (subscription(), payload()).prop_map(|(subscription, record)| Delivery { subscription, record }.into()),
        (subscription(), seq()).prop_map(|(subscription, at)| SubscriptionPaused { subscription, at }.into()),
        subscription().prop_map(|subscription| Lagged { subscription }.into()),
        (subscription(), refusal())
            .prop_map(|(subscription, reason)| SubscriptionEnded { subscription, reason }.into()),
        inbox_seq().prop_map(|through| InboxWaiting { through }.into()),
        key_package_count().prop_map(Push::from),
        any::<u64>().prop_map(|after_ms| GoingAway { after_ms }.into()),
        (issuer(), crl_number()).prop_map(|(issuer, number)| CrlsChanged { issuer, number }.into()),
        Just(Push::EnrolmentWaiting(Empty)),
        (9u64..).prop_map(Push::Unknown),
    ]
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        2 => group_request().prop_map(Message::from),
        2 => device_request().prop_map(Message::from),
        2 => certificate_request().prop_map(Message::from),
        3 => reply().prop_map(Message::from),
        2 => push().prop_map(Message::from),
    ]
}
