//! The record path, to be counted in instructions: `counted WHAT NUMBER` does one thing so many times and says nothing.
//! `cargo xtask instructions` runs it under Valgrind twice, with different numbers; what lies between is the cost of one.
//!
//! `frames`: reads the frame of a submission of 512 bytes, and writes that of its receipt. `records`: takes such
//! submissions from frame to receipt in batches of 64, by way of the rules, the views and the journal's entry, with a store in
//! memory, and hands each record to seven followers. `proofs`: verifies the proof of an epoch's key. `written` and `singly` print
//! the bytes that the journal writes for each entry of 512 bytes, 64 or one in a step, checkpoints included, as the system counts
//! them.

mod ground;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kring_pki::form::{DisplayName, FunctionCode};
use kring_pki::issue::{Algorithm, DeviceSubject, OrganisationSubject, PrivateKey, RegionRoot, Validity};
use kring_pki::verify::{Crls, TrustAnchors, When, verify_device};
use kring_protocol::address::DeviceAddress;
use kring_protocol::frame;
use kring_protocol::ids::{DeviceId, GroupId, Incarnation, Seq, Subscription};
use kring_protocol::message::{Receipt, Reply, Request};
use kring_server::engine::{
    AccessCheck, Answer, Command, ConnectionId, Core, Outbound, Pushed, QueueFull, Requester, Settings,
};
use kring_server::store::{MemoryStore, SledStore, Store as _};

use self::ground::{CACHE, EXPORTER, NOW, SIZE, creation, open, submission, submit};

/// Submissions that the engine takes together.
const BATCH: u64 = 64;
/// Members that follow the group.
const FOLLOWERS: u64 = 7;
/// Entries between two checkpoints of the journal: about a second of them.
const CHECKPOINT: u64 = 256 * BATCH;
const GROUP: GroupId = GroupId([3; 16]);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (what, number) = (arguments.next(), arguments.next().and_then(|number| number.parse::<u64>().ok()));
    match (what.as_deref(), number) {
        (Some("frames"), Some(number)) => frames(number),
        (Some("records"), Some(number)) => records(number),
        (Some("proofs"), Some(number)) => proofs(number),
        (Some("written"), Some(number)) => println!("{}", written(number, BATCH)),
        (Some("singly"), Some(number)) => println!("{}", written(number, 1)),
        _ => {
            eprintln!("usage: counted frames|records|proofs|written|singly NUMBER");
            std::process::exit(2);
        }
    }
}

fn frames(number: u64) {
    let body = submission(GROUP, 0);
    let receipt = Reply::Receipt(Receipt { seq: Seq(1), at: NOW });
    for _ in 0..number {
        let request: Request = frame::decode(std::hint::black_box(&body)).expect("a request");
        std::hint::black_box((request, frame::encode(&receipt)));
    }
}

fn records(number: u64) {
    let randomness = Box::new(|bytes: &mut [u8]| bytes.fill(5));
    let store = MemoryStore::new(Incarnation([1; 16]));
    let mut core = Core::open(Box::new(store), Settings::default(), randomness).expect("an empty store");
    let pushed = Arc::new(AtomicU64::new(0));
    let access = open(&mut core, GROUP);
    for connection in 0..FOLLOWERS {
        let outbound: Arc<dyn Outbound> = Arc::new(Counting(Arc::clone(&pushed)));
        let requester = requester(connection);
        let follow = Command::Follow {
            access,
            connection: ConnectionId(connection),
            subscription: Subscription(1),
            after: Some(Seq(0)),
            limit: 1 << 20,
        };
        for answer in core.handle(vec![Command::Connect { requester, outbound }, follow], NOW) {
            answer.expect("a connection that follows");
        }
    }
    for batch in 0..number.div_ceil(BATCH) {
        let submissions = (0..BATCH).map(|place| submit(access, GROUP, batch * BATCH + place));
        for answer in core.handle(submissions.collect(), NOW) {
            let Ok(Answer::Receipt(receipt)) = answer else { panic!("not accepted") };
            std::hint::black_box(frame::encode(&Reply::Receipt(receipt)));
        }
    }
    let expected = number.div_ceil(BATCH) * BATCH * FOLLOWERS;
    assert_eq!(pushed.load(Ordering::Relaxed), expected, "every record reaches every follower");
}

fn proofs(number: u64) {
    let request = creation(GROUP);
    let proof = request.access.proof.expect("it has one");
    for _ in 0..number {
        let proven = AccessCheck::of_new_group(&request).verify(std::hint::black_box(&EXPORTER), &proof);
        std::hint::black_box(proven).expect("its own key");
    }
}

fn written(number: u64, step: u64) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = SledStore::open(folder.path(), &[1; 32], CACHE).expect("a database");
    let before = characters_written();
    for first in (0..number).step_by(step as usize) {
        let entries: Vec<Bytes> = (first..first + step).map(|place| vec![place as u8; SIZE].into()).collect();
        store.append(&entries).expect("it appends");
        if (first + step).is_multiple_of(CHECKPOINT) {
            let tail = store.tail();
            store.checkpoint(tail).expect("a checkpoint");
        }
    }
    (characters_written() - before) / (number.div_ceil(step) * step)
}

/// What this process has handed to the system to be written (proc(5), `wchar`).
fn characters_written() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").expect("Linux");
    let line = counts.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("a count");
    line.parse().expect("a number")
}

/// Counts what it is given.
struct Counting(Arc<AtomicU64>);

impl Outbound for Counting {
    fn push(&self, push: Pushed) -> Result<(), QueueFull> {
        if matches!(push, Pushed::Record { .. }) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn requester(connection: u64) -> Requester {
    let name = |text: &str| DisplayName::new(text).expect("a name");
    let valid = Validity::days(NOW, 100);
    let region = RegionRoot::create(&name("Regio Proef"), valid).expect("a root");
    let subject = OrganisationSubject {
        name: name("Politie Proef"),
        domain: "politie.example".to_owned(),
        functions: vec![FunctionCode::new("police").expect("a code")],
    };
    let key = || PrivateKey::generate(Algorithm::Ed25519).expect("a key");
    let organisation = region.issue_organisation(&subject, key(), valid).expect("a certificate");
    let professional = "anne@politie.example".parse().expect("an address");
    let subject = DeviceSubject {
        address: DeviceAddress { professional, device: DeviceId([connection as u8; 16]) },
        name: name("Anne Proef"),
        function: FunctionCode::new("police").expect("a code"),
    };
    let public = key().ed25519_public_key().expect("an Ed25519 key");
    let device = organisation.issue_device(&subject, &public, valid).expect("a certificate");
    let anchors = TrustAnchors::from_der([region.certificate()]).expect("a root");
    let verified = verify_device(device.chain(), &anchors, When::At(NOW), &Crls::none()).expect("its own region's");
    Requester::verified(ConnectionId(connection), &verified).expect("a whole certificate")
}
