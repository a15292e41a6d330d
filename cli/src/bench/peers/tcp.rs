//! TLS over TCP, written and read by tasks of its own: what is to be sent goes in one write with all that waits.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bench::network::lost;
use crate::outcome::{Cause, Failure, Outcome};

/// Bytes that are read at least at once.
const READ: usize = 16 << 10;
/// Messages that are written together at most.
const TOGETHER: usize = 256;

/// Where connections go.
#[derive(Clone)]
pub(in crate::bench) struct Connector {
    address: SocketAddr,
    tls: TlsConnector,
}

/// One connection: what comes in, and where to put what goes out.
pub(super) struct Connection {
    pub(super) input: Input,
    pub(super) output: mpsc::UnboundedSender<Bytes>,
}

/// What comes in.
pub(super) struct Input {
    half: ReadHalf<TlsStream<TcpStream>>,
    pub(super) buffer: BytesMut,
}

impl Connector {
    /// With TLS 1.3 and no certificate of the client's.
    pub(in crate::bench) fn new(address: SocketAddr, root: &CertificateDer<'static>) -> Outcome<Self> {
        let internal = |error: &dyn std::fmt::Display| Failure::new(Cause::Internal, error);
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).map_err(|error| internal(&error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| internal(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.resumption = rustls::client::Resumption::disabled();
        Ok(Self { address, tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// Connects. A server that speaks first, in clear, is heard before TLS begins.
    pub(super) async fn connect(&self, speaks_first: bool) -> Outcome<Connection> {
        let mut stream = TcpStream::connect(self.address).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        while speaks_first && stream.read_u8().await.map_err(lost)? != b'\n' {}
        let name = ServerName::try_from("localhost").map_err(lost)?;
        let stream = self.tls.connect(name, stream).await.map_err(lost)?;
        let (half, writing) = tokio::io::split(stream);
        let (output, queue) = mpsc::unbounded_channel();
        tokio::spawn(write(writing, queue));
        Ok(Connection { input: Input { half, buffer: BytesMut::new() }, output })
    }
}

async fn write(mut stream: WriteHalf<TlsStream<TcpStream>>, mut queue: mpsc::UnboundedReceiver<Bytes>) -> Outcome {
    let (mut waiting, mut together) = (Vec::new(), Vec::new());
    while queue.recv_many(&mut waiting, TOGETHER).await > 0 {
        together.clear();
        waiting.drain(..).for_each(|bytes| together.extend_from_slice(&bytes));
        stream.write_all(&together).await.map_err(lost)?;
        stream.flush().await.map_err(lost)?;
    }
    Ok(())
}

impl Input {
    /// Waits for more bytes.
    pub(super) async fn more(&mut self) -> Outcome {
        self.buffer.reserve(READ);
        match self.half.read_buf(&mut self.buffer).await.map_err(lost)? {
            0 => Err(lost("by the broker")),
            _ => Ok(()),
        }
    }
}
