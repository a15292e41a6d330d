//! What a connection can do with a group: nothing without a proof, and everything that is said to it comes once.

use kring_protocol::frame;
use kring_protocol::ids::{Epoch, GroupId, OperationId, Seq, Subscription};
use kring_protocol::message::{Access, Live, Paused, Push, Read, Reply, Request, Submit, SubscriptionPaused};
use kring_protocol::refusal::Refusal;

use super::client::{Client, Manner, private_message};
use super::world::{World, logged};

const GROUP: GroupId = GroupId([0xc7; 16]);

fn without_proof(access: Access) -> Access {
    Access { proof: None, ..access }
}

async fn read(client: &Client, access: Access, after: Option<Seq>) -> Vec<Reply> {
    client.ask_all(Read { access, after, limit: u64::MAX }).await
}

fn seqs(replies: &[Reply]) -> Vec<u64> {
    let seq = |reply: &Reply| match reply {
        Reply::Record(record) => Some(record.seq.0),
        _ => None,
    };
    replies.iter().filter_map(seq).collect()
}

#[tokio::test]
async fn a_group_opens_to_the_proof_of_its_epoch_on_this_connection_alone() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    let other = Client::greeted(&world, &world.device(2), relay.addr).await;
    assert!(matches!(client.create_group(GROUP, 1).await, Reply::Receipt(_)));
    let refused = vec![Reply::Refused(Refusal::Forbidden)];
    let proof = |client: &Client, group, epoch, seed| client.access(group, Epoch(epoch), seed);

    // None, of another connection, of another epoch, of another group, with another key; and of no group at all.
    let stolen = proof(&client, GROUP, 0, 1);
    assert_eq!(read(&other, without_proof(stolen.clone()), None).await, refused);
    assert_eq!(read(&other, stolen, None).await, refused);
    assert_eq!(read(&other, proof(&other, GROUP, 1, 1), None).await, refused);
    let elsewhere = Access { group: GROUP, ..proof(&other, GroupId([1; 16]), 0, 1) };
    assert_eq!(read(&other, elsewhere, None).await, refused);
    assert_eq!(read(&other, proof(&other, GROUP, 0, 2), None).await, refused);
    assert_eq!(read(&other, proof(&other, GroupId([9; 16]), 0, 1), None).await, refused);
    assert_eq!(read(&other, without_proof(proof(&other, GroupId([9; 16]), 0, 1)), None).await, refused);

    assert!(matches!(read(&other, proof(&other, GROUP, 0, 1), None).await[..], [Reply::ReadEnd(_)]));
    // Proven once, the connection leaves it out.
    let proven = without_proof(proof(&other, GROUP, 0, 1));
    assert!(matches!(read(&other, proven, None).await[..], [Reply::ReadEnd(_)]));
}

#[tokio::test]
async fn what_is_no_private_message_is_refused_and_nothing_is_stored() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    client.create_group(GROUP, 1).await;
    let access = client.access(GROUP, Epoch(0), 1);
    let mut public = private_message(GROUP, Epoch(0), 1, 100).to_vec();
    public[3] = 1;
    let of_another_group = private_message(GroupId([2; 16]), Epoch(0), 1, 100);
    for message in [public.into(), of_another_group, vec![7; 300].into()] {
        let submit = Submit { access: access.clone(), operation: OperationId([8; 16]), message };
        assert_eq!(client.ask(submit).await, Reply::Refused(Refusal::NotPrivateMessage));
    }
    assert!(seqs(&read(&client, access, None).await).is_empty());
}

