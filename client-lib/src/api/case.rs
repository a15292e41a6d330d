//! One case, as a handle.

use std::fmt;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::{DeviceId, Seq};
use tokio::sync::oneshot;

use super::client::Client;
use super::error::CallError;
use super::pending::{Added, Changed, Pending, Sent};
use crate::case::{
    CaseId, CaseState, CaseView, Digest, Item, ItemDraft, ItemId, Member, MessageStatus, OutboxEntry, Position, Role,
    Statement, Waiting,
};
use crate::conversation::{AsOf, CaseNumbers, Command, CommandError, Coordination, MergedChange};
use crate::driver::Waiter;

/// A case of this device. Everything that changes it is stored when the call returns and done when the relay can be
/// reached; [`Sent`] and [`Pending`] tell when.
#[derive(Clone)]
pub struct Case {
    pub(super) client: Client,
    pub(super) id: CaseId,
}

impl Case {
    pub(super) fn new(client: Client, id: CaseId) -> Self {
        Self { client, id }
    }

    /// Its identifier.
    pub fn id(&self) -> CaseId {
        self.id
    }

    /// Where it stands: title, state, own role, group, epoch.
    pub async fn view(&self) -> Result<CaseView, CallError> {
        let id = self.id;
        let view = self.client.query(move |conversation| conversation.case(id)).await?;
        view.ok_or(CallError::Command(CommandError::UnknownCase))
    }

    /// What its members call it.
    pub async fn title(&self) -> Result<String, CallError> {
        Ok(self.view().await?.title)
    }

    /// Says something.
    pub async fn send(&self, draft: ItemDraft) -> Result<Sent, CallError> {
        let item = ItemId::random();
        let (answer, outcome) = oneshot::channel();
        self.client.call(Command::Send { case: self.id, item, draft }, Waiter::Item(answer)).await?;
        Ok(Sent::new(item, outcome))
    }

    /// Says something although a revocation list is overdue for too long, or a member's certificate has ended
    /// ([`Held`](crate::conversation::Held)): the user's explicit word. Never to somebody who is known to be revoked.
    pub async fn send_anyway(&self, draft: ItemDraft) -> Result<Sent, CallError> {
        let item = ItemId::random();
        let (answer, outcome) = oneshot::channel();
        self.client.call(Command::SendAnyway { case: self.id, item, draft }, Waiter::Item(answer)).await?;
        Ok(Sent::new(item, outcome))
    }

    /// The numbers that its members compare: equal on all devices that are in the same epoch and have seen the same.
    pub async fn numbers(&self) -> Result<CaseNumbers, CallError> {
        let id = self.id;
        let numbers = self.client.query(move |conversation| conversation.numbers(id)).await?;
        numbers.ok_or(CallError::Command(CommandError::UnknownCase))
    }

    /// Who coordinates it, and whether this device's user may claim it.
    pub async fn coordination(&self) -> Result<Coordination, CallError> {
        let id = self.id;
        let coordination = self.client.query(move |conversation| conversation.coordination(id)).await?;
        coordination.ok_or(CallError::Command(CommandError::UnknownCase))
    }

    /// Takes the coordinator's role in a case without a coordinator, or says that the coordinator is gone.
    pub async fn claim(&self) -> Result<Pending<Changed>, CallError> {
        self.change(Command::Claim { case: self.id }).await
    }

    /// Confirms that the coordinator is gone: whoever has claimed the case gets the role.
    pub async fn confirm_claim(&self) -> Result<Pending<Changed>, CallError> {
        self.change(Command::ConfirmClaim { case: self.id }).await
    }

    /// Takes a claim of one's own back.
    pub async fn withdraw_claim(&self) -> Result<Pending<Changed>, CallError> {
        self.change(Command::WithdrawClaim { case: self.id }).await
    }

