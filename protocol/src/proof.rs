//! What a client signs to show a relay that it holds an epoch's access key.
//!
//! The epoch's members derive an Ed25519 key pair from the MLS exporter (RFC 9420 §8.5); whoever signs these bytes
//! with it may read the log up to and including the Commit that ends the epoch, and append in the epoch. The bytes
//! hold the TLS exporter value of the connection, so a proof is worth nothing on another one.

use crate::ids::{Epoch, GroupId};

/// Label of the MLS exporter from which the seed of an epoch's access key comes; its context is the group id.
pub const ACCESS_EXPORTER_LABEL: &str = "kring access 1";

/// Length of the seed (RFC 8032 §5.1.5).
pub const ACCESS_SEED_LENGTH: usize = 32;

/// Label of the TLS exporter (RFC 8446 §7.5, RFC 5705) that binds a proof to its connection; its context is empty.
pub const TLS_EXPORTER_LABEL: &[u8] = b"EXPORTER-kring access 1";

/// Length of the TLS exporter value.
pub const TLS_EXPORTER_LENGTH: usize = 32;

/// First bytes of every signed text, so that the signature means nothing elsewhere.
const PROOF_LABEL: &[u8; 20] = b"kring access proof 1";

/// Length of the signed text: label, exporter value, group id, epoch.
pub const PROOF_LENGTH: usize = PROOF_LABEL.len() + TLS_EXPORTER_LENGTH + GroupId::LEN + 8;

/// The signed text: label ‖ TLS exporter value ‖ group id ‖ epoch (8 bytes, big-endian).
pub fn signed_text(exporter: &[u8; TLS_EXPORTER_LENGTH], group: GroupId, epoch: Epoch) -> [u8; PROOF_LENGTH] {
    let mut text = [0; PROOF_LENGTH];
    let (label, rest) = text.split_at_mut(PROOF_LABEL.len());
    let (connection, rest) = rest.split_at_mut(TLS_EXPORTER_LENGTH);
    let (group_id, number) = rest.split_at_mut(GroupId::LEN);
    label.copy_from_slice(PROOF_LABEL);
    connection.copy_from_slice(exporter);
    group_id.copy_from_slice(group.as_bytes());
    number.copy_from_slice(&epoch.0.to_be_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_place() {
        let text = signed_text(&[1; 32], GroupId([2; 16]), Epoch(0x0304));
        assert_eq!(&text[..20], b"kring access proof 1");
        assert_eq!(&text[20..52], &[1; 32]);
        assert_eq!(&text[52..68], &[2; 16]);
        assert_eq!(&text[68..], &[0, 0, 0, 0, 0, 0, 3, 4]);
    }
}
