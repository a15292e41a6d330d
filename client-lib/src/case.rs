//! A case as its members see it: what they say ([`Item`]), who they are ([`Member`]), and in what state it is.
//!
//! Everything here is plain data that the encrypted store holds or the user gives. Nothing of it reaches the relay
//! in the clear, and `Debug` shows none of it.

mod draft;
mod duties;
mod hash;
mod ids;
mod item;
mod member;
mod view;

pub use draft::{DraftBody, DraftError, ItemDraft, MAX_ABOUT, MAX_BODY, MAX_LABEL, Sensitivity};
pub(crate) use duties::Seated;
pub use duties::{
    Closing, ClosingStage, Duties, DutyRefused, DutyStep, FileStatement, MAX_HANDOVERS, MAX_RECEIVERS, OpenHandover,
    Receiver,
};
pub use hash::ContentHash;
pub use ids::{CaseId, ItemId};
pub use item::{Body, Item, Position};
pub use member::{Member, Role};
pub use view::{CaseStatus, CaseView, Delivery, Digest, OutboxEntry};
