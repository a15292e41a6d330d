//! A relay is killed at every single write: in the middle of an append, between the steps of a checkpoint, before its
//! position is noted, while old entries are removed. Opened again it shows everything that it acknowledged, and of a
//! bundle everything or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use kring_protocol::ids::*;
use kring_protocol::message as wire;

use super::world::*;
use crate::engine::views::RENEWED;

use crate::engine::{Answer, Command, Core, Settings};
use crate::store::{FailingStore, MemoryStore, Store as _};

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    records: Vec<(u64, u64)>,
    bundle: bool,
}

/// Plays a small history until the store fails, if it does. Returns what was acknowledged, and whether it came to the end.
fn play(world: &mut World) -> (Acknowledged, bool) {
    let mut done = Acknowledged::default();
    let publish = wire::PublishKeyPackages { single_use: vec![key_package(1)], last_resort: None, replace: false };
    let professional = requester(1, 7).professional;
    let finished = (|| {
        world.create(GROUP, 0).ok()?;
        world.ask(Command::PublishKeyPackages { requester: requester(1, 7), request: publish }).ok()?;
        for number in 1..=3 {
            done.records.push((world.submit(0, number, "text").ok()?.seq.0, number));
        }
        world.now = world.now.plus(2_000);
        // The checkpoint is taken after the tick was answered: its failure shows with the next command.
        let _failed = world.ask(Command::Tick);
        let claim = wire::ClaimKeyPackages { professional, device: None };
        let claimed = world.ask(Command::ClaimKeyPackages { requester: requester(1, 8), request: claim });
        let Answer::Claimed(claimed) = claimed.ok()? else { panic!("claimed") };
        let welcome = wire::SealedWelcome {
            claim: claimed.devices[0].claim,
            device: DeviceId([7; 16]),
            sealed: vec![5; 5].into(),
            cursor: CursorId([1; 16]),
        };
        let seq = receipt(world.ask(commitment(GROUP, 0, 4, vec![welcome]))).ok()?.seq.0;
        done.records.push((seq, 4));
        done.bundle = true;
        let now = world.now;
        let batch = (5..8).map(|number| submission(GROUP, 1, number, "text")).collect();
        for (number, answer) in (5..).zip(world.core.handle(batch, now)) {
            done.records.push((receipt(answer).ok()?.seq.0, number));
        }
        for _ in 0..4 {
            world.now = world.now.plus(2_000);
            world.ask(Command::Tick).ok()?;
        }
        world.ask(Command::Drain).ok()
    })();
    (done, finished.is_some())
}

fn failing_world(left: usize) -> World {
    let store = MemoryStore::new(Incarnation([9; 16]));
    let failing = FailingStore::new(store.clone(), Arc::new(AtomicUsize::new(left)));
    World { core: open(Box::new(failing)), store, now: START }
}

#[test]
fn killed_at_any_write_it_opens_to_what_it_acknowledged() {
    let mut writes = 0;
    loop {
        let mut world = failing_world(writes);
        let (acknowledged, finished) = play(&mut world);
        if !finished {
            assert!(world.create(GroupId([5; 16]), 5).is_err(), "a failed store pretends after {writes} writes");
        }
        world.restart();
        for (seq, number) in &acknowledged.records {
            let epoch = u64::from(*number > 4);
            let again = match number {
                4 => world.read(0, Some(3)).map(|stretch| (shape(&stretch).len(), 4)),
                _ => world.submit(epoch, *number, "text").map(|receipt| (1, receipt.seq.0)),
            };
            assert_eq!(again, Ok((1, *seq)), "record {seq} after {writes} writes");
        }
        // Of the bundle there is everything or nothing: record, key of the next epoch, cursor, Welcome.
        let record = world.read(0, None).is_ok_and(|stretch| stretch.epoch == Epoch(1));
        let key = world.read(1, None).is_ok();
        let inbox = world.ask(Command::ReadInbox { requester: requester(1, 7), after: InboxSeq(0), limit: 100 });
        let Ok(Answer::Inbox(inbox)) = inbox else { panic!("read") };
        let moves = vec![wire::CursorMove { group: GROUP, cursor: CursorId([1; 16]), seq: Some(Seq(4)) }];
        let cursor = world.ask(Command::MoveCursors(wire::MoveCursors { moves })).is_ok();
        let parts = [record, key, inbox.notes.len() == 1, cursor];
        assert!(parts == [record; 4], "half a bundle after {writes} writes: {parts:?}");
        assert!(record || !acknowledged.bundle, "a lost bundle after {writes} writes");
        // And it goes on from there.
        world.now = world.now.plus(60_000);
        if world.create(GROUP, 0).is_ok() {
            let epoch = u64::from(record);
            assert!(world.submit(epoch, 50, "text").is_ok(), "stuck after {writes} writes");
            assert!(world.commit(epoch, 51).is_ok(), "stuck after {writes} writes");
        }
        if finished {
            break;
        }
        writes += 1;
    }
    assert!(writes >= 30, "too few writes to prove anything: {writes}");
}

