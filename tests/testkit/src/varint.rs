//! Unsigned LEB128, minimal or deliberately longer.

/// Encodes a number in as few bytes as possible.
pub fn encode(value: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(10);
    put(&mut out, value);
    out
}

/// Appends the minimal encoding of a number.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Encodes a number in exactly `len` bytes. Unneeded bytes have only a continuation bit, and the
/// last one is zero.
///
/// # Panics
///
/// Panics if the minimal encoding is already longer.
pub fn padded(value: u64, len: usize) -> Vec<u8> {
    let mut out = encode(value);
    assert!(out.len() <= len, "{value} needs more than {len} bytes");
    while out.len() < len {
        let last = out.len() - 1;
        out[last] |= 0x80;
        out.push(0);
    }
    out
}

/// Decodes a minimal number of at most 9 bytes and returns it with its length.
pub(crate) fn decode(bytes: &[u8]) -> Result<(u64, usize), String> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let minimal = index == 0 || byte != 0;
            return minimal.then_some((value, index + 1)).ok_or("padded varint".into());
        }
    }
    Err(if bytes.len() < 9 { "end inside a varint" } else { "varint too long" }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_minimal_and_padded() {
        assert_eq!(encode(0), [0]);
        assert_eq!(encode(127), [0x7f]);
        assert_eq!(encode(300), [0xac, 0x02]);
        assert_eq!(padded(1, 3), [0x81, 0x80, 0]);
    }

    #[test]
    fn decodes_only_what_is_minimal() {
        assert_eq!(decode(&encode(u64::MAX >> 1)), Ok((u64::MAX >> 1, 9)));
        assert!(decode(&padded(5, 2)).is_err());
        assert!(decode(&encode(u64::MAX)).is_err());
        assert!(decode(&[0x80]).is_err());
    }
}
