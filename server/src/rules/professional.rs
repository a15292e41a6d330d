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
