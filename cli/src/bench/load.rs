//! The load itself, the same for every system: cases of several members, each member with a connection of its own; one
//! member of each case publishes, the others receive.
//!
//! A **closed loop** keeps a number of messages in flight in each case. An **open loop** publishes on a fixed schedule,
//! and its latencies count from the scheduled moment: a server that stalls is charged for everything that should have
//! been sent meanwhile (no coordinated omission).
//!
//! What must hold of every run: each message that was published reaches each other member once, in the order of the
//! log. What is missing is counted and fails the bench.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ground::Server;
use super::log::Trailer;
use super::usage::{Usage, machine};
use crate::clock::Stopwatch;
use crate::outcome::Outcome;

/// How many connections are made at once before a run.
const CONNECTING: usize = 32;
/// Longest latency that is told apart, in microseconds: two minutes.
const LONGEST: u64 = 120_000_000;
/// Before its moment the schedule's thread stops sleeping, since a sleep ends some 60 µs late.
const AWAKE: u64 = 120_000;
/// How long deliveries may go on after the last publication.
const DRAIN: Duration = Duration::from_secs(20);

/// When this process began to measure.
static BEGIN: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);

/// Nanoseconds on the generator's clock.
pub(super) fn now() -> u64 {
    u64::try_from(BEGIN.passed().as_nanos()).unwrap_or(u64::MAX)
}

/// Whatever keeps a connection alive while it is held.
pub(super) type Keep = Box<dyn Any + Send + Sync>;

/// A system under test.
pub(super) trait Peer: Clone + Send + Sync + 'static {
    /// A publishing connection.
    type Publisher: Publisher;
    /// Opens a case and connects the member that publishes in it.
    fn publisher(&self, case: u32) -> impl Future<Output = Outcome<Self::Publisher>> + Send;
    /// Connects another member of an open case; what it receives goes to `sink`.
    fn subscriber(&self, case: u32, member: u32, sink: Sink) -> impl Future<Output = Outcome<Keep>> + Send;
}

/// A publishing connection.
pub(super) trait Publisher: Send + Sync + 'static {
    /// Publishes a message; ends when the system has acknowledged it.
    fn publish(&self, trailer: Trailer) -> impl Future<Output = Outcome> + Send;
}

/// What is asked of the system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) cases: u32,
    pub(super) members: u32,
    pub(super) pace: Pace,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// How fast messages are published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// So many in flight in each case.
    InFlight(usize),
    /// So many a second over all cases, on a fixed schedule.
    PerSecond(f64),
}

/// What happened.
pub(super) struct Measured {
    pub(super) seconds: f64,
    pub(super) published: f64,
    pub(super) delivered: f64,
    pub(super) delivery: Histogram<u64>,
    pub(super) acknowledged: Histogram<u64>,
    pub(super) server: Difference,
    pub(super) own_cores: f64,
    pub(super) other_cores: f64,
    /// Deliveries that were due after everything was acknowledged and did not come.
    pub(super) missing: i64,
    pub(super) disordered: u64,
    pub(super) failed: u64,
}

/// What a server has used between two moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Difference {
    pub(super) cpu: f64,
    pub(super) system: f64,
    pub(super) written: f64,
    pub(super) resident: f64,
}

impl Difference {
    /// From one moment to a later one.
    pub(super) fn between(before: Usage, after: Usage) -> Self {
        Self {
            cpu: after.cpu() - before.cpu(),
            system: after.system - before.system,
            written: after.written - before.written,
            resident: after.resident,
        }
    }
}

#[derive(Default)]
struct Totals {
    published: AtomicU64,
    acknowledged: AtomicU64,
    delivered: AtomicU64,
    disordered: AtomicU64,
    failed: AtomicU64,
    measuring: AtomicBool,
    stop: AtomicBool,
}

impl Totals {
    fn counts(&self) -> (u64, u64) {
        (self.acknowledged.load(Ordering::Relaxed), self.delivered.load(Ordering::Relaxed))
    }
}

/// One case of the load.
struct Case {
    totals: Arc<Totals>,
    delivery: Mutex<Histogram<u64>>,
    acknowledged: Mutex<Histogram<u64>>,
}

impl Case {
    fn new(totals: Arc<Totals>) -> Self {
        Self { totals, delivery: Mutex::new(histogram()), acknowledged: Mutex::new(histogram()) }
    }

    fn record(&self, times: &Mutex<Histogram<u64>>, since: u64) {
        if self.totals.measuring.load(Ordering::Relaxed) {
            let microseconds = now().saturating_sub(since) / 1_000;
            times.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(microseconds.max(1));
        }
    }
}

/// Latencies in microseconds, to a thousandth.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("1 and two minutes are bounds, 3 a precision")
}

/// Takes what one member receives.
pub(super) struct Sink {
    number: u32,
    last: Option<u64>,
    case: Arc<Case>,
}

