//! The worked example of `docs/protocol.md`, computed again.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use kring_protocol::frame;
use kring_protocol::ids::{Epoch, GroupId, Seq, Signature};
use kring_protocol::message::{Access, Read, Request};
use kring_protocol::proof::{ACCESS_EXPORTER_LABEL, ACCESS_SEED_LENGTH, TLS_EXPORTER_LABEL, signed_text};

use crate::document::PAGE;
use crate::golden::{hex, unhex};

/// A line of the worked example.
fn example(name: &str) -> &'static str {
    let (_, example) = PAGE.split_once("Worked example").expect("a worked example");
    let line = example.lines().find(|line| line.split_whitespace().next() == Some(name)).expect("the line");
    line[name.len()..].trim()
}

fn array<const N: usize>(name: &str) -> [u8; N] {
    unhex(example(name)).try_into().expect("its length")
}

#[test]
fn the_worked_example_holds_to_the_last_byte() {
    let key = Ed25519KeyPair::from_seed_unchecked(&array::<ACCESS_SEED_LENGTH>("seed")).expect("32 bytes");
    let group = GroupId(array("group"));
    let epoch = Epoch(example("epoch").parse().expect("a number"));
    let text = signed_text(&array("exporter"), group, epoch);
    let proof = key.sign(&text);
    let access = Access { group, epoch, proof: Signature::from_slice(proof.as_ref()) };
    let request = Request::from(Read { access, after: Some(Seq(3)), limit: 65_536 });

    let computed = [
        ("key", hex(key.public_key().as_ref())),
        ("signed", hex(&text)),
        ("proof", hex(proof.as_ref())),
        ("frame", hex(&frame::encode(&request))),
    ];
    let written = computed.each_ref().map(|(name, _)| (*name, example(name).to_owned()));
    assert_eq!(written, computed);
}

#[test]
fn the_proof_is_for_its_connection_group_and_epoch_alone() {
    let (exporter, group, epoch) = (array("exporter"), GroupId(array("group")), Epoch(7));
    let key = UnparsedPublicKey::new(&ED25519, unhex(example("key")));
    let proof = unhex(example("proof"));
    let holds = |exporter, group, epoch| key.verify(&signed_text(exporter, group, epoch), &proof).is_ok();

    assert!(holds(&exporter, group, epoch));
    assert!(!holds(&[0; 32], group, epoch), "another connection");
    assert!(!holds(&exporter, GroupId([0; 16]), epoch), "another group");
    assert!(!holds(&exporter, group, Epoch(6)), "an older epoch");
}

#[test]
fn the_page_names_the_labels() {
    assert!(PAGE.contains(&format!("MLS-Exporter(\"{ACCESS_EXPORTER_LABEL}\", group_id, {ACCESS_SEED_LENGTH})")));
    assert!(PAGE.contains(&format!("`{}`", std::str::from_utf8(TLS_EXPORTER_LABEL).expect("ASCII"))));
    let label = &signed_text(&[0; 32], GroupId([0; 16]), Epoch(0))[..20];
    assert!(PAGE.contains(&format!("`{}`", std::str::from_utf8(label).expect("ASCII"))));
}
