//! What a walk meets.

use core::fmt;

use super::key::Layer;
use crate::cid::Cid;
use crate::error::{Error, KeyInterval, Result, Structure};
use crate::path::RepoPath;
use crate::store::{Form, Found};

/// One thing that a walk meets. Borrows from the walk: it lasts until the next call.
#[non_exhaustive]
pub enum Event<'w> {
    /// A node, before anything in it. Only after [`Walker::nodes`](super::Walker::nodes).
    #[non_exhaustive]
    Node {
        /// The node's CID.
        cid: Cid,
        /// Its layer. The root of an empty repository has layer 0.
        layer: Layer,
        /// The number of links from the root to it.
        depth: usize,
        /// Its block.
        block: &'w [u8],
        /// Where its section begins in the CAR, if the store knows.
        offset: Option<u64>,
    },
    /// An entry of the tree whose record was not looked up. Only after
    /// [`Walker::records`](super::Walker::records) with `false`.
    #[non_exhaustive]
    Entry {
        /// Key and record CID.
        entry: Entry<'w>,
    },
    /// A record.
    #[non_exhaustive]
    Record {
        /// Key and record CID.
        entry: Entry<'w>,
        /// The record: DAG-CBOR, unless its CID's codec says otherwise. Not looked into.
        block: &'w [u8],
        /// Whether `block` is the record, or what a process function made of it while it was
        /// loaded.
        form: Form,
        /// Where its section begins in the CAR, if the store knows.
        offset: Option<u64>,
    },
    /// An entry whose record is not in the store. Only in a partial walk.
    #[non_exhaustive]
    MissingRecord {
        /// Key and record CID.
        entry: Entry<'w>,
    },
    /// An entry whose record does not have its CID. Only in a partial walk over blocks that were
    /// not hashed before.
    #[non_exhaustive]
    BadRecord {
        /// Key and record CID.
        entry: Entry<'w>,
        /// What is wrong with it.
        error: Error,
    },
    /// A node that is not in the store, and all under it. Only in a partial walk.
    #[non_exhaustive]
    MissingSubtree {
        /// The node's CID.
        cid: Cid,
        /// The keys that the subtree can have.
        interval: KeyInterval<&'w [u8]>,
        /// The node's layer, unless it is the root.
        layer: Option<Layer>,
    },
    /// A node that breaks a rule, and all under it. Only in a partial walk.
    #[non_exhaustive]
    BadSubtree {
        /// The node's CID.
        cid: Cid,
        /// The keys that the subtree can have.
        interval: KeyInterval<&'w [u8]>,
        /// The layer that the node should have, unless it is the root.
        layer: Option<Layer>,
        /// What is wrong with it.
        error: Error,
    },
}

impl Event<'_> {
    /// Where the section of the block at hand begins in the CAR, be it good or bad, if the store
    /// knows.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Event::Node { offset, .. } | Event::Record { offset, .. } => *offset,
            Event::BadRecord { error, .. } | Event::BadSubtree { error, .. } => {
                error.position().offset()
            }
            _ => None,
        }
    }
}

/// Without the blocks, which may be long.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Node { cid, layer, depth, block, offset } => {
                let mut debug = f.debug_struct("Node");
                debug.field("cid", cid).field("layer", layer).field("depth", depth);
                debug.field("block_len", &block.len()).field("offset", offset).finish()
            }
            Event::Entry { entry } => f.debug_struct("Entry").field("entry", entry).finish(),
            Event::Record { entry, block, form, offset } => {
                let mut debug = f.debug_struct("Record");
                debug.field("entry", entry).field("block_len", &block.len()).field("form", form);
                debug.field("offset", offset).finish()
            }
            Event::MissingRecord { entry } => {
                f.debug_struct("MissingRecord").field("entry", entry).finish()
            }
            Event::BadRecord { entry, error } => {
                f.debug_struct("BadRecord").field("entry", entry).field("error", error).finish()
            }
            Event::MissingSubtree { cid, interval, layer } => {
                let mut debug = f.debug_struct("MissingSubtree");
                debug.field("cid", cid).field("interval", interval).field("layer", layer).finish()
            }
            Event::BadSubtree { cid, interval, layer, error } => {
                let mut debug = f.debug_struct("BadSubtree");
                debug.field("cid", cid).field("interval", interval).field("layer", layer);
                debug.field("error", error).finish()
            }
        }
    }
}

/// An entry, and its record if it was looked up.
pub(crate) type EntryAndRecord<'w, B> = (Entry<'w>, Option<Found<B>>);

/// A key of the tree and the CID of its record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'w> {
    key: &'w [u8],
    cid: Cid,
    depth: usize,
}

impl<'w> Entry<'w> {
    #[inline]
    pub(super) fn new(key: &'w [u8], cid: Cid, depth: usize) -> Self {
        Entry { key, cid, depth }
    }

    /// The key: 1 to 1,024 bytes of any kind. [`path`](Entry::path) reads it.
    #[must_use]
    pub fn key(&self) -> &'w [u8] {
        self.key
    }

    /// The CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The number of links from the root to the node that the entry is in.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The key as a repo path.
    ///
    /// # Errors
    ///
    /// `Path`, with key and CID, if it has not the form of one.
    pub fn path(&self) -> Result<RepoPath<'w>> {
        RepoPath::parse(self.key).map_err(|error| self.locate(error))
    }

    /// The key as a repo path whose halves have the full syntax: see [`RepoPath::check_syntax`].
    ///
    /// # Errors
    ///
    /// `Path`, with key and CID, if it is none.
    pub fn strict_path(&self) -> Result<RepoPath<'w>> {
        let path = self.path()?;
        path.check_syntax().map_err(|error| self.locate(error))?;
        Ok(path)
    }

    #[cold]
    fn locate(&self, error: Error) -> Error {
        error.in_structure(Structure::Record).of_cid(self.cid)
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &format_args!("\"{}\"", self.key.escape_ascii()))
            .field("cid", &self.cid)
            .finish()
    }
}
