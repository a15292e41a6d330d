//! `kring bench`: what a relay bears on this machine, measured over the real wire with real certificates and proofs and
//! durable acknowledgement.
//!
//! The server runs in a process of its own, so that what it uses can be told from what the generator uses: a relay as an
//! operator runs it, or the [limit](bare), a relay that does nothing but fan out over the same transport and log to the same disk. The
//! messages are well-formed PrivateMessages of noise: a relay cannot tell, and no device reads them.
//!
//! A run in which something was lost, came twice or out of order ends with exit code 9, whatever its figures.

mod bare;
mod client;
mod disk;
mod ground;
mod kring;
mod load;
mod log;
mod network;
#[cfg(feature = "compare")]
mod peers;
mod restart;
mod row;
mod scenario;
mod serve;
mod stored;
mod usage;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use self::ground::Ground;
use self::log::Log;
use self::row::Row;
pub(crate) use self::scenario::Scenario;
use self::stored::Stored;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Output;

/// Arguments of `kring bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring bench                                          the usual scenarios against a relay of its own
  kring bench --system bare                            the same against the limit
  kring bench in-flight-16 --sync-delay 1ms            as on a disk that syncs more slowly
  kring bench in-flight-16 --stored-cases 100000 --stored-records 1000000
  kring bench --prepare ./ground                       certificates and a relay's files, to run it elsewhere
  kring bench --folder ./ground --relay 10.0.0.1:4433  against that relay

Build with --release before believing a figure. docs/performance.md says what has been measured.")]
pub(crate) struct BenchArguments {
    /// What to measure; without it in-flight-16, in-flight-1, per-second and handshakes.
    #[arg(value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// What is measured.
    #[arg(long, value_enum, default_value_t = System::Kring)]
    system: System,
    /// Cases of a load.
    #[arg(long, default_value_t = 64, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    cases: u32,
    /// Members of a case, each with a connection: one publishes, the others receive.
    #[arg(long, default_value_t = 8, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    members: u32,
    /// Bytes of a message.
    #[arg(long, default_value_t = 512, value_name = "BYTES")]
    size: usize,
    /// Publishes a second over all cases, of per-second.
    #[arg(long, default_value_t = 500.0, value_name = "COUNT")]
    rate: f64,
    /// Seconds that are measured, after two that are not.
    #[arg(long, default_value_t = 6.0, value_name = "SECONDS")]
    seconds: f64,
    /// Devices of idle, return and handshakes.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    devices: u32,
    /// Messages of client, besides those that are sent one by one.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    items: u32,
    /// Added to every sync of the server's disk, such as 1ms or 500us.
    #[arg(long, default_value = "0ms", value_name = "TIME", value_parser = delay)]
    sync_delay: Duration,
    /// Cases that are in the relay's database before it starts.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    stored_cases: usize,
    /// Records that are in it, spread over those cases.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    stored_records: usize,
    /// Folder of certificates and the relay's database, which stay; without it a temporary one.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Make the certificates and the relay's files in this folder, and end.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["folder", "relay", "scenarios"])]
    prepare: Option<PathBuf>,
    /// Measure this relay, which runs with the files of --folder, instead of one of its own.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "folder")]
    relay: Option<SocketAddr>,
    /// That relay's process, if it runs on this machine, for its CPU and memory.
    #[arg(long, value_name = "PID", requires = "relay")]
    process: Option<u32>,
    /// Be the server that is measured.
    #[arg(long, hide = true, value_name = "DIR")]
    serve: Option<PathBuf>,
    /// Where that server listens.
    #[arg(long, hide = true, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    /// A Kring relay.
    Kring,
    /// A Kring relay whose journal is a file that is only appended to: what another database could win at most.
    KringAppended,
    /// The limit: a bare fan-out relay whose log is synced before it acknowledges.
    Bare,
    /// The limit without a log.
    BareMemory,
    /// NATS with JetStream as shipped: synced every two minutes.
    #[cfg(feature = "compare")]
    Nats,
    /// NATS with JetStream on a store whose writes are synchronous.
    #[cfg(feature = "compare")]
    NatsSynced,
    /// Mosquitto: acknowledged in memory.
    #[cfg(feature = "compare")]
    Mosquitto,
}

impl System {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Where a server runs, and how: what its process is told.
struct Place {
    system: System,
    relay: PathBuf,
    delay: Duration,
    listen: SocketAddr,
}

impl Place {
    /// The file that says where it can be reached.
    fn ready(&self) -> PathBuf {
        self.relay.join("ready")
    }

    /// The command line of its process.
    fn arguments(&self) -> Vec<OsString> {
        let (system, delay) = (self.system.name(), format!("{}us", self.delay.as_micros()));
        let listen = self.listen.to_string();
        let mut arguments: Vec<OsString> =
            ["bench", "--system", &system, "--sync-delay", &delay, "--listen", &listen]
                .iter()
                .map(OsString::from)
                .collect();
        arguments.extend(["--serve".into(), self.relay.clone().into_os_string()]);
        arguments
    }
}

fn delay(text: &str) -> Result<Duration, &'static str> {
    let number = |digits: &str| digits.parse::<u32>().ok();
    let parsed = match text.strip_suffix("us") {
        Some(digits) => number(digits).map(|it| Duration::from_micros(it.into())),
        None => text.strip_suffix("ms").and_then(number).map(|it| Duration::from_millis(it.into())),
    };
    parsed.filter(|delay| *delay <= Duration::from_secs(1)).ok_or("a time such as 500us or 5ms, at most 1000ms")
}

