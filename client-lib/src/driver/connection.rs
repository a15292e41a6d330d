//! Setting up a connection: name, socket, handshake, hello; and the reasons why there is none.
//!
//! Connected means that the relay has answered the hello: a certificate of ours that it does not accept shows at the
//! first read, after the handshake has ended for this side (RFC 8446 §4.4.2.4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kring_protocol::frame::PREFIX;
use kring_protocol::message::{Hello, Reply, Request, Welcome};
use kring_protocol::proof::{TLS_EXPORTER_LABEL, TLS_EXPORTER_LENGTH};
use kring_protocol::refusal::{Refusal, WireRefusal};
use kring_protocol::{OLDEST_VERSION, VERSION};
use quinn::{ConnectionError, Endpoint, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};

use super::exchange::{Exchange, Failure};
use super::surroundings::{Clock, within};
use crate::api::{ConnectError, OwnFault, RelayFault};
use crate::identity::{Identity, RelayAddress};

/// Longest wait for one address of a relay to answer the handshake and the hello.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Most addresses of a relay's name that are tried.
pub(super) const MOST_ADDRESSES: usize = 4;
/// Longest wait for the relay to hear that we go.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);
/// A connection on which nothing comes for this long is dead.
const IDLE: Duration = Duration::from_secs(30);
/// So it is kept from falling silent, three times within that.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Later packets that may be acknowledged before one is held to be lost. RFC 9002 §6.1.1 begins with 3, at which the jitter of
/// mobile networks, 100 ms and more, makes a loss of every second packet and halves the window each time, until no set of
/// KeyPackages (260 KB) gets through; what is really lost then shows by time.
const REORDERED: u32 = 64;
/// Round-trip times after which a packet is held to be lost (RFC 9002 §6.1.2 has 9/8): beyond what jitter adds.
const LATE: f32 = 1.5;
/// Difference in bytes below which a larger packet is not looked for: half of what lies between the 1,200 that every path
/// carries (RFC 9000 §14) and the 1,452 of an Ethernet, and one, by which the largest is tried first. One packet of padding is
/// sent then, where a search by halves sends four.
const WORTHWHILE: u16 = 127;
/// Most bytes that a relay may send ahead of what has been handled, over all streams.
pub(super) const RECEIVE_WINDOW: u32 = 16 << 20;
/// Most bytes ahead on one stream: the largest frame fits, so that a reader is never stuck in one.
const STREAM_WINDOW: u32 = 2 << 20;

// The largest frame and its prefix fit into a stream's window.
const _: () = assert!(STREAM_WINDOW as usize > kring_protocol::limits::MAX_MESSAGE + (64 << 10) + PREFIX);

/// A connection whose hello has been answered.
pub(super) struct Standing {
    pub(super) endpoint: Endpoint,
    pub(super) exchange: Exchange,
    pub(super) welcome: Welcome,
    pub(super) exporter: [u8; TLS_EXPORTER_LENGTH],
}

/// Connects to a relay and says hello.
pub(super) async fn stand_up(
    identity: &Identity,
    relay: &RelayAddress,
    clock: &Arc<dyn Clock>,
) -> Result<Standing, ConnectError> {
    identity.usable_at(clock.now())?;
    let addresses = within(PATIENCE, tokio::net::lookup_host((relay.host(), relay.port()))).await;
    let addresses: Vec<SocketAddr> =
        addresses.ok_or(ConnectError::Name)?.map_err(|_| ConnectError::Name)?.take(MOST_ADDRESSES).collect();
    let mut reason = ConnectError::Name;
    for address in addresses {
        match within(PATIENCE, stand_up_at(identity, relay, address, clock)).await {
            Some(Ok(standing)) => return Ok(standing),
            Some(Err(error)) => reason = error,
            None => reason = ConnectError::Unreachable,
        }
    }
    Err(reason)
}

