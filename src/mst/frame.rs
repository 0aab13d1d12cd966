//! The open nodes of a walk: each checked whole when it is entered, against its place, which is the layer below its parent's
//! and the keys around the link that led to it. A place refers to the keys of the frames above, so bounds are never copied.

use super::key::{Key, Layer};
use super::node::{Layout, cid_at};
use crate::cid::Cid;
use crate::error::{Error, KeyInterval, Result, Structure, TreeRule};
use crate::store::Found;

/// An open node.
pub(super) struct Frame<B> {
    pub(super) block: B,
    pub(super) cid: Cid,
    pub(super) offset: Option<u64>,
    pub(super) layer: Layer,
    place: Place,
    pub(super) buffers: Buffers,
    /// The number of the entry that comes next.
    next: usize,
    /// The link that is followed before that entry.
    link: Option<u32>,
    /// Whether the key of that entry stands in `buffers.ahead`.
    is_ahead: bool,
}

#[derive(Default)]
pub(super) struct Buffers {
    pub(super) layout: Layout,
    /// The key of the entry that came last.
    pub(super) key: Key,
    /// The key of the next entry, while the subtree before it is walked.
    pub(super) ahead: Key,
}

/// What is known of a node before it is read.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// `None` for the root, which has the layer of its first key.
    pub(super) layer: Option<Layer>,
    /// The frame whose last key is below all keys of the node.
    pub(super) lower: Option<usize>,
    /// The frame whose next key is above all keys of the node.
    pub(super) upper: Option<usize>,
}

impl<B: AsRef<[u8]>> Frame<B> {
    /// A frame before its first entry, for a node that was checked.
    pub(super) fn new(cid: Cid, found: Found<B>, layer: Layer, place: Place, buffers: Buffers) -> Self {
        let Found { bytes: block, offset, .. } = found;
        let link = buffers.layout.left_at();
        Frame { block, cid, offset, layer, place, buffers, next: 0, link, is_ahead: false }
    }

    /// The link to follow before the next entry, and the place of its node. `depth` is this frame's own.
    #[inline]
    pub(super) fn next_gap(&mut self, depth: usize) -> Result<Option<(Cid, Place)>> {
        let Some(link) = self.link.take() else {
            return Ok(None);
        };
        let block = self.block.as_ref();
        let cid = cid_at(block, link).ok_or_else(|| self.changed())?;
        let lower = if self.next > 0 { Some(depth) } else { self.place.lower };
        let Buffers { layout, key, ahead } = &mut self.buffers;
        let upper = match layout.entries().get(self.next) {
            Some(entry) => {
                ahead.follow(key, entry.prefix_len(), entry.suffix(block));
                self.is_ahead = true;
                Some(depth)
            }
            None => self.place.upper,
        };
        Ok(Some((cid, Place { layer: self.layer.below(), lower, upper })))
    }

    /// Moves on to the next entry and gives the CID of its record.
    #[inline]
    pub(super) fn next_entry(&mut self) -> Result<Option<Cid>> {
        let Buffers { layout, key, ahead } = &mut self.buffers;
        let Some(entry) = layout.entries().get(self.next) else {
            return Ok(None);
        };
        let block = self.block.as_ref();
        if self.is_ahead {
            core::mem::swap(key, ahead);
            self.is_ahead = false;
        } else {
            key.advance(entry.prefix_len(), entry.suffix(block));
        }
        self.link = entry.tree_at();
        self.next = self.next.saturating_add(1);
        let cid = cid_at(block, entry.value_at()).ok_or_else(|| self.changed())?;
        Ok(Some(cid))
    }

    /// `AsRef` gave other bytes than before.
    #[cold]
    fn changed(&self) -> Error {
        let error = Error::store("the block's bytes changed while it was held");
        error.in_structure(Structure::Node).at(self.offset).of_cid(self.cid)
    }
}

impl Buffers {
    /// Bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        let keys = self.key.held().saturating_add(self.ahead.held());
        self.layout.held().saturating_add(keys) as u64
    }

    /// Checks a node by all rules, lays out its parts, and tells its layer.
    pub(super) fn check(
        &mut self,
        block: &[u8],
        interval: KeyInterval<&[u8]>,
        place_layer: Option<Layer>,
    ) -> Result<Layer> {
        let KeyInterval { lower, upper } = interval;
        let outside = || Error::tree(TreeRule::KeyOutside { interval: interval.to_owned() });
        let mut layer = place_layer;
        self.layout.parse(block, &mut self.key, |entry, key| {
            check_layer(entry, Layer::of(key), &mut layer, place_layer)?;
            // Held against both bounds, the first key tells all links but one of a node that has many.
            let is_outside = || lower.is_some_and(|lower| key <= lower) || upper.is_some_and(|upper| key >= upper);
            if entry == 0 && is_outside() { Err(outside()) } else { Ok(()) }
        })?;
        let last = self.key.as_bytes();
        if !self.layout.entries().is_empty() && upper.is_some_and(|upper| last >= upper) {
            return Err(outside().of_key(last));
        }
        self.key.clear();
        let is_root = place_layer.is_none();
        if self.layout.entries().is_empty() {
            match (is_root, self.layout.has_links()) {
                (true, true) => return Err(Error::tree(TreeRule::RootWithoutEntry)),
                (false, false) => return Err(Error::tree(TreeRule::EmptyNode)),
                _ => {}
            }
        }
        let layer = layer.unwrap_or(Layer::BOTTOM);
        if layer == Layer::BOTTOM && self.layout.has_links() {
            return Err(Error::tree(TreeRule::LinkBelowLayer0));
        }
        Ok(layer)
    }
}

/// Holds a key's layer against its node's. The root has none until its first key gives it one.
#[inline]
fn check_layer(entry: usize, found: Layer, layer: &mut Option<Layer>, place_layer: Option<Layer>) -> Result<()> {
    let expected = *layer.get_or_insert(found);
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (expected.get(), found.get());
    Err(Error::tree(match (entry, place_layer) {
        (0, Some(_)) => TreeRule::ChildLayer { expected, found },
        _ => TreeRule::KeyLayer { entry, expected, found },
    }))
}
