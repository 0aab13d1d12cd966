//! Undoing operations: from a partial tree and the operations that led to it to the tree before.
//!
//! ```text
//! the new tree    a  [..]  c  [..]  e  f         entries and closed subtrees, in key order
//! operations               create c    update f    delete g
//! the old tree    a  [..]     [..]  e  f'  g       given to the builder
//! ```
//!
//! All operations are undone in one pass, so their order does not matter. No order of them needs
//! fewer nodes.

use core::iter::Peekable;
use core::mem::{replace, take};
use std::slice::Iter;

use super::edits::{Edit, EditChange, Paths, edits};
use super::{Operation, Reason, Rule};
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, KeyInterval, MessageFault, Result, Structure};
use crate::mst::{Builder, BuilderBuffers, Event, Layer, Walk};
use crate::store::BlockStore;

/// The tree before some operations: the result of [`invert`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inverted<'o> {
    /// The root of the tree before the operations.
    pub root: Cid,
    /// The created keys that are next to a missing node of the new tree, in key order.
    ///
    /// The new tree may have that node on the wrong side of such a key. If the new tree is valid,
    /// the root is right nevertheless.
    pub unproven: Vec<Unproven<'o>>,
}

/// A created key whose neighbour in the new tree is not visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unproven<'o> {
    /// The number of the operation that created the key.
    pub op: usize,
    /// The key.
    pub path: &'o str,
    /// The missing node next to it.
    pub node: Cid,
}

/// Undoes operations: returns the root of the tree before them. `data` is the root of the tree
/// after them.
///
/// `blocks` has the nodes of the new tree, or some of them. Records are not needed. Without
/// operations the root is `data`, and no node is needed. The result does not depend on the order of
/// the operations. With operations, walks and checks every node of the tree that `blocks` has: pass
/// the blocks of a message, not a full store. The commit and the limits of a verifier are not
/// checked, and paths may be any keys.
///
/// If the new tree is valid and has the operations' records, then the root is that of the tree
/// before them. [`Verifier`](super::Verifier) checks all that a message has to prove.
///
/// # Errors
///
/// - `Limit` if a path is longer than [`MAX_KEY_LEN`](crate::limits::MAX_KEY_LEN) bytes
/// - `Message` if an operation is malformed, changes nothing, or repeats a path
/// - `Message` if the tree contradicts an operation
/// - `Message` if an update or delete has no `prev`
/// - `Missing` or `NeedsNode` if a node is missing without which an operation cannot be undone
/// - `HashMismatch` if a node does not hash to its CID
/// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
/// - `Store`, `Io` or `InvalidSpillFile` if the store fails
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::sync::{Operation, invert};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let (store, data) = (repo.store(), repo.commit().data());
/// let profile = repo.get("app.bsky.actor.profile/self")?.cid().unwrap();
/// let create = [Operation::create("app.bsky.actor.profile/self", profile)];
/// let before = invert(data, store, &create)?;
/// assert!(before.root != data && before.unproven.is_empty());
///
/// // The key is there, so it was not deleted.
/// let delete = [Operation::delete("app.bsky.actor.profile/self", profile)];
/// assert!(invert(data, store, &delete).is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
pub fn invert<'o, S: BlockStore>(
    data: Cid,
    blocks: &S,
    ops: &'o [Operation<'_>],
) -> Result<Inverted<'o>> {
    let edits = edits(ops, Paths::AnyKey).map_err(Reason::into_error)?;
    if edits.is_empty() {
        return Ok(Inverted { root: data, unproven: Vec::new() });
    }
    let walk = Walk::new(blocks, data);
    let undone = undo(walk, data, &edits, &mut BuilderBuffers::default());
    let undone = undone.map_err(Reason::into_error)?;
    let root = undone.root.map_err(Reason::into_error)?;
    let unproven = undone.unproven.iter().map(|(edit, node)| Unproven {
        op: edit.op,
        path: edit.path,
        node: *node,
    });
    Ok(Inverted { root, unproven: unproven.collect() })
}

