//! The scenarios: what is asked of the server, and what is told of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use kring_protocol::ids::Seq;
use tokio::time::sleep;

use super::bare::{self, Bare};
use super::ground::{Device, Server};
use super::kring::{Kring, Member};
use super::load::{Difference, Load, Pace, Peer, Plan, at_once};
use super::log::{Keyed, Log};
use super::network::{Network, Patience};
use super::row::{Figure, Row};
use super::stored::Stored;
use super::{Bench, System};
use crate::clock::Stopwatch;
use crate::outcome::{Cause, Failure, Outcome};

/// Before figures are taken, caches fill and congestion windows grow.
const WARM_UP: Duration = Duration::from_secs(2);
/// Sockets of a load: a kernel gives each a buffer and a lock.
pub(super) const SOCKETS: usize = 8;
/// Cases that a device follows.
pub(super) const FOLLOWS: usize = 5;
/// Devices in a case.
const TOGETHER: usize = 8;
/// After connections have come, this long until their memory is looked at: handshakes leave buffers behind.
const SETTLE: Duration = Duration::from_secs(6);
/// Records that a device is behind when it catches up.
const BEHIND: usize = 10_000;
/// Devices that catch up at once while others talk.
const CATCHING_UP: usize = 20;
/// Bytes in a mebibyte.
pub(super) const MIB: f64 = (1 << 20) as f64;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Publishes with 16 messages in flight in each case.
    #[value(name = "in-flight-16")]
    InFlight16,
    /// Publishes with one message in flight in each case.
    #[value(name = "in-flight-1")]
    InFlight1,
    /// Latency at a fixed rate (--rate).
    PerSecond,
    /// Connections with full handshakes, a second and what each costs.
    Handshakes,
    /// Memory of a connection that follows five cases and says nothing.
    Idle,
    /// A device that is 10,000 records behind reads them, then 20 at once while others talk.
    CatchUp,
    /// Starting with what is stored, after a stop and after kills under load.
    Start,
    /// All devices coming back after the relay was killed, while others talk.
    Return,
    /// One device of the library: sending, receiving, adding, opening a case and a profile.
    Client,
}

impl Scenario {
    /// What is measured when nothing is named.
    pub(super) const USUAL: [Self; 4] = [Self::InFlight16, Self::InFlight1, Self::PerSecond, Self::Handshakes];

    /// As it is typed.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Measures it.
    pub(super) async fn run(self, bench: &mut Bench) -> Outcome<Row> {
        bench.begin()?;
        if !matches!(bench.arguments.system, System::Kring | System::Bare | System::BareMemory)
            && !matches!(self, Self::InFlight16 | Self::InFlight1 | Self::PerSecond)
        {
            return Err(Failure::advised(
                Cause::Usage,
                "kring-appended and brokers are compared in in-flight-16, in-flight-1 and per-second alone",
                "name one of these",
            ));
        }
        match self {
            Self::InFlight16 => bench.load(self, Pace::InFlight(16)).await,
            Self::InFlight1 => bench.load(self, Pace::InFlight(1)).await,
            Self::PerSecond => bench.load(self, Pace::PerSecond(bench.arguments.rate)).await,
            Self::Handshakes => bench.handshakes(self).await,
            Self::Idle => bench.idle(self).await,
            Self::CatchUp => bench.catch_up(self).await,
            Self::Start => bench.starts(self).await,
            Self::Return => bench.come_back(self).await,
            Self::Client => bench.client(self).await,
        }
    }
}

