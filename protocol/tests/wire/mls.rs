//! The header of a PrivateMessage and nothing else gets past (RFC 9420 §6.3).

use kring_protocol::ids::{Epoch, GroupId};
use kring_protocol::mls::{ContentType, Header, NotMls, key_package, private_message};
use proptest::prelude::*;

use crate::samples::GROUP;

/// A vector with its length in the shortest form (RFC 9420 §2.1.2).
fn vector(content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let prefix = match length {
        0..64 => vec![length as u8],
        64..16_384 => (length as u16 | 1 << 14).to_be_bytes().to_vec(),
        _ => (length as u32 | 2 << 30).to_be_bytes().to_vec(),
    };
    [&prefix, content].concat()
}

fn message(content_type: u8, epoch: u64, ciphertext: usize) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 2];
    message.extend(vector(GROUP.as_bytes()));
    message.extend(epoch.to_be_bytes());
    message.push(content_type);
    message.extend(vector(b"authenticated"));
    message.extend(vector(&[1; 28]));
    message.extend(vector(&vec![2; ciphertext]));
    message
}

/// Where the content type stands: after version, wire format, group id and epoch.
const CONTENT_TYPE: usize = 4 + 17 + 8;

#[test]
fn a_private_message_shows_its_group_epoch_and_kind() {
    for (number, content) in [(1, ContentType::Application), (2, ContentType::Proposal), (3, ContentType::Commit)] {
        // One ciphertext for each size that a length can have.
        for ciphertext in [0, 63, 64, 16_383, 16_384, 70_000] {
            let header = Header { group: GROUP, epoch: Epoch(0x0102_0304_0506_0708), content };
            assert_eq!(private_message(&message(number, header.epoch.0, ciphertext)), Ok(header), "{ciphertext}");
        }
    }
}

#[test]
fn every_other_wire_format_is_refused() {
    let valid = message(1, 7, 100);
    for format in (0..=u16::MAX).filter(|format| *format != 2) {
        let mut other = valid.clone();
        other[2..4].copy_from_slice(&format.to_be_bytes());
        assert_eq!(private_message(&other), Err(NotMls), "{format}");
    }
}

#[test]
fn every_other_version_and_content_type_is_refused() {
    for version in (0..=u16::MAX).filter(|version| *version != 1) {
        let mut other = message(1, 7, 100);
        other[..2].copy_from_slice(&version.to_be_bytes());
        assert_eq!(private_message(&other), Err(NotMls), "{version}");
    }
    for content_type in (0..=u8::MAX).filter(|number| !(1..=3).contains(number)) {
        assert_eq!(private_message(&message(content_type, 7, 100)), Err(NotMls), "{content_type}");
    }
}

#[test]
fn a_message_that_is_cut_or_followed_by_anything_is_refused() {
    let valid = message(3, 7, 100);
    for end in 0..valid.len() {
        assert_eq!(private_message(&valid[..end]), Err(NotMls), "{end}");
    }
    assert_eq!(private_message(&[&valid[..], &[0]].concat()), Err(NotMls));
}

#[test]
fn a_length_that_is_not_in_its_shortest_form_is_refused() {
    let head = &message(1, 7, 0)[..=CONTENT_TYPE];
    let with_last = |length: &[u8], content: usize| {
        let tail = [&[0, 0][..], length, &vec![2; content]].concat();
        private_message(&[head, &tail].concat())
    };
    assert!(with_last(&[63], 63).is_ok());
    assert_eq!(with_last(&[0x40, 63], 63), Err(NotMls));
    assert!(with_last(&[0x40, 64], 64).is_ok());
    assert_eq!(with_last(&[0x80, 0, 0, 64], 64), Err(NotMls));
    assert_eq!(with_last(&[0x80, 0, 0x3f, 0xff], 16_383), Err(NotMls));
    assert!(with_last(&[0x80, 0, 0x40, 0], 16_384).is_ok());
    assert_eq!(with_last(&[0xc0, 0, 0, 0, 0, 0, 0, 0], 0), Err(NotMls), "the invalid prefix");
}

#[test]
fn a_group_id_of_another_length_is_refused() {
    for length in (0..70).filter(|length| *length != GroupId::LEN) {
        let tail = &message(1, 7, 10)[4 + 17..];
        let other = [&[0, 1, 0, 2][..], &vector(&vec![3; length]), tail].concat();
        assert_eq!(private_message(&other), Err(NotMls), "{length}");
    }
}

#[test]
fn a_key_package_is_known_by_its_first_bytes() {
    assert_eq!(key_package(&[0, 1, 0, 5, 0, 1, 0, 0x4f]), Ok(()));
    for other in [&[0, 1, 0, 5, 0, 2][..], &[0, 1, 0, 2, 0, 1], &[0, 2, 0, 5, 0, 1], &[0, 1, 0, 5, 0], &[]] {
        assert_eq!(key_package(other), Err(NotMls), "{other:?}");
    }
    assert_eq!(key_package(&message(1, 7, 10)), Err(NotMls));
    assert_eq!(private_message(&[0, 1, 0, 5, 0, 1, 0, 0x4f]), Err(NotMls));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = key_package(&bytes);
        // Random bytes would have to begin with eight fixed bytes and end where their lengths say.
        prop_assert_eq!(private_message(&bytes), Err(NotMls));
    }

    #[test]
    fn a_changed_byte_never_panics_and_never_moves_a_message_elsewhere(at in 0usize..200, value: u8) {
        let valid = message(1, 7, 100);
        let mut changed = valid.clone();
        let at = at % changed.len();
        changed[at] = value;
        if let Ok(header) = private_message(&changed) {
            let expected = private_message(&valid).expect("valid");
            prop_assert!((4..=CONTENT_TYPE).contains(&at) || header == expected, "byte {}", at);
        }
    }
}