impl Sink {
    /// A message with its place in the log has come.
    pub(super) fn deliver(&mut self, place: u64, message: &[u8]) {
        let totals = &self.case.totals;
        let Some(trailer) = Trailer::of(message).filter(|trailer| trailer.case == self.number) else {
            totals.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if self.last.is_some_and(|last| place != last + 1) {
            totals.disordered.fetch_add(1, Ordering::Relaxed);
        }
        self.last = Some(place);
        totals.delivered.fetch_add(1, Ordering::Relaxed);
        self.case.record(&self.case.delivery, trailer.sent);
    }

    /// Something came that is no message.
    pub(super) fn fault(&self) {
        self.case.totals.failed.fetch_add(1, Ordering::Relaxed);
    }
}

async fn publish<P: Publisher>(publisher: Arc<P>, number: u32, sent: u64, case: Arc<Case>) {
    case.totals.published.fetch_add(1, Ordering::Relaxed);
    match publisher.publish(Trailer { case: number, sent }).await {
        Ok(()) => {
            case.totals.acknowledged.fetch_add(1, Ordering::Relaxed);
            case.record(&case.acknowledged, sent);
        }
        Err(failure) => {
            if case.totals.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                eprintln!("{failure}");
            }
        }
    }
}

/// One of the messages that a closed loop keeps in flight.
async fn closed_loop<P: Publisher>(publisher: Arc<P>, number: u32, case: Arc<Case>) {
    while !case.totals.stop.load(Ordering::Relaxed) {
        publish(publisher.clone(), number, now(), case.clone()).await;
        if case.totals.failed.load(Ordering::Relaxed) > 0 {
            return;
        }
    }
}

/// Hands out moments on a fixed schedule, the cases in turn. A thread of its own: the runtime's timers tick each
/// millisecond.
#[expect(clippy::disallowed_methods, reason = "a schedule is made of waiting")]
fn schedule(per_second: f64, turns: &[mpsc::UnboundedSender<u64>], totals: &Totals) {
    let begin = now() + 1_000_000;
    for (index, turn) in turns.iter().cycle().enumerate() {
        let due = begin + (index as f64 * 1e9 / per_second) as u64;
        std::thread::sleep(Duration::from_nanos(due.saturating_sub(now() + AWAKE)));
        while now() < due {
            std::hint::spin_loop();
        }
        if totals.stop.load(Ordering::Relaxed) || turn.send(due).is_err() {
            return;
        }
    }
}

async fn open_loop<P: Publisher>(
    publisher: Arc<P>,
    number: u32,
    case: Arc<Case>,
    mut turns: mpsc::UnboundedReceiver<u64>,
) {
    let mut in_flight = JoinSet::new();
    loop {
        tokio::select! {
            turn = turns.recv() => match turn {
                Some(due) => { in_flight.spawn(publish(publisher.clone(), number, due, case.clone())); }
                None => break,
            },
            Some(_) = in_flight.join_next() => {}
        }
    }
    while in_flight.join_next().await.is_some() {}
}

/// A load that has connected and waits to begin.
pub(super) struct Load<P: Peer> {
    plan: Plan,
    totals: Arc<Totals>,
    cases: Vec<Arc<Case>>,
    publishers: Vec<Arc<P::Publisher>>,
    _subscribers: Vec<Keep>,
}

impl<P: Peer> Load<P> {
    /// Connects everybody.
    pub(super) async fn connect(peer: &P, plan: Plan) -> Outcome<Self> {
        LazyLock::force(&BEGIN);
        let totals = Arc::new(Totals::default());
        let cases: Vec<Arc<Case>> = (0..plan.cases).map(|_| Arc::new(Case::new(totals.clone()))).collect();
        let publishers = at_once((0..plan.cases).map(|number| {
            let peer = peer.clone();
            async move { peer.publisher(number).await.map(Arc::new) }
        }))
        .await?;
        let others = (0..plan.cases).flat_map(|number| (1..plan.members).map(move |member| (number, member)));
        let subscribers = at_once(others.map(|(number, member)| {
            let sink = Sink { number, last: None, case: cases[number as usize].clone() };
            let peer = peer.clone();
            async move { peer.subscriber(number, member, sink).await }
        }))
        .await?;
        Ok(Self { plan, totals, cases, publishers, _subscribers: subscribers })
    }

