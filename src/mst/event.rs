//! The events of a walk.

use core::fmt;

use super::key::Layer;
use super::layout::EMPTY_NODE;
use crate::cid::Cid;
use crate::error::{Error, KeyInterval, Result, Structure};
use crate::path::RepoPath;
use crate::store::{Block, Form};

/// An event of a walk: an item of [`Walker::next_event`](super::Walker::next_event).
///
/// An event borrows from the walk: drop it before the next call. Which variants occur depends on
/// the settings of the [`Walk`](super::Walk):
///
/// | setting | variants |
/// |---|---|
/// | default | `Record` |
/// | `records(false)` | `Entry` instead of `Record` |
/// | `nodes(true)` | `Node`, too |
/// | `partial(true)` | `MissingRecord`, `BadRecord`, `MissingSubtree` and `BadSubtree`, too |
/// | a [one-pass walk](crate::StreamWalk) | `RepeatedRecord`, too |
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::Event;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// # let repo = Repo::from_slice(bytes)?;
/// # let mut bytes = Vec::new();
/// # repo.prove().key("app.bsky.actor.profile/self").write(&mut bytes)?;
/// // A proof of one record: a partial CAR with the commit, one node and one record.
/// let repo = Repo::from_slice(&bytes)?;
/// let (mut records, mut missing_records, mut missing_subtrees) = (0, 0, 0);
/// let mut walk = repo.walk().partial(true).start();
/// while let Some(event) = walk.next_event()? {
///     match event {
///         Event::Record { entry, block, .. } => {
///             println!("{}: {} bytes", entry.path()?, block.len());
///             records += 1;
///         }
///         Event::MissingRecord { .. } => missing_records += 1,
///         Event::MissingSubtree { .. } => missing_subtrees += 1,
///         Event::BadRecord { error, .. } | Event::BadSubtree { error, .. } => return Err(error),
///         _ => {}
///     }
/// }
/// assert_eq!((records, missing_records, missing_subtrees), (1, 8, 8));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[non_exhaustive]
pub enum Event<'w> {
    /// A node, before its entries and subtrees. Only with [`Walk::nodes`](super::Walk::nodes).
    #[non_exhaustive]
    Node {
        /// The CID of the node.
        cid: Cid,
        /// The layer of the node. The root of an empty repository has layer 0.
        layer: Layer,
        /// The number of links from the root to the node: 0 for the root.
        depth: usize,
        /// The block of the node: [`Node::parse`](super::Node::parse) parses it.
        block: &'w [u8],
        /// The section offset of the block in the CAR, if the store knows it.
        offset: Option<u64>,
    },
    /// An entry whose record was not looked up. Only in an entries-only walk:
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
        /// The bytes of the record, or the processed value: see `form`. A walk does not parse them,
        /// so any bytes are possible.
        block: &'w [u8],
        /// Whether `block` is the record or a processed value.
        form: Form,
        /// The section offset of the block in the CAR, if the store knows it.
        offset: Option<u64>,
    },
    /// An entry whose record equals an earlier one that is no longer in memory. Only in a one-pass
    /// walk: [`StreamWalk`](crate::StreamWalk).
    #[non_exhaustive]
    RepeatedRecord {
        /// The key and the CID of the record.
        entry: Entry<'w>,
        /// The length of the record, in bytes.
        len: usize,
    },
    /// An entry whose record is missing. Only in a partial walk.
    #[non_exhaustive]
    MissingRecord {
        /// The key and the CID of the record.
        entry: Entry<'w>,
    },
    /// An entry whose record does not hash to its CID, because it is damaged or forged. Only in a
    /// partial walk that verifies blocks.
    #[non_exhaustive]
    BadRecord {
        /// The key and the CID of the record.
        entry: Entry<'w>,
        /// The fault.
        error: Error,
    },
    /// A gap: a missing node, whose subtree is skipped. Only in a partial walk.
    #[non_exhaustive]
    MissingSubtree {
        /// The CID of the node.
        cid: Cid,
        /// The interval of keys that the subtree can have.
        interval: KeyInterval<&'w [u8]>,
        /// The layer of the node; `None` for the root.
        layer: Option<Layer>,
    },
    /// A node that does not hash to its CID or breaks a rule, or for which the memory limit has no
    /// room. The subtree below it is skipped. Only in a partial walk.
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
    /// Returns the event of the root of an empty tree, which needs no block.
    pub(crate) fn empty_tree(cid: Cid) -> Self {
        Event::Node { cid, layer: Layer::BOTTOM, depth: 0, block: EMPTY_NODE, offset: None }
    }

    /// Returns the section offset of the node or record of the event, also of a `BadRecord` or
    /// `BadSubtree`. `None` if the block is missing or was not looked up, or if the store does not
    /// know its offset.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().start();
    /// let profile = walk.next_event()?.unwrap();
    /// assert_eq!(profile.offset(), Some(12_475));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
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

