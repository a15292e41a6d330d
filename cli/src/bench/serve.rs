//! The process under test: a relay as an operator runs it, on a disk that may be slowed down, or the bare limit.

use std::fs;
use std::path::Path;

use kring_server::{BenchConditions, config};

use super::bare;
use super::{Place, System};
use crate::admin::folder::RELAY_CONFIG;
use crate::outcome::{Cause, Failure, Outcome};

/// Connections that a measured relay takes.
const CONNECTIONS: usize = 200_000;

/// Serves until it is killed.
pub(super) async fn run(place: &Place) -> Outcome {
    match place.system {
        System::Kring => relay(place, false).await,
        System::KringAppended => relay(place, true).await,
        System::Bare => bare::serve(place, true).await,
        System::BareMemory => bare::serve(place, false).await,
        #[cfg(feature = "compare")]
        System::Nats | System::NatsSynced | System::Mosquitto => {
            Err(Failure::new(Cause::Usage, "a broker is a program of its own"))
        }
    }
}

async fn relay(place: &Place, appended: bool) -> Outcome {
    let file = place.relay.join(RELAY_CONFIG);
    let text = fs::read_to_string(&file).map_err(|error| Failure::file("read", &file, &error))?;
    let mut config = config::parse(&text, &place.relay).map_err(|error| Failure::new(Cause::Failed, error))?;
    config.listen = place.listen;
    // How many come is the bench's matter.
    config.limits.connections = CONNECTIONS;
    let conditions = BenchConditions { sync_delay: place.delay, appended };
    let relay = kring_server::start_for_bench(config, conditions).await;
    let relay = relay.map_err(|error| Failure::new(Cause::Failed, error))?;
    announce(&place.ready(), &relay.addr.to_string())?;
    std::future::pending().await
}

/// Says where the server can be reached: the file appears whole.
pub(super) fn announce(ready: &Path, address: &str) -> Outcome {
    let failed = |error| Failure::file("written", ready, &error);
    let part = ready.with_extension("part");
    fs::write(&part, address).map_err(failed)?;
    fs::rename(&part, ready).map_err(failed)
}
