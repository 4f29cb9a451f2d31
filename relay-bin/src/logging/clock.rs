//! When a record was made, and how that is written: the only wall clock of the crate.

use std::fmt;
use std::time::{Duration, SystemTime};

/// Where records take their time from.
#[derive(Clone, Copy)]
pub struct Clock(fn() -> SystemTime);

impl Clock {
    /// The machine's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "this module is where the crate reads the wall clock"
    )]
    #[must_use]
    pub fn system() -> Self {
        Self(SystemTime::now)
    }

    /// A clock of the caller's.
    #[must_use]
    pub fn from_fn(now: fn() -> SystemTime) -> Self {
        Self(now)
    }

    pub(super) fn now(self) -> Timestamp {
        Timestamp((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A time that prints as RFC 3339 in UTC with milliseconds: `2026-10-04T07:05:03.042Z`.
///
/// The standard library has no calendar, and one line's worth of it does not earn a date crate;
/// tracing-subscriber's own formatter has no milliseconds.
pub(super) struct Timestamp(pub(super) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 86_400_000;
        let millis = match self.0.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => whole_millis(after),
            Err(before) => -whole_millis(before.duration()),
        };
        let (year, month, day) = civil_from_days(millis.div_euclid(DAY));
        let of_day = millis.rem_euclid(DAY);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Howard Hinnant's [`civil_from_days`](https://howardhinnant.github.io/date_algorithms.html#civil_from_days):
/// years begin in March, so that the leap day is the last day of one.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097; // 400 years.
    let days = days + 719_468; // From 0000-03-01.
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_the_dates_they_are() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            // Divisible by 100: a leap year in 2000 only.
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (-25_509, (1900, 2, 28)),
            (-25_508, (1900, 3, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
            (11_322, (2000, 12, 31)),
            (11_323, (2001, 1, 1)),
            (19_782, (2024, 2, 29)),
            (20_730, (2026, 10, 4)),
            (-719_468, (0, 3, 1)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!(civil_from_days(days), date, "day {days}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut date = civil_from_days(-150_000);
        for days in -149_999..150_000 {
            let (year, month, day) = civil_from_days(days);
            let expected = match date {
                (y, m, d) if d < month_len(y, m) => (y, m, d + 1),
                (y, 12, _) => (y + 1, 1, 1),
                (y, m, _) => (y, m + 1, 1),
            };
            assert_eq!((year, month, day), expected);
            date = expected;
        }
    }

    fn month_len(year: i64, month: i64) -> i64 {
        match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    #[test]
    fn times_are_rfc_3339_in_utc_with_milliseconds() {
        let after = |seconds, nanos| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        for (time, text) in [
            (after(0, 0), "1970-01-01T00:00:00.000Z"),
            (after(0, 999_999), "1970-01-01T00:00:00.000Z"),
            (after(951_827_696, 789_000_000), "2000-02-29T12:34:56.789Z"),
            (
                after(1_709_251_199, 999_999_999),
                "2024-02-29T23:59:59.999Z",
            ),
            (after(1_709_251_200, 1_000_000), "2024-03-01T00:00:00.001Z"),
            (
                SystemTime::UNIX_EPOCH - Duration::from_millis(1),
                "1969-12-31T23:59:59.999Z",
            ),
        ] {
            assert_eq!(Timestamp(time).to_string(), text);
        }
    }
}
