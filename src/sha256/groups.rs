//! Groups of messages that are hashed together.

use super::method::Costs;
use super::single::{BATCH, sha256};

/// Length of a message block, in bytes.
pub(super) const BLOCK: usize = 64;

/// Length of the message length in the padding, in bytes.
pub(super) const LENGTH: usize = 8;

/// Maximum number of blocks of a message that is hashed with others. Longer messages are few, and
/// of different lengths, so most lanes would be idle.
const MAX_BLOCKS: usize = 64;

/// A number of messages for which the order of a whole batch would take longer to clear than to
/// fill.
const FEW: usize = 32;

/// Hashes at most [`BATCH`] messages like [`sha256_each`](super::sha256_each), in groups of at most
/// `N`. `together` returns the digests of a group, word by word, of which the longest has a number
/// of blocks.
///
/// Messages of similar length are hashed together, so that few lanes are idle.
pub(super) fn hash_in_groups<'m, const N: usize>(
    costs: Costs,
    count: usize,
    message: impl Fn(usize) -> &'m [u8],
    tell: impl FnMut(usize, &[u8; 32]),
    together: impl Fn(&[&[u8]; N], usize) -> [[u32; N]; 8],
) {
    debug_assert!(count <= BATCH, "the caller splits batches");
    let blocks = |number| blocks_of(message(number));
    if count <= FEW {
        let order = &mut [(0, 0); FEW];
        hash_sorted(costs, sort(count, blocks, order), message, tell, together);
    } else {
        let order = &mut [(0, 0); BATCH];
        hash_sorted(costs, sort(count, blocks, order), message, tell, together);
    }
}

/// Hashes messages in the order of their numbers of blocks, the longest first.
fn hash_sorted<'m, const N: usize>(
    costs: Costs,
    sorted: &[(u16, u16)],
    message: impl Fn(usize) -> &'m [u8],
    mut tell: impl FnMut(usize, &[u8; 32]),
    together: impl Fn(&[&[u8]; N], usize) -> [[u32; N]; 8],
) {
    let mut rest = sorted;
    while let Some((&(longest, blocks), others)) = rest.split_first() {
        let (group, after) = rest.split_at_checked(N).unwrap_or((rest, &[]));
        let alone: usize = group.iter().map(|&(_, blocks)| usize::from(blocks)).sum();
        let longest_blocks = usize::from(blocks);
        if longest_blocks > MAX_BLOCKS || costs.are_lower_alone(longest_blocks, alone) {
            let number = usize::from(longest);
            tell(number, &sha256(message(number)));
            rest = others;
            continue;
        }
        let mut messages = [message(usize::from(longest)).get(..0).unwrap_or_default(); N];
        for (lane, &(number, _)) in messages.iter_mut().zip(group) {
            *lane = message(usize::from(number));
        }
        let words = together(&messages, longest_blocks);
        for (lane, &(number, _)) in group.iter().enumerate() {
            #[cfg(test)]
            super::single::hashed::add(message(usize::from(number)).len());
            tell(usize::from(number), &digest(&words, lane));
        }
        rest = after;
    }
}

/// Returns the digest of one lane.
#[inline]
fn digest<const N: usize>(words: &[[u32; N]; 8], lane: usize) -> [u8; 32] {
    let mut digest = [0; 32];
    let (places, _) = digest.as_chunks_mut();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.get(lane).copied().unwrap_or_default().to_be_bytes();
    }
    digest
}

/// Returns the number of blocks of a message, at most `MAX_BLOCKS` and one.
#[inline]
pub(super) fn blocks_of(message: &[u8]) -> u16 {
    // A slice has at most `isize::MAX` bytes, so this does not wrap.
    let blocks = message.len().wrapping_add(LENGTH) / BLOCK;
    // The sum is at most 65.
    u16::try_from(blocks.min(MAX_BLOCKS).wrapping_add(1)).unwrap_or(u16::MAX)
}

/// Returns the numbers of messages with their numbers of blocks, the longest first. This is a
/// counting sort.
#[inline]
fn sort(count: usize, blocks: impl Fn(usize) -> u16, order: &mut [(u16, u16)]) -> &[(u16, u16)] {
    // For each number of blocks: first the count of such messages, then where they begin.
    let mut starts = [0u16; MAX_BLOCKS + 2];
    for number in 0..count {
        if let Some(start) = starts.get_mut(usize::from(blocks(number))) {
            *start = start.wrapping_add(1);
        }
    }
    let mut start = 0;
    for count in starts.iter_mut().rev() {
        start = core::mem::replace(count, start).wrapping_add(start);
    }
    for number in (0..).take(count) {
        let blocks = blocks(usize::from(number));
        if let Some(start) = starts.get_mut(usize::from(blocks))
            && let Some(place) = order.get_mut(usize::from(*start))
        {
            *place = (number, blocks);
            *start = start.wrapping_add(1);
        }
    }
    order.get(..count).unwrap_or_default()
}
