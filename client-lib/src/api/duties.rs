//! Handing over, closing and erasing a case.

use std::fmt;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use tokio::sync::oneshot;

use super::case::Case;
use super::error::CallError;
use super::pending::{Changed, Pending, Sent};
use crate::case::dossier::{DossierChoice, DossierError, DossierSection, DossierSuggestion};
use crate::case::handover::{HandoverSays, Offer, Summary, Urgency};
use crate::case::{ContentHash, Duties, DutyRefused, DutyStep, FileStatement, ItemDraft, ItemId, Refused, Statement};
use crate::conversation::{Command, CommandError};
use crate::driver::Waiter;

/// What is handed over, and to whom; the dossier is chosen apart from it.
#[derive(Clone)]
pub struct HandoverDraft {
    /// All who have to be ready, in any order.
    pub to: Vec<ProfessionalAddress>,
    /// Who of them becomes coordinator with it.
    pub coordinator: Option<ProfessionalAddress>,
    /// What responsibility, in a line.
    pub scope: String,
    /// How urgent.
    pub urgency: Urgency,
    /// The situation.
    pub summary: Summary,
    /// What is to be done, one by one.
    pub actions: Vec<String>,
    /// What to do if it goes wrong.
    pub contingency: String,
    /// By when the receivers should have started.
    pub start_by: Option<Timestamp>,
    /// Until when every receiver has to be ready; it expires otherwise.
    pub accept_by: Option<Timestamp>,
}

/// Why something about a handover is not done.
#[derive(Debug, thiserror::Error)]
pub enum NotOffered {
    /// The dossier cannot be made or read.
    #[error(transparent)]
    Dossier(#[from] DossierError),
    /// The call was not taken.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl HandoverDraft {
    fn offer(self) -> Offer {
        let mut to = self.to;
        to.sort_unstable();
        to.dedup();
        Offer {
            to,
            coordinator: self.coordinator,
            scope: self.scope,
            urgency: self.urgency,
            summary: self.summary,
            actions: self.actions,
            contingency: self.contingency,
            start_by: self.start_by,
            accept_by: self.accept_by,
            dossier: Vec::new(),
        }
    }
}

impl Case {
    /// Who is responsible for the family, and what is under way about it, as all members agree on it.
    pub async fn duties(&self) -> Result<(Vec<ProfessionalAddress>, Duties), CallError> {
        let id = self.id;
        let duties = self.client.query(move |conversation| conversation.duties(id)).await?;
        duties.ok_or(CallError::Command(CommandError::UnknownCase))
    }

    /// A suggestion of what a dossier could hold: the plan, what is open, what was said; nothing restricted. `source` and
    /// `purpose` are noted beside each entry.
    pub async fn suggest_dossier(&self, source: &str, purpose: &str) -> Result<DossierSuggestion, CallError> {
        let (id, source, purpose) = (self.id, source.to_owned(), purpose.to_owned());
        self.client.query(move |conversation| conversation.suggest_dossier(id, &source, &purpose)).await
    }

    /// Exactly what receivers will see of a choice.
    pub async fn preview_dossier(&self, choice: DossierChoice) -> Result<Vec<DossierSection>, NotOffered> {
        let id = self.id;
        Ok(self.client.query(move |conversation| conversation.preview_dossier(id, &choice)).await??)
    }

    /// Offers a handover with its dossier. The identifier is the handover's; it stands when the change is done.
    pub async fn offer_handover(
        &self,
        draft: HandoverDraft,
        choice: DossierChoice,
    ) -> Result<(ItemId, Pending<Changed>), NotOffered> {
        let (id, offer) = (self.id, draft.offer());
        let packed = self.client.query(move |conversation| conversation.pack_dossier(id, &choice, offer)).await?;
        let (parts, offer) = packed?;
        let from = self.client.address().professional.clone();
        let item = ItemId::random();
        let statement = Statement::Handover(HandoverSays::Offer(Box::new(offer.clone())));
        let mut before: Vec<_> = parts.iter().map(|part| (ItemId::random(), part.draft())).collect();
        let step = DutyStep::Offer(offer.step(item, statement.hash(), from));
        before.push((item, statement.draft()));
        Ok((item, self.take(before, step, Vec::new()).await?))
    }

    /// Opens a section of a dossier, and, as a receiver's, says so.
    pub async fn open_section(&self, handover: ItemId, section: u64) -> Result<DossierSection, NotOffered> {
        let id = self.id;
        let found =
            self.client.query(move |conversation| conversation.dossier_section(id, handover, section)).await??;
        let own = self.client.address().professional.clone();
        let state = self.client.query(move |conversation| conversation.state(id)).await?;
        let stands = state.handover(handover).filter(|handover| handover.is_open());
        let reception = stands.and_then(|handover| handover.reception(&own));
        if reception.is_some_and(|reception| reception.received.is_some() && !reception.opened.contains(&section)) {
            self.say(HandoverSays::Opened { handover, section }).await?;
        }
        Ok(found)
    }

    /// Asks the sender something about a handover.
    pub async fn ask(&self, handover: ItemId, text: impl Into<String>) -> Result<Sent, CallError> {
        self.say(HandoverSays::Ask { handover, text: text.into() }).await
    }

    /// Answers a receiver's question.
    pub async fn answer(
        &self,
        handover: ItemId,
        question: ItemId,
        text: impl Into<String>,
    ) -> Result<Sent, CallError> {
        self.say(HandoverSays::Answer { handover, question, text: text.into() }).await
    }

    /// Says in one's own words what has been understood, once every section of the dossier has been opened.
    pub async fn understand(&self, handover: ItemId, text: impl Into<String>) -> Result<Sent, CallError> {
        self.say(HandoverSays::Synthesis { handover, text: text.into() }).await
    }

