//! The text of a CID: `b`, which stands for base32, and 58 digits.

use core::fmt;
use core::str::FromStr;

use super::{Cid, LEN};
use crate::error::{Error, Malformed, Result};

/// Length of a CID's text, in bytes: `b` and 58 characters of base32.
pub const TEXT_LEN: usize = 59;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The value of each byte as a digit.
const VALUES: [u8; 256] = values();

const NO_DIGIT: u8 = 0x80;

/// 1 in each byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Where the bits of eight digits begin in a word.
const SHIFTS: [u32; 8] = [59, 54, 49, 44, 39, 34, 29, 24];

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler"
)]
const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 32 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
}

/// Returns the digits of five bytes, which are the lower 40 bits, all at once.
#[inline]
fn eight_digits(bits: u64) -> [u8; 8] {
    // Divides the bits among two halves, among four quarters, and among eight bytes.
    let bits = (bits << 12 & 0x000f_ffff_0000_0000) | (bits & 0x000f_ffff);
    let bits = (bits << 6 & 0x03ff_0000_03ff_0000) | (bits & 0x0000_03ff_0000_03ff);
    let values = (bits << 3 & 0x1f00_1f00_1f00_1f00) | (bits & 0x001f_001f_001f_001f);
    // Letters begin at `a`. Numbers are the values from 26 on: adding 102 sets the top bit of
    // these. They begin at `2`, which is 73 less than the letter would be. No byte overflows.
    let are_numbers = (values.wrapping_add(EACH.wrapping_mul(102)) >> 7) & EACH;
    let letters = values.wrapping_add(EACH.wrapping_mul(b'a'.into()));
    letters.wrapping_sub(are_numbers.wrapping_mul(73)).to_be_bytes()
}

impl Cid {
    /// Returns the text: `b` and 58 characters of base32. Does not allocate.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::cid::{Cid, Codec};
    ///
    /// let text = Cid::of(Codec::DagCbor, b"\xa0").to_text();
    /// assert!(text.as_str().starts_with("bafyrei"));
    /// assert_eq!(text.as_bytes().len(), 59);
    /// ```
    #[must_use]
    pub fn to_text(&self) -> CidText {
        let mut text = [b'b'; TEXT_LEN];
        let (_, digits) = text.split_at_mut(1);
        let (fives, last) = self.0.as_chunks();
        let (eights, end) = digits.as_chunks_mut();
        for (&[a, b, c, d, e], digits) in fives.iter().zip(eights) {
            *digits = eight_digits(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]));
        }
        // The digits of the last byte, whose other bits are zero.
        let last = last.iter().fold(0, |_, &last| u64::from(last) << 32);
        end.iter_mut().zip(eight_digits(last)).for_each(|(to, from)| *to = from);
        CidText(text)
    }

    fn parse_text(text: &str) -> Result<Self> {
        let cid_text = || Error::malformed(Malformed::CidText);
        let digits =
            text.strip_prefix('b').filter(|_| text.len() == TEXT_LEN).ok_or_else(cid_text)?;
        let mut bytes = [0; LEN];
        let mut is_digits = true;
        for (digits, bytes) in digits.as_bytes().chunks(8).zip(bytes.chunks_mut(5)) {
            // Eight digits are five bytes: the upper bytes of a word.
            let mut bits = 0_u64;
            for (digit, shift) in digits.iter().zip(SHIFTS) {
                let value = VALUES.get(usize::from(*digit)).copied().unwrap_or(NO_DIGIT);
                is_digits &= value != NO_DIGIT;
                bits |= u64::from(value) << shift;
            }
            let word = bits.to_be_bytes();
            bytes.iter_mut().zip(word).for_each(|(to, from)| *to = from);
            // The last digits have two bits more than the last byte.
            is_digits &= word.iter().skip(bytes.len()).all(|&stray| stray == 0);
        }
        if !is_digits {
            return Err(cid_text());
        }
        Self::parse(&bytes)
    }
}

/// The text of a [`Cid`], returned by [`Cid::to_text`].
///
/// Ordered as text, which differs from the order of the bytes: digits come before letters.
///
/// # Examples
///
/// ```
/// use carwalk::cid::{Cid, Codec};
///
/// let cid = Cid::of(Codec::Raw, b"hello");
/// // Without an allocation.
/// assert!(cid.to_text().as_str().ends_with("c4yeq"));
/// assert_eq!(cid.to_text().as_bytes()[0], b'b');
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CidText([u8; TEXT_LEN]);

impl CidText {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the text as ASCII bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; TEXT_LEN] {
        &self.0
    }
}

impl fmt::Display for CidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for CidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_text().as_str())
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl FromStr for Cid {
    type Err = Error;

    /// Parses the text of a CID: `b` and 58 characters of lower-case base32.
    ///
    /// # Errors
    ///
    /// `Malformed`, with at most 256 bytes of the text in [`Error::key`]:
    ///
    /// - `CidText`: another length or alphabet, or an unused bit that is not zero
    /// - the details of [`Cid::parse`]: another version, codec, hash function or digest length
    ///
    /// The class is [`Caller`](crate::ErrorClass::Caller).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Cid;
    ///
    /// let text = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";
    /// assert_eq!(text.parse::<Cid>()?.to_string(), text);
    /// assert!(text.to_uppercase().parse::<Cid>().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        Cid::parse_text(text).map_err(|error| error.of_text(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::Codec;

    const EMPTY_NODE: &[u8] = b"\xa2\x61\x65\x80\x61\x6c\xf6";
    const TEXT: &str = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";

    #[test]
    fn text_and_bytes_agree() {
        let cid = Cid::of(Codec::DagCbor, EMPTY_NODE);
        assert_eq!(cid.to_string(), TEXT);
        assert_eq!(TEXT.parse::<Cid>().unwrap(), cid);
        assert_eq!(Cid::parse(cid.as_bytes()).unwrap(), cid);
        assert!(Cid::of(Codec::Raw, b"").to_string().starts_with("bafkrei"));
    }

    #[test]
    fn every_digit_is_made_at_every_place() {
        let value = |digit: usize, place: usize| (digit as u64) << (35 - 5 * place);
        for (digit, &char) in ALPHABET.iter().enumerate() {
            for place in 0..8 {
                let mut expected = [b'7'; 8];
                expected[place] = char;
                let others = !value(31, place) & 0xff_ffff_ffff;
                assert_eq!(eight_digits(others | value(digit, place)), expected);
                expected.fill(b'a');
                expected[place] = char;
                assert_eq!(eight_digits(value(digit, place)), expected);
            }
        }
    }

    #[test]
    fn errors_repeat_the_text_that_is_no_cid() {
        let text = |text: &str| text.parse::<Cid>().unwrap_err().to_string();
        assert!(text("bafy\n").ends_with(r#", text "bafy\n""#), "{}", text("bafy\n"));
        let almost = TEXT.replace("hpm", "hpn");
        assert!(text(&almost).ends_with(&format!(r#", text "{almost}""#)), "{}", text(&almost));
        let long = "b".repeat(1 << 20).parse::<Cid>().unwrap_err();
        assert_eq!(long.key().unwrap().len(), 256);
    }

    #[test]
    fn texts_with_stray_bits_or_letters_are_refused() {
        let stray = TEXT.replace("hpm", "hpn");
        for text in [
            "",
            "b",
            TEXT.trim_start_matches('b'),
            &TEXT.to_uppercase(),
            &stray,
            &format!("{TEXT}a"),
        ] {
            assert!(text.parse::<Cid>().is_err(), "{text}");
        }
    }
}
