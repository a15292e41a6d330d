//! `docs/items.md` tells the truth about the statements: its CDDL allows everything that is said, and its media types are
//! the code's.

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;

use super::*;
use crate::case::receipt::ReceiptSays;

const PAGE: &str = include_str!("../../../../docs/items.md");

/// The block of CDDL that begins with a rule.
fn block(rule: &str) -> BasicContext {
    let (_, block) = PAGE.split_once(&format!("```cddl\n{rule} = ")).expect("the rule's block");
    let (block, _) = block.split_once("```").expect("its end");
    BasicContext::new(flatten_from_str(&format!("{rule} = {block}")).expect("valid CDDL"))
}

fn allows(context: &BasicContext, rule: &str, content: &[u8]) -> bool {
    let value: ciborium::Value = ciborium::from_reader(content).expect("well-formed CBOR");
    validate_cbor(&context.rules[rule], &value, context).is_ok()
}

/// Rule of a media type, by the page's table.
fn rule(media_type: &str) -> &'static str {
    let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{media_type}` |"))).expect("a row of its own");
    row.split('`').nth(3).expect("its rule")
}

#[test]
fn the_cddl_allows_everything_that_is_said() {
    let cddl = block("alert");
    let night = fixture::night();
    let mut statements: Vec<Statement> = night
        .log
        .iter()
        .filter_map(|entry| match entry {
            LogEntry::Said(said) => said.body.statement().cloned(),
            LogEntry::Changed(_) => None,
        })
        .collect();
    statements.extend(SnapshotSays::of(&night.state, GroupId([1; 16]), Seq(9)).into_iter().map(Statement::Snapshot));
    statements.push(Statement::Dispute(DisputeSays { snapshot: item(1), hash: ContentHash::of(b"x") }));
    statements.extend(handovers::everything());
    for statement in &statements {
        assert!(allows(&cddl, rule(statement.media_type()), &statement.encode()), "{}", statement.media_type());
    }
    for media_type in Statement::MEDIA_TYPES {
        assert!(statements.iter().any(|said| said.media_type() == *media_type), "{media_type} is said");
    }
    let receipt =
        ReceiptSays { group: GroupId([1; 16]), delivered: Seq(1), read: Seq(0), acknowledged: vec![item(1)] };
    assert!(allows(&block("receipt"), "receipt", &receipt.encode()));
}

#[test]
fn the_cddl_refuses_what_is_not_said() {
    use std::collections::BTreeMap;
    let cddl = block("alert");
    let accept = |id: &[u8]| cbor(&(1u64, BTreeMap::from([("accept", BTreeMap::from([("task", ByteString(id))]))])));
    assert!(allows(&cddl, "task", &accept(&[1; 16])));
    assert!(!allows(&cddl, "task", &accept(&[1; 15])), "an identifier that is too short");
    assert!(!allows(&cddl, "task", &cbor(&(2u64, BTreeMap::from([("sing", 1u64)])))));
    assert!(!allows(&cddl, "deadline", &accept(&[1; 16])), "a task is no deadline");
}

#[derive(serde::Serialize)]
struct ByteString<'a>(#[serde(with = "serde_bytes")] &'a [u8]);
