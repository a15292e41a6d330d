//! Connections of a bench: the TLS of real clients, every one with a certificate of its own, over a few sockets with
//! large buffers so that the generator loses no packets of its own.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, EndpointConfig, MtuDiscoveryConfig, TokioRuntime, TransportConfig};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::ground::Device;
use crate::outcome::{Cause, Failure, Outcome};

/// Bytes that the kernel may hold for a socket, in each direction, if it lets us.
const SOCKET_BUFFER: usize = 8 << 20;
/// Difference in bytes below which a larger packet is not looked for: that of clients (`client-lib/src/driver/connection.rs`).
pub(super) const WORTHWHILE: u16 = 127;

/// How much silence a connection bears: a packet is sent after a third of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// So much that no stall of a load ends it.
    Load,
    /// As much as a client's.
    Client,
}

impl Patience {
    fn idle(self) -> Duration {
        Duration::from_secs(match self {
            Self::Load => 120,
            Self::Client => 30,
        })
    }
}

/// What the relay's certificate calls it.
const NAME: &str = "localhost";

/// Where connections go and what they have in common.
pub(super) struct Network {
    endpoints: Vec<Endpoint>,
    next: AtomicUsize,
    verifier: Arc<Remembering>,
    transport: Arc<TransportConfig>,
    address: SocketAddr,
    alpn: &'static [u8],
}

impl Network {
    /// Opens so many sockets towards a server.
    pub(super) fn open(
        address: SocketAddr,
        root: &CertificateDer<'static>,
        alpn: &'static [u8],
        sockets: usize,
        patience: Patience,
    ) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).map_err(|error| Failure::new(Cause::Internal, error))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()))
            .build()
            .map_err(|error| Failure::new(Cause::Internal, error))?;
        let mut transport = TransportConfig::default();
        let idle = patience.idle();
        let mut larger = MtuDiscoveryConfig::default();
        larger.minimum_change(WORTHWHILE);
        transport
            .max_idle_timeout(idle.try_into().ok())
            .keep_alive_interval(Some(idle / 3))
            .mtu_discovery_config(Some(larger));
        let endpoints = (0..sockets).map(|_| endpoint()).collect::<Outcome<_>>()?;
        Ok(Self {
            endpoints,
            next: AtomicUsize::new(0),
            verifier: Arc::new(Remembering { verifier, believed: OnceLock::new() }),
            transport: Arc::new(transport),
            address,
            alpn,
        })
    }

    /// Connects a device. As everywhere with TLS 1.3, only the server's first answer shows that it is welcome.
    pub(super) async fn connect(&self, device: &Device) -> Outcome<Connection> {
        let internal = |error: &dyn std::fmt::Display| Failure::new(Cause::Internal, error);
        let mut tls = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| internal(&error))?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier.clone())
            .with_client_auth_cert(device.chain.clone(), device.key.clone_key())
            .map_err(|error| internal(&error))?;
        tls.alpn_protocols = vec![self.alpn.to_vec()];
        tls.resumption = rustls::client::Resumption::disabled();
        let mut config =
            quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).map_err(|error| internal(&error))?));
        config.transport_config(self.transport.clone());
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let connecting = self.endpoints[turn % self.endpoints.len()]
            .connect_with(config, self.address, NAME)
            .map_err(|error| internal(&error))?;
        connecting.await.map_err(lost)
    }
}

/// The cryptography of clients.
fn provider() -> CryptoProvider {
    CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() }
}

/// Verifies a server's certificate once, and that the server has its key in every handshake: elsewhere each device verifies it on
/// a CPU of its own, here thousands would do so beside the relay that is measured.
#[derive(Debug)]
struct Remembering {
    verifier: Arc<WebPkiServerVerifier>,
    believed: OnceLock<CertificateDer<'static>>,
}

impl ServerCertVerifier for Remembering {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.believed.get() != Some(end_entity) {
            self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
            // Another connection may have been first.
            let _same = self.believed.set(end_entity.clone().into_owned());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// A socket for clients.
fn endpoint() -> Outcome<Endpoint> {
    let socket = socket(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime)).map_err(|error| no_socket(&error))
}

/// A UDP socket with large buffers.
pub(super) fn socket(address: SocketAddr) -> Outcome<UdpSocket> {
    let socket = UdpSocket::bind(address).map_err(|error| no_socket(&error))?;
    enlarge(&socket);
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn enlarge(socket: &UdpSocket) {
    use rustix::net::sockopt;
    // Beyond the system's limit for those who may; up to it for everybody else. Small buffers still work.
    if sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER).is_err() {
        let _smaller = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER);
    }
    let _smaller = sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER);
}

#[cfg(not(target_os = "linux"))]
fn enlarge(_socket: &UdpSocket) {}

fn no_socket(error: &std::io::Error) -> Failure {
    Failure::advised(Cause::Failed, format!("no socket: {error}"), "look at the limits of this user (ulimit -n)")
}

/// The connection has ended, or never came about.
pub(super) fn lost(error: impl std::fmt::Display) -> Failure {
    Failure::advised(
        Cause::Unreachable,
        format!("a connection of the bench ended: {error}"),
        "see what the relay says",
    )
}
