//! What is written is what is read.

use kring_protocol::frame::{PREFIX, body_length};
use kring_protocol::limits::MAX_FRAME;
use kring_protocol::refusal::{Refusal, WireRefusal};
use proptest::prelude::*;

use crate::{random, samples};

proptest! {
    #[test]
    fn every_message_survives_being_written_and_read(message in random::message()) {
        let frame = message.frame();
        let (prefix, body) = frame.split_first_chunk::<PREFIX>().expect("a prefix");
        prop_assert_eq!(body_length(*prefix, MAX_FRAME), Ok(body.len()));
        prop_assert_eq!(body, &message.body()[..]);
        prop_assert_eq!(message.kind().decode(body), Ok(message));
    }

    #[test]
    fn two_messages_are_equal_only_if_their_bytes_are(one in random::message(), other in random::message()) {
        prop_assume!(one.kind() == other.kind());
        prop_assert_eq!(one == other, one.body() == other.body());
    }

    #[test]
    fn every_refusal_survives_its_form_on_the_wire(refusal in random::refusal()) {
        prop_assert_eq!(Refusal::from_wire(refusal.to_wire()), refusal);
    }
}

#[test]
fn a_refusal_whose_details_are_missing_is_an_unknown_one() {
    for refusal in samples::refusals() {
        let number = refusal.number();
        let bare = WireRefusal {
            number,
            epoch: None,
            winner: None,
            limit: None,
            after_ms: None,
            recipients: vec![],
            crl: None,
        };
        let expected = match refusal {
            Refusal::StaleEpoch { .. }
            | Refusal::TooLarge { .. }
            | Refusal::TooMany { .. }
            | Refusal::RateLimited { .. }
            | Refusal::Busy { .. }
            | Refusal::StaleCrl { .. }
            | Refusal::NotAnswered { .. } => Refusal::Unknown(number),
            Refusal::Recipients(_) => Refusal::Recipients(vec![]),
            without_details => without_details,
        };
        assert_eq!(Refusal::from_wire(bare), expected);
    }
}

#[test]
fn debug_shows_no_identifier_name_or_payload() {
    let shown: String = samples::all().iter().map(|(_, message)| format!("{message:?}\n")).collect();
    // Identifiers, as an array or in hexadecimal; names; payloads.
    for secret in
        ["17, 17", "1111", "34, 34", "2222", "153, 153", "9999", "jansen", "politie", "sealed\"", "109, 101"]
    {
        assert!(!shown.contains(secret), "{secret}");
    }
}
