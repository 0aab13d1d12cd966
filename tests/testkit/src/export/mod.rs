//! Exports that look like those of real accounts, for benchmarks and memory tests: large ones, and
//! networks of many small ones.
//!
//! The same settings give the same bytes. Records are generated from their numbers whenever they
//! are needed. Only a few dozen bytes for each record, and the nodes, are held in memory.

mod network;
mod record;
mod subjects;
mod tree;

use std::io::{self, BufWriter, Write};
use std::str::FromStr;

pub use self::network::Network;
use self::record::{Account, Hashed};
use self::subjects::{MadeUp, Subjects};
use self::tree::{Block, Tree};
use crate::car;
use crate::cid::{Cid, DAG_CBOR};
use crate::commit::{Commit, DID};
use crate::rng::Rng;
use crate::{cbor::Value, varint};

/// The order of the blocks in a large export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Newest revision first, within a revision by CID text, descending: the reference PDS.
    Pds,
    /// The order of the walk.
    Preorder,
    /// A random order.
    Random,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "pds" => Ok(Self::Pds),
            "preorder" => Ok(Self::Preorder),
            "random" => Ok(Self::Random),
            _ => Err(format!("no order {name:?}: there are pds, preorder and random")),
        }
    }
}

/// The settings of an export.
#[derive(Clone, Debug)]
pub struct Export {
    /// The number of records.
    pub records: usize,
    /// The seed. Each seed gives another account.
    pub seed: u64,
    /// The order of the blocks.
    pub order: Order,
}

/// The sizes of a written export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file's length.
    pub bytes: u64,
    /// The number of blocks: commit, nodes and records.
    pub blocks: usize,
    /// The number of nodes.
    pub nodes: usize,
    /// The sum of the records' lengths.
    pub record_bytes: u64,
    /// The CID of the commit.
    pub commit: Cid,
}

impl Export {
    /// Writes the CAR.
    ///
    /// # Errors
    ///
    /// Returns the writer's errors.
    pub fn write_to(&self, writer: &mut impl Write) -> io::Result<Written> {
        let account = Account::new(DID.to_owned(), self.records, self.seed);
        write(&Hashed::new(&account, &MadeUp), self.order, self.seed, writer)
    }
}

/// Writes the CAR of an account. `seed` is that of a random order.
fn write<S: Subjects>(
    account: &Hashed<'_, S>,
    order: Order,
    seed: u64,
    writer: &mut impl Write,
) -> io::Result<Written> {
    let tree = Tree::build(account);
    let commit = Commit::default()
        .set("did", Value::text(account.did()))
        .set("rev", Value::text(account.newest_rev()))
        .encode(&Cid::new(DAG_CBOR, tree.root()));
    let mut out =
        CarWriter { out: BufWriter::with_capacity(1 << 20, writer), bytes: 0, record_bytes: 0 };
    out.header(Cid::dag_cbor(&commit))?;
    let mut blocks = tree.preorder();
    match order {
        Order::Preorder => {}
        Order::Random => Rng::new(seed).shuffle(&mut blocks),
        Order::Pds => sort_as_pds(&mut blocks, account, &tree, &commit),
    }
    let mut record = Vec::new();
    for block in &blocks {
        match *block {
            Block::Commit => out.section(&Cid::dag_cbor(&commit), &commit)?,
            Block::Node(node) => {
                out.section(&Cid::new(DAG_CBOR, tree.digest(node)), tree.block(node))?
            }
            Block::Record(index) => {
                account.record(index, &mut record);
                out.section(&Cid::new(DAG_CBOR, account.digest(index)), &record)?;
                out.record_bytes += record.len() as u64;
            }
        }
    }
    out.out.flush()?;
    let (bytes, record_bytes) = (out.bytes, out.record_bytes);
    let commit = Cid::dag_cbor(&commit);
    Ok(Written { bytes, blocks: blocks.len(), nodes: tree.nodes(), record_bytes, commit })
}

fn sort_as_pds<S: Subjects>(
    blocks: &mut [Block],
    account: &Hashed<'_, S>,
    tree: &Tree,
    commit: &[u8],
) {
    // The commit belongs to the newest revision, and is sorted by its text like its other blocks.
    let newest = account.newest_revision();
    blocks.sort_by_cached_key(|block| {
        let (revision, cid) = match *block {
            Block::Commit => (newest, Cid::dag_cbor(commit)),
            Block::Node(node) => (tree.revision(node), Cid::new(DAG_CBOR, tree.digest(node))),
            Block::Record(index) => {
                (account.revision(index), Cid::new(DAG_CBOR, account.digest(index)))
            }
        };
        std::cmp::Reverse((revision, cid_text_rank(&cid)))
    });
}

/// A number with the order of CID texts, for CIDs of one codec. In base 32, digits stand for the
/// largest values but sort before letters. Twelve characters suffice to distinguish blocks.
fn cid_text_rank(cid: &Cid) -> u64 {
    // The seventh character of the text begins with two bits of the constant part, followed by the
    // digest.
    let window =
        cid.as_bytes()[3..12].iter().fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
    (0..12).fold(0, |rank, letter| {
        let value = (window >> (61 - 5 * letter)) as u64 & 31;
        rank << 5 | if value < 26 { value + 6 } else { value - 26 }
    })
}

struct CarWriter<W: Write> {
    out: BufWriter<W>,
    bytes: u64,
    record_bytes: u64,
}

impl<W: Write> CarWriter<W> {
    fn header(&mut self, root: Cid) -> io::Result<()> {
        let car = car::Car::new(&[root]).to_bytes();
        self.write(&car)
    }

    fn section(&mut self, cid: &Cid, block: &[u8]) -> io::Result<()> {
        self.write(&varint::encode(36 + block.len() as u64))?;
        self.write(cid.as_bytes())?;
        self.write(block)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle;

    fn export(order: Order) -> (Vec<u8>, Written) {
        let mut bytes = Vec::new();
        let written = Export { records: 3_000, seed: 5, order }.write_to(&mut bytes).unwrap();
        (bytes, written)
    }

    #[test]
    fn exports_are_sound_and_as_large_as_told() {
        for order in [Order::Pds, Order::Preorder, Order::Random] {
            let (bytes, written) = export(order);
            assert_eq!(bytes.len() as u64, written.bytes);
            let car = car::Car::parse(&bytes).unwrap();
            assert_eq!(car.sections.len(), written.blocks);
            let walk = oracle::walk(&bytes).unwrap();
            assert_eq!(walk.entries.len(), 3_000);
            assert_eq!(written.blocks, 3_000 + written.nodes + 1);
            assert_eq!(walk.commit.cid, written.commit);
        }
    }

    #[test]
    fn same_seed_gives_same_bytes() {
        assert_eq!(export(Order::Pds), export(Order::Pds));
    }

    #[test]
    fn records_are_canonical() {
        let (bytes, _) = export(Order::Preorder);
        for entry in oracle::walk(&bytes).unwrap().entries {
            let record = entry.record.unwrap();
            let value = oracle::decode(&record).unwrap();
            assert!(oracle::is_canonical(&value));
            assert_eq!(value.encode(), record);
        }
    }

    #[test]
    fn rank_orders_as_text_does() {
        let mut cids: Vec<_> = (0..500_u32).map(|n| Cid::dag_cbor(&n.to_be_bytes())).collect();
        cids.sort_by_key(cid_text_rank);
        assert!(cids.is_sorted_by_key(|cid| cid.to_string()));
    }
}
