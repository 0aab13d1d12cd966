//! Nodes that were read before a walk reaches them, and the checks of several nodes together.

use super::descent::{Descent, Fetched};
use super::digests::Answer;
use super::frame::{Buffers, Order, Steps};
use super::key::Layer;
use super::layout::{NodeLayout, cid_at};
use crate::cid::Cid;
use crate::error::{KeyInterval, Result};
use crate::limits::MAX_KEY_LEN;
use crate::reuse::Reuse;
use crate::sha256::sha256_each;
use crate::store::{Block, Form};

/// The length of the longest node that is read ahead, in bytes. Few real nodes are longer.
pub(super) const MAX_LEN: usize = 1 << 12;

/// Bytes of memory that one node may take, with a copy of its block.
pub(super) const NODE_COST: u64 = (MAX_LEN * 2) as u64;

/// Bytes of memory that the two keys in the buffers of a node take at most.
const KEYS_COST: u64 = (2 * MAX_KEY_LEN) as u64;

/// The most links and records of a node that are prefetched. Real nodes have fewer.
pub(super) const MAX_PREFETCH: usize = 64;

/// A node that the walk reaches later.
pub(super) struct ReadNode<B> {
    pub(super) cid: Cid,
    /// The depth of the node that links to this one.
    pub(super) depth: usize,
    /// The answer of the store, which is not asked again.
    pub(super) fetched: Result<Option<Fetched<B>>>,
}

impl<B> ReadNode<B> {
    pub(super) fn into_buffers(self) -> Option<Box<Buffers>> {
        self.fetched.ok()??.read
    }

    pub(super) fn held(&self) -> u64 {
        let Ok(Some(Fetched { cost, read, .. })) = &self.fetched else { return 0 };
        read.as_ref().map_or(0, |read| read.held()).saturating_add(*cost)
    }

    /// Drops the parsed node.
    pub(super) fn forget(&mut self) {
        if let Ok(Some(fetched)) = &mut self.fetched {
            fetched.read = None;
        }
    }
}

impl<B: AsRef<[u8]>> ReadNode<B> {
    /// Returns the block and the parsed node, if the node is good.
    pub(super) fn read(&self) -> Option<(&[u8], &Buffers)> {
        let Fetched { found, read, .. } = self.fetched.as_ref().ok()?.as_ref()?;
        Some((found.bytes.as_ref(), read.as_ref()?))
    }

    /// Returns whether the block was found and can be read ahead.
    pub(super) fn may_be_good(&self) -> bool {
        self.block().is_some_and(|(cid, found)| {
            let is_short = found.bytes.as_ref().len() <= MAX_LEN;
            is_short && found.form == Form::Original && cid.into_dag_cbor().is_ok()
        })
    }

    /// Returns how many bytes of `NODE_COST` the node leaves unused. A parsed node takes at most as
    /// many bytes as its block, two keys, and an element in each of three lists that may grow. One
    /// of these is the list of spare buffers.
    pub(super) fn unused(&self) -> u64 {
        let Some((_, found)) = self.block() else { return NODE_COST };
        let len = (found.bytes.as_ref().len() as u64).saturating_add(KEYS_COST);
        let places = const { size_of::<Buffers>() * 2 }
            .saturating_add(size_of::<Self>().saturating_mul(4)) as u64;
        NODE_COST.saturating_sub(self.held().saturating_add(len).saturating_add(places))
    }

    /// Parses the node. Returns whether it keeps the rules and there is room for its keys.
    pub(super) fn parse(
        &mut self,
        layer: Layer,
        (keys, max_keys_len): (&mut Keys, usize),
        descent: &mut Descent<B>,
    ) -> bool {
        if !self.may_be_good() {
            return false;
        }
        let Ok(Some(Fetched { found, read, .. })) = &mut self.fetched else { return false };
        if descent.verify(self.cid, found).is_err() {
            return false;
        }
        let mut buffers = descent.spare.take();
        let mut has_room = true;
        let on_key = |key: &[u8]| has_room &= keys.push(key, max_keys_len);
        let parsed = buffers.read(found.bytes.as_ref(), layer, on_key).is_ok();
        if parsed && has_room {
            *read = Some(buffers);
            return true;
        }
        descent.spare.put(buffers);
        false
    }
}

