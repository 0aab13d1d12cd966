//! Timestamp identifiers: the text form of a time in microseconds and a clock number.

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// Encodes a number: 53 bits of microseconds since 1970, then 10 bits of a clock number.
pub fn text(tid: u64) -> String {
    (0..13).map(|letter| char::from(ALPHABET[(tid >> (60 - 5 * letter)) as usize & 31])).collect()
}

/// The number for a time in microseconds since 1970 and a clock number below 1,024.
pub fn number(micros: u64, clock: u64) -> u64 {
    micros << 10 | clock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_known_times() {
        assert_eq!(text(0), "2222222222222");
        assert_eq!(text(number(1_726_905_600_000_000, 0)), "3l4nm7hmk2222");
    }
}
