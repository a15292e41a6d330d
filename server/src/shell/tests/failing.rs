//! What a relay does whose engine fails while it runs.

use bytes::Bytes;
use kring_protocol::ids::{GroupId, Incarnation};
use kring_protocol::message::Reply;
use kring_protocol::refusal::Refusal;

use super::client::Client;
use super::world::{World, http, soon};
use crate::engine::Condition;
use crate::shell::endpoint::ResetSecret;
use crate::shell::start_on;
use crate::store::{MemoryStore, PageId, Position, Store, StoreError};

/// Reads, and fails at the first append: by an error, or by a panic in place of any fault of this program.
struct Failing {
    inner: MemoryStore,
    panics: bool,
}

impl Store for Failing {
    fn incarnation(&self) -> Incarnation {
        self.inner.incarnation()
    }

    fn tail(&self) -> Position {
        self.inner.tail()
    }

    fn checkpointed(&self) -> Position {
        self.inner.checkpointed()
    }

    fn append(&mut self, _entries: &[Bytes]) -> Result<(), StoreError> {
        assert!(!self.panics, "a fault of this program");
        Err(StoreError::Disk(std::io::ErrorKind::Other))
    }

    fn entry(&self, position: Position) -> Result<Option<Bytes>, StoreError> {
        self.inner.entry(position)
    }

    fn next_after(&self, position: Position) -> Result<Option<Position>, StoreError> {
        self.inner.next_after(position)
    }

    fn page(&self, id: &PageId) -> Result<Option<Bytes>, StoreError> {
        self.inner.page(id)
    }

    fn write_pages(&mut self, pages: &[(PageId, Option<Bytes>)]) -> Result<(), StoreError> {
        self.inner.write_pages(pages)
    }

    fn checkpoint(&mut self, through: Position) -> Result<(), StoreError> {
        self.inner.checkpoint(through)
    }

    fn remove(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        self.inner.remove(positions)
    }
}

#[tokio::test]
async fn an_engine_that_fails_is_told_to_clients_health_and_whoever_runs_the_relay() {
    for (panics, condition, word) in
        [(false, Condition::StoreFailed, "store_failed"), (true, Condition::Broken, "engine_failed")]
    {
        let world = World::new();
        let store = Failing { inner: MemoryStore::new(Incarnation([1; 16])), panics };
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
