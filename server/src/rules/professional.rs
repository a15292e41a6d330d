//! Which devices a professional has here: those that have published KeyPackages.
//!
//! Refused: a device beyond [`MAX_DEVICES`].

use kring_protocol::ids::DeviceId;
use kring_protocol::limits::MAX_DEVICES;
use kring_protocol::refusal::Refusal;
use serde::{Deserialize, Serialize};

use crate::store::Position;

/// A professional's devices, in the order in which they came.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Professional {
    #[serde(rename = "p")]
    pub(crate) through: Position,
    #[serde(rename = "d")]
    devices: Vec<DeviceId>,
}

impl Professional {
    /// The devices.
    pub fn devices(&self) -> &[DeviceId] {
        &self.devices
    }

    /// Whether the device may publish.
    pub fn admit(&self, device: DeviceId) -> Result<(), Refusal> {
        if self.devices.contains(&device) || self.devices.len() < MAX_DEVICES {
            Ok(())
        } else {
            Err(Refusal::TooMany { limit: MAX_DEVICES as u64 })
        }
    }

    pub(crate) fn apply_published(&mut self, device: DeviceId) {
        if !self.devices.contains(&device) {
            self.devices.push(device);
        }
    }

    pub(crate) fn apply_revoked(&mut self, device: DeviceId) {
        self.devices.retain(|known| *known != device);
    }

    /// Bytes that it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        64 + self.devices.capacity() * DeviceId::LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> DeviceId {
        DeviceId([u8::try_from(number).expect("few devices"); 16])
    }

    #[test]
    fn a_professional_has_so_many_devices_and_a_revoked_one_makes_room() {
        let mut professional = Professional::default();
        for number in 1..=MAX_DEVICES {
            assert_eq!(professional.admit(device(number)), Ok(()), "{number}");
            professional.apply_published(device(number));
            professional.apply_published(device(number));
        }
        let all: Vec<_> = (1..=MAX_DEVICES).map(device).collect();
        assert_eq!(professional.devices(), all, "each once, in the order in which they came");
        let more = device(MAX_DEVICES + 1);
        assert_eq!(professional.admit(more), Err(Refusal::TooMany { limit: MAX_DEVICES as u64 }));
        assert_eq!(professional.admit(device(3)), Ok(()), "who is there already goes on");
        professional.apply_revoked(device(3));
        assert_eq!(professional.devices().len(), MAX_DEVICES - 1);
        assert_eq!(professional.admit(more), Ok(()));
    }

    #[test]
    fn a_professional_weighs_what_the_devices_take() {
        let mut professional = Professional::default();
        assert_eq!(professional.weight(), 64);
        (1..=MAX_DEVICES).for_each(|number| professional.apply_published(device(number)));
        let devices = MAX_DEVICES * DeviceId::LEN;
        assert!((64 + devices..=64 + 2 * devices).contains(&professional.weight()));
    }
}