impl Bench {
    pub(super) async fn server(&self) -> Outcome<Server> {
        self.server_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(super) async fn server_at(&self, at: SocketAddr) -> Outcome<Server> {
        match self.arguments.relay {
            Some(address) => Ok(Server::given(address, self.arguments.process)),
            None => Server::start(&self.ground, self.arguments.system, self.arguments.sync_delay, at).await,
        }
    }

    pub(super) fn network(&self, server: &Server) -> Outcome<Arc<Network>> {
        let kring = matches!(self.arguments.system, System::Kring | System::KringAppended);
        let alpn = if kring { kring_protocol::ALPN } else { bare::ALPN };
        Network::open(server.address, self.ground.root(), alpn, SOCKETS, Patience::Load).map(Arc::new)
    }

    pub(super) fn devices(&self, count: usize) -> Outcome<Arc<Vec<Device>>> {
        self.ground.devices(count).map(Arc::new)
    }

    pub(super) fn plan(&self, pace: Pace) -> Plan {
        let measured = Duration::try_from_secs_f64(self.arguments.seconds).unwrap_or(WARM_UP);
        Plan { cases: self.arguments.cases, members: self.arguments.members, pace, warm_up: WARM_UP, measured }
    }

    pub(super) fn kring(&self, network: Arc<Network>, devices: Arc<Vec<Device>>) -> Kring {
        let logs = Arc::new((0..self.arguments.cases).map(|_| Log::random()).collect());
        let (members, size) = (self.arguments.members, self.arguments.size);
        Kring { network, devices, logs, members, size }
    }

    async fn load(&self, scenario: Scenario, pace: Pace) -> Outcome<Row> {
        let server = self.server().await?;
        let network = self.network(&server)?;
        let devices = self.devices((self.arguments.cases * self.arguments.members) as usize)?;
        let kring = self.kring(network.clone(), devices.clone());
        let mut row = match self.arguments.system {
            System::Kring | System::KringAppended => self.loaded(scenario, &kring, &server, pace).await,
            System::Bare | System::BareMemory => {
                let Kring { logs, members, size, .. } = kring;
                let bare = Bare { network, devices, logs, members, size };
                self.loaded(scenario, &bare, &server, pace).await
            }
            #[cfg(feature = "compare")]
            System::Mosquitto => {
                let connector = super::peers::Connector::new(server.address, self.ground.root())?;
                let peer = super::peers::Mqtt { connector, logs: kring.logs, size: kring.size };
                self.loaded(scenario, &peer, &server, pace).await
            }
            #[cfg(feature = "compare")]
            System::Nats | System::NatsSynced => {
                let connector = super::peers::Connector::new(server.address, self.ground.root())?;
                let peer = super::peers::Nats { connector, logs: kring.logs, size: kring.size };
                peer.prepare().await?;
                self.loaded(scenario, &peer, &server, pace).await
            }
        }?;
        if self.arguments.relay.is_none() {
            row.figures.push(("server_start_s", server.start.as_secs_f64()));
        }
        server.kill().await;
        Ok(row)
    }

    async fn loaded<P: Peer>(&self, scenario: Scenario, peer: &P, server: &Server, pace: Pace) -> Outcome<Row> {
        let measured = Load::connect(peer, self.plan(pace)).await?.run(server).await;
        Ok(Row { figures: measured.figures(), holds: measured.holds(), ..self.row(scenario) })
    }

    /// Full handshakes with both certificates and the post-quantum key exchange, up to the server's first answer.
    async fn handshakes(&self, scenario: Scenario) -> Outcome<Row> {
        let server = self.server().await?;
        let network = self.network(&server)?;
        let count = self.arguments.devices as usize;
        let devices = self.devices(count)?;
        let bare = self.arguments.system != System::Kring;
        let peer = Bare {
            network: network.clone(),
            devices: devices.clone(),
            logs: Arc::default(),
            members: self.arguments.members,
            size: self.arguments.size,
        };
        let (before, begun) = (server.usage(), Stopwatch::start());
        at_once((0..count).map(|index| {
            let (network, devices, peer) = (network.clone(), devices.clone(), peer.clone());
            async move {
                if bare {
                    peer.idle(&[0], &devices[index]).await?.close();
                } else {
                    Member::open(&network, &devices[index]).await?.close();
                }
                Ok(())
            }
        }))
        .await?;
        let seconds = begun.passed().as_secs_f64();
        let used = Difference::between(before, server.usage());
        server.kill().await;
        let figures = vec![
            ("handshakes_s", count as f64 / seconds),
            ("server_cpu_ms_per_handshake", used.cpu * 1e3 / count as f64),
        ];
        Ok(Row { figures, ..self.row(scenario) })
    }

    /// Cases in which every device follows five and every case has eight devices, and who follows which.
    pub(super) fn follows(count: usize) -> (usize, impl Fn(usize) -> [usize; FOLLOWS] + Clone) {
        let cases = (count * FOLLOWS).div_ceil(TOGETHER);
        (cases, move |device: usize| std::array::from_fn(|turn| (device * FOLLOWS + turn) % cases.max(1)))
    }

    async fn idle(&mut self, scenario: Scenario) -> Outcome<Row> {
        let count = self.arguments.devices as usize;
        let (cases, follows) = Self::follows(count);
        let kring = self.arguments.system == System::Kring;
        if kring {
            self.needs_own_relay()?;
            self.fill(Stored { cases, records: 0, size: 0 })?;
        }
        let server = self.server().await?;
        let network = self.network(&server)?;
        let devices = self.devices(count)?;
        let logs = Arc::new(std::mem::take(&mut self.logs));
        let keyed = Arc::new(logs.iter().map(Keyed::new).collect::<Outcome<Vec<_>>>()?);
        // The first connections bring up what every later one shares.
        let peer =
            Bare { network: network.clone(), devices: devices.clone(), logs: logs.clone(), members: 0, size: 0 };
        let (before, begun) = (server.usage(), Stopwatch::start());
        let held = at_once((0..count).map(|index| {
            let (network, devices, keyed, peer) = (network.clone(), devices.clone(), keyed.clone(), peer.clone());
            let cases = follows(index);
            async move {
                let held: super::load::Keep = if kring {
                    let member = Member::open(&network, &devices[index]).await?;
                    member.follow(cases.map(|case| &keyed[case]), 0).await?;
                    Box::new(member)
                } else {
                    let numbers = cases.map(|case| u32::try_from(case).unwrap_or(u32::MAX));
                    Box::new(peer.idle(&numbers, &devices[index]).await?)
                };
                Ok(held)
            }
        }))
        .await?;
        let connected = begun.passed().as_secs_f64();
        let handshakes = Difference::between(before, server.usage());
        sleep(SETTLE).await;
        let settled = server.usage();
        sleep(SETTLE).await;
        let after = server.usage();
        drop(held);
        server.kill().await;
        let figures = vec![
            ("connections", count as f64),
            ("bytes_per_connection", (after.resident - before.resident) / count as f64),
            ("server_memory_mib", after.resident / MIB),
            ("connected_in_s", connected),
            ("server_cpu_ms_per_connection", handshakes.cpu * 1e3 / count as f64),
            ("idle_server_cores", Difference::between(settled, after).cpu / SETTLE.as_secs_f64()),
        ];
        Ok(Row { figures, ..self.row(scenario) })
    }

    /// Catching up: alone, then many at once while others talk, whose latency is told quiet and meanwhile.
    async fn catch_up(&mut self, scenario: Scenario) -> Outcome<Row> {
        if self.arguments.system != System::Kring {
            return Err(Failure::advised(
                Cause::Usage,
                "the limit keeps nothing to catch up with",
                "use --system kring",
            ));
        }
        self.needs_own_relay()?;
        if self.logs.is_empty() {
            // Interleaved with those of nine others.
            self.fill(Stored { cases: 10, records: 10 * BEHIND, size: self.arguments.size })?;
        }
        let log = self.logs.first().copied().ok_or_else(|| Failure::new(Cause::Internal, "no case was stored"))?;
        let server = self.server().await?;
        let network = self.network(&server)?;
        // First those that talk, then those that read.
        let talking = (self.arguments.cases * self.arguments.members) as usize;
        let devices = self.devices(talking + CATCHING_UP)?;
        let member = Member::open(&network, &devices[talking]).await?;
        let (before, begun) = (server.usage(), Stopwatch::start());
        let (records, bytes) = member.read(&log, Seq(0)).await?;
        let seconds = begun.passed().as_secs_f64();
        let used = Difference::between(before, server.usage());

        let kring = self.kring(network.clone(), devices.clone());
        let plan = self.plan(Pace::PerSecond(self.arguments.rate));
        let quiet = Load::connect(&kring, plan).await?.run(&server).await;
        let kring = self.kring(network.clone(), devices.clone());
        let load = Load::connect(&kring, plan).await?;
        let reading = at_once((0..CATCHING_UP).map(|index| {
            let (network, devices) = (network.clone(), devices.clone());
            async move {
                let member = Member::open(&network, &devices[talking + index]).await?;
                let begun = Stopwatch::start();
                let mut read = 0;
                // Again and again, so that it lasts as long as the others are measured.
                while begun.passed() < plan.warm_up + plan.measured {
                    read += member.read(&log, Seq(0)).await?.0;
                }
                Ok(read as f64 / begun.passed().as_secs_f64())
            }
        }));
        let (busy, read) = tokio::join!(load.run(&server), reading);
        let holds = quiet.holds() && busy.holds() && records > 0;
        let p99 = |measured: &super::load::Measured| measured.delivery.value_at_quantile(0.99) as f64;
        let figures: Vec<Figure> = vec![
            ("records", records as f64),
            ("records_s", records as f64 / seconds),
            ("megabytes_s", bytes as f64 / seconds / 1e6),
            ("server_cpu_us_per_record", used.cpu * 1e6 / records.max(1) as f64),
            ("together_records_s", read?.iter().sum()),
            ("live_p99_quiet_us", p99(&quiet)),
            ("live_p99_meanwhile_us", p99(&busy)),
        ];
        server.kill().await;
        Ok(Row { figures, holds, ..self.row(scenario) })
    }

    pub(super) fn needs_own_relay(&self) -> Outcome {
        match self.arguments.relay {
            None => Ok(()),
            Some(_) => Err(Failure::advised(
                Cause::Usage,
                "this scenario fills the relay's database before it starts",
                "leave --relay out, and it runs a relay of its own",
            )),
        }
    }
}
