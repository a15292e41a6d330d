//! The relay: its real engine and rules over a [`Disk`], and of its shell what is needed to answer a request. Proofs are
//! verified as the shell does, once for a connection, group and epoch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kring_protocol::frame;
use kring_protocol::ids::{DeviceId, Epoch, GroupId, Seq, Timestamp};
use kring_protocol::message::{self as wire, Access, Record, Reply, Request};
use kring_protocol::proof::TLS_EXPORTER_LENGTH;
use kring_protocol::refusal::Refusal;
use kring_server::engine::{
    AccessCheck, Answer, Backlog, Command, ConnectionId, Core, HelloFacts, Next, Outbound, ProvenAccess, Pushed,
    QueueFull, Requester, Row, Settings,
};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::disk::Disk;
use super::region::region;

/// Bytes of views that stay in memory: so few that pages are written and read again.
const VIEWS: usize = 20_000;
/// Bytes of a stretch of an answer: so few that a backlog comes in several.
const STRETCH: u64 = 4_000;

/// The relay has crashed: nobody is answered.
#[derive(Debug)]
pub(super) struct Crashed;

/// A relay, running or not.
pub(super) struct Relay {
    pub(super) disk: Disk,
    core: Option<Core>,
    connections: BTreeMap<u64, Connection>,
    /// Messages that follow one another on a stream.
    rows: BTreeMap<(u64, u64), Row>,
    starts: u64,
    seed: u64,
}

/// A request that has come.
pub(super) struct Asked {
    pub(super) link: u64,
    pub(super) stream: u64,
    pub(super) request: Request,
    /// The record after which its backlog goes on.
    pub(super) after: Option<Seq>,
}

struct Connection {
    requester: Requester,
    exporter: [u8; TLS_EXPORTER_LENGTH],
    proven: BTreeMap<(GroupId, Epoch), ProvenAccess>,
    pushes: Arc<Pushes>,
}

#[derive(Default)]
struct Pushes(Mutex<Vec<Pushed>>);

impl Outbound for Pushes {
    fn push(&self, push: Pushed) -> Result<(), QueueFull> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(push);
        Ok(())
    }
}

/// What a request is answered with.
pub(super) struct Answered {
    pub(super) frames: Vec<Reply>,
    /// The backlog goes on after this record.
    pub(super) more: Option<Seq>,
}

impl Answered {
    fn refused(refusal: Refusal) -> Self {
        Self { frames: vec![Reply::Refused(refusal)], more: None }
    }
}

impl Relay {
    pub(super) fn new(seed: u64) -> Self {
        let mut relay = Self {
            disk: Disk::new([1; 16]),
            core: None,
            connections: BTreeMap::new(),
            rows: BTreeMap::new(),
            starts: 0,
            seed,
        };
        relay.start();
        relay
    }

    /// Starts from what is on the disk.
    pub(super) fn start(&mut self) {
        self.starts += 1;
        let mut dice = StdRng::seed_from_u64(self.seed ^ self.starts << 32);
        let randomness = Box::new(move |bytes: &mut [u8]| dice.fill(bytes));
        let settings = Settings { views: VIEWS, checkpoint_after: 1, ..Settings::default() };
        let core = Core::open(Box::new(self.disk.clone()), settings, randomness).expect("what was written is read");
        self.core = Some(core);
    }

    pub(super) fn is_up(&self) -> bool {
        self.core.is_some()
    }

    /// Ends without a word; the connections that it had.
    pub(super) fn crash(&mut self, dice: &mut StdRng) -> Vec<u64> {
        self.core = None;
        self.disk.lose_power(dice);
        self.rows.clear();
        std::mem::take(&mut self.connections).into_keys().collect()
    }

    fn ask(&mut self, command: Command, now: Timestamp) -> Result<Result<Answer, Refusal>, Crashed> {
        self.ask_all(vec![command], now)?.pop().ok_or(Crashed)
    }

    fn ask_all(&mut self, commands: Vec<Command>, now: Timestamp) -> Result<Vec<Result<Answer, Refusal>>, Crashed> {
        let core = self.core.as_mut().ok_or(Crashed)?;
        let answers = core.handle(commands, now);
        if core.has_failed() { Err(Crashed) } else { Ok(answers) }
    }

    /// A connection says hello.
    pub(super) fn connect(
        &mut self,
        number: u64,
        device: usize,
        exporter: [u8; TLS_EXPORTER_LENGTH],
        now: Timestamp,
    ) -> Result<Result<HelloFacts, Refusal>, Crashed> {
        let pushes = Arc::new(Pushes::default());
        let device = region().verified(device);
        let requester = Requester::verified(ConnectionId(number), &device).expect("a whole certificate");
        let command = Command::Connect { requester: requester.clone(), outbound: pushes.clone() };
        Ok(match self.ask(command, now)? {
            Ok(Answer::Hello(facts)) => {
                let connection = Connection { requester, exporter, proven: BTreeMap::new(), pushes };
                self.connections.insert(number, connection);
                Ok(facts)
            }
            Ok(_) => Err(Refusal::Malformed),
            Err(refusal) => Err(refusal),
        })
    }

