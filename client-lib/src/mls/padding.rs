//! Size classes: what the relay can tell of a message's length.
//!
//! An application message's `PrivateMessageContent` (RFC 9420 §6.3.1) is padded so that its ciphertext has exactly
//! 1 KiB · 2^n bytes. An item's fixed parts take about 400 bytes and MLS's own 88, so chat of 1 to 200 bytes, an
//! alert and a receipt all fall in the first class: one size. Handshake messages are padded to whole KiB.
//!
//! A sealed note is padded before it is sealed, to 4 KiB · 2^n bytes, and above 512 KiB to the largest note that a
//! relay takes.

use kring_protocol::limits::MAX_NOTE;

/// Smallest class of an application message.
const LEAST_MESSAGE: usize = 1 << 10;
/// What MLS adds to an item inside the ciphertext: its length (up to 4 bytes), the signature (64 bytes and a length
/// of 2), and the AEAD's tag (16), rounded up.
const MLS_OVERHEAD: usize = 88;
/// Handshake messages are padded to a multiple of this.
pub(crate) const HANDSHAKE: usize = 1 << 10;

/// Smallest class of a note.
const LEAST_NOTE: usize = 4 << 10;
/// Largest note before sealing: the KEM output is 1120 bytes, the tag 16, their lengths 8; rounded up.
const LARGEST_NOTE: usize = MAX_NOTE - 2048;
/// Bytes of the length before a padded note.
const PREFIX: usize = 4;

/// The size of the ciphertext that carries an item of this many bytes.
pub(crate) fn message_class(length: usize) -> usize {
    (length + MLS_OVERHEAD).next_power_of_two().max(LEAST_MESSAGE)
}

/// Pads a note: its length in 4 bytes, big-endian, the note, zeros. `None` if it is larger than a note can be.
pub(crate) fn pad_note(note: &[u8]) -> Option<Vec<u8>> {
    let needed = note.len() + PREFIX;
    if needed > LARGEST_NOTE {
        return None;
    }
    let class = needed.next_power_of_two().clamp(LEAST_NOTE, LARGEST_NOTE);
    let mut padded = Vec::with_capacity(class);
    padded.extend_from_slice(&u32::try_from(note.len()).ok()?.to_be_bytes());
    padded.extend_from_slice(note);
    padded.resize(class, 0);
    Some(padded)
}

/// Takes the padding off.
pub(crate) fn unpad_note(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_at_checked(PREFIX)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (note, zeros) = rest.split_at_checked(length)?;
    zeros.iter().all(|byte| *byte == 0).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fall_into_powers_of_two() {
        assert_eq!(message_class(1), 1024);
        assert_eq!(message_class(936), 1024);
        assert_eq!(message_class(937), 2048);
        assert_eq!(message_class(300 << 10), 512 << 10);
    }

    #[test]
    fn a_note_comes_back_from_its_padding_and_has_a_class() {
        for (length, class) in [(0, 4096), (4092, 4096), (4093, 8192), (600 << 10, LARGEST_NOTE)] {
            let note = vec![9; length];
            let padded = pad_note(&note).expect("fits");
            assert_eq!(padded.len(), class);
            assert_eq!(unpad_note(&padded), Some(note.as_slice()));
        }
        assert_eq!(pad_note(&vec![0; LARGEST_NOTE]), None);
        assert_eq!(unpad_note(&[0, 0, 0, 9, 1]), None);
        assert_eq!(unpad_note(&[0, 0, 0, 0, 1]), None, "padding is zeros");
    }
}
