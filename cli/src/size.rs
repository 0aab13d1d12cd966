//! Sizes on the command line: `1048576`, `16MiB`, `1G`.

/// Units and their lengths in bytes. A single letter is a power of 1024, as in most tools for
/// files.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("KB", 1_000),
    ("M", 1 << 20),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("G", 1 << 30),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("T", 1 << 40),
];

/// Parses a size and returns its bytes.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| "expected a number, like 16MiB or 1G".to_owned())?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| {
        "unknown unit: expected K, M, G or T, KiB, MiB or GiB (powers of 1024), kB, MB or GB \
         (powers of 1000)"
            .to_owned()
    })?;
    number.checked_mul(*factor).ok_or_else(|| "too large".to_owned())
}

/// Parses a size below 4 GiB and returns its bytes.
pub(crate) fn parse_u32(text: &str) -> Result<u32, String> {
    u32::try_from(parse(text)?).map_err(|_| "must be less than 4GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("17"), Ok(17));
        assert_eq!(parse("16MiB"), Ok(16 << 20));
        assert_eq!(parse("1G"), Ok(1 << 30));
        assert_eq!(parse("2MB"), Ok(2_000_000));
        assert_eq!(parse_u32("1G"), Ok(1 << 30));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "M", "-1", "1.5M", "1X", "1 M", "18446744073709551616", "99999999T"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_u32("4G").is_err());
    }
}
