//! The relay's own parser of MLS against the vectors of the MLS working group (`tests/vectors`).

use std::fs;
use std::path::PathBuf;

use data_encoding::HEXLOWER_PERMISSIVE;
use kring_protocol::mls::{NotMls, key_package, private_message};
use serde_json::Value;

/// A file of the vectors.
fn vectors(file: &str) -> Vec<Value> {
    let own = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"));
    let folder = std::env::var_os("KRING_MLS_VECTORS").map_or_else(own, PathBuf::from);
    serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(vector[field].as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn of_the_working_groups_messages_the_private_ones_are_taken_and_no_others() {
    let vectors = vectors("messages.json");
    for vector in &vectors {
        let message = bytes(vector, "private_message");
        let header = private_message(&message).unwrap();
        // version 2, wire_format 2, the length of group_id 1, group_id 16, epoch 8.
        assert_eq!(header.group.as_bytes().as_slice(), &message[5..21]);
        assert_eq!(header.epoch.0.to_be_bytes(), message[21..29]);
        for cut in 0..message.len() {
            assert_eq!(private_message(&message[..cut]), Err(NotMls));
        }
        assert_eq!(private_message(&[&message[..], &[0]].concat()), Err(NotMls));
        for other in [
            "mls_welcome",
            "mls_group_info",
            "mls_key_package",
            "public_message_application",
            "public_message_proposal",
            "public_message_commit",
        ] {
            let message = bytes(vector, other);
            assert_eq!(private_message(&message), Err(NotMls), "{other}");
            assert_eq!(key_package(&message).is_ok(), other == "mls_key_package", "{other}");
        }
    }
    assert!(vectors.len() >= 12);
}

#[test]
fn a_vector_has_the_length_that_its_header_says() {
    /// Longer ones than this no message has.
    const LONGEST: u64 = 1 << 20;
    let mut tried = 0;
    for vector in vectors("deserialization.json") {
        let (header, length) = (bytes(&vector, "vlbytes_header"), vector["length"].as_u64().unwrap());
        let prefix = [&[0, 1, 0, 2, 16][..], &[7; 16], &9u64.to_be_bytes(), &[1, 0, 0], &header].concat();
        if length > LONGEST {
            assert_eq!(private_message(&prefix), Err(NotMls));
            continue;
        }
        let message = [prefix, vec![5; usize::try_from(length).unwrap()]].concat();
        assert!(private_message(&message).is_ok(), "{length}");
        assert_eq!(private_message(&message[..message.len() - 1]), Err(NotMls), "{length}");
        assert_eq!(private_message(&[&message[..], &[5]].concat()), Err(NotMls), "{length}");
        tried += 1;
    }
    assert_eq!(tried, 13);
}
