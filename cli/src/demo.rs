//! `kring demo`: plays an invented case over a real relay with real clients, shows what the relay knows of it, and
//! checks what Kring claims.
//!
//! The relay is this executable in a process of its own, over QUIC, with its database on disk and its log at trace.
//! Every device has its own certificate and its own encrypted store; the clients run in this process. Whatever happens,
//! the relay's process and, without `--keep`, every file are gone at the end.

mod cast;
mod checks;
mod needles;
mod play;
mod relay;
mod scan;
mod scenario;
mod tap;
mod timeline;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use kring_client::identity::RelayAddress;
use kring_protocol::ids::Seq;
use kring_protocol::message::Record;
use kring_protocol::mls::{ContentType, private_message};
use zeroize::Zeroizing;

use self::cast::{Certificates, Lock, Player};
use self::checks::{Copy, Wire};
use self::play::{Play, Played};
use self::relay::RelayProcess;
use self::scenario::{DEFAULT, Scenario, What};
use self::timeline::{CheckLine, PartLine, PlanPage, RecordLine, RelayLine, ResultLine};
use crate::clock::Stopwatch;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// Arguments of `kring demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring demo                           as fast as it goes
  kring demo --pace                    slowly enough to read along
  kring demo --scenario my-case.toml   another case; the format is described in examples/overdracht.toml
  kring demo --keep ./demo             leave the relay's data and log, and every device's profile, to look at
  kring demo --json                    one JSON object a line

