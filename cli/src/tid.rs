//! The time in a TID. Revisions are TIDs.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carwalk::syntax;
use carwalk_batch::row::append_time;

/// Tolerated difference between the clocks of two machines.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

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
        debug_assert!(i64::try_from(self.0).is_ok(), "the last time of a TID is in 2540");
        let (micros, mut text) = (i64::try_from(self.0).unwrap_or(i64::MAX), Vec::new());
        append_time(micros, &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
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
}
