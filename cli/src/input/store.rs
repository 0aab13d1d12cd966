//! The blocks of one of several CARs, and which of them were taken.

use std::cell::RefCell;

use carwalk::cid::{Cid, LEN as CID_LEN};
use carwalk::store::{Block, BlockStore, Reached, Union};
use carwalk::{Commit, CommitRules};

use super::loaded::{Bytes, Header, LoadedCar};

/// A loaded CAR, which counts the blocks that are taken from it.
pub(crate) struct InputStore {
    car: LoadedCar,
    taken: RefCell<Taken>,
}

/// The blocks that were taken.
struct Taken {
    sections: Reached,
    bytes: u64,
}

/// What was not taken from CARs.
#[derive(Default)]
pub(crate) struct LeftOut {
    pub(crate) blocks: u64,
    /// Bytes of their sections.
    pub(crate) bytes: u64,
}

impl InputStore {
    pub(super) fn new(car: LoadedCar) -> Self {
        let taken = Taken { sections: Reached::new(0), bytes: 0 };
        let store = InputStore { car, taken: RefCell::new(taken) };
        store.count_anew();
        store
    }

    /// Counts from now on. Blocks that were taken before are not counted.
    pub(crate) fn count_anew(&self) {
        let sections = Reached::new(self.car.stats().bytes);
        self.taken.replace(Taken { sections, bytes: 0 });
    }

    /// Counts the distinct blocks that were not taken.
    pub(crate) fn left_out(&self) -> carwalk::Result<LeftOut> {
        let (stats, taken) = (self.car.stats(), self.taken.borrow());
        let mut left_out = LeftOut {
            blocks: stats.distinct_blocks.saturating_sub(taken.sections.len()),
            bytes: 0,
        };
        if left_out.blocks > 0 {
            left_out.bytes = self.car.distinct_bytes()?.saturating_sub(taken.bytes);
        }
        Ok(left_out)
    }

    /// Returns the first root.
    pub(super) fn root(&self) -> Cid {
        self.car.root()
    }

    pub(super) fn evidence(&self) -> Header {
        self.car.evidence()
    }

    #[inline]
    fn count<B: AsRef<[u8]>>(&self, block: &Block<B>) {
        let mut taken = self.taken.borrow_mut();
        if block.offset.is_some_and(|offset| taken.sections.insert(offset)) {
            let len = section_len(block.bytes.as_ref().len() as u64);
            taken.bytes = taken.bytes.saturating_add(len);
        }
    }
}

/// Returns the commits among the blocks of several CARs.
pub(super) fn all_commits(
    cars: &Union<InputStore>,
    rules: CommitRules,
) -> impl Iterator<Item = carwalk::Result<Commit<'static>>> {
    cars.stores().iter().flat_map(move |store| store.car.commits(rules))
}

/// Returns the length of a section with a block of this length.
fn section_len(block: u64) -> u64 {
    let len = block.saturating_add(CID_LEN as u64);
    // A varint has 7 bits in each byte.
    let bits = u64::from(len.checked_ilog2().unwrap_or(0)).saturating_add(1);
    len.saturating_add(bits.div_ceil(7))
}

impl BlockStore for InputStore {
    type Bytes<'a> = Bytes<'a>;

    #[inline]
    fn get(&self, cid: &Cid) -> carwalk::Result<Option<Block<Bytes<'_>>>> {
        let block = self.car.get(cid)?;
        if let Some(block) = &block {
            self.count(block);
        }
        Ok(block)
    }

    fn contains(&self, cid: &Cid) -> carwalk::Result<bool> {
        self.car.contains(cid)
    }

    fn memory_cost<'a>(&'a self, bytes: &Bytes<'a>) -> u64 {
        self.car.memory_cost(bytes)
    }

    fn prefetch(&self, cids: &[Cid]) {
        self.car.prefetch(cids);
    }

    fn is_cached(&self) -> bool {
        self.car.is_cached()
    }

    fn has_unique_offsets(&self) -> bool {
        self.car.has_unique_offsets()
    }
}
