//! The QUIC side (RFC 9000): what a peer may open, how much it may send before it is read, and when silence ends it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hkdf, hmac};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    AckFrequencyConfig, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use rand::Rng as _;

use super::accept;
use crate::config::{Limits, Times};
use crate::keys::RELAY_KEY_LENGTH;

/// Bytes that a peer may send on one stream before the relay reads them: most requests are below 64 KiB, and a large
/// one is read as it comes. Flow control grows nothing, so an idle connection holds none of it.
const STREAM_WINDOW: u32 = 256 << 10;
/// Bytes that a peer may send on all streams before they are read: 8 Mbit in flight at 100 ms, 80 Mbit/s.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes written and not yet acknowledged: the same at the other direction, where backlog of a device that catches up
/// goes. A peer that stops acknowledging holds no more than this.
const SEND_WINDOW: u64 = 2 << 20;
/// Packets that ask for an acknowledgement which a peer may take before it sends one (draft-ietf-quic-ack-frequency; peers
/// that do not know it go on as before). RFC 9000 §13.2.2 has every second one acknowledged, and each acknowledgement is
/// a packet to send, to receive and to decrypt.
const ACKNOWLEDGE_EVERY: u32 = 10;
/// Later packets that may be acknowledged before one is held to be lost. RFC 9002 §6.1.1 begins with 3, at which the jitter of
/// mobile networks, 100 ms and more, makes a loss of every second packet and halves the window each time, until nothing large
/// gets through; what is really lost then shows by time.
const REORDERED: u32 = 64;
/// Round-trip times after which a packet is held to be lost (RFC 9002 §6.1.2 has 9/8): beyond what jitter adds.
const LATE: f32 = 1.5;
/// Bytes that the kernel may hold for the socket in each direction: 64 clients that each send 16 messages of 512 bytes
/// at once send 600 KB, and what does not fit is lost and sent again. The system may grant less (`net.core.rmem_max`).
const SOCKET_BUFFER: usize = 8 << 20;

/// Bytes that are kept of a peer that waits for its handshake, beyond its first packet: the rest of a ClientHello with the
/// post-quantum key exchange, and both once more. What it sends again after that is of no use.
const WAITING_BUFFER: u64 = 4 << 10;
/// Difference in bytes below which a larger packet is not looked for. From the 1,200 that every path carries (RFC 9000 §14) a search
/// by halves up to 1,452 sends four packets of padding, each of which is acknowledged; with half of that difference and one
/// it tries the 1,452 of an Ethernet first, and 1,325 where they do not get through.
const WORTHWHILE: u16 = 127;

/// What QUIC is told, from the configuration.
pub(crate) fn server_config(
    tls: Arc<QuicServerConfig>,
    limits: &Limits,
    times: &Times,
    secret: &ResetSecret,
) -> ServerConfig {
    let mut transport = TransportConfig::default();
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(VarInt::from_u32(ACKNOWLEDGE_EVERY));
    let mut larger = MtuDiscoveryConfig::default();
    larger.minimum_change(WORTHWHILE);
    transport
        .mtu_discovery_config(Some(larger))
        .ack_frequency_config(Some(acknowledgements))
        .packet_threshold(REORDERED)
        .time_threshold(LATE)
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
    let mut config = ServerConfig::new(tls, secret.addresses.clone());
    let waiting = accept::waiting_room(limits.handshakes);
    config
        .transport_config(Arc::new(transport))
        // A phone that leaves the house keeps its connection (RFC 9000 §9).
        .migration(true)
        .max_incoming(waiting)
        .incoming_buffer_size(WAITING_BUFFER)
        .incoming_buffer_size_total(WAITING_BUFFER.saturating_mul(waiting as u64));
    config
}

fn idle_timeout(idle: Duration) -> IdleTimeout {
    // The largest time-out that can be configured is a day; a variable-length integer holds 140 million years.
    IdleTimeout::try_from(idle).unwrap_or_else(|_| VarInt::MAX.into())
}

/// Between two stateless resets: nothing. After a crash thousands of clients send their next packet within seconds, and each
/// that gets no reset waits out its idle time-out; quinn reads the clock once for all packets that it takes from the socket
/// together, so that any interval leaves one reset for each such handful. Only who has seen a connection id of this relay
/// gets one, and a reset is shorter than what it answers, so that it amplifies nothing and two endpoints which answer each
/// other's end soon (RFC 9000 §10.3.3).
const RESET_INTERVAL: Duration = Duration::ZERO;

/// Labels from which the secrets are derived.
const RESET_LABEL: &[u8] = b"kring relay stateless reset 1";
const CONNECTION_ID_LABEL: &[u8] = b"kring relay connection ids 2";
const ADDRESS_LABEL: &[u8] = b"kring relay address tokens 1";

/// What a relay has to know of the connections of its life before: with it, it answers their packets after a crash with
/// a stateless reset (RFC 9000 §10.3), and their clients come back at once instead of after their idle time-out. And who
/// was asked to show its address may answer after a restart, or after certificates were read anew (§8.1.2).
///
/// It is derived from the relay key, so that it lives as long as the database and outlives the process.
#[derive(Clone)]
pub(crate) struct ResetSecret {
    tokens: Arc<hmac::Key>,
    connection_ids: Arc<hmac::Key>,
    addresses: Arc<hkdf::Prk>,
}

