//! Bytes as operations: creations, submissions, Commits, reads, receipts, ticks and kills of the relay's engine on a store
//! in memory, with real proofs, against logs that are lists.
//!
//! Must hold: each answer is the list's, in particular: of two Commits in an epoch the first wins, an operation is done
//! once however often it is asked for, a proof reads up to the end of its epoch and nothing later, and a kill loses
//! nothing that was answered.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bytes::Bytes;
use kring_protocol::frame;
use kring_protocol::ids::{
    AccessKey, DeviceId, Epoch, GroupId, Incarnation, MessageHash, OperationId, Seq, Signature, Timestamp,
};
use kring_protocol::message::{Access, CreateGroup, FindReceipt, Record, Submit, SubmitCommit};
use kring_protocol::proof::{TLS_EXPORTER_LENGTH, signed_text};
use kring_protocol::refusal::Refusal;
use kring_server::engine::{AccessCheck, Answer, Backlog, Command, Core, ProvenAccess, Settings};
use kring_server::store::MemoryStore;

use crate::mix;

/// Groups, operation ids and epochs that an input can name: few, so that they meet.
const GROUPS: u8 = 3;
const OPERATIONS: u8 = 24;
const EPOCHS: u8 = 4;
/// Operations of one input: far below the burst of Commits that a group may make.
const STEPS: usize = 50;
/// The moment at which everything happens.
const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// What binds proofs to the one connection of this target.
const EXPORTER: [u8; TLS_EXPORTER_LENGTH] = [7; TLS_EXPORTER_LENGTH];

/// A log as a list: operation, message, whether it is a Commit.
#[derive(Default)]
struct List {
    created: bool,
    records: Vec<(OperationId, Bytes, bool)>,
}

impl List {
    fn ends(&self) -> Vec<u64> {
        (1..).zip(&self.records).filter(|(_, record)| record.2).map(|(seq, _)| seq).collect()
    }

    fn opens(&self, epoch: u64) -> bool {
        self.created && epoch <= self.ends().len() as u64
    }

    fn append(&mut self, epoch: u64, operation: OperationId, message: Bytes, commit: bool) -> Result<u64, Refusal> {
        if let Some(index) = self.records.iter().position(|record| record.0 == operation) {
            return if self.records[index].1 == message {
                Ok(index as u64 + 1)
            } else {
                Err(Refusal::OperationReused)
            };
        }
        if let Some(winner) = self.ends().get(epoch as usize) {
            return Err(Refusal::StaleEpoch { epoch: Epoch(epoch + 1), winner: Seq(*winner) });
        }
        self.records.push((operation, message, commit));
        Ok(self.records.len() as u64)
    }

    fn read(&self, epoch: u64, after: Option<u64>) -> std::ops::RangeInclusive<u64> {
        let ends = self.ends();
        let last = ends.get(epoch as usize).copied().unwrap_or(self.records.len() as u64);
        let opened = epoch.checked_sub(1).and_then(|before| ends.get(before as usize).copied()).unwrap_or(1);
        after.map_or(opened, |after| after + 1)..=last
    }

    fn receipt(&self, operation: OperationId, message: &Bytes) -> Result<u64, Refusal> {
        match self.records.iter().position(|record| record.0 == operation) {
            Some(index) if self.records[index].1 == *message => Ok(index as u64 + 1),
            Some(_) => Err(Refusal::OperationReused),
            None => Err(Refusal::NoReceipt),
        }
    }
}

/// The engine, and how it is opened again.
struct Relay {
    core: Core,
    store: MemoryStore,
}

impl Relay {
    fn open(store: MemoryStore) -> Self {
        let mut counter = 0u8;
        let randomness = Box::new(move |bytes: &mut [u8]| {
            counter = counter.wrapping_add(1);
            bytes.fill(counter);
        });
        // So small that views leave memory at every checkpoint.
        let settings = Settings { views: 2_000, checkpoint_after: 1, ..Settings::default() };
        Self { core: Core::open(Box::new(store.clone()), settings, randomness).expect("it opens"), store }
    }

    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.core.handle(vec![command], NOW).pop().expect("one answer to one command")
    }

    /// Proves an epoch as a connection does.
    fn prove(&mut self, group: GroupId, epoch: Epoch) -> Result<ProvenAccess, Refusal> {
        let Answer::Access(check) = self.ask(Command::Access { group, epoch })? else { panic!("no check") };
        check.verify(&EXPORTER, &proof(group, epoch))
    }
}

/// Runs the operations.
pub(crate) fn run(input: &[u8]) -> u64 {
    let mut relay = Relay::open(MemoryStore::new(Incarnation([1; 16])));
    let mut lists: [List; GROUPS as usize] = Default::default();
    let mut happened = 0;
    for step in input.chunks_exact(4).take(STEPS) {
        let &[kind, group, operation, detail] = step else { unreachable!("chunks of four") };
        let (list, group) = (&mut lists[usize::from(group % GROUPS)], GroupId([group % GROUPS + 1; 16]));
        let operation = OperationId([operation % OPERATIONS; 16]);
        let epoch = u64::from(detail % EPOCHS);
        happened = mix(
            happened,
            u64::from(kind % 8) << 8 | self::step(&mut relay, list, group, operation, epoch, kind, detail),
        );
    }
    happened
}

