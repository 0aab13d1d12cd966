//! The blocks of a CAR whose commit is not opened, in one type of store.

use std::io::Read;
use std::path::Path;

use carwalk::car::Writer;
use carwalk::cid::Cid;
use carwalk::store::{
    AnyBytes, AnyStore, Block, BlockStore, CarStats, CarStore, MappedFile, SliceStore, SpillFile,
    commits,
};
use carwalk::{BoundedLoader, Commit, CommitRules, Error, Loader, Result};

use super::opened::{Opened, OpenedRepo};
use super::storage::Storage;
use super::stream::Stream;
use crate::failure::Cause;
use crate::hints::Evidence;
use crate::progress::SharedProgress;

/// The blocks of a loaded CAR, by their location. For commands over several CARs, and over trees
/// without a commit: a lookup costs one branch more than in the store inside.
#[expect(clippy::large_enum_variant, reason = "there is one for each CAR")]
pub(crate) enum LoadedCar {
    Mapped(SliceStore<MappedFile>),
    Read(AnyStore),
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

impl LoadedCar {
    /// Returns the first root.
    pub(super) fn root(&self) -> Cid {
        match self {
            LoadedCar::Mapped(store) => store.header().root(),
            LoadedCar::Read(store) => store.header().root(),
        }
    }

    /// Returns the header, and nothing of the blocks, for explanations of an error.
    pub(super) fn evidence(&self) -> Header {
        let (roots, len) = match self {
            LoadedCar::Mapped(store) => (store.header().roots(), store.stats().bytes),
            LoadedCar::Read(store) => (store.header().roots(), store.stats().bytes),
        };
        // Only the header is written, into memory.
        let head = Writer::new(Vec::new(), roots).and_then(Writer::finish).unwrap_or_default();
        Header { head, len }
    }

    pub(super) fn stats(&self) -> CarStats {
        match self {
            LoadedCar::Mapped(store) => store.stats(),
            LoadedCar::Read(store) => store.stats(),
        }
    }

    /// Returns the length of all sections in bytes, without those that repeat an earlier one.
    pub(super) fn distinct_bytes(&self) -> Result<u64> {
        match self {
            LoadedCar::Mapped(store) => distinct_bytes(store),
            LoadedCar::Read(store) => distinct_bytes(store),
        }
    }

    /// Returns the commits among the blocks.
    pub(super) fn commits(
        &self,
        rules: CommitRules,
    ) -> impl Iterator<Item = Result<Commit<'static>>> {
        let (mapped, read) = match self {
            LoadedCar::Mapped(store) => (Some(commits(store, rules)), None),
            LoadedCar::Read(store) => (None, Some(commits(store, rules))),
        };
        mapped.into_iter().flatten().chain(read.into_iter().flatten())
    }
}

/// The header of a CAR whose bytes are no longer there.
pub(super) struct Header {
    head: Vec<u8>,
    /// The length of the CAR, in bytes.
    len: u64,
}

impl Evidence for Header {
    fn head(&mut self) -> Vec<u8> {
        self.head.clone()
    }

    fn from(&mut self, _offset: u64) -> Option<Box<dyn Read + '_>> {
        None
    }

    fn most(&self) -> u64 {
        self.len
    }

    fn len_within(&mut self, most: u64) -> Option<u64> {
        (self.len <= most).then_some(self.len)
    }

    fn is_compressed(&self) -> bool {
        false
    }
}

impl Opened for LoadedCar {
    fn map(
        loader: Loader,
        bytes: MappedFile,
        index: Option<(u64, SpillFile)>,
    ) -> Result<(Self, Option<u64>)> {
        let store = match index {
            Some((limit, index)) => loader.memory_limit(limit).load_slice(bytes, index),
            None => loader.load_slice(bytes),
        }?;
        let stored = store.index_stored();
        Ok((LoadedCar::Mapped(store), stored))
    }

    fn load(
        loader: &BoundedLoader,
        stream: &mut Stream<'_>,
        storage: &Storage,
        progress: &SharedProgress,
    ) -> std::result::Result<Self, Cause> {
        let store = loader.load_reader(stream, storage.file())?;
        if let AnyStore::File(file) = &store {
            storage.tell("spilled the CAR", file.bytes_stored(), |note| progress.note(note));
        }
        Ok(LoadedCar::Read(store))
    }

    fn kept(loader: &BoundedLoader, path: &Path) -> std::result::Result<Self, Cause> {
        Ok(OpenedRepo::kept(loader, path)?.into_parts().0)
    }

    fn fault(&self) -> Option<&Error> {
        match self {
            LoadedCar::Mapped(store) => store.fault(),
            LoadedCar::Read(store) => store.fault(),
        }
    }
}

fn distinct_bytes<S: CarStore>(store: &S) -> Result<u64> {
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
        add_section(start, store.stats().bytes, &mut bytes);
    }
    Ok(bytes)
}

/// Adds the length of a section, unless it repeats an earlier one.
fn add_section((start, is_first): (u64, bool), end: u64, bytes: &mut u64) {
    if is_first {
        *bytes = bytes.saturating_add(end.saturating_sub(start));
    }
}

impl BlockStore for LoadedCar {
    type Bytes<'a> = Bytes<'a>;

    #[inline]
    fn get(&self, cid: &Cid) -> Result<Option<Block<Bytes<'_>>>> {
        Ok(match self {
            LoadedCar::Mapped(store) => store.get(cid)?.map(|block| block.map(Bytes::Mapped)),
            LoadedCar::Read(store) => store.get(cid)?.map(|block| block.map(Bytes::Read)),
        })
    }

    fn contains(&self, cid: &Cid) -> Result<bool> {
        match self {
            LoadedCar::Mapped(store) => store.contains(cid),
            LoadedCar::Read(store) => store.contains(cid),
        }
    }

    fn memory_cost<'a>(&'a self, bytes: &Bytes<'a>) -> u64 {
        match (self, bytes) {
            (LoadedCar::Read(store), Bytes::Read(bytes)) => store.memory_cost(bytes),
            _ => 0,
        }
    }

    fn prefetch(&self, cids: &[Cid]) {
        match self {
            LoadedCar::Mapped(store) => store.prefetch(cids),
            LoadedCar::Read(store) => store.prefetch(cids),
        }
    }

    fn is_cached(&self) -> bool {
        match self {
            LoadedCar::Mapped(store) => store.is_cached(),
            LoadedCar::Read(store) => store.is_cached(),
        }
    }

    fn has_unique_offsets(&self) -> bool {
        true
    }
}
