use std::sync::{Arc, Mutex};

use kring_protocol::ids::*;
use kring_protocol::message as wire;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;

use super::world::*;
use crate::engine::{Command, Next, ProvenAccess, Row};
use crate::rules::entry::{Appended, Expired};
use crate::rules::limits::{COMMIT_BURST, COMMIT_INTERVAL, MAX_EPOCH, MAX_LOG_BYTES, MAX_SUBSCRIPTIONS};
use crate::store::{FailingStore, Position};

#[test]
fn of_two_commits_in_one_epoch_the_first_wins() {
    let mut world = World::with_group();
    let both = vec![commitment(GROUP, 0, 1, Vec::new()), commitment(GROUP, 0, 2, Vec::new())];
    let now = world.now;
    let mut answers = world.core.handle(both, now);
    assert_eq!(receipt(answers.remove(0)).map(|receipt| receipt.seq), Ok(Seq(1)));
    let stale = Refusal::StaleEpoch { epoch: Epoch(1), winner: Seq(1) };
    assert_eq!(receipt(answers.remove(0)), Err(stale.clone()));
    assert_eq!(world.submit(0, 3, "late"), Err(stale));
    assert_eq!(world.submit(1, 4, "in time").map(|receipt| receipt.seq), Ok(Seq(2)));
    assert_eq!(shape(&world.read(1, Some(0)).unwrap()), ["1", "2"]);
}

#[test]
fn an_operation_sent_again_has_one_record_and_one_receipt_even_after_its_epoch() {
    let mut world = World::with_group();
    let first = world.submit(0, 1, "text").unwrap();
    world.now = world.now.plus(5);
    assert_eq!(world.submit(0, 1, "text"), Ok(first.clone()));
    assert_eq!(world.submit(0, 1, "other"), Err(Refusal::OperationReused));
    let commit = world.commit(0, 2).unwrap();
    world.restart();
    assert_eq!(world.submit(0, 1, "text"), Ok(first));
    assert_eq!(world.commit(0, 2), Ok(commit));
    assert_eq!(world.read(1, None).unwrap().head, Seq(2));
    // A refused operation leaves nothing: its id is free.
    assert!(world.submit(0, 3, "late").is_err());
    assert!(world.submit(1, 3, "another text").is_ok());
}

#[test]
fn a_group_is_created_once_and_creating_it_again_by_the_same_operation_is_one() {
    let mut world = World::with_group();
    let first = world.create(GROUP, 0);
    world.now = world.now.plus(5);
    assert_eq!(world.create(GROUP, 0), first);
    assert_eq!(world.create(GROUP, 1), Err(Refusal::GroupExists));
}

#[test]
fn a_log_that_counts_from_the_end_of_all_numbers_is_refused_and_the_engine_goes_on() {
    let mut world = World::new();
    let create = |epoch| {
        let request = wire::CreateGroup {
            access: bare(GROUP, epoch),
            operation: operation(1),
            access_key: key(epoch),
            cursor: None,
        };
        Command::CreateGroup { device: DeviceId([1; 16]), access: access(GROUP, epoch), request }
    };
    for epoch in [u64::MAX, MAX_EPOCH] {
        assert_eq!(receipt(world.ask(create(epoch))), Err(Refusal::Malformed));
    }
    let last = MAX_EPOCH - 1;
    assert!(world.ask(create(last)).is_ok());
    assert_eq!(world.commit(last, 2), Err(Refusal::Full));
    assert!(world.submit(last, 3, "text").is_ok());
}

