//! What a relay does whose engine fails while it runs.

use std::sync::Arc;

use kring_protocol::ids::{GroupId, Incarnation};
use kring_protocol::message::Reply;
use kring_protocol::refusal::Refusal;

use super::client::Client;
use super::world::{World, http, soon};
use crate::engine::Condition;
use crate::shell::endpoint::ResetSecret;
use crate::shell::start_on;
use crate::store::{FailingStore, MemoryStore};

#[tokio::test]
async fn an_engine_that_fails_is_told_to_clients_health_and_whoever_runs_the_relay() {
    for (panics, condition, word) in
        [(false, Condition::StoreFailed, "store_failed"), (true, Condition::Broken, "engine_failed")]
    {
        let world = World::new();
        let memory = MemoryStore::new(Incarnation([1; 16]));
        let store = if panics { FailingStore::panicking(memory) } else { FailingStore::new(memory, Arc::default()) };
        let secret = ResetSecret::derive(&[0xc0; 32]);
        let relay = start_on(world.config.clone(), Box::new(store), &secret).await.unwrap();
        let client = Client::greeted(&world, &world.device(1), relay.addr).await;
        assert!(http(&relay, "/health").await.starts_with("HTTP/1.1 200"));
        let answered = client.create_group(GroupId([1; 16]), 1).await;
        assert_eq!(answered, Reply::Refused(Refusal::StoreFailed));
        assert_eq!(soon("the failure", relay.failed()).await, condition);
        let health = http(&relay, "/health").await;
        assert!(health.starts_with("HTTP/1.1 503") && health.contains(word), "{health}");
        // And it stays so.
        assert_eq!(client.create_group(GroupId([2; 16]), 1).await, Reply::Refused(Refusal::StoreFailed));
        let ended = async { tokio::join!(relay.abandon(), client.connection.closed()) };
        soon("the end", ended).await;
    }
}
