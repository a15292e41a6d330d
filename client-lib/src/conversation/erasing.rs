//! The end of a case: after the Commit that erases it every device destroys what it has, and says so.
//!
//! In the step in which a device merges that Commit, items, state, certificates and earlier groups of the case go; what is
//! left is the group's last state, to attest the destruction with, in a message that the device signs. Once that stands in
//! the log the group goes too. The device that ordered it keeps the list of who has attested and who has not, has the
//! relay erase the log when all have or after [`PATIENCE`], and then destroys its own last state. **A missing attestation
//! is reported, never assumed.**

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{GroupId, Timestamp};
use kring_protocol::message::{CursorMove, EraseGroup, MoveCursors, Reply, Request};
use kring_protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};

use super::Conversation;
use super::event::{Dropped, Event};
use super::io::Action;
use super::session::Asked;
use super::state::{CaseRecord, Device, GroupRecord};
use super::step::{Step, access};
use crate::case::{AttestationSays, CaseId, ErasureReport, Statement};
use crate::mls::group::Group;
use crate::store::StoreError;

/// How long the relay's log is kept for attestations that are missing: as long as relays keep what was not read.
pub(super) const PATIENCE: u64 = 30 * Timestamp::DAY;

/// A case that is being erased, or that this device has ordered to be.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Erasure {
    group: GroupId,
    at: Timestamp,
    by: Device,
    /// This device ordered it.
    ordered: bool,
    expected: Vec<Device>,
    attested: Vec<(Device, Timestamp)>,
    /// The user does not wait for those who are missing.
    impatient: bool,
    /// The relay has taken the order to erase the log.
    at_relay: Option<Timestamp>,
}

impl Erasure {
    fn is_complete(&self) -> bool {
        self.expected.iter().all(|device| self.attested.iter().any(|(other, _)| other == device))
    }

    fn report(self, case: CaseId) -> ErasureReport {
        let missing = self.expected.iter().filter(|device| !self.attested.iter().any(|(other, _)| other == *device));
        let missing = missing.cloned().map(DeviceAddress::from).collect();
        let attested = self.attested.into_iter().map(|(device, at)| (device.into(), at)).collect();
        ErasureReport { case, at: self.at, by: self.by.into(), attested, missing, at_relay: self.at_relay }
    }
}

impl Conversation {
    /// Cases that this device has ordered to be erased, or is erasing: who has attested it, and who has not.
    pub fn erasures(&self) -> Result<Vec<ErasureReport>, StoreError> {
        let rows = self.store.read().erasures::<Erasure>()?;
        Ok(rows.into_iter().map(|(case, erasure)| erasure.report(case)).collect())
    }
}