#[test]
fn nothing_is_taken_behind_a_refused_submission_of_its_row_and_other_rows_go_on() {
    let mut world = World::with_group();
    let in_row = |row: &Row, command: Command| match command {
        Command::Submit { access, request } => Command::SubmitInRow { row: row.clone(), access, request },
        other => panic!("{other:?}"),
    };
    let (row, other) = (Row::default(), Row::default());
    let too_long = "x".repeat(1 << 20);
    // They have come together, and are decided in one batch.
    let now = world.now;
    let together = vec![
        in_row(&row, submission(GROUP, 0, 1, "one")),
        in_row(&row, submission(GROUP, 0, 2, &too_long)),
        in_row(&row, submission(GROUP, 0, 3, "three")),
        in_row(&other, submission(GROUP, 0, 4, "four")),
        in_row(&row, submission(GROUP, 0, 1, "one")),
    ];
    let answers: Vec<_> = world
        .core
        .handle(together, now)
        .into_iter()
        .map(|answer| receipt(answer).map(|receipt| receipt.seq.0))
        .collect();
    let behind = Err(Refusal::Busy { after_ms: 0 });
    let refused = Err(Refusal::TooLarge { limit: 1 << 20 });
    assert_eq!(answers, [Ok(1), refused, behind.clone(), Ok(2), behind]);
    assert_eq!(receipt(world.ask(in_row(&Row::default(), submission(GROUP, 0, 3, "three")))).unwrap().seq, Seq(3));
}

#[test]
fn without_the_epochs_key_everything_is_forbidden_as_if_the_group_were_unknown() {
    let mut world = World::with_group();
    world.commit(0, 1).unwrap();
    let unknown = GroupId([2; 16]);
    let wrong = ProvenAccess { key: key(7), ..access(GROUP, 1) };
    for access in [wrong, access(GROUP, 2), access(unknown, 0)] {
        let (group, epoch) = (access.group, access.epoch);
        let text = message(group, epoch.0, APPLICATION, b"x");
        let bare = wire::Access { group, epoch, proof: None };
        let submit = wire::Submit { access: bare.clone(), operation: operation(9), message: text };
        let find = wire::FindReceipt { access: bare.clone(), operation: operation(1), hash: MessageHash([0; 32]) };
        let cursor = wire::RegisterCursor { access: bare, cursor: CursorId([1; 16]), seq: Seq(0) };
        for command in [
            Command::Submit { access, request: submit },
            Command::FindReceipt { access, request: find },
            Command::Read { access, after: None, limit: 1 },
            Command::RegisterCursor { access, request: cursor },
            Command::EraseGroup(access),
        ] {
            assert_eq!(world.ask(command.clone()).err(), Some(Refusal::Forbidden), "{command:?}");
        }
    }
}

#[test]
fn a_log_takes_private_messages_of_its_group_epoch_and_kind_alone() {
    let mut world = World::with_group();
    world.commit(0, 1).unwrap();
    let mut public = message(GROUP, 1, APPLICATION, b"x").to_vec();
    public[3] = 1;
    let mut trailing = message(GROUP, 1, APPLICATION, b"x").to_vec();
    trailing.push(0);
    for refused in [
        Payload::from(public),
        trailing.into(),
        b"random bytes".to_vec().into(),
        Vec::new().into(),
        message(GroupId([2; 16]), 1, APPLICATION, b"x"),
        message(GROUP, 0, APPLICATION, b"x"),
        message(GROUP, 2, APPLICATION, b"x"),
        message(GROUP, 1, COMMIT, b"x"),
    ] {
        let request = wire::Submit { access: bare(GROUP, 1), operation: operation(5), message: refused };
        let answer = receipt(world.ask(Command::Submit { access: access(GROUP, 1), request }));
        assert_eq!(answer, Err(Refusal::NotPrivateMessage));
    }
    assert_eq!(world.read(1, None).unwrap().head, Seq(1));
    let long = "x".repeat(1 << 20);
    assert_eq!(world.submit(1, 6, &long), Err(Refusal::TooLarge { limit: 1 << 20 }));
}

#[test]
fn an_old_proof_reads_up_to_the_commit_that_ends_its_epoch_and_a_joiner_from_its_commit() {
    let mut world = World::with_group();
    world.submit(0, 1, "one").unwrap();
    world.commit(0, 2).unwrap();
    world.submit(1, 3, "three").unwrap();
    let old = world.read(0, None).unwrap();
    assert_eq!((shape(&old), old.head, old.epoch), (vec!["1".into(), "2".into()], Seq(2), Epoch(1)));
    assert_eq!(shape(&world.read(1, None).unwrap()), ["2", "3"]);
    assert_eq!(shape(&world.read(1, Some(3)).unwrap()), [""; 0]);
    assert_eq!(world.read(1, Some(99)).unwrap().through, Seq(3));
}

