use kring_protocol::ids::*;
use kring_protocol::message as wire;
use kring_protocol::refusal::Refusal;

use super::world::*;
use crate::engine::{Answer, Command, Core, Settings};
use crate::rules::block::BLOCK;
use crate::rules::limits::MAX_CURSORS;
use crate::rules::retention::{COMMIT_RETENTION, READ_RETENTION, UNREAD_RETENTION};
use crate::store::{MemoryStore, PageId, Position, Store};

const CURSOR: CursorId = CursorId([3; 16]);

impl World {
    fn register(&mut self, cursor: CursorId, seq: u64) {
        self.register_in(0, cursor, seq).expect("registered");
    }

    fn register_in(&mut self, epoch: u64, cursor: CursorId, seq: u64) -> Result<Answer, Refusal> {
        let request = wire::RegisterCursor { access: bare(GROUP, epoch), cursor, seq: Seq(seq) };
        self.ask(Command::RegisterCursor { access: access(GROUP, epoch), request })
    }

    fn move_to(&mut self, cursor: CursorId, seq: Option<u64>) -> Result<Answer, Refusal> {
        let moves = vec![wire::CursorMove { group: GROUP, cursor, seq: seq.map(Seq) }];
        self.ask(Command::MoveCursors(wire::MoveCursors { moves }))
    }

    pub(super) fn entries(&self) -> usize {
        let (mut count, mut at) = (0, Position(0));
        while let Some(next) = self.store.next_after(at).expect("reads") {
            (count, at) = (count + 1, next);
        }
        count
    }
}

#[test]
fn records_that_every_cursor_has_passed_go_after_seven_days() {
    let mut world = World::with_group();
    world.register(CURSOR, 0);
    for number in 1..=3 {
        world.submit(0, number, "text").unwrap();
    }
    world.move_to(CURSOR, Some(2)).unwrap();
    world.now = START.plus(READ_RETENTION - Timestamp::DAY);
    world.sweep();
    assert_eq!(shape(&world.read(0, None).unwrap()), ["1", "2", "3"]);
    world.now = START.plus(READ_RETENTION);
    world.sweep();
    assert_eq!(shape(&world.read(0, None).unwrap()), ["1-2/2/0", "3"]);
    world.restart();
    assert_eq!(shape(&world.read(0, Some(1)).unwrap()), ["2-2/1/0", "3"]);
    // Nothing is left of what has gone.
    assert_eq!(world.entries(), 1);
    assert_eq!(world.submit(0, 4, "text").map(|receipt| receipt.seq), Ok(Seq(4)));
}

#[test]
fn what_nobody_has_read_goes_after_thirty_days_and_commits_stay() {
    let mut world = World::with_group();
    world.submit(0, 1, "text").unwrap();
    world.commit(0, 2).unwrap();
    world.submit(1, 3, "text").unwrap();
    world.register_in(1, CURSOR, 0).expect("registered");
    world.now = START.plus(UNREAD_RETENTION - Timestamp::DAY);
    world.move_to(CURSOR, Some(0)).unwrap();
    world.sweep();
    assert_eq!(shape(&world.read(1, Some(0)).unwrap()), ["1", "2", "3"]);
    world.now = START.plus(UNREAD_RETENTION);
    world.sweep();
    assert_eq!(shape(&world.read(1, Some(0)).unwrap()), ["1-1/1/0", "2", "3-3/1/0"]);
    world.now = START.plus(COMMIT_RETENTION);
    world.sweep();
    // The key outlives the Commit, so that who comes too late is told that a Commit is missing.
    assert_eq!(shape(&world.read(0, Some(0)).unwrap()), ["1-2/2/1"]);
    world.restart();
    assert_eq!(shape(&world.read(1, Some(0)).unwrap()), ["1-3/3/1"]);
}

#[test]
fn a_long_log_drops_whole_blocks_and_counts_on() {
    let mut world = World::with_group();
    for number in 1..=299 {
        world.submit(0, number, "text").unwrap();
    }
    world.commit(0, 300).unwrap();
    world.now = START.plus(UNREAD_RETENTION);
    for _ in 0..4 {
        world.sweep();
    }
    assert_eq!(shape(&world.read(1, Some(0)).unwrap()), ["1-299/299/0", "300"]);
    assert_eq!(world.store.page(&PageId::Block(GROUP, 0)), Ok(None));
    world.restart();
    assert_eq!(shape(&world.read(1, Some(150)).unwrap()), ["151-299/149/0", "300"]);
    assert_eq!(world.submit(1, 301, "text").map(|receipt| receipt.seq), Ok(Seq(301)));
}

