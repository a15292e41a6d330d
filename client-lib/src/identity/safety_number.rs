//! Safety numbers: what two people read to each other over the telephone to know that they mean the same.
//!
//! Eight groups of five digits, which take some twenty seconds to read out: 40 digits of which each group is 40 bits of
//! hash modulo 100,000, so 8 × log2(100,000) = 132.9 bits. Somebody who wants **another** device, or another state of a
//! case, to show a number that is given has to try 2^132 of them. Somebody who makes both sides (a member who is in
//! league with the relay and splits a case into two that look alike) needs 2^66 tries, each an epoch derived with its
//! keys, and 4,096 rounds of hashing: 2^78 hashes.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use kring_pki::verify::VerifiedDevice;
use serde::{Deserialize, Serialize};

/// Groups of a number.
const GROUPS: usize = 8;
/// One more than the largest group.
const MODULUS: u64 = 100_000;
/// Rounds of hashing: half a millisecond for who shows a number, 2^12 times the work for who forges one.
const ROUNDS: usize = 4_096;
/// What a device's number is about.
const OF_DEVICE: &[u8] = b"kring device number 1";
/// What a case's number is about.
const OF_CASE: &[u8] = b"kring case number 1";

/// A number to be compared, digit by digit. Shown in eight groups of five digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyNumber([u32; GROUPS]);

/// Text that is not a safety number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a safety number has forty digits; type all of them, with or without spaces")]
pub struct NotANumber;

impl SafetyNumber {
    /// The number of a device: of its address and its certificate's key, which stays when the certificate is renewed.
    pub fn of_device(device: &VerifiedDevice) -> Self {
        Self::of(OF_DEVICE, &[device.address().to_uri().as_bytes(), device.public_key()])
    }

    /// The number of a case in one epoch: of its identifier and the epoch authenticator (RFC 9420 §8.7), which depends
    /// on all that ever changed the group. Two members who read the same number have seen the same changes.
    pub(crate) fn of_case(case: &[u8], authenticator: &[u8]) -> Self {
        Self::of(OF_CASE, &[case, authenticator])
    }

    fn of(label: &[u8], parts: &[&[u8]]) -> Self {
        let mut text = label.to_vec();
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        let mut hash = digest(&SHA256, &text);
        for _ in 0..ROUNDS {
            hash = digest(&SHA256, &[hash.as_ref(), &text].concat());
        }
        // 40 bytes are needed: a second hash follows the first.
        let more = digest(&SHA256, &[hash.as_ref(), label].concat());
        let bytes = [hash.as_ref(), more.as_ref()].concat();
        let mut groups = [0; GROUPS];
        for (group, bytes) in groups.iter_mut().zip(bytes.chunks_exact(5)) {
            let value = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            *group = u32::try_from(value % MODULUS).expect("below 100,000");
        }
        Self(groups)
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{group:05}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for SafetyNumber {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let digits: Vec<u32> = text
            .chars()
            .filter(|character| !character.is_whitespace() && *character != '-')
            .map(|character| character.to_digit(10).ok_or(NotANumber))
            .collect::<Result<_, _>>()?;
        if digits.len() != GROUPS * 5 {
            return Err(NotANumber);
        }
        let mut groups = [0; GROUPS];
        for (group, digits) in groups.iter_mut().zip(digits.chunks_exact(5)) {
            *group = digits.iter().fold(0, |value, digit| value * 10 + digit);
        }
        Ok(Self(groups))
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SafetyNumber(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_back_as_it_was_read_out() {
        let number = SafetyNumber::of_case(&[1; 16], &[2; 32]);
        let text = number.to_string();
        assert_eq!(text.len(), 47);
        assert_eq!(text.parse(), Ok(number));
        assert_eq!(text.replace(' ', "").parse(), Ok(number));
        assert_eq!(text[..46].parse::<SafetyNumber>(), Err(NotANumber));
        assert_eq!("x".repeat(40).parse::<SafetyNumber>(), Err(NotANumber));
        assert_eq!("é".repeat(20).parse::<SafetyNumber>(), Err(NotANumber));
    }

    #[test]
    fn what_is_moved_from_one_part_into_the_other_gives_another_number() {
        assert_ne!(SafetyNumber::of(OF_CASE, &[b"ab", b"c"]), SafetyNumber::of(OF_CASE, &[b"a", b"bc"]));
        assert_ne!(SafetyNumber::of(OF_CASE, &[b"a"]), SafetyNumber::of(OF_DEVICE, &[b"a"]));
    }

    #[test]
    fn every_part_of_the_hash_shows() {
        let numbers: Vec<_> = (0..200u8).map(|byte| SafetyNumber::of_case(&[byte], &[])).collect();
        for group in 0..GROUPS {
            let seen: std::collections::BTreeSet<_> = numbers.iter().map(|number| number.0[group]).collect();
            assert!(seen.len() > 190, "group {group} has {} values in 200 numbers", seen.len());
        }
    }
}
