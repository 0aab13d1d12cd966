//! The descent through a tree: its open nodes, each checked whole when it is entered.
//!
//! ```text
//! next() -> Link    enter(link, block)    or nothing, to skip the subtree
//!        -> Entry   key(), interval(..)   until the next call
//!        -> End
//! ```
//!
//! A descent reads no blocks itself. It returns each link before the node is entered, so the caller
//! decides whether the subtree is wanted and where its block comes from.

use core::mem::take;

use super::digests::{Answer, Digests, is_unverified};
use super::event::{Entry, Event};
use super::frame::{Buffers, Frame, Link, Order, Spare};
use super::key::Layer;
use crate::budget;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, KeyInterval, LimitName, Malformed, Result, Structure};
use crate::reuse::{Reuse, recycle};
use crate::store::trust::Trust;
use crate::store::{Block, BlockStore, Form, look_up};

/// The settings of a descent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) order: Order,
    pub(super) trust: Trust,
    /// Bytes of memory that the descent may take. `u64::MAX` is no limit.
    pub(super) memory_limit: u64,
}

/// The path from the root to the current position in a tree.
pub(super) struct Descent<B> {
    pub(super) manner: Manner,
    /// The root, until its link was returned.
    root: Option<Cid>,
    /// The open nodes, the root first. Each is one layer below the one before it, so there are at
    /// most as many as there are layers.
    frames: Vec<Frame<B>>,
    pub(super) spare: Spare,
    /// The digests of large blocks, so that none of these is hashed for each of its links.
    digests: Digests,
}

/// The buffers of a descent.
#[derive(Default)]
pub(super) struct DescentBuffers {
    frames: Vec<Frame<&'static [u8]>>,
    spare: Spare,
    digests: Digests,
}

impl Reuse for DescentBuffers {
    fn reset(&mut self) {
        self.frames.reset();
        self.spare.reset();
        self.digests.reset();
    }

    fn held(&self) -> u64 {
        self.frames.held().saturating_add(self.spare.held()).saturating_add(self.digests.held())
    }
}

/// What comes next in a tree.
pub(super) enum Next {
    /// A link to a node, which can be entered until the next call. If it is not, the subtree is
    /// skipped.
    Link(Link),
    /// An entry, with the CID of its record.
    Entry(Cid),
    /// The end of the tree.
    End,
}

/// The block of a node that can be entered.
pub(super) struct Fetched<B> {
    pub(super) found: Block<B>,
    /// Bytes of memory that the block takes.
    pub(super) cost: u64,
    /// The parsed node, if it was read ahead and keeps all rules, except perhaps the one about its
    /// bounds, which are not known while reading ahead.
    pub(super) read: Option<Box<Buffers>>,
}

impl<'s, B> Fetched<B> {
    /// Looks up a node in a store. Returns `None` if it is missing.
    #[inline]
    pub(super) fn get<S: BlockStore<Bytes<'s> = B>>(
        store: &'s S,
        cid: Cid,
    ) -> Result<Option<Self>> {
        match look_up(store, &cid) {
            Ok(Some(found)) => {
                let cost = store.memory_cost(&found.bytes);
                Ok(Some(Fetched { found, cost, read: None }))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error.in_structure(Structure::Node).of_cid(cid)),
        }
    }
}

impl<B: AsRef<[u8]>> Descent<B> {
    /// Creates a descent in the buffers of an earlier one.
    pub(super) fn new(root: Cid, manner: Manner, buffers: DescentBuffers) -> Self {
        let DescentBuffers { frames, spare, digests } = buffers;
        Descent { manner, root: Some(root), frames: recycle(frames), spare, digests }
    }

    /// Takes the buffers of a descent that has ended.
    pub(super) fn take_buffers(&mut self) -> DescentBuffers {
        debug_assert!(self.frames.is_empty() && self.root.is_none(), "the descent goes on");
        DescentBuffers {
            frames: recycle(take(&mut self.frames)),
            spare: take(&mut self.spare),
            digests: take(&mut self.digests),
        }
    }

    /// Advances past the next link or entry and returns it. After an error, the caller has to call
    /// [`stop`](Descent::stop).
    #[inline]
    pub(super) fn next(&mut self) -> Result<Next> {
        loop {
            let depth = self.frames.len().wrapping_sub(1);
            let Some(frame) = self.frames.last_mut() else {
                return Ok(self.root.take().map_or(Next::End, |cid| Next::Link(Link::root(cid))));
            };
            if let Some(link) = frame.next_link(depth)? {
                return Ok(Next::Link(link));
            }
            if let Some(record) = frame.next_entry()? {
                return Ok(Next::Entry(record));
            }
            self.leave();
        }
    }

