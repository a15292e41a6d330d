//! The relay's outside: QUIC, TLS, bounds, queues, the life from start to stop. It decides nothing about groups; what it
//! lets through, the engine is asked about.
//!
//! In the order of a connection: [`endpoint`] and [`tls`] say who may connect, [`accept`] when, [`session`] takes it from handshake to
//! end, [`intake`] reads a request, [`answer`] has it answered through [`reply`], and what is live goes through
//! [`queue`] and [`push`].

mod accept;
mod answer;
mod certificates;
mod closing;
mod deliver;
mod disk;
mod endpoint;
mod enrol;
mod intake;
mod observe;
mod patient;
mod proofs;
mod push;
mod queue;
mod registry;
mod reply;
mod session;
mod submissions;
#[cfg(test)]
mod tests;
mod tls;
mod verdicts;

use std::fs::DirBuilder;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kring_protocol::limits::MAX_FRAME;
use kring_protocol::refusal::Refusal;
use quinn::Endpoint;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use tls::TlsError;

use self::disk::DiskAlarm;
use self::endpoint::ResetSecret;
use self::enrol::Visitors;
use self::intake::FrameMemory;
use self::registry::Registry;
use self::tls::{Believed, Identity, Trust};
use crate::clock;
use crate::config::{Config, Limits, Times, TlsFiles};
use crate::engine::{self, Condition, Engine, EngineThread, OpenError};
use crate::keys::{self, KeyError};
use crate::metrics::Metrics;
use crate::store::{AppendedStore, OpenStoreError, SledStore, SlowedStore, Store};

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The relay key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database.
    #[error("the database in {} cannot be opened: {source}", path.display())]
    Store {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: OpenStoreError,
    },
    /// The thread that owns the database.
    #[error(transparent)]
    Engine(#[from] OpenError),
    /// The lists of revoked certificates in the database cannot be read.
    #[error("the revocation lists in the database cannot be read: {0}")]
    Revocations(Refusal),
    /// The data folder cannot be made or looked at.
    #[error("the data folder {} cannot be used: {source}", path.display())]
    Data {
        /// Which folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The QUIC address.
    #[error("cannot listen on UDP {address}: {source}; stop what uses it, or set listen.address")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The observation address.
    #[error("cannot listen on TCP {address}: {source}; stop what uses it, or set observe.address")]
    Observe {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The observation address can be reached by others and nobody said that this is meant.
    #[error(
        "observe.address {0} can be reached by other machines; use 127.0.0.1, or set observe.allow_other_addresses"
    )]
    ObserveOthers(SocketAddr),
}

/// What all connections share.
pub(crate) struct Shell {
    pub(crate) engine: Engine,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) times: Times,
    pub(crate) frame_limit: usize,
    pub(crate) registry: Registry,
    pub(crate) memory: FrameMemory,
    /// Who reads a backlog beyond its first stretch: one at a time, so that however many do, a message that is sent now
    /// waits in the engine for one stretch at most.
    pub(crate) reading_on: Semaphore,
    pub(crate) disk: Arc<DiskAlarm>,
    /// New requests are refused.
    pub(crate) draining: Arc<AtomicBool>,
    /// Connections say farewell.
    pub(crate) drain: CancellationToken,
    pub(crate) believed: Believed,
    pub(crate) visitors: Visitors,
    /// Told when an organisation's administration has answered something.
    pub(crate) answered: watch::Sender<()>,
}

impl Shell {
    /// What is believed about devices now.
    pub(crate) fn trust(&self) -> Arc<Trust> {
        self.believed.now()
    }

    /// Closes those of the connections whose devices are no longer believed; how many.
    pub(crate) fn close_unbelieved(&self, connections: &[quinn::Connection]) -> usize {
        let (trust, now) = (self.trust(), clock::now());
        let believed = |connection: &quinn::Connection| {
            session::chain(connection).is_some_and(|chain| trust.judge(&chain, now).is_ok())
        };
        let mut closed = 0;
        for connection in connections.iter().filter(|connection| !believed(connection)) {
            self.metrics.revoked.increment(1);
            connection.close(closing::code(&Refusal::Revoked), &[]);
            closed += 1;
        }
        closed
    }
}

/// A relay that runs until [`shutdown`](Self::shutdown) or drop; dropped, it ends without farewell.
pub struct RunningRelay {
    /// Where it listens for QUIC.
    pub addr: SocketAddr,
    /// Where it serves health and metrics, if it does.
    pub observe_addr: Option<SocketAddr>,
    shell: Arc<Shell>,
    endpoint: Endpoint,
    secret: ResetSecret,
    engine_thread: Option<EngineThread>,
    files: TlsFiles,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything in flight was answered.
    Whole,
    /// The time ran out; what was not answered is as if it had not been asked, or can be asked for by its operation id.
    InPart,
}