async fn stand_up_at(
    identity: &Identity,
    relay: &RelayAddress,
    address: SocketAddr,
    clock: &Arc<dyn Clock>,
) -> Result<Standing, ConnectError> {
    let (tls, verdict) = identity.tls(Arc::clone(clock))?;
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport()));

    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let endpoint = Endpoint::client((any, 0).into()).map_err(|error| ConnectError::Socket(error.kind()))?;
    let connecting = endpoint.connect_with(config, address, relay.name()).map_err(|_| ConnectError::NotARelay)?;
    let connection =
        connecting.await.map_err(|error| verdict.reason().unwrap_or_else(|| handshake_failed(&error)))?;

    let exchange = Exchange::new(connection.clone());
    let hello = Request::Hello(Hello { version: VERSION, features: Vec::new() });
    let welcome = match exchange.ask(&hello).await {
        Ok(Ok(answer)) => match answer.into_iter().next() {
            Some(Reply::Welcome(welcome)) if (OLDEST_VERSION..=VERSION).contains(&welcome.version) => welcome,
            _ => return Err(RelayFault::WrongAnswer.into()),
        },
        Ok(Err(Refusal::Revoked)) => return Err(ConnectError::OwnRefused(OwnFault::Revoked)),
        Ok(Err(refusal)) => return Err(ConnectError::Refused(refusal)),
        Err(Failure::Fault(fault)) => return Err(fault.into()),
        Err(Failure::Lost) => {
            return Err(connection.close_reason().map_or(ConnectError::Broken, |e| handshake_failed(&e)));
        }
    };
    let mut exporter = [0; TLS_EXPORTER_LENGTH];
    // Fails only for lengths that TLS does not export.
    connection.export_keying_material(&mut exporter, TLS_EXPORTER_LABEL, &[]).map_err(|_| ConnectError::Broken)?;
    Ok(Standing { endpoint, exchange, welcome, exporter })
}

/// Bounds of a connection. The relay opens one stream by itself, the push stream, and no bidirectional ones.
pub(super) fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.max_concurrent_uni_streams(VarInt::from_u32(1));
    let mut larger = MtuDiscoveryConfig::default();
    larger.minimum_change(WORTHWHILE);
    transport.mtu_discovery_config(Some(larger));
    transport.packet_threshold(REORDERED);
    transport.time_threshold(LATE);
    transport.receive_window(VarInt::from_u32(RECEIVE_WINDOW));
    transport.stream_receive_window(VarInt::from_u32(STREAM_WINDOW));
    transport.datagram_receive_buffer_size(None);
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_idle_timeout(Some(IdleTimeout::try_from(IDLE).expect("30 seconds fit")));
    transport
}

/// Alerts (RFC 8446 §6) by which a relay says that it does not accept our certificate: bad, unsupported, revoked,
/// expired, unknown certificate; unknown authority; access denied; a signature that does not hold; certificate required.
const ABOUT_OUR_CERTIFICATE: [u64; 9] = [42, 43, 44, 45, 46, 48, 49, 51, 116];
/// Alerts by which either side says that there is no common ground: handshake failure, illegal parameter (a group
/// that was not offered), protocol version, insufficient security.
const NO_COMMON_GROUND: [u64; 4] = [40, 47, 70, 71];
/// The alert that says that the application protocol is not spoken (RFC 7301 §3.2).
const NO_APPLICATION_PROTOCOL: u64 = 120;

/// Where the TLS alerts begin among QUIC's error codes (RFC 9001 §4.8).
const ALERTS: u64 = 0x100;

/// Why a connection ended before the hello was answered.
pub(super) fn handshake_failed(error: &ConnectionError) -> ConnectError {
    let (code, by_relay) = match error {
        ConnectionError::TransportError(error) => (u64::from(error.code), false),
        ConnectionError::ConnectionClosed(close) => (u64::from(close.error_code), true),
        ConnectionError::VersionMismatch => return ConnectError::NotARelay,
        ConnectionError::TimedOut => return ConnectError::Unreachable,
        ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => return ended(error),
    };
    match code.checked_sub(ALERTS) {
        Some(alert) if by_relay && ABOUT_OUR_CERTIFICATE.contains(&alert) => {
            ConnectError::OwnRefused(own_fault(alert))
        }
        Some(alert) if NO_COMMON_GROUND.contains(&alert) => ConnectError::KeyExchange,
        Some(NO_APPLICATION_PROTOCOL) => ConnectError::NotARelay,
        _ => ConnectError::Broken,
    }
}