impl<B> Answer<B> for ReadNode<B> {
    #[inline]
    fn block(&self) -> Option<(Cid, &Block<B>)> {
        Some((self.cid, &self.fetched.as_ref().ok()?.as_ref()?.found))
    }

    #[inline]
    fn block_mut(&mut self) -> Option<&mut Block<B>> {
        Some(&mut self.fetched.as_mut().ok()?.as_mut()?.found)
    }
}

/// Drops parsed nodes from the first one that has a key of another layer, or a key that does not
/// come after the keys of the nodes before it.
pub(super) fn check_keys<'n, B: AsRef<[u8]> + 'n>(
    nodes: impl Iterator<Item = &'n mut ReadNode<B>>,
    keys: &Keys,
    layer: Layer,
    (order, interval): (Order, KeyInterval<&[u8]>),
) {
    let good = keys.count_of(layer);
    let mut bound = match order {
        Order::Ascending => interval.lower,
        Order::Descending => interval.upper,
    };
    let mut end = 0usize;
    let mut is_good = true;
    for node in nodes {
        let count = node.read().map_or(0, |(_, buffers)| buffers.layout.entries().len());
        let start = end;
        end = end.saturating_add(count);
        is_good &= end <= good;
        if count > 0 && is_good {
            let (first, last) = (keys.get(start), keys.get(end.saturating_sub(1)));
            is_good &= match order {
                Order::Ascending => bound.is_none_or(|bound| bound < first),
                Order::Descending => bound.is_none_or(|bound| last < bound),
            };
            bound = Some(if order == Order::Ascending { last } else { first });
        }
        if !is_good {
            node.forget();
        }
    }
}

/// The keys of nodes, one after the other.
#[derive(Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Removes all keys but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Removes all content, and frees memory beyond a bound.
    pub(super) fn reset(&mut self) {
        self.bytes.reset();
        self.ends.reset();
    }

    /// Appends a key, unless all keys together would then be longer than `max_len` bytes.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], max_len: usize) -> bool {
        let has_room = self.bytes.len().saturating_add(key.len()) <= max_len;
        if has_room {
            self.bytes.extend_from_slice(key);
            self.ends.push(self.bytes.len());
        }
        has_room
    }

    /// Returns the bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        let ends = self.ends.capacity().saturating_mul(size_of::<usize>());
        self.bytes.capacity().saturating_add(ends) as u64
    }

    /// Returns the number of keys.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, number: usize) -> &[u8] {
        debug_assert!(number < self.ends.len());
        let end = |number: usize| self.ends.get(number).copied();
        let start = number.checked_sub(1).and_then(end).unwrap_or(0);
        self.bytes.get(start..end(number).unwrap_or(0)).unwrap_or_default()
    }

    /// Returns the number of keys before the first that belongs to another layer.
    pub(super) fn count_of(&self, layer: Layer) -> usize {
        let mut count = self.ends.len();
        self.layers(|number, found| {
            if found != layer {
                count = count.min(number);
            }
        });
        count
    }

    /// Hashes all keys together. Calls `tell` with the number and the layer of each, in any order.
    pub(super) fn layers(&self, mut tell: impl FnMut(usize, Layer)) {
        let key = |number| self.get(number);
        sha256_each(self.len(), key, |number, digest| tell(number, Layer::of_digest(digest)));
    }
}

/// Appends the CIDs of the nodes that a node links to, and of its records with `records`. At most
/// the first [`MAX_PREFETCH`] links and records count.
pub(super) fn push_links(
    block: &[u8],
    layout: &NodeLayout,
    order: Order,
    records: bool,
    soon: &mut Vec<Cid>,
) {
    for step in Steps::all(order, layout).take(MAX_PREFETCH) {
        let at = if records { Some(step.any()) } else { step.link() };
        soon.extend(at.and_then(|at| cid_at(block, at)));
    }
}
