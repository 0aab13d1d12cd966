//! The items of a walk, taken from either end.

use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::mst::Walker;
use crate::path::RepoPathBuf;
use crate::store::{Block, BlockStore};

/// Items that a chunk has room for at first, however many are requested.
const FIRST_CHUNK: usize = 1024;

/// The end of an iterator that an item is taken from.
#[derive(Clone, Copy)]
pub(super) enum End {
    Front,
    Back,
}

/// An entry that was taken from a walk, and its record if that was looked up.
pub(super) struct Item<B> {
    pub(super) path: RepoPathBuf,
    pub(super) cid: Cid,
    pub(super) record: Option<Block<B>>,
}

/// A walk from which items are taken, at either end.
pub(super) struct Items<'s, S: BlockStore> {
    pub(super) walk: Walker<'s, S>,
    /// The walk from the other end, once an item was taken there.
    back: Option<Walker<'s, S>>,
    strict_paths: bool,
    /// An error that is returned after the items before it.
    postponed: Option<Error>,
    done: bool,
}

impl<'s, S: BlockStore> Items<'s, S> {
    pub(super) fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
        Items { walk, back: None, strict_paths, postponed: None, done: false }
    }

    /// Takes the next item from one end and converts it. An error ends the iterator.
    #[inline]
    pub(super) fn next<T>(
        &mut self,
        end: End,
        make: impl FnOnce(Item<S::Bytes<'s>>) -> Result<T>,
    ) -> Option<Result<T>> {
        if let Some(error) = self.postponed.take() {
            return Some(Err(error));
        }
        if self.done {
            return None;
        }
        let item = self.take(end).and_then(|item| item.map(make).transpose());
        self.done = !matches!(item, Ok(Some(_)));
        item.transpose()
    }

    #[inline]
    fn take(&mut self, end: End) -> Result<Option<Item<S::Bytes<'s>>>> {
        // Each walk ends where the other one is, so no item is returned twice.
        let walk = match (end, &mut self.back) {
            (End::Front, None) => &mut self.walk,
            (End::Front, Some(back)) => {
                self.walk.stop_before(back);
                &mut self.walk
            }
            (End::Back, back) => {
                let back = back.get_or_insert_with(|| self.walk.in_reverse());
                back.stop_before(&self.walk);
                back
            }
        };
        let Some((entry, record)) = walk.next_entry()? else {
            return Ok(None);
        };
        let path = if self.strict_paths { entry.strict_path() } else { entry.path() };
        let offset = || record.as_ref().and_then(|record| record.offset);
        let path = path.map_err(|error| error.at(offset()))?.to_owned();
        Ok(Some(Item { path, cid: entry.cid(), record }))
    }

    /// Takes at least one and at most `len` items from the front, or none at the end.
    pub(super) fn next_chunk<T>(
        &mut self,
        len: usize,
        make: impl Fn(Item<S::Bytes<'s>>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut chunk = Vec::with_capacity(len.min(FIRST_CHUNK));
        while chunk.len() < len.max(1) {
            match self.next(End::Front, &make) {
                Some(Ok(item)) => chunk.push(item),
                Some(Err(error)) if chunk.is_empty() => return Err(error),
                Some(Err(error)) => {
                    self.postponed = Some(error);
                    break;
                }
                None => break,
            }
        }
        Ok(chunk)
    }
}

/// Counts the items up to the end or the first error.
pub(crate) fn try_count<T>(mut items: impl Iterator<Item = Result<T>>) -> Result<u64> {
    items.try_fold(0, |count: u64, item| item.map(|_| count.saturating_add(1)))
}
