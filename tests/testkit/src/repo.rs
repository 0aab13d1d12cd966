//! Whole repositories: records, their tree, a commit, and a CAR in any order of blocks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::car::Car;
use crate::cbor::Value;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::rng::Rng;
use crate::tree::{self, Node, Step};

/// The order of the blocks in a CAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The commit, then nodes and records as the walk reaches them, each block once.
    Preorder,
    /// Pre-order, but a record that several keys share is repeated for each.
    PreorderRepeating,
    /// The commit, the nodes level by level, the records in key order.
    BreadthFirst,
    /// Newest revision first, within a revision by CID text, descending: the reference PDS.
    Pds,
    /// Pre-order backwards.
    Reversed,
    /// Pre-order, the commit at the end.
    CommitLast,
    /// A random order. The same seed gives the same order.
    Shuffled(u64),
}

impl Order {
    /// One order of each kind.
    pub const ALL: [Self; 7] = [
        Self::Preorder,
        Self::PreorderRepeating,
        Self::BreadthFirst,
        Self::Pds,
        Self::Reversed,
        Self::CommitLast,
        Self::Shuffled(1),
    ];
}

/// A record's block.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The CID under which it is stored and linked.
    pub cid: Cid,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The revision in which it was written; larger is newer.
    pub revision: u32,
}

impl Record {
    /// A DAG-CBOR record of revision 0.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { cid: Cid::dag_cbor(&bytes), bytes, revision: 0 }
    }

    /// A record of raw bytes, of revision 0.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self { cid: Cid::raw(&bytes), bytes, revision: 0 }
    }

    /// The same record in another revision.
    #[must_use]
    pub fn at_revision(self, revision: u32) -> Self {
        Self { revision, ..self }
    }

    /// A small valid record for a path, different for every path.
    pub fn sample(path: &[u8]) -> Self {
        let path = String::from_utf8_lossy(path);
        let collection = path.split('/').next().unwrap_or_default();
        let text = Value::text(format!("the record at {path}"));
        Self::new(Value::map_sorted([("text", text), ("$type", Value::text(collection))]).encode())
    }
}

/// A repository that can be changed before it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Repo {
    /// The tree.
    pub root: Node,
    /// The commit; its `data` follows the tree unless a test sets it.
    pub commit: Commit,
    /// The blocks of records by CID. Entries of the tree refer to them; an entry may have none.
    pub records: BTreeMap<Cid, Record>,
    /// Blocks at the end of every order: unlinked blocks, or the targets of links to blocks that
    /// are not part of the tree.
    pub extra: Vec<(Cid, Vec<u8>)>,
}

impl Repo {
    /// A valid repository of records.
    pub fn new(records: impl IntoIterator<Item = (Vec<u8>, Record)>) -> Self {
        let mut tree = BTreeMap::new();
        let mut blocks: BTreeMap<Cid, Record> = BTreeMap::new();
        for (path, record) in records {
            tree.insert(path, record.cid);
            let block = blocks.entry(record.cid).or_insert_with(|| record.clone());
            block.revision = block.revision.max(record.revision);
        }
        Self {
            root: tree::build(&tree),
            commit: Commit::default(),
            records: blocks,
            extra: Vec::new(),
        }
    }

    /// A valid repository with a sample record at each of these paths. Each record has its own
    /// revision.
    pub fn sample<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Self {
        let records = paths.into_iter().enumerate().map(|(index, path)| {
            let path = path.as_ref();
            // With a step of 7, the order of revisions differs from that of keys.
            (path.to_vec(), Record::sample(path).at_revision(index as u32 * 7 % 11))
        });
        Self::new(records)
    }

    /// Adds a record's block and returns its CID, for an entry that a test adds to the tree.
    pub fn add_record(&mut self, record: Record) -> Cid {
        let cid = record.cid;
        self.records.insert(cid, record);
        cid
    }

    /// The commit's block.
    pub fn commit_block(&self) -> Vec<u8> {
        self.commit.encode(&self.root.cid())
    }

    /// The commit's CID.
    pub fn commit_cid(&self) -> Cid {
        Cid::dag_cbor(&self.commit_block())
    }

    /// Replaces the commit's block by a changed form of it. The tree must not be changed
    /// afterwards.
    pub fn rewrite_commit(&mut self, change: impl FnOnce(Value) -> Vec<u8>) {
        let value = self.commit.to_value(&self.root.cid());
        self.commit.bytes_override = Some(change(value));
    }

