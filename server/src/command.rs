//! What an operator types: `kring-relay run|check-config|new-key|compact|backup|restore`. The tool `kring relay` calls
//! the same [`Relay::run`].
//!
//! | exit code | meaning |
//! | --- | --- |
//! | 0 | done; after `run`: stopped on request with everything answered |
//! | 2 | the arguments are not understood |
//! | 3 | the configuration has a fault, which is named with its line |
//! | 4 | the relay key or a certificate cannot be used |
//! | 5 | the database cannot be opened, copied or written |
//! | 6 | an address cannot be listened on |
//! | 7 | stopped on request, but not everything in flight was answered in time |
//! | 8 | the engine has failed while it ran: the store could not write, or a fault of this program; start it again |
//! | 70 | a fault of this program |

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigError, LogFormat, LogLevel, Overrides};
use crate::engine::Condition;
use crate::keys::{self, KeyError, RELAY_KEY_LENGTH};
use crate::shell::{self, Drained, StartError};
use crate::store::{OpenStoreError, maintenance};
use crate::{logs, signals};

/// What `--help` says of the exit codes.
const EXIT_CODES: &str = "Exit codes: 0 done; 2 arguments; 3 configuration; 4 relay key or certificate; 5 database; \
                          6 address in use; 7 stopped before everything was answered; 8 failed while it ran, start it again; 70 fault of this program";

/// The relay of Kring: keeps the encrypted messages of cases and hands them to those who hold the cases' keys.
#[derive(Debug, Parser)]
#[command(name = "kring-relay", version, after_help = EXIT_CODES)]
pub struct Relay {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the relay until it is told to stop (SIGTERM); SIGHUP reads the certificates again.
    Run(Run),
    /// Name everything that is wrong with a configuration.
    CheckConfig(Source),
    /// Make a relay key in a new file that only its owner can read.
    NewKey {
        /// The new file, outside the data folder.
        file: PathBuf,
    },
    /// Write the database anew, so that what was deleted leaves the disk. The relay must be stopped.
    Compact(Source),
    /// Copy the database into a new file, as encrypted as it stands. The relay must be stopped.
    Backup {
        #[command(flatten)]
        source: Source,
        /// The new file.
        file: PathBuf,
    },
    /// Put a backup in the place of an empty data folder, as a new life of the database that clients notice.
    Restore {
        #[command(flatten)]
        source: Source,
        /// The file that `backup` made.
        file: PathBuf,
    },
}

/// Where the settings come from.
#[derive(Debug, Args)]
struct Source {
    /// Configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "/etc/kring/relay.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    source: Source,
    /// Listen here instead of where the file says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Keep the database in this folder instead.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Take the relay key from this file instead.
    #[arg(long, value_name = "FILE")]
    relay_key: Option<PathBuf>,
    /// Log from this kind of line on.
    #[arg(long, value_enum)]
    log: Option<LogLevel>,
    /// How log lines look.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Write the addresses that were bound to this file, once the relay can be reached: for port 0.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the configuration {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}", listed(path, error))]
    Config { path: PathBuf, error: ConfigError },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("could not {what} the database in {}: {source}", data.display())]
    Maintenance { what: &'static str, data: PathBuf, source: OpenStoreError },
    #[error("{} cannot be written: {source}", path.display())]
    ReadyFile { path: PathBuf, source: io::Error },
    #[error("the system gives no threads or signals: {0}")]
    Runtime(io::Error),
    #[error("stopped, but not everything in flight was answered in time; clients ask again by themselves")]
    DrainedInPart,
    #[error(
        "the database could not be written; what was acknowledged is kept, look at the disk and start the relay again"
    )]
    StoreFailed,
    #[error("a fault of this program ended its engine; what was acknowledged is kept, start the relay again")]
    EngineFailed,
}

fn listed(path: &Path, error: &ConfigError) -> String {
    let mut text = format!("the configuration {} has to be mended:", path.display());
    for finding in &error.findings {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "\n  {finding}");
    }
    text
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Unreadable { .. } | Self::Config { .. } => 3,
            Self::Key(_) => 4,
            Self::Start(StartError::ObserveOthers(_)) => 3,
            Self::Start(StartError::Key(_) | StartError::Tls(_)) => 4,
            Self::Start(
                StartError::Engine(_)
                | StartError::Store { .. }
                | StartError::Data { .. }
                | StartError::Revocations(_),
            )
            | Self::Maintenance { .. } => 5,
            Self::Start(StartError::Listen { .. } | StartError::Observe { .. }) => 6,
            Self::DrainedInPart => 7,
            Self::StoreFailed | Self::EngineFailed => 8,
            Self::ReadyFile { .. } | Self::Runtime(_) => 70,
        }
    }
}

