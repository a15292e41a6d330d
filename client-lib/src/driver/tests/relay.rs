//! A relay that does what a test tells it to: it speaks QUIC with certificates of the test's own, answers the hello if
//! wished, and hands every other request to a script.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use kring_pki::form::{DisplayName, FunctionCode};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, RegionRoot, Validity,
};
use kring_pki::verify::{Crls, TrustAnchors, VerifiedDevice, When, verify_device};
use kring_protocol::address::DeviceAddress;
use kring_protocol::frame;
use kring_protocol::ids::{DeviceId, InboxSeq, Incarnation, Timestamp};
use kring_protocol::message::{Empty, Hello, InboxEnd, KeyPackageCount, Reply, Request, Welcome};
use kring_protocol::{ALPN, VERSION};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::driver::surroundings::{Clock, Surroundings};
use crate::identity::{Profile, Setup};
use crate::store::Unlock;

/// The moment at which all tests play: certificates are valid around it, and rustls' own verifiers use the system's
/// clock, so it is today.
pub(crate) fn now() -> Timestamp {
    Surroundings::default().clock.now()
}

/// A region and an organisation that issue what a test needs.
pub(crate) struct World {
    region: RegionRoot,
    organisation: OrganisationCa,
}

/// How a relay of a test differs from a proper one.
pub(super) struct Flaws {
    pub(super) name: &'static str,
    pub(super) validity: Validity,
    pub(super) groups: Vec<&'static dyn SupportedKxGroup>,
    pub(super) protocol: &'static [u8],
    /// The roots for devices are those of another region.
    pub(super) distrusts: bool,
}

