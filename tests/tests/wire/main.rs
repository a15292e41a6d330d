//! The relay against a client of the wire alone, which can do what no real client does.

#![allow(
    clippy::unwrap_used,
    reason = "all of this is tests; clippy knows only the functions that bear the attribute"
)]

mod access;
mod certificates;
mod commits;
mod crash;
mod follow;
mod impostors;
mod joiners;
mod machine;
mod mls_header;
mod refused;
mod vectors;

use kring_tests::relay;
use kring_tests::wire::Wire;
use kring_tests::world::World;

/// The relay's program.
const RELAY: &str = env!("CARGO_BIN_EXE_kring-test-relay");

/// A relay in this process, and two connections of two devices.
struct Pair {
    world: World,
    relay: kring_server::RunningRelay,
    anne: Wire,
    bert: Wire,
}

impl Pair {
    async fn new() -> Self {
        let world = World::new();
        let relay = relay::here(&world).await;
        let anne = Wire::open(&world, &world.device("anne@politie.example"), relay.addr).await;
        let bert = Wire::open(&world, &world.device("bert@opvang.example"), relay.addr).await;
        Self { world, relay, anne, bert }
    }
}
