//! One's own devices: each has a leaf of its own in every case, and comes in through one that is there already.
//!
//! A member adds and removes devices of the own professional, whatever the role; nobody is asked but the user, who has
//! compared the new device's number. Refused: a device that shows another number; this device itself.

use kring_protocol::ids::{DeviceId, GroupId};

use super::state::{Intent, Want};
use super::step::Step;
use super::{CommandError, StepError};
use crate::case::CaseId;
use crate::identity::SafetyNumber;
use crate::store::StoreError;

impl Step<'_> {
    /// Adds another device to all cases that this one is in.
    pub(super) fn add_own_device(&mut self, device: DeviceId, number: SafetyNumber) -> Result<(), StepError> {
        if device == self.party.address().device {
            return Err(CommandError::NotOwnDevice.into());
        }
        let professional = self.party.address().professional.clone();
        for case in self.tx.rows().cases()? {
            let Ok(group) = self.open_case(case) else { continue };
            if let Some((_, shown)) = self.own_devices(group)?.into_iter().find(|(own, _)| *own == device) {
                if shown != number {
                    return Err(CommandError::OtherNumber.into());
                }
                continue;
            }
            if self.is_added(case, device, number)? {
                continue;
            }
            let mls = self.take(group)?;
            let role = mls.context().and_then(|context| context.role(&professional));
            self.put(group, mls);
            let Some(role) = role else { continue };
            let want = Want::Add {
                professional: professional.clone(),
                device: Some(device),
                role,
                claimed: None,
                along: None,
            };
            self.session.dirty.insert(case);
            self.append_intent(case, &Intent { number: Some(number), ..Intent::new(self.now, want) })?;
        }
        Ok(())
    }

    /// Takes another device out of all cases that this one is in.
    pub(super) fn drop_own_device(&mut self, device: DeviceId) -> Result<(), StepError> {
        if device == self.party.address().device {
            return Err(CommandError::Oneself.into());
        }
        let professional = self.party.address().professional.clone();
        let mut found = false;
        for case in self.tx.rows().cases()? {
            let Ok(group) = self.open_case(case) else { continue };
            if self.own_devices(group)?.iter().any(|(own, _)| *own == device) {
                found = true;
                self.queue(case, Want::Remove { professional: professional.clone(), device: Some(device) })?;
            }
        }
        if found { Ok(()) } else { Err(CommandError::NotOwnDevice.into()) }
    }

    /// Whether the outbox holds that a device is added that shows this number. With another number, mistyped before, it will
    /// be refused.
    fn is_added(&self, case: CaseId, id: DeviceId, number: SafetyNumber) -> Result<bool, StoreError> {
        let adds = |want: &Want| matches!(want, Want::Add { device: Some(device), .. } if *device == id);
        let same = |intent: &Intent| intent.number == Some(number) && adds(&intent.want);
        Ok(self.intents(case)?.iter().any(|intent| same(&intent.value)))
    }

    /// The own professional's devices in a group, with the numbers that they show.
    fn own_devices(&mut self, group: GroupId) -> Result<Vec<(DeviceId, SafetyNumber)>, StoreError> {
        let mls = self.take(group)?;
        let seats = mls.seats(self.party).map_err(|_| StoreError::Corrupt);
        self.put(group, mls);
        let own = &self.party.address().professional;
        let devices = seats?.into_iter().map(|seat| seat.device);
        let own = devices.filter(|device| device.address().professional == *own);
        Ok(own.map(|device| (device.address().device, SafetyNumber::of_device(&device))).collect())
    }
}
