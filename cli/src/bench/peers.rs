//! Other people's brokers under the same load, for comparison: NATS with JetStream, and Mosquitto. Built with the feature
//! `compare` alone, since nobody needs them in the tool; `cargo xtask compare` runs them.
//!
//! Each has TLS 1.3 with the relay's certificate, and a connection for each member. Clients are as small as they can be: the
//! broker is what is measured.

mod mqtt;
mod nats;
mod tcp;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::System;
use super::ground::Ground;
use crate::admin::folder::RELAY;
use crate::clock::Stopwatch;
use crate::outcome::{Cause, Failure, Outcome};

pub(super) use self::mqtt::Mqtt;
pub(super) use self::nats::Nats;
pub(super) use self::tcp::Connector;

/// Longest start of a broker.
const START: Duration = Duration::from_secs(30);
/// How often it is tried meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Starts a broker on an empty store, and waits until it takes connections.
pub(super) async fn start(ground: &Ground, system: System) -> Outcome<(Child, SocketAddr)> {
    let place = ground.relay();
    let store = place.join(system.name());
    if store.exists() {
        super::remove(&store)?;
    }
    fs::create_dir(&store).map_err(|error| Failure::file("made", &store, &error))?;
    let address = free_port()?;
    let (program, text) = match system {
        System::Mosquitto => ("mosquitto", mosquitto(address, &place, &store)),
        _ => ("nats-server", nats(address, &place, &store)),
    };
    if system == System::NatsSynced {
        // Each write to a file of this folder is synchronous, as `sync_always` makes it in 2.10 and later.
        let done = Command::new("chattr").arg("+S").arg(&store).status().await;
        if !done.is_ok_and(|status| status.success()) {
            let advice = "use a file system that has this attribute (ext4), as root";
            return Err(Failure::advised(Cause::Failed, "the store cannot be made synchronous", advice));
        }
    }
    let file = place.join(format!("{}.conf", system.name()));
    fs::write(&file, text).map_err(|error| Failure::file("written", &file, &error))?;
    let child = Command::new(program)
        .arg("-c")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let child = child.map_err(|error| {
        let advice = "install it, or unpack its Debian package and put its folder first in PATH";
        Failure::advised(Cause::Failed, format!("{program} does not start: {error}"), advice)
    })?;
    let begun = Stopwatch::start();
    while TcpStream::connect(address).is_err() {
        if begun.passed() > START {
            return Err(Failure::new(Cause::Failed, format!("{program} takes no connections")));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok((child, address))
}

/// A port that nobody has just now.
fn free_port() -> Outcome<SocketAddr> {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    free.map_err(|error| Failure::new(Cause::Failed, error))
}

fn certificate(place: &Path) -> [String; 2] {
    [RELAY.0, RELAY.1].map(|file| place.join(file).display().to_string())
}

fn nats(address: SocketAddr, place: &Path, store: &Path) -> String {
    let [certificate, key] = certificate(place);
    format!(
        "listen: \"{address}\"\n\
         jetstream {{ store_dir: \"{}\", max_file: 40G, max_mem: 1G }}\n\
         tls {{ cert_file: \"{certificate}\", key_file: \"{key}\", timeout: 30 }}\n\
         write_deadline: \"30s\"\n",
        store.display()
    )
}

/// Quality of service 1 both ways, persistence on, which it writes every half hour and at its end.
fn mosquitto(address: SocketAddr, place: &Path, store: &Path) -> String {
    let [certificate, key] = certificate(place);
    format!(
        "listener {} {}\nallow_anonymous true\nuser root\ncertfile {certificate}\nkeyfile {key}\ntls_version tlsv1.3\n\
         persistence true\npersistence_location {}/\nmax_inflight_messages 1000\nmax_queued_messages 0\n\
         set_tcp_nodelay true\nlog_type error\n",
        address.port(),
        address.ip(),
        store.display()
    )
}
