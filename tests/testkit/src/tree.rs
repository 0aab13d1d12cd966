//! Merkle Search Trees as a model that can be changed before it is encoded.
//!
//! ```text
//! node  = { "e": [entry], "l": CID | null }
//! entry = { "k": bytes, "p": uint, "t": CID | null, "v": CID }
//! ```
//!
//! [`build`] makes the canonical tree of some keys. Tests change nodes in place. Encoding goes
//! bottom-up, so the links of all ancestors change accordingly.

use std::collections::BTreeMap;

use crate::cbor::Value;
use crate::cid::Cid;
use crate::key;

/// A link to a subtree.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Link {
    /// Null.
    #[default]
    None,
    /// The CID of a node that belongs to the tree.
    Node(Box<Node>),
    /// The CID of a block that the tree does not have.
    Cid(Cid),
    /// Any CBOR in place of the link.
    Raw(Vec<u8>),
}

impl Link {
    /// A link to a node.
    pub fn to(node: Node) -> Self {
        Self::Node(Box::new(node))
    }

    /// The node, if the link has one.
    pub fn node(&self) -> Option<&Node> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The node, if the link has one.
    pub fn node_mut(&mut self) -> Option<&mut Node> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Removes the node and leaves null.
    ///
    /// # Panics
    ///
    /// Panics if the link has no node.
    pub fn take_node(&mut self) -> Node {
        match std::mem::take(self) {
            Self::Node(node) => *node,
            other => panic!("no node in {other:?}"),
        }
    }
}

/// An entry of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The whole key.
    pub key: Vec<u8>,
    /// Written as `p` in place of the longest prefix that the key shares with the one before.
    pub prefix_len: Option<u64>,
    /// Written as `k` in place of the bytes of the key after `p`.
    pub suffix: Option<Vec<u8>>,
    /// The item that is written as `v`: a link to the record.
    pub value: Value,
    /// The subtree after the key.
    pub tree: Link,
}

impl Entry {
    /// An entry without a subtree.
    pub fn new(key: &[u8], value: Cid) -> Self {
        Self {
            key: key.to_vec(),
            prefix_len: None,
            suffix: None,
            value: Value::Link(value),
            tree: Link::None,
        }
    }

    /// The record's CID, if the value is a link.
    pub fn value_cid(&self) -> Option<Cid> {
        match self.value {
            Value::Link(cid) => Some(cid),
            _ => None,
        }
    }

    fn to_value(&self, previous: &[u8], tree: Value) -> Value {
        let shared = previous.iter().zip(&self.key).take_while(|(a, b)| a == b).count();
        let prefix_len = self.prefix_len.unwrap_or(shared as u64);
        let suffix = self
            .suffix
            .as_deref()
            .unwrap_or_else(|| self.key.get(prefix_len as usize..).unwrap_or_default());
        Value::map([
            ("k", Value::Bytes(suffix.to_vec())),
            ("p", Value::Uint(prefix_len)),
            ("t", tree),
            ("v", self.value.clone()),
        ])
    }
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Node {
    /// The subtree before the first key.
    pub left: Link,
    /// The entries, in the order in which they are written.
    pub entries: Vec<Entry>,
    /// The block that is written in place of the encoded fields. The nodes below stay part of the
    /// tree.
    pub bytes_override: Option<Vec<u8>>,
}

impl Node {
    /// A node without entries whose left subtree is another node.
    pub fn pass_through(node: Node) -> Self {
        Self { left: Link::to(node), ..Self::default() }
    }

    /// A node without subtrees.
    pub fn leaf(entries: Vec<Entry>) -> Self {
        Self { entries, ..Self::default() }
    }

    /// The node as CBOR in canonical order, ignoring [`Node::bytes_override`].
    pub fn to_value(&self) -> Value {
        self.value_with(&mut |link| link.node().map(Node::cid))
    }

    /// The node's block.
    pub fn block(&self) -> Vec<u8> {
        self.bytes_override.clone().unwrap_or_else(|| self.to_value().encode())
    }

    /// The CID of the node's block.
    pub fn cid(&self) -> Cid {
        Cid::dag_cbor(&self.block())
    }

