//! Who can be added: professionals, by name, organisation, function and address.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::payload::Payload;
use crate::wire::structure;

/// What somebody looks for. `Debug` does not show it: it is mostly a name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SearchText(pub String);

impl fmt::Debug for SearchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SearchText(..)")
    }
}

impl From<&str> for SearchText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

structure! {
    /// Looks for devices whose certificate has, for each word of the text, a word that begins so.
    pub struct SearchDirectory {
        /// Words with blanks between them.
        0 => text: SearchText;
        /// Most devices in the answer.
        1 => limit: u64;
    }
}

structure! {
    /// The devices found.
    pub struct Found {
        /// Ordered by address, the devices of a professional together.
        0 => devices: FoundDevice, list;
        /// There are more.
        1 => more: bool;
    }
}

structure! {
    /// A device that can be added. The relay's word counts for nothing: the client verifies the chain.
    pub struct FoundDevice {
        /// Its certificates as it showed them to the relay, DER, the device's first.
        0 => chain: Payload, list;
    }
}
