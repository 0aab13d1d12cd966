//! The tree of an account's records, with all node blocks in one buffer.

use std::ops::Range;

use super::record::Hashed;
use super::subjects::Subjects;
use crate::cbor::{put_bytes, put_head, put_link, put_text};
use crate::cid::{Cid, DAG_CBOR, sha256};

/// A block of the export.
#[derive(Clone, Copy, Debug)]
pub(super) enum Block {
    Commit,
    /// A node, by number.
    Node(usize),
    /// A record, by its position in key order.
    Record(usize),
}

#[derive(Debug)]
struct Node {
    block: Range<usize>,
    digest: [u8; 32],
    revision: u32,
}

/// A finished tree. Nodes are numbered bottom up: children before their parents.
#[derive(Debug)]
pub(super) struct Tree {
    bytes: Vec<u8>,
    nodes: Vec<Node>,
    /// The blocks in pre-order.
    order: Vec<Block>,
}

impl Tree {
    pub(super) fn build<S: Subjects>(account: &Hashed<'_, S>) -> Self {
        let mut tree = Self { bytes: Vec::new(), nodes: Vec::new(), order: vec![Block::Commit] };
        let height = (0..account.len()).map(|index| account.layer(index)).max().unwrap_or(0);
        tree.add(account, 0..account.len(), height);
        tree
    }

    pub(super) fn root(&self) -> [u8; 32] {
        self.digest(self.nodes.len() - 1)
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn block(&self, node: usize) -> &[u8] {
        &self.bytes[self.nodes[node].block.clone()]
    }

    pub(super) fn digest(&self, node: usize) -> [u8; 32] {
        self.nodes[node].digest
    }

    pub(super) fn revision(&self, node: usize) -> u32 {
        self.nodes[node].revision
    }

    pub(super) fn preorder(&self) -> Vec<Block> {
        self.order.clone()
    }

    /// Adds the node of a layer for some records, after all nodes below it, and returns its number.
    /// Its slot in pre-order is reserved before theirs.
    fn add<S: Subjects>(
        &mut self,
        account: &Hashed<'_, S>,
        records: Range<usize>,
        layer: u8,
    ) -> usize {
        let place = self.order.len();
        self.order.push(Block::Commit);
        let own: Vec<_> = records.clone().filter(|&index| account.layer(index) == layer).collect();
        let ends = own.iter().copied().chain([records.end]);
        let mut start = records.start;
        let mut links = Vec::with_capacity(own.len() + 1);
        for end in ends {
            links.push((start < end).then(|| self.add(account, start..end, layer - 1)));
            if end < records.end {
                self.order.push(Block::Record(end));
            }
            start = end + 1;
        }
        let children = links.iter().flatten().map(|&node| self.revision(node));
        let revision =
            own.iter().map(|&index| account.revision(index)).chain(children).max().unwrap_or(0);
        let block = self.write(account, &own, &links);
        let digest = sha256(&self.bytes[block.clone()]);
        self.nodes.push(Node { block, digest, revision });
        self.order[place] = Block::Node(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn write<S: Subjects>(
        &mut self,
        account: &Hashed<'_, S>,
        own: &[usize],
        links: &[Option<usize>],
    ) -> Range<usize> {
        let start = self.bytes.len();
        put_head(&mut self.bytes, 5, 2);
        put_text(&mut self.bytes, "e");
        put_head(&mut self.bytes, 4, own.len() as u64);
        let (mut key, mut previous) = (Vec::new(), Vec::new());
        for (&index, &link) in own.iter().zip(&links[1..]) {
            account.key(index, &mut key);
            let shared = key.iter().zip(&previous).take_while(|(a, b)| a == b).count();
            put_head(&mut self.bytes, 5, 4);
            put_text(&mut self.bytes, "k");
            put_bytes(&mut self.bytes, &key[shared..]);
            put_text(&mut self.bytes, "p");
            put_head(&mut self.bytes, 0, shared as u64);
            put_text(&mut self.bytes, "t");
            self.put_node_link(link);
            put_text(&mut self.bytes, "v");
            put_link(&mut self.bytes, &Cid::new(DAG_CBOR, account.digest(index)));
            std::mem::swap(&mut key, &mut previous);
        }
        put_text(&mut self.bytes, "l");
        self.put_node_link(links[0]);
        start..self.bytes.len()
    }

    fn put_node_link(&mut self, node: Option<usize>) {
        match node {
            Some(node) => {
                let cid = Cid::new(DAG_CBOR, self.digest(node));
                put_link(&mut self.bytes, &cid);
            }
            None => self.bytes.push(0xf6),
        }
    }
}