    /// A connection has gone.
    pub(super) fn disconnect(&mut self, number: u64, now: Timestamp) -> Result<(), Crashed> {
        if self.connections.remove(&number).is_some() {
            let _done = self.ask(Command::Disconnect(ConnectionId(number)), now)?;
        }
        Ok(())
    }

    /// The connections of a device.
    pub(super) fn connections_of(&self, device: DeviceId) -> Vec<u64> {
        let of_device =
            |(number, connection): (&u64, &Connection)| (connection.requester.device == device).then_some(*number);
        self.connections.iter().filter_map(of_device).collect()
    }

    /// Time passes: checkpoints and retention go on.
    pub(super) fn tick(&mut self, now: Timestamp) -> Result<(), Crashed> {
        let _done = self.ask(Command::Tick, now)?;
        // What happens after the tick was answered shows with the next command.
        let _done = self.ask(Command::Disconnect(ConnectionId(0)), now)?;
        Ok(())
    }

    /// Begins a pass of retention.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Result<(), Crashed> {
        self.ask(Command::Sweep, now).map(|_| ())
    }

    /// Answers requests that have come together. `None`: their connection is gone. Each with the record after which
    /// its backlog goes on, if it is a follow that has begun.
    /// For so many messages of a thousand it is too busy.
    pub(super) fn answer(
        &mut self,
        requests: Vec<Asked>,
        busy: u32,
        dice: &mut StdRng,
        now: Timestamp,
    ) -> Result<Vec<Option<Answered>>, Crashed> {
        let mut places = Vec::new();
        let mut commands = Vec::new();
        for Asked { link: number, stream, request, after } in requests {
            if !self.connections.contains_key(&number) {
                places.push(Err(None));
                continue;
            }
            let message = matches!(request, Request::Submit(_));
            let row = self.rows.entry((number, stream)).or_default().clone();
            if message && busy > 0 && dice.random_ratio(busy, 1_000) {
                row.break_off();
                let refusal = Refusal::Busy { after_ms: dice.random_range(1..3_000) };
                places.push(Err(Some(Answered::refused(refusal))));
                continue;
            }
            let command = self.command(number, &row, request, after, now)?;
            if message && command.is_err() {
                row.break_off();
            }
            match command {
                Ok(command) => {
                    places.push(Ok(()));
                    commands.push(command);
                }
                Err(refusal) => places.push(Err(Some(Answered::refused(refusal)))),
            }
        }
        if commands.is_empty() {
            return Ok(places.into_iter().map(Result::unwrap_err).collect());
        }
        let mut answers = self.ask_all(commands, now)?.into_iter();
        let mut next = || answers.next().expect("each command has an answer");
        Ok(places
            .into_iter()
            .map(|place| match place {
                Ok(()) => Some(next().map_or_else(Answered::refused, answered)),
                Err(answered) => answered,
            })
            .collect())
    }

    fn command(
        &mut self,
        number: u64,
        row: &Row,
        request: Request,
        after: Option<Seq>,
        now: Timestamp,
    ) -> Result<Result<Command, Refusal>, Crashed> {
        let requester = self.connections[&number].requester.clone();
        let connection = ConnectionId(number);
        let device = requester.device;
        macro_rules! access {
            ($access:expr) => {
                match self.access(number, $access, now)? {
                    Ok(access) => access,
                    Err(refusal) => return Ok(Err(refusal)),
                }
            };
        }
        Ok(Ok(match request {
            Request::CreateGroup(request) => {
                let proof = request.access.proof;
                let check = AccessCheck::of_new_group(&request);
                let exporter = self.connections[&number].exporter;
                let proven = proof.ok_or(Refusal::Forbidden).and_then(|proof| check.verify(&exporter, &proof));
                match proven {
                    Ok(access) => Command::CreateGroup { device, access, request },
                    Err(refusal) => return Ok(Err(refusal)),
                }
            }
            Request::Submit(request) => {
                Command::SubmitInRow { row: row.clone(), access: access!(&request.access), request }
            }
            Request::SubmitCommit(request) => Command::SubmitCommit { access: access!(&request.access), request },
            Request::FindReceipt(request) => Command::FindReceipt { access: access!(&request.access), request },
            Request::Follow(request) => Command::Follow {
                access: access!(&request.access),
                connection,
                subscription: request.subscription,
                after: after.or(request.after),
                limit: STRETCH,
            },
            Request::Unfollow(request) => Command::Unfollow { connection, subscription: request.subscription },
            Request::RegisterCursor(request) => Command::RegisterCursor { access: access!(&request.access), request },
            Request::MoveCursors(request) => Command::MoveCursors(request),
            Request::PublishKeyPackages(request) => Command::PublishKeyPackages { requester, request },
            Request::ClaimKeyPackages(request) => Command::ClaimKeyPackages { requester, request },
            Request::SendNote(request) => Command::SendNote { sender: device, request },
            Request::ReadInbox(request) => Command::ReadInbox { requester, after: request.after, limit: 1 << 20 },
            Request::AcknowledgeInbox(request) => Command::AcknowledgeInbox { requester, through: request.through },
            Request::EraseGroup(request) => Command::EraseGroup(access!(&request.access)),
            _ => return Ok(Err(Refusal::UnknownRequest)),
        }))
    }

    fn access(
        &mut self,
        number: u64,
        access: &Access,
        now: Timestamp,
    ) -> Result<Result<ProvenAccess, Refusal>, Crashed> {
        let key = (access.group, access.epoch);
        let connection = &self.connections[&number];
        if let Some(proven) = connection.proven.get(&key) {
            return Ok(Ok(*proven));
        }
        let (exporter, Some(proof)) = (connection.exporter, access.proof) else { return Ok(Err(Refusal::Forbidden)) };
        let verified = self.verify(&exporter, access.group, access.epoch, &proof, now)?;
        if let (Ok(proven), Some(connection)) = (&verified, self.connections.get_mut(&number)) {
            connection.proven.insert(key, *proven);
        }
        Ok(verified)
    }

    fn verify(
        &mut self,
        exporter: &[u8; TLS_EXPORTER_LENGTH],
        group: GroupId,
        epoch: Epoch,
        proof: &kring_protocol::ids::Signature,
        now: Timestamp,
    ) -> Result<Result<ProvenAccess, Refusal>, Crashed> {
        Ok(match self.ask(Command::Access { group, epoch }, now)? {
            Ok(Answer::Access(check)) => check.verify(exporter, proof),
            Ok(_) => Err(Refusal::Malformed),
            Err(refusal) => Err(refusal),
        })
    }

    /// The last record of a group that a proof reads, from the first on.
    pub(super) fn reads_to(
        &mut self,
        exporter: &[u8; TLS_EXPORTER_LENGTH],
        group: GroupId,
        epoch: Epoch,
        proof: &kring_protocol::ids::Signature,
        now: Timestamp,
    ) -> Result<Option<Seq>, Crashed> {
        let Ok(access) = self.verify(exporter, group, epoch, proof, now)? else { return Ok(None) };
        let mut last = None;
        let mut after = Some(Seq(0));
        loop {
            let answer = self.ask(Command::Read { access, after, limit: 1 << 20 }, now)?;
            let Ok(Answer::Stretch(stretch)) = answer else { return Ok(last) };
            let records = stretch.backlog.iter().filter_map(record);
            last = records.map(|record| record.seq).max().max(last);
            if stretch.through >= stretch.head || stretch.backlog.is_empty() {
                return Ok(last);
            }
            after = Some(stretch.through);
        }
    }

    /// Everything that is to be pushed, by connection.
    pub(super) fn pushes(&mut self) -> Vec<(u64, Vec<Pushed>)> {
        let take = |(number, connection): (&u64, &Connection)| {
            let pushes = std::mem::take(&mut *connection.pushes.0.lock().unwrap_or_else(PoisonError::into_inner));
            (!pushes.is_empty()).then_some((*number, pushes))
        };
        self.connections.iter().filter_map(take).collect()
    }
}

