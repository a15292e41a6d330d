//! The relay of a demo: this same executable as a process of its own, started, killed with SIGKILL and started again
//! at the same address. It never outlives the demo.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kring_pki::issue::{RegionRoot, Validity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::admin::folder::RELAY_CONFIG;
use crate::admin::relay::{RelaySettings, make};
use crate::clock::{self, Stopwatch};
use crate::outcome::{Cause, Failure, Outcome};

/// Longest start: opening an empty or small database takes milliseconds, a slow disk seconds.
const START: Duration = Duration::from_secs(30);
/// How often the file is looked for that says that the relay runs.
const LOOK: Duration = Duration::from_millis(10);
/// A laptop that is nearly full should still be able to play a case.
const MIN_FREE_MIB: u64 = 64;

/// A relay's process and its files.
pub(super) struct RelayProcess {
    place: PathBuf,
    child: Option<Child>,
    address: SocketAddr,
    observe: Option<SocketAddr>,
    starts: usize,
}

impl RelayProcess {
    /// Makes the relay's files in `place` and starts it.
    pub(super) async fn start(root: &RegionRoot, place: PathBuf) -> Outcome<Self> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = RelaySettings {
            hosts: &["127.0.0.1"],
            listen: anywhere,
            observe: Some(anywhere),
            min_free_mib: Some(MIN_FREE_MIB),
            validity: Validity::days(clock::now(), 1),
        };
        make(root, &settings, &place)?;
        let mut relay = Self { place, child: None, address: anywhere, observe: None, starts: 0 };
        relay.start_again().await?;
        Ok(relay)
    }

    /// Starts the process, at the address that it had. Returns how long it took until it could be reached.
    pub(super) async fn start_again(&mut self) -> Outcome<Duration> {
        let begun = Stopwatch::start();
        self.starts += 1;
        let ready = self.place.join(format!("ready-{}", self.starts));
        let failed = |what: String| Failure::advised(Cause::Failed, what, format!("see {}", self.log().display()));
        let log = std::fs::OpenOptions::new().append(true).create(true).open(self.log());
        let log = log.map_err(|error| Failure::file("written", &self.log(), &error))?;
        let program = std::env::current_exe().map_err(|error| {
            Failure::advised(Cause::Failed, format!("this program cannot be found: {error}"), "start it by its path")
        })?;
        let mut child = Command::new(program)
            .arg("relay")
            .arg("--config")
            .arg(self.place.join(RELAY_CONFIG))
            .args(["--log", "trace", "--listen", &self.address.to_string()])
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("the relay does not start: {error}")))?;
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(failed(format!("the relay has ended at once ({status})")));
            }
            if begun.passed() > START {
                return Err(failed(format!("the relay does not run after {} seconds", START.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        };
        self.child = Some(child);
        let mut addresses = text.lines().map(str::parse);
        match addresses.next() {
            Some(Ok(address)) => self.address = address,
            Some(Err(_)) | None => {
                return Err(Failure::new(Cause::Internal, "the relay does not say where it listens"));
            }
        }
        self.observe = addresses.next().and_then(Result::ok);
        Ok(begun.passed())
    }

    /// Ends the process at once (SIGKILL), as a power cut of the machine's software would. Returns the signal of
    /// which it died.
    pub(super) async fn kill(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        // It fails only for a process that has ended.
        let _ = child.start_kill();
        let status = child.wait().await.ok()?;
        signal(status)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its database.
    pub(super) fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Its log, at trace, of all its lives.
    pub(super) fn log(&self) -> PathBuf {
        self.place.join("relay.log")
    }

    /// One of its counters, as its metrics endpoint shows it; `None`: it has not counted that, or is not asked.
    pub(super) async fn counter(&self, series: &str) -> Option<u64> {
        let mut stream = tokio::net::TcpStream::connect(self.observe?).await.ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        tokio::time::timeout(LOOK * 200, stream.read_to_string(&mut answer)).await.ok()?.ok()?;
        let value = answer.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        value.trim().parse().ok()
    }
}

#[cfg(unix)]
fn signal(status: std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_status: std::process::ExitStatus) -> Option<i32> {
    None
}

/// Bytes and number of the files in a folder and those below it.
pub(super) fn files(folder: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push((entry.path(), entry.metadata()?.len()));
            }
        }
    }
    found.sort();
    Ok(found)
}
