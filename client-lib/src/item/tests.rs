use super::*;
use crate::conversation::harness::{Region, real_now};
use crate::mls::party::Party;
use crate::store::Store;

const CASE: CaseId = CaseId([1; 16]);

fn party() -> Party {
    let credentials = Region::new(real_now()).credentials("anne", 1);
    Party::new(&mut Store::in_memory().unwrap(), credentials).map_err(|_| "party").unwrap()
}

fn encoded(party: &Party, draft: &ItemDraft) -> Vec<u8> {
    let seen = Seen { seq: Seq(7), hash: [5; 32] };
    encode(party.signer(), CASE, ItemId([2; 16]), draft, Timestamp(1_800_000_000_000), seen).unwrap()
}

#[test]
fn an_item_comes_back_as_it_was_said() {
    let party = party();
    let draft = ItemDraft {
        in_reply_to: Some(ItemId([3; 16])),
        replaces: Some(ItemId([4; 16])),
        about: vec!["child-2".to_owned()],
        purpose: Some("veiligheid".to_owned()),
        sensitivity: Sensitivity::Restricted,
        ..ItemDraft::markdown("**let op**")
    };
    let read = read(&encoded(&party, &draft)).unwrap();
    assert_eq!((read.id, read.sent_at), (ItemId([2; 16]), Timestamp(1_800_000_000_000)));
    assert_eq!(read.seen, Some(Seen { seq: Seq(7), hash: [5; 32] }));
    assert_eq!((read.in_reply_to, read.replaces), (draft.in_reply_to, draft.replaces));
    assert_eq!((&read.about, &read.purpose, read.sensitivity), (&draft.about, &draft.purpose, draft.sensitivity));
    assert!(read.body == Body::Markdown("**let op**".to_owned()));
    assert!(read.signed_by(party.verified().public_key(), CASE));
}

#[test]
fn a_signature_is_for_one_case_one_author_and_these_very_bytes() {
    let (anne, other) = (party(), party());
    let bytes = encoded(&anne, &ItemDraft::markdown("zo is het"));
    let item = read(&bytes).unwrap();
    assert!(!item.signed_by(anne.verified().public_key(), CaseId([9; 16])));
    assert!(!item.signed_by(other.verified().public_key(), CASE));
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let believed = read(&changed).is_some_and(|item| item.signed_by(anne.verified().public_key(), CASE));
        assert!(!believed, "byte {index}");
    }
}

#[test]
fn bytes_that_are_no_item_are_refused_and_never_panic() {
    let bytes = encoded(&party(), &ItemDraft::markdown("x"));
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_none());
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(read(&longer).is_none(), "nothing follows an item");
    assert!(read(&[0x81; 4096]).is_none(), "nested too deep");
}

#[test]
fn a_kind_that_is_not_known_is_kept() {
    let body = DraftBody::Part { media_type: "application/vnd.kring.plan".to_owned(), content: vec![1, 2] };
    let item = read(&encoded(&party(), &ItemDraft { body, ..ItemDraft::markdown("x") })).unwrap();
    let kept = Body::Unknown { media_type: Some("application/vnd.kring.plan".to_owned()), content: vec![1, 2] };
    assert!(item.body == kept);
}

#[test]
fn an_item_of_a_newer_version_is_kept_with_its_identifier_and_signature() {
    let party = party();
    let extension = to_cbor(&(2u64, ItemId([8; 16]), "whatever comes")).unwrap();
    let content = |signature: [u8; 64]| {
        to_cbor(&Content(
            ByteArray::new([0; 16]),
            None,
            serde_bytes::Bytes::new(&[]),
            None,
            None,
            Extensions { kring: ByteBuf::from(extension.clone()), signature: ByteArray::new(signature) },
            Part(RENDER, "", SINGLE, MARKDOWN, serde_bytes::Bytes::new(b"nieuw")),
        ))
        .unwrap()
    };
    let signature = party.signer().sign_bytes(&signed_text(CASE, &sha256(&content([0; 64]))));
    let item = read(&content(signature)).unwrap();
    assert_eq!(item.id, ItemId([8; 16]));
    assert!(item.body.text().is_none());
    assert!(item.signed_by(party.verified().public_key(), CASE));
}
