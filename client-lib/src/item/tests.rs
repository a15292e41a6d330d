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
    assert_eq!(read.said, Said::Markdown("**let op**".to_owned()));
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
    let kept = Said::Part { media_type: Some("application/vnd.kring.plan".to_owned()), content: vec![1, 2] };
    assert_eq!(item.said, kept);
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
            Part::Single(RENDER, "", SINGLE, MARKDOWN, serde_bytes::Bytes::new(b"nieuw")),
        ))
        .unwrap()
    };
    let signature = party.signer().sign_bytes(&signed_text(CASE, &sha256(&content([0; 64]))));
    let item = read(&content(signature)).unwrap();
    assert_eq!(item.id, ItemId([8; 16]));
    assert_eq!(item.said, Said::Part { media_type: None, content: b"nieuw".to_vec() });
    assert!(item.signed_by(party.verified().public_key(), CASE));
}

#[test]
fn a_deletion_and_an_expiry_come_back_in_the_forms_of_mimi() {
    let party = party();
    let deleted = read(&encoded(&party, &ItemDraft::deletion(ItemId([4; 16])))).unwrap();
    assert_eq!((deleted.said, deleted.replaces), (Said::Deleted, Some(ItemId([4; 16]))));
    let draft = ItemDraft { expires: Some(Timestamp(1_800_000_000_999)), ..ItemDraft::markdown("tot vanavond") };
    let read = read(&encoded(&party, &draft)).unwrap();
    assert_eq!(read.expires, Some(Timestamp(1_800_000_000_000)), "in whole seconds");
}

#[test]
fn a_time_that_could_not_be_read_again_is_refused() {
    let bytes = encode(
        party().signer(),
        CASE,
        ItemId([2; 16]),
        &ItemDraft::markdown("x"),
        Timestamp(u64::MAX),
        Seen { seq: Seq(7), hash: [5; 32] },
    );
    assert!(read(&bytes.unwrap()).is_none());
}

/// What the draft's own examples hold, of what matters here.
#[test]
fn the_examples_of_the_draft_are_read() {
    let markdown = |text: &str| {
        let media_type = "text/markdown;variant=GFM-MIMI".to_owned();
        WirePart::Single(media_type, text.as_bytes().to_vec())
    };
    let reaction = WirePart::Single("text/plain;charset=utf-8".to_owned(), "\u{2764}".as_bytes().to_vec());
    let examples: [(&[u8], Option<u64>, Option<WirePart>); 10] = [
        (
            include_bytes!("../../tests/fixtures/mimi/original.cbor"),
            None,
            Some(markdown("Hi everyone, we just shipped release 2.0. __Good  work__!")),
        ),
        (
            include_bytes!("../../tests/fixtures/mimi/mention.cbor"),
            None,
            Some(markdown(
                "Kudos to [@Alice Smith](mimi://example.com/u/alice-smith) for making the release happen!",
            )),
        ),
        (
            include_bytes!("../../tests/fixtures/mimi/expiring.cbor"),
            Some(1_644_390_004_000),
            Some(markdown("__*VPN GOING DOWN*__ I'm rebooting the VPN in ten minutes unless anyone objects.")),
        ),
        (include_bytes!("../../tests/fixtures/mimi/delete.cbor"), None, Some(WirePart::Nothing)),
        (include_bytes!("../../tests/fixtures/mimi/unlike.cbor"), None, Some(WirePart::Nothing)),
        (include_bytes!("../../tests/fixtures/mimi/reaction.cbor"), None, Some(reaction)),
        (include_bytes!("../../tests/fixtures/mimi/attachment.cbor"), None, Some(WirePart::Other)),
        (include_bytes!("../../tests/fixtures/mimi/multipart-1.cbor"), None, Some(WirePart::Other)),
        (include_bytes!("../../tests/fixtures/mimi/reply.cbor"), None, None),
        (include_bytes!("../../tests/fixtures/mimi/edit.cbor"), None, None),
    ];
    for (number, (bytes, expires, part)) in examples.into_iter().enumerate() {
        let wire: WireContent = frame::decode(bytes).unwrap_or_else(|_| panic!("example {number}"));
        assert_eq!(wire.expires, expires.map(Timestamp), "example {number}");
        if let Some(part) = part {
            assert_eq!(wire.part, part, "example {number}");
        } else {
            let chat = matches!(&wire.part, WirePart::Single(media_type, _) if is_markdown(media_type));
            assert!(chat, "example {number}");
        }
        assert!(read(bytes).is_none(), "what carries no signature of a device is no item");
    }
}

/// The bytes that we send differ from the draft's in nothing but what the extension and the texts are.
#[test]
fn our_own_content_has_the_draft_s_form() {
    let draft = ItemDraft { expires: Some(Timestamp(1_644_390_004_000)), ..ItemDraft::markdown("x") };
    let bytes = encoded(&party(), &draft);
    assert_eq!(&bytes[..2], [0x87, 0x50], "seven elements, the first a salt of 16 bytes");
    assert_eq!(&bytes[18..20], [0xf6, 0x40], "replaces nothing, of no topic");
    assert_eq!(&bytes[20..27], [0x82, 0xf4, 0x1a, 0x62, 0x03, 0x66, 0x74], "absolute, as in the draft's example");
    assert_eq!(&bytes[27..29], [0xf6, 0xa2], "in reply to nothing; two extensions");
    let part = [0x85, 0x01, 0x60, 0x01, 0x6d];
    assert!(bytes.ends_with(&[part.as_slice(), b"text/markdown", &[0x41, b'x']].concat()));
}