/// Starts a relay: key, certificates, database, then the socket, so that whoever connects is served.
pub async fn start(config: Config) -> Result<RunningRelay, StartError> {
    let (config, store, secret) = open(config, open_sled).await?;
    start_on(config, store, &secret).await
}

/// What a load generator changes about a relay. An operator can set nothing of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BenchConditions {
    /// Added to every sync of the disk: the disks of test machines are often faster than those of data centres.
    pub sync_delay: Duration,
    /// Keeps the journal in a file that is only appended to, in place of the database: what the store's trait allows.
    pub appended: bool,
}

/// Starts a relay under the conditions of a load generator.
pub async fn start_for_bench(config: Config, conditions: BenchConditions) -> Result<RunningRelay, StartError> {
    let opening = if conditions.appended { open_appended } else { open_sled };
    let (config, store, secret) = open(config, opening).await?;
    start_on(config, Box::new(SlowedStore::new(store, conditions.sync_delay)), &secret).await
}

/// Opens a store in a data folder, under the relay key.
type OpenStore = fn(&Config, &[u8; 32]) -> Result<Box<dyn Store>, OpenStoreError>;

fn open_sled(config: &Config, relay_key: &[u8; 32]) -> Result<Box<dyn Store>, OpenStoreError> {
    Ok(Box::new(SledStore::open(&config.store.data, relay_key, config.store.cache)?))
}

fn open_appended(config: &Config, relay_key: &[u8; 32]) -> Result<Box<dyn Store>, OpenStoreError> {
    Ok(Box::new(AppendedStore::create(&config.store.data, relay_key)?))
}

async fn open(config: Config, opening: OpenStore) -> Result<(Config, Box<dyn Store>, ResetSecret), StartError> {
    refuse_other_machines(&config)?;
    tokio::task::spawn_blocking(move || open_store(&config, opening).map(|(store, secret)| (config, store, secret)))
        .await
        .expect("opening returns its errors, and the runtime lives as long as this call")
}

fn refuse_other_machines(config: &Config) -> Result<(), StartError> {
    if let Some(observe) = config.observe
        && !observe.allow_other_addresses
        && !observe.address.ip().is_loopback()
    {
        return Err(StartError::ObserveOthers(observe.address));
    }
    Ok(())
}

/// Opens the database under the relay key, from which the endpoint's secret comes too.
fn open_store(config: &Config, opening: OpenStore) -> Result<(Box<dyn Store>, ResetSecret), StartError> {
    let data = &config.store.data;
    let unusable = |source| StartError::Data { path: data.clone(), source };
    // For its owner alone; a folder that is there keeps its mode.
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(unusable)?;
    let key = keys::load(config.store.relay_key.as_deref(), keys::credentials().as_deref(), data)?;
    let store = opening(config, &key).map_err(|source| StartError::Store { path: data.clone(), source })?;
    Ok((store, ResetSecret::derive(&key)))
}

/// Starts a relay on a store that is open.
pub(crate) async fn start_on(
    config: Config,
    store: Box<dyn Store>,
    secret: &ResetSecret,
) -> Result<RunningRelay, StartError> {
    let data = config.store.data.clone();
    let identity = Identity::load(&config.tls, clock::now())?;

    let metrics = Arc::new(Metrics::new());
    metrics.install();
    let alarm = Arc::new(DiskAlarm::default());
    disk::free_bytes(&data).map_err(|source| StartError::Data { path: data.clone(), source })?;
    disk::look(&alarm, &data, config.store.min_free, &metrics);
    let settings = engine::Settings { max_message: config.limits.message, ..engine::Settings::default() };
    let (engine, engine_thread) = Engine::start(store, settings, Arc::new(clock::now))?;

    let quic = endpoint::server_config(identity.quic, &config.limits, &config.times, secret);
    let listen = |source| StartError::Listen { address: config.listen, source };
    let endpoint = endpoint::bind(config.listen, quic, secret).map_err(listen)?;
    let addr = endpoint.local_addr().map_err(listen)?;

    let shell = Arc::new(Shell {
        engine,
        metrics: metrics.clone(),
        limits: config.limits,
        times: config.times,
        frame_limit: MAX_FRAME,
        registry: Registry::new(config.limits.connections, config.limits.connections_per_device),
        memory: FrameMemory::new(config.limits.request_bytes),
        reading_on: Semaphore::new(1),
        disk: alarm.clone(),
        draining: Arc::default(),
        drain: CancellationToken::new(),
        believed: identity.believed,
        visitors: Visitors::default(),
        answered: watch::Sender::new(()),
    });
    certificates::recall(&shell).await.map_err(StartError::Revocations)?;
    for list in identity.lists {
        certificates::from_file(&shell, list).await;
    }
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut observe_addr = None;
    if let Some(observe) = config.observe {
        let failed = |source| StartError::Observe { address: observe.address, source };
        let listener = observe::bind(observe.address).await.map_err(failed)?;
        observe_addr = Some(listener.local_addr().map_err(failed)?);
        let health = observe::Health {
            engine: shell.engine.clone(),
            disk: alarm.clone(),
            draining: shell.draining.clone(),
            metrics: metrics.clone(),
        };
        tasks.spawn(observe::serve(listener, Arc::new(health), tasks.clone(), stop.clone()));
    }
    tasks.spawn(disk::watch(alarm, data, config.store.min_free, metrics, stop.clone()));
    tasks.spawn(accept::accept(shell.clone(), endpoint.clone(), tasks.clone(), stop.clone()));
    tracing::info!("the relay has started");
    Ok(RunningRelay {
        addr,
        observe_addr,
        shell,
        endpoint,
        secret: secret.clone(),
        engine_thread: Some(engine_thread),
        files: config.tls,
        tasks,
        stop,
    })
}

