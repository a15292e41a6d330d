//! The order of a log: one Commit an epoch, one record an operation.

use kring_protocol::ids::{Epoch, OperationId, Seq};
use kring_protocol::message::{Reply, Submit};
use kring_protocol::refusal::Refusal;
use kring_tests::log::Log;

use crate::Pair;

#[tokio::test]
async fn of_two_commits_in_one_epoch_exactly_one_is_accepted() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    for epoch in (0..20).map(Epoch) {
        let (one, other) = (pair.anne.commit_of(log, epoch), pair.bert.commit_of(log, epoch));
        let operations = [one.operation, other.operation];
        let (one, other) = tokio::join!(pair.anne.ask(one), pair.bert.ask(other));
        let (winner, receipt, loser) = match (one.unwrap(), other.unwrap()) {
            (Reply::Receipt(receipt), loser) => (operations[0], receipt, loser),
            (loser, Reply::Receipt(receipt)) => (operations[1], receipt, loser),
            both => panic!("nobody won: {both:?}"),
        };
        let stale = Refusal::StaleEpoch { epoch: epoch.next(), winner: receipt.seq };
        assert_eq!(loser, Reply::Refused(stale));

        let (records, end) = pair.bert.read(log, epoch.next(), Some(Seq(epoch.0))).await;
        assert_eq!(records.len(), 1, "one record an epoch");
        assert_eq!((records[0].operation, records[0].seq), (winner, receipt.seq));
        assert_eq!(end.epoch, epoch.next());
    }
}

#[tokio::test]
async fn an_operation_sent_again_gives_the_same_receipt_and_no_second_record() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    let epoch = Epoch(0);
    let submit = Submit {
        access: pair.anne.access(log, epoch),
        operation: OperationId(rand::random()),
        message: log.application(epoch, b"once"),
    };
    let first = pair.anne.ask(submit.clone()).await;
    assert!(matches!(first, Ok(Reply::Receipt(_))), "{first:?}");
    assert_eq!(pair.anne.ask(submit.clone()).await, first);

    // Also from another connection, at the same time, and after the epoch has ended.
    let elsewhere = Submit { access: pair.bert.access(log, epoch), ..submit.clone() };
    let (here, there) = tokio::join!(pair.anne.ask(submit.clone()), pair.bert.ask(elsewhere));
    assert_eq!((here, there), (first.clone(), first.clone()));
    pair.anne.commit(log, epoch).await;
    assert_eq!(pair.anne.ask(submit).await, first);

    let (records, _) = pair.anne.read(log, Epoch(1), Some(Seq(0))).await;
    assert_eq!(records.len(), 2, "the message and the Commit");
}

#[tokio::test]
async fn an_operation_sent_with_another_body_is_refused() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    let epoch = Epoch(0);
    let operation = OperationId(rand::random());
    let submit = |text: &[u8]| Submit {
        access: pair.anne.access(log, epoch),
        operation,
        message: log.application(epoch, text),
    };
    let first = pair.anne.ask(submit(b"this")).await;
    assert!(matches!(first, Ok(Reply::Receipt(_))), "{first:?}");
    assert_eq!(pair.anne.ask(submit(b"that")).await, Ok(Reply::Refused(Refusal::OperationReused)));
    assert_eq!(pair.anne.ask(submit(b"this")).await, first);
    let (records, _) = pair.bert.read(log, epoch, Some(Seq(0))).await;
    assert_eq!(records.len(), 1);
}

#[tokio::test]
async fn a_refused_operation_leaves_no_trace_and_can_be_sent_again_rightly() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    pair.anne.commit(log, Epoch(0)).await;
    let operation = OperationId(rand::random());
    let submit =
        |epoch| Submit { access: pair.anne.access(log, epoch), operation, message: log.application(epoch, b"late") };
    let stale = Refusal::StaleEpoch { epoch: Epoch(1), winner: Seq(1) };
    assert_eq!(pair.anne.ask(submit(Epoch(0))).await, Ok(Reply::Refused(stale)));
    let again = pair.anne.ask(submit(Epoch(1))).await;
    assert!(matches!(again, Ok(Reply::Receipt(_))), "{again:?}");
}