    /// At most `limit` items after a position (`Position(0)`: from the first), in the order of the log.
    pub async fn items(&self, after: Position, limit: usize) -> Result<Vec<Item>, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.items(id, after, limit)).await
    }

    /// Its state: what follows from its log.
    pub async fn state(&self) -> Result<CaseState, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.state(id)).await
    }

    /// What it was after a record of the group that carries it now.
    pub async fn as_of(&self, record: Seq) -> Result<AsOf, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.as_of(id, record)).await
    }

    /// The changes of its group, in the order of its log, as this device has merged them: who was in it from each on, and
    /// who answered for the family.
    pub async fn changes(&self) -> Result<Vec<MergedChange>, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.changes(id)).await
    }

    /// Says something of our own kinds: alerts, plan, tasks. Refused at once if it would not count as things stand.
    pub async fn state_that(&self, statement: &Statement) -> Result<Sent, CallError> {
        self.send(statement.draft()).await
    }

    /// Notes that the user has read it up to an item; told to the others with the next receipt.
    pub async fn mark_read(&self, position: Position) -> Result<(), CallError> {
        self.client.call(Command::MarkRead { case: self.id, position }, Waiter::Nobody).await
    }

    /// Acknowledges an item that somebody said; told to the others with the next receipt. Alerts are acknowledged by a
    /// [`Statement`], which goes at once.
    pub async fn acknowledge(&self, item: ItemId) -> Result<(), CallError> {
        self.client.call(Command::Acknowledge { case: self.id, item }, Waiter::Nobody).await
    }

    /// How far an own item is, and with whom; `None`: there is none.
    pub async fn message_status(&self, item: ItemId) -> Result<Option<MessageStatus>, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.message_status(id, item)).await
    }

    /// Up to where the user has read it on this device.
    pub async fn read_up_to(&self) -> Result<Position, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.read_up_to(id)).await
    }

    /// How many items of others the user has not read, counted up to `most`.
    pub async fn unread(&self, most: usize) -> Result<usize, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.unread(id, most)).await
    }

    /// What waits for this professional in it, alerts first.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, CallError> {
        let who = self.client.address().professional.clone();
        Ok(self.state().await?.waiting_for(&who))
    }

    /// The devices in it.
    pub async fn members(&self) -> Result<Vec<Member>, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.members(id)).await
    }

    /// What of ours is under way.
    pub async fn outbox(&self) -> Result<Vec<OutboxEntry>, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.outbox(id)).await
    }

    /// Digest of the items after a position: equal on two devices that hold the same.
    pub async fn digest(&self, after: Position) -> Result<Digest, CallError> {
        let id = self.id;
        self.client.query(move |conversation| conversation.digest(id, after)).await
    }

    /// Adds all devices of a professional.
    pub async fn add(&self, professional: ProfessionalAddress, role: Role) -> Result<Pending<Added>, CallError> {
        self.add_any(professional, None, role).await
    }

    /// Adds one device of a professional.
    pub async fn add_device(
        &self,
        professional: ProfessionalAddress,
        device: DeviceId,
        role: Role,
    ) -> Result<Pending<Added>, CallError> {
        self.add_any(professional, Some(device), role).await
    }

    async fn add_any(
        &self,
        professional: ProfessionalAddress,
        device: Option<DeviceId>,
        role: Role,
    ) -> Result<Pending<Added>, CallError> {
        let (answer, outcome) = oneshot::channel();
        let command = Command::Add { case: self.id, professional, device, role };
        self.client.call(command, Waiter::Added(answer)).await?;
        Ok(Pending::new(outcome))
    }

    /// Removes all devices of a professional.
    pub async fn remove(&self, professional: ProfessionalAddress) -> Result<Pending<Changed>, CallError> {
        self.change(Command::Remove { case: self.id, professional, device: None }).await
    }

    /// Removes one device of a professional.
    pub async fn remove_device(
        &self,
        professional: ProfessionalAddress,
        device: DeviceId,
    ) -> Result<Pending<Changed>, CallError> {
        self.change(Command::Remove { case: self.id, professional, device: Some(device) }).await
    }

    /// Gives a professional another role.
    pub async fn set_role(
        &self,
        professional: ProfessionalAddress,
        role: Role,
    ) -> Result<Pending<Changed>, CallError> {
        self.change(Command::SetRole { case: self.id, professional, role }).await
    }

    /// Asks to leave. Done when another member's device has carried it out, which can take as long as nobody is
    /// online.
    pub async fn leave(&self) -> Result<Pending<Changed>, CallError> {
        self.change(Command::Leave { case: self.id }).await
    }

    /// Gives this device fresh keys.
    pub async fn update_keys(&self) -> Result<Pending<Changed>, CallError> {
        self.change(Command::UpdateKeys { case: self.id }).await
    }

    pub(super) async fn change(&self, command: Command) -> Result<Pending<Changed>, CallError> {
        let (answer, outcome) = oneshot::channel();
        self.client.call(command, Waiter::Changed(answer)).await?;
        Ok(Pending::new(outcome))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Case(..)")
    }
}
