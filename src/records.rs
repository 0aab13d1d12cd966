//! Records and entries as plain iterators: owned items on top of the one walk.

use core::fmt;
use core::iter::FusedIterator;

use crate::cid::Cid;
#[cfg(feature = "serde")]
use crate::error::Structure;
use crate::error::{Error, Result};
use crate::mst::Walker;
use crate::path::{RepoPath, RepoPathBuf};
use crate::store::{BlockStore, Found};

/// Items that a chunk makes room for at first, however many are asked for.
const FIRST_CHUNK: usize = 1024;

/// A record: its path, its CID and its bytes.
///
/// `B` is what the store's blocks are, `&[u8]` for slices, maps and memory. The bytes are opaque to carwalk: any block
/// can be a record's.
#[derive(Clone, PartialEq, Eq)]
pub struct Record<B> {
    path: RepoPathBuf,
    cid: Cid,
    bytes: B,
    offset: Option<u64>,
}

impl<B> Record<B> {
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

    /// Where the record's section begins in the CAR, if the store knows.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The parts: path, CID and bytes.
    #[must_use]
    pub fn into_parts(self) -> (RepoPathBuf, Cid, B) {
        (self.path, self.cid, self.bytes)
    }
}

impl<B: AsRef<[u8]>> Record<B> {
    /// The bytes of the record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// A decoder at the start of the record, to pick single fields out without a type for the whole.
    ///
    /// It takes any CBOR, not only the canonical form.
    #[must_use]
    pub fn decoder(&self) -> minicbor::Decoder<'_> {
        minicbor::Decoder::new(self.bytes())
    }

    /// Decodes the record; texts and byte strings can be borrowed from it.
    ///
    /// # Errors
    ///
    /// `Decode`, with path and CID, if the record is not DAG-CBOR or does not fit `T`.
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Post<'a> {
    ///     #[serde(borrow)]
    ///     text: std::borrow::Cow<'a, str>,
    /// }
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// for record in repo.records() {
    ///     let record = record?;
    ///     if record.path().collection() == "app.bsky.feed.post" {
    ///         println!("{}", record.decode::<Post>()?.text);
    ///     }
    /// }
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "serde")]
    pub fn decode<'r, T: serde::Deserialize<'r>>(&'r self) -> Result<T> {
        serde_ipld_dagcbor::from_slice(self.bytes()).map_err(|source| {
            let error = Error::new(crate::ErrorKind::Decode(source.into()));
            let key = self.path().as_str().as_bytes();
            error.in_structure(Structure::Record).at(self.offset).of_cid(self.cid).of_key(key)
        })
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Record<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("path", &self.path)
            .field("cid", &self.cid)
            .field("len", &self.bytes().len())
            .field("offset", &self.offset)
            .finish()
    }
}

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

/// A walk whose entries become items.
struct Items<'s, S: BlockStore> {
    walk: Walker<'s, S>,
    strict_paths: bool,
    /// An error that is told after the items before it.
    postponed: Option<Error>,
    done: bool,
}

impl<'s, S: BlockStore> Items<'s, S> {
    fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
        Items { walk, strict_paths, postponed: None, done: false }
    }

    /// The next entry as `item` makes it, or the error that ends the walk.
    fn next<T>(
        &mut self,
        item: impl FnOnce(RepoPathBuf, Cid, Option<Found<S::Block<'s>>>) -> Option<T>,
    ) -> Option<Result<T>> {
        if let Some(error) = self.postponed.take() {
            return Some(Err(error));
        }
        if self.done {
            return None;
        }
        let next = self.try_next(item);
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    #[inline]
    fn try_next<T>(
        &mut self,
        item: impl FnOnce(RepoPathBuf, Cid, Option<Found<S::Block<'s>>>) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some((entry, found)) = self.walk.next_entry()? else {
            return Ok(None);
        };
        let path = if self.strict_paths { entry.strict_path() } else { entry.path() };
        let path = path.map_err(|error| error.at(found.as_ref().and_then(|found| found.offset)))?;
        Ok(item(path.to_owned(), entry.cid(), found))
    }
}

macro_rules! item_iterator {
    ($(#[$docs:meta])* $name:ident, $item:ty, $make:expr) => {
        $(#[$docs])*
        #[must_use]
        pub struct $name<'s, S: BlockStore>(Items<'s, S>);

        impl<'s, S: BlockStore> $name<'s, S> {
            pub(crate) fn new(walk: Walker<'s, S>, strict_paths: bool) -> Self {
                $name(Items::new(walk, strict_paths))
            }

            /// The next items: at least one and at most `len` of them, or none at the end.
            ///
            /// For handing batches to other threads. Only an empty chunk is the end: an error ends a chunk early, and comes
            /// with the next call, after the items that were before it.
            ///
            /// # Errors
            ///
            /// Those of the iterator.
            pub fn next_chunk(&mut self, len: usize) -> Result<Vec<$item>> {
                let mut chunk = Vec::with_capacity(len.min(FIRST_CHUNK));
                while chunk.len() < len.max(1) {
                    match self.next() {
                        Some(Ok(item)) => chunk.push(item),
                        Some(Err(error)) if chunk.is_empty() => return Err(error),
                        Some(Err(error)) => {
                            self.0.postponed = Some(error);
                            break;
                        }
                        None => break,
                    }
                }
                Ok(chunk)
            }
        }

        impl<'s, S: BlockStore> Iterator for $name<'s, S> {
            type Item = Result<$item>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                self.0.next($make)
            }
        }

        impl<S: BlockStore> FusedIterator for $name<'_, S> {}

        impl<S: BlockStore> fmt::Debug for $name<'_, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0.walk).finish()
            }
        }
    };
}

item_iterator! {
    /// The records of a tree in key order.
    ///
    /// A plain iterator, and complete: if it ends without an error, these are all the records. An item costs one
    /// allocation, for the path; [`Walker`] is the form that allocates nothing. After an error, every later call gives
    /// `None`.
    Records, Record<S::Block<'s>>, |path, cid, found| {
        let Found { bytes, offset } = found?;
        Some(Record { path, cid, bytes, offset })
    }
}

item_iterator! {
    /// The paths and CIDs of a tree's records in key order; the records themselves are never asked for.
    ///
    /// A plain iterator, and complete as far as the nodes are: if it ends without an error, these are all the entries,
    /// though their records may be missing. An item costs one allocation, for the path. After an error, every later call
    /// gives `None`.
    RepoEntries, RepoEntry, |path, cid, _| Some(RepoEntry { path, cid })
}
