//! A relay: in this process, or in one of its own that can be killed.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use kring_server::RunningRelay;
use kring_server::config::{Config, TlsFiles};
use tokio::process::{Child, Command};

use crate::clock::soon;
use crate::world::World;

/// Port 0: the system chooses.
const ANY_PORT: &str = "127.0.0.1:0";

/// Starts a relay in this process, on the world's database.
///
/// # Panics
/// When it does not start.
pub async fn here(world: &World) -> RunningRelay {
    match kring_server::start(config(world)).await {
        Ok(relay) => relay,
        Err(error) => panic!("the relay does not start: {error}"),
    }
}

/// The configuration of a relay on the world's database.
pub fn config(world: &World) -> Config {
    let files = TlsFiles {
        certificate: world.path("relay.pem"),
        private_key: world.path("relay.key"),
        region_roots: vec![world.path("region.pem")],
        crls: Vec::new(),
    };
    let listen = ANY_PORT.parse().expect("an address");
    let mut config = Config::new(listen, files, world.data(), Some(world.path("database.key")));
    // The machine that runs the tests may have little room.
    config.store.min_free = 0;
    config
}

/// A relay in a process of its own, killed when dropped.
pub struct RelayProcess {
    child: Child,
    /// Where it listens for QUIC.
    pub address: SocketAddr,
    /// Where it serves its metrics.
    pub observe: SocketAddr,
    /// What it has written to standard error, at `trace`.
    pub log: PathBuf,
}

impl RelayProcess {
    /// Starts `program` (the test's `kring-test-relay`) on the world's database and waits until it can be reached.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(program: &str, world: &World) -> Self {
        Self::start_at(program, world, ANY_PORT.parse().expect("an address")).await
    }

    /// Starts it on this address, where clients look for one that was killed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start_at(program: &str, world: &World, listen: SocketAddr) -> Self {
        let text = format!(
            "[listen]\naddress = \"{listen}\"\n\
             [tls]\ncertificate = \"relay.pem\"\nprivate_key = \"relay.key\"\nregion_roots = [\"region.pem\"]\n\
             [store]\ndata = \"data\"\nrelay_key = \"database.key\"\nmin_free_mib = 0\n\
             [observe]\naddress = \"{ANY_PORT}\"\n\
             [log]\nlevel = \"trace\"\n"
        );
        fs::write(world.path("relay.toml"), text).expect("written");
        let ready = world.path("ready");
        let log = world.path("relay.log");
        // Gone already at the first start.
        let _first = fs::remove_file(&ready);
        let file = File::options().create(true).append(true).open(&log).expect("a log file");
        let child = Command::new(program)
            .args(["run", "--config"])
            .arg(world.path("relay.toml"))
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .expect("the relay's program");
        let mut relay = Self { child, address: ([0; 4], 0).into(), observe: ([0; 4], 0).into(), log };
        let text = soon("the relay's start", relay.announced(&ready)).await;
        let mut lines = text.lines().map(|line| line.parse().expect("an address"));
        relay.address = lines.next().expect("the QUIC address");
        relay.observe = lines.next().expect("the address for metrics");
        relay
    }

    /// Waits for the file that appears, whole, once the relay can be reached.
    async fn announced(&mut self, ready: &std::path::Path) -> String {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
        loop {
            looks.tick().await;
            if let Ok(text) = fs::read_to_string(ready) {
                return text;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                panic!("the relay ended with {status}:\n{log}");
            }
        }
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// When the system refuses.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }

    /// Its metrics, as Prometheus reads them.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn metrics(&self) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        soon("the metrics", async {
            let mut stream = tokio::net::TcpStream::connect(self.observe).await.expect("reached");
            let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("text");
            answer
        })
        .await
    }
}
