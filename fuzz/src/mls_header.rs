//! Bytes as an MLS message: the relay's parser against one that follows RFC 9420 §2.1.2, §6 and §6.3 word by word.

use kring_protocol::ids::{Epoch, GroupId};
use kring_protocol::mls::{ContentType, Header, key_package, private_message};

use crate::mix;

/// Both parsers agree, on what is a message as well as on what it says.
pub(crate) fn run(input: &[u8]) -> u64 {
    let plain = Plain { bytes: input, at: 0 }.private_message();
    let real = private_message(input).ok();
    assert_eq!(real, plain);
    assert_eq!(key_package(input).is_ok(), input.starts_with(&[0, 1, 0, 5, 0, 1]));
    match real {
        Some(header) => mix(2, header.content as u64),
        None => mix(1, input.len().min(80) as u64),
    }
}

/// A cursor that gives nothing where the message is wrong.
struct Plain<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Plain<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        (0..bytes).try_fold(0u64, |sum, _| Some(sum << 8 | u64::from(self.byte()?)))
    }

    /// The two highest bits of a length tell how many bytes it has; it must be the fewest.
    fn vector(&mut self) -> Option<Vec<u8>> {
        let first = self.byte()?;
        let (more, least) = match first >> 6 {
            0 => (0, 0),
            1 => (1, 1 << 6),
            2 => (3, 1 << 14),
            _ => return None,
        };
        let mut length = u64::from(first & 0x3f);
        for _ in 0..more {
            length = length << 8 | u64::from(self.byte()?);
        }
        if length < least || length > (self.bytes.len() - self.at) as u64 {
            return None;
        }
        (0..length).map(|_| self.byte()).collect()
    }

    fn private_message(mut self) -> Option<Header> {
        let (version, wire_format) = (self.number(2)?, self.number(2)?);
        let group = self.vector()?;
        let epoch = self.number(8)?;
        let content = match self.byte()? {
            1 => ContentType::Application,
            2 => ContentType::Proposal,
            3 => ContentType::Commit,
            _ => return None,
        };
        let (_authenticated_data, _sender_data, _ciphertext) = (self.vector()?, self.vector()?, self.vector()?);
        let fits = version == 1 && wire_format == 2 && epoch < 1 << 62 && self.at == self.bytes.len();
        let group = GroupId::from_slice(&group)?;
        fits.then_some(Header { group, epoch: Epoch(epoch), content })
    }
}
