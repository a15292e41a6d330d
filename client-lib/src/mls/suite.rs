//! The ciphersuite of every group and of every note: hybrid post-quantum key encapsulation.
//!
//! There is no choice of one, so that nobody can be talked into a weaker one. The tests of another implementation
//! alone, which is to be tried in a classical suite as well, have a switch that is in no program that is installed.

use openmls::prelude::Ciphersuite;

/// `MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519` (0x004F, draft-ietf-mls-pq-ciphersuites; its code point is
/// provisional).
const POST_QUANTUM: Ciphersuite = Ciphersuite::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519;

/// Length of an X-Wing public key (draft-connolly-cfrg-xwing-kem §5.2): ML-KEM-768's 1184 bytes and X25519's 32.
const X_WING_KEY: usize = 1216;

/// The suite.
#[cfg(not(feature = "simulation"))]
pub(crate) fn suite() -> Ciphersuite {
    POST_QUANTUM
}

/// Bytes of a public key of the suite's KEM.
#[cfg(not(feature = "simulation"))]
pub(crate) fn public_key_length() -> usize {
    X_WING_KEY
}

#[cfg(feature = "simulation")]
pub(crate) use switched::{public_key_length, suite, use_classical};

#[cfg(feature = "simulation")]
mod switched {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{Ciphersuite, POST_QUANTUM, X_WING_KEY};

    /// The suite that every implementation of MLS has (RFC 9420 §17.1); hash, AEAD and signature are those of the other.
    const CLASSICAL: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

    /// Length of an X25519 public key (RFC 7748 §5).
    const X25519_KEY: usize = 32;

    static USE_CLASSICAL: AtomicBool = AtomicBool::new(false);

    /// The suite of this process.
    pub(crate) fn suite() -> Ciphersuite {
        if USE_CLASSICAL.load(Ordering::Relaxed) { CLASSICAL } else { POST_QUANTUM }
    }

    /// Bytes of a public key of its KEM.
    pub(crate) fn public_key_length() -> usize {
        if suite() == CLASSICAL { X25519_KEY } else { X_WING_KEY }
    }

    /// Whoever is opened from now on in this process knows the classical suite and no other.
    pub(crate) fn use_classical() {
        USE_CLASSICAL.store(true, Ordering::Relaxed);
    }
}
