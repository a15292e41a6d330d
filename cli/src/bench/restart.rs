//! A relay that is killed and started again: how long it takes to open what it has stored, and until all its devices are
//! back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use rand::Rng as _;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ground::{Device, Server};
use super::kring::{Kring, Member};
use super::load::{Load, Measured, Pace, Plan, at_once, histogram};
use super::log::Keyed;
use super::network::{Network, Patience, lost};
use super::row::{Figure, Row};
use super::scenario::{FOLLOWS, MIB, Scenario};
use super::stored::Stored;
use super::{Bench, System};
use crate::clock::Stopwatch;
use crate::outcome::{Cause, Failure, Outcome};

/// Times that a relay is killed and started.
const STARTS: usize = 5;
/// Before each kill, messages come for this long: they are in the journal and in no checkpoint.
const BEFORE_KILL: Duration = Duration::from_secs(1);
/// A client's first wait before it connects again, and its longest, in milliseconds: those of `client-lib/src/driver/back_off.rs`.
const FIRST_WAIT: u64 = 250;
const LONGEST_WAIT: u64 = 30_000;
/// Longest that a client waits for a relay to answer its hello: `client-lib/src/driver/connection.rs`.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// Longest until everybody is back.
const PATIENCE: Duration = Duration::from_secs(300);

impl Bench {
    /// Starts a relay with what is stored, kills it while messages come, and starts it again.
    pub(super) async fn starts(&mut self, scenario: Scenario) -> Outcome<Row> {
        self.needs_own_kring()?;
        let devices = self.devices((self.arguments.cases * self.arguments.members) as usize)?;
        let mut server = self.server().await?;
        let first = server.start;
        let (mut after_kill, mut holds) = (Vec::new(), true);
        for _ in 0..STARTS {
            let network = self.network(&server)?;
            let kring = self.kring(network, devices.clone());
            let plan = Plan { measured: BEFORE_KILL, ..self.plan(Pace::InFlight(16)) };
            holds &= Load::connect(&kring, plan).await?.run(&server).await.holds();
            server.kill().await;
            server = self.server().await?;
            after_kill.push(server.start.as_secs_f64());
        }
        after_kill.sort_by(f64::total_cmp);
        let memory = server.usage().resident / MIB;
        server.kill().await;
        let figures = vec![
            ("stored_cases", self.stored().cases as f64),
            ("stored_records", self.stored().records as f64),
            ("start_s", first.as_secs_f64()),
            ("start_after_kill_p50_s", after_kill[STARTS / 2]),
            ("start_after_kill_most_s", after_kill[STARTS - 1]),
            ("memory_after_start_mib", memory),
        ];
        Ok(Row { figures, holds, ..self.row(scenario) })
    }

