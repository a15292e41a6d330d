//! A bare connection to the relay, below the client library: asks what a device could ask with its certificate and
//! whatever keys it holds, and keeps the ciphertext that comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kring_protocol::frame::{self, PREFIX};
use kring_protocol::ids::{Epoch, GroupId, OperationId, Seq, Signature, Subscription};
use kring_protocol::limits::{MAX_FRAME, MAX_READ};
use kring_protocol::message::{Access, Follow, Hello, Read, Record, Reply, Request, Submit};
use kring_protocol::payload::Payload;
use kring_protocol::proof::{TLS_EXPORTER_LABEL, TLS_EXPORTER_LENGTH};
use kring_protocol::refusal::Refusal;
use kring_protocol::{ALPN, VERSION};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::outcome::{Cause, Failure, Outcome};

/// Longest wait for one answer of a relay on this machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection of one device.
pub(super) struct Tap {
    connection: quinn::Connection,
    /// Keeps the socket.
    _endpoint: quinn::Endpoint,
    exporter: [u8; TLS_EXPORTER_LENGTH],
}

/// How the relay answered.
pub(super) type Answer = Result<Vec<Reply>, Refusal>;

/// What was read of a log.
pub(super) struct Capture {
    /// The records.
    pub(super) records: Vec<Record>,
    /// The newest record that the proof opens.
    pub(super) head: Seq,
}

impl Tap {
    /// Connects with a device's certificate.
    pub(super) async fn connect(
        relay: SocketAddr,
        root: &CertificateDer<'static>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Outcome<Self> {
        let endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).map_err(broken)?;
        let config = quinn::ClientConfig::new(Arc::new(tls(root, chain, key)?));
        let connecting = endpoint.connect_with(config, relay, &relay.ip().to_string()).map_err(broken)?;
        let connection = in_time(connecting).await?.map_err(broken)?;
        let mut exporter = [0; TLS_EXPORTER_LENGTH];
        connection
            .export_keying_material(&mut exporter, TLS_EXPORTER_LABEL, &[])
            .map_err(|_| broken("the connection exports no key"))?;
        let tap = Self { connection, _endpoint: endpoint, exporter };
        match tap.ask(&Request::from(Hello { version: VERSION, features: Vec::new() })).await? {
            Ok(_) => Ok(tap),
            Err(refusal) => Err(broken(refusal)),
        }
    }

    /// What a proof for this connection has to cover.
    pub(super) fn exporter(&self) -> &[u8; TLS_EXPORTER_LENGTH] {
        &self.exporter
    }

    /// Reads all records after one, as far as the proof opens the log.
    pub(super) async fn read(
        &self,
        group: GroupId,
        epoch: Epoch,
        proof: Signature,
        after: Seq,
    ) -> Outcome<Result<Capture, Refusal>> {
        let mut capture = Capture { records: Vec::new(), head: after };
        let mut after = after;
        loop {
            let access = Access { group, epoch, proof: Some(proof) };
            let request = Request::from(Read { access, after: Some(after), limit: MAX_READ });
            let replies = match self.ask(&request).await? {
                Ok(replies) => replies,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let mut through = after;
            for reply in replies {
                match reply {
                    Reply::Record(record) => capture.records.push(record),
                    Reply::ReadEnd(end) => {
                        capture.head = end.head;
                        through = end.through;
                    }
                    _ => {}
                }
            }
            if through >= capture.head || through <= after {
                return Ok(Ok(capture));
            }
            after = through;
        }
    }

    /// Subscribes, and returns the answer: the backlog, then how the subscription stands.
    pub(super) async fn follow(&self, access: Access, after: Seq) -> Outcome<Answer> {
        let request = Follow { access, subscription: Subscription(1), after: Some(after) };
        self.ask(&Request::from(request)).await
    }

    /// Submits a message.
    pub(super) async fn submit(&self, access: Access, message: Payload) -> Outcome<Answer> {
        let operation = OperationId(rand::random());
        self.ask(&Request::from(Submit { access, operation, message })).await
    }

    /// One request, and all frames of its answer.
    async fn ask(&self, request: &Request) -> Outcome<Answer> {
        let exchange = async {
            let (mut send, mut receive) = self.connection.open_bi().await.map_err(broken)?;
            send.write_all(&frame::encode(request)).await.map_err(broken)?;
            send.finish().map_err(broken)?;
            let mut replies = Vec::new();
            loop {
                let mut prefix = [0; PREFIX];
                match receive.read_exact(&mut prefix).await {
                    Ok(()) => {}
                    Err(quinn::ReadExactError::FinishedEarly(0)) => return Ok(Ok(replies)),
                    Err(error) => return Err(broken(error)),
                }
                let length = frame::body_length(prefix, MAX_FRAME).map_err(broken)?;
                let mut body = vec![0; length];
                receive.read_exact(&mut body).await.map_err(broken)?;
                match frame::decode(&body).map_err(broken)? {
                    Reply::Refused(refusal) => return Ok(Err(refusal)),
                    reply => replies.push(reply),
                }
            }
        };
        in_time(exchange).await?
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.connection.close(0u32.into(), &[]);
    }
}

/// TLS as a client of Kring uses it: 1.3, X25519MLKEM768, and the relay's certificate from the pinned root.
fn tls(
    root: &CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Outcome<QuicClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).map_err(broken)?;
    let provider =
        CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() };
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(broken)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(broken)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    QuicClientConfig::try_from(config).map_err(broken)
}

async fn in_time<T>(work: impl Future<Output = T>) -> Outcome<T> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| broken("the relay does not answer"))
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::advised(
        Cause::Failed,
        format!("the demo's own connection to its relay fails: {error}"),
        "run the demo again with --keep DIR and look at relay.log there",
    )
}
