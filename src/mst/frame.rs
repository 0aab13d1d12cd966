//! The open nodes of a walk: each checked whole when it is entered, against its place, which is the
//! layer below its parent's and the keys around the link that led to it. A place refers to the keys
//! of the frames above, so bounds are never copied.

use super::key::{Key, Layer};
use super::node::{EntryLayout, Layout, cid_at};
use crate::cid::Cid;
use crate::error::{Error, KeyInterval, Result, Structure, TreeRule};
use crate::store::Found;

/// Bytes of buffers that are kept for another node: enough for hundreds of entries, which chance
/// makes no node have.
const MAX_SPARE: u64 = 1 << 13;

/// The order in which a walk takes keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// An open node.
pub(super) struct Frame<B> {
    pub(super) block: B,
    pub(super) cid: Cid,
    pub(super) offset: Option<u64>,
    pub(super) layer: Layer,
    place: Place,
    pub(super) buffers: Buffers,
    /// Whether the walk is about all keys below it.
    pub(super) is_covered: bool,
    order: Order,
    /// How many entries came.
    came: usize,
    /// The link that is followed before the next entry.
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
    /// The frame whose last key is the bound on the side that the walk comes from.
    pub(super) behind: Option<usize>,
    /// The frame whose next key is the bound on the side that the walk goes to.
    pub(super) ahead: Option<usize>,
}

impl Place {
    pub(super) const ROOT: Self = Place { layer: None, behind: None, ahead: None };
}

impl<B: AsRef<[u8]>> Frame<B> {
    /// A frame before its first entry, for a node that was checked.
    pub(super) fn new(
        cid: Cid,
        found: Found<B>,
        layer: Layer,
        place: Place,
        mut buffers: Buffers,
        is_covered: bool,
        order: Order,
    ) -> Self {
        buffers.key.clear();
        let Found { bytes: block, offset, .. } = found;
        let link = match order {
            Order::Ascending => buffers.layout.left_at(),
            Order::Descending => {
                buffers.layout.chain_prefixes();
                buffers.layout.link_before(buffers.layout.entries().len())
            }
        };
        Frame {
            block,
            cid,
            offset,
            layer,
            place,
            buffers,
            is_covered,
            order,
            came: 0,
            link,
            is_ahead: false,
        }
    }

    /// The number of the entry that comes next. After the last there is none, or no entry of that
    /// number.
    #[inline]
    fn next(&self) -> Option<usize> {
        match self.order {
            Order::Ascending => Some(self.came),
            Order::Descending => {
                self.buffers.layout.entries().len().checked_sub(self.came)?.checked_sub(1)
            }
        }
    }

    /// The link to follow before the next entry, and the place of its node. `depth` is this frame's
    /// own.
    #[inline]
    pub(super) fn next_gap(&mut self, depth: usize) -> Result<Option<(Cid, Place)>> {
        let Some(link) = self.link.take() else {
            return Ok(None);
        };
        let next = self.next();
        let block = self.block.as_ref();
        let cid = cid_at(block, link).ok_or_else(|| self.changed())?;
        let behind = if self.came > 0 { Some(depth) } else { self.place.behind };
        let Buffers { layout, key, ahead } = &mut self.buffers;
        let entry = next.and_then(|number| Some((number, layout.entries().get(number)?)));
        let ahead = match entry {
            Some((number, entry)) => {
                match self.order {
                    Order::Ascending => ahead.follow(key, entry.prefix_len(), entry.suffix(block)),
                    Order::Descending => layout.unfold(number, block, ahead),
                }
                self.is_ahead = true;
                Some(depth)
            }
            None => self.place.ahead,
        };
        Ok(Some((cid, Place { layer: self.layer.below(), behind, ahead })))
    }

    /// The links that are followed after the one at hand, in their order.
    pub(super) fn links_to_come(&self) -> impl Iterator<Item = Cid> {
        let layout = &self.buffers.layout;
        let (after, before) = match self.order {
            Order::Ascending => (layout.entries().get(self.came..).unwrap_or_default(), 0),
            Order::Descending => (&[][..], self.next().map_or(0, |next| next.saturating_add(1))),
        };
        let after = after.iter().filter_map(EntryLayout::tree_at);
        let before = (0..before).rev().filter_map(|number| layout.link_before(number));
        after.chain(before).filter_map(|at| cid_at(self.block.as_ref(), at))
    }

