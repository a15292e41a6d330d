//! That a device has destroyed what it had of a case, in its own signed words.

use std::fmt;

use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::CaseId;
use super::log::says_nothing;

/// What a device says in the last epoch of a case.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttestationSays {
    /// It has destroyed items, state and indexes; what is left goes once this stands in the log.
    Destroyed {
        /// When, by its clock.
        at: Timestamp,
    },
}

/// How far the erasure of a case is, as the device that ordered it knows.
#[derive(Clone, PartialEq, Eq)]
pub struct ErasureReport {
    /// The case.
    pub case: CaseId,
    /// When this device merged the Commit that erases it.
    pub at: Timestamp,
    /// Who ordered it.
    pub by: DeviceAddress,
    /// Devices that have attested that they have destroyed it, and when the relay took that.
    pub attested: Vec<(DeviceAddress, Timestamp)>,
    /// Devices that were in the case and have not. Nothing is assumed of them.
    pub missing: Vec<DeviceAddress>,
    /// When the relay took the order to erase the log; it does once every device has read it, or retention ends.
    pub at_relay: Option<Timestamp>,
}

says_nothing!(AttestationSays);

impl fmt::Debug for ErasureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErasureReport({} attested, {} missing)", self.attested.len(), self.missing.len())
    }
}
