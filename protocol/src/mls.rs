//! What a relay may read of MLS messages: the header of a PrivateMessage (RFC 9420 §6 and §6.3) and the type of a
//! KeyPackage message. Everything else in them is ciphertext or none of the relay's business.
//!
//! Refused: another MLS version, another wire format (so a PublicMessage never enters a log), a group id that is
//! not 16 bytes, an epoch of 2^62 or more, an unknown content type, vectors that end early, lengths not in their shortest form
//! (RFC 9420 §2.1.2), and bytes after the message.

use crate::ids::{Epoch, GroupId};

/// `ProtocolVersion mls10` (RFC 9420 §6).
const MLS10: u16 = 1;
/// `WireFormat mls_private_message` (RFC 9420 §6).
const PRIVATE_MESSAGE: u16 = 2;
/// `WireFormat mls_key_package` (RFC 9420 §6).
const KEY_PACKAGE: u16 = 5;

/// What a PrivateMessage carries (RFC 9420 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// An application message.
    Application,
    /// A proposal standing by itself.
    Proposal,
    /// A Commit, which ends the epoch.
    Commit,
}

/// The clear header of a PrivateMessage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The group.
    pub group: GroupId,
    /// The epoch in which it was encrypted.
    pub epoch: Epoch,
    /// What it carries.
    pub content: ContentType,
}

/// The bytes are not a message of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed MLS message of the expected kind")]
pub struct NotMls;

/// Reads the header of an `MLSMessage` that holds a PrivateMessage, and checks the whole framing.
pub fn private_message(message: &[u8]) -> Result<Header, NotMls> {
    let mut rest = message;
    if take_u16(&mut rest)? != MLS10 || take_u16(&mut rest)? != PRIVATE_MESSAGE {
        return Err(NotMls);
    }
    let group = GroupId::from_slice(take_vector(&mut rest)?).ok_or(NotMls)?;
    let epoch = Epoch(u64::from_be_bytes(take(&mut rest, 8)?.try_into().map_err(|_| NotMls)?));
    if epoch > Epoch::MAX {
        return Err(NotMls);
    }
    let content = match take(&mut rest, 1)? {
        [1] => ContentType::Application,
        [2] => ContentType::Proposal,
        [3] => ContentType::Commit,
        _ => return Err(NotMls),
    };
    let _authenticated_data = take_vector(&mut rest)?;
    let _encrypted_sender_data = take_vector(&mut rest)?;
    let _ciphertext = take_vector(&mut rest)?;
    if rest.is_empty() { Ok(Header { group, epoch, content }) } else { Err(NotMls) }
}

/// Checks that the bytes begin as an `MLSMessage` that holds a KeyPackage; the rest is for those who claim it.
pub fn key_package(message: &[u8]) -> Result<(), NotMls> {
    let mut rest = message;
    let prefix = (take_u16(&mut rest)?, take_u16(&mut rest)?, take_u16(&mut rest)?);
    if prefix == (MLS10, KEY_PACKAGE, MLS10) { Ok(()) } else { Err(NotMls) }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], NotMls> {
    let (head, tail) = rest.split_at_checked(count).ok_or(NotMls)?;
    *rest = tail;
    Ok(head)
}

fn take_u16(rest: &mut &[u8]) -> Result<u16, NotMls> {
    Ok(u16::from_be_bytes(take(rest, 2)?.try_into().map_err(|_| NotMls)?))
}

/// A vector with a variable-size length (RFC 9420 §2.1.2): the two high bits say whether it has 1, 2 or 4 bytes.
fn take_vector<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], NotMls> {
    let first = *rest.first().ok_or(NotMls)?;
    let (size, least) = match first >> 6 {
        0 => (1, 0),
        1 => (2, 1 << 6),
        2 => (4, 1 << 14),
        _ => return Err(NotMls),
    };
    let digits = take(rest, size)?;
    let length = digits.iter().fold(0usize, |value, digit| value << 8 | usize::from(*digit));
    let length = length & ((1 << (8 * size - 2)) - 1);
    if length < least {
        return Err(NotMls);
    }
    take(rest, length)
}
