//! Notes sealed to one device: HPKE (RFC 9180) with the suite's hybrid KEM, padded to a size class.
//!
//! A note's bytes are `kem_output<V> ‖ ciphertext<V>` (RFC 9420 §5.1.3), with the label below as HPKE's `info`. Whoever
//! knows the device's public key can seal: what is inside has to prove itself.

use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{HpkeCiphertext, OpenMlsCrypto};

use super::padding::{pad_note, unpad_note};
use super::party::Party;
use super::suite::suite;

/// HPKE's `info`.
const LABEL: &[u8] = b"kring inbox 1";

/// Seals a note to a device. `None`: it is too large, or the key is none.
pub(crate) fn seal(party: &Party, inbox_key: &[u8], note: &[u8]) -> Option<Vec<u8>> {
    let padded = pad_note(note)?;
    let sealed = party.crypto.hpke_seal(suite().hpke_config(), inbox_key, LABEL, &[], &padded).ok()?;
    sealed.tls_serialize_detached().ok()
}

/// Opens a note sealed to this device. `None`: it is not one.
pub(crate) fn open(party: &Party, sealed: &[u8]) -> Option<Vec<u8>> {
    let sealed = HpkeCiphertext::tls_deserialize_exact_bytes(sealed).ok()?;
    let padded = party.crypto.hpke_open(suite().hpke_config(), &sealed, party.inbox_private(), LABEL, &[]).ok()?;
    unpad_note(&padded).map(<[u8]>::to_vec)
}