    /// Replaces the block by a changed form of it.
    ///
    /// Nodes below must not be changed afterwards: this node's links would not change with them.
    pub fn rewrite(&mut self, change: impl FnOnce(Value) -> Vec<u8>) {
        self.bytes_override = Some(change(self.to_value()));
    }

    /// Replaces the block like [`Node::rewrite`], but the change is made to the node's CBOR.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        self.rewrite(|mut value| {
            change(&mut value);
            value.encode()
        });
    }

    /// The first node in pre-order for which `test` is true.
    pub fn find(&self, test: &dyn Fn(&Node) -> bool) -> Option<&Node> {
        if test(self) {
            return Some(self);
        }
        self.links().filter_map(Link::node).find_map(|node| node.find(test))
    }

    /// The first node in pre-order for which `test` is true.
    pub fn find_mut(&mut self, test: &dyn Fn(&Node) -> bool) -> Option<&mut Node> {
        if test(self) {
            return Some(self);
        }
        self.links_mut().filter_map(Link::node_mut).find_map(|node| node.find_mut(test))
    }

    /// The node that has a key among its own entries.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn with_key(&mut self, key: &[u8]) -> &mut Node {
        self.find_mut(&|node| node.index_of(key).is_some()).expect("no node has the key")
    }

    /// The entry of a key, anywhere in the tree.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn entry_mut(&mut self, key: &[u8]) -> &mut Entry {
        let node = self.with_key(key);
        let index = node.index_of(key).expect("the node has the key");
        &mut node.entries[index]
    }

    /// The place of a key among the node's own entries.
    pub fn index_of(&self, key: &[u8]) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key)
    }

    /// All links to subtrees, left to right.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        std::iter::once(&self.left).chain(self.entries.iter().map(|entry| &entry.tree))
    }

    /// All links to subtrees, left to right.
    pub fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        std::iter::once(&mut self.left).chain(self.entries.iter_mut().map(|entry| &mut entry.tree))
    }

    /// The tree's nodes and entries in the order of a streamable export.
    pub fn preorder(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.add_steps(0, &mut steps);
        steps
    }

    /// The blocks of all nodes in pre-order.
    pub fn blocks(&self) -> Vec<(Cid, Vec<u8>)> {
        let steps = self.preorder().into_iter();
        steps
            .filter_map(|step| {
                if let Step::Node { cid, block, .. } = step { Some((cid, block)) } else { None }
            })
            .collect()
    }

    /// Adds the steps of the subtree and returns the node's CID. The node's own step comes before
    /// those of its children but needs their CIDs, so its slot is reserved first and filled last.
    fn add_steps(&self, depth: usize, steps: &mut Vec<Step>) -> Cid {
        let place = steps.len();
        steps.push(Step::Entry { key: Vec::new(), value: None, depth });
        let mut children = Vec::new();
        children.push(self.left.node().map(|node| node.add_steps(depth + 1, steps)));
        for entry in &self.entries {
            steps.push(Step::Entry { key: entry.key.clone(), value: entry.value_cid(), depth });
            children.push(entry.tree.node().map(|node| node.add_steps(depth + 1, steps)));
        }
        let mut children = children.into_iter();
        let value = self.value_with(&mut |_| children.next().flatten());
        let block = self.bytes_override.clone().unwrap_or_else(|| value.encode());
        let cid = Cid::dag_cbor(&block);
        steps[place] = Step::Node { cid, block, depth };
        cid
    }

    /// The node's CBOR. `child` returns the CIDs of the subtrees and is called from left to right.
    fn value_with(&self, child: &mut dyn FnMut(&Link) -> Option<Cid>) -> Value {
        let mut links: Vec<Value> =
            self.links().map(|link| link_value(link, child(link))).collect();
        let entries = links.split_off(1);
        let mut previous: &[u8] = &[];
        let entries = self.entries.iter().zip(entries).map(|(entry, tree)| {
            let value = entry.to_value(previous, tree);
            previous = &entry.key;
            value
        });
        let entries = Value::Array(entries.collect());
        Value::map([("e", entries), ("l", links.remove(0))])
    }
}

