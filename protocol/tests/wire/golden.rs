//! The bytes of every message, held in `golden.hex`: a change of the encoding cannot go unseen.

use std::collections::BTreeSet;

use kring_protocol::frame::{PREFIX, body_length};
use kring_protocol::limits::MAX_FRAME;

use crate::message::Kind;
use crate::samples;

const GOLDEN: &str = include_str!("golden.hex");

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("hexadecimal");
    text.as_bytes().chunks_exact(2).map(|pair| (digit(pair[0]) << 4 | digit(pair[1])) as u8).collect()
}

/// Name, kind and frame of every golden line.
pub(crate) fn frames() -> impl Iterator<Item = (&'static str, Kind, Vec<u8>)> {
    GOLDEN.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, frame) = line.split_once(' ').expect("a line is a name and a frame");
        let kind = [Kind::Request, Kind::Reply, Kind::Push].into_iter().find(|kind| name.starts_with(kind.rule()));
        (name, kind.expect("a name begins with its kind"), unhex(frame))
    })
}

#[test]
fn every_message_has_its_golden_bytes() {
    let comment = GOLDEN.lines().filter(|line| line.starts_with('#'));
    let lines = samples::all().into_iter().map(|(name, message)| format!("{name} {}", hex(&message.frame())));
    let written: Vec<_> = comment.map(str::to_owned).chain(lines).collect();
    assert!(GOLDEN.lines().eq(&written), "golden.hex would now be:\n{}\n", written.join("\n"));
}

#[test]
fn golden_frames_decode_to_what_they_were_made_from() {
    let samples = samples::all();
    assert_eq!(frames().count(), samples.len());
    for ((name, kind, frame), (_, message)) in frames().zip(samples) {
        let (prefix, body) = frame.split_first_chunk::<PREFIX>().expect("a prefix");
        assert_eq!(body_length(*prefix, MAX_FRAME), Ok(body.len()), "{name}");
        assert_eq!(kind.decode(body), Ok(message), "{name}");
    }
}

#[test]
fn every_number_has_a_golden_frame() {
    for (kind, count) in [(Kind::Request, 29), (Kind::Reply, 20), (Kind::Push, 9)] {
        let samples = samples::all();
        let of_kind = samples.iter().filter(|(_, message)| message.kind() == kind);
        let numbers: BTreeSet<u64> = of_kind.map(|(_, message)| message.number()).collect();
        assert!(numbers.into_iter().eq(0..count), "{kind:?}");
    }
}
