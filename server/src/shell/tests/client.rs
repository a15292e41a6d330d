//! A client of the wire alone: frames in, frames out.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bytes::Bytes;
use kring_protocol::frame::{self, PREFIX};
use kring_protocol::ids::{AccessKey, CursorId, Epoch, GroupId, OperationId, Seq, Signature, Subscription};
use kring_protocol::message::{
    Access, CreateGroup, Follow, Hello, Push, Receipt, Record, Reply, Request, Submit, SubmitCommit, Welcome,
};
use kring_protocol::payload::Payload;
use kring_protocol::proof::{TLS_EXPORTER_LABEL, TLS_EXPORTER_LENGTH, signed_text};
use kring_protocol::{ALPN, VERSION};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, RecvStream, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::crypto::{SupportedKxGroup, aws_lc_rs as provider};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::world::{Device, HOST, World, soon};

/// How a client differs from an honest one.
pub(crate) struct Manner {
    pub(crate) key_exchange: Vec<&'static dyn SupportedKxGroup>,
    pub(crate) certificate: bool,
    pub(crate) protocol: &'static [u8],
    /// Bytes that it takes on a stream before it reads.
    pub(crate) window: u32,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            key_exchange: vec![provider::kx_group::X25519MLKEM768],
            certificate: true,
            protocol: ALPN,
            window: 1 << 20,
        }
    }
}

/// A connection to a relay.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    _endpoint: Endpoint,
}

