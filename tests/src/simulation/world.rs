//! The simulated world: devices, the relay, and messages between them that take time, get lost, or come twice. One event
//! happens after the other, in simulated time.

use std::collections::{BTreeMap, BTreeSet};

use kring_protocol::ids::{GroupId, MessageHash, Seq, Timestamp};
use kring_protocol::message::{Reply, Request};
use kring_server::engine::{HelloFacts, Pushed};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::checks::{Truth, Violation};
use super::clocks::Clock;
use super::device::Device;
use super::plan::Weather;
use super::relay::{Asked, Crashed, Relay};
use super::scenario::Lie;
use super::{Options, sha256};
use kring_client::conversation::Input;
use kring_client::simulation::Follow;

/// Most events of one simulation: one that goes on for longer never comes to rest.
const MOST_EVENTS: u64 = 400_000;
/// Milliseconds between two ticks of the relay, while anything happens.
const RELAY_TICK: u64 = 2_000;
/// Requests that come within so many milliseconds are decided together.
const TOGETHER: u64 = 3;

/// Something that will happen.
pub(super) enum Event {
    /// A device tries to connect.
    Dial { device: usize },
    /// A hello comes to the relay.
    Hello { link: u64, device: usize },
    /// The relay's answer to it comes to the device.
    Welcome { link: u64, facts: HelloFacts },
    /// A request comes to the relay, or goes on in it after a record.
    Request { link: u64, stream: u64, request: Request, after: Option<Seq>, repeated: bool },
    /// A device hands over what has come to it.
    Work { device: usize },
    /// A device asks again to follow a group, or for its inbox.
    Again { link: u64, follow: Option<Follow> },
    /// A frame of an answer comes to the device.
    Frame { link: u64, stream: u64, frame: Reply },
    /// A push comes to the device.
    Push { link: u64, push: Pushed },
    /// The device notices that its connection has ended.
    Broken { link: u64 },
    /// The relay notices that a connection has ended.
    Gone { link: u64 },
    /// A device wished to be woken.
    Wake { device: usize, number: u64 },
    /// A device's program starts.
    Start { device: usize },
    /// The relay starts.
    StartRelay,
}

/// Everything.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) now: Timestamp,
    pub(super) start: Timestamp,
    pub(super) relay: Relay,
    pub(super) relay_clock: Clock,
    pub(super) devices: Vec<Device>,
    pub(super) weather: Weather,
    pub(super) dice: StdRng,
    pub(super) truth: Truth,
    pub(super) violation: Option<Violation>,
    pub(super) revoked: Vec<usize>,
    /// Professionals, by their first device, who coordinate a case or are to.
    pub(super) coordinators: Vec<usize>,
    pub(super) counter: u64,
    queue: BTreeMap<(Timestamp, u64), Event>,
    /// When the last frame of a stream comes; of the push stream under number 0.
    streams: BTreeMap<(u64, u64), Timestamp>,
    /// When the last request of a stream comes.
    asked: BTreeMap<(u64, u64), Timestamp>,
    /// Streams of which a frame was lost, or a message refused: nothing goes or comes on them any more.
    dead: BTreeSet<(u64, u64)>,
    order: u64,
    events: u64,
    relay_ticked: Timestamp,
    pub(super) trace: Trace,
    /// Compares what devices show with the truth.
    pub(super) watched: bool,
    /// What the relay makes of what it shows.
    pub(super) lie: Option<Lie>,
    /// Of this device it is written down what comes to it, and when by its clock.
    pub(super) recorded: Option<(usize, Vec<(Input, Timestamp)>)>,
}

/// What happened, in words, and a hash over it.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) lines: Option<Vec<String>>,
    pub(super) hash: u64,
}

impl Trace {
    fn add(&mut self, line: String) {
        // FNV-1a, which is enough to tell two traces apart.
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }
}

impl World {
    pub(super) fn new(seed: u64, options: &Options, weather: Weather) -> Self {
        kring_client::simulation::seed_identifiers(seed);
        let start = super::region::region().start;
        // Dice of their own, so that how clocks drift leaves everything else as it is.
        let mut drifts = StdRng::seed_from_u64(seed ^ 0xc10c);
        let mut world = Self {
            seed,
            now: start,
            start,
            relay: Relay::new(seed),
            relay_clock: Clock::new(start, weather.drift(&mut drifts)),
            devices: Vec::new(),
            weather,
            dice: StdRng::seed_from_u64(seed),
            truth: Truth::default(),
            violation: None,
            revoked: Vec::new(),
            coordinators: Vec::new(),
            counter: 0,
            queue: BTreeMap::new(),
            streams: BTreeMap::new(),
            asked: BTreeMap::new(),
            dead: BTreeSet::new(),
            order: 0,
            events: 0,
            relay_ticked: start,
            watched: true,
            lie: None,
            recorded: None,
            trace: Trace { lines: options.trace.then(Vec::new), hash: 0xcbf2_9ce4_8422_2325 },
        };
        for index in 0..options.devices {
            let clock = Clock::new(world.now, world.weather.drift(&mut drifts));
            let device = Device::new(index, clock, world.now);
            world.devices.push(device);
            world.dial(index, 0);
        }
        world
    }

