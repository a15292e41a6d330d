//! Who this device is and whom it believes: its profile folder, its certificate and key, and the TLS configuration
//! with which it meets a relay.
//!
//! Refused here: a certificate that is not this key's, that no pinned region root vouches for, or that is not a
//! device's; a relay whose certificate is not its own. TLS is 1.3 (RFC 8446), with X25519MLKEM768 and nothing else.

mod device;
mod profile;
mod relay_address;
mod safety_number;
mod setup;
mod tls;
pub mod wipe;

pub(crate) use device::Identity;
pub use profile::{Profile, ProfileError};
pub use relay_address::{RelayAddress, RelayAddressError};
pub use safety_number::{NotANumber, SafetyNumber};
pub use setup::{Setup, SetupError};
pub(crate) use tls::{Presented, enrol_tls};