fn link_value(link: &Link, child: Option<Cid>) -> Value {
    match link {
        Link::None => Value::Null,
        Link::Node(_) => Value::Link(child.expect("a node has a CID")),
        Link::Cid(cid) => Value::Link(*cid),
        Link::Raw(bytes) => Value::Raw(bytes.clone()),
    }
}

/// The next item in pre-order.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A node.
    Node {
        /// The CID of the block.
        cid: Cid,
        /// The block.
        block: Vec<u8>,
        /// The number of links from the root.
        depth: usize,
    },
    /// An entry: its record comes here.
    Entry {
        /// The key.
        key: Vec<u8>,
        /// The record's CID, unless the value is not a link.
        value: Option<Cid>,
        /// The number of links from the root to its node.
        depth: usize,
    },
}

/// The canonical tree of some keys. Without keys, the node of the empty repository.
pub fn build(records: &BTreeMap<Vec<u8>, Cid>) -> Node {
    let keys: Vec<_> =
        records.iter().map(|(key, value)| (key::layer(key), key.as_slice(), *value)).collect();
    let height = keys.iter().map(|(layer, ..)| *layer).max().unwrap_or(0);
    build_layer(&keys, height)
}

/// Splits the keys at those of this layer. The keys in between belong to the layers below.
fn build_layer(keys: &[(u8, &[u8], Cid)], layer: u8) -> Node {
    let mut gaps = keys.split(|(own, ..)| *own == layer).map(|gap| match gap {
        [] => Link::None,
        gap => Link::to(build_layer(gap, layer - 1)),
    });
    let left = gaps.next().unwrap_or_default();
    let own = keys.iter().filter(|(own, ..)| *own == layer);
    let entries = own
        .zip(gaps)
        .map(|((_, key, value), tree)| Entry { tree, ..Entry::new(key, *value) })
        .collect();
    Node { left, entries, bytes_override: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_layers(layers: &[u8]) -> Node {
        let keys = key::ascending(layers);
        build(&keys.into_iter().map(|key| (key.clone(), Cid::dag_cbor(&key))).collect())
    }

    #[test]
    fn empty_repository_is_one_empty_node() {
        let node = build(&BTreeMap::new());
        assert_eq!(node.block(), [0xa2, 0x61, 0x65, 0x80, 0x61, 0x6c, 0xf6]);
        assert_eq!(
            node.cid().to_string(),
            "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"
        );
    }

    #[test]
    fn skipped_layers_are_filled_with_empty_nodes() {
        let tree = of_layers(&[3, 0]);
        let second = tree.entries[0].tree.node().unwrap();
        assert!(second.entries.is_empty());
        let third = second.left.node().unwrap();
        assert!(third.entries.is_empty());
        assert_eq!(third.left.node().unwrap().entries.len(), 1);
    }

    #[test]
    fn steps_are_in_preorder_and_links_follow_changes() {
        let mut tree = of_layers(&[0, 1, 0]);
        let before = tree.cid();
        let depths: Vec<_> =
            tree.preorder().iter().map(|step| matches!(step, Step::Node { .. })).collect();
        assert_eq!(depths, [true, true, false, false, true, false]);
        tree.left.node_mut().unwrap().rewrite(|_| vec![0xf6]);
        assert_ne!(tree.cid(), before);
        assert_eq!(tree.blocks()[0].0, tree.cid());
        assert_eq!(tree.blocks()[1].1, [0xf6]);
    }

    #[test]
    fn prefixes_are_compressed() {
        let keys: BTreeMap<_, _> =
            [b"a/2653ae71".to_vec(), b"a/2653ae72".to_vec()].map(|key| (key, Cid::raw(b""))).into();
        let node = Node::leaf(keys.iter().map(|(key, value)| Entry::new(key, *value)).collect());
        let mut value = node.to_value();
        assert_eq!(value.at_mut("e").items_mut()[1].get("p"), Some(&Value::Uint(9)));
        assert_eq!(value.at_mut("e").items_mut()[1].get("k"), Some(&Value::Bytes(b"2".to_vec())));
    }
}
