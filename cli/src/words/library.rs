//! What the library's errors say, in the catalogues' words: a match for each, so that an error which nobody has put into
//! words does not compile. What is technical within them (why a certificate does not hold) stays English: it is for
//! the administrator to whom it is passed on.

use kring_client::api::{CallError, ConnectError, NotDone, OpenError, OwnFault, RelayFault};
use kring_client::case::dossier::{DossierError, Unproven};
use kring_client::case::{DraftError, DutyRefused, Refused};
use kring_client::conversation::{CommandError, CommitRefused, Dropped, Held, NotAdded, Suspicion, Unbelieved};
use kring_client::enrolment::{Denied, EnrolError, SealError};
use kring_client::identity::ProfileError;
use kring_client::identity::wipe::WipeError;
use kring_client::store::StoreError;
use kring_protocol::refusal::Refusal;

use super::say;

/// Something that a professional is told.
pub(crate) trait Told {
    /// One sentence without a full stop; what to do stands behind a semicolon.
    fn told(&self) -> String;
}

impl Told for StoreError {
    fn told(&self) -> String {
        match self {
            Self::Missing => say!("store-missing"),
            Self::Wiped => say!("store-wiped"),
            Self::Exists => say!("store-exists"),
            Self::WrongKey => say!("store-wrong-key"),
            Self::InUse => say!("store-in-use"),
            Self::Newer { found, known } => say!("store-newer", found = *found, known = *known),
            Self::Corrupt => say!("store-corrupt"),
            Self::DiskFull => say!("store-disk-full"),
            Self::ReadOnly => say!("store-read-only"),
            Self::Io(kind) => say!("store-io", reason = kind.to_string()),
            Self::Internal => say!("store-internal"),
        }
    }
}

impl Told for ProfileError {
    fn told(&self) -> String {
        match self {
            Self::Missing => say!("profile-missing"),
            Self::Wiped => say!("profile-wiped"),
            Self::WipedInPart(kind) => say!("profile-wiped-in-part", reason = kind.to_string()),
            Self::Newer => say!("profile-newer"),
            Self::Malformed { file } => say!("profile-malformed", file = *file),
            Self::Io { file, kind } => say!("profile-io", file = *file, reason = kind.to_string()),
        }
    }
}

impl Told for WipeError {
    fn told(&self) -> String {
        match self {
            Self::NotAProfile => say!("wipe-not-a-profile"),
            Self::Keys(error) => say!("wipe-keys", reason = error.told()),
            Self::Files(kind) => say!("wipe-files", reason = kind.to_string()),
        }
    }
}

impl Told for OpenError {
    fn told(&self) -> String {
        match self {
            Self::Store(error) => error.told(),
            Self::OtherDevice => say!("open-other-device"),
            Self::Certificate(untrusted) => say!("open-certificate", reason = untrusted.to_string()),
            Self::Roots(error) => say!("open-roots", reason = error.to_string()),
            Self::KeyMissing => say!("open-key-missing"),
            Self::NotVouchedFor => say!("open-not-vouched-for"),
            Self::Thread(kind) => say!("open-thread", reason = kind.to_string()),
        }
    }
}

impl Told for DraftError {
    fn told(&self) -> String {
        match self {
            Self::Empty => say!("draft-empty"),
            Self::TooLarge { limit } => say!("draft-too-large", limit = *limit),
            Self::LabelTooLong { limit } => say!("draft-label-too-long", limit = *limit),
        }
    }
}

