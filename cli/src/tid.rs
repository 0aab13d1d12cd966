//! The time in a TID. Revisions are TIDs.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carwalk::syntax;

/// Tolerated difference between the clocks of two machines.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

const SECONDS_OF_DAY: u64 = 86_400;

/// Microseconds since 1970, printed in the form of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(u64);

impl Time {
    /// Returns the time in a TID, or `None` if the text is not a TID.
    pub(crate) fn of_tid(text: &str) -> Option<Self> {
        syntax::tid_micros(text).map(Time)
    }

    /// Returns whether the time is after `now` by more than the tolerated difference of clocks.
    pub(crate) fn is_future(self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        u128::from(self.0) > now.saturating_add(CLOCKS_DIFFER).as_micros()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let (day, second) = (seconds / SECONDS_OF_DAY, seconds % SECONDS_OF_DAY);
        let (year, month, day) = date(day);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// Converts a number of days since 1970 to year, month and day.
fn date(mut days: u64) -> (u64, u64, u64) {
    // The last time of a TID is in 2540, so this is a few hundred steps at most.
    debug_assert!(days < 366 * 600, "no time of a TID");
    let mut year = 1970_u64;
    while days >= days_of_year(year) {
        days = days.saturating_sub(days_of_year(year));
        year = year.saturating_add(1);
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1_u64;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days = days.saturating_sub(len);
        month = month.saturating_add(1);
    }
    (year, month, days.saturating_add(1))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tid: &str) -> Option<String> {
        Time::of_tid(tid).map(|time| time.to_string())
    }

    #[test]
    fn tids_have_times() {
        let cases = [
            ("2222222222222", "1970-01-01T00:00:00.000000Z"),
            ("3jzfcijpj2z2a", "2023-06-30T15:03:01.887007Z"),
            ("jzzzzzzzzzzzz", "2540-11-07T23:35:09.481983Z"),
        ];
        for (tid, time) in cases {
            assert_eq!(shown(tid).as_deref(), Some(time), "{tid}");
        }
    }

    #[test]
    fn a_time_is_in_the_future_if_clocks_do_not_differ_that_much() {
        let time = Time(1_700_000_000_000_000);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (now, is_future) in [
            (at(1_700_000_000 - 301), true),
            (at(1_700_000_000 - 300) - Duration::from_micros(1), true),
            (at(1_700_000_000 - 300), false),
            (at(1_700_000_000), false),
            (at(1_700_000_000 + 301), false),
            (UNIX_EPOCH, true),
            (UNIX_EPOCH - Duration::from_secs(1), true),
        ] {
            assert_eq!(time.is_future(now), is_future, "{now:?}");
        }
    }

    #[test]
    fn other_texts_have_none() {
        for text in ["", "3jzfcijpj2z2", "3jzfcijpj2z2a2", "zzzzzzzzzzzzz", "3JZFCIJPJ2Z2A"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let days =
            [(0, (1970, 1, 1)), (59, (1970, 3, 1)), (364, (1970, 12, 31)), (789, (1972, 2, 29))];
        let later = [(11_016, (2000, 2, 29)), (47_540, (2100, 2, 28)), (47_541, (2100, 3, 1))];
        for (day, expected) in days.into_iter().chain(later) {
            assert_eq!(date(day), expected, "{day}");
        }
    }
}
