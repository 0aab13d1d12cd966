//! Sets of the sections that a walk has reached.

use core::fmt;

use crate::cid;
use crate::limits::MAX_CAR_LEN;

/// Shortest section: a length of one byte and a CID.
pub(crate) const MIN_SECTION_LEN: u64 = 1 + cid::LEN as u64;

/// Words of a part: 4 KiB, for 1.2 MB of the CAR.
const PART: usize = 512;

const PART_BITS: u64 = PART as u64 * 64;

/// Maximum number of sections of a part that are listed one by one, in less memory than bits take.
const MAX_FEW: usize = 64;

/// A set of sections by their offsets in a CAR, for finding unreached blocks.
///
/// Insert the offset of each block that a walk meets, and compare [`len`](Reached::len) with the
/// number of distinct blocks. [`Repo::unreached_blocks`](crate::Repo::unreached_blocks) does that.
///
/// The set takes at most 64 bytes for each section in it, and 40 bytes for each MB of the CAR.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// // Has the commit already.
/// let mut reached = repo.reached()?;
/// let mut walk = repo.walk().nodes(true).start();
/// while let Some(event) = walk.next_event()? {
///     reached.insert(event.offset().unwrap());
/// }
/// assert_eq!(reached.len(), repo.stats().distinct_blocks);
/// assert!(!reached.is_empty());
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct Reached {
    /// The parts up to the last one that has a section.
    parts: Vec<Part>,
    /// Maximum number of parts.
    max: usize,
    len: u64,
}

/// The sections that begin in one part of the CAR. Forged offsets may all be in different parts, so
/// a part with few sections lists them: memory follows from their number, not from their distance.
enum Part {
    /// The numbers of some bits, sorted.
    Few(Vec<u16>),
    Bits(Box<[u64]>),
}

impl Reached {
    /// Creates an empty set for a CAR of `car_len` bytes: see
    /// [`CarStats::bytes`](super::CarStats::bytes). More than 1 TiB counts as 1 TiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::Reached;
    ///
    /// let mut reached = Reached::new(12_641);
    /// assert!(reached.is_empty());
    /// reached.insert(59);
    /// assert_eq!(reached.len(), 1);
    /// ```
    #[must_use]
    pub fn new(car_len: u64) -> Self {
        let parts = car_len.min(MAX_CAR_LEN).div_ceil(MIN_SECTION_LEN).div_ceil(PART_BITS);
        Reached { parts: Vec::new(), max: usize::try_from(parts).unwrap_or(0), len: 0 }
    }

    /// Inserts the section at `offset`. Returns whether it is new: false if it was in the set, or
    /// if `offset` is more than about 1.2 MB beyond the end of the CAR.
    ///
    /// Offsets that are less than 37 bytes apart, which no two sections are, may count as one.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::Reached;
    ///
    /// let mut reached = Reached::new(12_641);
    /// assert!(reached.insert(59) && reached.insert(285));
    /// assert!(!reached.insert(59));
    /// assert!(!reached.insert(1 << 40));
    /// assert_eq!(reached.len(), 2);
    /// ```
    pub fn insert(&mut self, offset: u64) -> bool {
        let number = offset / MIN_SECTION_LEN;
        let at = usize::try_from(number / PART_BITS).unwrap_or(usize::MAX);
        if at >= self.parts.len() && at < self.max {
            self.parts.resize_with(at.saturating_add(1), Part::default);
        }
        let bit = u16::try_from(number % PART_BITS).unwrap_or(0);
        let is_new = self.parts.get_mut(at).is_some_and(|part| part.insert(bit));
        self.len = self.len.saturating_add(u64::from(is_new));
        is_new
    }

    /// Returns the number of sections in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the set has no sections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Part {
    #[inline]
    fn insert(&mut self, bit: u16) -> bool {
        match self {
            Part::Few(few) => match few.binary_search(&bit) {
                Ok(_) => false,
                Err(at) if few.len() < MAX_FEW => {
                    few.insert(at, bit);
                    true
                }
                Err(_) => {
                    let mut bits = vec![0; PART].into_boxed_slice();
                    few.iter().for_each(|&bit| _ = set(&mut bits, bit));
                    let is_new = set(&mut bits, bit);
                    *self = Part::Bits(bits);
                    is_new
                }
            },
            Part::Bits(bits) => set(bits, bit),
        }
    }
}

impl Default for Part {
    fn default() -> Self {
        Part::Few(Vec::new())
    }
}

/// Sets a bit. Returns whether it was clear.
#[inline]
fn set(bits: &mut [u64], bit: u16) -> bool {
    let mask = 1u64 << (bit % 64);
    let word = bits.get_mut(usize::from(bit / 64));
    word.is_some_and(|word| core::mem::replace(word, *word | mask) & mask == 0)
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reached").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_apart_and_repeats_are_not_counted() {
        let offsets: Vec<u64> = (0..1000).map(|number| 59 + number * MIN_SECTION_LEN).collect();
        let mut reached = Reached::new(59 + 1000 * MIN_SECTION_LEN);
        assert!(reached.is_empty());
        assert!(offsets.iter().all(|&offset| reached.insert(offset)));
        assert!(!offsets.iter().any(|&offset| reached.insert(offset)));
        assert_eq!(reached.len(), 1000);
        assert!(!reached.insert(u64::MAX) && !reached.is_empty());
    }

    /// Bytes of memory that a set takes.
    fn held(reached: &Reached) -> usize {
        let held = |part: &Part| match part {
            Part::Few(few) => few.capacity() * size_of::<u16>(),
            Part::Bits(bits) => size_of_val(&**bits),
        };
        reached.parts.capacity() * size_of::<Part>() + reached.parts.iter().map(held).sum::<usize>()
    }

    #[test]
    fn memory_is_bounded_by_the_length_and_by_the_number_of_sections() {
        let part = PART_BITS * MIN_SECTION_LEN;
        let most = MAX_CAR_LEN / part * 2 * size_of::<Part>() as u64;
        // One section in each part, the fewest that cost a part's bits, and as many as it can have.
        for each in [1, MAX_FEW as u64 + 1, PART_BITS] {
            let mut reached = Reached::new(MAX_CAR_LEN);
            let step = part / each;
            let offset =
                |number: u64| MAX_CAR_LEN - 1 - number / each * part - number % each * step;
            assert!((0..20_000).all(|number| reached.insert(offset(number))), "{each}");
            assert!(!(0..20_000).any(|number| reached.insert(offset(number))), "{each}");
            assert_eq!(reached.len(), 20_000);
            let held = held(&reached) as u64;
            assert!(held <= most + 20_000 * 64, "{held} with {each} in each part");
        }
    }
}
