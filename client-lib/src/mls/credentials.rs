//! What this device shows of itself and whom it believes.

use std::fmt;

use zeroize::Zeroizing;

/// A device's certificate chain, its key, and the roots that it pins.
#[derive(Clone)]
pub struct DeviceCredentials {
    /// The certificate chain in DER, the device's own first, without the root.
    pub chain: Vec<Vec<u8>>,
    /// Seed of the certificate's Ed25519 key (RFC 8032 §5.1.5).
    pub key: Zeroizing<[u8; 32]>,
    /// The pinned region roots, in DER.
    pub anchors: Vec<Vec<u8>>,
    /// Certificate revocation lists, in DER.
    pub crls: Vec<Vec<u8>>,
}

impl fmt::Debug for DeviceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCredentials(..)")
    }
}
