//! Times of files, in the form of RFC 3339.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::row::{append_time, has_text};

/// Returns the time in UTC: `2026-01-02T03:04:05.000006Z`. `None` unless the year is in 1 to 9999.
///
/// A part of a microsecond is cut off.
pub(crate) fn utc(time: SystemTime) -> Option<String> {
    let micros = micros(time).filter(|micros| has_text(*micros))?;
    let mut text = Vec::new();
    append_time(micros, &mut text);
    String::from_utf8(text).ok()
}

/// Returns the microseconds since 1970, rounded down.
fn micros(time: SystemTime) -> Option<i64> {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).ok()?,
        Err(error) => i128::try_from(error.duration().as_nanos()).ok()?.checked_neg()?,
    };
    i64::try_from(nanos.div_euclid(1000)).ok()
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
