//! Batches of operations, and the honest messages about them.

use std::collections::BTreeMap;

use super::frame::{CommitMessage, Operation, SyncMessage};
use super::proof::{Proof, proof_nodes};
use crate::car::Car;
use crate::cid::Cid;
use crate::commit::{Commit, DID, REV};
use crate::repo::{Order, Record, Repo};
#[cfg(feature = "signing")]
use crate::signing::SigningKey;
use crate::tree::{self, Node};

/// The revision before that of the default commit.
pub const SINCE: &str = "3l4nm7hmk2222";

/// Records by path.
pub type Records = BTreeMap<Vec<u8>, Record>;

/// The records before and after a commit, and the operations between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The records before.
    pub old: Records,
    /// The records after.
    pub new: Records,
    /// The operations, in key order unless a test shuffles them.
    pub ops: Vec<Operation>,
    old_root: Node,
    new_root: Node,
}

impl Batch {
    /// The batch that leads from some records to others.
    ///
    /// # Panics
    ///
    /// Panics if a key is not a text.
    pub fn between(old: Records, new: Records) -> Self {
        let mut paths: Vec<_> = old.keys().chain(new.keys()).collect();
        paths.sort_unstable();
        paths.dedup();
        let cid = |records: &Records, path: &[u8]| records.get(path).map(|record| record.cid);
        let changed = paths.into_iter().filter(|path| cid(&old, path) != cid(&new, path));
        let ops = changed.map(|path| {
            let text = std::str::from_utf8(path).expect("a path is a text");
            Operation::between(text, cid(&old, path), cid(&new, path))
        });
        let ops = ops.collect();
        let [old_root, new_root] = [&old, &new].map(|records| tree::build(&cids(records)));
        Self { old, new, ops, old_root, new_root }
    }

    /// The same batch with another tree after it, which need not be valid.
    #[must_use]
    pub fn with_new_root(self, new_root: Node) -> Self {
        Self { new_root, ..self }
    }

    /// The tree before.
    pub fn old_root(&self) -> &Node {
        &self.old_root
    }

    /// The tree after.
    pub fn new_root(&self) -> &Node {
        &self.new_root
    }

    /// Whether this is the first commit of an account.
    pub fn is_first(&self) -> bool {
        self.old.is_empty()
    }

    /// The message with the default commit, which has no valid signature.
    pub fn message(&self) -> CommitMessage {
        self.message_with(&Commit::default())
    }

    /// The message with the default commit, signed.
    #[cfg(feature = "signing")]
    pub fn signed_message(&self, key: &SigningKey) -> CommitMessage {
        self.message_with(&Commit::default().signed(&self.new_root.cid(), key))
    }

    /// The message with a commit and the [nodes that it needs](proof_nodes).
    pub fn message_with(&self, commit: &Commit) -> CommitMessage {
        self.message_of(commit, &proof_nodes(self))
    }

    /// The message with a commit and any nodes. Its `repo` and `rev` are those of the default
    /// commit. If there were no records, it is the account's first.
    pub fn message_of(&self, commit: &Commit, nodes: &Proof) -> CommitMessage {
        let block = commit.encode(&self.new_root.cid());
        let commit = Cid::dag_cbor(&block);
        let mut blocks = Car::new(&[commit]);
        blocks.push(commit, &block);
        for (cid, block) in nodes.iter().chain(&self.changed_records()) {
            blocks.push(*cid, block);
        }
        let is_first = self.is_first();
        CommitMessage {
            seq: 7,
            repo: DID.to_owned(),
            rev: REV.to_owned(),
            since: (!is_first).then(|| SINCE.to_owned()),
            prev_data: (!is_first).then(|| self.old_root.cid()),
            commit,
            blocks,
            ops: self.ops.clone(),
        }
    }

    /// The created and updated records, each once.
    pub fn changed_records(&self) -> Vec<(Cid, Vec<u8>)> {
        let changed = self.ops.iter().filter_map(|op| self.new.get(op.path.as_bytes()));
        let records: BTreeMap<_, _> =
            changed.map(|record| (record.cid, record.bytes.clone())).collect();
        records.into_iter().collect()
    }

    /// The whole repository after the commit.
    pub fn repo(&self) -> Repo {
        Repo::new(self.new.clone())
    }

    /// The whole repository after the commit as a CAR.
    pub fn car(&self) -> Vec<u8> {
        self.repo().to_bytes(Order::Preorder)
    }

    /// A `#sync` message about the default commit.
    pub fn sync_message(&self) -> SyncMessage {
        let block = Commit::default().encode(&self.new_root.cid());
        let mut blocks = Car::new(&[Cid::dag_cbor(&block)]);
        blocks.push_block(&block);
        SyncMessage { seq: 8, did: DID.to_owned(), rev: REV.to_owned(), blocks }
    }
}

/// The keys of a tree, with the CIDs of their records.
fn cids(records: &Records) -> BTreeMap<Vec<u8>, Cid> {
    records.iter().map(|(path, record)| (path.clone(), record.cid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{all_nodes, new_nodes, nodes_for};
    use crate::rng::Rng;

    #[test]
    fn operations_are_the_difference_and_the_new_nodes_are_in_the_message() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            let batch = Batch::random(&mut rng);
            let mut records = cids(&batch.old);
            for op in &batch.ops {
                assert_eq!(records.get(op.path.as_bytes()).copied(), op.prev);
                match op.cid {
                    Some(cid) => records.insert(op.path.clone().into_bytes(), cid),
                    None => records.remove(op.path.as_bytes()),
                };
            }
            assert_eq!(records, cids(&batch.new), "seed {seed}");
            let message = batch.message();
            let blocks: Vec<_> =
                message.blocks.sections.iter().map(|section| &section.cid).collect();
            let has = |cid: &Cid| blocks.contains(&&cid.as_bytes().to_vec());
            assert!(batch.ops.is_empty() || new_nodes(&batch).iter().all(has));
            assert!(batch.changed_records().iter().all(|(cid, _)| has(cid)));
        }
    }

    #[test]
    fn a_message_with_all_nodes_has_the_chosen_ones() {
        let batch = Batch::random(&mut Rng::new(3));
        let all: Vec<_> = all_nodes(&batch).into_iter().map(|(cid, _)| cid).collect();
        assert!(nodes_for(&batch, |_| true).iter().all(|cid| all.contains(cid)));
    }
}
