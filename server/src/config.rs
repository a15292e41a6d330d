//! What an operator can set, with the defaults and their reasons. [`read`] reads the file and names everything that is
//! wrong with it at once; `deploy/relay.toml` is the documented example, and a test keeps it equal to the defaults.

pub mod read;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kring_protocol::limits::MAX_MESSAGE;

pub use read::{ConfigError, Finding, Problem, parse};

/// Bytes in a mebibyte, the unit of the sizes in the file.
pub(crate) const MIB: u64 = 1 << 20;
/// Bytes in a kibibyte.
pub(crate) const KIB: u64 = 1 << 10;

/// Everything that a relay is told before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it listens for QUIC (UDP).
    pub listen: SocketAddr,
    /// Its certificate and whom it believes.
    pub tls: TlsFiles,
    /// What it keeps on disk.
    pub store: StoreSettings,
    /// Bounds.
    pub limits: Limits,
    /// Time-outs.
    pub times: Times,
    /// Health and metrics over HTTP; absent: none.
    pub observe: Option<ObserveSettings>,
    /// What it writes to standard error.
    pub log: LogSettings,
}

/// PEM files of the TLS side. A reload reads all of them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The relay's certificate, then the authorities between it and the root that clients pin.
    pub certificate: PathBuf,
    /// Its private key (PKCS #8), mode 0600.
    pub private_key: PathBuf,
    /// Region roots whose devices are admitted.
    pub region_roots: Vec<PathBuf>,
    /// Revocation lists of the organisations.
    pub crls: Vec<PathBuf>,
}

/// What is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Folder of the database; one relay at a time.
    pub data: PathBuf,
    /// File of the relay key, outside `data`; absent: the systemd credential `relay-key`.
    pub relay_key: Option<PathBuf>,
    /// Bytes of the database's page cache.
    pub cache: u64,
    /// Below this many free bytes on the disk nothing new is taken.
    pub min_free: u64,
}

/// Bounds, so that nothing grows without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all; beyond it the newest is refused.
    pub connections: usize,
    /// Connections of one device: an old one that the network has dropped, a new one, and room to spare.
    pub connections_per_device: usize,
    /// Handshakes under way: each costs CPU before anything is known of the peer. From half of it on, peers must show
    /// that they receive at the address they send from (RFC 9000 §8.1.2). 256 times as many may wait for their turn.
    /// What takes longer than a quarter of a second is the network's, and counts no more.
    pub handshakes: usize,
    /// Requests of one connection at once.
    pub requests_per_connection: u32,
    /// Live records that wait for one connection; beyond it the subscription lags.
    pub queue_records: usize,
    /// Bytes of the live records that wait for one connection.
    pub queue_bytes: usize,
    /// Bytes of all connections' requests larger than 64 KiB that are being received.
    pub request_bytes: u64,
    /// Bytes of one message.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // 20,000 devices each with an idle connection of some 50 KB take 1 GB.
            connections: 20_000,
            connections_per_device: 4,
            // A turn of each is some tenths of a millisecond of a core; live records wait behind them.
            handshakes: 64,
            requests_per_connection: 64,
            // What a busy case says in a minute, and 20,000 connections that all lag fill 20 GB at worst; they do not,
            // since the records are shared between the connections that wait for them.
            queue_records: 1_024,
            queue_bytes: 1 << 20,
            request_bytes: 256 * MIB,
            message: MAX_MESSAGE,
        }
    }
}

/// Time-outs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A connection from which nothing has come for so long is given up.
    pub idle: Duration,
    /// A quiet connection is kept open in address translators by a packet this often; those of homes and mobile
    /// networks forget a UDP flow after 30 s and more.
    pub keep_alive: Duration,
    /// From a connection's turn, or its first packet where none waits, to its hello.
    pub handshake: Duration,
    /// For a request to arrive, and for each part of its answer to be taken.
    pub request: Duration,
    /// For what is in flight at a stop.
    pub drain: Duration,
    /// Clients are asked to come back spread over this time after a stop.
    pub reconnect_spread: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            keep_alive: Duration::from_secs(20),
            handshake: Duration::from_secs(10),
            request: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            reconnect_spread: Duration::from_secs(10),
        }
    }
}

/// Health and metrics over HTTP: counts, never an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObserveSettings {
    /// Where it listens (TCP).
    pub address: SocketAddr,
    /// `address` may be another than this machine's own; the endpoint has neither encryption nor a password.
    pub allow_other_addresses: bool,
}

/// What is written to standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important kind that is written.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// The least important kind of line that is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Bugs.
    Error,
    /// What the operator should act on.
    Warn,
    /// Life cycle.
    #[default]
    Info,
    /// Decisions of the rules.
    Debug,
    /// Every step.
    Trace,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// A configuration with the defaults for everything that has one.
    pub fn new(listen: SocketAddr, tls: TlsFiles, data: PathBuf, relay_key: Option<PathBuf>) -> Self {
        Self {
            listen,
            tls,
            store: StoreSettings { data, relay_key, cache: DEFAULT_CACHE, min_free: DEFAULT_MIN_FREE },
            limits: Limits::default(),
            times: Times::default(),
            observe: None,
            log: LogSettings::default(),
        }
    }
}

/// Page cache: the size with which the store's speed was measured.
const DEFAULT_CACHE: u64 = 256 * MIB;
/// Free disk: at 100 messages of 4 KiB a second, two hours in which an operator can act.
const DEFAULT_MIN_FREE: u64 = 2 * 1024 * MIB;
/// The port of `kring://` relays, above the privileged ones.
pub(crate) const DEFAULT_LISTEN: &str = "[::]:4433";

/// Values given on the command line; they stand above the file's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// See [`Config::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`StoreSettings::data`].
    pub data: Option<PathBuf>,
    /// See [`StoreSettings::relay_key`].
    pub relay_key: Option<PathBuf>,
    /// See [`LogSettings::level`].
    pub log_level: Option<LogLevel>,
    /// See [`LogSettings::format`].
    pub log_format: Option<LogFormat>,
}

impl Overrides {
    /// Puts the values in place.
    pub fn apply(self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if let Some(data) = self.data {
            config.store.data = data;
        }
        if let Some(relay_key) = self.relay_key {
            config.store.relay_key = Some(relay_key);
        }
        if let Some(level) = self.log_level {
            config.log.level = level;
        }
        if let Some(format) = self.log_format {
            config.log.format = format;
        }
    }
}