impl Default for Flaws {
    fn default() -> Self {
        Self {
            name: "relay.example",
            validity: Validity::days(now(), 30),
            groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
            protocol: ALPN,
            distrusts: false,
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let valid = Validity::days(now(), 300);
        let long = Validity { not_before: Timestamp(now().0 - 20 * Timestamp::DAY), ..Validity::days(now(), 3_000) };
        let name = DisplayName::new(&format!("Regio {:08x}", rand::random::<u32>())).expect("name");
        let region = RegionRoot::create(&name, long).expect("region");
        let subject = OrganisationSubject {
            name: DisplayName::new("Politie").expect("name"),
            domain: "politie.example".to_owned(),
            functions: vec![FunctionCode::new("police").expect("function")],
        };
        let key = PrivateKey::generate(Algorithm::Ed25519).expect("key");
        let organisation = region.issue_organisation(&subject, key, valid).expect("organisation");
        Self { region, organisation }
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.region.certificate().clone()
    }

    /// A setup of a new device for the relay at `address`.
    pub(crate) fn setup(&self, address: SocketAddr, validity: Validity) -> Setup {
        let key = PrivateKey::generate(Algorithm::Ed25519).expect("key");
        let subject = DeviceSubject {
            address: DeviceAddress {
                professional: "a.jansen@politie.example".parse().expect("address"),
                device: DeviceId(rand::random()),
            },
            name: DisplayName::new("Anne Jansen").expect("name"),
            function: FunctionCode::new("police").expect("function"),
        };
        let public = key.ed25519_public_key().expect("Ed25519");
        let device = self.organisation.issue_device(&subject, &public, validity).expect("device");
        Setup {
            chain: device.chain().to_vec(),
            key: key.to_der(),
            region_roots: vec![self.root()],
            relay: address
                .to_string()
                .parse::<crate::identity::RelayAddress>()
                .expect("address")
                .with_name("relay.example")
                .expect("name"),
            relay_roots: vec![self.root()],
        }
    }

    /// The next certificate of a device, for the same key.
    pub(crate) fn renewed(&self, present: &VerifiedDevice, validity: Validity) -> VerifiedDevice {
        let subject = DeviceSubject {
            address: present.address().clone(),
            name: present.name().clone(),
            function: present.function().clone(),
        };
        let next = self.organisation.issue_device(&subject, present.public_key(), validity).expect("device");
        let anchors = TrustAnchors::from_der([self.region.certificate()]).expect("root");
        verify_device(next.chain(), &anchors, When::Ever, &Crls::none()).expect("good")
    }

    /// A profile of a new device in a new folder.
    pub(super) fn profile(&self, folder: &Path, address: SocketAddr) -> Profile {
        Profile::create(folder, &self.setup(address, Validity::days(now(), 30)), &unlock()).expect("profile")
    }

    /// Listens as a relay with the flaws given.
    pub(super) fn listen(&self, flaws: &Flaws) -> Endpoint {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("key");
        let relay = self.region.issue_relay(&[flaws.name], key, flaws.validity).expect("relay");
        let provider = Arc::new(CryptoProvider { kx_groups: flaws.groups.clone(), ..aws_lc_rs::default_provider() });
        let mut roots = rustls::RootCertStore::empty();
        let trusted = if flaws.distrusts { Self::new().root() } else { self.root() };
        roots.add(trusted).expect("root");
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = builder.build().expect("verifier");
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(relay.chain().to_vec(), relay.key().to_der())
            .expect("certificate");
        config.alpn_protocols = vec![flaws.protocol.to_vec()];
        let config = QuicServerConfig::try_from(config).expect("suites");
        let config = quinn::ServerConfig::with_crypto(Arc::new(config));
        Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("socket")
    }
}

/// Opens a store without stretching a passphrase.
pub(crate) fn unlock() -> Unlock {
    Unlock::Key(Zeroizing::new([7; 32]))
}

/// A clock that stands.
pub(super) struct Stopped(pub(super) Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// One connection, accepted; its hello answered.
pub(super) async fn accept(endpoint: &Endpoint) -> Connection {
    accept_with(endpoint, welcome()).await
}

/// One connection, accepted and welcomed; with notes in the inbox, so that the client's next request shows that it
/// has read the welcome.
pub(super) async fn accept_and_hear(endpoint: &Endpoint) -> Connection {
    let connection = accept_with(endpoint, Welcome { inbox: 1, ..welcome() }).await;
    next_request(&connection).await.expect("a request");
    connection
}

async fn accept_with(endpoint: &Endpoint, welcome: Welcome) -> Connection {
    let connection = accept_silently(endpoint).await.expect("a connection");
    let (mut answer, request) = next_request(&connection).await.expect("a hello");
    assert!(matches!(request, Request::Hello(Hello { .. })), "the hello comes first");
    reply(&mut answer, &Reply::Welcome(welcome)).await;
    connection
}

/// One connection, accepted and not spoken to.
pub(super) async fn accept_silently(endpoint: &Endpoint) -> Option<Connection> {
    endpoint.accept().await?.await.ok()
}

/// A welcome with nothing in it that a client would act on.
pub(super) fn welcome() -> Welcome {
    Welcome {
        version: VERSION,
        features: Vec::new(),
        incarnation: Incarnation([1; 16]),
        now: now(),
        max_message: kring_protocol::limits::MAX_MESSAGE as u64,
        key_packages: 100,
        inbox: 0,
        last_resort: true,
        crls: None,
    }
}

/// The next request and where its answer goes.
pub(super) async fn next_request(connection: &Connection) -> Option<(SendStream, Request)> {
    let (answer, mut stream): (SendStream, RecvStream) = connection.accept_bi().await.ok()?;
    let bytes = stream.read_to_end(1 << 21).await.ok()?;
    Some((answer, frame::decode(&bytes[frame::PREFIX..]).ok()?))
}

/// Writes a reply and leaves the stream open.
pub(super) async fn write(answer: &mut SendStream, reply: &Reply) {
    answer.write_all(&frame::encode(reply)).await.expect("written");
}

/// Writes the only reply, or the last.
pub(super) async fn reply(answer: &mut SendStream, last: &Reply) {
    write(answer, last).await;
    answer.finish().expect("finished");
}

/// Answers whatever a client asks by itself after its hello, until the connection ends.
pub(super) async fn answer_all(connection: Connection) {
    while let Some((mut answer, request)) = next_request(&connection).await {
        let last = match request {
            Request::ReadInbox(_) => Reply::InboxEnd(InboxEnd { through: InboxSeq(0) }),
            Request::PublishKeyPackages(_) => {
                Reply::KeyPackageCount(KeyPackageCount { single_use: 100, last_resort: true })
            }
            _ => Reply::Done(Empty),
        };
        reply(&mut answer, &last).await;
    }
}

/// Runs a relay's script beside the test; a panic in it fails the test that awaits it.
pub(super) fn beside<T: Send + 'static>(
    script: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(script)
}
