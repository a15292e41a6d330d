//! The wire as an outsider sees it: bytes, and `docs/protocol.md`.

mod document;
mod golden;
mod hostile;
mod message;
mod mls;
mod proof;
mod random;
mod round_trip;
mod samples;
