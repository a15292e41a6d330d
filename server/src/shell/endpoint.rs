//! The QUIC side (RFC 9000): what a peer may open, how much it may send before it is read, and when silence ends it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt};

use crate::config::{Limits, Times};

/// Bytes that a peer may send on one stream before the relay reads them: most requests are below 64 KiB, and a large
/// one is read as it comes. Flow control grows nothing, so an idle connection holds none of it.
const STREAM_WINDOW: u32 = 256 << 10;
/// Bytes that a peer may send on all streams before they are read: 8 Mbit in flight at 100 ms, 80 Mbit/s.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes written and not yet acknowledged: the same at the other direction, where backlog of a device that catches up
/// goes. A peer that stops acknowledging holds no more than this.
const SEND_WINDOW: u64 = 2 << 20;

/// What QUIC is told, from the configuration.
pub(crate) fn server_config(tls: Arc<QuicServerConfig>, limits: &Limits, times: &Times) -> ServerConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.requests_per_connection))
        // Clients open none.
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .max_idle_timeout(Some(idle_timeout(times.idle)))
        // A keep-alive beyond the idle time-out would keep nothing alive.
        .keep_alive_interval(Some(times.keep_alive.min(times.idle / 2)))
        // No datagrams are spoken; a buffer for them would be memory for a peer to fill.
        .datagram_receive_buffer_size(None)
        // The spin bit tells observers on the path the round-trip time (RFC 9000 §17.4) for nothing in return.
        .allow_spin(false);
    let mut config = ServerConfig::with_crypto(tls);
    config
        .transport_config(Arc::new(transport))
        // A phone that leaves the house keeps its connection (RFC 9000 §9).
        .migration(true)
        .max_incoming(limits.handshakes.saturating_mul(4));
    config
}

fn idle_timeout(idle: Duration) -> IdleTimeout {
    // The largest time-out that can be configured is a day; a variable-length integer holds 140,000 years.
    IdleTimeout::try_from(idle).unwrap_or_else(|_| VarInt::MAX.into())
}

/// Binds the socket and starts the endpoint.
pub(crate) fn bind(address: SocketAddr, config: ServerConfig) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind(address)?;
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}