Ends with exit code 0 only if every check holds.")]
pub(crate) struct DemoArguments {
    /// Scenario to play; without it the one that comes with the program.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Play it slowly enough to read along.
    #[arg(long)]
    pace: bool,
    /// Leave everything in this folder, which must not exist yet.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// The passphrase of all stores that are kept to be looked at; it stands in a file beside them.
const KEPT_PASSPHRASE: &str = "verzonnen casus om te bekijken";

/// Runs `kring demo`.
pub(crate) async fn run(arguments: DemoArguments, output: Output) -> Outcome {
    let scenario = read(arguments.scenario.as_deref())?;
    let (folder, temporary) = folder(arguments.keep.as_deref())?;
    let mut theatre = Theatre { players: Vec::new(), relay: None };
    let done = tokio::select! {
        done = perform(&scenario, &arguments, &folder, &mut theatre, output) => done,
        () = told_to_stop() => Err(Failure::advised(
            Cause::Interrupted,
            "stopped by you",
            "nothing is left behind, other than what --keep asked for",
        )),
    };
    theatre.empty().await;
    if let Some(temporary) = temporary {
        let path = temporary.path().to_owned();
        temporary.close().map_err(|error| Failure::file("removed", &path, &error))?;
    }
    done
}

/// What has to be taken down at the end, whatever the end is.
struct Theatre {
    players: Vec<Player>,
    relay: Option<RelayProcess>,
}

impl Theatre {
    async fn empty(&mut self) {
        for player in &mut self.players {
            player.close().await;
        }
        if let Some(mut relay) = self.relay.take() {
            relay.kill().await;
        }
    }
}

async fn perform(
    scenario: &Scenario,
    arguments: &DemoArguments,
    folder: &Path,
    theatre: &mut Theatre,
    output: Output,
) -> Outcome {
    let begun = Stopwatch::start();
    let progress = Progress::new(scenario, output);
    let certificates = Certificates::issue(scenario)?;
    let root = certificates.root.certificate().clone();
    let relay = theatre.relay.insert(RelayProcess::start(&certificates.root, folder.join("relay")).await?);
    let address: RelayAddress =
        relay.address().to_string().parse().map_err(|error| Failure::new(Cause::Internal, error))?;
    let lock = match &arguments.keep {
        None => Lock::Random,
        Some(_) => {
            let file = folder.join("passphrase.txt");
            std::fs::write(&file, format!("{KEPT_PASSPHRASE}\n"))
                .map_err(|error| Failure::file("written", &file, &error))?;
            Lock::Passphrase(Zeroizing::new(KEPT_PASSPHRASE.to_owned()))
        }
    };
    theatre.players = certificates.into_players(&folder.join("devices"), &address, &lock)?;

    progress.print(&PartLine { part: "timeline", title: "An invented case: nobody and nothing in it exists" })?;
    let copies = folder.join("copies");
    let mut play = Play::begin(scenario, &mut theatre.players, relay, &copies, arguments.pace).await?;
    for step in &scenario.steps {
        let played = play.step(step).await;
        let line = played.map_err(|failure| Failure {
            what: format!("line {} of the scenario: {}", step.line, failure.what),
            ..failure
        })?;
        progress.print(&line)?;
        progress.step();
        if arguments.pace {
            tokio::time::sleep(step.reading_time()).await;
        }
    }
    let played = play.end().await?;
    progress.finish();

    let lines = examine(scenario, &played, theatre, &root, folder, &copies, output).await?;
    output.print(&PartLine { part: "checks", title: "Checks" })?;
    for line in &lines {
        output.print(line)?;
    }
    let holds = lines.iter().all(|line| line.holds != Some(false));
    output.print(&ResultLine {
        holds,
        messages: played.told.len(),
        people: scenario.people.len(),
        seconds: begun.passed().as_secs_f64(),
        kept: arguments.keep.clone(),
    })?;
    if holds {
        return Ok(());
    }
    Err(Failure::advised(
        Cause::CheckFailed,
        "not every check holds",
        "run it again with --keep DIR, look at relay.log there, and report it",
    ))
}

/// Shows what the relay knows, and makes all checks.
async fn examine(
    scenario: &Scenario,
    played: &Played,
    theatre: &mut Theatre,
    root: &rustls_pki_types::CertificateDer<'static>,
    folder: &Path,
    copies: &Path,
    output: Output,
) -> Outcome<Vec<CheckLine>> {
    let mut items = Vec::new();
    let mut views = BTreeMap::new();
    for player in &theatre.players {
        items.extend(Copy::of(player).await?);
        if let Some(case) = &player.case {
            views.insert(player.who, case.view().await?);
        }
    }
    for player in &mut theatre.players {
        player.close().await;
    }
    let missing = |what| Failure::new(Cause::CheckFailed, what);
    let reference = checks::reference(&items, played);
    let member =
        reference.ok_or_else(|| missing("no device was in the case from the first message to the last"))?.who;
    let relay = theatre.relay.as_mut().ok_or_else(|| missing("the relay is gone"))?;
    let wire = Wire { relay: relay.address(), root, case: played.case, copies };
    let (view, log) = wire.read_all(&theatre.players[member.0]).await?;

    let page = reference.and_then(|copy| copy.state.active_plan()).map(|(_, plan)| PlanPage {
        version: plan.version,
        hash: plan.content.hash().to_hex(),
        text: crate::plan::page(plan),
    });
    if let Some(page) = &page {
        output.print(&PartLine { part: "plan", title: "The safety plan in force" })?;
        output.print(page)?;
    }
    output.print(&PartLine { part: "relay", title: "What the relay knows" })?;
    let database = relay::files(&relay.data()).map_err(|error| Failure::file("read", &relay.data(), &error))?;
    show_log(&view.group.to_hex(), &log, &database, output)?;

    let mut lines = checks::same(scenario, played, &items);
    let commits: Vec<Seq> = log.iter().filter(|record| kind(record) == "commit").map(|record| record.seq).collect();
    let (concurrent, changes) = changes(scenario);
    lines.push(checks::races(played, concurrent, commits.len(), changes));
    lines.push(checks::kept(played, reference));
    lines.push(checks::responsible(scenario, &items, reference, &commits, &views));
    lines.push(checks::same_state(scenario, played, &items));
    lines.push(checks::ladder(scenario, played, reference));
    lines.push(checks::plan(scenario, played, &items, page.as_ref()));
    lines.push(checks::story(scenario, played, &items, reference));
    for removal in &played.removals {
        let after = views.get(&removal.who).ok_or_else(|| missing("the removed device has no case"))?;
        let copy =
            reference.ok_or_else(|| missing("no device was in the case from the first message to the last"))?;
        lines.extend(checks::removal(scenario, &wire, &theatre.players, copy, removal, after, &log).await?);
    }
    // With the relay dead nothing changes any more while it is searched.
    relay.kill().await;
    let scanner = checks::scanner(scenario, &theatre.players, &view, &items)?;
    lines.push(checks::database(&scanner, &relay.data(), &folder.join("control"))?);
    lines.push(checks::log_file(&scanner, &relay.log(), &folder.join("control"))?);
    Ok(lines)
}

/// Prints the records of the log as the relay has them, then their sum.
fn show_log(group: &str, log: &[Record], database: &[(PathBuf, u64)], output: Output) -> Outcome {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for record in log {
        *sizes.entry(record.message.len()).or_default() += 1;
        let epoch = private_message(&record.message).map_or(0, |header| header.epoch.0);
        output.print(&RecordLine {
            record: record.seq.0,
            kind: kind(record),
            epoch,
            bytes: record.message.len(),
            operation: record.operation.to_hex(),
        })?;
    }
    output.print(&RelayLine {
        group: group.to_owned(),
        records: log.len(),
        message_bytes: log.iter().map(|record| record.message.len()).sum(),
        sizes: sizes.into_iter().collect(),
        files: database.len(),
        file_bytes: database.iter().map(|(_, bytes)| bytes).sum(),
    })
}

/// What the clear header of a record says that it carries.
fn kind(record: &Record) -> &'static str {
    match private_message(&record.message).map(|header| header.content) {
        Ok(ContentType::Application) => "application",
        Ok(ContentType::Proposal) => "proposal",
        Ok(ContentType::Commit) => "commit",
        Err(_) => "not MLS",
    }
}

