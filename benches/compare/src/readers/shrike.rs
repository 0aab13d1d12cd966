//! shrike 0.8.2: its own loader, and the fastest combination of its parts.

use std::borrow::Cow;
use std::collections::HashMap;

use shrike::Cid;
use shrike::car::SliceReader;
use shrike::mst::{BlockSource, DetachedTree, MstError};
use shrike::repo::{Commit, MemRepoStore, Repo, RepoStore};

use super::{Input, Items, Reader, Work};
use crate::Result;
use crate::source::Source;
use crate::tally::Tally;

pub(super) const LOAD_CAR: Reader = Reader {
    name: "shrike-load-car",
    title: "shrike 0.8.2, Repo::load_car",
    input: Input::File,
    items: Items::Records,
    repeats: true,
    checks: "The hash of every block, canonical DAG-CBOR, the order of keys, and that no node is linked twice; not the \
             layers of keys, that prefixes are maximal, that nullable fields are present, or that there are \
             no empty nodes.",
    work: Work::Rust(|| Box::new(load_car)),
};

pub(super) const PARTS: Reader = Reader {
    name: "shrike-parts",
    title: "shrike 0.8.2, its parts at their best",
    work: Work::Rust(|| Box::new(parts)),
    ..LOAD_CAR
};

/// Loads as its documentation shows. The records come from its store.
fn load_car(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let repo = Repo::load_car(&source.bytes()?)?;
    let commit = repo.head().ok_or("no commit")?;
    walk(commit.data, &Stored(repo.store()), tally)
}

/// Hashes blocks as they are read, and borrows them in a presized map with a fast hash function.
fn parts(source: &Source<'_>, tally: &mut Tally) -> Result<()> {
    let bytes = source.bytes()?;
    let reader = SliceReader::new(&bytes)?;
    let root = *reader.roots().first().ok_or("no root")?;
    let mut blocks: HashMap<Cid, &[u8], foldhash::fast::RandomState> = HashMap::default();
    blocks.reserve(bytes.len() / 256);
    for block in reader {
        let block = block?;
        if Cid::compute(block.cid.codec(), block.data) != block.cid {
            return Err(format!("a block does not match its CID {}", block.cid).into());
        }
        blocks.insert(block.cid, block.data);
    }
    let commit = Commit::from_cbor(blocks.get(&root).ok_or("no commit")?)?;
    walk(commit.data, &blocks, tally)
}

fn walk(root: Cid, blocks: &impl BlockSource, tally: &mut Tally) -> Result<()> {
    let give = |key: &str, cid: Cid| {
        let block =
            blocks.read_block(&cid)?.ok_or_else(|| MstError::BlockNotFound(cid.to_string()))?;
        tally.record(key.as_bytes(), &block, || cid.to_bytes());
        Ok(())
    };
    Ok(DetachedTree::load(root).walk(blocks, give)?)
}

/// Adapts shrike's store to its tree.
struct Stored<'a>(&'a MemRepoStore);

impl BlockSource for Stored<'_> {
    fn read_block(&self, cid: &Cid) -> Result<Option<Cow<'_, [u8]>>, MstError> {
        self.0.borrow_block(cid).map_err(|never| match never {})
    }
}