    /// Leaves the node that was entered last and skips the rest of its subtree.
    pub(super) fn leave(&mut self) {
        if let Some(left) = self.frames.pop() {
            self.spare.put(left.buffers);
        }
    }

    /// Ends the descent.
    pub(super) fn stop(&mut self) {
        while !self.frames.is_empty() {
            self.leave();
        }
        self.root = None;
    }

    /// Enters the node of the last link: checks all rules in it and opens it.
    pub(super) fn enter(&mut self, link: &Link, fetched: Fetched<B>) -> Result<()> {
        let offset = fetched.found.offset;
        let entered = self.check(link, fetched).and_then(|frame| self.open(frame));
        entered.map_err(|error| error.in_structure(Structure::Node).at(offset).of_cid(link.cid))
    }

    fn check(&mut self, link: &Link, fetched: Fetched<B>) -> Result<Frame<B>> {
        let Fetched { mut found, cost, read } = fetched;
        let (layer, buffers) = match read.and_then(|read| self.reuse(link, &found, read)) {
            Some(good) => good,
            None => self.check_fresh(link, &mut found)?,
        };
        Ok(Frame::new(*link, layer, found, cost, buffers, self.manner.order))
    }

    /// Checks the bounds, which reading ahead could not. Returns `None` if they are broken: then
    /// the node is checked from its start, which finds its first fault.
    #[inline]
    fn reuse(
        &mut self,
        link: &Link,
        found: &Block<B>,
        read: Box<Buffers>,
    ) -> Option<(Layer, Box<Buffers>)> {
        debug_assert!(link.layer.is_some(), "a root was read ahead");
        if read.are_within(found.bytes.as_ref(), &self.interval(link)) {
            return Some((link.layer?, read));
        }
        self.spare.put(read);
        None
    }

    /// Checks all rules in a node.
    fn check_fresh(&mut self, link: &Link, found: &mut Block<B>) -> Result<(Layer, Box<Buffers>)> {
        link.cid.into_dag_cbor()?;
        if found.form == Form::Value {
            return Err(Error::malformed(Malformed::ProcessedNode));
        }
        self.verify(link.cid, found)?;
        let mut buffers = self.spare.take();
        match buffers.check(found.bytes.as_ref(), self.interval(link), link.layer) {
            Ok(layer) => Ok((layer, buffers)),
            Err(error) => {
                self.spare.put(buffers);
                Err(error)
            }
        }
    }

    fn open(&mut self, frame: Frame<B>) -> Result<()> {
        debug_assert!(
            self.frames.last().is_none_or(|parent| parent.layer.below() == Some(frame.layer)),
            "a node was entered that is not one layer below the last"
        );
        self.frames.push(frame);
        if self.is_limited() { self.check_memory() } else { Ok(()) }
    }

    /// Verifies a block and marks it as verified, if the descent hashes.
    #[inline]
    pub(super) fn verify(&mut self, cid: Cid, found: &mut Block<B>) -> Result<()> {
        let Manner { trust, memory_limit, .. } = self.manner;
        if trust.verifies_when_reached() {
            self.digests.check(cid, found, budget::digests(memory_limit))
        } else {
            Ok(())
        }
    }

    /// Returns whether a block has to be hashed before the descent uses it.
    #[inline]
    pub(super) fn must_hash(&self, cid: Cid, found: &Block<B>) -> bool {
        self.manner.trust.verifies_when_reached() && is_unverified(cid, found)
    }

    /// Verifies blocks together and marks the good ones, if the descent hashes. For the others,
    /// [`verify`](Descent::verify) returns the error later.
    pub(super) fn verify_together(&mut self, answers: &mut [impl Answer<B>]) {
        let Manner { trust, memory_limit, .. } = self.manner;
        if trust.verifies_when_reached() {
            self.digests.check_together(answers, budget::digests(memory_limit));
        }
    }

    /// Returns the error for a missing node.
    #[cold]
    pub(super) fn missing(&self, link: &Link) -> Error {
        let interval = Some(self.interval(link).to_owned());
        let error = Error::new(ErrorKind::Missing { interval });
        error.in_structure(Structure::Node).of_cid(link.cid)
    }

