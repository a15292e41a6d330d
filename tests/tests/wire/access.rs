//! The epoch's key opens the log, on its connection, and nothing else does.

use kring_protocol::frame;
use kring_protocol::ids::{CursorId, Epoch, MessageHash, OperationId, Seq, Subscription};
use kring_protocol::message::{
    Access, EraseGroup, FindReceipt, Follow, Read, RegisterCursor, Reply, Request, Submit, SubmitCommit,
};
use kring_protocol::refusal::Refusal;
use kring_tests::log::Log;
use kring_tests::wire::Wire;

use crate::Pair;

/// Every request that a group's log answers, under this access.
fn requests(log: Log, access: &Access) -> Vec<Request> {
    let operation = OperationId([9; 16]);
    let commit = SubmitCommit {
        access: access.clone(),
        operation,
        message: log.commit(access.epoch, b"commit"),
        next_access_key: log.access_key(access.epoch.next()),
        welcomes: Vec::new(),
        closes: None,
    };
    vec![
        Submit { access: access.clone(), operation, message: log.application(access.epoch, b"text") }.into(),
        commit.into(),
        FindReceipt { access: access.clone(), operation, hash: MessageHash([0; 32]) }.into(),
        Read { access: access.clone(), after: None, limit: 1 << 20 }.into(),
        Follow { access: access.clone(), subscription: Subscription(1), after: None }.into(),
        RegisterCursor { access: access.clone(), cursor: CursorId([8; 16]), seq: Seq(0) }.into(),
        EraseGroup { access: access.clone() }.into(),
    ]
}

/// What the relay answers to each of them, as bytes.
async fn answers(wire: &Wire, log: Log, access: &Access) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    for request in requests(log, access) {
        let replies = wire.ask_all(request).await.unwrap();
        answers.push(replies.iter().flat_map(frame::encode_body).collect());
    }
    answers
}

#[tokio::test]
async fn whoever_lacks_the_proof_is_refused_as_if_the_group_did_not_exist() {
    let pair = Pair::new().await;
    let (log, other, unknown) = (Log::random(), Log::random(), Log::random());
    pair.anne.create(log, None).await;
    pair.anne.create(other, None).await;
    let epoch = Epoch(0);
    pair.anne.submit(log, epoch, b"text").await.unwrap();

    let forbidden = frame::encode_body(&Reply::Refused(Refusal::Forbidden));
    let bert = &pair.bert;
    for (what, group, proof) in [
        ("without a proof", log, None),
        ("with the proof of another connection", log, Some(pair.anne.proof(log, epoch))),
        ("with the proof of another group", log, Some(bert.proof(other, epoch))),
        ("with the proof of another epoch", log, Some(bert.proof(log, Epoch(1)))),
        ("with a proof for an unknown group", unknown, Some(bert.proof(unknown, epoch))),
        ("without a proof for an unknown group", unknown, None),
    ] {
        let access = Access { group: group.0, epoch, proof };
        for (answer, request) in answers(bert, group, &access).await.iter().zip(requests(group, &access)) {
            assert_eq!(answer, &forbidden, "{} {what}", request.name());
        }
    }

    let (records, _) = pair.anne.read(log, epoch, Some(Seq(0))).await;
    assert_eq!(records.len(), 1, "nothing was stored");
}

#[tokio::test]
async fn a_proof_holds_for_its_connection_until_it_ends() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    let proven = Access { group: log.0, epoch: Epoch(0), proof: None };
    let read = |access: Access| Read { access, after: Some(Seq(0)), limit: 1 << 20 };
    pair.anne.submit(log, Epoch(0), b"with a proof").await.unwrap();
    let reply = pair.anne.ask(Read { access: proven.clone(), after: Some(Seq(1)), limit: 1 << 20 }).await;
    assert!(matches!(reply, Ok(Reply::ReadEnd(_))), "{reply:?}");
    let refused = Ok(Reply::Refused(Refusal::Forbidden));
    assert_eq!(pair.bert.ask(read(proven.clone())).await, refused);

    let again = Wire::open(&pair.world, &pair.world.device("anne@politie.example"), pair.relay.addr).await;
    assert_eq!(again.ask(read(proven)).await, refused, "a new connection proves anew");
}

#[tokio::test]
async fn an_older_epochs_proof_opens_the_log_up_to_the_commit_that_ended_it() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    pair.anne.submit(log, Epoch(0), b"in epoch 0").await.unwrap();
    let ended = pair.anne.commit(log, Epoch(0)).await;
    pair.anne.submit(log, Epoch(1), b"in epoch 1").await.unwrap();

    let (records, end) = pair.bert.read(log, Epoch(0), Some(Seq(0))).await;
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [Seq(1), ended]);
    assert_eq!(end.head, ended);
    let (beyond, _) = pair.bert.read(log, Epoch(0), Some(ended)).await;
    assert_eq!(beyond, [], "nothing after it, whatever is asked for");

    let stale = Refusal::StaleEpoch { epoch: Epoch(1), winner: ended };
    assert_eq!(pair.bert.submit(log, Epoch(0), b"late").await, Ok(Reply::Refused(stale)));
    assert_eq!(
        pair.bert.follow(log, Epoch(0), 1, Some(ended)).await,
        Ok(vec![Reply::Paused(kring_protocol::message::Paused { at: ended })])
    );
}

#[tokio::test]
async fn a_proof_of_an_epoch_that_has_not_begun_is_refused() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    let refused = Ok(Reply::Refused(Refusal::Forbidden));
    assert_eq!(pair.anne.submit(log, Epoch(1), b"early").await, refused);
}
