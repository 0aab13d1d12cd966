//! The blocks of one of several CARs.

use std::cell::RefCell;

use carwalk::cid::{Cid, LEN as CID_LEN};
use carwalk::store::{
    AnyBytes, AnyStore, Block, BlockStore, CarStats, CarStore, MappedFile, Reached, SliceStore,
    Union, commits,
};
use carwalk::{Commit, CommitRules};

/// A loaded CAR, which counts the blocks that are taken from it.
pub(crate) struct InputStore {
    place: Place,
    taken: RefCell<Taken>,
}

/// The location of the blocks.
#[expect(clippy::large_enum_variant, reason = "there is one for each CAR")]
pub(super) enum Place {
    Mapped(SliceStore<MappedFile>),
    Read(AnyStore),
}

/// The blocks that were taken.
struct Taken {
    sections: Reached,
    bytes: u64,
}

/// The bytes of a block.
pub(crate) enum Bytes<'a> {
    Mapped(&'a [u8]),
    Read(AnyBytes<'a>),
}

impl AsRef<[u8]> for Bytes<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(bytes) => bytes,
            Bytes::Read(bytes) => bytes.as_ref(),
        }
    }
}

/// What was not taken from CARs.
#[derive(Default)]
pub(crate) struct LeftOut {
    pub(crate) blocks: u64,
    /// Bytes of their sections.
    pub(crate) bytes: u64,
}

impl InputStore {
    pub(super) fn new(place: Place) -> Self {
        let taken = Taken { sections: Reached::new(0), bytes: 0 };
        let store = InputStore { place, taken: RefCell::new(taken) };
        store.count_anew();
        store
    }

    /// Counts from now on. Blocks that were taken before are not counted.
    pub(crate) fn count_anew(&self) {
        let sections = Reached::new(self.stats().bytes);
        self.taken.replace(Taken { sections, bytes: 0 });
    }

    /// Counts the distinct blocks that were not taken.
    pub(crate) fn left_out(&self) -> carwalk::Result<LeftOut> {
        let (stats, taken) = (self.stats(), self.taken.borrow());
        let mut left_out = LeftOut {
            blocks: stats.distinct_blocks.saturating_sub(taken.sections.len()),
            bytes: 0,
        };
        if left_out.blocks > 0 {
            let sections = self.distinct_bytes(stats)?;
            left_out.bytes = sections.saturating_sub(taken.bytes);
        }
        Ok(left_out)
    }

    /// Returns the length of all sections, without those that repeat an earlier one.
    fn distinct_bytes(&self, stats: CarStats) -> carwalk::Result<u64> {
        match &self.place {
            Place::Mapped(store) => distinct_bytes(store, stats),
            Place::Read(store) => distinct_bytes(store, stats),
        }
    }

    fn stats(&self) -> CarStats {
        match &self.place {
            Place::Mapped(store) => store.stats(),
            Place::Read(store) => store.stats(),
        }
    }

    /// Returns the first root.
    pub(super) fn root(&self) -> Cid {
        match &self.place {
            Place::Mapped(store) => store.header().root(),
            Place::Read(store) => store.header().root(),
        }
    }

    /// Returns the commits among the blocks.
    fn commits(
        &self,
        rules: CommitRules,
    ) -> impl Iterator<Item = carwalk::Result<Commit<'static>>> {
        let (mapped, read) = match &self.place {
            Place::Mapped(store) => (Some(commits(store, rules)), None),
            Place::Read(store) => (None, Some(commits(store, rules))),
        };
        mapped.into_iter().flatten().chain(read.into_iter().flatten())
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
    cars.stores().iter().flat_map(move |car| car.commits(rules))
}

/// Returns the length of a section with a block of this length.
fn section_len(block: u64) -> u64 {
    let len = block.saturating_add(CID_LEN as u64);
    // A varint has 7 bits in each byte.
    let bits = u64::from(len.checked_ilog2().unwrap_or(0)).saturating_add(1);
    len.saturating_add(bits.div_ceil(7))
}

fn distinct_bytes<S: CarStore>(store: &S, stats: CarStats) -> carwalk::Result<u64> {
    let (mut bytes, mut last) = (0_u64, None);
    for head in store.sections() {
        let head = head?;
        let is_first =
            store.get(&head.cid())?.and_then(|block| block.offset) == Some(head.offset());
        if let Some(start) = last.replace((head.offset(), is_first)) {
            add_section(start, head.offset(), &mut bytes);
        }
    }
    if let Some(start) = last {
        add_section(start, stats.bytes, &mut bytes);
    }
    Ok(bytes)
}

/// Adds the length of a section, unless it repeats an earlier one.
fn add_section((start, is_first): (u64, bool), end: u64, bytes: &mut u64) {
    if is_first {
        *bytes = bytes.saturating_add(end.saturating_sub(start));
    }
}

impl BlockStore for InputStore {
    type Bytes<'a> = Bytes<'a>;

    #[inline]
    fn get(&self, cid: &Cid) -> carwalk::Result<Option<Block<Bytes<'_>>>> {
        let block = match &self.place {
            Place::Mapped(store) => store.get(cid)?.map(|block| block.map(Bytes::Mapped)),
            Place::Read(store) => store.get(cid)?.map(|block| block.map(Bytes::Read)),
        };
        if let Some(block) = &block {
            self.count(block);
        }
        Ok(block)
    }

    fn contains(&self, cid: &Cid) -> carwalk::Result<bool> {
        match &self.place {
            Place::Mapped(store) => store.contains(cid),
            Place::Read(store) => store.contains(cid),
        }
    }

    fn memory_cost<'a>(&'a self, bytes: &Bytes<'a>) -> u64 {
        match (&self.place, bytes) {
            (Place::Read(store), Bytes::Read(bytes)) => store.memory_cost(bytes),
            _ => 0,
        }
    }

    fn prefetch(&self, cids: &[Cid]) {
        match &self.place {
            Place::Mapped(store) => store.prefetch(cids),
            Place::Read(store) => store.prefetch(cids),
        }
    }

    fn is_cached(&self) -> bool {
        match &self.place {
            Place::Mapped(store) => store.is_cached(),
            Place::Read(store) => store.is_cached(),
        }
    }

    fn has_unique_offsets(&self) -> bool {
        true
    }
}
