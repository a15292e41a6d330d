//! One case, as a handle.

use std::fmt;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::DeviceId;

use super::error::CallError;
use super::pending::{Added, Changed, Pending, Sent};
use crate::case::{CaseId, CaseView, Digest, Item, ItemDraft, Member, OutboxEntry, Position, Role};

/// A case of this device. Everything that changes it is stored when the call returns and done when the relay can be
/// reached; [`Sent`] and [`Pending`] tell when.
#[derive(Clone)]
pub struct Case {
    id: CaseId,
}

impl Case {
    /// Its identifier.
    pub fn id(&self) -> CaseId {
        self.id
    }

    /// Where it stands: title, state, own role, group, epoch.
    pub async fn view(&self) -> Result<CaseView, CallError> {
        todo!()
    }

    /// What its members call it.
    pub async fn title(&self) -> Result<String, CallError> {
        todo!()
    }

    /// Says something.
    pub async fn send(&self, draft: ItemDraft) -> Result<Sent, CallError> {
        let _ = draft;
        todo!()
    }

    /// At most `limit` items after a position (`Position(0)`: from the first), in the order of the log.
    pub async fn items(&self, after: Position, limit: usize) -> Result<Vec<Item>, CallError> {
        let _ = (after, limit);
        todo!()
    }

    /// The devices in it.
    pub async fn members(&self) -> Result<Vec<Member>, CallError> {
        todo!()
    }

    /// What of ours is under way.
    pub async fn outbox(&self) -> Result<Vec<OutboxEntry>, CallError> {
        todo!()
    }

    /// Digest of the items after a position: equal on two devices that hold the same.
    pub async fn digest(&self, after: Position) -> Result<Digest, CallError> {
        let _ = after;
        todo!()
    }

    /// Adds all devices of a professional.
    pub async fn add(&self, professional: ProfessionalAddress, role: Role) -> Result<Pending<Added>, CallError> {
        let _ = (professional, role);
        todo!()
    }

    /// Adds one device of a professional.
    pub async fn add_device(
        &self,
        professional: ProfessionalAddress,
        device: DeviceId,
        role: Role,
    ) -> Result<Pending<Added>, CallError> {
        let _ = (professional, device, role);
        todo!()
    }

    /// Removes all devices of a professional.
    pub async fn remove(&self, professional: ProfessionalAddress) -> Result<Pending<Changed>, CallError> {
        let _ = professional;
        todo!()
    }

    /// Removes one device of a professional.
    pub async fn remove_device(
        &self,
        professional: ProfessionalAddress,
        device: DeviceId,
    ) -> Result<Pending<Changed>, CallError> {
        let _ = (professional, device);
        todo!()
    }

    /// Gives a professional another role.
    pub async fn set_role(
        &self,
        professional: ProfessionalAddress,
        role: Role,
    ) -> Result<Pending<Changed>, CallError> {
        let _ = (professional, role);
        todo!()
    }

    /// Asks to leave. Done when another member's device has carried it out, which can take as long as nobody is
    /// online.
    pub async fn leave(&self) -> Result<Pending<Changed>, CallError> {
        todo!()
    }

    /// Gives this device fresh keys.
    pub async fn update_keys(&self) -> Result<Pending<Changed>, CallError> {
        todo!()
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Case(..)")
    }
}