/// Runs `kring bench`.
pub(crate) async fn run(arguments: BenchArguments, output: Output) -> Outcome {
    if let Some(relay) = &arguments.serve {
        let (system, delay, listen) = (arguments.system, arguments.sync_delay, arguments.listen);
        return serve::run(&Place { system, relay: relay.clone(), delay, listen }).await;
    }
    if let Some(folder) = &arguments.prepare {
        let ground = Ground::open(folder)?;
        output.note(&format!("run the relay with: kring relay --config {}/relay.toml", ground.relay().display()));
        return Ok(());
    }
    if cfg!(debug_assertions) {
        output.note("this program is built without optimisation: these figures say nothing about a real one");
    }
    let temporary = tempfile::tempdir().map_err(|error| {
        Failure::advised(Cause::Failed, format!("no temporary folder: {error}"), "set TMPDIR, or give --folder")
    })?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let ground = Ground::open(&folder)?;
    let scenarios =
        if arguments.scenarios.is_empty() { Scenario::USUAL.to_vec() } else { arguments.scenarios.clone() };
    let progress = Progress::new(scenarios.len(), output);
    let mut bench = Bench { ground, logs: Vec::new(), arguments, progress };
    if bench.stored() != Stored::default() && bench.arguments.relay.is_none() {
        bench.fill(bench.stored())?;
    }
    let mut holds = true;
    for scenario in scenarios {
        bench.progress.says(scenario.name());
        let mut row = scenario.run(&mut bench).await?;
        row.figures.extend(disk::measure(&folder)?);
        holds &= row.holds;
        bench.progress.bar.suspend(|| output.print(&row))?;
        bench.progress.bar.inc(1);
    }
    bench.progress.bar.finish_and_clear();
    if holds {
        Ok(())
    } else {
        Err(Failure::advised(
            Cause::CheckFailed,
            "a message was lost, came twice, or came out of order",
            "this is a fault of the relay or of the bench; report it with the lines above",
        ))
    }
}

/// What all scenarios share.
struct Bench {
    arguments: BenchArguments,
    ground: Ground,
    /// Logs that are in the database.
    logs: Vec<Log>,
    progress: Progress,
}

impl Bench {
    fn stored(&self) -> Stored {
        let BenchArguments { stored_cases: cases, stored_records: records, size, .. } = self.arguments;
        // Records need a case to be in.
        let cases = cases.max(usize::from(records > 0));
        if cases == 0 { Stored::default() } else { Stored { cases, records, size } }
    }

    /// Puts cases and records into the relay's database, which must not run.
    fn fill(&mut self, stored: Stored) -> Outcome {
        self.progress.says(format!("filling the database with {} records", stored.records));
        let bar = self.progress.part(stored.cases + stored.records);
        let filled = stored::fill(&self.ground.relay(), stored, |count| bar.inc(count as u64));
        bar.finish_and_clear();
        self.logs = filled?;
        Ok(())
    }

    /// A scenario begins on an empty database, or on the one that was filled or given.
    fn begin(&self) -> Outcome {
        let data = self.ground.relay().join("data");
        if self.arguments.folder.is_some() || self.stored() != Stored::default() || !data.exists() {
            return Ok(());
        }
        remove(&data)
    }

    fn row(&self, scenario: Scenario) -> Row {
        Row {
            scenario: scenario.name(),
            system: self.arguments.system,
            sync_delay_ms: self.arguments.sync_delay.as_secs_f64() * 1e3,
            figures: Vec::new(),
            holds: true,
        }
    }
}

fn remove(folder: &Path) -> Outcome {
    std::fs::remove_dir_all(folder).map_err(|error| Failure::file("removed", folder, &error))
}

/// The progress bar, where somebody looks at it.
struct Progress {
    bar: ProgressBar,
    shown: bool,
}

impl Progress {
    fn new(steps: usize, output: Output) -> Self {
        let shown = !output.json() && std::io::stderr().is_terminal();
        let bar = if shown {
            styled(steps as u64, "{bar:30} {pos}/{len}  {msg}  {elapsed}")
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar, shown }
    }

    fn says(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// A bar of its own for something long.
    fn part(&self, steps: usize) -> ProgressBar {
        if self.shown { styled(steps as u64, "{bar:30} {pos}/{len}  {eta}") } else { ProgressBar::hidden() }
    }
}

fn styled(steps: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_has_a_unit_and_a_bound() {
        assert_eq!(delay("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(delay("250us"), Ok(Duration::from_micros(250)));
        for wrong in ["5", "ms", "-1ms", "1001ms", "1s", ""] {
            assert!(delay(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_server_is_told_what_it_was_started_for() {
        use clap::Parser as _;
        let place = Place {
            system: System::BareMemory,
            relay: "/somewhere/relay".into(),
            delay: Duration::from_micros(1_500),
            listen: SocketAddr::from(([127, 0, 0, 1], 7)),
        };
        let line = std::iter::once(OsString::from("kring")).chain(place.arguments());
        let parsed = crate::arguments::Arguments::parse_from(line);
        let crate::arguments::Command::Bench(told) = parsed.command else { panic!("another command") };
        assert_eq!((told.system, told.sync_delay, told.listen), (place.system, place.delay, place.listen));
        assert_eq!(told.serve, Some(place.relay));
    }
}
