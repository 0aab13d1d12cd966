//! Nodes that are parsed before they are due. Their keys are hashed together, which is faster.

use std::collections::VecDeque;

use crate::car::sections_in;
use crate::cid::{self, Cid};
use crate::mst::frame::{Buffers, Spare};
use crate::mst::key::Layer;
use crate::mst::read_node::{Keys, MAX_LEN};
use crate::shape::may_be_node;

/// The most nodes that are parsed together.
const MAX_NODES: usize = 128;

/// The most bytes of keys that are hashed together.
const MAX_KEYS_LEN: usize = 1 << 15;

/// Parsed nodes, in the order of the stream.
#[derive(Default)]
pub(super) struct NodesAhead {
    nodes: VecDeque<ParsedNode>,
    /// The section offset up to which nodes were parsed.
    end: u64,
    keys: Keys,
    layers: Vec<Layer>,
}

/// A node that keeps all rules, except perhaps those about its layer and bounds.
struct ParsedNode {
    offset: u64,
    /// The layer of its keys.
    layer: Layer,
    buffers: Box<Buffers>,
}

impl NodesAhead {
    /// Returns the parsed node at a section offset, if it is on a layer. `bytes` begins with its
    /// section: it and the nodes after it are parsed first, if they were not.
    #[inline]
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        offset: u64,
        layer: Option<Layer>,
        spare: &mut Spare,
    ) -> Option<Box<Buffers>> {
        if offset >= self.end {
            self.parse(bytes, offset, spare);
        }
        while self.nodes.front().is_some_and(|node| node.offset <= offset) {
            let node = self.nodes.pop_front()?;
            if node.offset == offset && Some(node.layer) == layer {
                return Some(node.buffers);
            }
            spare.put(node.buffers);
        }
        None
    }

    /// Parses the nodes among the sections that `bytes` begins with. The first is at `offset`.
    #[inline(never)]
    fn parse(&mut self, bytes: &[u8], offset: u64, spare: &mut Spare) {
        self.nodes.drain(..).for_each(|node| spare.put(node.buffers));
        self.keys.clear();
        self.end = offset.saturating_add(1);
        for (at, body) in sections_in(bytes) {
            if self.nodes.len() >= MAX_NODES {
                break;
            }
            let at = offset.saturating_add(at as u64);
            self.end = at.saturating_add(1);
            if let Some(block) = node_in(body)
                && !self.parse_node(block, at, spare)
            {
                break;
            }
        }
        self.set_layers(spare);
    }

    /// Parses a node. Returns false if there is no room for its keys.
    fn parse_node(&mut self, block: &[u8], offset: u64, spare: &mut Spare) -> bool {
        let mut buffers = spare.take();
        let Buffers { layout, key, .. } = &mut *buffers;
        let keys = &mut self.keys;
        let before = keys.len();
        let mut has_room = true;
        let parsed = layout.parse(block, key, |_, key| {
            has_room &= keys.push(key, MAX_KEYS_LEN);
            Ok(())
        });
        if parsed.is_ok() && has_room && !layout.entries().is_empty() {
            self.nodes.push_back(ParsedNode { offset, layer: Layer::BOTTOM, buffers });
        } else {
            keys.truncate(before);
            spare.put(buffers);
        }
        has_room
    }

    /// Sets the layers of all nodes. Drops those that have keys of several layers, or links where
    /// there may be none.
    fn set_layers(&mut self, spare: &mut Spare) {
        let NodesAhead { nodes, keys, layers, .. } = self;
        layers.clear();
        layers.resize(keys.len(), Layer::BOTTOM);
        keys.layers(|number, layer| {
            if let Some(place) = layers.get_mut(number) {
                *place = layer;
            }
        });
        let mut rest = &layers[..];
        for _ in 0..nodes.len() {
            let Some(mut node) = nodes.pop_front() else { return };
            let count = node.buffers.layout.entries().len();
            let (found, after) = rest.split_at_checked(count).unwrap_or((&[], &[]));
            rest = after;
            let layer = found.first().copied().filter(|first| found.iter().all(|l| l == first));
            match layer.filter(|&layer| node.buffers.check_links(layer, false).is_ok()) {
                Some(layer) => {
                    node.layer = layer;
                    nodes.push_back(node);
                }
                None => spare.put(node.buffers),
            }
        }
    }
}

/// Returns the block of a section, given as its CID and block, if it may be a short node.
#[inline]
fn node_in(section: &[u8]) -> Option<&[u8]> {
    let (cid, block) = section.split_at_checked(cid::LEN)?;
    if block.len() > MAX_LEN {
        return None;
    }
    Cid::parse(cid).is_ok_and(|cid| may_be_node(&cid, block)).then_some(block)
}