    /// Kills a relay under devices that follow five cases each, starts it again, and waits until all of them follow again,
    /// while others talk.
    pub(super) async fn come_back(&mut self, scenario: Scenario) -> Outcome<Row> {
        self.needs_own_kring()?;
        let count = self.arguments.devices as usize;
        let (cases, follows) = Self::follows(count);
        self.fill(Stored { cases, records: 0, size: 0 })?;
        let address = free_address()?;
        let server = self.server_at(address).await?;
        let network = self.patient(address)?;
        let talking = (self.arguments.cases * self.arguments.members) as usize;
        let devices = self.devices(talking + count)?;
        let logs = std::mem::take(&mut self.logs).iter().map(Keyed::new).collect::<Outcome<_>>()?;
        let ground = Arc::new(Following { network, devices, talking, logs });
        self.progress.says(format!("connecting {count} devices"));
        let begun = Stopwatch::start();
        let members = at_once((0..count).map(|index| {
            let (ground, cases) = (ground.clone(), follows(index));
            async move { ground.connect(index, cases).await }
        }))
        .await?;
        let connected = begun.passed();

        self.progress.says("killed, and started again");
        server.kill().await;
        let begun = Stopwatch::start();
        let server = self.server_at(address).await?;
        let restarted = begun.passed();
        // Those that talk are back first: what they notice of all the others is measured.
        let plan = Plan { warm_up: Duration::ZERO, ..self.plan(Pace::PerSecond(self.arguments.rate)) };
        let talkers = Talkers::connect(self, address, ground.devices.clone(), plan).await?;
        let since = begun.passed();
        let mut returning = JoinSet::new();
        for (index, member) in members.into_iter().enumerate() {
            let (ground, cases) = (ground.clone(), follows(index));
            returning.spawn(async move { ground.again(member, begun, index, cases).await });
        }
        let back = async {
            let (mut times, mut attempts, mut held) = (histogram(), 0, Vec::new());
            while let Some(returned) = returning.join_next().await {
                let Returned { after, tried, member } = returned.map_err(lost)??;
                times.saturating_record(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
                attempts += tried;
                held.push(member);
            }
            Outcome::Ok((times, attempts, held))
        };
        let (talked, back) = tokio::join!(talkers.talk(Server::given(address, server.process)), back);
        let talked = talked?;
        let (times, attempts, held) = back?;
        let all = times.max() as f64 / 1e6;
        let used = server.usage();
        drop(held);
        server.kill().await;
        let seconds = |times: &Histogram<u64>, quantile| times.value_at_quantile(quantile) as f64 / 1e6;
        let figures: Vec<Figure> = vec![
            ("devices", count as f64),
            ("connected_in_s", connected.as_secs_f64()),
            ("relay_up_after_s", restarted.as_secs_f64()),
            ("back_p50_s", seconds(&times, 0.5)),
            ("back_p99_s", seconds(&times, 0.99)),
            ("back_all_s", all),
            ("attempts_per_device", f64::from(attempts) / count as f64),
            ("server_cpu_s", used.cpu()),
            ("server_memory_mib", used.resident / MIB),
            ("talking_from_s", since.as_secs_f64()),
            ("talking_until_s", since.as_secs_f64() + talked.seconds),
            ("live_p50_meanwhile_us", talked.delivery.value_at_quantile(0.5) as f64),
            ("live_p99_meanwhile_us", talked.delivery.value_at_quantile(0.99) as f64),
        ];
        let holds = talked.holds() && times.len() == count as u64;
        Ok(Row { figures, holds, ..self.row(scenario) })
    }

    /// Sockets towards a relay that wait as long for it as a client does.
    fn patient(&self, address: SocketAddr) -> Outcome<Arc<Network>> {
        let (root, sockets) = (self.ground.root(), super::scenario::SOCKETS);
        Network::open(address, root, kring_protocol::ALPN, sockets, Patience::Client).map(Arc::new)
    }

    fn needs_own_kring(&self) -> Outcome {
        if self.arguments.system != System::Kring {
            return Err(Failure::advised(
                Cause::Usage,
                "the limit stores nothing to start with",
                "use --system kring",
            ));
        }
        self.needs_own_relay()
    }
}

/// Those that talk while others return, on a thread of their own: elsewhere they are other devices than those that are busy
/// with their handshakes.
struct Talkers {
    apart: Apart,
    load: Load<Kring>,
}

impl Talkers {
    async fn connect(bench: &Bench, address: SocketAddr, devices: Arc<Vec<Device>>, plan: Plan) -> Outcome<Self> {
        let apart = Apart::new()?;
        let network = {
            // A socket is read where it was opened.
            let _there = apart.handle().enter();
            bench.patient(address)?
        };
        let kring = bench.kring(network, devices);
        let connecting = apart.handle().spawn(async move { Load::connect(&kring, plan).await });
        Ok(Self { load: connecting.await.map_err(lost)??, apart })
    }

    async fn talk(self, server: Server) -> Outcome<Measured> {
        let Self { apart, load } = self;
        apart.handle().spawn(async move { load.run(&server).await }).await.map_err(lost)
    }
}

/// A runtime of one thread.
struct Apart(Option<Runtime>);

impl Apart {
    fn new() -> Outcome<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.map(|runtime| Self(Some(runtime))).map_err(|error| Failure::new(Cause::Failed, error))
    }

    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("there until it is dropped").handle()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // Where others run, none may wait for its end.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Devices that follow cases.
struct Following {
    network: Arc<Network>,
    /// First those that talk.
    devices: Arc<Vec<Device>>,
    talking: usize,
    logs: Vec<Keyed>,
}

/// A device that is back.
struct Returned {
    after: Duration,
    tried: u32,
    member: Member,
}

impl Following {
    async fn connect(&self, index: usize, cases: [usize; FOLLOWS]) -> Outcome<Member> {
        let opening = Member::open(&self.network, &self.devices[self.talking + index]);
        let member = timeout(GIVEN_UP, opening).await.map_err(lost)??;
        member.follow(cases.map(|case| &self.logs[case]), 0).await?;
        Ok(member)
    }

    /// Does what a client does whose connection ends: it waits longer after each attempt, at random.
    async fn again(
        &self,
        member: Member,
        since: Stopwatch,
        index: usize,
        cases: [usize; FOLLOWS],
    ) -> Outcome<Returned> {
        member.ended().await;
        drop(member);
        let mut tried = 0;
        loop {
            let half = FIRST_WAIT.saturating_mul(1 << tried.min(16)).min(LONGEST_WAIT) / 2;
            let wait = half + rand::rng().random_range(0..=half);
            sleep(Duration::from_millis(wait)).await;
            tried += 1;
            match self.connect(index, cases).await {
                Ok(member) => return Ok(Returned { after: since.passed(), tried, member }),
                Err(failure) if since.passed() > PATIENCE => return Err(failure),
                Err(_) => {}
            }
        }
    }
}

/// An address on which a relay can be started more than once.
fn free_address() -> Outcome<SocketAddr> {
    let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    socket
        .and_then(|socket| socket.local_addr())
        .map_err(|error| Failure::new(Cause::Failed, format!("no free port: {error}")))
}