/// What an alert about our certificate says of it.
fn own_fault(alert: u64) -> OwnFault {
    match alert {
        43 => OwnFault::Usage,
        44 => OwnFault::Revoked,
        45 => OwnFault::Expired,
        48 => OwnFault::Root,
        49 => OwnFault::Organisation,
        51 => OwnFault::Key,
        _ => OwnFault::Other,
    }
}

/// Why a connection that stood has ended.
pub(super) fn ended(error: &ConnectionError) -> ConnectError {
    match error {
        ConnectionError::ApplicationClosed(close) => close_code(close.error_code.into_inner()),
        ConnectionError::TimedOut => ConnectError::Unreachable,
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => ConnectError::Broken,
    }
}

/// How long to stay away from a relay that is too busy to say how long.
const BUSY_MS: u64 = 5_000;

/// What a relay says with the code with which it closes a connection: the number of a refusal that needs no details.
fn close_code(code: u64) -> ConnectError {
    let wire = WireRefusal {
        number: code,
        epoch: None,
        winner: None,
        limit: None,
        after_ms: Some(BUSY_MS),
        recipients: Vec::new(),
        crl: None,
    };
    match Refusal::from_wire(wire) {
        Refusal::Revoked => ConnectError::OwnRefused(OwnFault::Revoked),
        Refusal::Draining => ConnectError::GoingAway,
        Refusal::Unknown(_) => ConnectError::Broken,
        refusal => ConnectError::Refused(refusal),
    }
}

#[cfg(test)]
mod tests {
    use quinn::{ConnectionClose, TransportErrorCode};

    use super::*;

    /// As a relay closes a connection because of an alert.
    fn closed_with(alert: u64) -> ConnectError {
        let error_code = TransportErrorCode::crypto(u8::try_from(alert).expect("an alert"));
        let close = ConnectionClose { error_code, frame_type: None, reason: bytes::Bytes::new() };
        handshake_failed(&ConnectionError::ConnectionClosed(close))
    }

    #[test]
    fn each_alert_about_our_certificate_is_told_in_words_of_its_own() {
        let table = [
            (43, OwnFault::Usage),
            (44, OwnFault::Revoked),
            (45, OwnFault::Expired),
            (48, OwnFault::Root),
            (49, OwnFault::Organisation),
            (51, OwnFault::Key),
            (42, OwnFault::Other),
            (46, OwnFault::Other),
            (116, OwnFault::Other),
        ];
        for (alert, fault) in table {
            assert_eq!(closed_with(alert), ConnectError::OwnRefused(fault), "alert {alert}");
        }
        let texts: std::collections::BTreeSet<_> = table[..7].iter().map(|(_, fault)| fault.to_string()).collect();
        assert_eq!(texts.len(), 7, "no two faults read alike");
    }

    #[test]
    fn a_close_code_is_the_number_of_a_refusal() {
        assert_eq!(close_code(Refusal::Revoked.number()), ConnectError::OwnRefused(OwnFault::Revoked));
        assert_eq!(close_code(Refusal::Draining.number()), ConnectError::GoingAway);
        assert_eq!(close_code(Refusal::Malformed.number()), ConnectError::Refused(Refusal::Malformed));
        let busy = ConnectError::Refused(Refusal::Busy { after_ms: BUSY_MS });
        assert_eq!(close_code(Refusal::Busy { after_ms: 0 }.number()), busy);
        assert_eq!(close_code(0), ConnectError::Broken);
    }
}
