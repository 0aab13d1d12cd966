//! SHA-256 of one message or of many.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod constants;
#[cfg(feature = "_internals")]
mod forced;
#[cfg(target_arch = "x86_64")]
mod groups;
mod method;
#[cfg(target_arch = "x86_64")]
mod rounds;
mod single;

#[cfg(feature = "_internals")]
pub use self::forced::{HashMethod, force_hash_method};
#[cfg(target_arch = "x86_64")]
use self::groups::hash_in_groups;
use self::method::Method;
#[cfg(test)]
pub(crate) use self::single::hashed;
pub(crate) use self::single::{BATCH, sha256};

/// Hashes the messages `0..count` and calls `tell` with the number and the SHA-256 of each, in any
/// order.
///
/// Many messages are hashed at a time where that is faster on this CPU: each round of a message
/// depends on the round before, and lanes of a vector do not depend on each other. See
/// `method.rs` for what is chosen.
///
/// For measurements: with `--cfg sha2_backend="soft"`, the SHA-256 instructions are not used.
#[inline]
pub(crate) fn sha256_each<'m>(
    count: usize,
    message: impl Fn(usize) -> &'m [u8],
    tell: impl FnMut(usize, &[u8; 32]),
) {
    if count > 1 {
        hash_by(method(), count, message, tell);
    } else {
        hash_singly(count, message, tell);
    }
}

/// Returns the way to hash that is fastest on this CPU, or the forced one.
#[inline]
fn method() -> Method {
    #[cfg(feature = "_internals")]
    if let Some(forced) = forced::method() {
        return forced;
    }
    Method::of_cpu()
}

/// Hashes messages together. Returns the exclusive or of the first bytes of all digests.
#[cfg(feature = "_internals")]
#[must_use]
pub fn hash_all(messages: &[&[u8]]) -> u8 {
    let mut combined = 0;
    let message = |number| messages.get(number).copied().unwrap_or_default();
    sha256_each(messages.len(), message, |_, digest| combined ^= digest[0]);
    combined
}

/// Hashes messages like [`sha256_each`], in a given way.
#[cfg(not(target_arch = "x86_64"))]
fn hash_by<'m>(
    Method::Single: Method,
    count: usize,
    message: impl Fn(usize) -> &'m [u8],
    tell: impl FnMut(usize, &[u8; 32]),
) {
    hash_singly(count, message, tell);
}

/// Hashes messages like [`sha256_each`], in a given way.
#[cfg(target_arch = "x86_64")]
fn hash_by<'m>(
    method: Method,
    count: usize,
    message: impl Fn(usize) -> &'m [u8],
    mut tell: impl FnMut(usize, &[u8; 32]),
) {
    if method.hashes_singly(count) {
        return hash_singly(count, message, tell);
    }
    for first in (0..count).step_by(BATCH) {
        let at = |number: usize| first.wrapping_add(number);
        let count = count.wrapping_sub(first).min(BATCH);
        hash_batch(
            method,
            count,
            |number| message(at(number)),
            |number, digest| tell(at(number), digest),
        );
    }
}

/// Hashes at most [`BATCH`] messages.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the compiler cannot know that the CPU was asked")]
fn hash_batch<'m>(
    method: Method,
    count: usize,
    message: impl Fn(usize) -> &'m [u8],
    tell: impl FnMut(usize, &[u8; 32]),
) {
    match method {
        Method::Single => hash_singly(count, message, tell),
        Method::Avx2(costs) => hash_in_groups(costs, count, message, tell, |messages, blocks| {
            // SAFETY: this variant exists only if the CPU has AVX2.
            unsafe { avx2::hash_together(messages, blocks) }
        }),
        Method::Avx512(costs) => hash_in_groups(costs, count, message, tell, |messages, blocks| {
            // SAFETY: this variant exists only if the CPU has AVX-512F and AVX-512BW.
            unsafe { avx512::hash_together(messages, blocks) }
        }),
    }
}

#[inline]
fn hash_singly<'m>(
    count: usize,
    message: impl Fn(usize) -> &'m [u8],
    mut tell: impl FnMut(usize, &[u8; 32]),
) {
    for number in 0..count {
        tell(number, &sha256(message(number)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &[&[u8]]) {
        for method in Method::all_of_cpu() {
            let mut told = vec![None; messages.len()];
            hash_by(
                method,
                messages.len(),
                |number| messages[number],
                |number, digest| assert_eq!(told[number].replace(*digest), None),
            );
            for (message, digest) in messages.iter().zip(told) {
                let len = message.len();
                assert_eq!(
                    digest,
                    Some(sha256(message)),
                    "{len} of {}, {method:?}",
                    messages.len()
                );
            }
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
