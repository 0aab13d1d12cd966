//! What is held of a spill file in memory, within a bound.

use core::cell::Cell;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;
use std::sync::Arc;

use redb::OwnedAccessGuard;

use super::block_table::BlockTable;
use super::runs::Repeats;
use super::segment;
use crate::cid::Cid;
use crate::store::hash::Secret;
use crate::store::packed::{Packed, State};

/// Blocks that have to be found in the table, of late, for those of a segment to come there as soon
/// as it is opened.
const MANY: u32 = 8;

/// Bytes that anything held takes beside its own.
const ITEM_COST: usize = 128;

/// A segment, held for as long as somebody has it.
pub(super) type Shared = Arc<OwnedAccessGuard<&'static [u8]>>;

/// Bytes of memory that redb takes for a value: pages of 4 KiB, doubled until it fits.
pub(super) fn pages_of(value: &[u8]) -> usize {
    value.len().saturating_add(12).max(1 << 12).checked_next_power_of_two().unwrap_or(usize::MAX)
}

/// Things by number, of which the least used go when there is no room: each is passed over once
/// after each use.
pub(super) struct Clock<T> {
    items: Vec<Item<T>>,
    numbers: HashMap<u32, usize, Plain>,
    /// The item that is looked at next.
    hand: usize,
    /// Bytes that all items take.
    held: usize,
    capacity: usize,
}

struct Item<T> {
    number: u32,
    value: T,
    cost: usize,
    was_used: Cell<bool>,
}

impl<T> Clock<T> {
    pub(super) fn new(capacity: u64) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        Clock { items: Vec::new(), numbers: HashMap::default(), hand: 0, held: 0, capacity }
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let item = self.items.get(*self.numbers.get(&number)?)?;
        item.was_used.set(true);
        Some(&item.value)
    }

    /// Takes in a thing of so many bytes, for which others may have to go.
    pub(super) fn insert(&mut self, number: u32, value: T, len: usize) {
        let cost = len.saturating_add(ITEM_COST);
        self.held = self.held.saturating_add(cost);
        while self.held > self.capacity && !self.items.is_empty() {
            self.evict();
        }
        self.numbers.insert(number, self.items.len());
        self.items.push(Item { number, value, cost, was_used: Cell::new(false) });
    }

    fn evict(&mut self) {
        loop {
            if self.hand >= self.items.len() {
                self.hand = 0;
            }
            if !self.items.get(self.hand).is_some_and(|item| item.was_used.take()) {
                break;
            }
            self.hand = self.hand.saturating_add(1);
        }
        let item = self.items.swap_remove(self.hand);
        self.numbers.remove(&item.number);
        if let Some(moved) = self.items.get(self.hand) {
            self.numbers.insert(moved.number, self.hand);
        }
        // What moved here came last: it is passed over this time.
        self.hand = self.hand.saturating_add(1);
        self.held = self.held.saturating_sub(item.cost);
    }
}

/// Open segments, and a table of the blocks in those that are used again and again.
pub(super) struct OpenSegments {
    segments: Clock<Shared>,
    /// The segment of a long block that was asked for last, beside the bound: many keys may lead to
    /// it.
    long: Option<(u32, Shared)>,
    /// Good blocks, some of segments that are not open.
    blocks: BlockTable,
    /// Blocks that were found in the table, of which half are forgotten each time that a segment is
    /// opened.
    found: Cell<u32>,
    secret: Secret,
    /// Segments in which some block is not the one that its CID stands for: which is, only the
    /// index knows.
    repeats: Repeats,
}

impl OpenSegments {
    /// Holds `capacity` bytes of a file in which there are `stored`.
    pub(super) fn new(capacity: u64, stored: u64, secret: Secret, repeats: Repeats) -> Self {
        let blocks = BlockTable::new(usize::try_from(capacity.min(stored)).unwrap_or(usize::MAX));
        let segments = Clock::new(capacity.saturating_sub(blocks.max_held() as u64));
        OpenSegments { segments, long: None, blocks, found: Cell::new(0), secret, repeats }
    }

    /// The block of a CID, if an open segment has it and it is good.
    #[inline]
    pub(super) fn block(&self, cid: &Cid) -> Option<(Packed<'_>, &Shared)> {
        let found = self.blocks.get(self.secret.hash(cid)).find_map(|(number, place)| {
            let segment = self.segments.get(number)?;
            let packed = segment::block_at(segment.value(), place)?;
            (packed.cid == *cid).then_some((packed, segment))
        })?;
        self.found.set(self.found.get().saturating_add(1));
        Some(found)
    }