#[test]
fn a_subscription_pauses_at_the_commit_and_goes_on_without_gap_or_repetition() {
    let mut world = World::with_group();
    let inbound = world.connect(1, 1);
    world.submit(0, 1, "before").unwrap();
    let followed = world.follow(1, 0, None).unwrap();
    assert_eq!((shape(&followed.stretch), followed.next), (vec!["1".into()], Next::Live));
    let now = world.now;
    let batch =
        vec![submission(GROUP, 0, 2, "live"), commitment(GROUP, 0, 3, Vec::new()), submission(GROUP, 1, 4, "after")];
    assert!(world.core.handle(batch, now).iter().all(Result::is_ok));
    assert_eq!(inbound.take(), ["2", "3", "SubscriptionPaused"]);
    assert_eq!(world.follow(1, 0, Some(3)).unwrap().next, Next::Paused(Seq(3)));
    let followed = world.follow(1, 1, Some(3)).unwrap();
    assert_eq!((shape(&followed.stretch), followed.next), (vec!["4".into()], Next::Live));
    world.submit(1, 5, "live again").unwrap();
    assert_eq!(inbound.take(), ["5"]);
    world.ask(Command::Unfollow { connection: requester(1, 1).connection, subscription: Subscription(5) }).unwrap();
    world.submit(1, 6, "unheard").unwrap();
    assert_eq!(inbound.take(), [""; 0]);
}

#[test]
fn a_connection_follows_a_group_once_and_so_many_groups_at_once() {
    let mut world = World::with_group();
    let inbound = world.connect(1, 1);
    let connection = requester(1, 1).connection;
    let group = |number: u64| GroupId(operation(number).0);
    let follow = |number: u64, group| Command::Follow {
        access: access(group, 0),
        connection,
        subscription: Subscription(number as u32),
        after: None,
        limit: 1 << 20,
    };
    for number in 0..10 {
        world.ask(follow(number, GROUP)).unwrap();
    }
    world.submit(0, 1, "text").unwrap();
    assert_eq!(inbound.take(), ["1"]);
    for number in 0..MAX_SUBSCRIPTIONS as u64 {
        world.now = world.now.plus(Timestamp::DAY);
        world.create(group(number), number + 10).unwrap();
        let followed = world.ask(follow(100 + number, group(number)));
        assert_eq!(followed.is_ok(), number + 1 < MAX_SUBSCRIPTIONS as u64, "{number}");
    }
    let refused = world.ask(follow(5_000, group(MAX_SUBSCRIPTIONS as u64 - 1))).err();
    assert_eq!(refused, Some(Refusal::TooMany { limit: MAX_SUBSCRIPTIONS as u64 }));
    world.ask(Command::Unfollow { connection, subscription: Subscription(100) }).unwrap();
    assert!(world.ask(follow(5_000, group(MAX_SUBSCRIPTIONS as u64 - 1))).is_ok());
}

#[test]
fn a_follow_between_two_submissions_of_one_batch_gets_each_record_once() {
    let mut world = World::with_group();
    let inbound = world.connect(1, 1);
    let follow = Command::Follow {
        access: access(GROUP, 0),
        connection: requester(1, 1).connection,
        subscription: Subscription(5),
        after: None,
        limit: 1 << 20,
    };
    let now = world.now;
    let batch = vec![submission(GROUP, 0, 1, "a"), follow, submission(GROUP, 0, 2, "b")];
    let answers = world.core.handle(batch, now);
    let Ok(crate::engine::Answer::Followed(followed)) = &answers[1] else { panic!("followed") };
    assert_eq!((shape(&followed.stretch), inbound.take()), (vec!["1".to_owned()], vec!["2".to_owned()]));
}

