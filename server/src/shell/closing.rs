//! Why the relay closes a connection or resets a stream, as the application error code of QUIC (RFC 9000 §20.2): the
//! number of the refusal that says the same, so that a client needs one table.

use kring_protocol::refusal::Refusal;
use quinn::VarInt;

/// The code of a refusal.
pub(crate) fn code(refusal: &Refusal) -> VarInt {
    // Every number of this version is below 100.
    VarInt::from_u64(refusal.number()).unwrap_or(VarInt::MAX)
}

/// Milliseconds after which a shed connection may try again: long enough for idle connections to go.
pub(crate) const BUSY_MS: u64 = 5_000;

/// The relay is at one of its bounds.
pub(crate) fn busy() -> VarInt {
    code(&Refusal::Busy { after_ms: BUSY_MS })
}