/// One operation; tells whether it was accepted.
fn step(
    relay: &mut Relay,
    list: &mut List,
    group: GroupId,
    operation: OperationId,
    epoch: u64,
    kind: u8,
    detail: u8,
) -> u64 {
    match kind % 8 {
        0 => {
            let answer = create(relay, group);
            assert!(matches!(&answer, Ok(Answer::Receipt(receipt)) if receipt.seq == Seq(0)), "{answer:?}");
            list.created = true;
            return 1;
        }
        6 => {
            relay.core.handle(vec![Command::Tick], Timestamp(NOW.0 + 10_000 * u64::from(detail)));
            return 0;
        }
        7 => {
            *relay = Relay::open(relay.store.clone());
            return 0;
        }
        _ => {}
    }
    let access = relay.prove(group, Epoch(epoch));
    assert_eq!(access.is_ok(), list.opens(epoch), "a proof opens an epoch that was, and nothing else");
    let Ok(access) = access else { return 0 };
    let content = if kind % 8 == 2 { 3 } else { 1 };
    let message = message(group, epoch, content, detail / EPOCHS % 2);
    let bare = Access { group, epoch: Epoch(epoch), proof: None };
    let seq = |answer: Result<Answer, Refusal>| match answer {
        Ok(Answer::Receipt(receipt)) => Ok(receipt.seq.0),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal),
    };
    match kind % 8 {
        1 | 5 => {
            let request = Submit { access: bare, operation, message: message.clone().into() };
            let answer = seq(relay.ask(Command::Submit { access, request }));
            let expected = list.append(epoch, operation, message, false);
            assert_eq!(answer, expected);
            u64::from(answer.is_ok())
        }
        2 => {
            let request = SubmitCommit {
                access: bare,
                operation,
                message: message.clone().into(),
                next_access_key: key(group, Epoch(epoch + 1)),
                welcomes: Vec::new(),
                closes: None,
            };
            let answer = seq(relay.ask(Command::SubmitCommit { access, request }));
            let expected = list.append(epoch, operation, message, true);
            assert_eq!(answer, expected);
            u64::from(answer.is_ok())
        }
        3 => {
            let after = (detail & 0x80 != 0).then_some(u64::from(detail >> 2 & 0x0f));
            let Ok(Answer::Stretch(stretch)) =
                relay.ask(Command::Read { access, after: after.map(Seq), limit: 1 << 20 })
            else {
                panic!("a proven epoch reads")
            };
            let read: Vec<(u64, Bytes)> = stretch.backlog.iter().map(record).collect();
            let expected = list.read(epoch, after);
            let expected: Vec<(u64, Bytes)> =
                expected.map(|seq| (seq, list.records[seq as usize - 1].1.clone())).collect();
            assert_eq!(read, expected);
            1
        }
        _ => {
            let hash = MessageHash::from_slice(digest(&SHA256, &message).as_ref()).expect("32 bytes");
            let answer =
                seq(relay
                    .ask(Command::FindReceipt { access, request: FindReceipt { access: bare, operation, hash } }));
            let expected = list.receipt(operation, &message);
            assert_eq!(answer, expected);
            u64::from(answer.is_ok())
        }
    }
}

fn create(relay: &mut Relay, group: GroupId) -> Result<Answer, Refusal> {
    let request = CreateGroup {
        access: Access { group, epoch: Epoch(0), proof: Some(proof(group, Epoch(0))) },
        operation: OperationId([0xff; 16]),
        access_key: key(group, Epoch(0)),
        cursor: None,
    };
    let access = AccessCheck::of_new_group(&request).verify(&EXPORTER, &proof(group, Epoch(0)))?;
    relay.ask(Command::CreateGroup { device: DeviceId([1; 16]), access, request })
}

fn record(part: &Backlog) -> (u64, Bytes) {
    match part {
        Backlog::Record(bytes) => {
            let record: Record = frame::decode(bytes).expect("a record");
            (record.seq.0, record.message.0)
        }
        Backlog::Gap(_) => panic!("nothing has expired"),
    }
}

fn pair(group: GroupId, epoch: Epoch) -> Ed25519KeyPair {
    let seed: [u8; 32] = std::array::from_fn(|index| group.0[0] ^ epoch.0.to_be_bytes()[index % 8]);
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes")
}

fn key(group: GroupId, epoch: Epoch) -> AccessKey {
    AccessKey::from_slice(pair(group, epoch).public_key().as_ref()).expect("32 bytes")
}

fn proof(group: GroupId, epoch: Epoch) -> Signature {
    let signature = pair(group, epoch).sign(&signed_text(&EXPORTER, group, epoch));
    Signature::from_slice(signature.as_ref()).expect("64 bytes")
}

/// A PrivateMessage (RFC 9420 §6.3); all its vectors are short.
fn message(group: GroupId, epoch: u64, content: u8, text: u8) -> Bytes {
    let mut message = vec![0, 1, 0, 2, 16];
    message.extend_from_slice(group.as_bytes());
    message.extend_from_slice(&epoch.to_be_bytes());
    message.extend_from_slice(&[content, 0, 1, 0x5e, 1, text]);
    message.into()
}