#[test]
fn a_drained_relay_replays_nothing() {
    let mut world = World::with_group();
    world.submit(0, 1, "text").unwrap();
    world.ask(Command::Drain).unwrap();
    assert!(world.core.is_drained());
    assert_eq!(world.store.checkpointed(), world.store.tail());
}

#[test]
fn a_checkpoint_waits_for_many_entries_or_pages_or_five_minutes_or_a_pass_that_was_asked_for() {
    let store = MemoryStore::new(Incarnation([9; 16]));
    let settings = Settings { checkpoint_after: 3, ..Settings::default() };
    let core = Core::open(Box::new(store.clone()), settings, Box::new(|bytes| bytes.fill(1))).expect("opens");
    let mut world = World { core, store, now: START };
    world.create(GROUP, 0).unwrap();
    world.tick();
    let covered = |world: &World| world.store.checkpointed() == world.store.tail();
    assert!(covered(&world), "the first one comes at once");

    world.submit(0, 1, "text").unwrap();
    world.submit(0, 2, "text").unwrap();
    world.tick();
    assert!(!covered(&world), "two are few");
    world.submit(0, 3, "text").unwrap();
    world.tick();
    assert!(covered(&world), "three are many");

    world.submit(0, 4, "text").unwrap();
    world.now = world.now.plus(290_000);
    world.tick();
    assert!(!covered(&world), "not yet five minutes");
    world.now = world.now.plus(10_000);
    world.tick();
    assert!(covered(&world), "whatever the number");

    let groups = [11, 12, 13].map(|number| GroupId([number; 16]));
    for (number, group) in (11..).zip(groups) {
        world.create(group, number).unwrap();
        let cursor = CursorId([7; 16]);
        let request = wire::RegisterCursor { access: bare(group, 0), cursor, seq: Seq(0) };
        world.ask(Command::RegisterCursor { access: access(group, 0), request }).unwrap();
    }
    world.tick();
    assert_eq!((covered(&world), world.core.views.dirty()), (true, 0));
    for (group, waiting) in groups.into_iter().zip(1..) {
        let moved = wire::CursorMove { group, cursor: CursorId([7; 16]), seq: Some(Seq(0)) };
        world.ask(Command::MoveCursors(wire::MoveCursors { moves: vec![moved] })).unwrap();
        assert_eq!(world.core.views.dirty(), waiting);
    }
    world.tick();
    assert_eq!(world.core.views.dirty(), 0, "three pages have waited, and no entry");

    world.submit(0, 5, "text").unwrap();
    world.ask(Command::Sweep).unwrap();
    world.tick();
    assert!(covered(&world), "a pass was asked for");
}

#[test]
fn with_a_failed_store_nobody_is_answered_and_nothing_is_delivered() {
    let mut world = failing_world(2);
    world.create(GROUP, 0).unwrap();
    let inbound = world.connect(1, 1);
    world.follow(1, 0, None).unwrap();
    let refusal = kring_protocol::refusal::Refusal::StoreFailed;
    assert_eq!(world.submit(0, 1, "text"), Err(refusal.clone()));
    assert_eq!(world.read(0, None).err(), Some(refusal));
    assert_eq!(inbound.take(), [""; 0]);
    assert!(world.core.has_failed());
}

#[test]
fn a_store_that_has_grown_is_opened_anew_once_nobody_asks_anything() {
    let (left, written) = (Arc::new(AtomicUsize::new(100)), Arc::new(AtomicU64::new(RENEWED - 1)));
    let store = MemoryStore::new(Incarnation([9; 16]));
    let failing = FailingStore::new(store.clone(), left.clone()).grown(written.clone());
    let mut world = World { core: open(Box::new(failing)), store, now: START };
    let grown = || written.load(Ordering::Relaxed) >= RENEWED;
    let ticks = |world: &mut World, count: u32| (0..count).for_each(|_| world.tick());
    ticks(&mut world, 20);
    assert_eq!(written.load(Ordering::Relaxed), RENEWED - 1, "it has not grown enough");
    written.store(RENEWED, Ordering::Relaxed);
    world.create(GROUP, 0).expect("created");
    ticks(&mut world, 4);
    assert!(grown(), "it is not quiet yet");
    world.submit(0, 1, "text").expect("accepted");
    ticks(&mut world, 4);
    assert!(grown(), "somebody has asked something meanwhile");
    ticks(&mut world, 1);
    assert!(!grown());
    world.submit(0, 2, "text").expect("accepted");

    // One that cannot be opened again takes nothing more.
    written.store(RENEWED, Ordering::Relaxed);
    ticks(&mut world, 4);
    left.store(0, Ordering::Relaxed);
    world.now = world.now.plus(200);
    let _failed = world.ask(Command::Tick);
    assert!(world.core.has_failed());
}
