//! The real relay, in this process, over QUIC on loopback.

use std::future::Future;
use std::time::Duration;

use crate::api::{Case, Client};
use crate::case::Position;

mod support {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/mod.rs"));
}

pub(super) use support::World;

/// Longest wait for anything: far beyond what it takes, so that only what never comes fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits, but not for ever.
pub(super) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come"),
    }
}

/// The texts of a case once there are so many.
pub(super) async fn texts_of(client: &Client, case: &Case, wanted: usize) -> Vec<String> {
    let mut events = client.events();
    soon("the items", async {
        loop {
            let items = case.items(Position(0), 10_000).await.expect("items");
            if items.len() >= wanted {
                return items.iter().filter_map(|item| item.body.text().map(str::to_owned)).collect();
            }
            events.next().await.expect("the client is open");
        }
    })
    .await
}