#[test]
fn what_one_batch_has_for_a_connection_is_flushed_at_once() {
    let mut world = World::with_group();
    let inbound = world.connect(1, 1);
    world.follow(1, 0, None).unwrap();
    inbound.flushes.lock().unwrap().clear();
    let now = world.now;
    let batch = (1..=3).map(|number| submission(GROUP, 0, number, "text")).collect();
    assert!(world.core.handle(batch, now).iter().all(Result::is_ok));
    assert_eq!(*inbound.flushes.lock().unwrap(), [3]);
    assert_eq!(inbound.take(), ["1", "2", "3"]);
}

#[test]
fn a_slow_reader_is_lagged_and_catches_up_from_the_backlog() {
    let mut world = World::with_group();
    let inbound = world.connect(1, 1);
    *inbound.room.lock().unwrap() = Some(2);
    world.follow(1, 0, None).unwrap();
    for number in 1..=4 {
        world.submit(0, number, "text").unwrap();
    }
    assert_eq!(inbound.take(), ["1", "2", "Lagged"]);
    assert_eq!(shape(&world.follow(1, 0, Some(2)).unwrap().stretch), ["3", "4"]);
    world.submit(0, 5, "text").unwrap();
    assert_eq!(inbound.take(), ["5"]);
}

#[test]
fn a_long_backlog_comes_in_stretches_and_is_live_only_after_the_last() {
    let mut world = World::with_group();
    let inbound = world.connect(1, 1);
    for number in 1..=300 {
        world.submit(0, number, "text").unwrap();
    }
    world.tick();
    world.restart();
    let inbound_again = world.connect(1, 1);
    let (mut after, mut seen, mut stretches) = (Seq(0), Vec::new(), 0);
    loop {
        let command = Command::Follow {
            access: access(GROUP, 0),
            connection: requester(1, 1).connection,
            subscription: Subscription(1),
            after: Some(after),
            limit: 4_000,
        };
        let Ok(crate::engine::Answer::Followed(followed)) = world.ask(command) else { panic!("followed") };
        seen.extend(shape(&followed.stretch));
        after = followed.stretch.through;
        stretches += 1;
        if followed.next == Next::Live {
            break;
        }
        assert_eq!(followed.next, Next::More);
    }
    assert_eq!(seen, (1..=300).map(|seq| seq.to_string()).collect::<Vec<_>>());
    assert!(stretches > 3, "{stretches}");
    assert_eq!((inbound.take().len(), inbound_again.take().len()), (0, 0));
}

#[test]
fn a_store_is_told_before_what_a_reader_will_read_next() {
    let mut world = World::with_group();
    for number in 1..=100 {
        world.submit(0, number, "text").unwrap();
    }
    let expected = Arc::new(Mutex::new(Vec::new()));
    let store = FailingStore::new(world.store.clone(), Arc::new(usize::MAX.into())).noting(expected.clone());
    world.core = open(Box::new(store));
    // The group itself is the first entry, so that the record `seq` is the entry after it.
    let next = |from: u64, to: u64| (from..=to).map(|seq| Position(seq + 1)).collect::<Vec<_>>();
    for (after, told) in [(0, next(33, 64)), (32, next(65, 96)), (64, next(97, 100))] {
        world.read(0, Some(after)).unwrap();
        assert_eq!(std::mem::take(&mut *expected.lock().unwrap()), told);
    }
    world.read(0, Some(96)).unwrap();
    assert_eq!(std::mem::take(&mut *expected.lock().unwrap()), []);
}

#[test]
fn however_much_a_reader_asks_for_it_holds_the_engine_up_for_32_records_at_a_time() {
    let mut world = World::with_group();
    for number in 1..=100 {
        world.submit(0, number, "text").unwrap();
    }
    let mut stretches = Vec::new();
    let mut after = Some(Seq(0));
    loop {
        let read = Command::Read { access: access(GROUP, 0), after, limit: u64::MAX };
        let Ok(crate::engine::Answer::Stretch(stretch)) = world.ask(read) else { panic!("read") };
        stretches.push(stretch.backlog.len());
        after = Some(stretch.through);
        if stretch.through == stretch.head {
            break;
        }
    }
    assert_eq!(stretches, [32, 32, 32, 4]);
}

