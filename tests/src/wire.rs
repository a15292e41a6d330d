//! A client of the wire alone: it sends any bytes, proves any epoch, and says what came back.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use kring_protocol::frame::{self, PREFIX};
use kring_protocol::ids::{CursorId, Epoch, GroupId, OperationId, Seq, Signature, Subscription};
use kring_protocol::limits::MAX_FRAME;
use kring_protocol::message::{
    Access, CreateGroup, Follow, Hello, Push, Read, ReadEnd, Record, Reply, Request, Submit, SubmitCommit, Welcome,
};
use kring_protocol::proof::{TLS_EXPORTER_LABEL, TLS_EXPORTER_LENGTH, signed_text};
use kring_protocol::{ALPN, VERSION};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, RecvStream};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::clock::soon;
use crate::log::Log;
use crate::world::{Device, RELAY_NAME, World};

/// How a client presents itself.
pub struct Manner<'a> {
    /// Key exchanges that it offers.
    pub key_exchange: Vec<&'static dyn SupportedKxGroup>,
    /// Its certificate; absent: none.
    pub device: Option<&'a Device>,
    /// Application protocol.
    pub alpn: &'a [u8],
}

impl<'a> Manner<'a> {
    /// As it should be.
    pub fn proper(device: &'a Device) -> Self {
        Self { key_exchange: vec![kx_group::X25519MLKEM768], device: Some(device), alpn: ALPN }
    }
}

/// The connection ended before an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost;

/// One connection.
pub struct Wire {
    connection: Connection,
    _endpoint: Endpoint,
}

impl Wire {
    /// Connects and says hello.
    ///
    /// # Panics
    /// When the relay does not welcome it.
    pub async fn open(world: &World, device: &Device, relay: SocketAddr) -> Self {
        let wire = Self::connect(world, Manner::proper(device), relay).await.expect("a connection");
        wire.hello().await.expect("a welcome");
        wire
    }

