//! The Kring client library: what applications embed.
//!
//! One message's way: [`Command::Send`](conversation::Command) → an intent joins the outbox in the encrypted
//! [`store`] → online, caught up and sure of who is in the group, [`conversation`] has [`mls`] encrypt it and stores
//! it as a submission in one transaction → the driver carries it to the relay and brings the receipt → its record
//! comes back on the subscription, and the item stands in the log of this device as on every other.

pub mod api;
pub mod case;
pub mod conversation;
mod driver;
pub mod identity;
mod item;
pub mod mls;
pub mod store;