impl Told for CommandError {
    fn told(&self) -> String {
        match self {
            Self::UnknownCase => say!("command-unknown-case"),
            Self::CaseExists => say!("command-case-exists"),
            Self::ItemExists => say!("command-item-exists"),
            Self::NotOpen => say!("command-not-open"),
            Self::Role => say!("command-role"),
            Self::NotAMember => say!("command-not-a-member"),
            Self::Oneself => say!("command-oneself"),
            Self::SoleCoordinator => say!("command-sole-coordinator"),
            Self::Title => say!("command-title"),
            Self::CoordinatorHeard { .. } => say!("command-coordinator-heard"),
            Self::NothingToClaim => say!("command-nothing-to-claim"),
            Self::NotOwnDevice => say!("command-not-own-device"),
            Self::OtherNumber => say!("not-added-other-number"),
            Self::SoleResponsible => say!("sole-responsible"),
            Self::Unfinished => say!("unfinished"),
            Self::NotErasing => say!("not-erasing"),
            Self::Duty(refused) => refused.told(),
            Self::Refused(refused) => say!("command-refused", reason = refused.told()),
            Self::Closed => say!("case-is-closed"),
            Self::Draft(error) => error.told(),
        }
    }
}

impl Told for Refused {
    fn told(&self) -> String {
        match self {
            Self::NoSuchThing => say!("state-no-such-thing"),
            Self::AlreadyThere => say!("state-already-there"),
            Self::Closed => say!("state-closed"),
            Self::Phase => say!("state-phase"),
            Self::Role => say!("state-role"),
            Self::Function => say!("state-function"),
            Self::NotTheirs => say!("state-not-theirs"),
            Self::NotAMember => say!("command-not-a-member"),
            Self::TooEarly => say!("state-too-early"),
            Self::Unopened => say!("state-unopened"),
            Self::CaseClosed => say!("state-case-closed"),
            Self::Stopped => say!("state-stopped"),
            Self::OtherContent => say!("state-other-content"),
            Self::Conditions => say!("state-conditions"),
            Self::Bounds => say!("state-bounds"),
            Self::TooMany => say!("state-too-many"),
            Self::Replaced => say!("state-replaced"),
        }
    }
}

impl Told for DutyRefused {
    fn told(&self) -> String {
        match self {
            Self::NotResponsible => say!("duty-not-responsible"),
            Self::NotCoordinator => say!("duty-not-coordinator"),
            Self::Receivers => say!("duty-receivers"),
            Self::TooMany => say!("duty-too-many"),
            Self::NoHandover => say!("duty-no-handover"),
            Self::NotYours => say!("duty-not-yours"),
            Self::NotUnderstood => say!("duty-not-understood"),
            Self::NotReady => say!("duty-not-ready"),
            Self::Already => say!("duty-already"),
            Self::Role => say!("command-role"),
            Self::OtherOrganisation => say!("duty-other-organisation"),
            Self::HandoversOpen => say!("duty-handovers-open"),
            Self::Statements => say!("duty-statements"),
            Self::Stage => say!("duty-stage"),
            Self::Held => say!("duty-held"),
        }
    }
}

impl Told for DossierError {
    fn told(&self) -> String {
        match self {
            Self::NoSuchThing => say!("dossier-error-no-such-thing"),
            Self::Restricted(position) => say!("dossier-error-restricted", number = position.0),
            Self::Entry => say!("dossier-error-entry"),
            Self::TakenBack(position) => say!("dossier-error-taken-back", number = position.0),
            Self::NoProof(position) => say!("dossier-error-no-proof", number = position.0),
            Self::Bounds => say!("dossier-error-bounds"),
            Self::Incomplete => say!("dossier-error-incomplete"),
        }
    }
}

impl Told for Unproven {
    fn told(&self) -> String {
        match self {
            Self::Unreadable => say!("unproven-unreadable"),
            Self::Certificate => say!("unproven-certificate"),
            Self::Signature => say!("unproven-signature"),
        }
    }
}

impl Told for CallError {
    fn told(&self) -> String {
        match self {
            Self::Command(error) => error.told(),
            Self::Store(error) => error.told(),
            Self::Closed => say!("call-closed"),
        }
    }
}

