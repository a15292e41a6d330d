//! A core over a store in memory, and short ways to ask it.

use std::sync::{Arc, Mutex};

use kring_protocol::frame;
use kring_protocol::ids::*;
use kring_protocol::message as wire;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;

use super::pki;
use crate::engine::{
    Answer, Backlog, Command, ConnectionId, Core, Followed, Outbound, ProvenAccess, Pushed, QueueFull, Requester,
    Settings, Stretch,
};
use crate::store::{MemoryStore, Store};

pub(super) const GROUP: GroupId = GroupId([1; 16]);
pub(super) const START: Timestamp = Timestamp(1_800_000_000_000);
pub(super) const APPLICATION: u8 = 1;
pub(super) const COMMIT: u8 = 3;

/// `MLSMessage` holding a PrivateMessage, built by RFC 9420 §6.3.
pub(super) fn message(group: GroupId, epoch: u64, content: u8, text: &[u8]) -> Payload {
    let mut bytes = vec![0, 1, 0, 2, 16];
    bytes.extend_from_slice(group.as_bytes());
    bytes.extend_from_slice(&epoch.to_be_bytes());
    bytes.extend_from_slice(&[content, 0, 0]);
    let length = u32::try_from(text.len()).unwrap();
    match text.len() {
        0..64 => bytes.push(length as u8),
        64..16_384 => bytes.extend_from_slice(&(length as u16 | 1 << 14).to_be_bytes()),
        _ => bytes.extend_from_slice(&(length | 2 << 30).to_be_bytes()),
    }
    bytes.extend_from_slice(text);
    bytes.into()
}

pub(super) fn key_package(number: u8) -> Payload {
    vec![0, 1, 0, 5, 0, 1, number].into()
}

pub(super) fn operation(number: u64) -> OperationId {
    let mut id = [0xaa; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    OperationId(id)
}

/// The key of an epoch, in every group of these tests.
pub(super) fn key(epoch: u64) -> AccessKey {
    AccessKey([u8::try_from(epoch % 200).unwrap() + 1; 32])
}

pub(super) fn access(group: GroupId, epoch: u64) -> ProvenAccess {
    ProvenAccess { group, epoch: Epoch(epoch), key: key(epoch) }
}

pub(super) fn bare(group: GroupId, epoch: u64) -> wire::Access {
    wire::Access { group, epoch: Epoch(epoch), proof: None }
}

/// What a connection was sent.
#[derive(Default)]
pub(super) struct Inbound {
    pub(super) pushed: Mutex<Vec<Pushed>>,
    pub(super) room: Mutex<Option<usize>>,
    /// How much there was at each flush since the last look.
    pub(super) flushes: Mutex<Vec<usize>>,
}

impl Outbound for Inbound {
    fn push(&self, push: Pushed) -> Result<(), QueueFull> {
        let mut pushed = self.pushed.lock().unwrap();
        let records = pushed.iter().filter(|push| matches!(push, Pushed::Record { .. })).count();
        let full = self.room.lock().unwrap().is_some_and(|room| records >= room);
        if full && matches!(push, Pushed::Record { .. }) {
            return Err(QueueFull);
        }
        pushed.push(push);
        Ok(())
    }

    fn flush(&self) {
        self.flushes.lock().unwrap().push(self.pushed.lock().unwrap().len());
    }
}

impl Inbound {
    /// Records as their numbers, notices as their names.
    pub(super) fn take(&self) -> Vec<String> {
        let name = |push: Pushed| match push {
            Pushed::Record { record, .. } => {
                let record: wire::Record = frame::decode(&record).unwrap();
                record.seq.to_string()
            }
            Pushed::Notice(push) => push.name().to_owned(),
        };
        let mut pushed = self.pushed.lock().unwrap();
        let flushed = self.flushes.lock().unwrap().drain(..).next_back().unwrap_or(0);
        assert_eq!(flushed, pushed.len(), "what was pushed is flushed");
        pushed.drain(..).map(name).collect()
    }
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) store: MemoryStore,
    pub(super) now: Timestamp,
}

pub(super) fn open(store: Box<dyn Store>) -> Core {
    let mut counter = 0u64;
    let randomness = Box::new(move |bytes: &mut [u8]| {
        counter += 1;
        bytes.fill(0xcc);
        bytes[..8].copy_from_slice(&counter.to_be_bytes());
    });
    // So small that every checkpoint puts most pages out of memory.
    let settings = Settings { views: 2_000, checkpoint_after: 1, ..Settings::default() };
    Core::open(store, settings, randomness).expect("opens")
}

