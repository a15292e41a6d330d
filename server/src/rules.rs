//! The relay's rules, as functions over values: the present state and the request in, the [`Entry`] to write or a
//! [`Refusal`](kring_protocol::refusal::Refusal) out. Time and randomness are arguments; there is no clock, socket,
//! file, lock or runtime here.
//!
//! | module | decides |
//! | --- | --- |
//! | [`group`] | who may append to a log and read it, in which order, in which epoch (RFC 9420 §6.3, §8.1; RFC 9750 §5) |
//! | [`cursors`] | how far a log's readers are |
//! | [`block`] | where a log's records stand in the journal, and what is missing of it |
//! | [`device`] | KeyPackages (RFC 9420 §10, §16.8), places in the inbox, notes |
//! | [`revocation`] | which lists of revoked certificates count, and whom they cut off (RFC 5280 §5) |
//! | [`enrolment`] | tickets, requests for certificates and their answers |
//! | [`guessing`] | who names tickets that do not exist |
//! | [`directory`] | who is found |
//! | [`professional`] | which devices a professional has |
//! | [`quota`] | how much one device may do in a day |
//! | [`pace`] | which time it is for dropping anything |
//! | [`retention`] | what is dropped, and when |
//!
//! Each state is made from entries alone by its `apply`, so that a store can be replayed at any time, and remembers up
//! to which position that has been done, so that replaying an entry twice changes nothing.

pub mod block;
pub mod cursors;
pub mod device;
pub mod directory;
pub mod enrolment;
pub mod entry;
pub mod group;
pub mod guessing;
pub mod limits;
pub mod pace;
pub mod professional;
pub mod quota;
pub mod retention;
pub mod revocation;

pub use entry::Entry;
