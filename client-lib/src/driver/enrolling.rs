//! A connection for enrolment: ALPN `kring-enrol/1`, no certificate of ours, no hello, no pushes.
//!
//! The relay's certificate cannot be judged yet: a new device does not know any roots before the administrator's answer
//! has come. It is kept aside and judged then, before anything is made of the answer. Until then a false relay learns a
//! random id and ciphertext.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use kring_protocol::message::{Reply, Request};
use kring_protocol::refusal::Refusal;
use quinn::Endpoint;

use super::connection::{MOST_ADDRESSES, PATIENCE, ended, handshake_failed, transport};
use super::exchange::{Exchange, Failure};
use super::surroundings::within;
use crate::api::{ConnectError, RelayFault};
pub(crate) use crate::identity::Presented;
use crate::identity::{RelayAddress, enrol_tls};

/// A connection to a relay that nobody has vouched for yet.
pub(crate) struct EnrolLink {
    endpoint: Endpoint,
    exchange: Exchange,
    /// The certificates that the relay has shown.
    pub(crate) presented: Presented,
}

/// What came of a request.
pub(crate) enum Asked {
    /// An answer of the right kind.
    Answered(Reply),
    /// The relay said no.
    Refused(Refusal),
    /// The relay breaks the protocol.
    Fault(RelayFault),
    /// The connection has ended.
    Lost,
}

/// Connects to a relay as a device that has no certificate yet.
pub(crate) async fn stand_up(relay: &RelayAddress) -> Result<EnrolLink, ConnectError> {
    let addresses = within(PATIENCE, tokio::net::lookup_host((relay.host(), relay.port()))).await;
    let addresses: Vec<SocketAddr> =
        addresses.ok_or(ConnectError::Name)?.map_err(|_| ConnectError::Name)?.take(MOST_ADDRESSES).collect();
    let mut reason = ConnectError::Name;
    for address in addresses {
        match within(PATIENCE, stand_up_at(relay, address)).await {
            Some(Ok(link)) => return Ok(link),
            Some(Err(error)) => reason = error,
            None => reason = ConnectError::Unreachable,
        }
    }
    Err(reason)
}

async fn stand_up_at(relay: &RelayAddress, address: SocketAddr) -> Result<EnrolLink, ConnectError> {
    let (tls, presented) = enrol_tls();
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport()));
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let endpoint = Endpoint::client((any, 0).into()).map_err(|error| ConnectError::Socket(error.kind()))?;
    let connecting = endpoint.connect_with(config, address, relay.name()).map_err(|_| ConnectError::NotARelay)?;
    let connection = connecting.await.map_err(|error| handshake_failed(&error))?;
    Ok(EnrolLink { endpoint, exchange: Exchange::new(connection), presented })
}

impl EnrolLink {
    /// Sends a request and waits for its answer, which is a single one.
    pub(crate) async fn ask(&self, request: &Request) -> Asked {
        match self.exchange.ask(request).await {
            Ok(Ok(mut answer)) if answer.len() == 1 => Asked::Answered(answer.swap_remove(0)),
            Ok(Ok(_)) => Asked::Fault(RelayFault::WrongAnswer),
            Ok(Err(refusal)) => Asked::Refused(refusal),
            Err(Failure::Fault(fault)) => Asked::Fault(fault),
            Err(Failure::Lost) => match self.exchange.connection().close_reason().map(|reason| ended(&reason)) {
                Some(ConnectError::Refused(refusal)) => Asked::Refused(refusal),
                _ => Asked::Lost,
            },
        }
    }

    /// Ends the connection in good order.
    pub(crate) async fn close(self) {
        self.exchange.connection().close(0u32.into(), &[]);
        within(super::connection::GOODBYE, self.endpoint.wait_idle()).await;
    }
}
