//! SHA-256 of one message or of many.

#[cfg(target_arch = "x86_64")]
mod lanes;
mod single;

#[cfg(test)]
pub(crate) use self::single::hashed;
pub(crate) use self::single::{BATCH, sha256};

/// Hashes the messages `0..count` and calls `tell` with the number and the SHA-256 of each, in any
/// order.
///
/// With AVX-512, up to sixteen messages are hashed at a time. This is faster than the CPU's SHA-256
/// instructions, because each round of a message depends on the round before. The number of
/// messages from which it pays depends on whether the CPU has those instructions.
///
/// For measurements: `--cfg carwalk_lanes="off"` always hashes one message at a time, and `--cfg
/// sha2_backend="soft"` does not use the SHA-256 instructions.
#[inline]
pub(crate) fn sha256_each<'m>(
    count: usize,
    message: impl Fn(usize) -> &'m [u8],
    mut tell: impl FnMut(usize, &[u8; 32]),
) {
    #[cfg(target_arch = "x86_64")]
    if count > 1
        && let Some(lanes) = lanes::Lanes::of_cpu()
        && !lanes.are_too_many_for(count)
    {
        for first in (0..count).step_by(BATCH) {
            let at = |number: usize| first.wrapping_add(number);
            let count = count.wrapping_sub(first).min(BATCH);
            lanes.hash(
                count,
                |number| message(at(number)),
                |number, digest| tell(at(number), digest),
            );
        }
        return;
    }
    for number in 0..count {
        tell(number, &sha256(message(number)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &[&[u8]]) {
        let mut told = vec![None; messages.len()];
        sha256_each(
            messages.len(),
            |number| messages[number],
            |number, digest| assert_eq!(told[number].replace(*digest), None),
        );
        for (message, digest) in messages.iter().zip(told) {
            assert_eq!(digest, Some(sha256(message)), "{} of {}", message.len(), messages.len());
        }
    }

    #[test]
    fn each_message_is_counted_however_it_is_hashed() {
        for count in [0, 1, 2, 15, 16, 700] {
            let (hashed, ()) = hashed::counted(|| sha256_each(count, |_| &[7; 100], |_, _| {}));
            assert_eq!((hashed.messages, hashed.bytes), (count, 100 * count));
        }
    }

    /// Short enough for an interpreter that checks every access to memory.
    #[test]
    fn a_few_short_messages_hash_as_each_alone() {
        let bytes: Vec<u8> = (0..=199).collect();
        let messages: Vec<&[u8]> = (0..36).map(|number| &bytes[number..number * 5]).collect();
        check(&messages);
    }

    #[test]
    fn many_messages_hash_as_each_alone() {
        let bytes: Vec<u8> =
            (0u32..20_000).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        // Each length in each lane, beside messages of other lengths.
        for first in 0..20 {
            let messages: Vec<&[u8]> = (first..=300).map(|len| &bytes[len * 7..][..len]).collect();
            check(&messages);
        }
        for count in 0..120 {
            check(&vec![&bytes[..count]; count]);
        }
        // Long messages among short ones: first, last, and alone.
        let lens = [0, 1, 4095, 4096, 4097, 19_000, 55, 56, 63, 64, 20_000];
        check(&lens.map(|len| &bytes[..len]));
        let many: Vec<&[u8]> =
            lens.iter().cycle().take(10 * lens.len()).map(|&len| &bytes[..len]).collect();
        for from in 0..lens.len() {
            check(&many[from..]);
        }
        check(&[&bytes[..4097]; 60]);
        // More than one batch, of all lengths, in no order.
        let many: Vec<&[u8]> =
            (0..2 * BATCH + 100).map(|number| &bytes[number..][..number * 7919 % 4200]).collect();
        check(&many);
    }
}
