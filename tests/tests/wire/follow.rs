//! Following: backlog, live, paused at a Commit, taken up again; nothing missing and nothing twice.

use kring_protocol::ids::{Epoch, Seq, Subscription};
use kring_protocol::message::{Live, Paused, Push, Reply, SubscriptionPaused};
use kring_protocol::refusal::Refusal;
use kring_tests::log::Log;

use crate::Pair;

/// Records in an answer.
fn seqs(replies: &[Reply]) -> Vec<Seq> {
    replies
        .iter()
        .filter_map(|reply| if let Reply::Record(record) = reply { Some(record.seq) } else { None })
        .collect()
}

#[tokio::test]
async fn a_follower_gets_every_record_once_across_commits() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    for text in [b"one", b"two"] {
        pair.anne.submit(log, Epoch(0), text).await.unwrap();
    }
    let backlog = pair.bert.follow(log, Epoch(0), 1, Some(Seq(0))).await.unwrap();
    assert_eq!(seqs(&backlog), [Seq(1), Seq(2)]);
    assert_eq!(backlog.last(), Some(&Reply::Live(Live { after: Seq(2) })));

    pair.anne.submit(log, Epoch(0), b"three").await.unwrap();
    let mut pushes = pair.bert.pushes().await;
    assert_eq!(pushes.record().await.seq, Seq(3));
    let mut next = Seq(4);
    for epoch in (0..10).map(Epoch) {
        assert_eq!(pair.anne.commit(log, epoch).await, next);
        // The epoch has moved on before the follower knows.
        pair.anne.submit(log, epoch.next(), b"meanwhile").await.unwrap();
        let commit = pushes.record().await;
        assert_eq!((commit.seq, commit.next_access_key), (next, Some(log.access_key(epoch.next()))));
        let paused = SubscriptionPaused { subscription: Subscription(1), at: next };
        assert_eq!(pushes.next().await, Ok(Push::SubscriptionPaused(paused)));

        let backlog = pair.bert.follow(log, epoch.next(), 1, Some(next)).await.unwrap();
        assert_eq!(seqs(&backlog), [next.next()]);
        assert_eq!(backlog.last(), Some(&Reply::Live(Live { after: next.next() })));
        next = next.next().next();
    }
}

#[tokio::test]
async fn the_hand_over_from_backlog_to_live_misses_nothing_while_others_write() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    let count = 400;
    let writer = async {
        for number in 0..count {
            let reply = pair.anne.submit(log, Epoch(0), format!("message {number}").as_bytes()).await;
            assert!(matches!(reply, Ok(Reply::Receipt(_))), "{reply:?}");
        }
    };
    let reader = async {
        // In the middle of the writing.
        while pair.bert.read(log, Epoch(0), Some(Seq(0))).await.1.head < Seq(count / 4) {}
        let mut replies = pair.bert.follow(log, Epoch(0), 7, Some(Seq(0))).await.unwrap();
        let Some(Reply::Live(live)) = replies.pop() else { panic!("not live: {replies:?}") };
        let mut all = seqs(&replies);
        assert_eq!(all.last(), Some(&live.after));
        let mut pushes = pair.bert.pushes().await;
        while all.last() < Some(&Seq(count)) {
            all.push(pushes.record().await.seq);
        }
        all
    };
    let ((), all) = tokio::join!(writer, reader);
    assert_eq!(all, (1..=count).map(Seq).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_removed_member_gets_the_commit_that_removed_it_and_nothing_after() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    let live = pair.bert.follow(log, Epoch(0), 1, None).await;
    assert_eq!(live, Ok(vec![Reply::Live(Live { after: Seq(0) })]));
    let commit = pair.anne.commit(log, Epoch(0)).await;
    pair.anne.submit(log, Epoch(1), b"after").await.unwrap();

    let mut pushes = pair.bert.pushes().await;
    assert_eq!(pushes.record().await.seq, commit);
    let paused = SubscriptionPaused { subscription: Subscription(1), at: commit };
    assert_eq!(pushes.next().await, Ok(Push::SubscriptionPaused(paused)));
    // Whatever it tries with the old key.
    assert_eq!(
        pair.bert.follow(log, Epoch(0), 2, Some(commit)).await,
        Ok(vec![Reply::Paused(Paused { at: commit })])
    );
    let mut guessed = pair.bert.access(log, Epoch(0));
    guessed.epoch = Epoch(1);
    let follow =
        kring_protocol::message::Follow { access: guessed, subscription: Subscription(3), after: Some(commit) };
    assert_eq!(pair.bert.ask(follow).await, Ok(Reply::Refused(Refusal::Forbidden)));

    // The next push is for something else: nothing of the log came in between.
    let other = Log::random();
    pair.bert.create(other, None).await;
    pair.bert.follow(other, Epoch(0), 9, None).await.unwrap();
    pair.bert.submit(other, Epoch(0), b"other").await.unwrap();
    let Ok(Push::Delivery(delivery)) = pushes.next().await else { panic!("no delivery") };
    assert_eq!(delivery.subscription, Subscription(9));
}

#[tokio::test]
async fn a_joiner_begins_with_the_commit_that_added_it() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    pair.anne.submit(log, Epoch(0), b"before").await.unwrap();
    let commit = pair.anne.commit(log, Epoch(0)).await;
    pair.anne.submit(log, Epoch(1), b"after").await.unwrap();
    let (records, _) = pair.bert.read(log, Epoch(1), None).await;
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [commit, commit.next()]);
    let followed = pair.bert.follow(log, Epoch(1), 1, None).await.unwrap();
    assert_eq!(seqs(&followed), [commit, commit.next()]);
}
