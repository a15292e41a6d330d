//! Bytes from somebody who means harm, or whose program is broken: refused, or equal to a valid message; no panic.

use kring_protocol::frame::{FrameError, PREFIX, body_length, decode};
use kring_protocol::limits::{MAX_DEPTH, MAX_FRAME, MAX_LIST};
use kring_protocol::message::{Hello, Push, Record, Request};
use kring_protocol::{VERSION, frame};
use proptest::prelude::*;

use crate::document::Cddl;
use crate::golden;
use crate::message::{Kind, Message};

const KINDS: [Kind; 3] = [Kind::Request, Kind::Reply, Kind::Push];

fn hello(features: Vec<u64>) -> Result<Request, FrameError> {
    Ok(Hello { version: VERSION, features }.into())
}

fn request(hex: &str) -> Result<Request, FrameError> {
    decode(&golden::unhex(hex))
}

#[test]
fn every_truncation_is_refused() {
    for (name, kind, frame) in golden::frames() {
        for end in PREFIX..frame.len() {
            assert_eq!(kind.decode(&frame[PREFIX..end]), Err(FrameError::Malformed), "{name} up to {end}");
        }
    }
}

#[test]
fn bytes_after_the_message_are_refused() {
    for (name, kind, frame) in golden::frames() {
        for trailing in [&[0][..], &[0xf6], &[0xff], &frame[PREFIX..]] {
            let body = [&frame[PREFIX..], trailing].concat();
            assert_eq!(kind.decode(&body), Err(FrameError::Trailing(trailing.len())), "{name}");
        }
    }
}

#[test]
fn a_prefix_announces_something_and_at_most_the_limit() {
    let limit = 1_000;
    assert_eq!(body_length([0; 4], limit), Err(FrameError::Empty));
    assert_eq!(body_length([0, 0, 0, 1], limit), Ok(1));
    assert_eq!(body_length(1_000u32.to_be_bytes(), limit), Ok(1_000));
    assert_eq!(
        body_length(1_001u32.to_be_bytes(), limit),
        Err(FrameError::TooLarge { announced: 1_001, limit: 1_000 })
    );
    assert_eq!(
        body_length([0xff; 4], usize::MAX),
        Err(FrameError::TooLarge { announced: u32::MAX.into(), limit: MAX_FRAME as u64 })
    );
}

/// What a changed message must be: refused, or a message that survives being written and read, and that the CDDL allows.
fn check_changed(cddl: &Cddl, kind: Kind, body: &[u8], what: impl Fn() -> String) {
    if let Ok(message) = kind.decode(body) {
        let again = message.body();
        assert_eq!(kind.decode(&again).as_ref(), Ok(&message), "{}", what());
        if understood(&message) {
            assert!(cddl.allows(kind, &again), "{}", what());
        }
    }
}

/// Whether a receiver makes anything of the message: it knows the number, and a delivered record is one.
fn understood(message: &Message) -> bool {
    match message {
        Message::Push(Push::Delivery(delivery)) => decode::<Record>(&delivery.record).is_ok(),
        other => other.name() != "Unknown",
    }
}

#[test]
fn every_flipped_bit_is_refused_or_makes_another_valid_message() {
    let cddl = Cddl::of_the_page();
    for (name, kind, frame) in golden::frames() {
        for at in PREFIX..frame.len() {
            for bit in 0..8 {
                let mut body = frame[PREFIX..].to_vec();
                body[at - PREFIX] ^= 1 << bit;
                check_changed(&cddl, kind, &body, || format!("{name}, bit {bit} of byte {at}"));
            }
        }
    }
}

#[test]
fn every_other_byte_at_every_place_never_panics() {
    for (name, kind, frame) in golden::frames() {
        let original = kind.decode(&frame[PREFIX..]).expect("golden");
        let mut body = frame[PREFIX..].to_vec();
        for at in 0..body.len() {
            let byte = body[at];
            for value in (0..=u8::MAX).filter(|value| *value != byte) {
                body[at] = value;
                let decoded = kind.decode(&body);
                assert_ne!(decoded.as_ref(), Ok(&original), "{name}: {value:#x} at {at} means the same");
            }
            body[at] = byte;
        }
    }
}