#[tokio::test]
async fn submissions_follow_one_another_on_one_stream_and_are_answered_in_their_order() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    client.create_group(GROUP, 1).await;
    let access = client.access(GROUP, Epoch(0), 1);
    let mut bytes = Vec::new();
    for number in 0..200u8 {
        // The first brings the proof, the others rest on it.
        let access = if number == 0 { access.clone() } else { without_proof(access.clone()) };
        let message = private_message(GROUP, Epoch(0), 1, 100 * usize::from(number % 7));
        let submit = Submit { access, operation: OperationId([number; 16]), message };
        bytes.extend_from_slice(&frame::encode(&Request::from(submit)));
    }
    // Cut anywhere: frames come in pieces.
    let replies = client.send_slowly(bytes.chunks(977)).await;
    let receipts = replies.iter().map(|reply| match reply {
        Reply::Receipt(receipt) => receipt.seq.0,
        other => panic!("no receipt but {other:?}"),
    });
    assert_eq!(receipts.collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    let records = read(&client, access.clone(), None).await;
    let operations = records.iter().filter_map(|reply| match reply {
        Reply::Record(record) => Some(record.operation.0[0]),
        _ => None,
    });
    assert_eq!(operations.collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    // All of it once more, as after a lost connection: the same receipts, and nothing new.
    assert_eq!(client.send_bytes(&bytes).await, replies);
    assert_eq!(seqs(&read(&client, access, None).await).len(), 200);
}

#[tokio::test]
async fn nothing_overtakes_a_submission_that_was_refused() {
    let world = World::new();
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    client.create_group(GROUP, 1).await;
    let access = client.access(GROUP, Epoch(0), 1);
    let of = |number: u8, access: &Access, length| {
        let message = private_message(access.group, Epoch(0), 1, length);
        let submit = Submit { access: access.clone(), operation: OperationId([number; 16]), message };
        frame::encode(&Request::from(submit)).to_vec()
    };
    let good = |number| of(number, &access, 100);
    let read_request = Request::from(Read { access: access.clone(), after: None, limit: 1 });
    let between = [
        // A group that nobody has, another request, a large frame, no request at all.
        (of(9, &client.access(GroupId([9; 16]), Epoch(0), 1), 100), Refusal::Forbidden),
        (frame::encode(&read_request).to_vec(), Refusal::Malformed),
        (of(9, &access, 70_000), Refusal::TooLarge { limit: 64 << 10 }),
        (vec![0, 0, 0, 1, 0xff], Refusal::Malformed),
        (vec![0, 0, 0, 0], Refusal::Malformed),
    ];
    for (number, (refused, why)) in (1..).zip(between) {
        let replies = client.send_bytes(&[good(number), refused, good(100 + number)].concat()).await;
        let [Reply::Receipt(receipt), Reply::Refused(refusal)] = &replies[..] else { panic!("{replies:?}") };
        assert_eq!((receipt.seq.0, refusal), (u64::from(number), &why));
    }
    // A frame that ends with its stream is refused too, and what came before it counts.
    let replies = client.send_bytes(&[good(6), good(106)[..50].to_vec()].concat()).await;
    assert!(matches!(replies[..], [Reply::Receipt(_), Reply::Refused(Refusal::Malformed)]), "{replies:?}");
    assert_eq!(seqs(&read(&client, access, None).await), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_follower_gets_the_backlog_and_then_what_is_live_without_gap_or_repeat() {
    let world = World::new();
    let relay = world.relay().await;
    let sender = Client::greeted(&world, &world.device(1), relay.addr).await;
    let reader = Client::greeted(&world, &world.device(2), relay.addr).await;
    sender.create_group(GROUP, 1).await;
    let access = sender.access(GROUP, Epoch(0), 1);
    // Several stretches of backlog, while more is said all the time.
    for _ in 0..12 {
        sender.submit(access.clone(), 60_000).await;
    }
    let talk = async {
        for _ in 0..40 {
            sender.submit(access.clone(), 5_000).await;
        }
    };
    let (replies, ()) = tokio::join!(reader.follow(reader.access(GROUP, Epoch(0), 1), None), talk);
    let Some(Reply::Live(Live { after })) = replies.last() else { panic!("not live but {:?}", replies.last()) };
    let mut seen = seqs(&replies);
    assert_eq!(seen.last(), Some(&after.0));
    if after.0 < 52 {
        let mut pushes = reader.pushes().await;
        while seen.last() != Some(&52) {
            seen.push(pushes.record().await.seq.0);
        }
    }
    assert_eq!(seen, (1..=52).collect::<Vec<_>>());
}

/// However many read, one of them at a time is in the way of what is said now.
#[tokio::test]
async fn one_at_a_time_reads_on_and_what_is_new_waits_for_nobody() {
    let world = World::new();
    let relay = world.relay().await;
    let sender = Client::greeted(&world, &world.device(1), relay.addr).await;
    let reader = Client::greeted(&world, &world.device(2), relay.addr).await;
    sender.create_group(GROUP, 1).await;
    let access = sender.access(GROUP, Epoch(0), 1);
    for _ in 0..100 {
        sender.submit(access.clone(), 100).await;
    }
    // Somebody else reads on.
    let turn = relay.shell.reading_on.try_acquire().expect("nobody does yet");
    assert!(relay.shell.reading_on.try_acquire().is_err(), "one at a time");
    let everything = read(&reader, reader.access(GROUP, Epoch(0), 1), None);
    tokio::pin!(everything);
    let waits = async {
        sender.submit(access.clone(), 100).await;
        // A stretch is given to whoever asks for no more: far more of them than the reader still needs.
        for _ in 0..200 {
            let first = Read { access: access.clone(), after: None, limit: 1 };
            assert_eq!(seqs(&sender.ask_all(first).await), [1]);
        }
    };
    tokio::select! {
        replies = &mut everything => panic!("it went on: {:?}", seqs(&replies)),
        () = waits => {}
    }
    drop(turn);
    let read = seqs(&everything.await);
    assert_eq!(read[..100], (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_subscription_pauses_at_the_commit_and_goes_on_with_the_next_proof() {
    let world = World::new();
    let relay = world.relay().await;
    let sender = Client::greeted(&world, &world.device(1), relay.addr).await;
    let reader = Client::greeted(&world, &world.device(2), relay.addr).await;
    sender.create_group(GROUP, 1).await;
    let replies = reader.follow(reader.access(GROUP, Epoch(0), 1), None).await;
    assert_eq!(replies, [Reply::Live(Live { after: Seq(0) })]);

    sender.submit(sender.access(GROUP, Epoch(0), 1), 100).await;
    let commit = sender.commit(sender.access(GROUP, Epoch(0), 1), 2).await;
    sender.submit(sender.access(GROUP, Epoch(1), 2), 100).await;
    let mut pushes = reader.pushes().await;
    assert_eq!(pushes.record().await.seq, Seq(1));
    assert_eq!(pushes.record().await.seq, commit.seq);
    let paused = SubscriptionPaused { subscription: Subscription(1), at: commit.seq };
    assert_eq!(pushes.next().await, Push::SubscriptionPaused(paused));

    // The old proof reaches no further.
    let replies = reader.follow(reader.access(GROUP, Epoch(0), 1), Some(commit.seq)).await;
    assert_eq!(replies, [Reply::Paused(Paused { at: commit.seq })]);
    let replies = reader.follow(reader.access(GROUP, Epoch(1), 2), Some(commit.seq)).await;
    assert_eq!(seqs(&replies), [3]);
    sender.submit(sender.access(GROUP, Epoch(1), 2), 100).await;
    assert_eq!(pushes.record().await.seq, Seq(4));
}

#[tokio::test]
async fn a_reader_that_lags_is_told_so_and_catches_up() {
    let mut world = World::new();
    world.config.limits.queue_records = 4;
    let relay = world.relay().await;
    let sender = Client::greeted(&world, &world.device(1), relay.addr).await;
    // It takes a few kilobytes and then nothing, until it reads.
    let manner = Manner { window: 4_096, ..Manner::default() };
    let reader = Client::connect(&world, &world.device(2), relay.addr, manner).await.unwrap();
    reader.hello().await;
    sender.create_group(GROUP, 1).await;
    reader.follow(reader.access(GROUP, Epoch(0), 1), None).await;
    for _ in 0..40 {
        sender.submit(sender.access(GROUP, Epoch(0), 1), 2_000).await;
    }
    let mut pushes = reader.pushes().await;
    let mut seen = Vec::new();
    let lagged = loop {
        match pushes.next().await {
            Push::Delivery(delivery) => {
                let record: kring_protocol::message::Record =
                    kring_protocol::frame::decode(&delivery.record).unwrap();
                seen.push(record.seq.0);
            }
            other => break other,
        }
    };
    assert!(matches!(lagged, Push::Lagged(lagged) if lagged.subscription == Subscription(1)));
    assert!(seen.len() < 40, "the queue is bounded");
    let last = Seq(*seen.last().unwrap_or(&0));
    seen.extend(seqs(&reader.follow(reader.access(GROUP, Epoch(0), 1), Some(last)).await));
    assert_eq!(seen, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_above_the_configured_size_is_refused_with_the_bound() {
    let mut world = World::new();
    world.config.limits.message = 64 << 10;
    let relay = world.relay().await;
    let client = Client::connect(&world, &world.device(1), relay.addr, Manner::default()).await.unwrap();
    assert_eq!(client.hello().await.max_message, 64 << 10);
    client.create_group(GROUP, 1).await;
    let access = client.access(GROUP, Epoch(0), 1);
    let message = private_message(GROUP, Epoch(0), 1, 64 << 10);
    let refused = client.ask(Submit { access, operation: OperationId([8; 16]), message }).await;
    assert_eq!(refused, Reply::Refused(Refusal::TooLarge { limit: 64 << 10 }));
}

#[tokio::test]
async fn on_a_nearly_full_disk_nothing_new_is_taken_and_what_is_there_can_be_read() {
    let mut world = World::new();
    // More than any disk has.
    world.config.store.min_free = u64::MAX;
    let relay = world.relay().await;
    let client = Client::greeted(&world, &world.device(1), relay.addr).await;
    assert_eq!(client.create_group(GROUP, 1).await, Reply::Refused(Refusal::DiskFull));
    let forbidden = read(&client, client.access(GROUP, Epoch(0), 1), None).await;
    assert_eq!(forbidden, [Reply::Refused(Refusal::Forbidden)]);
    let health = super::world::http(&relay, "/health").await;
    assert!(health.starts_with("HTTP/1.1 503") && health.ends_with("{\"status\":\"disk_full\"}\n"), "{health}");
}

#[tokio::test]
async fn the_log_at_trace_shows_no_identifier_name_or_address() {
    let world = World::new();
    let relay = world.relay().await;
    let device = world.device(0xd1);
    let client = Client::greeted(&world, &device, relay.addr).await;
    client.create_group(GROUP, 1).await;
    client.submit(client.access(GROUP, Epoch(0), 1), 100).await;
    client.send_bytes(&[0, 0, 0, 1, 0xff]).await;
    read(&client, client.access(GroupId([0xee; 16]), Epoch(0), 1), None).await;
    drop(client);
    drop(relay);
    let log = logged();
    assert!(log.contains("the relay has started"), "the log is recorded");
    let hidden = [
        device.id.to_hex(),
        GROUP.to_hex(),
        format!("{:?}", GROUP.as_bytes()),
        "canary".to_owned(),
        "127.0.0.1".to_owned(),
        "kring.example".to_owned(),
        "ZZZZZZZZ".to_owned(),
    ];
    for text in hidden {
        assert!(!log.to_lowercase().contains(&text.to_lowercase()), "{text}");
    }
}
