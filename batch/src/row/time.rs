//! Times: microseconds since 1970, and their text.

const MICROS_OF_SECOND: i64 = 1_000_000;
const SECONDS_OF_DAY: i64 = 86_400;
const MICROS_OF_DAY: i64 = SECONDS_OF_DAY * MICROS_OF_SECOND;

/// The days from 0001-01-01 to 1970-01-01.
const EPOCH: i64 = days_before(1970);

/// 0001-01-01T00:00:00Z, and the first time of the year 10000.
const FIRST: i64 = -EPOCH * MICROS_OF_DAY;
const END: i64 = (days_before(10_000) - EPOCH) * MICROS_OF_DAY;

/// The days of a year before each month, without a leap day.
const MONTHS: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Returns the time in a text of the form `YYYY-MM-DDTHH:MM:SS[.f+](Z or ±HH:MM)`, in microseconds
/// since 1970, or `None` if the text has another form.
///
/// The date must exist: years 0001 to 9999, leap days in leap years only. Hours up to 23, minutes
/// and seconds up to 59, also in the offset, which must not be `-00:00`. The letters are upper
/// case. The fraction has any number of digits, at least one, and is truncated to microseconds. A
/// time that the offset moves out of the years 0001 to 9999 is `None` too.
///
/// # Examples
///
/// ```
/// use carwalk_batch::row::datetime_micros;
///
/// assert_eq!(datetime_micros("1970-01-01T01:00:00.5+01:00"), Some(500_000));
/// assert_eq!(datetime_micros("1970-01-01T00:00:00"), None);
/// assert_eq!(datetime_micros("2026-02-29T00:00:00Z"), None);
/// ```
#[must_use]
pub fn datetime_micros(text: &str) -> Option<i64> {
    let (datetime, rest) = text.as_bytes().split_first_chunk()?;
    let seconds = seconds(datetime)?;
    let (micros, zone) = fraction(rest)?;
    let local = seconds.checked_mul(MICROS_OF_SECOND)?.checked_add(micros)?;
    let time = local.checked_sub(offset(zone)?.checked_mul(60 * MICROS_OF_SECOND)?)?;
    has_text(time).then_some(time)
}

/// Returns whether a time is in the years 0001 to 9999.
pub(crate) fn has_text(micros: i64) -> bool {
    (FIRST..END).contains(&micros)
}

/// Returns the seconds since 1970 of `YYYY-MM-DDTHH:MM:SS`.
fn seconds(text: &[u8; 19]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', time @ ..] = *text else { return None };
    let [h1, h2, b':', n1, n2, b':', s1, s2] = time else { return None };
    let year = two(y1, y2)?.checked_mul(100)?.checked_add(two(y3, y4)?)?;
    let days = days(year, two(m1, m2)?, two(d1, d2)?)?;
    let [hour, minute, second] = [two(h1, h2)?, two(n1, n2)?, two(s1, s2)?];
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let minutes = days.checked_mul(24)?.checked_add(hour)?.checked_mul(60)?.checked_add(minute)?;
    minutes.checked_mul(60)?.checked_add(second)
}

/// Returns the days from 1970-01-01 to a date, if that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let (is_leap, before) = (is_leap(year), *MONTHS.get(month)?);
    let after = MONTHS.get(month.checked_add(1)?).copied().unwrap_or(365);
    let len = after.checked_sub(before)?.checked_add(i64::from(is_leap && month == 1))?;
    if year < 1 || !(1..=len).contains(&day) {
        return None;
    }
    let start = before.checked_add(i64::from(is_leap && month > 1))?;
    let days = days_before(year).checked_sub(EPOCH)?.checked_add(start)?;
    days.checked_add(day)?.checked_sub(1)
}

