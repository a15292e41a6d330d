//! Times: people see and write them in their own zone (Europe/Amsterdam if they choose none), machines get UTC (RFC 3339).
//!
//! Twice a year a clock changes. The hour that comes twice in October is shown with its zone's name.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use kring_protocol::ids::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The zone in which people see times, unless they choose another.
pub(crate) const DEFAULT_ZONE: &str = "Europe/Amsterdam";

/// A time zone, as an argument.
pub(crate) type Zone = TimeZone;

static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Reads the name of a zone.
pub(crate) fn zone(name: &str) -> Result<Zone, String> {
    TimeZone::get(name).map_err(|_| "a name such as Europe/Amsterdam".to_owned())
}

/// Chooses the zone of this process; the first choice stays.
pub(crate) fn choose_zone(zone: Zone) {
    ZONE.get_or_init(|| zone);
}

fn chosen() -> &'static TimeZone {
    ZONE.get_or_init(|| TimeZone::get(DEFAULT_ZONE).expect("the zone is compiled in"))
}

/// The moment in UTC, to the millisecond.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    utc(at).format(&Rfc3339).unwrap_or_default()
}

/// The moment as clock and calendar of the chosen zone show it.
pub(crate) fn local(at: Timestamp) -> String {
    local_in(at, chosen())
}

fn local_in(at: Timestamp, zone: &TimeZone) -> String {
    let there = zoned(at, zone);
    let twice = zone.to_ambiguous_timestamp(there.datetime()).is_ambiguous();
    there.strftime(if twice { "%Y-%m-%d %H:%M %Z" } else { "%Y-%m-%d %H:%M" }).to_string()
}

fn zoned(at: Timestamp, zone: &TimeZone) -> jiff::Zoned {
    // A moment beyond the year 9999, which only a broken clock gives, is shown as 1970.
    let stamp = i64::try_from(at.0).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    stamp.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn utc_moment(text: &str) -> Timestamp {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).expect("a moment");
        Timestamp(u64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).expect("after 1970"))
    }

    fn amsterdam() -> TimeZone {
        zone(DEFAULT_ZONE).expect("compiled in")
    }

    #[test]
    fn both_clock_changes_are_shown_right_and_the_hour_that_comes_twice_says_which_it_is() {
        for (utc, there) in [
            ("2026-03-29T00:59:59Z", "2026-03-29 01:59"),
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00"),
            ("2026-10-24T23:59:59Z", "2026-10-25 01:59"),
            ("2026-10-25T00:59:59Z", "2026-10-25 02:59 CEST"),
            ("2026-10-25T01:00:00Z", "2026-10-25 02:00 CET"),
            ("2026-10-25T02:00:00Z", "2026-10-25 03:00"),
            ("2026-12-31T23:30:00Z", "2027-01-01 00:30"),
        ] {
            assert_eq!(local_in(utc_moment(utc), &amsterdam()), there, "{utc}");
        }
        let elsewhere = zone("America/Curacao").expect("compiled in");
        assert_eq!(local_in(utc_moment("2026-07-01T12:00:00Z"), &elsewhere), "2026-07-01 08:00");
        assert!(zone("Europe/Nowhere").is_err());
    }

    #[test]
    fn machines_get_utc() {
        assert_eq!(rfc3339(Timestamp(1_800_000_000_123)), "2027-01-15T08:00:00.123Z");
    }
}