    #[inline]
    fn is_limited(&self) -> bool {
        self.manner.memory_limit < u64::MAX
    }

    /// Returns the bytes of memory that open nodes and digests take.
    fn held(&self) -> u64 {
        self.frames.iter().map(Frame::held).fold(self.digests.held(), u64::saturating_add)
    }

    /// Returns how many more bytes the memory limit has room for.
    pub(super) fn room(&self) -> u64 {
        if !self.is_limited() {
            return u64::MAX;
        }
        let held = self.held().saturating_add(self.spare.held());
        self.manner.memory_limit.saturating_sub(held)
    }

    /// Returns whether the memory limit has room for `more` bytes.
    #[inline]
    pub(super) fn has_room(&self, more: impl FnOnce() -> u64) -> bool {
        !self.is_limited() || {
            let held = self.held().saturating_add(self.spare.held());
            held.saturating_add(more()) <= self.manner.memory_limit
        }
    }

    /// Closes the node that was entered last and returns an error, if the memory limit is exceeded.
    fn check_memory(&mut self) -> Result<()> {
        if self.has_room(|| 0) {
            return Ok(());
        }
        self.spare.clear();
        let (held, max) = (self.held(), self.manner.memory_limit);
        if held <= max {
            return Ok(());
        }
        self.frames.pop();
        Err(Error::limit(LimitName::WalkMemory, max, held))
    }

    /// Returns the node that was entered last and is still open.
    #[inline]
    pub(super) fn top(&self) -> Option<&Frame<B>> {
        self.frames.last()
    }

    /// Returns the open nodes, the root first.
    pub(super) fn frames(&self) -> &[Frame<B>] {
        &self.frames
    }

    #[inline]
    pub(super) fn top_mut(&mut self) -> Option<&mut Frame<B>> {
        self.frames.last_mut()
    }

    /// Returns the number of links from the root to the top, or `None` if no node is open.
    #[inline]
    pub(super) fn depth(&self) -> Option<usize> {
        self.frames.len().checked_sub(1)
    }