/// Returns the days from 0001-01-01 to the first day of a year.
#[expect(clippy::arithmetic_side_effects, reason = "years are below 100,000")]
const fn days_before(year: i64) -> i64 {
    let years = year - 1;
    years * 365 + years / 4 - years / 100 + years / 400
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Reads the fraction, if there is one: its microseconds, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let len = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(len).filter(|_| len > 0)?;
    let digits = digits.iter().map(|digit| i64::from(digit & 0xf));
    let digits = digits.chain(core::iter::repeat(0)).take(6);
    Some((digits.fold(0, |micros: i64, digit| micros.wrapping_mul(10).wrapping_add(digit)), rest))
}

/// Returns the minutes by which local time is ahead.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, [h1, h2, b':', m1, m2]) = (match *zone {
        [b'Z'] => return Some(0),
        [sign @ (b'+' | b'-'), ref rest @ ..] => (sign, rest),
        _ => return None,
    }) else {
        return None;
    };
    let (hours, minutes) = (two(*h1, *h2)?, two(*m1, *m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    match hours.checked_mul(60)?.checked_add(minutes)? {
        0 if sign == b'-' => None,
        minutes if sign == b'-' => minutes.checked_neg(),
        minutes => Some(minutes),
    }
}

/// Returns the number of two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    let number = i64::from(tens & 0xf).wrapping_mul(10).wrapping_add(i64::from(ones & 0xf));
    is_number.then_some(number)
}

/// Appends a time as `2026-01-02T03:04:05.000006Z`.
///
/// `micros` counts from 1970. Times outside the years 0001 to 9999, which no column has, become the
/// nearest one inside.
///
/// # Examples
///
/// ```
/// let mut out = Vec::new();
/// carwalk_batch::row::append_time(1_726_905_600_000_001, &mut out);
/// assert_eq!(out, b"2024-09-21T08:00:00.000001Z");
/// ```
pub fn append_time(micros: i64, out: &mut Vec<u8>) {
    let micros = micros.clamp(FIRST, END.wrapping_sub(1));
    let day = micros.div_euclid(MICROS_OF_DAY);
    let micros = micros.rem_euclid(MICROS_OF_DAY);
    let (year, month, day) = date(day.wrapping_add(EPOCH));
    let (second, micros) = (micros / MICROS_OF_SECOND, micros % MICROS_OF_SECOND);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let fields = [(0..4, year), (5..7, month), (8..10, day)];
    let times = [(11..13, second / 3600), (14..16, second / 60 % 60), (17..19, second % 60)];
    for (digits, number) in fields.into_iter().chain(times).chain([(20..26, micros)]) {
        put(text.get_mut(digits).unwrap_or_default(), number);
    }
    out.extend_from_slice(&text);
}

/// Writes a number that fits its digits.
#[inline]
fn put(digits: &mut [u8], number: i64) {
    let mut rest = u32::try_from(number).unwrap_or_default();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' | u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
}