    /// Writes down what happens.
    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        let after = self.now.since(self.start);
        self.trace.add(format!("{:>10}.{:03} s  {}", after / 1_000, after % 1_000, what()));
    }

    pub(super) fn fail(&mut self, violation: Violation) {
        if self.violation.is_none() {
            self.note(|| format!("!! {violation}"));
            self.violation = Some(violation);
        }
    }

    pub(super) fn later(&mut self, milliseconds: u64, event: Event) {
        self.at(self.now.plus(milliseconds), event);
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.order += 1;
        self.queue.insert((at, self.order), event);
    }

    pub(super) fn chance(&mut self, of_a_thousand: u32) -> bool {
        of_a_thousand > 0 && self.dice.random_ratio(of_a_thousand.min(1_000), 1_000)
    }

    fn delay(&mut self) -> u64 {
        let slow = self.weather.slow;
        if self.chance(slow) { self.dice.random_range(500..8_000) } else { self.dice.random_range(5..120) }
    }

    /// Lets time pass until everything has happened that happens within so many milliseconds.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let end = self.now.plus(milliseconds);
        while self.violation.is_none() {
            let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) else { break };
            let ((at, _), event) = entry.remove_entry();
            self.now = self.now.max(at);
            self.events += 1;
            if self.events > MOST_EVENTS {
                self.fail(Violation::new("it comes to rest", "too many events"));
            }
            if self.now.since(self.relay_ticked) >= RELAY_TICK {
                self.tick_relay();
            }
            self.happen(event);
        }
        self.now = self.now.max(end);
    }

    /// The time by the relay's own clock.
    pub(super) fn relay_time(&self) -> Timestamp {
        self.relay_clock.shows(self.now)
    }

    /// A relay that is up notices that time has passed.
    pub(super) fn tick_relay(&mut self) {
        self.relay_ticked = self.now;
        if self.relay.is_up() && self.relay.tick(self.relay_time()).is_err() {
            self.relay_down();
        }
    }

    /// The relay dies.
    pub(super) fn relay_down(&mut self) {
        if !self.relay.is_up() {
            return;
        }
        self.note(|| "the relay is down".to_owned());
        for link in self.relay.crash(&mut self.dice) {
            let after = self.dice.random_range(0..20_000);
            self.later(after, Event::Broken { link });
        }
        let after = self.dice.random_range(500..20_000);
        self.later(after, Event::StartRelay);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Dial { device } => self.dialled(device),
            Event::Hello { link, device } => self.hello(link, device),
            Event::Welcome { link, facts } => self.welcomed(link, &facts),
            Event::Request { link, stream, request, after, repeated } => {
                self.requested((link, stream, request, after, repeated));
            }
            Event::Work { device } => self.work(device),
            Event::Again { link, follow } => self.again(link, follow),
            Event::Frame { link, stream, frame } => self.frame(link, stream, frame),
            Event::Push { link, push } => self.pushed(link, push),
            Event::Broken { link } => self.broken(link),
            Event::Gone { link } => {
                if self.relay.is_up() && self.relay.disconnect(link, self.relay_time()).is_err() {
                    self.relay_down();
                }
            }
            Event::Wake { device, number } => self.woken(device, number),
            Event::Start { device } => self.start_device(device),
            Event::StartRelay => {
                if !self.relay.is_up() {
                    self.note(|| "the relay starts".to_owned());
                    self.relay.start();
                }
            }
        }
    }

    fn hello(&mut self, link: u64, index: usize) {
        let exporter = exporter(self.seed, link);
        if !self.relay.is_up() || self.revoked.contains(&index) {
            return self.later(1_000, Event::Broken { link });
        }
        match self.relay.connect(link, index, exporter, self.relay_time()) {
            Ok(Ok(facts)) => {
                let after = self.delay();
                self.later(after, Event::Welcome { link, facts });
            }
            Ok(Err(_)) => self.later(1_000, Event::Broken { link }),
            Err(Crashed) => self.relay_down(),
        }
    }

    /// A device sends a request.
    pub(super) fn send(&mut self, link: u64, stream: u64, request: Request) {
        let (lost, repeated) = (self.weather.lost, self.weather.repeated);
        if self.chance(lost) {
            self.dead.insert((link, stream));
            return self.lose(link, "a request is lost");
        }
        let after = self.delay();
        // Those of one stream come in their order.
        let before = self.asked.get(&(link, stream)).copied().unwrap_or_default();
        let at = self.now.plus(after).max(before);
        self.asked.insert((link, stream), at);
        // What is asked twice is asked on two streams. A subscription belongs to its connection, on which nothing repeats
        // one: the client alone does, and reads the answer.
        if self.chance(repeated) && !matches!(request, Request::Follow(_)) {
            let later = at.plus(self.dice.random_range(0..5_000));
            let again = Event::Request { link, stream, request: request.clone(), after: None, repeated: true };
            self.at(later, again);
        }
        self.at(at, Event::Request { link, stream, request, after: None, repeated: false });
    }

    fn lose(&mut self, link: u64, what: &str) {
        self.note(|| what.to_owned());
        let after = self.dice.random_range(1_000..30_000);
        self.later(after, Event::Broken { link });
    }

    fn requested(&mut self, first: (u64, u64, Request, Option<Seq>, bool)) {
        if !self.relay.is_up() {
            return self.later(2_000, Event::Broken { link: first.0 });
        }
        if self.dead.contains(&(first.0, first.1)) {
            return;
        }
        let mut requests = vec![first];
        let soon = self.now.plus(TOGETHER);
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > soon || !matches!(entry.get(), Event::Request { .. }) {
                break;
            }
            let Event::Request { link, stream, request, after, repeated } = entry.remove() else { break };
            if !self.dead.contains(&(link, stream)) {
                requests.push((link, stream, request, after, repeated));
            }
        }
        let ways: Vec<_> = requests
            .iter()
            .map(|(link, stream, request, _, repeated)| (*link, *stream, request.clone(), *repeated))
            .collect();
        let asked = requests
            .into_iter()
            .map(|(link, stream, request, after, _)| Asked { link, stream, request, after })
            .collect();
        let busy = self.weather.busy;
        let now = self.relay_time();
        let answers = match self.relay.answer(asked, busy, &mut self.dice, now) {
            Ok(answers) => answers,
            Err(Crashed) => return self.relay_down(),
        };
        for (link, pushes) in self.relay.pushes() {
            for push in pushes {
                let at = self.arrives(link, 0);
                self.at(at, Event::Push { link, push });
            }
        }
        for ((link, stream, request, repeated), answered) in ways.into_iter().zip(answers) {
            let Some(answered) = answered else {
                self.later(2_000, Event::Broken { link });
                continue;
            };
            self.note(|| format!("link {link}: {} -> {}", request.name(), shown(&answered.frames)));
            if let (Some((group, hash)), [Reply::Receipt(receipt)]) = (submission(&request), &answered.frames[..]) {
                let kept = self.truth.received(group, receipt.seq, hash);
                self.judge(kept);
            }
            if repeated {
                continue;
            }
            let message = matches!(request, Request::Submit(_));
            if let Some(after) = answered.more {
                let wait = self.dice.random_range(0..50);
                let (request, after) = (request, Some(after));
                self.later(wait, Event::Request { link, stream, request, after, repeated: false });
            }
            for frame in answered.frames {
                if self.dead.contains(&(link, stream)) {
                    break;
                }
                let lost = self.weather.lost;
                if self.chance(lost) {
                    self.dead.insert((link, stream));
                    self.lose(link, "an answer is lost");
                    break;
                }
                let refused = message && matches!(frame, Reply::Refused(_));
                let at = self.arrives(link, stream);
                self.at(at, Event::Frame { link, stream, frame });
                if refused {
                    // The last answer on it.
                    self.dead.insert((link, stream));
                }
            }
        }
    }

    /// When the next thing on a stream comes: in order, and not at once.
    fn arrives(&mut self, link: u64, stream: u64) -> Timestamp {
        let after = self.delay();
        let at = self.now.plus(after).max(self.streams.get(&(link, stream)).copied().unwrap_or_default());
        self.streams.insert((link, stream), at);
        at
    }

    pub(super) fn judge(&mut self, verdict: Result<(), Violation>) {
        if let Err(violation) = verdict {
            self.fail(violation);
        }
    }
}

/// What binds proofs to a connection: any value that no other one has.
pub(super) fn exporter(seed: u64, link: u64) -> [u8; 32] {
    let mut exporter = [0; 32];
    exporter[..8].copy_from_slice(&seed.to_be_bytes());
    exporter[8..16].copy_from_slice(&link.to_be_bytes());
    exporter
}

/// The group of a submission, and the hash of its message.
fn submission(request: &Request) -> Option<(GroupId, MessageHash)> {
    match request {
        Request::Submit(submit) => Some((submit.access.group, sha256(&submit.message))),
        Request::SubmitCommit(commit) => Some((commit.access.group, sha256(&commit.message))),
        _ => None,
    }
}

fn shown(frames: &[Reply]) -> String {
    let name = |frame: &Reply| match frame {
        Reply::Refused(refusal) => format!("refused {}", refusal.number()),
        Reply::Record(record) => format!("#{}", record.seq),
        Reply::Receipt(receipt) => format!("receipt #{}", receipt.seq),
        other => other.name().to_owned(),
    };
    frames.iter().map(name).collect::<Vec<_>>().join(", ")
}