#[test]
fn an_unknown_key_is_ignored_whatever_it_holds() {
    for value in [
        "00",                 // a number
        "3903e7",             // a negative number
        "43010203",           // bytes
        "63616263",           // text
        "f6",                 // null
        "f7",                 // undefined
        "f5",                 // a boolean
        "f93c00",             // half a float
        "fb3ff0000000000000", // a float
        "c11a00000000",       // a tag
        "83a101028043000000", // an array of a map, an array and bytes
        "9f01ff",             // of unknown length
        "bf0102ff",
        "5f4101ff",
        "7f6161ff",
    ] {
        assert_eq!(request(&format!("8200a2000118ff{value}")), hello(vec![]), "{value}");
        assert_eq!(request(&format!("8200a218ff{value}0001")), hello(vec![]), "{value} first");
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    assert_eq!(request("8200a200010001"), Err(FrameError::Malformed), "required");
    assert_eq!(request("8200a3000101800180"), Err(FrameError::Malformed), "optional");
}

#[test]
fn a_missing_required_key_is_refused() {
    // In every golden message, each key of the outer map is left out in turn: what still decodes lacks an option.
    let cddl = Cddl::of_the_page();
    for (name, kind, frame) in golden::frames() {
        let value: ciborium::Value = ciborium::from_reader(&frame[PREFIX..]).expect("CBOR");
        let ciborium::Value::Array(pair) = value else { panic!("{name} is not a pair") };
        let ciborium::Value::Map(entries) = &pair[1] else { panic!("{name} has no map") };
        for left_out in 0..entries.len() {
            let mut fewer = entries.clone();
            fewer.remove(left_out);
            let mut body = Vec::new();
            let changed = ciborium::Value::Array(vec![pair[0].clone(), ciborium::Value::Map(fewer)]);
            ciborium::into_writer(&changed, &mut body).expect("CBOR");
            assert_eq!(kind.decode(&body).is_ok(), cddl.allows(kind, &body), "{name} without its entry {left_out}");
        }
    }
}

#[test]
fn a_key_that_is_not_an_unsigned_integer_is_refused() {
    for key in ["20", "6161", "4100", "f6", "f90000", "80"] {
        assert_eq!(request(&format!("8200a20001{key}00")), Err(FrameError::Malformed), "{key}");
        // Also where every key is unknown.
        let done = golden::unhex(&format!("8201a1{key}00"));
        assert_eq!(Kind::Reply.decode(&done), Err(FrameError::Malformed), "{key}");
    }
}

#[test]
fn null_does_not_stand_for_what_is_absent() {
    assert_eq!(request("8200a2000101f6"), Err(FrameError::Malformed));
    assert_eq!(request("8200a200010180"), hello(vec![]), "an empty list is one");
}

#[test]
fn a_message_is_a_number_and_a_map() {
    for (body, what) in [
        ("80", "nothing"),
        ("8100", "no map"),
        ("8300a1000100", "three"),
        ("820080", "an array"),
        ("820001", "a number"),
        ("8261300a10001", "a number in text"),
        ("8220a0", "a negative number"),
        ("a10001", "a map alone"),
        ("00", "a number alone"),
        ("c18200a10001", "a tag"),
        ("", "no bytes"),
        ("ff", "a break"),
        ("1c", "a reserved length"),
    ] {
        assert!(request(body).is_err(), "{what}");
    }
}

#[test]
fn an_unknown_number_is_known_as_such() {
    assert_eq!(request("821864a0"), Ok(Request::Unknown(100)));
    assert_eq!(request("821864a10001"), Ok(Request::Unknown(100)));
    assert_eq!(request("8218648301020380"), Err(FrameError::Trailing(1)));
    assert_eq!(Request::Unknown(100).name(), "Unknown");
    assert_eq!(frame::encode(&Request::Unknown(100))[PREFIX..], golden::unhex("821864a0"));
}

#[test]
fn longer_spellings_are_understood() {
    assert_eq!(request("820019000100"), Err(FrameError::Malformed), "a number is no map");
    assert_eq!(request("8218001801"), Err(FrameError::Malformed));
    assert_eq!(request("9800"), Err(FrameError::Malformed));
    assert_eq!(request("98021800b80118001801"), hello(vec![]), "lengths in two bytes");
    assert_eq!(request("9f00bf0001ffff"), hello(vec![]), "of unknown length");
}

#[test]
fn nesting_is_bounded() {
    // The message is an array with a map, so that an unknown field begins at level three.
    let nested = |levels: usize| request(&format!("8200a2000118ff{}80", "81".repeat(levels - 1)));
    assert_eq!(nested(MAX_DEPTH - 2), hello(vec![]));
    assert_eq!(nested(MAX_DEPTH - 1), Err(FrameError::Malformed));
    for opening in ["81", "a100", "9f", "bf00", "c1", "5f", "7f"] {
        let deep = format!("8200a2000118ff{}", opening.repeat(1_000_000));
        assert_eq!(request(&deep), Err(FrameError::Malformed), "{opening}");
    }
}

#[test]
fn a_list_is_never_longer_than_its_bound_whatever_it_announces() {
    let features = |count: usize| format!("8200a2000101 9a{count:08x}{}", "00".repeat(count)).replace(' ', "");
    assert_eq!(request(&features(MAX_LIST)), hello(vec![0; MAX_LIST]));
    assert_eq!(request(&features(MAX_LIST + 1)), Err(FrameError::Malformed));
    assert_eq!(request("8200a20001019affffffff"), Err(FrameError::Malformed));
}

#[test]
fn what_stands_side_by_side_is_not_nested() {
    let many = format!("8200a2000118ff9864{}", "8180".repeat(100));
    assert_eq!(request(&many), hello(vec![]));
}

#[test]
fn an_announced_length_reserves_no_memory() {
    // 2^63 elements, entries or bytes, of which none comes.
    for body in [
        "9b8000000000000000",
        "8200bb8000000000000000",
        "8200a2000101 9b8000000000000000",
        "8202a3025b8000000000000000",
    ] {
        assert_eq!(request(&body.replace(' ', "")), Err(FrameError::Malformed), "{body}");
    }
}

#[test]
fn identifiers_have_exactly_their_length() {
    for (claim, device) in [(16, 15), (16, 17), (16, 0)] {
        let body = format!("820ca3{}{}{}", bytes(0, device), bytes(1, claim), bytes(2, 3));
        assert_eq!(request(&body), Err(FrameError::Malformed), "{device}");
    }
    assert!(request(&format!("820ca3{}{}{}", bytes(0, 16), bytes(1, 16), bytes(2, 3))).is_ok());
}

/// A key and so many bytes.
fn bytes(key: u8, count: u8) -> String {
    format!("{key:02x}58{count:02x}{}", "ab".repeat(count.into()))
}

#[test]
fn text_that_is_no_address_is_refused() {
    for (address, valid) in [("a@b.example", true), ("A@b.example", false), ("a@b", false), ("a", false), ("", false)]
    {
        let body = format!("820ba100{:02x}{}", 0x60 + address.len(), golden::hex(address.as_bytes()));
        assert_eq!(request(&body).is_ok(), valid, "{address}");
    }
    assert!(request("820ba10062c328").is_err(), "not UTF-8");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for kind in KINDS {
            if let Ok(message) = kind.decode(&bytes) {
                prop_assert_eq!(kind.decode(&message.body()), Ok(message));
            }
        }
    }

    #[test]
    fn random_bytes_after_a_valid_beginning_never_panic(
        number in 0u8..24,
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let body = [&[0x82, number, 0xa3][..], &bytes].concat();
        for kind in KINDS {
            if let Ok(message) = kind.decode(&body) {
                prop_assert_eq!(kind.decode(&message.body()), Ok(message));
            }
        }
    }
}
