//! What a log takes: PrivateMessages of its group and epoch. The rest is refused, the connection goes on.

use kring_protocol::frame;
use kring_protocol::ids::{Epoch, GroupId, OperationId, Seq};
use kring_protocol::message::{Reply, Submit, SubmitCommit};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use kring_tests::log::{Log, private_message};

use crate::Pair;

#[tokio::test]
async fn what_is_no_private_message_of_the_group_and_epoch_is_refused_and_not_stored() {
    let pair = Pair::new().await;
    let log = Log::random();
    pair.anne.create(log, None).await;
    let epoch = Epoch(0);
    let valid = log.application(epoch, b"text");
    let with = |at: usize, byte: u8| {
        let mut changed = valid.to_vec();
        changed[at] = byte;
        Payload::from(changed)
    };
    let other_group = GroupId(rand::random());
    let messages: [(&str, Payload); 10] = [
        ("a PublicMessage", with(3, 1)),
        ("a Welcome", with(3, 3)),
        ("a KeyPackage", with(3, 5)),
        ("another version", with(1, 2)),
        ("an unknown content type", with(4 + 17 + 8, 4)),
        ("a message of another group", private_message(other_group, epoch, 1, b"text")),
        ("a message of the next epoch", log.application(Epoch(1), b"text")),
        ("a Commit that comes as a message", log.commit(epoch, b"commit")),
        ("random bytes", rand::random::<[u8; 32]>().to_vec().into()),
        ("nothing", Vec::new().into()),
    ];
    for (what, message) in messages {
        let submit = Submit { access: pair.anne.access(log, epoch), operation: OperationId(rand::random()), message };
        let reply = pair.anne.ask(submit).await;
        assert_eq!(reply, Ok(Reply::Refused(Refusal::NotPrivateMessage)), "{what}");
    }
    let commit = SubmitCommit { message: valid, ..pair.anne.commit_of(log, epoch) };
    let reply = pair.anne.ask(commit).await;
    assert_eq!(reply, Ok(Reply::Refused(Refusal::NotPrivateMessage)), "a message that comes as a Commit");

    let (records, end) = pair.anne.read(log, epoch, Some(Seq(0))).await;
    assert_eq!((records.len(), end.head, end.epoch), (0, Seq(0), epoch), "nothing was stored");
    let receipt = pair.anne.submit(log, epoch, b"text").await;
    assert!(matches!(receipt, Ok(Reply::Receipt(receipt)) if receipt.seq == Seq(1)));
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_and_the_connection_goes_on() {
    let pair = Pair::new().await;
    let bodies: [&[u8]; 6] = [&[0], &[0xff], &[0x82, 0, 0xa0], b"GET / HTTP/1.1\r\n\r\n", &[0x81; 100], &[0x5b; 9]];
    for body in bodies {
        let length = u32::try_from(body.len()).unwrap();
        let frame = [&length.to_be_bytes()[..], body].concat();
        let replies = pair.anne.send(&frame).await;
        assert_eq!(replies, Ok(vec![Reply::Refused(Refusal::Malformed)]), "{body:02x?}");
    }
    let mut trailing = frame::encode_body(&kring_protocol::message::Request::Unknown(99));
    trailing.push(0);
    let length = u32::try_from(trailing.len()).unwrap();
    let replies = pair.anne.send(&[&length.to_be_bytes()[..], &trailing].concat()).await;
    assert_eq!(replies, Ok(vec![Reply::Refused(Refusal::Malformed)]), "a byte after the message");
    let replies = pair.anne.ask(kring_protocol::message::Request::Unknown(99)).await;
    assert_eq!(replies, Ok(Reply::Refused(Refusal::UnknownRequest)));

    pair.anne.create(Log::random(), None).await;
}

#[tokio::test]
async fn a_frame_above_the_limit_is_refused_by_its_announcement() {
    let pair = Pair::new().await;
    let replies = pair.anne.send(&u32::MAX.to_be_bytes()).await.unwrap();
    assert!(matches!(replies[..], [Reply::Refused(Refusal::TooLarge { .. } | Refusal::Malformed)]), "{replies:?}");
    pair.anne.create(Log::random(), None).await;
}