impl Relay {
    /// Does what was asked, says on standard error what went wrong, and gives the exit code.
    pub fn run(self) -> ExitCode {
        let done = match self.action {
            Action::Run(run) => run.run(),
            Action::CheckConfig(source) => source.load().map(|_| say("The configuration can be used.")),
            Action::NewKey { file } => keys::create(&file).map_err(Failure::from).map(|()| {
                say("The relay key has been made. Keep a copy apart: without it the database cannot be read.");
            }),
            Action::Compact(source) => source.maintain("compact", |data, key| {
                let done = maintenance::compact(data, key)?;
                say(&format!("The database had {} bytes and has {} now.", done.before, done.after));
                Ok(())
            }),
            Action::Backup { source, file } => source.maintain("back up", |data, key| {
                maintenance::backup(data, key, &file)?;
                say("The backup has been written. It can be read with the same relay key alone.");
                Ok(())
            }),
            Action::Restore { source, file } => source.maintain("restore", |data, key| {
                maintenance::restore(&file, data, key)?;
                say("The database has been restored, as a new life that clients will notice.");
                Ok(())
            }),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                complain(&failure);
                ExitCode::from(failure.code())
            }
        }
    }
}

impl Source {
    fn load(&self) -> Result<Config, Failure> {
        let path = &self.config;
        let unreadable = |source| Failure::Unreadable { path: path.clone(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let folder = std::path::absolute(path).map_err(unreadable)?;
        let folder = folder.parent().unwrap_or(Path::new("/"));
        config::parse(&text, folder).map_err(|error| Failure::Config { path: path.clone(), error })
    }

    /// Works on the database of a relay that is stopped.
    fn maintain(
        &self,
        what: &'static str,
        work: impl FnOnce(&Path, &[u8; RELAY_KEY_LENGTH]) -> Result<(), OpenStoreError>,
    ) -> Result<(), Failure> {
        let Config { store, .. } = self.load()?;
        let key = keys::load(store.relay_key.as_deref(), keys::credentials().as_deref(), &store.data)?;
        work(&store.data, &key).map_err(|source| Failure::Maintenance { what, data: store.data, source })
    }
}

impl Run {
    fn run(self) -> Result<(), Failure> {
        let mut config = self.source.load()?;
        let overrides = Overrides {
            listen: self.listen,
            data: self.data,
            relay_key: self.relay_key,
            log_level: self.log,
            log_format: self.log_format,
        };
        overrides.apply(&mut config);
        logs::install(config.log);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
        runtime.block_on(until_told(config, self.ready_file))
    }
}

/// Runs until SIGTERM or SIGINT.
async fn until_told(config: Config, ready_file: Option<PathBuf>) -> Result<(), Failure> {
    // Before the relay can be reached, so that no signal is missed.
    let mut signals = signals::Signals::listen().map_err(Failure::Runtime)?;
    let relay = shell::start(config).await?;
    if let Some(path) = ready_file {
        announce(&path, &relay).map_err(|source| Failure::ReadyFile { path, source })?;
    }
    loop {
        let told = tokio::select! {
            told = signals.next() => told,
            condition = relay.failed() => {
                relay.abandon().await;
                return Err(failure(condition));
            }
        };
        match told {
            signals::Told::Stop => break,
            signals::Told::Reload => match relay.reload() {
                Ok(()) => tracing::info!("certificates have been read again"),
                // The files' names are the operator's own, and no reason quotes a certificate.
                Err(error) => complain(&error),
            },
        }
    }
    match relay.shutdown().await {
        Drained::Whole => Ok(()),
        Drained::InPart => Err(Failure::DrainedInPart),
    }
}

/// A relay whose engine has failed ends, whether the disk or this program is at fault: its views are ahead of the disk or
/// half changed, and opening the database again is the one way back to what was acknowledged.
fn failure(condition: Condition) -> Failure {
    match condition {
        Condition::StoreFailed => Failure::StoreFailed,
        Condition::Broken | Condition::Well | Condition::Ended => Failure::EngineFailed,
    }
}

/// Written beside its place and moved there, so that who waits for the file never reads half of it.
fn announce(path: &Path, relay: &shell::RunningRelay) -> io::Result<()> {
    let mut text = format!("{}\n", relay.addr);
    if let Some(observe) = relay.observe_addr {
        let _infallible = writeln!(text, "{observe}");
    }
    let half = path.with_added_extension("part");
    std::fs::write(&half, text)?;
    std::fs::rename(&half, path)
}

fn say(text: &str) {
    // Whoever closed standard output does not want to know.
    let _closed = writeln!(io::stdout(), "{text}");
}

fn complain(failure: &dyn std::error::Error) {
    let _closed = writeln!(io::stderr(), "kring-relay: {failure}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_whose_engine_fails_ends_with_an_exit_code_of_its_own() {
        let codes = [Condition::StoreFailed, Condition::Broken].map(|condition| failure(condition).code());
        assert_eq!(codes, [8, 8]);
    }
}
