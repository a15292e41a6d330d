//! The ticket: what an administrator gives to the person whom a device is for, as text.
//!
//! ```text
//! KRING1-AEAAA-AAAAA-…
//! ```
//!
//! Behind `KRING1-` stands base32 (RFC 4648 §6, no padding) in groups of five that hyphens separate, of
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | end, in seconds since 1970-01-01T00:00:00Z, big-endian |
//! | 32 | secret |
//! | 32 | SHA-256 of the certificate of the region's root |
//! | 1 + n | the relay's address, `host:port`, behind its length |
//! | 1 + n | the name in the relay's certificate where it is not the host, behind its length |
//! | 4 | the first bytes of SHA-256 over `kring ticket check 1` and all bytes before |
//!
//! Only upper-case letters, digits and hyphens: that is the alphanumeric mode of QR codes (ISO/IEC 18004). Blanks, line
//! breaks, hyphens and the case of letters do not matter when a ticket is read. Refused: texts that were mistyped or cut,
//! and those of another version.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;
use kring_protocol::ids::Timestamp;
use rustls_pki_types::CertificateDer;
use zeroize::{Zeroize as _, Zeroizing};

use super::seal::TicketSecret;
use crate::identity::RelayAddress;

/// What every ticket of this version begins with.
const PREFIX: &str = "KRING1-";
/// What those of any version begin with.
const ANY_PREFIX: &str = "KRING";
/// Characters in a group.
const GROUP: usize = 5;
/// Bytes of the check.
const CHECK: usize = 4;
/// What the check is over, before the content.
const CHECK_LABEL: &[u8] = b"kring ticket check 1";
/// Most characters that are looked at: 2 · 255 bytes of names, 73 more, in base32 with hyphens, are some 1,130.
const MOST: usize = 2_048;

/// What opens the way to a certificate, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The secret that device and administrator share.
    pub secret: TicketSecret,
    /// The relay where the request is left.
    pub relay: RelayAddress,
    /// SHA-256 of the certificate of the region's root: roots that an answer brings must have it.
    pub region: [u8; 32],
    /// Last moment at which it is good, in whole seconds.
    pub expires: Timestamp,
}

/// Why a text is not a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It does not begin as tickets do.
    #[error("this is not a ticket; a ticket begins with {PREFIX}")]
    NotATicket,
    /// It is one of another version.
    #[error("this ticket was made by another version; update the program")]
    OtherVersion,
    /// A character is wrong or missing.
    #[error("the ticket is not whole or was mistyped; copy it again, all of it")]
    Mistyped,
}

