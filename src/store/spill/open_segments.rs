//! The segments of a spill file that are in memory, and the blocks in them.

use core::cell::Cell;
use std::sync::Arc;

use redb::OwnedAccessGuard;

use super::block_table::BlockTable;
use super::clock::Clock;
use super::repeats::Repeats;
use super::segment;
use super::tables::page_len;
use crate::budget;
use crate::cid::Cid;
use crate::store::hash::Secret;
use crate::store::packed::{Packed, State};

/// A segment in memory.
pub(super) type Shared = Arc<OwnedAccessGuard<&'static [u8]>>;

/// Number of hits from which on the blocks of a segment enter the table when it is opened. The
/// number is halved with each opened segment, so this means about four hits in each of the last.
const MANY_HITS: u32 = 8;

/// Decides whether the blocks of a segment enter the table when it is opened.
///
/// That does not pay for a CAR in random order, where nearly every block is in another segment.
#[derive(Default)]
struct Admission {
    hits: Cell<u32>,
}

impl Admission {
    /// Counts a hit: a block that was found in the table.
    #[inline]
    fn hit(&self) {
        self.hits.set(self.hits.get().saturating_add(1));
    }

    /// Returns whether the blocks of a segment that is opened enter the table at once.
    fn should_enter(&self) -> bool {
        let hits = self.hits.get();
        self.hits.set(hits / 2);
        hits >= MANY_HITS
    }
}

/// Whether the blocks of a segment that was opened are found in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    InTable,
    NotInTable,
}

/// The open segments, and a table of the blocks in those that were requested more than once.
pub(super) struct OpenSegments {
    segments: Clock<Shared>,
    /// The segment of the last long block that was requested. It is held in addition to the
    /// others, because many keys may link to the block.
    long: Option<(u32, Shared)>,
    /// Intact blocks, also of segments that are no longer open.
    blocks: BlockTable,
    admission: Admission,
    secret: Secret,
    /// Segments with a block whose CID is found in another segment. Only the index knows which.
    repeats: Repeats,
}

impl OpenSegments {
    /// Creates a cache of `capacity` bytes for a file with `stored` bytes of blocks and index.
    pub(super) fn new(capacity: u64, stored: u64, secret: Secret, repeats: Repeats) -> Self {
        let blocks = BlockTable::new(budget::block_table(capacity.min(stored)));
        let segments = Clock::new(capacity.saturating_sub(blocks.max_held() as u64));
        let admission = Admission::default();
        OpenSegments { segments, long: None, blocks, admission, secret, repeats }
    }

    /// Returns the block of a CID, if it is in the table and its segment is open.
    #[inline]
    pub(super) fn block(&self, cid: &Cid) -> Option<(Packed<'_>, &Shared)> {
        let found = self.blocks.get(self.secret.hash(cid)).find_map(|(number, at)| {
            let segment = self.segments.get(number)?;
            let packed = segment::block_at(segment.value(), at)?;
            (packed.cid == *cid).then_some((packed, segment))
        })?;
        self.admission.hit();
        Some(found)
    }

    /// Returns a segment, if it is open, and enters its blocks in the table.
    ///
    /// A segment that is requested twice is likely to be requested again. In a CAR in random order,
    /// blocks that entered sooner would only replace others.
    pub(super) fn segment(&mut self, number: u32) -> Option<&Shared> {
        if let Some((_, value)) = self.long.as_ref().filter(|(long, _)| *long == number) {
            return Some(value);
        }
        let value = self.segments.get(number)?;
        enter(&mut self.blocks, &self.secret, &self.repeats, number, value);
        Some(value)
    }

    /// Opens a segment that is not open. One of more than half of the capacity is held until the
    /// next such one.
    pub(super) fn open(&mut self, number: u32, value: Shared) -> Opened {
        let len = page_len(value.value().len());
        if len > self.segments.capacity() / 2 {
            self.long = Some((number, value));
            return Opened::NotInTable;
        }
        let is_entered = self.admission.should_enter();
        if is_entered {
            enter(&mut self.blocks, &self.secret, &self.repeats, number, &value);
        }
        self.segments.insert(number, value, len);
        if is_entered { Opened::InTable } else { Opened::NotInTable }
    }
}

