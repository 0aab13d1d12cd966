//! The nodes that a commit message needs.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Batch;
use crate::cid::Cid;
use crate::tree::{Link, Node};

/// Blocks of nodes, with their CIDs, in pre-order.
pub type Proof = Vec<(Cid, Vec<u8>)>;

/// All nodes of the new tree.
pub fn all_nodes(batch: &Batch) -> Proof {
    let mut seen = HashSet::new();
    let nodes = batch.new_root().blocks().into_iter();
    nodes.filter(|(cid, _)| seen.insert(*cid)).collect()
}

/// The CIDs of the nodes of the new tree that the old tree does not have.
pub fn new_nodes(batch: &Batch) -> BTreeSet<Cid> {
    let cids = |node: &Node| node.blocks().iter().map(|(cid, _)| *cid).collect::<BTreeSet<_>>();
    &cids(batch.new_root()) - &cids(batch.old_root())
}

/// The nodes of a message: new ones, and those on the search paths of each operation's key, of the
/// key before it and of the key after it.
pub fn proof_nodes(batch: &Batch) -> Proof {
    if batch.ops.is_empty() {
        return Vec::new();
    }
    let mut chosen = new_nodes(batch);
    chosen.extend(nodes_for(batch, |_| true));
    let nodes = all_nodes(batch).into_iter();
    nodes.filter(|(cid, _)| chosen.contains(cid)).collect()
}

/// The nodes on the search paths of the operations' keys, and on those of the keys next to a key
/// for whose action `with_neighbours` is true.
pub fn nodes_for(batch: &Batch, with_neighbours: impl Fn(&str) -> bool) -> BTreeSet<Cid> {
    let paths = Paths::new(batch.new_root());
    let mut chosen = BTreeSet::new();
    for op in &batch.ops {
        let key = op.path.as_bytes();
        chosen.extend(paths.to(key));
        if !with_neighbours(&op.action) {
            continue;
        }
        let before = batch.new.range(..key.to_vec()).next_back();
        let mut after = batch.new.range(key.to_vec()..).filter(|(other, _)| *other != key);
        for (neighbour, _) in before.into_iter().chain(after.next()) {
            chosen.extend(paths.to(neighbour));
        }
    }
    chosen
}

/// Search paths in a tree.
struct Paths<'t> {
    root: &'t Node,
    /// The CID of each node, by its address: to encode a node takes its whole subtree.
    cids: HashMap<*const Node, Cid>,
}

impl<'t> Paths<'t> {
    fn new(root: &'t Node) -> Self {
        let (mut nodes, mut open) = (Vec::new(), vec![root]);
        while let Some(node) = open.pop() {
            nodes.push(std::ptr::from_ref(node));
            let children: Vec<_> = node.links().filter_map(Link::node).collect();
            open.extend(children.into_iter().rev());
        }
        let cids = root.blocks().into_iter().map(|(cid, _)| cid);
        Self { root, cids: nodes.into_iter().zip(cids).collect() }
    }

    /// The nodes from the root to that of a key, or to where the search for it ends.
    fn to(&self, key: &[u8]) -> Vec<Cid> {
        let mut path = Vec::new();
        let mut next = Some(self.root);
        while let Some(node) = next {
            path.push(self.cids[&std::ptr::from_ref(node)]);
            let before = node.entries.partition_point(|entry| entry.key.as_slice() <= key);
            next = match before.checked_sub(1).map(|last| &node.entries[last]) {
                None => node.left.node(),
                Some(entry) if entry.key == key => None,
                Some(entry) => entry.tree.node(),
            };
        }
        path
    }
}