impl Ticket {
    /// The ticket as text.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + 32 + 32 + 2 * 256 + CHECK));
        // Beyond the year 2106 tickets need another version.
        let end = u32::try_from(self.expires.0 / Timestamp::SECOND).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&end.to_be_bytes());
        bytes.extend_from_slice(self.secret.as_bytes());
        bytes.extend_from_slice(&self.region);
        let name = if self.relay.name() == self.relay.host() { "" } else { self.relay.name() };
        for text in [&*self.relay.to_string(), name] {
            // A host name has at most 253 characters; with a port that is 259, of which names in use have a tenth.
            let text = &text.as_bytes()[..text.len().min(usize::from(u8::MAX))];
            bytes.push(text.len() as u8);
            bytes.extend_from_slice(text);
        }
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        let encoded = Zeroizing::new(BASE32_NOPAD.encode(&bytes));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + encoded.len() * 6 / 5 + 1));
        text.push_str(PREFIX);
        for (place, character) in encoded.chars().enumerate() {
            if place > 0 && place % GROUP == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text
    }

    /// Reads a ticket.
    pub fn from_text(text: &str) -> Result<Self, TicketError> {
        if text.len() > MOST {
            return Err(TicketError::NotATicket);
        }
        let text = Zeroizing::new(text.split_whitespace().collect::<String>().to_ascii_uppercase());
        let Some(body) = text.strip_prefix(PREFIX) else {
            let of_another =
                text.strip_prefix(ANY_PREFIX).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            return Err(if of_another { TicketError::OtherVersion } else { TicketError::NotATicket });
        };
        let digits = Zeroizing::new(body.replace('-', ""));
        let mut bytes = BASE32_NOPAD.decode(digits.as_bytes()).map_err(|_| TicketError::Mistyped)?;
        let ticket = Self::from_bytes(&bytes);
        bytes.zeroize();
        ticket.ok_or(TicketError::Mistyped)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, given) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
        if check(content) != given {
            return None;
        }
        let (end, rest) = content.split_at_checked(4)?;
        let (secret, rest) = rest.split_at_checked(32)?;
        let (region, rest) = rest.split_at_checked(32)?;
        let (address, rest) = text(rest)?;
        let (name, []) = text(rest)? else { return None };
        let relay: RelayAddress = address.parse().ok()?;
        Some(Self {
            secret: TicketSecret::new(Zeroizing::new(secret.try_into().ok()?)),
            relay: if name.is_empty() { relay } else { relay.with_name(name).ok()? },
            region: region.try_into().ok()?,
            expires: Timestamp(u64::from(u32::from_be_bytes(end.try_into().ok()?)) * Timestamp::SECOND),
        })
    }

    /// Whether the certificate is that of the region's root.
    pub fn is_region(&self, root: &CertificateDer<'_>) -> bool {
        Self::pin(root) == self.region
    }

    /// What a ticket says of the certificate of a region's root.
    pub fn pin(root: &CertificateDer<'_>) -> [u8; 32] {
        let mut pin = [0; 32];
        pin.copy_from_slice(digest(&SHA256, root).as_ref());
        pin
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// A text behind its length, and what follows it.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn check(content: &[u8]) -> [u8; CHECK] {
    let hash = digest(&SHA256, &[CHECK_LABEL, content].concat());
    let mut check = [0; CHECK];
    check.copy_from_slice(&hash.as_ref()[..CHECK]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(address: &str, name: Option<&str>) -> Ticket {
        let relay: RelayAddress = address.parse().unwrap();
        Ticket {
            secret: TicketSecret::new(Zeroizing::new([0xa5; 32])),
            relay: name.map_or(relay.clone(), |name| relay.with_name(name).unwrap()),
            region: [7; 32],
            expires: Timestamp(1_800_000_000_000),
        }
    }

    #[test]
    fn a_ticket_survives_its_text_however_it_is_copied() {
        for ticket in [
            ticket("127.0.0.1:4433", None),
            ticket("[::1]:9", Some("relay.example")),
            ticket("relay.region.example:4433", Some("192.0.2.1")),
        ] {
            let text = ticket.to_text();
            assert!(text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'-'), "{}", *text);
            assert!(Ticket::from_text(&text).unwrap() == ticket);
            assert!(Ticket::from_text(&text.to_lowercase()).unwrap() == ticket);
            let in_lines: String =
                text.as_bytes().chunks(40).map(|l| format!("  {}\r\n", str::from_utf8(l).unwrap())).collect();
            assert!(Ticket::from_text(&in_lines).unwrap() == ticket);
            assert!(
                Ticket::from_text(&format!("{PREFIX}{}", text[PREFIX.len()..].replace('-', ""))).unwrap() == ticket
            );
        }
    }

    #[test]
    fn a_slip_in_any_place_is_noticed() {
        let text = ticket("127.0.0.1:4433", None).to_text();
        for place in PREFIX.len()..text.len() {
            let mut slip = text.as_bytes().to_vec();
            if slip[place] == b'-' {
                continue;
            }
            slip[place] = if slip[place] == b'A' { b'B' } else { b'A' };
            let read = Ticket::from_text(str::from_utf8(&slip).unwrap());
            assert_eq!(read.map(drop), Err(TicketError::Mistyped), "{place}");
            assert!(Ticket::from_text(&text[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn what_is_no_ticket_is_named_as_that() {
        for text in ["", "kring", "-----BEGIN CERTIFICATE-----", "KRINGX-AAAAA", &"A".repeat(5_000)] {
            assert_eq!(Ticket::from_text(text).map(drop), Err(TicketError::NotATicket), "{text}");
        }
        assert_eq!(Ticket::from_text("KRING2-AAAAA").map(drop), Err(TicketError::OtherVersion));
        assert_eq!(Ticket::from_text("KRING1-").map(drop), Err(TicketError::Mistyped));
        assert_eq!(Ticket::from_text("KRING1-0189!").map(drop), Err(TicketError::Mistyped));
        assert_eq!(format!("{:?}", ticket("127.0.0.1:1", None)), "Ticket(..)");
    }
}