    /// Returns the key of the last entry of the top. Empty before the first entry.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.frames.last().map_or(&[], |frame| frame.buffers.key.as_bytes())
    }

    /// Returns the event of the node that was entered last.
    pub(super) fn node_event(&self) -> Option<Event<'_>> {
        let Frame { block, link, offset, layer, .. } = self.top()?;
        let (cid, layer, offset) = (link.cid, *layer, *offset);
        Some(Event::Node { cid, layer, depth: self.depth()?, block: block.as_ref(), offset })
    }

    /// Returns the last entry, whose record has the CID `cid`.
    #[inline]
    pub(super) fn entry(&self, cid: Cid) -> Entry<'_> {
        debug_assert!(self.depth().is_some(), "an entry without a node");
        let layer = self.top().map_or(Layer::BOTTOM, |node| node.layer);
        Entry::new(self.key(), cid, self.depth().unwrap_or(0), layer)
    }

    /// Returns the interval of keys that the subtree of the last link can have.
    pub(super) fn interval(&self, link: &Link) -> KeyInterval<&[u8]> {
        let frame = |depth: Option<usize>| {
            debug_assert!(depth.is_none_or(|depth| depth < self.frames.len()));
            self.frames.get(depth?)
        };
        let from_side = frame(link.from_side).map(|frame| frame.buffers.key.as_bytes());
        let to_side = frame(link.to_side).map(|frame| frame.buffers.next_key.as_bytes());
        match self.manner.order {
            Order::Ascending => KeyInterval { lower: from_side, upper: to_side },
            Order::Descending => KeyInterval { lower: to_side, upper: from_side },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::Repo;
    use crate::store::{CarStore, SliceStore};
    use crate::testing::{Blocks, Rng, keys, records};

    const CAR: &[u8] = include_bytes!("../../samples/repo.car");

    type Subtree = (Cid, KeyInterval);

    /// Walks the tree of the sample and enters the subtrees that `wants` accepts. Returns the keys
    /// that came and the subtrees that were skipped.
    fn descend(
        repo: &Repo<SliceStore<&[u8]>>,
        order: Order,
        mut wants: impl FnMut(&Link) -> bool,
    ) -> (Vec<Vec<u8>>, Vec<Subtree>) {
        let manner = Manner { order, trust: Trust::HashWhenReached, memory_limit: u64::MAX };
        let mut descent = Descent::new(repo.commit().data(), manner, DescentBuffers::default());
        let (mut keys, mut closed) = (Vec::new(), Vec::new());
        loop {
            match descent.next().unwrap() {
                Next::Link(link) if wants(&link) => {
                    let fetched = Fetched::get(repo.store(), link.cid).unwrap().unwrap();
                    descent.enter(&link, fetched).unwrap();
                    assert_eq!(descent.top().unwrap().link.cid, link.cid);
                }
                Next::Link(link) => closed.push((link.cid, descent.interval(&link).to_owned())),
                Next::Entry(_) => keys.push(descent.key().to_vec()),
                Next::End => return (keys, closed),
            }
        }
    }

    fn contains(interval: &KeyInterval, key: &[u8]) -> bool {
        interval.lower.as_deref().is_none_or(|lower| lower < key)
            && interval.upper.as_deref().is_none_or(|upper| key < upper)
    }

    #[test]
    fn a_root_that_is_not_entered_hides_all_keys() {
        let repo = Repo::from_slice(CAR).unwrap();
        let (keys, closed) = descend(&repo, Order::Ascending, |_| false);
        assert!(keys.is_empty());
        assert_eq!(closed, [(repo.commit().data(), KeyInterval { lower: None, upper: None })]);
    }

    /// In either order, each key either comes or lies in the interval of exactly one skipped
    /// subtree, and that subtree is not requested.
    #[test]
    fn whatever_is_passed_over_has_the_keys_that_do_not_come() {
        let repo = Repo::from_slice(CAR).unwrap();
        let (all, none) = descend(&repo, Order::Ascending, |_| true);
        assert!(none.is_empty() && all.len() == repo.entries().count());
        let mut passed_over = 0;
        for seed in 0..60 {
            let mut seen = Vec::new();
            for order in [Order::Ascending, Order::Descending] {
                let mut rng = Rng::new(seed);
                // The same subtrees in both orders, and the root always.
                let cids = repo.store().sections().map(|head| head.unwrap().cid());
                let wanted: HashMap<Cid, bool> = cids.map(|cid| (cid, rng.chance(3, 4))).collect();
                let (mut keys, mut closed) =
                    descend(&repo, order, |link| link.layer.is_none() || wanted[&link.cid]);
                if order == Order::Descending {
                    keys.reverse();
                    closed.reverse();
                }
                for key in &all {
                    let hiding = closed.iter().filter(|(_, interval)| contains(interval, key));
                    assert_eq!(hiding.count(), usize::from(!keys.contains(key)));
                }
                assert!(keys.is_sorted() && closed.is_sorted_by_key(|(_, i)| i.lower.clone()));
                passed_over += closed.len();
                seen.push((keys, closed));
            }
            assert_eq!(seen[0], seen[1], "{seed}");
        }
        assert!(passed_over > 100, "{passed_over}");
    }

    /// Compares two trees, as a diff would.
    #[test]
    fn no_node_is_read_of_the_subtrees_that_another_tree_has() {
        let car = |records: &[(Vec<u8>, Vec<u8>)]| {
            let mut blocks = Blocks::default();
            let root = blocks.add_tree(records.iter().cloned());
            blocks.to_car(root).1
        };
        let mut all: Vec<_> = records(keys().take(2000)).collect();
        let one = car(&all);
        let dropped = all.remove(all.len() / 3);
        let other = car(&all);
        let (one, other) =
            (Repo::from_slice(&one[..]).unwrap(), Repo::from_slice(&other[..]).unwrap());
        for order in [Order::Ascending, Order::Descending] {
            let nodes = |repo: &Repo<SliceStore<&[u8]>>| {
                let mut nodes = HashSet::new();
                descend(repo, order, |link| nodes.insert(link.cid));
                nodes
            };
            let others = nodes(&other);
            let mut read = HashSet::new();
            let (keys, closed) =
                descend(&one, order, |link| !others.contains(&link.cid) && read.insert(link.cid));
            assert_eq!(read, nodes(&one).difference(&others).copied().collect());
            assert!(closed.iter().all(|(cid, _)| others.contains(cid)));
            assert!(keys.contains(&dropped.0) && read.len() < 10 && closed.len() > 10);
        }
    }
}
