//! Who guesses tickets. An id has 128 bits that only the ticket's secret gives, so that no guess ever succeeds; this keeps
//! guessing from costing the relay anything.
//!
//! Refused, for the rest of the minute: a place from which [`WRONG_FROM_ONE`] unknown tickets were named, and everybody
//! when [`WRONG_IN_ALL`] were.

use std::collections::HashMap;
use std::net::IpAddr;

use kring_protocol::ids::Timestamp;
use kring_protocol::refusal::Refusal;

/// Unknown tickets from one place in a minute: somebody who types one wrongly, several times, next to colleagues.
pub const WRONG_FROM_ONE: u32 = 20;
/// Unknown tickets in all in a minute.
pub const WRONG_IN_ALL: u32 = 500;
/// Milliseconds.
const MINUTE: u64 = 60 * Timestamp::SECOND;

/// Where a connection comes from: an IPv4 address, or the 64 bits of an IPv6 address that one subscriber is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Neighbourhood([u8; 8]);

impl Neighbourhood {
    /// Of this address.
    pub fn of(address: IpAddr) -> Self {
        let mut place = [0; 8];
        match address.to_canonical() {
            // 0::/8 is nobody's network.
            IpAddr::V4(address) => place[4..].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => place.copy_from_slice(&address.octets()[..8]),
        }
        Self(place)
    }
}

/// Unknown tickets of the present minute.
#[derive(Default)]
pub struct Guesses {
    minute: u64,
    wrong: HashMap<Neighbourhood, u32>,
    all: u32,
}

impl Guesses {
    /// Whether a request from here is looked at.
    pub fn admit(&mut self, from: Neighbourhood, now: Timestamp) -> Result<(), Refusal> {
        self.turn(now);
        let wrong = self.wrong.get(&from).copied().unwrap_or_default();
        if wrong >= WRONG_FROM_ONE || self.all >= WRONG_IN_ALL {
            return Err(Refusal::RateLimited { after_ms: MINUTE - now.0 % MINUTE });
        }
        Ok(())
    }

    /// Counts an unknown ticket.
    pub fn wrong(&mut self, from: Neighbourhood, now: Timestamp) {
        self.turn(now);
        *self.wrong.entry(from).or_default() += 1;
        self.all += 1;
    }

    fn turn(&mut self, now: Timestamp) {
        let minute = now.0 / MINUTE;
        if self.minute != minute {
            *self = Self { minute, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Neighbourhood {
        Neighbourhood::of(text.parse().expect("an address"))
    }

    #[test]
    fn a_place_that_guesses_waits_for_the_next_minute_and_its_neighbours_do_not() {
        let mut guesses = Guesses::default();
        let now = Timestamp(10 * MINUTE + 1_000);
        for _ in 0..WRONG_FROM_ONE {
            assert_eq!(guesses.admit(place("192.0.2.7"), now), Ok(()));
            guesses.wrong(place("::ffff:192.0.2.7"), now);
        }
        let limited = Err(Refusal::RateLimited { after_ms: MINUTE - 1_000 });
        assert_eq!(guesses.admit(place("192.0.2.7"), now), limited);
        assert_eq!(guesses.admit(place("192.0.2.8"), now), Ok(()));
        assert_eq!(guesses.admit(place("192.0.2.7"), now.plus(MINUTE)), Ok(()));
    }

    #[test]
    fn one_subscribers_addresses_are_one_place() {
        assert!(place("2001:db8:1:2::1") == place("2001:db8:1:2:ffff::9"));
        assert!(place("2001:db8:1:2::1") != place("2001:db8:1:3::1"));
    }

    #[test]
    fn many_places_that_guess_stop_everybody_for_the_minute() {
        let mut guesses = Guesses::default();
        for number in 0..WRONG_IN_ALL {
            let [a, b, c, d] = number.to_be_bytes();
            guesses.wrong(Neighbourhood([a, b, c, d, 0, 0, 0, 0]), Timestamp(5));
        }
        assert!(guesses.admit(place("192.0.2.7"), Timestamp(5)).is_err());
        assert_eq!(guesses.admit(place("192.0.2.7"), Timestamp(MINUTE)), Ok(()));
    }

    #[test]
    fn guesses_count_for_the_whole_minute_and_no_longer() {
        let mut guesses = Guesses::default();
        let start = Timestamp(20_000 * 60_000);
        for number in 0..u64::from(WRONG_FROM_ONE) {
            let now = start.plus(number * 2_900);
            assert_eq!(guesses.admit(place("192.0.2.7"), now), Ok(()), "{number}");
            guesses.wrong(place("192.0.2.7"), now);
        }
        let limited = Err(Refusal::RateLimited { after_ms: 500 });
        assert_eq!(guesses.admit(place("192.0.2.7"), start.plus(59_500)), limited);
        assert_eq!(guesses.admit(place("192.0.2.7"), start.plus(60_000)), Ok(()));
    }
}
