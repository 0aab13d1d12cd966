//! Heads of items in any encoding that CBOR allows, for records, which need not be canonical.

/// The head of an item: its type and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaxHead {
    /// The major type, from 0 to 7.
    pub(crate) major: u8,
    /// The number; `None` for an item of indefinite length, and for a break.
    pub(crate) value: Option<u64>,
    /// Length of the head, in bytes.
    pub(crate) len: usize,
    /// Whether fewer bytes could hold the number. False for simple values and floats, whose bytes
    /// are not a number.
    pub(crate) is_padded: bool,
}

/// Why bytes do not begin with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHead {
    /// They end inside the head.
    Ended,
    /// No item begins with this byte.
    Reserved,
}

impl LaxHead {
    /// Reads the head at the start of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, NoHead> {
        let (&initial, rest) = bytes.split_first().ok_or(NoHead::Ended)?;
        let major = initial >> 5;
        let head = |value, len, is_padded| {
            Ok(LaxHead { major, value, len, is_padded: is_padded && major != super::read::SIMPLE })
        };
        match initial & 0x1f {
            value @ 0..24 => head(Some(value.into()), 1, false),
            24 => number(rest).and_then(|[byte]| head(Some(byte.into()), 2, byte < 24)),
            25 => number(rest).and_then(|bytes| {
                let value = u16::from_be_bytes(bytes);
                head(Some(value.into()), 3, value < 1 << 8)
            }),
            26 => number(rest).and_then(|bytes| {
                let value = u32::from_be_bytes(bytes);
                head(Some(value.into()), 5, value < 1 << 16)
            }),
            27 => number(rest).and_then(|bytes| {
                let value = u64::from_be_bytes(bytes);
                head(Some(value), 9, value < 1 << 32)
            }),
            // Integers and tags have no length that could be indefinite.
            31 if !matches!(major, 0 | 1 | 6) => head(None, 1, false),
            _ => Err(NoHead::Reserved),
        }
    }
}

fn number<const N: usize>(bytes: &[u8]) -> Result<[u8; N], NoHead> {
    bytes.first_chunk().copied().ok_or(NoHead::Ended)
}

/// Returns the value of a float of 16 bits.
pub(crate) fn half_float(bits: u16) -> f64 {
    // Powers of two as divisors, because products and quotients of them are exact on every machine;
    // `powi` need not be.
    const TWO_TO_24: f64 = 16_777_216.0;
    const TWO_TO_25: f64 = 33_554_432.0;
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match bits >> 10 & 0x1f {
        0 => fraction / TWO_TO_24,
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => {
            (1024.0 + fraction) * f64::from(1_u32.wrapping_shl(exponent.into())) / TWO_TO_25
        }
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_of_a_head_is_read_and_padding_is_noticed() {
        for (bytes, value, is_padded) in [
            (&[0x17_u8][..], 23, false),
            (&[0x18, 23], 23, true),
            (&[0x18, 24], 24, false),
            (&[0x19, 0, 255], 255, true),
            (&[0x19, 1, 0], 256, false),
            (&[0x1a, 0, 0, 255, 255], 65_535, true),
            (&[0x1a, 0, 1, 0, 0], 65_536, false),
            (&[0x1b, 0, 0, 0, 0, 255, 255, 255, 255], 0xffff_ffff, true),
            (&[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], 0x1_0000_0000, false),
        ] {
            let head = LaxHead::read(bytes).unwrap();
            assert_eq!(
                (head.value, head.len, head.is_padded),
                (Some(value), bytes.len(), is_padded)
            );
            for end in 0..bytes.len() {
                assert_eq!(LaxHead::read(&bytes[..end]), Err(NoHead::Ended));
            }
        }
        assert!(!LaxHead::read(&[0xf9, 0, 0]).unwrap().is_padded);
    }

    #[test]
    fn only_strings_arrays_maps_and_breaks_are_indefinite() {
        for initial in 0..=255_u8 {
            let head = LaxHead::read(&[&[initial][..], &[0xff; 8]].concat());
            let is_reserved =
                matches!(initial & 0x1f, 28..=30) || matches!(initial, 0x1f | 0x3f | 0xdf);
            assert_eq!(head == Err(NoHead::Reserved), is_reserved, "{initial:#x}");
            let is_indefinite = matches!(initial, 0x5f | 0x7f | 0x9f | 0xbf | 0xff);
            assert_eq!(head.is_ok_and(|head| head.value.is_none()), is_indefinite, "{initial:#x}");
        }
    }

    /// Every float of 16 bits beside its conversion by shifting bits.
    #[test]
    fn half_floats_are_the_numbers_that_their_bits_are() {
        for bits in 0..=u16::MAX {
            let found = half_float(bits);
            let sign = u32::from(bits >> 15) << 31;
            let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 0x3ff));
            let expected = match (exponent, fraction) {
                (31, _) => f32::from_bits(sign | 0xff << 23 | fraction << 13),
                (0, 0) => f32::from_bits(sign),
                (0, _) => {
                    let shift = fraction.leading_zeros() - 21;
                    let exponent = 127 - 15 + 1 - shift;
                    f32::from_bits(sign | exponent << 23 | (fraction << shift & 0x3ff) << 13)
                }
                _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
            };
            assert!(
                found.is_nan() && expected.is_nan() || found == f64::from(expected),
                "{bits:x}"
            );
            assert!(found.is_nan() || found.is_sign_negative() == (bits >> 15 == 1), "{bits:x}");
        }
    }
}
