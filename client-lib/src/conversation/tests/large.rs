//! A large case: opened and gone on with at once. A measurement, which asserts its limits:
//! `cargo test --release --lib -p kring-client -- --ignored --nocapture ten_thousand`.

use kring_protocol::ids::{Epoch, Seq, Timestamp};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::harness::{Region, real_now, who};
use crate::case::task::TaskSays;
use crate::case::{CaseId, DraftBody, ItemDraft, ItemId, Position, Sensitivity, Statement, Verdict};
use crate::conversation::state::StoredItem;
use crate::conversation::{Command, Conversation, Input, Settings};
use crate::mls::DeviceCredentials;
use crate::store::{Store, Unlock};

const CASE: CaseId = CaseId([0xca; 16]);
const ITEMS: u64 = 10_000;

/// Milliseconds that something takes.
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn took<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = std::time::Instant::now();
    let outcome = work();
    (outcome, begun.elapsed().as_secs_f64() * 1_000.0)
}

fn id(number: u64) -> ItemId {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    ItemId(id)
}

/// What is said: mostly chat, every tenth item about a task, two hundred tasks open at a time.
fn draft(number: u64) -> ItemDraft {
    let task = id(number.saturating_sub(2_000) / 10 * 10);
    match number % 10 {
        0 => Statement::Task(TaskSays::Create {
            title: format!("taak {number}"),
            text: "wat er moet gebeuren, in twee regels, zoals mensen dat doen".to_owned(),
            owner: Some(who("anne")),
            due: None,
        })
        .draft(),
        1 if number > 2_000 => {
            Statement::Task(TaskSays::Cancel { task, reason: "hoeft niet meer".to_owned() }).draft()
        }
        _ => ItemDraft::markdown(format!("bericht {number}: morgen om tien uur, en neem de papieren mee")),
    }
}

fn stored(conversation: &Conversation, number: u64) -> StoredItem {
    let (media_type, text, content) = match draft(number).body {
        DraftBody::Markdown(text) => (None, Some(text), Vec::new()),
        DraftBody::Part { media_type, content } => (Some(media_type), None, content),
        DraftBody::Deleted => unreachable!("nothing is taken back"),
    };
    let group = conversation.case(CASE).unwrap().unwrap().group;
    let own = conversation.party.verified();
    StoredItem {
        group,
        seq: Seq(number + 1),
        epoch: Epoch(0),
        id: id(number),
        author: own.address().into(),
        author_name: own.name().as_str().to_owned(),
        author_organisation: own.organisation().as_str().to_owned(),
        author_function: own.function().as_str().to_owned(),
        own: true,
        sent_at: Timestamp(1_800_000_000_000 + number),
        relayed_at: Timestamp(1_800_000_000_000 + number),
        in_reply_to: None,
        replaces: None,
        about: Vec::new(),
        purpose: None,
        sensitivity: Sensitivity::Normal,
        media_type,
        text,
        content: ByteBuf::from(content),
        deleted: false,
        expires: None,
        signed: ByteBuf::from(vec![3; 400]),
        replaced_by: None,
        forgotten: false,
    }
}

/// Stores and applies items as their records do, so many in a transaction; milliseconds for each.
fn append(conversation: &mut Conversation, from: u64, to: u64) -> f64 {
    let items: Vec<_> = (from..to).map(|number| stored(conversation, number)).collect();
    let author = conversation.address().clone();
    let (_, all) = took(|| {
        conversation.step(real_now(), Vec::new(), |step| {
            for item in &items {
                let position = step.tx.append_item(CASE, &author, item.id, item)?;
                assert_eq!(step.fold_item(CASE, position, item)?, Verdict::Legal);
            }
            Ok(std::mem::take(&mut step.actions))
        })
    });
    all / (to - from) as f64
}

#[test]
#[ignore = "a measurement, of an optimised build"]
fn ten_thousand_items_open_in_300_ms_and_one_more_is_applied_in_1_ms() {
    let folder = tempfile::tempdir().unwrap();
    let key = Unlock::Key(Zeroizing::new([5; 32]));
    let credentials = Region::new(real_now()).credentials("anne", 1);
    let again = DeviceCredentials {
        chain: credentials.chain.clone(),
        key: credentials.key.clone(),
        anchors: credentials.anchors.clone(),
        crls: kring_pki::verify::Crls::default(),
    };
    let settings = Settings { relay: "relay.example:1".to_owned(), key_packages: 3 };
    let store = Store::create(folder.path(), &key).unwrap();
    let mut conversation = Conversation::open(store, credentials, settings.clone(), real_now()).unwrap();
    let command = Command::NewCase { case: CASE, title: "Gezin".to_owned() };
    conversation.handle(Input::Command(command), real_now()).unwrap();
    for from in (0..ITEMS).step_by(500) {
        append(&mut conversation, from, from + 500);
    }
    drop(conversation);

    let (mut conversation, opened) = took(|| {
        let store = Store::open(folder.path(), &key).unwrap();
        let conversation = Conversation::open(store, again, settings, real_now()).unwrap();
        assert!(conversation.state(CASE).unwrap().open_tasks().count() > 100);
        assert_eq!(conversation.items(CASE, Position(ITEMS - 50), 50).unwrap().len(), 50);
        conversation
    });
    let (_, all) = took(|| conversation.state_as_of(CASE, Position(ITEMS / 2)).unwrap());
    // The first one loads the state into memory.
    append(&mut conversation, ITEMS, ITEMS + 1);
    let applied = append(&mut conversation, ITEMS + 1, ITEMS + 1_001);
    let durable = append(&mut conversation, ITEMS + 1_001, ITEMS + 1_002);
    println!("open {ITEMS} items: {opened:.1} ms; as of the middle: {all:.1} ms");
    println!("apply one: {applied:.3} ms; with a durable transaction of its own: {durable:.2} ms");
    assert!(opened < 300.0 && applied < 1.0);
}