/// Enters the intact blocks of a segment in the table. A bad block counts only if there is no other
/// with its CID, which only the index knows.
fn enter(
    table: &mut BlockTable,
    secret: &Secret,
    repeats: &Repeats,
    number: u32,
    segment: &Shared,
) {
    if repeats.contains(u64::from(number)) {
        return;
    }
    for (at, packed) in segment::blocks(segment.value()) {
        if packed.state != State::Bad {
            table.enter(secret.hash(&packed.cid), number, at);
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};

    use super::*;
    use crate::cid::Codec;
    use crate::store::spill::segment::SegmentBuilder;
    use crate::store::spill::tables::SEGMENTS;

    fn cid(number: u32) -> Cid {
        Cid::of(Codec::Raw, &number.to_le_bytes())
    }

    /// Returns segments of ten blocks of `len` bytes each, as redb returns them.
    fn segments(count: u32, len: usize) -> Vec<Shared> {
        let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let txn = db.begin_write().unwrap();
        for number in 0..count {
            let mut segment = SegmentBuilder::default();
            for block in 0..10 {
                let (cid, bytes) = (cid(number * 10 + block), vec![0; len]);
                segment.push(&Packed {
                    offset: u64::from(block),
                    cid,
                    state: State::Original,
                    bytes: &bytes,
                });
            }
            txn.open_table(SEGMENTS).unwrap().insert(number, segment.bytes()).unwrap();
        }
        txn.commit().unwrap();
        let table = db.begin_read().unwrap().open_table(SEGMENTS).unwrap();
        (0..count).map(|number| Shared::new(table.get_owned(number).unwrap().unwrap())).collect()
    }

    #[test]
    fn blocks_are_found_from_the_second_question_on_as_long_as_their_segment_is_open() {
        let segments = segments(20, 100);
        let mut open =
            OpenSegments::new(5 * (4096 + 1024), u64::MAX, Secret::random(), Repeats::default());
        for (number, segment) in (0..).zip(&segments) {
            open.admission = Admission::default();
            assert_eq!(open.open(number, segment.clone()), Opened::NotInTable);
            assert!(open.block(&cid(number * 10)).is_none());
            assert!(open.segment(number).is_some());
            for block in number * 10..number * 10 + 10 {
                let (packed, found) = open.block(&cid(block)).unwrap();
                assert!(packed.cid == cid(block) && Shared::ptr_eq(found, segment));
            }
            assert!((0..20).filter(|&number| open.segments.get(number).is_some()).count() <= 5);
        }
        assert!(open.segment(0).is_none() && open.block(&cid(0)).is_none());
        // When a segment is opened again, its blocks are found that the table still has.
        let closed = (0..20).rev().find(|&number| open.segments.get(number).is_none()).unwrap();
        open.admission = Admission::default();
        assert_eq!(open.open(closed, segments[closed as usize].clone()), Opened::NotInTable);
        assert!((closed * 10..closed * 10 + 10).any(|block| open.block(&cid(block)).is_some()));
    }

    #[test]
    fn where_most_blocks_are_found_they_are_from_the_first_question_on() {
        let segments = segments(2, 100);
        let mut open = OpenSegments::new(1 << 20, 1 << 16, Secret::random(), Repeats::default());
        open.open(0, segments[0].clone());
        assert!(open.segment(0).is_some());
        for block in 0..MANY_HITS {
            assert!(open.block(&cid(block)).is_some());
        }
        assert_eq!(open.open(1, segments[1].clone()), Opened::InTable);
        assert!(open.block(&cid(10)).is_some());
    }

    #[test]
    fn of_segments_with_repeats_no_block_is_found_without_the_index() {
        let segments = segments(2, 100);
        let mut repeats = Repeats::default();
        repeats.insert(0);
        let mut open = OpenSegments::new(1 << 20, 1 << 16, Secret::random(), repeats);
        for (number, segment) in (0..).zip(&segments) {
            open.open(number, segment.clone());
            assert!(open.segment(number).is_some());
        }
        assert!((0..10).all(|block| open.block(&cid(block)).is_none()));
        assert!((10..20).all(|block| open.block(&cid(block)).is_some()));
    }

    /// Otherwise a record of megabytes under many keys would be read for each key.
    #[test]
    fn a_segment_beyond_the_bound_stays_until_the_next_such_one() {
        let segments = segments(2, 1000);
        let mut open = OpenSegments::new(0, u64::MAX, Secret::random(), Repeats::default());
        for (number, segment) in (0..).zip(&segments) {
            open.open(number, segment.clone());
            assert!(open.segment(number).is_some() && open.segment(number).is_some());
        }
        assert!(open.segment(0).is_none());
    }
}