    /// Keys and record CIDs, in the order of the tree.
    pub fn entries(&self) -> Vec<(Vec<u8>, Cid)> {
        let steps = self.root.preorder().into_iter();
        steps
            .filter_map(|step| {
                if let Step::Entry { key, value, .. } = step { Some((key, value?)) } else { None }
            })
            .collect()
    }

    /// The CAR in some order, open to further change.
    pub fn to_car(&self, order: Order) -> Car {
        let mut car = Car::new(&[self.commit_cid()]);
        for (cid, block) in self.blocks(order) {
            car.push(cid, &block);
        }
        car
    }

    /// The bytes of the CAR in some order.
    pub fn to_bytes(&self, order: Order) -> Vec<u8> {
        self.to_car(order).to_bytes()
    }

    /// The blocks in some order.
    pub fn blocks(&self, order: Order) -> Vec<(Cid, Vec<u8>)> {
        let mut blocks = self.preorder();
        match order {
            Order::Preorder => once_each(&mut blocks),
            Order::PreorderRepeating => {}
            Order::BreadthFirst => {
                blocks.sort_by_key(|block| block.level);
                once_each(&mut blocks);
            }
            Order::Pds => {
                once_each(&mut blocks);
                blocks.sort_by_cached_key(|block| Reverse((block.revision, block.cid.to_string())));
            }
            Order::Reversed => {
                once_each(&mut blocks);
                blocks.reverse();
            }
            Order::CommitLast => {
                once_each(&mut blocks);
                blocks.rotate_left(1);
            }
            Order::Shuffled(seed) => {
                once_each(&mut blocks);
                Rng::new(seed).shuffle(&mut blocks);
            }
        }
        let blocks = blocks.into_iter().map(|block| (block.cid, block.bytes));
        blocks.chain(self.extra.iter().cloned()).collect()
    }

    /// All blocks in the order of the walk, with shared records repeated.
    fn preorder(&self) -> Vec<Block> {
        let steps = self.root.preorder();
        let revisions = node_revisions(&steps, &self.records);
        let newest = revisions.first().copied().unwrap_or(0);
        let commit = self.commit_block();
        let mut blocks =
            vec![Block { cid: Cid::dag_cbor(&commit), bytes: commit, revision: newest, level: 0 }];
        for (step, revision) in steps.into_iter().zip(revisions) {
            blocks.extend(self.block(step, revision));
        }
        blocks
    }

    fn block(&self, step: Step, revision: u32) -> Option<Block> {
        match step {
            Step::Node { cid, block, depth } => {
                Some(Block { cid, bytes: block, revision, level: depth + 1 })
            }
            Step::Entry { value, .. } => {
                let record = self.records.get(&value?)?;
                Some(Block {
                    cid: record.cid,
                    bytes: record.bytes.clone(),
                    revision,
                    level: usize::MAX,
                })
            }
        }
    }
}

struct Block {
    cid: Cid,
    bytes: Vec<u8>,
    revision: u32,
    /// The level of a block: 0 for the commit, 1 for the root, more for nodes below it, most for
    /// records.
    level: usize,
}

fn once_each(blocks: &mut Vec<Block>) {
    let mut seen = HashSet::new();
    blocks.retain(|block| seen.insert(block.cid));
}

/// The revision of each step: a record has its own, a node that of the newest record below it.
fn node_revisions(steps: &[Step], records: &BTreeMap<Cid, Record>) -> Vec<u32> {
    let mut revisions = vec![0; steps.len()];
    let mut open = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Node { depth, .. } => {
                open.truncate(*depth);
                open.push(index);
            }
            Step::Entry { value, depth, .. } => {
                open.truncate(depth + 1);
                let record = value.and_then(|cid| records.get(&cid));
                revisions[index] = record.map_or(0, |record| record.revision);
                for &node in &open {
                    revisions[node] = revisions[node].max(revisions[index]);
                }
            }
        }
    }
    revisions
}

/// Blocks by CID.
pub fn block_map(car: &Car) -> HashMap<Cid, Vec<u8>> {
    let sections = car.sections.iter();
    sections
        .filter_map(|section| Some((Cid::from_bytes(&section.cid)?, section.data.clone())))
        .collect()
}