impl Step<'_> {
    /// The case's last Commit has been merged: what is said in it goes at once, and this device says so.
    pub(super) fn begin_erasing(
        &mut self,
        id: GroupId,
        state: &GroupRecord,
        group: &Group,
        by: &DeviceAddress,
    ) -> Result<(), StoreError> {
        let case = state.case;
        for intent in self.intents(case)? {
            self.drop_intent(case, intent.id, &intent.value, Dropped::Closed)?;
        }
        for other in self.tx.rows().groups()? {
            let theirs = self.group_record(other)?.is_some_and(|record| record.case == case);
            if theirs && other != id {
                self.destroy_group(other)?;
            }
        }
        self.tx.destroy_case(case)?;
        self.forget_own_marks(case)?;
        self.outgoing.remove(&case);
        self.tx.forget_audit_details(case)?;
        self.states.remove(&case);
        self.tx.write_case(case, &CaseRecord { title: String::new(), group: id })?;
        let seats = group.seats(self.party).map_err(|_| StoreError::Corrupt)?;
        let erasure = Erasure {
            group: id,
            at: self.now,
            by: by.into(),
            ordered: by == self.party.address(),
            expected: seats.iter().map(|seat| seat.device.address().into()).collect(),
            attested: Vec::new(),
            impatient: false,
            at_relay: None,
        };
        self.tx.write_erasure(case, &erasure)?;
        self.session.forget_case(case);
        self.tell(Event::Erasing { case, by: by.clone() });
        self.state_item(case, &Statement::Attestation(AttestationSays::Destroyed { at: self.now }))?;
        Ok(())
    }

    /// Whether a case is being erased: then nothing that is said in it is kept, but that somebody has destroyed it.
    pub(super) fn is_being_erased(&self, case: CaseId) -> Result<bool, StoreError> {
        Ok(self.tx.rows().erasure::<Erasure>(case)?.is_some())
    }

    /// A device has said something in a case that is being erased.
    pub(super) fn attested(
        &mut self,
        case: CaseId,
        device: &DeviceAddress,
        statement: Option<&Statement>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(mut erasure) = self.tx.rows().erasure::<Erasure>(case)? else { return Ok(()) };
        let known = erasure.attested.iter().any(|(other, _)| *other == Device::from(device));
        if !matches!(statement, Some(Statement::Attestation(AttestationSays::Destroyed { .. }))) || known {
            return Ok(());
        }
        erasure.attested.push((device.into(), at));
        self.tx.write_erasure(case, &erasure)?;
        self.tell(Event::Attested { case, device: device.clone() });
        self.session.erasing.insert(case);
        Ok(())
    }

    /// The relay no longer opens the log of a case that is being erased: it is gone there.
    pub(super) fn log_is_gone(&mut self, case: CaseId) -> Result<(), StoreError> {
        let Some(mut erasure) = self.tx.rows().erasure::<Erasure>(case)? else { return Ok(()) };
        if erasure.ordered {
            return self.erase_answered(case, &Err(Refusal::Forbidden));
        }
        // What it could not say any more it has done all the same; whoever ordered it reports it as missing.
        erasure.attested.push((self.party.address().into(), self.now));
        self.tx.write_erasure(case, &erasure)?;
        self.session.erasing.insert(case);
        Ok(())
    }

    /// Goes on with cases that are being erased; called when a step has done everything else.
    pub(super) fn go_on_erasing(&mut self) -> Result<(), StoreError> {
        while let Some(case) = self.session.erasing.pop_first() {
            let Some(erasure) = self.tx.rows().erasure::<Erasure>(case)? else { continue };
            let own = Device::from(self.party.address());
            if !erasure.attested.iter().any(|(device, _)| *device == own) {
                continue;
            }
            if !erasure.ordered {
                self.forget_case(case, erasure.group)?;
                self.tx.delete_erasure(case)?;
                continue;
            }
            let over = erasure.impatient || self.now.since(erasure.at) >= PATIENCE;
            if erasure.at_relay.is_none() && self.session.connected && (over || erasure.is_complete()) {
                let group = self.take(erasure.group)?;
                let epoch = group.epoch();
                self.put(erasure.group, group);
                let request = Request::EraseGroup(EraseGroup { access: access(erasure.group, epoch) });
                self.ask(Asked::Erase(case), request);
            }
        }
        Ok(())
    }

    /// After a start or on a new connection: what was not done is asked for again.
    pub(super) fn resume_erasing(&mut self) -> Result<(), StoreError> {
        for (case, erasure) in self.tx.rows().erasures::<Erasure>()? {
            if erasure.at_relay.is_none() {
                self.session.erasing.insert(case);
            }
        }
        Ok(())
    }

    /// The user does not wait for those who have not attested.
    pub(super) fn erase_without_waiting(&mut self, case: CaseId) -> Result<bool, StoreError> {
        let Some(mut erasure) = self.tx.rows().erasure::<Erasure>(case)? else { return Ok(false) };
        erasure.impatient = true;
        self.tx.write_erasure(case, &erasure)?;
        self.session.erasing.insert(case);
        Ok(erasure.ordered)
    }

    /// The relay's answer to the order to erase the log.
    pub(super) fn erase_answered(
        &mut self,
        case: CaseId,
        answer: &Result<Vec<Reply>, Refusal>,
    ) -> Result<(), StoreError> {
        let Some(mut erasure) = self.tx.rows().erasure::<Erasure>(case)? else { return Ok(()) };
        // Where it does not open the log any more, the log was gone before the answer could be heard. Everything else is
        // asked again on the next connection.
        if answer.as_ref().is_err_and(|refusal| *refusal != Refusal::Forbidden) {
            return Ok(());
        }
        erasure.at_relay = Some(self.now);
        self.tx.write_erasure(case, &erasure)?;
        self.forget_case(case, erasure.group)?;
        self.tell(Event::Erased { report: erasure.report(case) });
        Ok(())
    }

    /// Destroys the last that this device has of a case.
    fn forget_case(&mut self, case: CaseId, group: GroupId) -> Result<(), StoreError> {
        if let Some(state) = self.group_record(group)?
            && self.session.connected
        {
            let moves = vec![CursorMove { group, cursor: state.cursor, seq: None }];
            self.ask(Asked::Nothing, Request::MoveCursors(MoveCursors { moves }));
        }
        self.actions.push(Action::Unfollow { group });
        self.destroy_group(group)?;
        self.tx.destroy_case(case)?;
        self.forget_own_marks(case)?;
        self.outgoing.remove(&case);
        self.tx.forget_audit_details(case)?;
        self.tx.delete_case(case)?;
        self.states.remove(&case);
        self.session.forget_case(case);
        self.tell(Event::Gone { case });
        Ok(())
    }

    fn destroy_group(&mut self, id: GroupId) -> Result<(), StoreError> {
        let known = match self.groups.remove(&id) {
            Some(group) => Some(group),
            None => Group::load(&self.tx.rows(), id)?,
        };
        if let Some(mut group) = known {
            group.destroy(self.party, self.tx)?;
        }
        self.tx.delete_group(id)?;
        self.session.live.remove(&id);
        self.session.moved.remove(&id);
        Ok(())
    }
}
