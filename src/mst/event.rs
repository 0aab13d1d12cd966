//! The events of a walk.

use core::fmt;

use super::key::Layer;
use crate::cid::Cid;
use crate::error::{Error, KeyInterval, Result, Structure};
use crate::path::RepoPath;
use crate::store::{Block, Form};

/// An event of a walk. It borrows from the walk, so it lasts until the next call.
#[non_exhaustive]
pub enum Event<'w> {
    /// A node, before its entries and subtrees. Only after [`Walk::nodes`](super::Walk::nodes).
    #[non_exhaustive]
    Node {
        /// The CID of the node.
        cid: Cid,
        /// The layer of the node. The root of an empty repository has layer 0.
        layer: Layer,
        /// The number of links from the root to the node.
        depth: usize,
        /// The block of the node.
        block: &'w [u8],
        /// The section offset of the block in the CAR, if the store knows it.
        offset: Option<u64>,
    },
    /// An entry whose record was not looked up. Only after
    /// [`Walk::records`](super::Walk::records) with `false`.
    #[non_exhaustive]
    Entry {
        /// The key and the CID of the record.
        entry: Entry<'w>,
    },
    /// An entry with its record.
    #[non_exhaustive]
    Record {
        /// The key and the CID of the record.
        entry: Entry<'w>,
        /// The record: DAG-CBOR, unless the codec of its CID is another. A walk does not parse it.
        block: &'w [u8],
        /// Whether `block` is the record or the value that a process function made of it.
        form: Form,
        /// The section offset of the block in the CAR, if the store knows it.
        offset: Option<u64>,
    },
    /// An entry whose record is missing. Only in a partial walk.
    #[non_exhaustive]
    MissingRecord {
        /// The key and the CID of the record.
        entry: Entry<'w>,
    },
    /// An entry whose record does not have its CID. Only in a partial walk that verifies blocks.
    #[non_exhaustive]
    BadRecord {
        /// The key and the CID of the record.
        entry: Entry<'w>,
        /// The fault.
        error: Error,
    },
    /// A missing node, with the subtree below it. Only in a partial walk.
    #[non_exhaustive]
    MissingSubtree {
        /// The CID of the node.
        cid: Cid,
        /// The interval of keys that the subtree can have.
        interval: KeyInterval<&'w [u8]>,
        /// The layer of the node; `None` for the root.
        layer: Option<Layer>,
    },
    /// A node that breaks a rule, with the subtree below it. Only in a partial walk.
    #[non_exhaustive]
    BadSubtree {
        /// The CID of the node.
        cid: Cid,
        /// The interval of keys that the subtree can have.
        interval: KeyInterval<&'w [u8]>,
        /// The layer that the node must have; `None` for the root.
        layer: Option<Layer>,
        /// The fault.
        error: Error,
    },
}

impl Event<'_> {
    /// Returns the section offset of the block that the event is about, whether that is good or
    /// bad, if the store knows it.
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

/// Leaves out the blocks, which may be long.
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
pub(crate) type EntryAndRecord<'w, B> = (Entry<'w>, Option<Block<B>>);

/// An entry of the tree: a key and the CID of its record.
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

    /// Returns the key: 1 to 1,024 bytes, which need not be a repo path.
    #[must_use]
    pub fn key(&self) -> &'w [u8] {
        self.key
    }

    /// Returns the CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the number of links from the root to the node of the entry.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Parses the key as a repo path: a collection and a record key.
    ///
    /// # Errors
    ///
    /// `Path` if the key is not a repo path. The error has the key and the CID.
    pub fn path(&self) -> Result<RepoPath<'w>> {
        RepoPath::parse(self.key).map_err(|error| self.locate(error))
    }

    /// Parses the key as a repo path and checks the full syntax of both parts: see
    /// [`RepoPath::check_syntax`].
    ///
    /// # Errors
    ///
    /// `Path` if the key is not a repo path or a part breaks the syntax. The error has the key and
    /// the CID.
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
