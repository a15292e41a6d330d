//! The record path in pieces, to be counted in instructions, which noise cannot shake: `cargo xtask instructions` runs this
//! under callgrind and compares each count with its limit.
//!
//! `instructions NAME` runs one piece [`TIMES`] times inside a function called `measured`, the only one that is counted.

use std::hint::black_box;
use std::process::ExitCode;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bytes::Bytes;
use kring_protocol::frame;
use kring_protocol::ids::{AccessKey, DeviceId, Epoch, GroupId, Incarnation, OperationId, Seq, Signature, Timestamp};
use kring_protocol::message::{Access, CreateGroup, Record, Request, Submit};
use kring_protocol::mls::private_message;
use kring_protocol::proof::{TLS_EXPORTER_LENGTH, signed_text};
use kring_server::engine::{AccessCheck, Answer, Command, Core, ProvenAccess, Settings};
use kring_server::store::MemoryStore;

/// How often a piece is run; the count is divided by it.
const TIMES: u32 = 1_000;
/// Bytes of a message.
const SIZE: usize = 512;
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const GROUP: GroupId = GroupId([1; 16]);
const EXPORTER: [u8; TLS_EXPORTER_LENGTH] = [7; TLS_EXPORTER_LENGTH];

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        println!("decode-submit encode-record mls-header submit read {TIMES}");
        return ExitCode::SUCCESS;
    };
    let message = message();
    match name.as_str() {
        "decode-submit" => {
            let request: Request = submit(0, &message).into();
            let body = frame::encode_body(&request);
            measured(|_| drop(black_box(frame::decode::<Request>(black_box(&body)))));
        }
        "encode-record" => {
            let record = Record {
                seq: Seq(1_000),
                at: NOW,
                operation: OperationId([3; 16]),
                message: message.into(),
                next_access_key: None,
                closes: None,
            };
            measured(|_| drop(black_box(frame::encode_body(black_box(&record)))));
        }
        "mls-header" => measured(|_| {
            let _header = black_box(private_message(black_box(&message)));
        }),
        "submit" => {
            let (mut core, access) = relay();
            measured(|number| {
                let command = Command::Submit { access, request: submit(number, &message) };
                assert!(core.handle(vec![command], NOW).iter().all(Result::is_ok));
            });
        }
        "read" => {
            let (mut core, access) = relay();
            let commands = (0..TIMES).map(|number| Command::Submit { access, request: submit(number, &message) });
            assert!(core.handle(commands.collect(), NOW).iter().all(Result::is_ok));
            // One answer with all of them, so that the count is of one record.
            let limit = u64::from(TIMES) * (SIZE as u64 + 100);
            let read = Command::Read { access, after: Some(Seq(0)), limit };
            let answer = once(|| core.handle(vec![read], NOW));
            let Some(Ok(Answer::Stretch(stretch))) = answer.first() else { return ExitCode::FAILURE };
            assert_eq!(stretch.backlog.len(), TIMES as usize);
        }
        other => {
            eprintln!("there is no piece {other}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// What is counted.
#[inline(never)]
fn measured(mut piece: impl FnMut(u32)) {
    for number in 0..TIMES {
        piece(number);
    }
}

/// As [`measured`], for something that does all of it at once.
fn once<T>(piece: impl FnOnce() -> T) -> T {
    let (mut piece, mut done) = (Some(piece), None);
    measured(|_| {
        if let Some(piece) = piece.take() {
            done = Some(piece());
        }
    });
    done.expect("it was run")
}

/// A relay's engine on a store in memory, with one group.
fn relay() -> (Core, ProvenAccess) {
    let store = Box::new(MemoryStore::new(Incarnation([1; 16])));
    let randomness = Box::new(|bytes: &mut [u8]| bytes.fill(9));
    let mut core = Core::open(store, Settings::default(), randomness).expect("it opens");
    let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("32 bytes");
    let proof = Signature::from_slice(pair.sign(&signed_text(&EXPORTER, GROUP, Epoch(0))).as_ref());
    let request = CreateGroup {
        access: Access { group: GROUP, epoch: Epoch(0), proof },
        operation: OperationId([0xff; 16]),
        access_key: AccessKey::from_slice(pair.public_key().as_ref()).expect("32 bytes"),
        cursor: None,
    };
    let check = AccessCheck::of_new_group(&request);
    let access = check.verify(&EXPORTER, &proof.expect("64 bytes")).expect("its own key");
    let created = core.handle(vec![Command::CreateGroup { device: DeviceId([1; 16]), access, request }], NOW);
    assert!(created.iter().all(Result::is_ok));
    (core, access)
}

fn submit(number: u32, message: &Bytes) -> Submit {
    let mut operation = [0; 16];
    operation[..4].copy_from_slice(&number.to_be_bytes());
    let access = Access { group: GROUP, epoch: Epoch(0), proof: None };
    Submit { access, operation: OperationId(operation), message: message.clone().into() }
}

/// A PrivateMessage (RFC 9420 §6.3).
fn message() -> Bytes {
    let mut message = vec![0, 1, 0, 2, 16];
    message.extend_from_slice(GROUP.as_bytes());
    message.extend_from_slice(&Epoch(0).0.to_be_bytes());
    message.extend_from_slice(&[1, 0, 28]);
    message.extend_from_slice(&[0x5e; 28]);
    let ciphertext = SIZE - message.len() - 2;
    message.extend_from_slice(&(ciphertext as u16 | 1 << 14).to_be_bytes());
    message.resize(SIZE, 0xa5);
    message.into()
}
