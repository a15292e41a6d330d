//! The connection of an organisation's administration: requests and their answers, and one push that matters.

use std::sync::Arc;

use kring_protocol::message::{Push, Reply, Request};
use kring_protocol::refusal::Refusal;
use quinn::Endpoint;
use tokio::sync::Notify;

use super::connection::{GOODBYE, Standing, ended, stand_up};
use super::exchange::{Exchange, Failure, Frames, decode};
use super::surroundings::{Clock, within};
use crate::api::ConnectError;
use crate::identity::{Identity, RelayAddress};

/// A connection that asks, and hears when something waits.
pub(crate) struct OfficeLink {
    endpoint: Endpoint,
    exchange: Exchange,
    waits: Arc<Notify>,
    pushes: tokio::task::JoinHandle<()>,
}

impl OfficeLink {
    /// Connects and says hello.
    pub(crate) async fn stand_up(
        identity: &Identity,
        relay: &RelayAddress,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        let Standing { endpoint, exchange, .. } = stand_up(identity, relay, clock).await?;
        let waits = Arc::new(Notify::new());
        let pushes = tokio::spawn(read_pushes(exchange.connection().clone(), Arc::clone(&waits)));
        Ok(Self { endpoint, exchange, waits, pushes })
    }

    /// Sends a request and waits for its whole answer.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Result<Vec<Reply>, Refusal>, ConnectError> {
        self.exchange.ask(request).await.map_err(|failure| match failure {
            Failure::Fault(fault) => ConnectError::Fault(fault),
            Failure::Lost => self.reason(),
        })
    }

    /// Waits for the push that says so. An error: the connection has ended.
    pub(crate) async fn something_waits(&self) -> Result<(), ConnectError> {
        tokio::select! {
            () = self.waits.notified() => Ok(()),
            _ = self.exchange.connection().closed() => Err(self.reason()),
        }
    }

    /// Ends the connection in good order.
    pub(crate) async fn close(self) {
        self.exchange.connection().close(0u32.into(), &[]);
        within(GOODBYE, self.endpoint.wait_idle()).await;
    }

    fn reason(&self) -> ConnectError {
        self.exchange.connection().close_reason().map_or(ConnectError::Broken, |reason| ended(&reason))
    }
}

impl Drop for OfficeLink {
    fn drop(&mut self) {
        self.pushes.abort();
    }
}

/// Reads pushes for as long as they come. What cannot be read ends it: the connection is then asked now and then.
async fn read_pushes(connection: quinn::Connection, waits: Arc<Notify>) {
    let Ok(stream) = connection.accept_uni().await else { return };
    let mut frames = Frames::new(stream);
    while let Ok(Some(body)) = frames.next_body().await {
        if let Ok(Push::EnrolmentWaiting(_)) = decode(&body) {
            // Kept until somebody looks, also where nobody waits at this moment.
            waits.notify_one();
        }
    }
}
