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
pub(super) struct ParsedNodes {
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

impl ParsedNodes {
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
        let ParsedNodes { nodes, keys, layers, .. } = self;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Repo;
    use crate::mst::Event;
    use crate::sha256::hashed;

    /// The sample in pre-order, and the section offset and layer of each node.
    fn packed() -> (Vec<u8>, Vec<(u64, Layer)>) {
        let mut car = Vec::new();
        let sample = Repo::from_slice(include_bytes!("../../../samples/repo.car")).unwrap();
        sample.prove().range(..).write(&mut car).unwrap();
        let repo = Repo::from_slice(&car[..]).unwrap();
        let mut walk = repo.walk().nodes(true).records(false).start();
        let mut nodes = Vec::new();
        while let Some(event) = walk.next_event().unwrap() {
            if let Event::Node { offset: Some(offset), layer, .. } = event {
                nodes.push((offset, layer));
            }
        }
        (car, nodes)
    }

    #[test]
    fn each_node_is_parsed_once_and_each_key_hashed_once() {
        let (car, nodes) = packed();
        assert_eq!(nodes.len(), 9);
        let (mut ahead, mut spare) = (ParsedNodes::default(), Spare::default());
        let (hashed, keys) = hashed::counted(|| {
            let keys = nodes.iter().map(|&(offset, layer)| {
                let bytes = &car[usize::try_from(offset).unwrap()..];
                let buffers = ahead.take(bytes, offset, Some(layer), &mut spare).unwrap();
                buffers.layout.entries().len()
            });
            keys.sum::<usize>()
        });
        assert_eq!((keys, hashed.messages), (40, 40));
    }

    #[test]
    fn a_node_of_another_layer_or_at_another_offset_is_not_returned() {
        let (car, nodes) = packed();
        let (mut ahead, mut spare) = (ParsedNodes::default(), Spare::default());
        let mut take = |number: usize, layer| {
            let offset = nodes[number].0;
            let bytes = &car[usize::try_from(offset).unwrap()..];
            ahead.take(bytes, offset, layer, &mut spare).is_some()
        };
        let layer = |number: usize| Some(nodes[number].1);
        assert!(!take(0, None) && !take(1, layer(0)));
        assert!(take(2, layer(2)) && !take(2, layer(2)) && take(4, layer(4)));
        // The third one was passed.
        assert!(!take(3, layer(3)));
    }
}
