//! Records and entries as plain iterators: owned items on top of the one walk.

use core::fmt;
use core::iter::FusedIterator;

use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::mst::{KeyRange, Walker};
use crate::path::{RepoPath, RepoPathBuf};
use crate::process::{Keep, Process, restore};
use crate::record::Record;
use crate::store::{BlockStore, Found};

/// Items that a chunk makes room for at first, however many are asked for.
const FIRST_CHUNK: usize = 1024;

/// The path and CID of a record that was not looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoEntry {
    path: RepoPathBuf,
    cid: Cid,
}

impl RepoEntry {
    /// The path: collection and record key.
    #[must_use]
    pub fn path(&self) -> RepoPath<'_> {
        self.path.as_path()
    }

    /// The CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }
}

/// What becomes of an entry.
trait Make<B> {
    type Item;

    fn make(&self, path: RepoPathBuf, cid: Cid, found: Option<Found<B>>) -> Result<Self::Item>;
}

/// Makes records, by a process function or without.
struct MakeRecord<'s, P>(&'s P);

impl<B: AsRef<[u8]>, P: Process> Make<B> for MakeRecord<'_, P> {
    type Item = Record<P::Value<B>>;

    #[inline]
    fn make(&self, path: RepoPathBuf, cid: Cid, found: Option<Found<B>>) -> Result<Self::Item> {
        // A complete walk that looks records up came to one; were it otherwise, it would have to be
        // told.
        let found = found
            .ok_or_else(|| Error::store("a walk over records came to an entry without one"))?;
        let offset = found.offset;
        let value = restore(self.0, found, cid, path.as_path().as_str().as_bytes())?;
        Ok(Record::new(path, cid, value, offset))
    }
}

struct MakeEntry;

impl<B> Make<B> for MakeEntry {
    type Item = RepoEntry;

    #[inline]
    fn make(&self, path: RepoPathBuf, cid: Cid, _: Option<Found<B>>) -> Result<RepoEntry> {
        Ok(RepoEntry { path, cid })
    }
}

/// The end of the walk that an item is taken from.
enum End {
    Front,
    Back,
}

/// A walk whose entries become items.
struct Items<'s, S: BlockStore, M> {
    walk: Walker<'s, S>,
    /// The walk from the other end, once it was asked for.
    back: Option<Walker<'s, S>>,
    strict_paths: bool,
    make: M,
    /// An error that is told after the items before it.
    postponed: Option<Error>,
    done: bool,
}

impl<'s, S: BlockStore, M: Make<S::Block<'s>>> Items<'s, S, M> {
    fn new(walk: Walker<'s, S>, strict_paths: bool, make: M) -> Self {
        Items { walk, back: None, strict_paths, make, postponed: None, done: false }
    }

    /// The same items, but of another walk, from the beginning.
    fn over(self, walk: impl FnOnce(Walker<'s, S>) -> Walker<'s, S>) -> Self {
        Items::new(walk(self.walk), self.strict_paths, self.make)
    }

    /// The next item from one end, or the error that ends the walk. Whichever end comes to where
    /// the other is ends both.
    #[inline]
    fn next(&mut self, end: End) -> Option<Result<M::Item>> {
        if let Some(error) = self.postponed.take() {
            return Some(Err(error));
        }
        if self.done {
            return None;
        }
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
        let next = make_next(walk, self.strict_paths, &self.make);
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    fn next_chunk(&mut self, len: usize) -> Result<Vec<M::Item>> {
        let mut chunk = Vec::with_capacity(len.min(FIRST_CHUNK));
        while chunk.len() < len.max(1) {
            match self.next(End::Front) {
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

#[inline]
fn make_next<'s, S: BlockStore, M: Make<S::Block<'s>>>(
    walk: &mut Walker<'s, S>,
    strict_paths: bool,
    make: &M,
) -> Result<Option<M::Item>> {
    let Some((entry, found)) = walk.next_entry()? else {
        return Ok(None);
    };
    let path = if strict_paths { entry.strict_path() } else { entry.path() };
    let path = path.map_err(|error| error.at(found.as_ref().and_then(|found| found.offset)))?;
    make.make(path.to_owned(), entry.cid(), found).map(Some)
}

/// The records of a tree in key order.
///
/// A plain iterator, and complete: if it ends without an error, these are all the records. An item
/// costs one allocation, for the path; [`Walker`] is the form that allocates nothing. After an
/// error, every later call gives `None`.
#[must_use]
pub struct Records<'s, S: BlockStore, P: Process = Keep>(Items<'s, S, MakeRecord<'s, P>>);

impl<'s, S: BlockStore, P: Process> Records<'s, S, P> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool, process: &'s P) -> Self {
        Records(Items::new(walk, strict_paths, MakeRecord(process)))
    }
}

/// The paths and CIDs of a tree's records in key order; the records themselves are never asked for.
///
/// A plain iterator, and complete as far as the nodes are: if it ends without an error, these are
/// all the entries, though their records may be missing. An item costs one allocation, for the
/// path. After an error, every later call gives `None`.
#[must_use]
pub struct RepoEntries<'s, S: BlockStore>(Items<'s, S, MakeEntry>);

impl<'s, S: BlockStore> RepoEntries<'s, S> {
    pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
        RepoEntries(Items::new(walk, strict_paths, MakeEntry))
    }
}

macro_rules! item_iterator {
    ($name:ident, $item:ty, $($process:ident)?) => {
        impl<'s, S: BlockStore, $($process: Process)?> $name<'s, S, $($process)?> {
            /// Only those whose keys are in a range. If the iterator ends without an error, none in
            /// the range is missing.
            ///
            /// Subtrees that can have none of them are not looked at: the first call goes straight
            /// down to the first key. Ranges narrow each other. Call it before the first item is
            /// taken: it begins anew.
            pub fn range(self, range: impl Into<KeyRange>) -> Self {
                $name(self.0.over(|walk| walk.range(range)))
            }

            /// Only those whose keys begin with `prefix`: as [`range`](Self::range).
            pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
                $name(self.0.over(|walk| walk.prefix(prefix)))
            }

            /// Only those of a collection, like `app.bsky.feed.post`: as [`range`](Self::range).
            pub fn collection(self, collection: &str) -> Self {
                $name(self.0.over(|walk| walk.collection(collection)))
            }

            /// The next items: at least one and at most `len` of them, or none at the end. A `len`
            /// of 0 is taken for 1.
            ///
            /// For handing batches to other threads. Only an empty chunk is the end: an error ends
            /// a chunk early, and comes with the next call, after the items that were before it.
            ///
            /// # Errors
            ///
            /// Those of the iterator.
            pub fn next_chunk(&mut self, len: usize) -> Result<Vec<$item>> {
                self.0.next_chunk(len)
            }
        }

        impl<'s, S: BlockStore, $($process: Process)?> Iterator for $name<'s, S, $($process)?> {
            type Item = Result<$item>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                self.0.next(End::Front)
            }
        }

        /// From the last key down. Takes a walk of its own, and the memory of one; if items are
        /// taken from both ends, each comes once.
        impl<'s, S: BlockStore, $($process: Process)?> DoubleEndedIterator for $name<'s, S, $($process)?> {
            #[inline]
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next(End::Back)
            }
        }

        impl<S: BlockStore, $($process: Process)?> FusedIterator for $name<'_, S, $($process)?> {}

        impl<S: BlockStore, $($process: Process)?> fmt::Debug for $name<'_, S, $($process)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0.walk).finish()
            }
        }
    };
}

item_iterator!(Records, Record<P::Value<S::Block<'s>>>, P);
item_iterator!(RepoEntries, RepoEntry,);
