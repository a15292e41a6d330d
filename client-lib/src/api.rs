//! What an application uses: [`Client`], [`Case`], [`Events`]. Calls become commands for the conversation core, and
//! nothing is decided here.
//!
//! Everything works offline: what the user wants is stored at once, under way when the relay can be reached, and
//! told as an event when it has happened.

mod case;
mod client;
mod directory;
mod duties;
mod error;
mod events;
mod pending;
mod status;

pub use case::Case;
pub use client::Client;
pub use directory::{Found, FoundDevice};
pub use duties::{HandoverDraft, NotOffered};
pub use error::{CallError, ConnectError, OpenError, OwnFault, RelayFault, RenewError, SearchError};
pub use events::{ClientEvent, Events};
pub use pending::{Added, Changed, NotDone, Pending, Sent};
pub use status::{Link, Status};

pub use crate::driver::{Clock, Jitter, Surroundings};