impl World {
    pub(super) fn new() -> Self {
        let store = MemoryStore::new(Incarnation([9; 16]));
        Self { core: open(Box::new(store.clone())), store, now: START }
    }

    /// A world with a group in epoch 0.
    pub(super) fn with_group() -> Self {
        let mut world = Self::new();
        world.create(GROUP, 0).expect("created");
        world
    }

    /// Opens the store again, as after a kill.
    pub(super) fn restart(&mut self) {
        self.core = open(Box::new(self.store.clone()));
    }

    pub(super) fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.core.handle(vec![command], self.now).remove(0)
    }

    pub(super) fn tick(&mut self) {
        self.now = self.now.plus(2_000);
        self.ask(Command::Tick).expect("ticked");
    }

    /// A whole pass of retention, and the checkpoints around it.
    pub(super) fn sweep(&mut self) {
        for _ in 0..3 {
            self.ask(Command::Sweep).expect("begun");
            for _ in 0..20 {
                self.tick();
            }
        }
    }

    pub(super) fn create(&mut self, group: GroupId, number: u64) -> Result<wire::Receipt, Refusal> {
        let request = wire::CreateGroup {
            access: bare(group, 0),
            operation: operation(1_000_000 + number),
            access_key: key(0),
            cursor: None,
        };
        let device = DeviceId([1; 16]);
        receipt(self.ask(Command::CreateGroup { device, access: access(group, 0), request }))
    }

    pub(super) fn submit(&mut self, epoch: u64, number: u64, text: &str) -> Result<wire::Receipt, Refusal> {
        receipt(self.ask(submission(GROUP, epoch, number, text)))
    }

    pub(super) fn commit(&mut self, epoch: u64, number: u64) -> Result<wire::Receipt, Refusal> {
        receipt(self.ask(commitment(GROUP, epoch, number, Vec::new())))
    }

    pub(super) fn read(&mut self, epoch: u64, after: Option<u64>) -> Result<Stretch, Refusal> {
        match self.ask(Command::Read { access: access(GROUP, epoch), after: after.map(Seq), limit: 1 << 20 })? {
            Answer::Stretch(stretch) => Ok(stretch),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn connect(&mut self, connection: u64, device: u8) -> Arc<Inbound> {
        let inbound = Arc::new(Inbound::default());
        let requester = requester(connection, device);
        self.ask(Command::Connect { requester, outbound: inbound.clone() }).expect("connected");
        inbound
    }

    pub(super) fn follow(&mut self, connection: u64, epoch: u64, after: Option<u64>) -> Result<Followed, Refusal> {
        let command = Command::Follow {
            access: access(GROUP, epoch),
            connection: ConnectionId(connection),
            subscription: Subscription(5),
            after: after.map(Seq),
            limit: 1 << 20,
        };
        match self.ask(command)? {
            Answer::Followed(followed) => Ok(followed),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn requester(connection: u64, device: u8) -> Requester {
    pki::requester(connection, "a.jansen@politie.example", device)
}

pub(super) fn submission(group: GroupId, epoch: u64, number: u64, text: &str) -> Command {
    let message = message(group, epoch, APPLICATION, text.as_bytes());
    let request = wire::Submit { access: bare(group, epoch), operation: operation(number), message };
    Command::Submit { access: access(group, epoch), request }
}

pub(super) fn commitment(group: GroupId, epoch: u64, number: u64, welcomes: Vec<wire::SealedWelcome>) -> Command {
    let request = wire::SubmitCommit {
        access: bare(group, epoch),
        operation: operation(number),
        message: message(group, epoch, COMMIT, &number.to_be_bytes()),
        next_access_key: key(epoch + 1),
        welcomes,
        closes: None,
    };
    Command::SubmitCommit { access: access(group, epoch), request }
}

pub(super) fn receipt(answer: Result<Answer, Refusal>) -> Result<wire::Receipt, Refusal> {
    match answer? {
        Answer::Receipt(receipt) => Ok(receipt),
        other => panic!("{other:?}"),
    }
}

/// Records as their numbers, gaps as `from-to/records/commits`.
pub(super) fn shape(stretch: &Stretch) -> Vec<String> {
    let name = |part: &Backlog| match part {
        Backlog::Record(record) => frame::decode::<wire::Record>(record).unwrap().seq.to_string(),
        Backlog::Gap(gap) => format!("{}-{}/{}/{}", gap.from, gap.to, gap.records, gap.commits),
    };
    stretch.backlog.iter().map(name).collect()
}
