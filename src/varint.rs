//! Varints: unsigned LEB128 numbers as in the length prefixes of a CAR, minimal and at most 9
//! bytes.
//!
//! ```text
//! 300 = 0b10_0101100  ->  1 0101100   0 0000010
//!                         |           ` no further byte
//!                         ` another byte follows; low 7 bits first
//! ```
//!
//! The [specification](https://github.com/multiformats/unsigned-varint) requires the shortest form
//! and allows at most nine bytes (63 bits).

use crate::error::{Error, Malformed, NonCanonical, Result};

/// Length of the longest encoding, in bytes.
pub const MAX_LEN: usize = 9;

/// Decodes the number at the start of `bytes`. Returns it with the length of its encoding, or
/// `None` if `bytes` ends inside the encoding.
///
/// # Errors
///
/// - `NonCanonical` (`VarintPadded`) if a shorter encoding exists
/// - `Malformed` (`VarintTooLong`) if the encoding is longer than nine bytes
///
/// The class is [`Caller`](crate::ErrorClass::Caller).
///
/// # Examples
///
/// ```
/// use carwalk::varint;
///
/// assert_eq!(varint::decode(&[0xac, 0x02, 0xff])?, Some((300, 2)));
/// assert_eq!(varint::decode(&[0xac])?, None);
/// assert!(varint::decode(&[0xac, 0x00]).is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Option<(u64, usize)>> {
    // Fast paths: nearly all lengths of sections have one or two bytes.
    match *bytes {
        [first, ..] if first < 0x80 => return Ok(Some((u64::from(first), 1))),
        [first, second @ 1..0x80, ..] => {
            return Ok(Some((u64::from(first & 0x7f) | u64::from(second) << 7, 2)));
        }
        _ => {}
    }
    decode_any(bytes)
}

fn decode_any(bytes: &[u8]) -> Result<Option<(u64, usize)>> {
    let mut value = 0u64;
    let mut len = 0usize;
    for &byte in bytes.iter().take(MAX_LEN) {
        // At most 8 times 7 bits, so the shift keeps every bit.
        value |= u64::from(byte & 0x7f) << len.wrapping_mul(7);
        len = len.saturating_add(1);
        if byte & 0x80 == 0 {
            if byte == 0 && len > 1 {
                return Err(Error::non_canonical(NonCanonical::VarintPadded));
            }
            return Ok(Some((value, len)));
        }
    }
    if len == MAX_LEN { Err(Error::malformed(Malformed::VarintTooLong)) } else { Ok(None) }
}

/// Appends a number of at most 63 bits.
pub(crate) fn encode(mut value: u64, out: &mut Vec<u8>) {
    debug_assert!(value >> 63 == 0, "a longer varint than readers accept");
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn shortest_forms_decode() {
        let cases: [(&[u8], u64); 6] = [
            (&[0x00], 0),
            (&[0x7f], 127),
            (&[0x80, 0x01], 128),
            (&[0xff, 0x7f], 16_383),
            (&[0x80, 0x80, 0x01], 16_384),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], (1 << 63) - 1),
        ];
        for (bytes, value) in cases {
            assert_eq!(decode(bytes).unwrap(), Some((value, bytes.len())));
        }
    }

    #[test]
    fn every_cut_asks_for_more() {
        let bytes = [0xff; 8];
        for end in 0..=bytes.len() {
            assert_eq!(decode(&bytes[..end]).unwrap(), None);
        }
    }

    #[test]
    fn padded_forms_are_refused() {
        for bytes in [
            &[0x80u8, 0x00][..],
            &[0xff, 0x80, 0x00],
            &[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ] {
            let error = decode(bytes).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::NonCanonical(NonCanonical::VarintPadded)));
        }
    }

    #[test]
    fn ten_bytes_are_refused_after_nine() {
        let error = decode(&[0xff; 9]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Malformed(Malformed::VarintTooLong)));
    }
}