/// Converts the days since 0001-01-01 to year, month and day.
fn date(days: i64) -> (i64, i64, i64) {
    // 400 years have 146,097 days. The estimate may be the year before or after.
    let estimate = (days.wrapping_mul(400) / 146_097).wrapping_add(1);
    let year = match days {
        days if days < days_before(estimate) => estimate.wrapping_sub(1),
        days if days >= days_before(estimate.wrapping_add(1)) => estimate.wrapping_add(1),
        _ => estimate,
    };
    let day = days.wrapping_sub(days_before(year));
    // From March on, days are those of a year without a leap day.
    let leap = i64::from(is_leap(year));
    let day = match day {
        59 if leap == 1 => return (year, 2, 29),
        60.. => day.wrapping_sub(leap),
        day => day,
    };
    let month = MONTHS.iter().rposition(|&before| before <= day).unwrap_or_default();
    let before = MONTHS.get(month).copied().unwrap_or_default();
    let number = i64::try_from(month).unwrap_or_default();
    (year, number.wrapping_add(1), day.wrapping_sub(before).wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(micros: i64) -> String {
        let mut out = Vec::new();
        append_time(micros, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_read_and_written() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
            ("2026-01-02T03:04:05.000006Z", "2026-01-02T03:04:05.000006Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
            ("2000-02-29T23:00:00Z", "2000-02-29T23:00:00.000000Z"),
            ("2024-12-31T12:00:00Z", "2024-12-31T12:00:00.000000Z"),
            ("2024-03-01T12:00:00Z", "2024-03-01T12:00:00.000000Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"),
            ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000Z"),
            ("2026-01-01T00:30:00-23:59", "2026-01-02T00:29:00.000000Z"),
            ("2026-01-01T00:30:00+00:00", "2026-01-01T00:30:00.000000Z"),
            ("0001-01-01T00:00:00-00:01", "0001-01-01T00:01:00.000000Z"),
            ("9999-12-31T23:59:59+00:01", "9999-12-31T23:58:59.000000Z"),
            ("2026-01-01T10:20:30.1234567Z", "2026-01-01T10:20:30.123456Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
            ("2026-01-01T10:20:30.000000999+05:30", "2026-01-01T04:50:30.000000Z"),
        ] {
            assert_eq!(datetime_micros(text).map(shown).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "0000-01-01T00:00:00Z",
            "0000-12-31T23:59:59Z",
            "99999-01-01T00:00:00Z",
            "+99999-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-12-32T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T23:59:60Z",
            "2024-01-01t00:00:00Z",
            "2024-01-01T00:00:00z",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00,5Z",
            "2024-01-01T00:00:00.5",
            "2024-01-01T00:00:00.-5Z",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+00:60",
            "2024-01-01T00:00:00-00:00",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+01",
            "2024-01-01T00:00:00+1:00",
            "2024-01-01T00:00:00\u{2212}01:00",
            "2024-01-01T00:00:00Z ",
            " 2024-01-01T00:00:00Z",
            "2024-01-01T00:00Z",
            "2024-1-1T00:00:00Z",
            "2024-01-01",
            "20240101T000000Z",
            "2024-01-01T00:00:0\u{661}Z",
            "2024-01-01T00:00:00Z\0",
            // The offset moves these out of the years.
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(datetime_micros(text), None, "{text}");
        }
    }

    #[test]
    fn fractions_have_any_number_of_digits() {
        for len in 1..=30 {
            let digits = &"123456789012345678901234567890"[..len];
            let expected: i64 = format!("{digits:0<6}")[..6].parse().unwrap();
            for zone in ["Z", "+00:00"] {
                let text = format!("1970-01-01T00:00:00.{digits}{zone}");
                assert_eq!(datetime_micros(&text), Some(expected), "{text}");
            }
        }
        let long = format!("1970-01-01T00:00:00.{}Z", "9".repeat(1 << 16));
        assert_eq!(datetime_micros(&long), Some(999_999));
    }

    /// Every day of the years 0001 to 9999, counted.
    #[test]
    fn all_dates_follow_each_other() {
        let mut day = -EPOCH;
        for year in 1..=9999 {
            for month in 1..=12 {
                let len = match month {
                    2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                for date in 1..=len {
                    assert_eq!(days(year, month, date), Some(day));
                    assert_eq!(super::date(day + EPOCH), (year, month, date));
                    day += 1;
                }
                assert_eq!((days(year, month, 0), days(year, month, len + 1)), (None, None));
            }
        }
        assert_eq!(day * MICROS_OF_DAY, END);
    }

    #[test]
    fn every_second_of_a_day_has_its_text() {
        for second in 0..SECONDS_OF_DAY {
            let (hour, minute) = (second / 3600, second / 60 % 60);
            let text = format!("2024-02-29T{hour:02}:{minute:02}:{:02}.000000Z", second % 60);
            assert_eq!(shown(datetime_micros(&text).unwrap()), text);
        }
        assert_eq!(shown(i64::MIN), "0001-01-01T00:00:00.000000Z");
        assert_eq!(shown(i64::MAX), "9999-12-31T23:59:59.999999Z");
    }
}