impl RunningRelay {
    /// Reads certificates, roots and revocation lists again: for connections from now on, and those of devices that are
    /// no longer believed are closed. After an error everything is as before.
    pub fn reload(&self) -> Result<(), TlsError> {
        let quic = tls::server_tls(&self.files, &self.shell.believed)?;
        let lists = self.shell.believed.reload(&self.files, clock::now())?;
        let quic = endpoint::server_config(quic, &self.shell.limits, &self.shell.times, &self.secret);
        self.endpoint.set_server_config(Some(quic));
        let shell = self.shell.clone();
        self.tasks.spawn(async move {
            for list in lists {
                certificates::from_file(&shell, list).await;
            }
        });
        self.shell.metrics.reloads.increment(1);
        let closed = self.shell.close_unbelieved(&self.shell.registry.all());
        tracing::info!(closed, "connections judged by the certificates read anew");
        Ok(())
    }

    /// What Prometheus would read now.
    pub fn metrics(&self) -> String {
        self.shell.metrics.exposition()
    }

    /// Stops: no new connections and requests, a farewell to every client, what is in flight is answered, the database
    /// is brought to rest.
    pub async fn shutdown(mut self) -> Drained {
        self.shell.draining.store(true, Ordering::Relaxed);
        self.shell.metrics.draining.set(1);
        self.shell.drain.cancel();
        self.tasks.close();
        // Sessions end by themselves; the tasks that do not are told at the end of the time.
        let drained = timeout(self.shell.times.drain, self.sessions_end()).await;
        self.stop.cancel();
        self.endpoint.close(closing::code(&Refusal::Draining), &[]);
        let ended = timeout(LAST_PACKETS, async {
            self.tasks.wait().await;
            self.endpoint.wait_idle().await;
        });
        let ended = ended.await;
        let at_rest = self.shell.engine.drain().await.is_ok();
        // An engine that did not come to rest may never end; what it acknowledged is on the disk all the same.
        if let Some(thread) = self.engine_thread.take().filter(|_| at_rest) {
            // A panic of the thread has been reported by its own hook.
            let _joined = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        let whole = drained.is_ok() && ended.is_ok() && at_rest;
        tracing::info!(whole, "the relay has stopped");
        if whole { Drained::Whole } else { Drained::InPart }
    }

    /// Waits until the engine has failed, which no relay outlives: it accepts nothing any more. Then [`Self::abandon`]
    /// it, end the process and have it started again.
    pub async fn failed(&self) -> Condition {
        self.shell.engine.failed().await
    }

    /// Ends a relay whose engine has failed: there is nothing to be waited for. What it acknowledged is on the disk.
    pub async fn abandon(self) {
        self.shell.draining.store(true, Ordering::Relaxed);
        self.stop.cancel();
        self.endpoint.close(closing::code(&Refusal::Draining), &[]);
        // Peers that do not hear of it find out by themselves.
        let _told = timeout(LAST_PACKETS, self.endpoint.wait_idle()).await;
    }

    async fn sessions_end(&self) {
        self.shell.registry.emptied().await;
    }
}

impl Drop for RunningRelay {
    fn drop(&mut self) {
        self.stop.cancel();
        self.endpoint.close(closing::code(&Refusal::Draining), &[]);
    }
}

/// For the packets that tell peers of the end (RFC 9000 §10.2: three probe time-outs) after the time for draining.
const LAST_PACKETS: Duration = Duration::from_secs(3);
