//! Times for people: Europe/Amsterdam, whose rule is that of Directive 2000/84/EC: one hour ahead of UTC, two from the
//! last Sunday of March until the last Sunday of October, changing at 01:00 UTC. Machines get UTC (RFC 3339).

use std::time::{Duration, Instant};

use kring_protocol::ids::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, UtcOffset};

/// The moment in UTC, to the millisecond.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    utc(at).format(&Rfc3339).unwrap_or_default()
}

/// The moment as a clock and calendar in the Netherlands show it.
pub(crate) fn local(at: Timestamp) -> String {
    let utc = utc(at);
    let ahead = if is_summer(utc) { 2 } else { 1 };
    let there = UtcOffset::from_hms(ahead, 0, 0).map_or(utc, |offset| utc.to_offset(offset));
    let (date, clock) = (there.date(), there.time());
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute()
    )
}

/// Now, by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "the one place at which this program looks at the calendar")]
pub(crate) fn now() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to measure.
    #[expect(clippy::disallowed_methods, reason = "the one place at which this program measures time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since it was started.
    pub(crate) fn passed(self) -> Duration {
        self.0.elapsed()
    }
}

fn utc(at: Timestamp) -> OffsetDateTime {
    let nanoseconds = i128::from(at.0) * 1_000_000;
    // A moment beyond the year 9999, which only a broken clock gives, is shown as 1970.
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn is_summer(utc: OffsetDateTime) -> bool {
    let change = |month| last_sunday(utc.year(), month).and_then(|day| day.with_hms(1, 0, 0).ok());
    match (change(Month::March), change(Month::October)) {
        (Some(begin), Some(end)) => (begin.assume_utc()..end.assume_utc()).contains(&utc),
        _ => false,
    }
}

/// Both months have 31 days.
fn last_sunday(year: i32, month: Month) -> Option<Date> {
    let last = Date::from_calendar_date(year, month, 31).ok()?;
    last.checked_sub(time::Duration::days(i64::from(last.weekday().number_days_from_sunday())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).expect("a moment");
        Timestamp(u64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).expect("after 1970"))
    }

    #[test]
    fn the_clock_changes_at_one_in_the_morning_utc() {
        for (utc, there) in [
            ("2026-03-29T00:59:59Z", "2026-03-29 01:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00"),
            ("2026-10-25T00:59:59Z", "2026-10-25 02:59"),
            ("2026-10-25T01:00:00Z", "2026-10-25 02:00"),
            ("2026-12-31T23:30:00Z", "2027-01-01 00:30"),
        ] {
            assert_eq!(local(moment(utc)), there, "{utc}");
        }
    }

    #[test]
    fn machines_get_utc() {
        assert_eq!(rfc3339(Timestamp(1_800_000_000_123)), "2027-01-15T08:00:00.123Z");
    }
}
