//! A case as its members see it: what they say ([`Item`]), who they are ([`Member`]), and in what state it is.
//!
//! [`CaseState`] is a pure function over the log ([`LogEntry`]): urgent alerts ([`alert`]), the safety plan ([`plan`]),
//! tasks ([`task`]), handovers ([`handover`]) with their dossiers ([`dossier`]). `docs/states.md` has every transition of its machines.
//!
//! Everything here is plain data that the encrypted store holds or the user gives. Nothing of it reaches the relay
//! in the clear, and `Debug` shows none of it.

pub mod alert;
mod attestation;
mod deadline;
pub mod dossier;
mod draft;
mod duties;
mod fold;
pub mod handover;
mod hash;
mod ids;
mod item;
mod log;
mod member;
pub mod plan;
pub(crate) mod receipt;
mod shelf;
pub(crate) mod snapshot;
mod statement;
pub mod task;
mod turning;
mod view;
mod waiting;

pub use attestation::{AttestationSays, ErasureReport};
pub use deadline::{CLOCK_TOLERANCE, Deadline, Due, RANK_DELAY, due, next_due};
pub use draft::{DraftBody, DraftError, ItemDraft, MAX_ABOUT, MAX_BODY, MAX_LABEL, Sensitivity};
pub(crate) use duties::Seated;
pub use duties::{
    Closing, ClosingStage, Duties, DutyRefused, DutyStep, FileStatement, MAX_HANDOVERS, MAX_RECEIVERS, OpenHandover,
    Receiver,
};
pub use fold::{Applied, CaseState, Members, Refused, STATE_VERSION, Thing, Verdict};
pub use hash::ContentHash;
pub use ids::{CaseId, ItemId};
pub use item::{Body, Item, Position};
pub use log::{Author, Change, LogEntry, Person, Present, Said};
pub use member::{Member, Role};
pub use receipt::{MessageStatus, Reached, Recipient};
pub use snapshot::{Dispute, DisputeSays, SnapshotSays};
pub use statement::{MAX_LINE, MAX_LIST, MAX_TEXT, Statement};
pub use turning::CaseStep;
pub use view::{CaseStatus, CaseView, Delivery, Digest, OutboxEntry};
pub use waiting::Waiting;

#[cfg(test)]
mod tests;
