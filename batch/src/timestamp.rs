//! Times of files, in the form of RFC 3339.

use std::time::{SystemTime, UNIX_EPOCH};

const MICROS_OF_SECOND: i128 = 1_000_000;

const SECONDS_OF_DAY: i128 = 86_400;

/// Days from the first day of the year 1 to that of 1970.
const DAYS_BEFORE_1970: i128 = 719_162;

/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_CYCLE: i128 = 146_097;

/// Returns the time in UTC: `2026-01-02T03:04:05.000006Z`. `None` unless the year is in 1 to 9999.
///
/// A part of a microsecond is cut off.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use carwalk_batch::utc;
///
/// let time = UNIX_EPOCH + Duration::from_micros(1_767_323_045_000_006);
/// assert_eq!(utc(time).as_deref(), Some("2026-01-02T03:04:05.000006Z"));
/// ```
#[must_use]
pub fn utc(time: SystemTime) -> Option<String> {
    let micros = micros(time)?;
    let (second, micro) = parts(micros, MICROS_OF_SECOND);
    let (day, second) = parts(second, SECONDS_OF_DAY);
    let (year, month, day) = date(day.checked_add(DAYS_BEFORE_1970)?)?;
    let (minute, second) = parts(second, 60);
    let (hour, minute) = parts(minute, 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z"))
}

/// Returns the microseconds since 1970, rounded down.
fn micros(time: SystemTime) -> Option<i128> {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).ok()?,
        Err(error) => i128::try_from(error.duration().as_nanos()).ok()?.checked_neg()?,
    };
    Some(nanos.div_euclid(1000))
}

/// Splits a number into whole units and the rest, which is not negative.
fn parts(number: i128, unit: i128) -> (i128, i128) {
    (number.div_euclid(unit), number.rem_euclid(unit))
}

/// Converts the number of days since the first day of the year 1 to year, month and day.
fn date(days: i128) -> Option<(i128, i128, i128)> {
    let (cycle, mut days) = parts(days, DAYS_OF_CYCLE);
    let mut year = cycle.checked_mul(400)?.checked_add(1)?;
    // At most 400 steps.
    while days >= days_of_year(year) {
        days = days.checked_sub(days_of_year(year))?;
        year = year.checked_add(1)?;
    }
    let mut month = 1_i128;
    for len in [31, days_of_february(year), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days = days.checked_sub(len)?;
        month = month.checked_add(1)?;
    }
    (1..=9999).contains(&year).then_some((year, month, days.checked_add(1)?))
}

fn days_of_year(year: i128) -> i128 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_february(year: i128) -> i128 {
    if is_leap(year) { 29 } else { 28 }
}

fn is_leap(year: i128) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(seconds: u64, nanos: u32) -> Option<String> {
        utc(UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))?)
    }

    fn before(seconds: u64, nanos: u32) -> Option<String> {
        utc(UNIX_EPOCH.checked_sub(Duration::new(seconds, nanos))?)
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, nanos, expected) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, 999, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199, 999_999_999, "2024-02-29T23:59:59.999999Z"),
            (4_107_542_399, 1_000, "2100-02-28T23:59:59.000001Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(after(seconds, nanos).as_deref(), Some(expected));
        }
    }

    #[test]
    fn times_before_1970_are_rounded_down() {
        assert_eq!(before(0, 1).as_deref(), Some("1969-12-31T23:59:59.999999Z"));
        assert_eq!(before(86_400, 0).as_deref(), Some("1969-12-31T00:00:00.000000Z"));
        assert_eq!(before(62_135_596_800, 0).as_deref(), Some("0001-01-01T00:00:00.000000Z"));
    }

    #[test]
    fn years_of_more_digits_have_none() {
        assert_eq!(after(253_402_300_800, 0), None);
        assert_eq!(before(62_135_596_800, 1_000), None);
    }
}
