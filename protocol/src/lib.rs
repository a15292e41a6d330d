//! What crosses the wire between a Kring client and a Kring relay, and nothing else: no clock, socket, file or
//! runtime. The page that an outsider needs is `docs/protocol.md`; its CDDL is checked against this crate.
//!
//! A connection speaks QUIC with ALPN [`ALPN`]. Each [`Request`](message::Request) goes on a bidirectional stream
//! of its own and is answered there; what is live comes on one unidirectional stream from the relay as
//! [`Push`](message::Push) messages. [`frame`] says how messages stand in a stream, [`proof`] what opens a group's
//! log, [`mls`] what a log takes.

pub mod address;
pub mod frame;
pub mod ids;
pub mod limits;
pub mod message;
pub mod mls;
pub mod payload;
pub mod proof;
pub mod refusal;
mod wire;

/// Application protocol of a connection (RFC 7301): the name and the wire's major version.
pub const ALPN: &[u8] = b"kring/1";

/// Application protocol of a connection without a certificate, for a new device that asks for its first one.
pub const ENROL_ALPN: &[u8] = b"kring-enrol/1";

/// Version of the messages, exchanged in the hello. A relay serves a client whose version is not above its own
/// and not below [`OLDEST_VERSION`].
pub const VERSION: u64 = 1;

/// Oldest version that is still understood.
pub const OLDEST_VERSION: u64 = 1;
