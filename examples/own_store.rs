//! Keeps blocks in a store of your own: `cargo run --example own_store -- samples/repo.car`.
//!
//! A map has the blocks of one revision. A second map has only the blocks that a later revision
//! adds; both together are the store of that revision.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};

use carwalk::store::{Block, BlockStore, CarStore, SliceStore};
use carwalk::{Cid, Repo, Result};

/// Blocks by their CIDs, in addition to those of an earlier revision.
#[derive(Default)]
pub(crate) struct Blocks<'a> {
    own: HashMap<Cid, Vec<u8>>,
    earlier: Option<&'a Blocks<'a>>,
}

impl<'a> Blocks<'a> {
    /// Creates a store that finds the blocks of `earlier`, and has no own blocks yet.
    pub(crate) fn after(earlier: &'a Blocks<'a>) -> Self {
        Blocks { own: HashMap::new(), earlier: Some(earlier) }
    }

    /// Adds the blocks of a CAR and returns its first root, the commit. Every block is hashed.
    pub(crate) fn add(&mut self, car: &[u8]) -> Result<Cid> {
        let car = SliceStore::new(car)?;
        for section in car.sections() {
            let cid = section?.cid();
            if let Some(block) = car.get(&cid)?.filter(|_| self.find(&cid).is_none()) {
                self.own.insert(cid, block.bytes.to_vec());
            }
        }
        Ok(car.header().root())
    }

    fn find(&self, cid: &Cid) -> Option<&[u8]> {
        let earlier = || self.earlier.and_then(|earlier| earlier.find(cid));
        self.own.get(cid).map(Vec::as_slice).or_else(earlier)
    }
}

impl BlockStore for Blocks<'_> {
    type Bytes<'b>
        = &'b [u8]
    where
        Self: 'b;

    fn get(&self, cid: &Cid) -> Result<Option<Block<&[u8]>>> {
        Ok(self.find(cid).map(Block::new))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: own_store CAR")?;
    run(&std::fs::read(path)?, &[], &mut io::stdout().lock())
}

/// Prints the number of records of a revision and of a later one. `second` is a CAR with the blocks
/// that the later revision adds, or empty.
pub(crate) fn run(first: &[u8], second: &[u8], out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut blocks = Blocks::default();
    let commit = blocks.add(first)?;
    let repo = Repo::from_store(&blocks, commit)?;
    writeln!(out, "{repo}: {} records", repo.records().try_count()?)?;
    if !second.is_empty() {
        let mut later = Blocks::after(&blocks);
        let commit = later.add(second)?;
        let repo = Repo::from_store(&later, commit)?;
        writeln!(out, "{repo}: {} records", repo.records().try_count()?)?;
    }
    Ok(())
}
