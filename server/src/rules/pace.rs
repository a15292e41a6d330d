//! The time by which things are dropped. A clock that is wrong for a moment must not cost anybody a message.
//!
//! Decides: retention's time is never ahead of the clock. At a start it is at most a day after the newest entry, and from
//! there it catches up a day an hour, so that a clock that is a year ahead takes thirty hours to expire what is
//! kept for thirty days; the operator is warned at once. A jump of the clock while the relay runs is caught up in the same
//! way. Nothing is dropped in the first ten minutes after a start. An operator who asks for a pass says that the clock is
//! right.

use kring_protocol::ids::Timestamp;

/// Nothing is dropped so soon after a start: time to notice and stop.
const REST: u64 = 10 * 60 * Timestamp::SECOND;
/// So long after the newest entry a relay may start again without suspicion.
const QUIET: u64 = Timestamp::DAY;
/// Time that passes between two steps, at most; they are 200 ms apart, and what is beyond is a jump of the clock.
const STEP: u64 = 10 * Timestamp::SECOND;
/// How many times faster than the clock the time catches up: a day an hour.
const CATCH_UP: u64 = 24;

/// Retention's time.
#[derive(Debug)]
pub struct Pace {
    newest: Option<Timestamp>,
    now: Option<Moment>,
    rest: u64,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    clock: Timestamp,
    time: Timestamp,
}

impl Pace {
    /// At a start: the newest entry was written then.
    pub fn new(newest: Option<Timestamp>) -> Self {
        Self { newest, now: None, rest: REST }
    }

    /// The clock is right, whatever it was before.
    pub fn confirm(&mut self) {
        *self = Self { newest: None, now: None, rest: 0 };
    }

    /// Retention's time at this moment of the clock; none: nothing is dropped now.
    pub fn step(&mut self, clock: Timestamp) -> Option<Timestamp> {
        let (passed, time) = match self.now {
            Some(before) => {
                let passed = clock.since(before.clock).min(STEP);
                (passed, before.time.plus(passed.saturating_mul(CATCH_UP)))
            }
            None => (0, self.newest.map_or(clock, |newest| newest.plus(QUIET))),
        };
        let time = time.min(clock);
        self.now = Some(Moment { clock, time });
        self.rest = self.rest.saturating_sub(passed);
        (self.rest == 0).then_some(time)
    }

    /// How far the clock is ahead of what is believed.
    pub fn doubted(&self) -> u64 {
        self.now.map_or(0, |now| now.clock.since(now.time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    /// So long in steps of a second; the time at the end.
    fn run(pace: &mut Pace, from: Timestamp, milliseconds: u64) -> Option<Timestamp> {
        (0..=milliseconds / 1_000).map(|second| pace.step(from.plus(second * 1_000))).last().flatten()
    }

    #[test]
    fn after_a_start_nothing_is_dropped_for_ten_minutes() {
        let mut pace = Pace::new(Some(NOW));
        assert_eq!(run(&mut pace, NOW, REST - 1_000), None);
        assert_eq!(pace.step(NOW.plus(REST)), Some(NOW.plus(REST)));
    }

    #[test]
    fn a_clock_that_is_far_ahead_at_a_start_is_followed_a_day_an_hour() {
        let mut pace = Pace::new(Some(NOW));
        let ahead = NOW.plus(365 * Timestamp::DAY);
        pace.step(ahead);
        assert_eq!(pace.doubted(), 364 * Timestamp::DAY);
        let hour = 60 * 60 * 1_000;
        assert_eq!(run(&mut pace, ahead, hour), Some(NOW.plus(2 * Timestamp::DAY)));
        // Put right, it is followed at once: the time was never ahead of it.
        let right = NOW.plus(2 * hour);
        assert_eq!(pace.step(right), Some(right));
    }

    #[test]
    fn a_jump_while_running_is_caught_up_slowly_and_the_time_is_never_ahead_of_the_clock() {
        let mut pace = Pace::new(None);
        run(&mut pace, NOW, REST);
        let before = NOW.plus(REST);
        let jumped = before.plus(40 * Timestamp::DAY);
        // Of forty days, ten seconds count, each for 24.
        assert_eq!(pace.step(jumped), Some(before.plus(240_000)));
        let back = NOW.plus(5);
        assert_eq!(pace.step(back), Some(back));
    }

    #[test]
    fn a_relay_that_was_off_for_a_night_needs_no_patience_beyond_the_rest_and_a_word_ends_all_doubt() {
        let mut pace = Pace::new(Some(NOW));
        let morning = NOW.plus(Timestamp::DAY / 2);
        assert_eq!(run(&mut pace, morning, REST), Some(morning.plus(REST)));
        let mut doubted = Pace::new(Some(NOW));
        let late = NOW.plus(90 * Timestamp::DAY);
        doubted.step(late);
        doubted.confirm();
        assert_eq!(doubted.step(late), Some(late));
    }
}
