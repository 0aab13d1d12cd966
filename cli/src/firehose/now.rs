//! The time of `--now`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carwalk_batch::row::datetime_micros;

const SYNTAX: &str = "expected a time like 2026-11-27T20:00:00Z or 2026-11-27T21:00:00.5+01:00, \
                      from 1970 on";

/// Parses a time, in the form that `createdAt` of records has.
pub(super) fn parse(text: &str) -> Result<SystemTime, &'static str> {
    let micros = datetime_micros(text).and_then(|micros| u64::try_from(micros).ok());
    let time = micros.and_then(|micros| UNIX_EPOCH.checked_add(Duration::from_micros(micros)));
    time.ok_or(SYNTAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_from_1970_on() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-27T21:00:00.0000015+01:00", 1_795_809_600_000_001),
            ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        ] {
            assert_eq!(parse(text), Ok(UNIX_EPOCH + Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "now", "2026-11-27", "1969-12-31T23:59:59Z", "2026-11-27T20:00:00Z "] {
            assert_eq!(parse(text), Err(SYNTAX), "{text}");
        }
    }
}