    /// A segment, if it is open.
    ///
    /// Who asks twice will ask again: now its blocks come into the table. In a CAR in random order
    /// they would only come and go if they came there sooner.
    pub(super) fn segment(&mut self, number: u32) -> Option<&Shared> {
        if let Some((_, value)) = self.long.as_ref().filter(|(long, _)| *long == number) {
            return Some(value);
        }
        let value = self.segments.get(number)?;
        enter(&mut self.blocks, &self.secret, &self.repeats, number, value);
        Some(value)
    }

    /// Opens a segment, and tells whether its blocks came into the table. A segment that would
    /// crowd out most others stays until the next such one comes.
    pub(super) fn open(&mut self, number: u32, value: Shared) -> bool {
        let len = pages_of(value.value());
        if len > self.segments.capacity / 2 {
            self.long = Some((number, value));
            return false;
        }
        let found = self.found.get();
        self.found.set(found / 2);
        let is_entered = found >= MANY;
        if is_entered {
            enter(&mut self.blocks, &self.secret, &self.repeats, number, &value);
        }
        self.segments.insert(number, value, len);
        is_entered
    }
}

/// Enters the blocks of a segment in a table. A bad block is found only when there is no other;
/// that, the index knows.
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
    for (place, packed) in segment::blocks(segment.value()) {
        if packed.state != State::Bad {
            table.enter(secret.hash(&packed.cid), number, place);
        }
    }
}

/// Takes numbers and hashes as they are: hashes have secrets, and numbers count.
#[derive(Default)]
pub(super) struct PlainHasher(u64);

type Plain = BuildHasherDefault<PlainHasher>;

impl Hasher for PlainHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write_u32(&mut self, value: u32) {
        // The table looks at the highest bits too.
        self.0 = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};

    use super::*;
    use crate::cid::Codec;
    use crate::store::spill::meta::SEGMENTS;
    use crate::store::spill::segment::SegmentBuilder;

    #[test]
    fn what_is_used_stays_and_no_more_is_held_than_there_is_room_for() {
        let mut clock = Clock::new(10 * (100 + ITEM_COST) as u64);
        for number in 0..1000 {
            clock.insert(number, number, 100);
            assert!(clock.held <= clock.capacity && clock.items.len() <= 10);
            assert_eq!(clock.get(0), Some(&0), "asked for each time");
            assert!(clock.numbers.contains_key(&number));
        }
        assert_eq!(clock.numbers.len(), clock.items.len());
        // Too large for all of it: it is there until the next.
        clock.insert(1000, 1000, 1 << 20);
        assert_eq!(clock.items.len(), 1);
        assert_eq!([1000, 999].map(|number| clock.get(number).is_some()), [true, false]);
        clock.insert(1001, 1001, 100);
        assert_eq!([1000, 1001].map(|number| clock.get(number).is_some()), [false, true]);
    }

    fn cid(number: u32) -> Cid {
        Cid::of(Codec::Raw, &number.to_le_bytes())
    }

    /// Segments with ten blocks each, of such a length, as redb gives them.
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
                    state: State::Raw,
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
            open.found.set(0);
            assert!(!open.open(number, segment.clone()));
            assert!(open.block(&cid(number * 10)).is_none());
            assert!(open.segment(number).is_some());
            for block in number * 10..number * 10 + 10 {
                let (packed, found) = open.block(&cid(block)).unwrap();
                assert!(packed.cid == cid(block) && Shared::ptr_eq(found, segment));
            }
            assert!(open.segments.items.len() <= 5);
        }
        assert!(open.segment(0).is_none() && open.block(&cid(0)).is_none());
        // Once it is open again, so are they.
        open.found.set(0);
        open.open(19, segments[19].clone());
        assert!(open.block(&cid(190)).is_some());
    }

    #[test]
    fn where_most_blocks_are_found_they_are_from_the_first_question_on() {
        let segments = segments(2, 100);
        let mut open = OpenSegments::new(1 << 20, 1 << 16, Secret::random(), Repeats::default());
        open.open(0, segments[0].clone());
        assert!(open.segment(0).is_some());
        for block in 0..MANY {
            assert!(open.block(&cid(block)).is_some());
        }
        assert!(open.open(1, segments[1].clone()));
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

    /// Else a record of megabytes under many keys would be read for each of them.
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