impl Told for ConnectError {
    fn told(&self) -> String {
        match self {
            Self::Name => say!("connect-name"),
            Self::Socket(kind) => say!("connect-socket", reason = kind.to_string()),
            Self::Unreachable => say!("connect-unreachable"),
            Self::RelayUnknownRoot => say!("connect-relay-unknown-root"),
            Self::RelayOtherName => say!("connect-relay-other-name"),
            Self::RelayExpired => say!("connect-relay-expired"),
            Self::RelayNotYetValid => say!("connect-relay-not-yet-valid"),
            Self::RelayCertificate(untrusted) => say!("connect-relay-certificate", reason = untrusted.to_string()),
            Self::KeyExchange => say!("connect-key-exchange"),
            Self::NotARelay => say!("connect-not-a-relay"),
            Self::OwnExpired => say!("connect-own-expired"),
            Self::OwnNotYetValid => say!("connect-own-not-yet-valid"),
            Self::OwnRefused(fault) => say!("connect-own-refused", fault = fault.told()),
            Self::Refused(refusal) => say!("connect-refused", reason = refusal.told()),
            Self::GoingAway => say!("connect-going-away"),
            Self::Broken => say!("connect-broken"),
            Self::Fault(fault) => say!("connect-fault", reason = fault.told()),
            Self::Store(error) => error.told(),
            Self::Offline => say!("connect-offline"),
            Self::Closed => say!("call-closed"),
        }
    }
}

impl Told for EnrolError {
    fn told(&self) -> String {
        match self {
            Self::Expired => say!("enrol-expired"),
            Self::NotAnswered => say!("enrol-not-answered"),
            Self::Guessed => say!("enrol-guessed"),
            Self::NotTaken(refusal) => say!("enrol-not-taken", reason = refusal.told()),
            Self::Denied(Denied::Administrator) => say!("enrol-denied"),
            Self::Denied(Denied::Request) => say!("enrol-denied-request"),
            Self::Refused(refusal) => refusal.told(),
            Self::Connect(error) => error.told(),
            Self::OtherAnswer => say!("enrol-other-answer"),
            Self::Seal(SealError::Forged) => say!("enrol-forged"),
            Self::Seal(SealError::Failed) => say!("enrol-failed"),
            Self::OtherRegion => say!("enrol-other-region"),
            Self::OtherRelay(untrusted) => say!("enrol-other-relay", reason = untrusted.to_string()),
            Self::Certificate(untrusted) => say!("enrol-certificate", reason = untrusted.to_string()),
            Self::Setup(error) => error.to_string(),
            Self::Passphrase(folder) => say!("enrol-passphrase", path = folder.display().to_string()),
            Self::Lock(error) => error.to_string(),
            Self::Request(error) => error.to_string(),
            Self::Io(kind) => say!("enrol-io", reason = kind.to_string()),
        }
    }
}

impl Told for RelayFault {
    fn told(&self) -> String {
        match self {
            Self::Frame => say!("fault-frame"),
            Self::TooMuch => say!("fault-too-much"),
            Self::WrongAnswer => say!("fault-wrong-answer"),
            Self::Unfinished => say!("fault-unfinished"),
            Self::Silent => say!("fault-silent"),
        }
    }
}

impl Told for NotDone {
    fn told(&self) -> String {
        match self {
            Self::Dropped(Dropped::NothingToDo) => say!("not-done-nothing-left"),
            Self::Dropped(reason) => reason.told(),
            Self::Closed => say!("not-done-closed"),
        }
    }
}

impl Told for Dropped {
    fn told(&self) -> String {
        match self {
            Self::Role => say!("dropped-role"),
            Self::Left => say!("dropped-left"),
            Self::NothingToDo => say!("dropped-nothing-to-do"),
            Self::LastOfCoordinator => say!("dropped-last-of-coordinator"),
            Self::Duty(refused) => refused.told(),
            Self::Closed => say!("case-is-closed"),
            Self::Relay(refusal) => say!("dropped-relay", reason = refusal.told()),
        }
    }
}

impl Told for NotAdded {
    fn told(&self) -> String {
        match self {
            Self::Unknown => say!("not-added-unknown"),
            Self::NoKeyPackage => say!("not-added-no-key-package"),
            Self::InboxFull => say!("not-added-inbox-full"),
            Self::Revoked => say!("not-added-revoked"),
            Self::Certificate => say!("not-added-certificate"),
            Self::KeyPackage => say!("not-added-key-package"),
            Self::Impostor(why) => say!("not-added-impostor", reason = why.told()),
            Self::Already => say!("not-added-already"),
            Self::OtherNumber => say!("not-added-other-number"),
            Self::StaleList => say!("not-added-stale-list"),
        }
    }
}