/// A record of a backlog.
fn record(part: &Backlog) -> Option<Record> {
    match part {
        Backlog::Record(bytes) => Some(frame::decode(bytes).expect("a record")),
        Backlog::Gap(_) => None,
    }
}

/// The frames of an answer.
fn answered(answer: Answer) -> Answered {
    let one = |reply: Reply| Answered { frames: vec![reply], more: None };
    match answer {
        Answer::Receipt(receipt) => one(Reply::Receipt(receipt)),
        Answer::KeyPackageCount(count) => one(Reply::KeyPackageCount(count)),
        Answer::Claimed(claimed) => one(Reply::Claimed(claimed)),
        Answer::Inbox(part) => {
            let mut frames: Vec<_> = part.notes.into_iter().map(Reply::Note).collect();
            frames.push(Reply::InboxEnd(part.newest));
            Answered { frames, more: None }
        }
        Answer::Followed(followed) => {
            let part = |part: &Backlog| match part {
                Backlog::Record(bytes) => Reply::Record(frame::decode(bytes).expect("a record")),
                Backlog::Gap(gap) => Reply::Gap(gap.clone()),
            };
            let mut frames: Vec<_> = followed.stretch.backlog.iter().map(part).collect();
            let through = followed.stretch.through;
            let more = match followed.next {
                Next::More => Some(through),
                Next::Live => {
                    frames.push(Reply::Live(wire::Live { after: through }));
                    None
                }
                Next::Paused(at) => {
                    frames.push(Reply::Paused(wire::Paused { at }));
                    None
                }
            };
            Answered { frames, more }
        }
        _ => one(Reply::Done(wire::Empty)),
    }
}