/// Changes that were to be made at one moment with others, and all changes of the group.
fn changes(scenario: &Scenario) -> (usize, usize) {
    let mut concurrent = 0;
    let mut all = 0;
    for step in &scenario.steps {
        match &step.what {
            What::Add(_) | What::SetRole(_) | What::Remove { .. } => all += 1,
            What::AtOnce(changes) => {
                concurrent += changes.len();
                all += changes.len();
            }
            What::Chapter(_)
            | What::Create(_)
            | What::Say(_)
            | What::Offline(_)
            | What::Online(_)
            | What::KillRelay
            | What::StartRelay => {}
            What::Deed(deed) => all += usize::from(deed.is_commit()),
        }
    }
    (concurrent, all)
}

fn read(file: Option<&Path>) -> Outcome<Scenario> {
    let text = match file {
        None => DEFAULT.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?,
    };
    scenario::read(&text).map_err(|error| error.in_file(file))
}

/// The folder for everything; a temporary one is removed at the end.
fn folder(keep: Option<&Path>) -> Outcome<(PathBuf, Option<tempfile::TempDir>)> {
    match keep {
        Some(folder) => {
            std::fs::create_dir(folder).map_err(|error| Failure::file("made", folder, &error))?;
            // The relay's process may have another working directory one day.
            let absolute = std::path::absolute(folder).map_err(|error| Failure::file("found", folder, &error))?;
            Ok((absolute, None))
        }
        None => {
            let made = tempfile::Builder::new().prefix("kring-demo-").tempdir();
            let temporary = made.map_err(|error| Failure::file("made", &std::env::temp_dir(), &error))?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

/// Ctrl-C, SIGTERM, or the terminal's end (SIGHUP).
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a handler the program is ended by the system.
    let _ = tokio::signal::ctrl_c().await;
}

/// A bar on standard error, if that is a terminal and people are reading; and lines above it.
struct Progress {
    bar: ProgressBar,
    output: Output,
}

impl Progress {
    fn new(scenario: &Scenario, output: Output) -> Self {
        let bar = if !output.json() && std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} steps  {elapsed}");
            ProgressBar::new(scenario.steps.len() as u64)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        bar.tick();
        Self { bar, output }
    }

    fn print(&self, line: &impl Line) -> Outcome {
        self.bar.suspend(|| self.output.print(line))
    }

    fn step(&self) {
        self.bar.inc(1);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
