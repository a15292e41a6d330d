//! Own messages whose records expired, or were passed over, before this device read them back: they are finished from
//! what is stored, since their record never comes.

use kring_protocol::ids::{GroupId, Seq};
use kring_protocol::message::Record;

use super::log::Spoken;
use super::outgoing::UnderWay;
use super::state::{Stage, Want};
use super::step::Step;
use crate::store::{Numbered, StoreError};

impl Step<'_> {
    /// Finishes what the relay has accepted up to a record that this device reads no more.
    pub(super) fn finish_missed(&mut self, id: GroupId, through: Seq) -> Result<(), StoreError> {
        let Some(state) = self.group_record(id)? else { return Ok(()) };
        let accepted = |one: &UnderWay| one.group == id && one.accepted.is_some_and(|seq| seq <= through);
        for one in self.outgoing(state.case)?.under_way().into_iter().filter(accepted) {
            let Some(value) = self.intent(one.id)? else { continue };
            let mut intent = Numbered { id: one.id, value };
            let (Stage::Submitted(submission), Some(seq)) = (&intent.value.stage, one.accepted) else { continue };
            match &intent.value.want {
                Want::Item { .. } => {
                    let plaintext = submission.item.clone().ok_or(StoreError::Corrupt)?;
                    let record = Record {
                        seq,
                        at: self.now,
                        operation: submission.operation,
                        message: Vec::new().into(),
                        next_access_key: None,
                        closes: None,
                    };
                    let (own, epoch) = (self.party.verified().clone(), submission.epoch);
                    self.delete_intent(state.case, intent.id, &intent.value.want)?;
                    self.said(id, &state, &own, Spoken::ByThisDevice(&plaintext), &record, epoch)?;
                }
                // Others may have missed it as well: it is said again.
                Want::Leave => {
                    intent.value.stage = Stage::Queued;
                    self.write_intent(state.case, intent.id, &intent.value)?;
                }
                // A missing Commit puts the device out of step; an opening has no record.
                Want::Open { .. }
                | Want::Add { .. }
                | Want::Remove { .. }
                | Want::SetRole { .. }
                | Want::Duty { .. }
                | Want::Claim { .. }
                | Want::UpdateKeys
                | Want::Sweep => continue,
            }
            self.session.busy.remove(&intent.id);
            self.session.retry_at.remove(&intent.id);
            self.session.dirty.insert(state.case);
        }
        Ok(())
    }
}