impl Client {
    /// Connects; the handshake of the client's side may end before the relay has judged the certificate.
    pub(crate) async fn connect(
        world: &World,
        device: &Device,
        relay: SocketAddr,
        manner: Manner,
    ) -> Result<Self, quinn::ConnectionError> {
        let mut roots = RootCertStore::empty();
        roots.add(world.region.certificate().clone()).unwrap();
        let cryptography =
            rustls::crypto::CryptoProvider { kx_groups: manner.key_exchange, ..provider::default_provider() };
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(cryptography))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = if manner.certificate {
            // Not `with_client_auth_cert`, which would refuse a certificate with another key before the relay can.
            let key = provider::sign::any_supported_type(&device.key.to_der()).unwrap();
            let shown = SingleCertAndKey::from(CertifiedKey::new(device.chain.clone(), key));
            config.with_client_cert_resolver(Arc::new(shown))
        } else {
            config.with_no_client_auth()
        };
        config.alpn_protocols = vec![manner.protocol.to_vec()];
        let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(VarInt::from_u32(manner.window)).max_concurrent_bidi_streams(0u8.into());
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connection = endpoint.connect_with(config, relay, HOST).unwrap();
        let connection = soon("the handshake", connection).await?;
        Ok(Self { connection, _endpoint: endpoint })
    }

    /// Connects and says hello.
    pub(crate) async fn greeted(world: &World, device: &Device, relay: SocketAddr) -> Self {
        let client = Self::connect(world, device, relay, Manner::default()).await.unwrap();
        client.hello().await;
        client
    }

    pub(crate) async fn hello(&self) -> Welcome {
        match self.ask(Hello { version: VERSION, features: Vec::new() }).await {
            Reply::Welcome(welcome) => welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// Sends a request, gives its only answer.
    pub(crate) async fn ask(&self, request: impl Into<Request>) -> Reply {
        let mut answers = self.ask_all(request).await;
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    /// Sends a request, gives all parts of its answer.
    pub(crate) async fn ask_all(&self, request: impl Into<Request>) -> Vec<Reply> {
        self.send_bytes(&frame::encode(&request.into())).await
    }

    /// Sends bytes on a stream of their own, gives what is answered.
    pub(crate) async fn send_bytes(&self, bytes: &[u8]) -> Vec<Reply> {
        self.send_slowly([bytes].into_iter()).await
    }

    /// Sends pieces on one stream, each when the one before is gone; gives what is answered.
    pub(crate) async fn send_slowly(&self, pieces: impl Iterator<Item = &[u8]>) -> Vec<Reply> {
        let exchange = async {
            let (mut send, mut receive) = self.connection.open_bi().await.unwrap();
            for piece in pieces {
                // A relay that refuses early does not read the rest.
                let _refused = send.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            let _refused = send.finish();
            let answer = receive.read_to_end(64 << 20).await.unwrap();
            let mut rest = &answer[..];
            let mut replies = Vec::new();
            while !rest.is_empty() {
                let (prefix, tail) = rest.split_at(PREFIX);
                let (body, tail) =
                    tail.split_at(frame::body_length(prefix.try_into().unwrap(), frame_limit()).unwrap());
                replies.push(frame::decode(body).unwrap());
                rest = tail;
            }
            replies
        };
        soon("the answer", exchange).await
    }

    /// The stream on which the relay pushes; it can be seen once something was pushed.
    pub(crate) async fn pushes(&self) -> Pushes {
        Pushes(soon("the push stream", self.connection.accept_uni()).await.unwrap())
    }

    /// The proof of an epoch whose access key has this seed.
    pub(crate) fn access(&self, group: GroupId, epoch: Epoch, seed: u8) -> Access {
        let mut exporter = [0; TLS_EXPORTER_LENGTH];
        self.connection.export_keying_material(&mut exporter, TLS_EXPORTER_LABEL, &[]).unwrap();
        let signature = pair(seed).sign(&signed_text(&exporter, group, epoch));
        Access { group, epoch, proof: Signature::from_slice(signature.as_ref()) }
    }

    pub(crate) async fn create_group(&self, group: GroupId, seed: u8) -> Reply {
        let access = self.access(group, Epoch(0), seed);
        let operation = OperationId(rand::random());
        let cursor = Some(CursorId(rand::random()));
        self.ask(CreateGroup { access, operation, access_key: access_key(seed), cursor }).await
    }

    pub(crate) async fn submit(&self, access: Access, length: usize) -> Receipt {
        let message = private_message(access.group, access.epoch, 1, length);
        match self.ask(Submit { access, operation: OperationId(rand::random()), message }).await {
            Reply::Receipt(receipt) => receipt,
            other => panic!("no receipt but {other:?}"),
        }
    }

    pub(crate) async fn commit(&self, access: Access, next_seed: u8) -> Receipt {
        let message = private_message(access.group, access.epoch, 3, 100);
        let commit = SubmitCommit {
            access,
            operation: OperationId(rand::random()),
            message,
            next_access_key: access_key(next_seed),
            welcomes: Vec::new(),
            closes: None,
        };
        match self.ask(commit).await {
            Reply::Receipt(receipt) => receipt,
            other => panic!("no receipt but {other:?}"),
        }
    }

    pub(crate) async fn follow(&self, access: Access, after: Option<Seq>) -> Vec<Reply> {
        self.ask_all(Follow { access, subscription: Subscription(1), after }).await
    }
}

/// The push stream being read.
pub(crate) struct Pushes(RecvStream);

impl Pushes {
    pub(crate) async fn next(&mut self) -> Push {
        soon("a push", async {
            let mut prefix = [0; PREFIX];
            self.0.read_exact(&mut prefix).await.unwrap();
            let mut body = vec![0; frame::body_length(prefix, frame_limit()).unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            frame::decode(&body).unwrap()
        })
        .await
    }

    /// The next push, which has to be a record.
    pub(crate) async fn record(&mut self) -> Record {
        match self.next().await {
            Push::Delivery(delivery) => frame::decode(&delivery.record).unwrap(),
            other => panic!("no record but {other:?}"),
        }
    }
}

fn frame_limit() -> usize {
    kring_protocol::limits::MAX_FRAME
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

pub(crate) fn access_key(seed: u8) -> AccessKey {
    AccessKey::from_slice(pair(seed).public_key().as_ref()).unwrap()
}

/// An `MLSMessage` with a PrivateMessage (RFC 9420 §6.3) whose ciphertext has `length` bytes.
pub(crate) fn private_message(group: GroupId, epoch: Epoch, content: u8, length: usize) -> Payload {
    let mut message = vec![0, 1, 0, 2, 16];
    message.extend_from_slice(group.as_bytes());
    message.extend_from_slice(&epoch.0.to_be_bytes());
    message.extend_from_slice(&[content, 0, 0]);
    let length_prefix = u32::try_from(length).unwrap();
    match length {
        0..64 => message.push(length_prefix as u8),
        64..16_384 => message.extend_from_slice(&(length_prefix as u16 | 0x4000).to_be_bytes()),
        _ => message.extend_from_slice(&(length_prefix | 0x8000_0000).to_be_bytes()),
    }
    message.extend(std::iter::repeat_n(0x5a, length));
    Payload(Bytes::from(message))
}