/// Writes the lengths of blocks instead of the blocks.
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
            Event::RepeatedRecord { entry, len } => {
                f.debug_struct("RepeatedRecord").field("entry", entry).field("len", len).finish()
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
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::Event;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut walk = repo.walk().records(false).start();
/// let mut in_root = Vec::new();
/// while let Some(Event::Entry { entry, .. }) = walk.next_event()? {
///     if entry.depth() == 0 {
///         in_root.push((entry.key().to_vec(), entry.cid()));
///     }
/// }
/// assert_eq!(in_root.len(), 9);
/// assert_eq!(in_root[0].0, b"app.bsky.actor.profile/self");
/// assert_eq!(repo.get("app.bsky.actor.profile/self")?.cid(), Some(in_root[0].1));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'w> {
    key: &'w [u8],
    cid: Cid,
    depth: usize,
    layer: Layer,
}

impl<'w> Entry<'w> {
    #[inline]
    pub(super) fn new(key: &'w [u8], cid: Cid, depth: usize, layer: Layer) -> Self {
        Entry { key, cid, depth, layer }
    }

    /// Returns the key: 1 to 1,024 bytes, which may be an invalid path.
    #[must_use]
    pub fn key(&self) -> &'w [u8] {
        self.key
    }

    /// Returns the CID of the record.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the depth of the entry's node: the number of links from the root to it.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Returns the layer of the key, which is that of the entry's node.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// Parses the key as a repo path: a collection and a record key.
    ///
    /// # Errors
    ///
    /// `Path` if the key is not a repo path. The error has the key and the CID, and the class
    /// [`Invalid`](crate::ErrorClass::Invalid).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::{Event, Walk};
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # use carwalk::store::SliceStore;
    ///
    /// # let record = Cid::of(Codec::DagCbor, b"\xa0");
    /// # let mut node = b"\xa2\x61e\x81\xa4\x61k\x47no-path\x61p\x00\x61t\xf6\x61v".to_vec();
    /// # node.extend(b"\xd8\x2a\x58\x25\x00");
    /// # node.extend(record.as_bytes());
    /// # node.extend(b"\x61l\xf6");
    /// # let root = Cid::of(Codec::DagCbor, &node);
    /// # let mut car = Writer::new(Vec::new(), &[root])?;
    /// # car.write(root, &node)?;
    /// # let store = SliceStore::new(car.finish()?)?;
    /// // A tree with one key: `no-path`.
    /// let mut walk = Walk::new(&store, root).records(false).start();
    /// let Some(Event::Entry { entry, .. }) = walk.next_event()? else { panic!() };
    /// let error = entry.path().unwrap_err();
    /// assert_eq!(error.key(), Some(&b"no-path"[..]));
    /// assert_eq!(error.class(), carwalk::ErrorClass::Invalid);
    /// // The walk continues.
    /// assert!(walk.next_event()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> Result<RepoPath<'w>> {
        RepoPath::parse(self.key).map_err(|error| self.locate(error))
    }

    /// Parses the key as a repo path and checks the full syntax of both parts, as
    /// [`RepoPath::check_syntax`] does.
    ///
    /// # Errors
    ///
    /// `Path` if the key is not a repo path or a part breaks the syntax. The error has the key and
    /// the CID, and the class [`Invalid`](crate::ErrorClass::Invalid).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::{Event, Walk};
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # use carwalk::store::SliceStore;
    ///
    /// # let record = Cid::of(Codec::DagCbor, b"\xa0");
    /// # let mut node = b"\xa2\x61e\x81\xa4\x61k\x47posts/1\x61p\x00\x61t\xf6\x61v".to_vec();
    /// # node.extend(b"\xd8\x2a\x58\x25\x00");
    /// # node.extend(record.as_bytes());
    /// # node.extend(b"\x61l\xf6");
    /// # let root = Cid::of(Codec::DagCbor, &node);
    /// # let mut car = Writer::new(Vec::new(), &[root])?;
    /// # car.write(root, &node)?;
    /// # let store = SliceStore::new(car.finish()?)?;
    /// // A tree with one key, `posts/1`: a repo path, but `posts` is not an NSID.
    /// let mut walk = Walk::new(&store, root).records(false).start();
    /// let Some(Event::Entry { entry, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!(entry.path()?.collection(), "posts");
    /// let error = entry.strict_path().unwrap_err();
    /// assert_eq!(error.class(), carwalk::ErrorClass::Invalid);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