/// The result of undoing operations.
pub(super) struct Undone<'e, 'o> {
    /// The root of the old tree, or why it cannot be known.
    pub(super) root: Result<Cid, Reason>,
    /// The created keys next to a missing node.
    pub(super) unproven: Vec<(&'e Edit<'o>, Cid)>,
}

/// Walks the tree `data` and undoes operations. Fails if the tree or an operation is wrong.
///
/// The whole partial tree is walked, even if the root cannot be known: what is wrong is found
/// whatever is missing.
pub(super) fn undo<'e, 'o, S: BlockStore>(
    walk: Walk<'_, S>,
    data: Cid,
    edits: &'e [Edit<'o>],
    buffers: &mut BuilderBuffers,
) -> Result<Undone<'e, 'o>, Reason> {
    // Without operations, the old tree is the new one.
    let builder = (!edits.is_empty())
        .then(|| Builder::in_buffers(|_: &Cid, _, _: &[u8]| Ok(()), take(buffers)));
    let mut undo = Undo::new(edits, builder);
    let mut walk = walk.records(false).partial(true).start();
    while let Some(event) = walk.next_event().map_err(|error| Reason::new(Rule::Tree, error))? {
        match event {
            Event::Entry { entry, .. } => undo.entry(entry.key(), entry.layer(), entry.cid())?,
            Event::MissingSubtree { cid, interval, layer, .. } => {
                undo.closed(cid, interval, layer)?;
            }
            Event::BadSubtree { error, .. } => return Err(Reason::new(Rule::Tree, error)),
            _ => debug_assert!(false, "an event that the walk was not asked for"),
        }
    }
    undo.finish(data, buffers)
}

/// Operations that are undone while the new tree passes by.
struct Undo<'e, 'o, F> {
    /// The remaining operations, in key order.
    edits: Peekable<Iter<'e, Edit<'o>>>,
    /// The old tree. `None` if it cannot be known, or without operations.
    builder: Option<Builder<F>>,
    /// Why the old tree cannot be known.
    stuck: Option<Reason>,
    unproven: Vec<(&'e Edit<'o>, Cid)>,
    last: Last<'e, 'o>,
}

/// The last item of the new tree.
enum Last<'e, 'o> {
    /// An entry, or the start of the tree.
    Known,
    Created(&'e Edit<'o>),
    Closed(Cid),
}

