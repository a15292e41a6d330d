//! The limit: a fan-out relay over the same QUIC, the same TLS with the same certificates, the same log on the same disk,
//! and nothing else. No access, no epochs, no database, no catch-up: what a relay costs before it does its work.
//!
//! Frames both ways: length (4, big-endian), kind (1), body. One stream each way on a connection.

mod wire;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Endpoint, EndpointConfig, Incoming, MtuDiscoveryConfig, RecvStream, SendStream, TokioRuntime, TransportConfig,
};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::Notify;

use self::wire::Kind;
use super::network::{WORTHWHILE, lost, socket};
use super::{Place, serve};
use crate::admin::folder::{REGION, RELAY};
use crate::outcome::{Cause, Failure, Outcome};

pub(super) use self::wire::Bare;

/// Application protocol of the limit.
pub(super) const ALPN: &[u8] = b"bare/1";
/// Silence after which a connection is given up.
const IDLE: Duration = Duration::from_secs(120);
/// Bytes that are read from a stream at least at once.
const READ: usize = 2 << 10;

/// What one connection still has to be sent.
#[derive(Default)]
struct Outbox {
    waiting: Mutex<(Vec<Bytes>, u32)>,
    wake: Notify,
    closed: AtomicBool,
}

impl Outbox {
    fn push(&self, frames: &[Bytes]) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).0.extend_from_slice(frames);
        self.wake.notify_one();
    }

    fn acknowledge(&self, count: usize) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).1 += u32::try_from(count).unwrap_or(u32::MAX);
        self.wake.notify_one();
    }
}

/// Messages of one case that came together.
struct Batch {
    case: u32,
    frames: Vec<Bytes>,
    from: Arc<Outbox>,
}

type Members = Arc<Mutex<Vec<Arc<Outbox>>>>;

struct Relay {
    cases: RwLock<HashMap<u32, Members>>,
    /// Absent: nothing is written, and everything is acknowledged at once.
    log: Option<mpsc::Sender<Batch>>,
}

impl Relay {
    fn members(&self, case: u32) -> Members {
        if let Some(members) = self.cases.read().unwrap_or_else(PoisonError::into_inner).get(&case) {
            return members.clone();
        }
        self.cases.write().unwrap_or_else(PoisonError::into_inner).entry(case).or_default().clone()
    }

    fn fan_out(&self, batch: &Batch) {
        batch.from.acknowledge(batch.frames.len());
        for member in self.members(batch.case).lock().unwrap_or_else(PoisonError::into_inner).iter() {
            member.push(&batch.frames);
        }
    }

    fn accept(&self, batch: Batch) {
        match &self.log {
            None => self.fan_out(&batch),
            // The thread ends with the process.
            Some(log) => drop(log.send(batch)),
        }
    }
}

/// Serves until it is killed.
pub(super) async fn serve(place: &Place, durable: bool) -> Outcome {
    let (sender, waiting) = mpsc::channel();
    let relay = Arc::new(Relay { cases: RwLock::default(), log: durable.then_some(sender) });
    if durable {
        let path = place.relay.join("limit.log");
        let file = File::create(&path).map_err(|error| Failure::file("made", &path, &error))?;
        let (relay, delay) = (relay.clone(), place.delay);
        std::thread::spawn(move || log(file, &waiting, delay, &relay));
    }
    let mut transport = TransportConfig::default();
    let mut larger = MtuDiscoveryConfig::default();
    larger.minimum_change(WORTHWHILE);
    transport.max_idle_timeout(IDLE.try_into().ok()).mtu_discovery_config(Some(larger));
    let tls = QuicServerConfig::try_from(tls(&place.relay)?).map_err(|error| Failure::new(Cause::Internal, error))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    let socket = socket(place.listen)?;
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime));
    let endpoint = endpoint.map_err(|error| Failure::new(Cause::Failed, error))?;
    let address = endpoint.local_addr().map_err(|error| Failure::new(Cause::Failed, error))?;
    serve::announce(&place.ready(), &address.to_string())?;
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(connection(incoming, relay.clone()));
    }
    Ok(())
}

