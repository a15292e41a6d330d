//! Times: people see and write them in their own zone (Europe/Amsterdam if they choose none), machines get UTC (RFC 3339).
//!
//! Twice a year a clock changes. The hour that comes twice in October is shown with its zone's name, and refused where it
//! is written without saying which is meant; the hour that does not exist in March is refused.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;
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

/// Why a time is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMoment {
    /// It is no time.
    Form,
    /// The clock shows it twice that night.
    Twice,
    /// The clock never shows it.
    Never,
}

/// The moment that a person means: `2026-11-22 21:30`, `21:30` (the next one), `+45m` or `+2h` from now, or RFC 3339.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, NoMoment> {
    moment_in(text, now, chosen())
}

fn moment_in(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, NoMoment> {
    let text = text.trim();
    if let Some(span) = text.strip_prefix('+') {
        let (number, unit) = span.split_at(span.len().saturating_sub(span.chars().last().map_or(0, char::len_utf8)));
        let number: u64 = number.parse().map_err(|_| NoMoment::Form)?;
        let unit = match unit {
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => Timestamp::DAY,
            _ => return Err(NoMoment::Form),
        };
        return number
            .checked_mul(unit)
            .and_then(|span| now.0.checked_add(span))
            .map(Timestamp)
            .ok_or(NoMoment::Form);
    }
    if let Ok(parsed) = OffsetDateTime::parse(text, &Rfc3339) {
        let since = u64::try_from(parsed.unix_timestamp_nanos() / 1_000_000);
        return since.map(Timestamp).map_err(|_| NoMoment::Form);
    }
    if let Ok(there) = text.replacen(' ', "T", 1).parse::<DateTime>() {
        return civil(there, zone);
    }
    let time: jiff::civil::Time = text.parse().map_err(|_| NoMoment::Form)?;
    let today = zoned(now, zone).date();
    let first = civil(today.to_datetime(time), zone)?;
    if first > now {
        return Ok(first);
    }
    civil(today.tomorrow().map_err(|_| NoMoment::Form)?.to_datetime(time), zone)
}

fn civil(there: DateTime, zone: &TimeZone) -> Result<Timestamp, NoMoment> {
    let ambiguous = zone.to_ambiguous_timestamp(there);
    let stamp = match ambiguous.offset() {
        jiff::tz::AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().map_err(|_| NoMoment::Form)?,
        jiff::tz::AmbiguousOffset::Fold { .. } => return Err(NoMoment::Twice),
        jiff::tz::AmbiguousOffset::Gap { .. } => return Err(NoMoment::Never),
    };
    u64::try_from(stamp.as_millisecond()).map(Timestamp).map_err(|_| NoMoment::Form)
}

/// The moment in UTC, to the millisecond.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    utc(at).format(&Rfc3339).unwrap_or_default()
}

/// The moment as clock and calendar of the chosen zone show it.
pub(crate) fn local(at: Timestamp) -> String {
    local_in(at, chosen())
}

/// The day of a moment in the chosen zone.
pub(crate) fn local_day(at: Timestamp) -> String {
    zoned(at, chosen()).strftime("%Y-%m-%d").to_string()
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
    fn a_written_time_is_the_one_that_the_clock_shows_there() {
        let now = utc_moment("2026-03-28T22:00:00Z");
        let read = |text: &str| moment_in(text, now, &amsterdam());
        assert_eq!(read("2026-03-29 01:30"), Ok(utc_moment("2026-03-29T00:30:00Z")));
        assert_eq!(read("2026-03-29 02:30"), Err(NoMoment::Never), "that night it is never half past two");
        assert_eq!(read("2026-03-29T03:30"), Ok(utc_moment("2026-03-29T01:30:00Z")));
        assert_eq!(read("2026-10-25 02:30"), Err(NoMoment::Twice));
        assert_eq!(read("2026-10-25T02:30:00+01:00"), Ok(utc_moment("2026-10-25T01:30:00Z")));
        assert_eq!(read("23:30"), Ok(utc_moment("2026-03-28T22:30:00Z")), "the next one");
        assert_eq!(read("22:30"), Ok(utc_moment("2026-03-29T20:30:00Z")), "tomorrow, an hour sooner by UTC");
        assert_eq!(read("+45m"), Ok(utc_moment("2026-03-28T22:45:00Z")));
        assert_eq!(read("+4h"), Ok(utc_moment("2026-03-29T02:00:00Z")), "four hours are four hours");
        for nothing in ["", "+", "+x", "soon", "25:00", "+99999999999999999999d", "2026-13-01 10:00", "+5é"] {
            assert_eq!(read(nothing), Err(NoMoment::Form), "{nothing}");
        }
    }

    #[test]
    fn machines_get_utc() {
        assert_eq!(rfc3339(Timestamp(1_800_000_000_123)), "2027-01-15T08:00:00.123Z");
    }
}