    /// Moves on to the next entry and gives the CID of its record.
    #[inline]
    pub(super) fn next_entry(&mut self) -> Result<Option<Cid>> {
        let next = self.next();
        let Buffers { layout, key, ahead } = &mut self.buffers;
        let Some((number, entry)) =
            next.and_then(|number| Some((number, layout.entries().get(number)?)))
        else {
            return Ok(None);
        };
        let block = self.block.as_ref();
        if self.is_ahead {
            core::mem::swap(key, ahead);
            self.is_ahead = false;
        } else {
            match self.order {
                Order::Ascending => key.advance(entry.prefix_len(), entry.suffix(block)),
                Order::Descending => layout.unfold(number, block, key),
            }
        }
        self.link = match self.order {
            Order::Ascending => entry.tree_at(),
            Order::Descending => layout.link_before(number),
        };
        self.came = self.came.saturating_add(1);
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
            // Held against both bounds, the first key tells all links but one of a node that has
            // many.
            let is_outside = || {
                lower.is_some_and(|lower| key <= lower) || upper.is_some_and(|upper| key >= upper)
            };
            if entry == 0 && is_outside() { Err(outside()) } else { Ok(()) }
        })?;
        let last = self.key.as_bytes();
        if !self.layout.entries().is_empty() && upper.is_some_and(|upper| last >= upper) {
            return Err(outside().of_key(last));
        }
        let layer = layer.unwrap_or(Layer::BOTTOM);
        self.check_links(layer, place_layer.is_none())?;
        Ok(layer)
    }

    /// Lays out the parts of a node that is not the root, and checks all rules but those about
    /// layers and bounds of keys.
    pub(super) fn read(
        &mut self,
        block: &[u8],
        layer: Layer,
        mut tell: impl FnMut(&[u8]),
    ) -> Result<()> {
        self.layout.parse(block, &mut self.key, |_, key| {
            tell(key);
            Ok(())
        })?;
        self.check_links(layer, false)
    }

    /// Whether the keys of a node that was just read lie in an interval.
    #[inline]
    pub(super) fn are_within(&self, block: &[u8], interval: &KeyInterval<&[u8]>) -> bool {
        let Some(first) = self.layout.entries().first() else { return true };
        let (first, last) = (first.suffix(block), self.key.as_bytes());
        interval.lower.is_none_or(|lower| lower < first)
            && interval.upper.is_none_or(|upper| last < upper)
    }

    /// Checks that there are links where there must be some, and none where there must not.
    fn check_links(&self, layer: Layer, is_root: bool) -> Result<()> {
        if self.layout.entries().is_empty() {
            match (is_root, self.layout.has_links()) {
                (true, true) => return Err(Error::tree(TreeRule::RootWithoutEntry)),
                (false, false) => return Err(Error::tree(TreeRule::EmptyNode)),
                _ => {}
            }
        }
        if layer == Layer::BOTTOM && self.layout.has_links() {
            return Err(Error::tree(TreeRule::LinkBelowLayer0));
        }
        Ok(())
    }
}

/// Buffers of nodes that were left, for those to come.
#[derive(Default)]
pub(super) struct Spare(Vec<Buffers>);

impl Spare {
    #[inline]
    pub(super) fn take(&mut self) -> Buffers {
        self.0.pop().unwrap_or_default()
    }

    /// Keeps buffers, unless it was a huge node that needed them.
    #[inline]
    pub(super) fn put(&mut self, buffers: Buffers) {
        if buffers.held() <= MAX_SPARE {
            self.0.push(buffers);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        self.0.iter().map(Buffers::held).fold(0, u64::saturating_add)
    }
}

/// Holds a key's layer against its node's. The root has none until its first key gives it one.
#[inline]
fn check_layer(
    entry: usize,
    found: Layer,
    layer: &mut Option<Layer>,
    place_layer: Option<Layer>,
) -> Result<()> {
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