impl ResetSecret {
    pub(crate) fn derive(relay_key: &[u8; RELAY_KEY_LENGTH]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, relay_key);
        let derived = |label| Arc::new(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, label).as_ref()));
        let addresses = hkdf::Salt::new(hkdf::HKDF_SHA256, ADDRESS_LABEL).extract(relay_key);
        Self {
            tokens: derived(RESET_LABEL),
            connection_ids: derived(CONNECTION_ID_LABEL),
            addresses: Arc::new(addresses),
        }
    }
}

/// Bytes of a connection id that are random. A packet of an earlier life whose id a connection of this one has by chance is taken
/// for that connection's, cannot be read, and gets no reset: with the 3 random bytes of quinn's own generator eighteen of 12,000
/// clients waited out their idle time-out after a restart.
const RANDOM: usize = 5;
/// Bytes of a connection id that show that this relay made it: who guesses gets no answer but once in 16 million times.
const MARK: usize = 3;

/// Makes connection ids that every life of this relay knows for its own (RFC 9000 §5.1).
struct OwnConnectionIds(Arc<hmac::Key>);

impl OwnConnectionIds {
    fn mark(&self, random: &[u8]) -> [u8; MARK] {
        let tag = hmac::sign(&self.0, random);
        *tag.as_ref().first_chunk().expect("HMAC-SHA-256 has 32 bytes")
    }
}

impl ConnectionIdGenerator for OwnConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let random: [u8; RANDOM] = rand::rng().random();
        ConnectionId::new(&[&random[..], &self.mark(&random)].concat())
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match id.split_at_checked(RANDOM) {
            Some((random, mark)) if mark == self.mark(random) => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        RANDOM + MARK
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Binds the socket and starts the endpoint.
pub(crate) fn bind(address: SocketAddr, config: ServerConfig, secret: &ResetSecret) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind(address)?;
    enlarge(&socket);
    let mut endpoint = EndpointConfig::new(secret.tokens.clone());
    let key = secret.connection_ids.clone();
    endpoint.min_reset_interval(RESET_INTERVAL).cid_generator(move || Box::new(OwnConnectionIds(key.clone())));
    Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime))
}

/// Asks the system for large buffers: beyond its bound where this process may, else up to it. Small ones work too, only
/// that bursts are lost and sent again.
#[cfg(target_os = "linux")]
fn enlarge(socket: &UdpSocket) {
    use rustix::net::sockopt;
    if sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER).is_err() {
        let _smaller = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER);
    }
    let _smaller = sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER);
}

#[cfg(not(target_os = "linux"))]
fn enlarge(_socket: &UdpSocket) {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use quinn::crypto::HandshakeTokenKey as _;

    use super::*;

    fn ids(relay_key: u8) -> OwnConnectionIds {
        OwnConnectionIds(ResetSecret::derive(&[relay_key; RELAY_KEY_LENGTH]).connection_ids)
    }

    #[test]
    fn a_connection_id_is_known_to_every_life_of_the_relay_that_made_it_and_to_no_other() {
        let id = ids(1).generate_cid();
        assert_eq!(id.len(), ids(1).cid_len());
        assert!(ids(1).validate(&id).is_ok());
        assert!(ids(2).validate(&id).is_err());
        for place in 0..id.len() {
            let mut other = id.to_vec();
            other[place] ^= 1;
            assert!(ids(1).validate(&ConnectionId::new(&other)).is_err());
        }
        for length in (0..id.len()).chain([id.len() + 1]) {
            let other: Vec<u8> = id.iter().copied().chain([0]).take(length).collect();
            assert!(ids(1).validate(&ConnectionId::new(&other)).is_err());
        }
    }

    #[test]
    fn what_shows_an_address_is_believed_by_every_life_of_the_relay_and_by_no_other() {
        let of = |relay_key| ResetSecret::derive(&[relay_key; RELAY_KEY_LENGTH]).addresses;
        let sealed = {
            let mut token = b"an address".to_vec();
            of(1).aead_from_hkdf(b"random").seal(&mut token, &[]).unwrap();
            token
        };
        let opened = |relay_key: u8| {
            of(relay_key).aead_from_hkdf(b"random").open(&mut sealed.clone(), &[]).map(|token| token.to_vec()).ok()
        };
        assert_eq!(opened(1), Some(b"an address".to_vec()));
        assert_eq!(opened(2), None);
    }

    #[test]
    fn no_two_of_the_connection_ids_of_a_full_relay_are_the_same() {
        let mut made = ids(1);
        // Fifteen for each of 20,000 connections. Of 5 random bytes four are twice there once in ten million runs; of 4 bytes ten
        // are in each.
        let distinct: HashSet<ConnectionId> = (0..300_000).map(|_| made.generate_cid()).collect();
        assert!(distinct.len() > 299_996, "{}", distinct.len());
    }
}
