//! A tree as a side of a diff.

use core::fmt;
use std::collections::HashSet;

use super::side::{Item, Opened, Side};
use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::mst::ahead::ReadAhead;
use crate::mst::descent::{Descent, Fetched, Next};
use crate::mst::frame::{Frame, Link, NodeStep, Order, Steps};
use crate::mst::layout::cid_at;
use crate::mst::levels::MAX_SIBLING_KEYS_LEN;
use crate::mst::read_node::{Keys, NODE_COST, ReadNode};
use crate::mst::{Layer, Walk};
use crate::store::BlockStore;

/// A tree as a side of a [`Diff`](super::Diff).
pub struct TreeSide<'s, S: BlockStore> {
    store: &'s S,
    descent: Descent<S::Bytes<'s>>,
    ahead: ReadAhead<'s, S>,
    /// Whether every node of the tree is opened, so that siblings are read together. A bad node
    /// ends the diff, so reading more than its first key costs little.
    reads_all: bool,
    /// The current item, unless it was passed or opened.
    next: Option<Next>,
    /// The node of the current item, if it was read.
    read: Option<ReadNode<S::Bytes<'s>>>,
    opened: Option<HashSet<Cid>>,
    /// The number of the tree in errors, if two are compared.
    input: Option<usize>,
}

impl<'s, S: BlockStore> TreeSide<'s, S> {
    /// Creates a side from a walk, of which only the tree and how it is verified matter.
    pub(crate) fn new(walk: Walk<'s, S>, reads_all: bool) -> Self {
        let Walk { store, root, manner, .. } = walk;
        TreeSide {
            store,
            descent: Descent::new(root, manner, Default::default()),
            ahead: ReadAhead::new(store, Default::default()),
            reads_all,
            next: None,
            read: None,
            opened: None,
            input: None,
        }
    }

    /// Looks up the node of a link, unless it was read.
    fn fetch(&mut self, link: &Link) -> Result<Option<Fetched<S::Bytes<'s>>>> {
        match self.read.take() {
            Some(node) => {
                debug_assert!(node.cid == link.cid, "another node was read");
                node.fetched
            }
            None => self.ahead.fetch(link, &mut self.descent, self.reads_all, false),
        }
    }

    fn forget(&mut self) {
        if let Some(buffers) = self.read.take().and_then(ReadNode::into_buffers) {
            self.descent.spare.put(buffers);
        }
    }

    /// Sets the number of the tree in errors: see [`Error::input`].
    pub(crate) fn of_input(mut self, number: usize) -> Self {
        self.input = Some(number);
        self
    }

    /// Enters the node of a link. Returns `Missing` for a missing one, with `partial`.
    fn enter(&mut self, link: &Link, partial: bool) -> Result<Opened> {
        let Some(fetched) = self.fetch(link)? else {
            return match (link.is_empty_tree(), partial) {
                (true, _) => {
                    self.note_opened(link.cid);
                    Ok(Opened::Node)
                }
                (false, true) => Ok(Opened::Missing),
                (false, false) => Err(self.descent.missing(link)),
            };
        };
        let was_read_ahead = fetched.read.is_some();
        self.descent.enter(link, fetched)?;
        self.ahead.make_room(&self.descent);
        if self.reads_all && !was_read_ahead {
            self.ahead.prefetch(&self.descent, false);
        }
        self.note_opened(link.cid);
        Ok(Opened::Node)
    }

    fn note_opened(&mut self, cid: Cid) {
        if let Some(opened) = &mut self.opened {
            opened.insert(cid);
        }
    }
}

/// Adds the number of a tree to an error.
#[cold]
fn of_input(error: Error, input: Option<usize>) -> Error {
    match input {
        Some(number) => error.in_input(number),
        None => error,
    }
}

#[expect(private_interfaces, reason = "the trait cannot be named outside of this module")]
impl<'s, S: BlockStore> Side for TreeSide<'s, S> {
    type Bytes = S::Bytes<'s>;

    #[inline]
    fn node(&mut self) -> Option<&mut Frame<S::Bytes<'s>>> {
        if self.next.is_some() { None } else { self.descent.top_mut() }
    }

    #[inline]
    fn advance(&mut self) -> Result<()> {
        if self.next.is_none() {
            let next = self.descent.next().map_err(|error| of_input(error, self.input))?;
            if let Next::Entry(_) = next {
                self.ahead.count_entry();
            }
            self.next = Some(next);
        }
        Ok(())
    }

    #[inline]
    fn item(&self) -> Item<'_> {
        match &self.next {
            Some(Next::Link(link)) => Item::Link {
                cid: &link.cid,
                layer: link.layer,
                interval: self.descent.interval(link),
            },
            Some(Next::Entry(cid)) => Item::Entry { key: self.descent.key(), cid },
            Some(Next::End) | None => Item::End,
        }
    }

    #[inline]
    fn pass(&mut self) {
        self.next = None;
        self.forget();
    }

    fn prefetch(&self, cid: &Cid) {
        self.store.prefetch(core::slice::from_ref(cid));
    }

    fn links(&self) -> impl Iterator<Item = Cid> {
        self.read.iter().filter_map(ReadNode::read).flat_map(|(block, buffers)| {
            let steps = Steps::all(Order::Ascending, &buffers.layout);
            steps.filter_map(NodeStep::link).filter_map(|at| cid_at(block, at))
        })
    }

    fn next_link(&self) -> Option<(Cid, Layer)> {
        let frame = self.descent.top()?;
        let at = frame.steps_to_come().find_map(NodeStep::link)?;
        Some((cid_at(frame.block.as_ref(), at)?, frame.layer.below()?))
    }

    fn read(&mut self, keys: &mut Keys) {
        self.forget();
        let Some(Next::Link(link)) = &self.next else { return };
        let (Some(depth), Some(layer)) = (self.descent.depth(), link.layer) else { return };
        if !self.descent.has_room(|| NODE_COST) {
            return;
        }
        let fetched = Fetched::get(self.store, link.cid);
        let mut node = ReadNode { cid: link.cid, depth, fetched };
        // A long block is looked up again when it is opened, and not held beside the other side's.
        if !self.descent.has_room(|| node.held()) {
            return;
        }
        node.parse(layer, (keys, MAX_SIBLING_KEYS_LEN), &mut self.descent);
        self.read = Some(node);
    }

    fn judge(&mut self, is_good: bool) {
        if !is_good && let Some(node) = &mut self.read {
            node.forget();
        }
    }

    fn open(&mut self, partial: bool) -> Result<Opened> {
        let Some(Next::Link(link)) = self.next.take() else {
            debug_assert!(false, "only links are opened");
            return Ok(Opened::Missing);
        };
        let opened = self.enter(&link, partial).map_err(|error| of_input(error, self.input))?;
        if opened == Opened::Missing {
            self.next = Some(Next::Link(link));
        }
        Ok(opened)
    }

    fn keep_opened(&mut self, yes: bool) {
        self.opened = yes.then(HashSet::new);
    }

    fn opened(&self) -> impl Iterator<Item = Cid> {
        self.opened.iter().flatten().copied()
    }

    fn has_opened(&self, cid: &Cid) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.contains(cid))
    }
}

impl<S: BlockStore> fmt::Debug for TreeSide<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeSide").field("opened", &self.opened).finish_non_exhaustive()
    }
}