impl<'e, 'o, F: FnMut(&Cid, Layer, &[u8]) -> Result<()>> Undo<'e, 'o, F> {
    fn new(edits: &'e [Edit<'o>], builder: Option<Builder<F>>) -> Self {
        let mut undo = Undo {
            edits: edits.iter().peekable(),
            // The old tree may have longer nodes than those that were read.
            builder: builder.map(|builder| builder.max_block_len(u32::MAX)),
            stuck: None,
            unproven: Vec::new(),
            last: Last::Known,
        };
        if let Some(edit) = edits.iter().find(|edit| edit.lacks_old()) {
            undo.give_up(edit.refuse(Rule::NoPrev, MessageFault::NoPrev));
        }
        undo
    }

    /// Takes an entry of the new tree.
    fn entry(&mut self, key: &[u8], layer: Layer, cid: Cid) -> Result<(), Reason> {
        self.pass_absent(Some(key))?;
        let Some(edit) = self.edits.next_if(|edit| edit.key() == key) else {
            self.last = Last::Known;
            return self.build(|tree| tree.entry_of_layer(key, layer, cid));
        };
        match edit.new_record() {
            None => {
                return Err(edit.refuse(Rule::OpPresent, MessageFault::Present { found: cid }));
            }
            Some(new) if new != cid => {
                let fault = MessageFault::OtherRecord { found: Some(cid) };
                return Err(edit.refuse(Rule::OpMismatch, fault));
            }
            Some(_) => {}
        }
        let before = replace(&mut self.last, Last::Known);
        match edit.change {
            EditChange::Updated { old: Some(old), .. } => {
                self.build(|tree| tree.entry_of_layer(key, layer, old))
            }
            EditChange::Created { .. } => {
                if let Last::Closed(node) = before {
                    self.unproven.push((edit, node));
                }
                self.last = Last::Created(edit);
                Ok(())
            }
            // Without the old record, the old tree cannot be known, which was noted.
            EditChange::Updated { old: None, .. } | EditChange::Deleted { .. } => Ok(()),
        }
    }

    /// Takes a missing node of the new tree.
    fn closed(
        &mut self,
        cid: Cid,
        interval: KeyInterval<&[u8]>,
        layer: Option<Layer>,
    ) -> Result<(), Reason> {
        if let Last::Created(edit) = self.last {
            self.unproven.push((edit, cid));
        }
        self.last = Last::Closed(cid);
        let is_inside = |edit: &&Edit<'_>| interval.upper.is_none_or(|upper| edit.key() < upper);
        while let Some(edit) = self.edits.next_if(is_inside) {
            let error = Error::new(ErrorKind::Missing { interval: Some(interval.to_owned()) });
            let error = error.in_structure(Structure::Node).of_cid(cid);
            self.give_up(edit.reason(Rule::MissingNode, error));
        }
        match layer {
            Some(layer) => self.build(|tree| tree.subtree(cid, layer, interval)),
            // The root: whatever the operations are, their keys are below it.
            None => Ok(()),
        }
    }

    /// Undoes the operations with keys below `bound`, none of which the new tree has.
    fn pass_absent(&mut self, bound: Option<&[u8]>) -> Result<(), Reason> {
        let is_before = |edit: &&Edit<'_>| bound.is_none_or(|bound| edit.key() < bound);
        while let Some(edit) = self.edits.next_if(is_before) {
            match edit.change {
                EditChange::Deleted { old: Some(old) } => {
                    self.build(|tree| tree.entry(edit.key(), old))?;
                }
                EditChange::Deleted { old: None } => {}
                EditChange::Created { .. } | EditChange::Updated { .. } => {
                    let fault = MessageFault::OtherRecord { found: None };
                    return Err(edit.refuse(Rule::OpMismatch, fault));
                }
            }
        }
        Ok(())
    }

    /// Adds to the old tree, unless it cannot be known.
    fn build(&mut self, add: impl FnOnce(&mut Builder<F>) -> Result<()>) -> Result<(), Reason> {
        match self.builder.as_mut().map_or(Ok(()), add) {
            Ok(()) => Ok(()),
            Err(error) => self.conflict(error),
        }
    }

    /// Takes an error of the builder: a missing node is needed.
    #[cold]
    fn conflict(&mut self, error: Error) -> Result<(), Reason> {
        if matches!(error.kind(), ErrorKind::NeedsNode) {
            let reason = self.needed(error);
            self.give_up(reason);
            return Ok(());
        }
        debug_assert!(false, "the walk gave the builder what it refuses: {error}");
        Err(Reason::new(Rule::Tree, error))
    }

    /// Returns the reason of a node that the builder needs. A created key beside it was removed, so
    /// that something else moves into the node's span.
    #[cold]
    fn needed(&self, error: Error) -> Reason {
        let node = error.cid().copied();
        let beside = self.unproven.iter().find(|(_, beside)| Some(*beside) == node);
        match (beside, node) {
            (Some((edit, _)), Some(node)) => {
                let error = Error::new(ErrorKind::NeedsNode).in_structure(Structure::Node);
                edit.reason(Rule::MissingNode, error.of_cid(node))
            }
            _ => Reason::new(Rule::MissingNode, error),
        }
    }

    /// Notes that the old tree cannot be known. The first rule is reported.
    #[cold]
    fn give_up(&mut self, reason: Reason) {
        self.builder = None;
        if self.stuck.as_ref().is_none_or(|stuck| reason.rule() < stuck.rule()) {
            self.stuck = Some(reason);
        }
    }

    fn finish(mut self, data: Cid, buffers: &mut BuilderBuffers) -> Result<Undone<'e, 'o>, Reason> {
        self.pass_absent(None)?;
        let root = match (self.stuck.take(), self.builder.take()) {
            (Some(stuck), _) => Err(stuck),
            (None, None) => Ok(data),
            (None, Some(builder)) => {
                builder.finish_into(buffers).map_err(|error| self.needed(error))
            }
        };
        Ok(Undone { root, unproven: self.unproven })
    }
}