impl Told for CommitRefused {
    fn told(&self) -> String {
        match self {
            Self::Unreadable => say!("commit-refused-unreadable"),
            Self::Role => say!("commit-refused-role"),
            Self::Leaf(why) => say!("commit-refused-leaf", reason = why.told()),
            Self::Closes => say!("commit-refused-closes"),
            Self::AccessKey => say!("commit-refused-access-key"),
        }
    }
}

impl Told for Held {
    fn told(&self) -> String {
        match self {
            Self::Revoked => say!("held-revoked"),
            Self::Ended => say!("held-ended"),
            Self::StaleList => say!("held-stale-list"),
        }
    }
}

impl Told for Suspicion {
    fn told(&self) -> String {
        match self {
            Self::Fork => say!("suspicion-fork"),
            Self::Signature => say!("suspicion-signature"),
            Self::Unreadable => say!("suspicion-unreadable"),
            Self::ItemReused => say!("suspicion-item-reused"),
            Self::Invitation => say!("suspicion-invitation"),
            Self::Order => say!("suspicion-order"),
            Self::SetBack => say!("suspicion-set-back"),
            Self::Company(why) => say!("suspicion-company", reason = why.told()),
        }
    }
}

impl Told for Unbelieved {
    fn told(&self) -> String {
        match self {
            Self::OtherKey => say!("unbelieved-other-key"),
            Self::OtherOrganisation => say!("unbelieved-other-organisation"),
            Self::Function => say!("unbelieved-function"),
            Self::Usage => say!("unbelieved-usage"),
            Self::Authority => say!("unbelieved-authority"),
            Self::Root => say!("unbelieved-root"),
            Self::Place => say!("unbelieved-place"),
            Self::Certificate => say!("unbelieved-certificate"),
        }
    }
}

impl Told for OwnFault {
    fn told(&self) -> String {
        match self {
            Self::Revoked => say!("own-fault-revoked"),
            Self::Expired => say!("own-fault-expired"),
            Self::Root => say!("own-fault-root"),
            Self::Usage => say!("own-fault-usage"),
            Self::Key => say!("own-fault-key"),
            Self::Organisation => say!("own-fault-organisation"),
            Self::Other => say!("own-fault-other"),
        }
    }
}

/// A relay's refusal. Those that come of a fault of a program, and not of anything that a person does, share one text.
impl Told for Refusal {
    fn told(&self) -> String {
        match self {
            Self::UnsupportedVersion => say!("refusal-unsupported-version"),
            Self::Forbidden => say!("refusal-forbidden"),
            Self::TooLarge { limit } => say!("refusal-too-large", limit = limit.to_string()),
            Self::TooMany { limit } => say!("refusal-too-many", limit = limit.to_string()),
            Self::Recipients(refused) => say!("refusal-recipients", count = refused.len()),
            Self::UnknownProfessional => say!("refusal-unknown-professional"),
            Self::RateLimited { after_ms } => say!("refusal-rate-limited", seconds = after_ms.div_ceil(1000)),
            Self::Busy { after_ms } => say!("refusal-busy", seconds = after_ms.div_ceil(1000)),
            Self::Full => say!("refusal-full"),
            Self::DiskFull => say!("refusal-disk-full"),
            Self::StoreFailed => say!("refusal-store-failed"),
            Self::Draining => say!("refusal-draining"),
            Self::Revoked => say!("refusal-revoked"),
            Self::NotFinal => say!("refusal-not-final"),
            Self::UnknownTicket => say!("refusal-unknown-ticket"),
            Self::TicketUsed => say!("refusal-ticket-used"),
            Self::TicketExpired => say!("enrol-expired"),
            other => say!("refusal-technical", reason = other.to_string()),
        }
    }
}
