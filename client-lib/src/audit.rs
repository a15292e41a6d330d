//! The audit log of one device: who did or saw what, on whose authority, about whom, when, from where, and how it
//! ended; the events and fields of NEN 7513. It lies in the encrypted store and never reaches the relay.
//!
//! An entry is two parts. The **head** says when, which [`Activity`], with which [`Outcome`], and names the acting
//! device and the case by pseudonyms (keyed hashes whose key never leaves the store). The **[`Details`]** say all of it in
//! the clear. The head holds a salted hash of the details and the hash of the head before it, and is signed with the key
//! of the device's certificate. So
//!
//! - a changed, removed or reordered entry is found, and [`Chain`] names the first one;
//! - when a case is erased its details go, salt included, and the chain stays whole: what is left is the pseudonymised
//!   form, which NEN 7513 wants kept for five years at least;
//! - an entry is written in the same transaction as what it records; a refused attempt gets a transaction of its own.
//!
//! Not covered: who holds both the passphrase and the device can write a new log and sign it. What has been forwarded to an
//! organisation ([`archive`]) cannot be changed that way, because its last entry no longer has its place in the new log.
//!
//! Not recorded: that an item arrived. It was disclosed to the whole case by its author, which is in the author's log and
//! in the case; that somebody **looked** at it is recorded by the application ([`Note`]), which alone knows.

mod activity;
pub mod archive;
mod chain;
mod entry;

pub use activity::{Activity, Outcome};
pub use chain::{Broken, Chain, Fault};
pub use entry::{Actor, Details, Entry, Note, key_of_certificate};
pub(crate) use entry::{Keys, write};
