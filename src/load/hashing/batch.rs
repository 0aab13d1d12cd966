//! Hashes the blocks of adjacent sections together.

use crate::car::{Placement, Source, sections_in};
use crate::cid::{self, Cid};
use crate::sha256::{BATCH, sha256_each};

/// Maximum number of sections of a small CAR.
const FEW_SECTIONS: usize = 32;

/// Returns the position in `bytes` of the first section that does not have its CID, among the first
/// `count` sections.
pub(super) fn first_mismatch(bytes: &[u8], count: usize) -> Option<usize> {
    // For a small CAR, the arrays of a whole batch take longer to clear than to fill.
    if count <= FEW_SECTIONS {
        first_mismatch_by::<FEW_SECTIONS>(bytes, count)
    } else {
        first_mismatch_by::<BATCH>(bytes, count)
    }
}

/// Does the work of `first_mismatch`, with `N` sections at a time.
fn first_mismatch_by<const N: usize>(bytes: &[u8], mut count: usize) -> Option<usize> {
    let mut sections = sections_in(bytes);
    while count > 0 {
        let expected = count.min(N);
        let mut first = None;
        let read = hash::<N>(&mut sections.by_ref().take(expected), |_, at| {
            first = Some(first.map_or(at, |first: usize| first.min(at)));
        });
        if read < expected {
            // The bytes changed while they were read. Any placement will do: the caller finds that
            // its section is intact and reports the change.
            return Some(0);
        }
        if first.is_some() {
            return first;
        }
        count = count.saturating_sub(read);
    }
    None
}

/// Hashes at most `N` sections together. Calls `report` with the number and the position of each
/// section that does not have its CID. Returns the number of sections.
fn hash<'a, const N: usize>(
    sections: &mut impl Iterator<Item = (usize, &'a [u8])>,
    mut report: impl FnMut(usize, usize),
) -> usize {
    let mut batch = [(0, &[][..]); N];
    let mut read = 0_usize;
    for (slot, section) in batch.iter_mut().zip(sections) {
        *slot = section;
        read = read.saturating_add(1);
    }
    let batch = batch.get(..read).unwrap_or_default();
    let block = |number: usize| {
        batch.get(number).and_then(|(_, body)| body.get(cid::LEN..)).unwrap_or_default()
    };
    sha256_each(read, block, |number, digest| {
        let Some((at, body)) = batch.get(number) else { return };
        let cid = body.get(..cid::LEN).and_then(|cid| Cid::parse(cid).ok());
        if cid.is_none_or(|cid| cid.digest() != digest) {
            report(number, *at);
        }
    });
    read
}

/// An iterator over whether the next sections have their CIDs. The sections are hashed together and
/// then copied one by one.
#[derive(Default)]
pub(crate) struct Verdicts {
    /// A bit for each section that does not have its CID.
    mismatches: [u64; BATCH / 64],
    count: usize,
    next: usize,
}

impl Verdicts {
    /// Returns whether the section at `at` has its CID. To be called for the sections of a source
    /// in their order. Returns false, without hashing, for a section that is not whole in memory.
    pub(crate) fn next_in(&mut self, source: &impl Source, at: Placement) -> bool {
        if let Some(verdict) = self.next() {
            return verdict;
        }
        *self = Verdicts::of(source.bytes_from(at));
        self.next().unwrap_or(false)
    }

    /// Hashes the whole sections at the start of `bytes`, at most a batch.
    #[inline(never)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut verdicts = Verdicts::default();
        let mut sections = sections_in(bytes);
        let report = |number: usize, _| {
            if let Some(bits) = verdicts.mismatches.get_mut(number / 64) {
                *bits |= 1 << (number % 64);
            }
        };
        // Few sections if a stream arrives in small pieces.
        let is_short = bytes.len() < FEW_SECTIONS.saturating_mul(cid::LEN);
        verdicts.count = if is_short {
            hash::<FEW_SECTIONS>(&mut sections, report)
        } else {
            hash::<BATCH>(&mut sections, report)
        };
        verdicts
    }
}

/// Yields whether each section has its CID.
impl Iterator for Verdicts {
    type Item = bool;

    #[inline]
    fn next(&mut self) -> Option<bool> {
        let number = self.next;
        if number >= self.count {
            return None;
        }
        self.next = number.saturating_add(1);
        self.mismatches.get(number / 64).map(|bits| bits >> (number % 64) & 1 == 0)
    }
}