    /// Says what of a receiver's synthesis is missing or wrong.
    pub async fn correct(
        &self,
        handover: ItemId,
        receiver: &ProfessionalAddress,
        text: impl Into<String>,
    ) -> Result<Sent, CallError> {
        let synthesis = self.synthesis(handover, receiver).await?.0;
        self.say(HandoverSays::Correct { handover, synthesis, text: text.into() }).await
    }

    /// Confirms a receiver's synthesis.
    pub async fn confirm(
        &self,
        handover: ItemId,
        receiver: &ProfessionalAddress,
    ) -> Result<Pending<Changed>, CallError> {
        let synthesis = self.synthesis(handover, receiver).await?.1;
        let receiver = receiver.clone();
        self.take(Vec::new(), DutyStep::Confirm { offer: handover, receiver, synthesis }, Vec::new()).await
    }

    /// "I can start": when.
    pub async fn ready(&self, handover: ItemId, start: Timestamp) -> Result<Pending<Changed>, CallError> {
        let receiver = self.client.address().professional.clone();
        self.take(Vec::new(), DutyStep::Ready { offer: handover, receiver, start }, Vec::new()).await
    }

    /// Completes a handover: responsibility moves with the Commit that the change is.
    pub async fn complete(&self, handover: ItemId) -> Result<Pending<Changed>, CallError> {
        self.take(Vec::new(), DutyStep::Complete { offer: handover }, Vec::new()).await
    }

    /// Ends a handover without moving anything: declines it as a receiver, withdraws it as the sender, or clears it away
    /// as the coordinator or a deputy.
    pub async fn end_handover(
        &self,
        handover: ItemId,
        reason: impl Into<String>,
    ) -> Result<Pending<Changed>, CallError> {
        let reason = Statement::Handover(HandoverSays::Reason { handover, text: reason.into() });
        reason.check().map_err(|refused| CallError::Command(CommandError::Refused(refused)))?;
        let after = vec![(ItemId::random(), reason.draft())];
        self.take(Vec::new(), DutyStep::End { offer: handover }, after).await
    }

    /// Proposes to close the case. `keep_days`: after so many days from its closing it is to be erased.
    pub async fn propose_closing(&self, keep_days: u64) -> Result<Pending<Changed>, CallError> {
        self.take(Vec::new(), DutyStep::ProposeClosing { keep_days }, Vec::new()).await
    }

    /// Takes the proposal back.
    pub async fn withdraw_closing(&self) -> Result<Pending<Changed>, CallError> {
        self.take(Vec::new(), DutyStep::WithdrawClosing, Vec::new()).await
    }

    /// States for one's own organisation what becomes of its own file.
    pub async fn state_file(&self, statement: FileStatement) -> Result<Pending<Changed>, CallError> {
        let organisation = self.client.address().professional.domain().to_owned();
        self.take(Vec::new(), DutyStep::State { organisation, statement }, Vec::new()).await
    }

    /// Closes the case: it is read only from then on.
    pub async fn close(&self) -> Result<Pending<Changed>, CallError> {
        self.take(Vec::new(), DutyStep::Close, Vec::new()).await
    }

    /// Has one's own organisation hold the case back from being erased.
    pub async fn hold(&self) -> Result<Pending<Changed>, CallError> {
        let organisation = self.client.address().professional.domain().to_owned();
        self.take(Vec::new(), DutyStep::Hold { organisation }, Vec::new()).await
    }

    /// Lifts an organisation's hold: one's own, or as the coordinator that of one that nobody in the case is of.
    pub async fn lift_hold(&self, organisation: impl Into<String>) -> Result<Pending<Changed>, CallError> {
        self.take(Vec::new(), DutyStep::Lift { organisation: organisation.into() }, Vec::new()).await
    }

    /// Erases the case on every device, and then at the relay. Who attests it, and who does not, is told by
    /// [`Client::erasures`](super::Client::erasures).
    pub async fn erase(&self) -> Result<Pending<Changed>, CallError> {
        self.take(Vec::new(), DutyStep::Erase, Vec::new()).await
    }

    /// Has the relay erase the case although attestations are missing; they stay reported as missing.
    pub async fn finish_erasing(&self) -> Result<(), CallError> {
        self.client.call(Command::FinishErasing { case: self.id }, Waiter::Nobody).await
    }

    /// Item and hash of a receiver's latest synthesis.
    async fn synthesis(
        &self,
        handover: ItemId,
        receiver: &ProfessionalAddress,
    ) -> Result<(ItemId, ContentHash), CallError> {
        let id = self.id;
        let state = self.client.query(move |conversation| conversation.state(id)).await?;
        let stands = state.handover(handover).ok_or(CommandError::Duty(DutyRefused::NoHandover))?;
        let reception = stands.reception(receiver).ok_or(CommandError::Duty(DutyRefused::NotYours))?;
        let synthesis = reception.synthesis.as_ref().ok_or(CommandError::Refused(Refused::NoSuchThing))?;
        Ok((synthesis.item, synthesis.hash))
    }

    async fn say(&self, says: HandoverSays) -> Result<Sent, CallError> {
        self.send(Statement::Handover(says).draft()).await
    }

    async fn take(
        &self,
        before: Vec<(ItemId, ItemDraft)>,
        step: DutyStep,
        after: Vec<(ItemId, ItemDraft)>,
    ) -> Result<Pending<Changed>, CallError> {
        let (answer, outcome) = oneshot::channel();
        let command = Command::Duty { case: self.id, before, step, after };
        self.client.call(command, Waiter::Changed(answer)).await?;
        Ok(Pending::new(outcome))
    }
}

impl fmt::Debug for HandoverDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandoverDraft(..)")
    }
}