#[test]
fn commits_are_limited_so_that_they_cannot_starve_messages() {
    let mut world = World::with_group();
    for epoch in 0..COMMIT_BURST {
        world.commit(epoch, epoch).unwrap();
    }
    let refused = world.commit(COMMIT_BURST, 900);
    assert_eq!(refused, Err(Refusal::RateLimited { after_ms: COMMIT_INTERVAL }));
    assert!(world.submit(COMMIT_BURST, 901, "an alert").is_ok());
    world.now = world.now.plus(COMMIT_INTERVAL);
    assert!(world.commit(COMMIT_BURST, 902).is_ok());
}

#[test]
fn who_holds_an_ended_epoch_is_told_of_the_next_one_alone() {
    let mut world = World::with_group();
    for epoch in 0..3 {
        world.commit(epoch, epoch).unwrap();
    }
    assert_eq!(world.read(0, None).unwrap().epoch, Epoch(1));
    assert_eq!(world.submit(0, 9, "late"), Err(Refusal::StaleEpoch { epoch: Epoch(1), winner: Seq(1) }));
    assert_eq!(world.read(2, None).unwrap().epoch, Epoch(3));
    assert_eq!(world.read(3, None).unwrap().epoch, Epoch(3));
}

#[test]
fn a_log_is_full_of_bytes_before_it_is_full_of_records() {
    let mut world = World::with_group();
    let head = world.core.views.head(GROUP).unwrap().unwrap();
    let (seq, at, record) = (Seq(1), START, Payload::from(vec![0; 1 << 20]));
    let appended = Appended { group: GROUP, seq, at, operation: operation(1), record, commit: None };
    for _ in 0..MAX_LOG_BYTES >> 20 {
        head.apply_appended(&appended);
    }
    let expired = Expired { group: GROUP, at, seqs: vec![seq], commits: Vec::new(), first_block: 0, bytes: 1 << 20 };
    let mut roomy = head.clone();
    roomy.apply_expired(&expired);
    assert_eq!(world.submit(0, 2, "text"), Err(Refusal::Full));
    *world.core.views.head(GROUP).unwrap().unwrap() = roomy;
    assert!(world.submit(0, 2, "text").is_ok());
}

#[test]
fn a_device_opens_so_many_groups_a_day() {
    let mut world = World::new();
    let group = |number: u64| GroupId(operation(number).0);
    for number in 0..200 {
        world.create(group(number), number).unwrap();
    }
    assert!(matches!(world.create(group(200), 200), Err(Refusal::RateLimited { .. })));
    world.now = world.now.plus(Timestamp::DAY);
    assert!(world.create(group(200), 200).is_ok());
}

#[test]
fn receipts_are_found_by_operation_and_hash() {
    let mut world = World::with_group();
    let given = world.submit(0, 1, "text").unwrap();
    let hash = crate::rules::group::hash_of(&message(GROUP, 0, APPLICATION, b"text"));
    let mut find = |number, hash| {
        let request = wire::FindReceipt { access: bare(GROUP, 0), operation: operation(number), hash };
        receipt(world.ask(Command::FindReceipt { access: access(GROUP, 0), request }))
    };
    assert_eq!(find(1, hash), Ok(given));
    assert_eq!(find(1, MessageHash([0; 32])), Err(Refusal::OperationReused));
    assert_eq!(find(2, hash), Err(Refusal::NoReceipt));
    assert_eq!(find(1_000_000, MessageHash([0; 32])).map(|receipt| receipt.seq), Ok(Seq(0)));
}

#[test]
fn a_clock_that_is_put_back_does_not_stop_commits() {
    let mut world = World::with_group();
    world.commit(0, 1).unwrap();
    world.now = Timestamp(world.now.0 - 60 * 60 * 1_000);
    for epoch in 1..=COMMIT_BURST {
        world.commit(epoch, epoch + 1).unwrap();
    }
    assert!(
        matches!(world.commit(COMMIT_BURST + 1, 900), Err(Refusal::RateLimited { .. })),
        "they are still counted"
    );
}
