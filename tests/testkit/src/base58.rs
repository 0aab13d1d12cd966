//! Base58 in the alphabet of Bitcoin, as a `z` multibase has it: long division, digit by digit.

const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The text of some bytes.
pub fn encode(bytes: &[u8]) -> String {
    let digits = rebase(bytes.iter().copied(), 256, 58);
    digits.into_iter().map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes of a text.
///
/// # Panics
///
/// Panics if a character is not a digit.
pub fn decode(text: &str) -> Vec<u8> {
    let value =
        |digit| DIGITS.iter().position(|&own| own == digit).expect("no digit of base58") as u8;
    rebase(text.bytes().map(value), 58, 256)
}

/// Converts a number to another base, most significant digit first. Each leading zero stays a zero.
fn rebase(digits: impl Iterator<Item = u8>, from: u32, to: u32) -> Vec<u8> {
    let mut zeros = 0;
    let mut little_endian: Vec<u8> = Vec::new();
    for digit in digits {
        if digit == 0 && little_endian.is_empty() {
            zeros += 1;
        }
        let mut carry = u32::from(digit);
        for own in &mut little_endian {
            carry += u32::from(*own) * from;
            *own = (carry % to) as u8;
            carry /= to;
        }
        while carry > 0 {
            little_endian.push((carry % to) as u8);
            carry /= to;
        }
    }
    little_endian.resize(little_endian.len() + zeros, 0);
    little_endian.reverse();
    little_endian
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"\0\0", "11"),
            (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
            (b"\0\x01", "12"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text), bytes);
        }
    }
}