#[test]
fn a_long_gap_is_read_in_bounded_stretches() {
    let mut world = World::with_group();
    world.commit(0, 1).unwrap();
    let now = world.now;
    let last = 80 * BLOCK;
    for from in (2..=last).step_by(1_000) {
        let batch = (from..(from + 1_000).min(last + 1)).map(|number| submission(GROUP, 1, number, "x")).collect();
        assert!(world.core.handle(batch, now).iter().all(Result::is_ok));
    }
    world.now = START.plus(UNREAD_RETENTION);
    while world.entries() > 1 {
        world.sweep();
    }
    let (mut after, mut seen, mut stretches) = (0, Vec::new(), 0);
    while after < last {
        let stretch = world.read(1, Some(after)).unwrap();
        assert!(stretch.through.0 - after <= 65 * BLOCK);
        seen.extend(shape(&stretch));
        after = stretch.through.0;
        stretches += 1;
    }
    assert_eq!((stretches, seen[0].as_str(), seen[1].as_str()), (2, "1", "2-8192/8191/0"));
    assert_eq!(seen[2], format!("8193-{last}/{}/0", last - 8_192));
}

#[test]
fn what_expires_leaves_the_operation_index_and_the_rest_stays_in_it() {
    let store = MemoryStore::new(Incarnation([9; 16]));
    let settings = Settings::default();
    let core = Core::open(Box::new(store.clone()), settings, Box::new(|bytes| bytes.fill(1))).expect("opens");
    let mut world = World { core, store, now: START };
    world.create(GROUP, 0).unwrap();
    let commit = world.commit(0, 1).unwrap();
    world.submit(1, 2, "text").unwrap();
    world.now = START.plus(UNREAD_RETENTION);
    world.sweep();
    assert_eq!(shape(&world.read(1, Some(0)).unwrap()), ["1", "2-2/1/0"]);
    assert!(world.core.views.has_index(GROUP));
    assert_eq!(world.commit(0, 1), Ok(commit));
    // Its receipt went with it, and its id is free.
    assert_eq!(world.submit(1, 2, "another text").map(|receipt| receipt.seq), Ok(Seq(3)));
}

#[test]
fn cursors_move_forward_only_and_unknown_ones_are_refused() {
    let mut world = World::with_group();
    world.register(CURSOR, 0);
    for number in 1..=3 {
        world.submit(0, number, "text").unwrap();
    }
    world.move_to(CURSOR, Some(3)).unwrap();
    world.move_to(CURSOR, Some(1)).unwrap();
    assert_eq!(world.move_to(CursorId([4; 16]), Some(1)).err(), Some(Refusal::UnknownCursor));
    world.now = START.plus(READ_RETENTION);
    world.sweep();
    assert_eq!(shape(&world.read(0, None).unwrap()), ["1-3/3/0"]);
    world.move_to(CURSOR, None).unwrap();
    assert_eq!(world.move_to(CURSOR, Some(1)).err(), Some(Refusal::UnknownCursor));
}

#[test]
fn who_was_removed_registers_no_cursor_and_however_many_there_are_no_commit_is_refused() {
    let mut world = World::with_group();
    let cursor = |number: u64| CursorId(operation(number).0);
    for number in 0..MAX_CURSORS as u64 {
        world.register(cursor(number), 0);
    }
    assert!(matches!(world.register_in(0, CURSOR, 0), Err(Refusal::TooMany { .. })));
    world.now = world.now.plus(1);
    let request = wire::PublishKeyPackages { single_use: vec![key_package(1)], last_resort: None, replace: false };
    world.ask(Command::PublishKeyPackages { requester: requester(1, 7), request }).unwrap();
    let request = wire::ClaimKeyPackages { professional: requester(1, 7).professional, device: None };
    let Ok(Answer::Claimed(claimed)) = world.ask(Command::ClaimKeyPackages { requester: requester(1, 8), request })
    else {
        panic!("claimed")
    };
    let (claim, device) = (claimed.devices[0].claim, claimed.devices[0].device);
    let welcome = wire::SealedWelcome { claim, device, sealed: vec![1].into(), cursor: CURSOR };
    receipt(world.ask(commitment(GROUP, 0, 1, vec![welcome]))).unwrap();
    assert!(world.move_to(CURSOR, Some(1)).is_ok());
    world.now = world.now.plus(UNREAD_RETENTION);
    world.sweep();
    let late = world.register_in(0, CursorId([5; 16]), 0);
    assert!(matches!(late, Err(Refusal::StaleEpoch { .. })), "{late:?}");
    assert!(world.register_in(1, CursorId([5; 16]), 0).is_ok());
}

