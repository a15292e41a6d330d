//! Clocks of machines, none of which tells the simulated time for certain.

use kring_protocol::ids::Timestamp;

/// Parts in a million.
const MILLION: i64 = 1_000_000;

/// A clock that is ahead or behind, and runs too fast or too slowly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Milliseconds by which it was ahead when it was last set.
    ahead: i64,
    /// So many millionths it runs too fast; negative where it runs too slowly.
    drift: i64,
    /// When it was last set, in simulated time.
    set: Timestamp,
}

impl Clock {
    /// A clock that is right now and drifts from here on.
    pub(super) fn new(now: Timestamp, drift: i64) -> Self {
        Self { ahead: 0, drift, set: now }
    }

    /// What it shows at this moment.
    pub(super) fn shows(&self, now: Timestamp) -> Timestamp {
        let passed = i64::try_from(now.since(self.set)).unwrap_or(i64::MAX);
        let drifted = passed.saturating_mul(self.drift) / MILLION;
        Timestamp(now.0.saturating_add_signed(self.ahead.saturating_add(drifted)))
    }

    /// Somebody sets it, so many milliseconds wrong.
    pub(super) fn set(&mut self, now: Timestamp, ahead: i64) {
        *self = Self { ahead, set: now, ..*self };
    }

    /// The simulated milliseconds after which it has gone on by so many of its own.
    pub(super) fn until(&self, own: u64) -> u64 {
        let rate = MILLION.saturating_add(self.drift).max(1).unsigned_abs();
        own.saturating_mul(MILLION.unsigned_abs()).div_ceil(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    #[test]
    fn a_slow_clock_falls_behind_and_is_awaited_for_longer() {
        let clock = Clock::new(NOW, -2_000);
        assert_eq!(clock.shows(NOW), NOW);
        assert_eq!(clock.shows(NOW.plus(Timestamp::DAY)), NOW.plus(Timestamp::DAY - Timestamp::DAY / 500));
        let woken = NOW.plus(clock.until(60_000));
        assert!(clock.shows(woken) >= NOW.plus(60_000));
        assert!(clock.shows(Timestamp(woken.0 - 2)) < NOW.plus(60_000));
    }

    #[test]
    fn a_clock_that_is_set_drifts_on_from_there() {
        let mut clock = Clock::new(NOW, 1_000);
        let later = NOW.plus(1_000_000);
        assert_eq!(clock.shows(later), later.plus(1_000));
        clock.set(later, -5_000);
        assert_eq!(clock.shows(later).0, later.0 - 5_000);
        assert_eq!(clock.shows(later.plus(1_000_000)).0, later.0 + 1_000_000 - 5_000 + 1_000);
    }
}