    /// Connects; the relay may refuse the certificate only after this.
    ///
    /// # Panics
    /// When this side is at fault.
    pub async fn connect(world: &World, manner: Manner<'_>, relay: SocketAddr) -> Result<Self, ConnectionError> {
        let mut roots = RootCertStore::empty();
        roots.add(world.root().clone()).expect("a root");
        let provider = CryptoProvider { kx_groups: manner.key_exchange, ..default_provider() };
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots);
        let mut config = match manner.device {
            Some(device) => {
                let key: PrivateKeyDer<'static> = device.key.to_der();
                // Beside the builder that compares the two: a thief has another key.
                let key = any_supported_type(&key).expect("a key that signs");
                let shown = CertifiedKey::new(device.chain.clone(), key);
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![manner.alpn.to_vec()];
        let config = QuicClientConfig::try_from(config).expect("a suite for QUIC");
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let config = quinn::ClientConfig::new(Arc::new(config));
        let connecting = endpoint.connect_with(config, relay, RELAY_NAME).expect("a connection to try");
        let connection = soon("the handshake", connecting).await?;
        Ok(Self { connection, _endpoint: endpoint })
    }

    /// Says hello.
    ///
    /// # Panics
    /// When something else than a welcome comes.
    pub async fn hello(&self) -> Result<Welcome, Lost> {
        match self.ask(Hello { version: VERSION, features: Vec::new() }).await? {
            Reply::Welcome(welcome) => Ok(welcome),
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// Sends a request that has one answer.
    ///
    /// # Panics
    /// When there are several.
    pub async fn ask(&self, request: impl Into<Request>) -> Result<Reply, Lost> {
        let mut replies = self.ask_all(request).await?;
        assert_eq!(replies.len(), 1, "{replies:?}");
        replies.pop().ok_or(Lost)
    }

    /// Sends a request.
    pub async fn ask_all(&self, request: impl Into<Request>) -> Result<Vec<Reply>, Lost> {
        self.send(&frame::encode(&request.into())).await
    }

    /// Sends bytes as a request.
    ///
    /// # Panics
    /// When the relay answers with something that is no reply.
    pub async fn send(&self, bytes: &[u8]) -> Result<Vec<Reply>, Lost> {
        let exchange = async {
            let (mut send, mut receive) = self.connection.open_bi().await.map_err(|_| Lost)?;
            // A relay that refuses early does not read the rest.
            let _refused_early = send.write_all(bytes).await;
            let _refused_early = send.finish();
            let mut replies = Vec::new();
            while let Some(body) = next_frame(&mut receive).await? {
                replies.push(frame::decode(&body).expect("a reply"));
            }
            Ok(replies)
        };
        soon("an answer", exchange).await
    }

    /// Waits until the connection has ended, and tells why.
    pub async fn ended(&self) -> ConnectionError {
        soon("the connection's end", self.connection.closed()).await
    }

    /// The stream of pushes. It shows once something was pushed.
    ///
    /// # Panics
    /// When the connection ends.
    pub async fn pushes(&self) -> Pushes {
        Pushes(soon("the push stream", self.connection.accept_uni()).await.expect("a connection"))
    }

    /// A group's epoch with the proof of its key.
    pub fn access(&self, log: Log, epoch: Epoch) -> Access {
        Access { group: log.0, epoch, proof: Some(self.proof(log, epoch)) }
    }

    /// What binds a proof to this connection.
    ///
    /// # Panics
    /// Never: 32 bytes can be exported from every connection.
    pub fn exporter(&self) -> [u8; TLS_EXPORTER_LENGTH] {
        let mut exporter = [0; TLS_EXPORTER_LENGTH];
        self.connection.export_keying_material(&mut exporter, TLS_EXPORTER_LABEL, &[]).expect("32 bytes");
        exporter
    }

    /// The proof of an epoch's key on this connection.
    pub fn proof(&self, log: Log, epoch: Epoch) -> Signature {
        self.proof_by(&log.key(epoch), log.0, epoch)
    }

    /// The proof of a key that somebody else has derived.
    ///
    /// # Panics
    /// Never: a signature has 64 bytes.
    pub fn proof_by(&self, key: &Ed25519KeyPair, group: GroupId, epoch: Epoch) -> Signature {
        let signature = key.sign(&signed_text(&self.exporter(), group, epoch));
        Signature::from_slice(signature.as_ref()).expect("64 bytes")
    }

    /// Opens a group's log in epoch 0.
    ///
    /// # Panics
    /// When the relay refuses.
    pub async fn create(&self, log: Log, cursor: Option<CursorId>) {
        let request = CreateGroup {
            access: self.access(log, Epoch(0)),
            operation: OperationId(rand::random()),
            access_key: log.access_key(Epoch(0)),
            cursor,
        };
        let reply = self.ask(request).await;
        assert!(matches!(reply, Ok(Reply::Receipt(_))), "{reply:?}");
    }

    /// Submits an application message.
    pub async fn submit(&self, log: Log, epoch: Epoch, ciphertext: &[u8]) -> Result<Reply, Lost> {
        self.ask(Submit {
            access: self.access(log, epoch),
            operation: OperationId(rand::random()),
            message: log.application(epoch, ciphertext),
        })
        .await
    }

    /// A Commit that ends the epoch and adds nobody.
    pub fn commit_of(&self, log: Log, epoch: Epoch) -> SubmitCommit {
        SubmitCommit {
            access: self.access(log, epoch),
            operation: OperationId(rand::random()),
            message: log.commit(epoch, &rand::random::<[u8; 32]>()),
            next_access_key: log.access_key(epoch.next()),
            welcomes: Vec::new(),
            closes: None,
        }
    }

    /// Submits a Commit that adds nobody.
    ///
    /// # Panics
    /// When the relay refuses.
    pub async fn commit(&self, log: Log, epoch: Epoch) -> Seq {
        match self.ask(self.commit_of(log, epoch)).await {
            Ok(Reply::Receipt(receipt)) => receipt.seq,
            other => panic!("no receipt but {other:?}"),
        }
    }

    /// Everything that a proof of this epoch opens, after `after`.
    ///
    /// # Panics
    /// When the relay refuses or reports a gap.
    pub async fn read(&self, log: Log, epoch: Epoch, after: Option<Seq>) -> (Vec<Record>, ReadEnd) {
        let (mut records, mut after) = (Vec::new(), after);
        loop {
            let request = Read { access: self.access(log, epoch), after, limit: 1 << 20 };
            let mut replies = self.ask_all(request).await.expect("an answer");
            let Some(Reply::ReadEnd(end)) = replies.pop() else { panic!("no end of the read") };
            records.extend(replies.into_iter().map(|reply| match reply {
                Reply::Record(record) => record,
                other => panic!("no record but {other:?}"),
            }));
            if end.through >= end.head {
                return (records, end);
            }
            after = Some(end.through);
        }
    }

    /// Follows a group.
    pub async fn follow(&self, log: Log, epoch: Epoch, number: u32, after: Option<Seq>) -> Result<Vec<Reply>, Lost> {
        let request = Follow { access: self.access(log, epoch), subscription: Subscription(number), after };
        self.ask_all(request).await
    }
}

/// The stream of pushes.
pub struct Pushes(RecvStream);

impl Pushes {
    /// The next push; an error when the connection has ended.
    pub async fn next(&mut self) -> Result<Push, Lost> {
        let body = soon("a push", next_frame(&mut self.0)).await?.ok_or(Lost)?;
        frame::decode(&body).map_err(|_| Lost)
    }

    /// The next push, which has to be a record.
    ///
    /// # Panics
    /// When it is none.
    pub async fn record(&mut self) -> Record {
        match self.next().await {
            Ok(Push::Delivery(delivery)) => frame::decode(&delivery.record).expect("a record"),
            other => panic!("no record but {other:?}"),
        }
    }
}

/// The next frame of a stream; `None` at its end.
async fn next_frame(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, Lost> {
    let mut prefix = [0; PREFIX];
    match stream.read_exact(&mut prefix).await {
        Ok(()) => {}
        Err(quinn::ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(_) => return Err(Lost),
    }
    let mut body = vec![0; frame::body_length(prefix, MAX_FRAME).expect("a frame's length")];
    stream.read_exact(&mut body).await.map_err(|_| Lost)?;
    Ok(Some(body))
}