#[test]
fn a_welcome_outlives_its_record_for_as_long_as_commits_stay() {
    let mut world = World::with_group();
    let request = wire::PublishKeyPackages { single_use: vec![key_package(1)], last_resort: None, replace: false };
    world.ask(Command::PublishKeyPackages { requester: requester(1, 7), request }).unwrap();
    let professional = requester(1, 7).professional;
    let request = wire::ClaimKeyPackages { professional, device: None };
    let Ok(Answer::Claimed(claimed)) = world.ask(Command::ClaimKeyPackages { requester: requester(1, 8), request })
    else {
        panic!("claimed")
    };
    let welcome = wire::SealedWelcome {
        claim: claimed.devices[0].claim,
        device: DeviceId([7; 16]),
        sealed: vec![1, 2, 3].into(),
        cursor: CURSOR,
    };
    receipt(world.ask(commitment(GROUP, 0, 1, vec![welcome]))).unwrap();
    let inbox = |world: &mut World| {
        let command = Command::ReadInbox { requester: requester(1, 7), after: InboxSeq(0), limit: 100 };
        let Ok(Answer::Inbox(part)) = world.ask(command) else { panic!("read") };
        part.notes.len()
    };
    world.now = START.plus(COMMIT_RETENTION - Timestamp::DAY);
    world.sweep();
    assert_eq!(inbox(&mut world), 1);
    world.now = START.plus(COMMIT_RETENTION + Timestamp::DAY);
    world.sweep();
    world.restart();
    assert_eq!((inbox(&mut world), world.entries()), (0, 1), "the directory still has the device");
    // When its certificate has ended, that goes too.
    world.now = START.plus(1_002 * Timestamp::DAY);
    world.sweep();
    assert_eq!(world.entries(), 0);
}

#[test]
fn a_closed_group_is_erased_once_everybody_has_read_it_and_its_id_is_not_used_again() {
    let mut world = World::with_group();
    world.register(CURSOR, 0);
    assert_eq!(world.ask(Command::EraseGroup(access(GROUP, 0))).err(), Some(Refusal::NotFinal));
    let Command::SubmitCommit { access: proven, mut request } = commitment(GROUP, 0, 1, Vec::new()) else {
        panic!("a Commit")
    };
    request.closes = Some(true);
    receipt(world.ask(Command::SubmitCommit { access: proven, request })).unwrap();
    assert_eq!(world.ask(Command::EraseGroup(access(GROUP, 0))).err(), Some(Refusal::NotFinal));
    world.ask(Command::EraseGroup(access(GROUP, 1))).unwrap();
    assert_eq!(world.submit(1, 2, "text"), Err(Refusal::Forbidden));
    world.sweep();
    assert_eq!(shape(&world.read(1, Some(0)).unwrap()), ["1"]);
    let inbound = world.connect(1, 1);
    world.follow(1, 1, Some(1)).unwrap();
    world.move_to(CURSOR, Some(1)).unwrap();
    world.sweep();
    assert_eq!(inbound.take(), ["SubscriptionEnded"]);
    world.restart();
    assert_eq!(world.read(1, None).err(), Some(Refusal::Forbidden));
    assert_eq!(world.create(GROUP, 0), Err(Refusal::GroupExists));
    assert_eq!((world.entries(), world.store.page(&PageId::Block(GROUP, 0))), (0, Ok(None)));
}

#[test]
fn an_erasure_that_a_crash_interrupts_between_its_pages_leaves_no_block() {
    // The same twice: once to the end, to have the head's page as an interrupted checkpoint leaves it.
    let erased = || {
        let mut world = World::with_group();
        let Command::SubmitCommit { access: proven, mut request } = commitment(GROUP, 0, 1, Vec::new()) else {
            panic!("a Commit")
        };
        request.closes = Some(true);
        receipt(world.ask(Command::SubmitCommit { access: proven, request })).unwrap();
        world.tick();
        world.ask(Command::EraseGroup(access(GROUP, 1))).unwrap();
        world.ask(Command::Sweep).unwrap();
        while world.read(1, Some(0)).is_ok() {
            world.tick();
        }
        world
    };
    let mut whole = erased();
    whole.tick();
    let head = whole.store.page(&PageId::Group(GROUP)).unwrap();
    let mut world = erased();
    assert!(world.store.page(&PageId::Block(GROUP, 0)).unwrap().is_some(), "not checkpointed yet");
    world.store.write_pages(&[(PageId::Group(GROUP), head)]).unwrap();
    world.restart();
    world.tick();
    assert_eq!(world.store.page(&PageId::Block(GROUP, 0)), Ok(None));
}

#[test]
fn a_clock_that_is_far_ahead_at_a_start_costs_nobody_a_message() {
    let mut world = World::with_group();
    world.submit(0, 1, "text").unwrap();
    world.tick();
    world.restart();
    world.now = world.now.plus(3_650 * Timestamp::DAY);
    // Half an hour of ticks, and no word of the operator.
    for _ in 0..900 {
        world.tick();
    }
    assert_eq!(shape(&world.read(0, Some(0)).unwrap()), ["1"]);
    world.sweep();
    assert_ne!(shape(&world.read(0, Some(0)).unwrap()), ["1"]);
}
