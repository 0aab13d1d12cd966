//! A point in time in the form of RFC 3339.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SYNTAX: &str = "expected a time like 2026-11-27T20:00:00Z or 2026-11-27T21:00:00.5+01:00, \
                      from 1970 on";

/// Parses a time.
pub(super) fn parse(text: &str) -> Result<SystemTime, String> {
    let since_1970 = since_1970(text).ok_or(SYNTAX)?;
    UNIX_EPOCH.checked_add(since_1970).ok_or_else(|| SYNTAX.to_owned())
}

fn since_1970(text: &str) -> Option<Duration> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    // A leap second counts like the first second after it.
    let in_range = (1..=days_of_month(year, month)?).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let (nanos, zone) = fraction(rest)?;
    let seconds = days(year, month, day)?.checked_mul(86_400)?;
    let seconds = seconds.checked_add(hour.checked_mul(3600)?)?;
    let seconds = seconds.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    let seconds = seconds.checked_sub(offset(zone)?)?;
    let seconds = u64::try_from(seconds).ok()?;
    in_range.then(|| Duration::new(seconds, nanos))
}

/// Parses three numbers of the right lengths: `0000-00-00` or `00:00:00`.
fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let mut parts = text.split(between).map(digits);
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    let last = text.rsplit(between);
    let are_pairs = last.take(2).all(|part| part.len() == 2);
    (are_pairs && parts.next().is_none()).then_some(numbers)
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Parses a fraction of a second, if there is one. Returns it in nanoseconds, and the rest.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|char: char| !char.is_ascii_digit())?;
    let (fraction, zone) = rest.split_at_checked(end)?;
    // Digits after the ninth are less than a nanosecond.
    let nanos: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos = nanos.parse().ok()?;
    (!fraction.is_empty()).then_some((nanos, zone))
}

/// Parses an offset from UTC. Returns it in seconds.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let (sign, offset) = match zone.split_at_checked(1)? {
        ("+", offset) => (1, offset),
        ("-", offset) => (-1_i64, offset),
        _ => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    if hours < 24 && minutes < 60 { seconds.checked_mul(sign) } else { None }
}

/// Returns the number of days from 1970 to a date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    // Years that begin in March end with the leap day.
    let shift = if month > 2 { 0 } else { 1 };
    let year = year.checked_sub(shift)?;
    let month = month.checked_add(9)?.checked_rem(12)?;
    let of_months = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?;
    let leap_days =
        year.div_euclid(4).checked_sub(year.div_euclid(100))?.checked_add(year.div_euclid(400))?;
    let of_years = year.checked_mul(365)?.checked_add(leap_days)?;
    // The number of days from March of year 0 to 1970.
    of_years.checked_add(of_months)?.checked_add(day)?.checked_sub(719_469)
}

fn days_of_month(year: i64, month: i64) -> Option<i64> {
    let is_leap =
        year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    match month {
        2 if is_leap => Some(29),
        2 => Some(28),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_time(text: &str, seconds: u64, nanos: u32) {
        let time = parse(text).unwrap().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(time, Duration::new(seconds, nanos), "{text}");
    }

    #[test]
    fn times_are_parsed() {
        assert_time("1970-01-01T00:00:00Z", 0, 0);
        assert_time("1970-01-01t00:00:01.5z", 1, 500_000_000);
        assert_time("2000-02-29T12:34:56Z", 951_827_696, 0);
        assert_time("2000-03-01T00:00:00Z", 951_868_800, 0);
        assert_time("2026-11-27T21:00:00+01:00", 1_795_809_600, 0);
        assert_time("2026-11-27 14:30:00.000000001-05:30", 1_795_809_600, 1);
        assert_time("2100-03-01T00:00:00.1234567899Z", 4_107_542_400, 123_456_789);
        assert_time("2016-12-31T23:59:60Z", 1_483_228_800, 0);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "now",
            "2026-11-27",
            "2026-11-27T20:00:00",
            "2026-11-27T20:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-27T24:00:00Z",
            "2026-11-27T20:60:00Z",
            "2026-11-27T20:00:61Z",
            "2026-11-27T20:00:00.Z",
            "2026-11-27T20:00:00+1:00",
            "2026-11-27T20:00:00+24:00",
            "2026-11-27T20:00:00Z ",
            "+026-11-27T20:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-27T20:00:00\u{661}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
