//! How long to wait before the next attempt to connect: longer each time, bounded, and spread at random so that the
//! clients of a relay that restarts do not all come at once.

use std::time::Duration;

use super::surroundings::Jitter;

/// The first wait, in milliseconds: a relay that restarts is back within a second.
const FIRST: u64 = 250;
/// The longest wait: half a minute after the network is back, everybody is.
const MOST: u64 = 30_000;
/// A connection that stood this long counts as a success. One that ends sooner does not, so that a relay which
/// accepts and drops is not stormed.
const STANDS_AFTER: Duration = Duration::from_secs(5);

/// Counts failures.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// Failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt failed, or a connection ended after `stood`: how long to wait. At least `asked` milliseconds, if
    /// the relay said so (bounded as well).
    pub(super) fn failed(&mut self, stood: Duration, asked: u64, jitter: &dyn Jitter) -> Duration {
        if stood >= STANDS_AFTER {
            self.failures = 0;
        }
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(16)).min(MOST);
        self.failures = self.failures.saturating_add(1);
        let half = ceiling / 2;
        Duration::from_millis(asked.min(MOST) + half + jitter.below(half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always the greatest number.
    struct Greatest;
    impl Jitter for Greatest {
        fn below(&self, bound: u64) -> u64 {
            bound.saturating_sub(1)
        }
    }
    /// Always 0.
    struct Least;
    impl Jitter for Least {
        fn below(&self, _: u64) -> u64 {
            0
        }
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut back_off = BackOff::default();
        let waits: Vec<_> = (0..10).map(|_| back_off.failed(Duration::ZERO, 0, &Greatest).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn half_of_each_wait_is_random() {
        assert_eq!(BackOff::default().failed(Duration::ZERO, 0, &Least), Duration::from_millis(FIRST / 2));
    }

    #[test]
    fn a_connection_that_stood_begins_anew_and_one_that_flapped_does_not() {
        let mut back_off = BackOff::default();
        for _ in 0..4 {
            back_off.failed(Duration::ZERO, 0, &Greatest);
        }
        assert_eq!(back_off.failed(Duration::from_secs(1), 0, &Greatest), Duration::from_secs(4));
        assert_eq!(back_off.failed(STANDS_AFTER, 0, &Greatest), Duration::from_millis(FIRST));
        assert_eq!(back_off.failures(), 1);
    }

    #[test]
    fn what_a_relay_asks_for_is_kept_within_the_bound() {
        let wait = BackOff::default().failed(Duration::ZERO, u64::MAX, &Least);
        assert_eq!(wait, Duration::from_millis(MOST + FIRST / 2));
    }
}