    /// Publishes for the time of the plan.
    pub(super) async fn run(self, server: &Server) -> Measured {
        let (mut tasks, mut turns) = (JoinSet::new(), Vec::new());
        for ((number, publisher), case) in (0..).zip(&self.publishers).zip(&self.cases) {
            match self.plan.pace {
                Pace::InFlight(count) => {
                    for _ in 0..count {
                        tasks.spawn(closed_loop(publisher.clone(), number, case.clone()));
                    }
                }
                Pace::PerSecond(_) => {
                    let (turn, own) = mpsc::unbounded_channel();
                    turns.push(turn);
                    tasks.spawn(open_loop(publisher.clone(), number, case.clone(), own));
                }
            }
        }
        if let Pace::PerSecond(rate) = self.plan.pace {
            let totals = self.totals.clone();
            std::thread::spawn(move || schedule(rate, &turns, &totals));
        }

        sleep(self.plan.warm_up).await;
        let own = std::process::id();
        let before = (server.usage(), Usage::of(own), machine(), self.totals.counts());
        self.totals.measuring.store(true, Ordering::Relaxed);
        let begun = Stopwatch::start();
        sleep(self.plan.measured).await;
        let seconds = begun.passed().as_secs_f64();
        let after = (server.usage(), Usage::of(own), machine(), self.totals.counts());
        self.totals.measuring.store(false, Ordering::Relaxed);

        let missing = self.drain(tasks).await;
        let server = Difference::between(before.0, after.0);
        let own = after.1.cpu() - before.1.cpu();
        let (mut delivery, mut acknowledged) = (histogram(), histogram());
        for case in &self.cases {
            // Histograms of the same bounds add up.
            let _same = delivery.add(&*case.delivery.lock().unwrap_or_else(PoisonError::into_inner));
            let _same = acknowledged.add(&*case.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Measured {
            seconds,
            published: (after.3.0 - before.3.0) as f64,
            delivered: (after.3.1 - before.3.1) as f64,
            delivery,
            acknowledged,
            server,
            own_cores: own / seconds,
            other_cores: ((after.2 - before.2 - server.cpu - own) / seconds).max(0.0),
            missing,
            disordered: self.totals.disordered.load(Ordering::Relaxed),
            failed: self.totals.failed.load(Ordering::Relaxed),
        }
    }

    /// Stops publishing and waits for what is under way; says how much never came.
    async fn drain(&self, mut tasks: JoinSet<()>) -> i64 {
        self.totals.stop.store(true, Ordering::Relaxed);
        let others = u64::from(self.plan.members.saturating_sub(1));
        let still = || {
            let due = self.totals.acknowledged.load(Ordering::Relaxed) * others;
            due.cast_signed() - self.totals.delivered.load(Ordering::Relaxed).cast_signed()
        };
        let all = async {
            while tasks.join_next().await.is_some() {}
            while still() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // What has not come by then counts as missing.
        let _late = timeout(DRAIN, all).await;
        still()
    }
}

/// Runs all of them, a bounded number at once; the first failure ends it. Results are in the order of the input.
pub(super) async fn at_once<T: Send + 'static>(
    work: impl Iterator<Item = impl Future<Output = Outcome<T>> + Send + 'static>,
) -> Outcome<Vec<T>> {
    let (mut running, mut done) = (JoinSet::new(), Vec::new());
    let mut take = |joined: Result<(usize, Outcome<T>), tokio::task::JoinError>| -> Outcome {
        let (index, result) = joined.map_err(super::network::lost)?;
        done.push((index, result?));
        Ok(())
    };
    for (index, work) in work.enumerate() {
        if running.len() >= CONNECTING
            && let Some(joined) = running.join_next().await
        {
            take(joined)?;
        }
        running.spawn(async move { (index, work.await) });
    }
    while let Some(joined) = running.join_next().await {
        take(joined)?;
    }
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(totals: &Arc<Totals>) -> Sink {
        Sink { number: 3, last: None, case: Arc::new(Case::new(totals.clone())) }
    }

    #[test]
    fn a_member_notices_what_is_missing_twice_or_not_its_own() {
        let totals = Arc::new(Totals::default());
        let mut sink = sink(&totals);
        let message = Trailer { case: 3, sent: 0 }.to_bytes();
        sink.deliver(1, &message);
        sink.deliver(2, &message);
        assert_eq!(totals.disordered.load(Ordering::Relaxed), 0);
        sink.deliver(2, &message);
        sink.deliver(5, &message);
        assert_eq!(totals.disordered.load(Ordering::Relaxed), 2);
        sink.deliver(6, &Trailer { case: 4, sent: 0 }.to_bytes());
        sink.deliver(7, &[]);
        assert_eq!(totals.failed.load(Ordering::Relaxed), 2);
        assert_eq!(totals.delivered.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn the_schedule_is_kept_whatever_the_receivers_do() {
        let totals = Arc::new(Totals::default());
        let (turn, mut turns) = mpsc::unbounded_channel();
        let handing_out = std::thread::spawn({
            let totals = totals.clone();
            move || schedule(10_000.0, &[turn], &totals)
        });
        let due: Vec<u64> = std::iter::from_fn(|| turns.blocking_recv()).take(50).collect();
        totals.stop.store(true, Ordering::Relaxed);
        drop(turns);
        handing_out.join().expect("it ends");
        assert!(due.windows(2).all(|pair| (99_999..=100_001).contains(&(pair[1] - pair[0]))), "{due:?}");
    }

    #[tokio::test]
    async fn what_is_done_at_once_comes_back_in_order() {
        let work = (0..100u64).map(|number| async move {
            tokio::task::yield_now().await;
            Ok(number)
        });
        assert_eq!(at_once(work).await, Ok((0..100).collect()));
    }
}
