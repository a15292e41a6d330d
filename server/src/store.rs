//! The store: a journal of entries under a rising position, and pages of views that are made from it.
//!
//! [`Store`] is the contract, [`MemoryStore`] its reference and [`SledStore`] the one on disk; both pass one contract
//! suite. `AppendedStore` and `SlowedStore` are there for load generators alone. [`maintenance`] works on a store
//! that no relay has open.

mod appended;
mod contract;
#[cfg(test)]
mod failing;
pub mod maintenance;
mod memory;
mod sealing;
mod sled;
mod slowed;
#[cfg(test)]
mod suite;

pub(crate) use self::appended::AppendedStore;
pub use self::contract::{OpenStoreError, PageId, Position, Store, StoreError};
#[cfg(test)]
pub(crate) use self::failing::FailingStore;
pub use self::memory::MemoryStore;
pub use self::sled::SledStore;
pub(crate) use self::slowed::SlowedStore;
