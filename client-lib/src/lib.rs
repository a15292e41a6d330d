//! The Kring client library: what applications embed.
//!
//! One message's way: [`Command::Send`](conversation::Command) → an intent joins the outbox in the encrypted
//! [`store`] → online, caught up and sure of who is in the group, [`conversation`] has [`mls`] encrypt it and stores
//! it as a submission in one transaction → the driver carries it to the relay and brings the receipt → its record
//! comes back on the subscription, and the item stands in the log of this device as on every other.
//!
//! Two professionals talk through a relay:
//!
//! ```
//! use kring_client::api::{Client, ClientEvent};
//! use kring_client::case::{ItemDraft, Role};
//! use kring_client::conversation::Event;
//!
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/mod.rs"));
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let world = World::new();
//! # let relay = world.relay(0).await;
//! # let (profile_of_anne, key_of_anne) = world.profile("anne", relay.addr);
//! # let (profile_of_bart, key_of_bart) = world.profile("bart", relay.addr);
//! // A profile is made once, from the device's certificate (`Profile::create`); its key opens the encrypted store.
//! let anne = Client::open(&profile_of_anne, &key_of_anne).await?;
//! let bart = Client::open(&profile_of_bart, &key_of_bart).await?;
//! let mut told_to_bart = bart.events();
//! // Bart's device leaves KeyPackages at the relay, so that it can be added while it is away.
//! bart.caught_up().await?;
//!
//! let case = anne.new_case("Familie De Vries").await?;
//! let added = case.add(bart.address().professional.clone(), Role::Member).await?.done().await?;
//! assert_eq!(added.added.len(), 1);
//!
//! let sent = case.send(ItemDraft::markdown("Kun je morgen om tien uur bellen?")).await?;
//! sent.relayed().await?; // durable at the relay; nobody need have read it
//!
//! let heard = told_to_bart.find(|event| match event {
//!     ClientEvent::Conversation(Event::Item(item)) => Some(item),
//!     _ => None,
//! });
//! let heard = heard.await.ok_or("the client was closed")?;
//! assert_eq!(heard.body.text(), Some("Kun je morgen om tien uur bellen?"));
//! assert_eq!(heard.author.professional, anne.address().professional);
//!
//! anne.close().await;
//! bart.close().await;
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
extern crate self as kring_client; // what the integration tests stand on names it so

pub mod api;
pub mod audit;
pub mod case;
pub mod conversation;
mod driver;
pub mod enrolment;
pub mod identity;
mod item;
pub mod mls;
#[cfg(feature = "planted-faults")]
pub mod planted;
mod random;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod store;