/// Group commit: what waits is written together, synced once, and only then acknowledged and delivered.
#[expect(clippy::disallowed_methods, reason = "time passing stands in for a slower disk")]
fn log(mut file: File, waiting: &mpsc::Receiver<Batch>, delay: Duration, relay: &Relay) {
    let mut buffer = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut batches = vec![first];
        batches.extend(waiting.try_iter());
        buffer.clear();
        for batch in &batches {
            for frame in &batch.frames {
                buffer.extend_from_slice(&batch.case.to_be_bytes());
                buffer.extend_from_slice(frame);
            }
        }
        if let Err(error) = file.write_all(&buffer).and_then(|()| file.sync_data()) {
            eprintln!("the limit's log cannot be written: {error}");
            return;
        }
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        for batch in &batches {
            relay.fan_out(batch);
        }
    }
}

/// The relay's own certificate and key, and the clients' certificates checked as far as a library does it.
fn tls(place: &Path) -> Outcome<rustls::ServerConfig> {
    let [chain, key, region] = [RELAY.0, RELAY.1, REGION].map(|file| place.join(file));
    let unusable = |path: &Path| Failure::new(Cause::Failed, format!("{} cannot be used", path.display()));
    let certificates = |path: &Path| -> Outcome<Vec<CertificateDer<'static>>> {
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|_| unusable(path))
    };
    let mut roots = RootCertStore::empty();
    for root in certificates(&region)? {
        roots.add(root).map_err(|_| unusable(&region))?;
    }
    let internal = |error: &dyn std::fmt::Display| Failure::new(Cause::Internal, error);
    let provider = Arc::new(CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    });
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let key_der = PrivateKeyDer::from_pem_file(&key).map_err(|_| unusable(&key))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| internal(&error))?
        .with_client_cert_verifier(verifier.map_err(|error| internal(&error))?)
        .with_single_cert(certificates(&chain)?, key_der)
        .map_err(|error| internal(&error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

async fn connection(incoming: Incoming, relay: Arc<Relay>) -> Outcome {
    let connection = incoming.await.map_err(lost)?;
    let output = connection.open_uni().await.map_err(lost)?;
    let input = connection.accept_uni().await.map_err(lost)?;
    let outbox = Arc::new(Outbox::default());
    let writing = tokio::spawn(write(output, outbox.clone()));
    let read = read(input, &relay, &outbox).await;
    outbox.closed.store(true, Ordering::Relaxed);
    outbox.wake.notify_one();
    // It ends with the connection.
    let _ended = writing.await;
    read
}

async fn read(mut input: RecvStream, relay: &Relay, outbox: &Arc<Outbox>) -> Outcome {
    let mut buffer = BytesMut::with_capacity(READ);
    let mut case = None;
    while let Some(chunk) = input.read_chunk(usize::MAX, true).await.map_err(lost)? {
        buffer.extend_from_slice(&chunk.bytes);
        let mut frames = Vec::new();
        while let Some((kind, whole)) = wire::take(&mut buffer) {
            match kind {
                Kind::Follow | Kind::Publish => {
                    let number = wire::number(&whole);
                    case = Some(number);
                    if kind == Kind::Follow {
                        let members = relay.members(number);
                        members.lock().unwrap_or_else(PoisonError::into_inner).push(outbox.clone());
                    }
                    outbox.push(&[wire::frame(Kind::Ready, &[])]);
                }
                Kind::Message => frames.push(whole),
                Kind::Ready | Kind::Acknowledged => return Err(lost("by a frame of the wrong side")),
            }
        }
        if let (Some(case), false) = (case, frames.is_empty()) {
            relay.accept(Batch { case, frames, from: outbox.clone() });
        }
    }
    Ok(())
}

/// Writes everything that has gathered since the last write in one go.
async fn write(mut output: SendStream, outbox: Arc<Outbox>) -> Outcome {
    let mut gathered = BytesMut::new();
    loop {
        outbox.wake.notified().await;
        loop {
            let (frames, acknowledged) =
                std::mem::take(&mut *outbox.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if frames.is_empty() && acknowledged == 0 {
                break;
            }
            for frame in &frames {
                gathered.extend_from_slice(frame);
            }
            if acknowledged > 0 {
                gathered.extend_from_slice(&wire::frame(Kind::Acknowledged, &acknowledged.to_be_bytes()));
            }
            while gathered.has_remaining() {
                let written = output.write(&gathered).await.map_err(lost)?;
                gathered.advance(written);
            }
        }
        if outbox.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        gathered = BytesMut::new();
    }
}
