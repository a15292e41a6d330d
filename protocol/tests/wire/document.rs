//! `docs/protocol.md` tells the truth: its CDDL describes the golden frames, and its tables are the code's.

use std::collections::BTreeMap;

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;
use kring_protocol::limits;
use kring_protocol::refusal::{Refusal, Retry};

use crate::message::{Kind, Message};
use crate::{golden, samples};

pub(crate) const PAGE: &str = include_str!("../../../docs/protocol.md");

/// The page's CDDL, ready to judge bodies.
pub(crate) struct Cddl(BasicContext);

impl Cddl {
    pub(crate) fn of_the_page() -> Self {
        let (_, block) = PAGE.split_once("```cddl\n").expect("a CDDL block");
        let (block, _) = block.split_once("```").expect("its end");
        Self(BasicContext::new(flatten_from_str(block).expect("valid CDDL")))
    }

    pub(crate) fn allows(&self, kind: Kind, body: &[u8]) -> bool {
        let rule = &self.0.rules[kind.rule()];
        let value: ciborium::Value = ciborium::from_reader(body).expect("well-formed CBOR");
        validate_cbor(rule, &value, &self.0).is_ok()
    }
}

/// The cells of the table under a heading, without its head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PAGE.split_once(&format!("\n{heading}\n")).expect("the heading");
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_cddl_allows_every_golden_frame() {
    let cddl = Cddl::of_the_page();
    for (name, kind, frame) in golden::frames() {
        assert!(cddl.allows(kind, &frame[4..]), "{name}");
    }
}

#[test]
fn the_cddl_refuses_a_message_of_another_kind_or_shape() {
    let cddl = Cddl::of_the_page();
    for (kind, body, fault) in [
        (Kind::Request, "8200a0", "hello without its version"),
        (Kind::Request, "8200a1006131", "version as text"),
        (Kind::Request, "8200a20001014161", "features as bytes"),
        (Kind::Request, "820da0", "inbox without a place"),
        (Kind::Request, "820da10020", "a negative place"),
        (Kind::Request, "8207a1001b0000000100000000", "a subscription above 32 bits"),
        (Kind::Request, "830da1000000", "three elements"),
        (Kind::Reply, "8207a100f6", "null"),
        (Kind::Push, "8206a0", "going away without a time"),
        (Kind::Request, "82181ca2000701182a", "a search for a number"),
        (Kind::Request, "8212a1005000000000000000000000000000000000", "a ticket without its end"),
        (Kind::Reply, "8211a0", "a mailbox's end that does not say whether there is more"),
        (Kind::Push, "8200a2000401a0", "a record that is not wrapped"),
    ] {
        let body = golden::unhex(body);
        assert!(!cddl.allows(kind, &body), "{fault}");
        assert!(kind.decode(&body).is_err(), "{fault}");
    }
}

#[test]
fn the_table_of_requests_is_complete() {
    let written: BTreeMap<u64, &str> = table("## Requests and their answers")
        .iter()
        .map(|row| (row[0].parse().expect("a number"), row[1]))
        .collect();
    assert_eq!(written, numbers(Kind::Request));
}

#[test]
fn the_table_of_pushes_is_complete() {
    let written: BTreeMap<u64, &str> =
        table("### Pushes").iter().map(|row| (row[0].parse().expect("a number"), row[1])).collect();
    assert_eq!(written, numbers(Kind::Push));
}

fn numbers(kind: Kind) -> BTreeMap<u64, &'static str> {
    let samples = samples::all();
    let of_kind = samples.iter().map(|(_, message)| message).filter(|message| message.kind() == kind);
    of_kind.map(|message: &Message| (message.number(), message.name())).collect()
}

#[test]
fn the_table_of_refusals_says_what_the_code_does() {
    let rows = table("## Refusals");
    let refusals = samples::refusals();
    assert_eq!(rows.len(), refusals.len());
    for (row, refusal) in rows.iter().zip(&refusals) {
        assert_eq!(row[0], refusal.number().to_string());
        assert_eq!(row[1], name(refusal));
        assert_eq!(row[2], details(refusal), "{}", row[1]);
        let retry = match refusal.retry() {
            Retry::Never => "no",
            Retry::AfterReading => "after reading",
            Retry::After(_) if row[2] == "after_ms" => "after the time given",
            Retry::After(milliseconds) => &format!("after {} s", milliseconds / 1_000),
            Retry::Reconnect => "on a new connection",
        };
        assert_eq!(row[3], retry, "{}", row[1]);
        assert!(!row[4].is_empty(), "{}", row[1]);
    }
}

/// The variant's name, which `Debug` begins with.
fn name(refusal: &Refusal) -> String {
    format!("{refusal:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// The details that stand on the wire.
fn details(refusal: &Refusal) -> String {
    let wire = refusal.to_wire();
    let present = [
        ("epoch", wire.epoch.is_some()),
        ("winner", wire.winner.is_some()),
        ("limit", wire.limit.is_some()),
        ("after_ms", wire.after_ms.is_some()),
        ("recipients", !wire.recipients.is_empty()),
        ("crl", wire.crl.is_some()),
    ];
    present.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_table_of_limits_is_the_code_s() {
    let written: Vec<(&str, u64)> =
        table("## Limits").iter().map(|row| (row[0], row[1].parse().expect("a number"))).collect();
    let code = [
        ("MAX_MESSAGE", limits::MAX_MESSAGE as u64),
        ("MAX_NOTE", limits::MAX_NOTE as u64),
        ("MAX_KEY_PACKAGE", limits::MAX_KEY_PACKAGE as u64),
        ("MAX_KEY_PACKAGES", limits::MAX_KEY_PACKAGES as u64),
        ("MAX_DEVICES", limits::MAX_DEVICES as u64),
        ("MAX_WELCOMES", limits::MAX_WELCOMES as u64),
        ("MAX_CURSOR_MOVES", limits::MAX_CURSOR_MOVES as u64),
        ("MAX_FRAME", limits::MAX_FRAME as u64),
        ("MAX_READ", limits::MAX_READ),
        ("MAX_DEPTH", limits::MAX_DEPTH as u64),
        ("MAX_COUNTER", limits::MAX_COUNTER),
        ("MAX_LIST", limits::MAX_LIST as u64),
        ("MAX_CRL", limits::MAX_CRL as u64),
        ("MAX_CRL_ISSUERS", limits::MAX_CRL_ISSUERS as u64),
        ("MAX_ENROLMENT", limits::MAX_ENROLMENT as u64),
        ("MAX_ENROL_FRAME", limits::MAX_ENROL_FRAME as u64),
        ("MAX_TICKETS", limits::MAX_TICKETS as u64),
        ("MAX_TICKET_LIFE", limits::MAX_TICKET_LIFE),
        ("MAX_FOUND", limits::MAX_FOUND as u64),
        ("MAX_SEARCH", limits::MAX_SEARCH as u64),
    ];
    assert_eq!(written, code);
}

#[test]
fn the_page_names_the_application_protocols() {
    let [alpn, enrol] = [kring_protocol::ALPN, kring_protocol::ENROL_ALPN].map(|name| std::str::from_utf8(name));
    let (alpn, enrol) = (alpn.expect("ASCII"), enrol.expect("ASCII"));
    assert!(PAGE.contains(&format!("| ALPN | `{alpn}`; of a new device `{enrol}` |")));
    let administration = kring_protocol::address::ADMINISTRATION;
    assert!(PAGE.contains(&format!("`{administration}@<domain>`")));
}
