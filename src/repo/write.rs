//! Writes repositories and trees as CARs in pre-order.

use core::fmt;
use std::io::Write;

use super::{Repo, Tree};
use crate::car::Writer;
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::{Error, ErrorKind, Result, SpillFileFault, Structure};
use crate::mst::{Entry, Event, KeyRange};
use crate::path::RepoPath;
use crate::store::recent::{RECORDS, Recent};
use crate::store::{BlockStore, Form};

/// Counts of a written CAR.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let mut car = Vec::new();
/// let stats = Repo::from_slice(bytes)?.write(&mut car)?;
/// // The commit, 9 nodes and 40 records.
/// assert_eq!((stats.bytes, stats.sections), (car.len() as u64, 50));
/// assert_eq!(stats.repeats, 0);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WriteStats {
    /// Length of the CAR, in bytes.
    pub bytes: u64,
    /// Number of sections.
    pub sections: u64,
    /// Number of entries whose record was left out, because an equal record was among the last
    /// 65,536 written.
    pub repeats: u64,
}

/// Configures and writes a CAR in [pre-order](crate::mst): see [`Repo::writer`] and
/// [`Tree::writer`].
///
/// The CAR has the commit, if there is one, then nodes and records in the order of a walk: the root
/// node, then depth first, each record after its entry. A node is always written at its place. A
/// record is left out if an equal record is among the last 65,536 written. Unreached blocks are
/// left out.
///
/// Without a key or range, the whole tree is written. Otherwise only the nodes on the search paths
/// of these keys, and their records: see [`ProofBuilder`](crate::ProofBuilder).
///
/// # Examples
///
/// ```
/// use carwalk::{KeyRange, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let posts = KeyRange::collection("app.bsky.feed.post")?;
/// let mut car = Vec::new();
/// repo.writer().range(&posts).write(&mut car)?;
/// let part = Repo::from_slice(car)?;
/// assert_eq!(part.records_in(&posts).try_count()?, 14);
/// assert!(part.records().try_count().is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use = "a CAR is written with `write`"]
pub struct RepoWriter<'r, S> {
    tree: &'r Tree<S>,
    commit: Option<&'r Commit<'static>>,
    /// The keys to write. `None` for all.
    ranges: Option<Vec<KeyRange>>,
    records: bool,
    repeats: bool,
    /// An argument that was refused.
    refused: Option<Error>,
}

impl<'r, S: BlockStore> RepoWriter<'r, S> {
    fn new(tree: &'r Tree<S>, commit: Option<&'r Commit<'static>>) -> Self {
        RepoWriter { tree, commit, ranges: None, records: true, repeats: false, refused: None }
    }

    /// Restricts the CAR to the keys that are added afterwards.
    pub(crate) fn no_keys(mut self) -> Self {
        self.ranges = Some(Vec::new());
        self
    }

    /// Adds a repo path: restricts the CAR to the added keys and ranges.
    ///
    /// A text that is not a repo path is an error of [`write`](RepoWriter::write). For other keys,
    /// use `range(KeyRange::key(..))`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// let stats = repo.writer().key("app.bsky.actor.profile/self").write(&mut car)?;
    /// // The commit, the root, and the record: the entry is in the root.
    /// assert_eq!(stats.sections, 3);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn key(mut self, path: impl AsRef<str>) -> Self {
        let path = path.as_ref();
        match RepoPath::try_from(path) {
            Ok(_) => self.range(KeyRange::key(path)),
            Err(error) => {
                self.refused = self.refused.or(Some(error));
                self
            }
        }
    }

    /// Adds a range of keys: restricts the CAR to the added keys and ranges. Several ranges add up,
    /// and may overlap.
    ///
    /// A range that ends before it starts is an error of [`write`](RepoWriter::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// let likes = "app.bsky.feed.like/".."app.bsky.feed.post/";
    /// repo.writer().range(likes.clone()).write(&mut car)?;
    /// assert_eq!(Repo::from_slice(car)?.records_in(likes).try_count()?, 16);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn range(mut self, range: impl Into<KeyRange>) -> Self {
        let range = range.into();
        self.refused = self.refused.or(range.check().err());
        self.ranges.get_or_insert_default().push(range);
        self
    }

    /// Sets whether records are written. On by default. If off, records are not requested, and may
    /// be missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// // The commit and 9 nodes: every key and CID of the repository.
    /// let stats = repo.writer().records(false).write(&mut car)?;
    /// assert_eq!(stats.sections, 10);
    /// assert_eq!(Repo::from_slice(car)?.entries().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records(mut self, yes: bool) -> Self {
        self.records = yes;
        self
    }

    /// Sets whether each entry's record is written, also if an equal record was written before. Off
    /// by default.
    ///
    /// Such a CAR can be much longer than its source: a long record may have many entries.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// # use carwalk::car::Writer;
    /// # use carwalk::cid::{Cid, Codec};
    /// # use carwalk::store::{CarStore, SliceStore};
    /// # use carwalk::Tree;
    ///
    /// # let record = Cid::of(Codec::DagCbor, b"\xa0");
    /// # let mut node = b"\xa2\x61e\x82".to_vec();
    /// # for entry in [&b"\xa4\x61k\x47a.b.c/1\x61p\x00"[..], b"\xa4\x61k\x412\x61p\x06"] {
    /// #     node.extend([entry, b"\x61t\xf6\x61v\xd8\x2a\x58\x25\x00"].concat());
    /// #     node.extend(record.as_bytes());
    /// # }
    /// # node.extend(b"\x61l\xf6");
    /// # let root = Cid::of(Codec::DagCbor, &node);
    /// # let mut car = Writer::new(Vec::new(), &[root])?;
    /// # car.write(root, &node)?;
    /// # car.write(record, b"\xa0")?;
    /// # let tree = Tree::new(SliceStore::new(car.finish()?)?, root);
    /// // A tree with two entries, whose records are equal: the node and one record.
    /// let stats = tree.writer().write(&mut Vec::new())?;
    /// assert_eq!((stats.sections, stats.repeats), (2, 1));
    /// let stats = tree.writer().repeats(true).write(&mut Vec::new())?;
    /// assert_eq!((stats.sections, stats.repeats), (3, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repeats(mut self, yes: bool) -> Self {
        self.repeats = yes;
        self
    }

    /// Writes the CAR and returns its counts.
    ///
    /// All rules of the tree are checked in every node that is written. Besides a walk, takes at
    /// most 2 MiB of memory over a store that identifies blocks by their
    /// [offsets](BlockStore::has_unique_offsets), otherwise 5 MiB, and much less for few records.
    /// Each section is two writes: wrap files and sockets in a `BufWriter`.
    ///
    /// # Errors
    ///
    /// - `Path` if a key is not a repo path, before anything is written
    /// - `Argument` if a range ends before it starts, before anything is written
    /// - `Missing` if a node or record that the CAR needs is missing
    /// - `HashMismatch` if a block does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `InvalidSpillFile` if the store has processed values instead of the records
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    /// - `Output` if writing fails
    ///
    /// After an error, what was written is not a whole CAR.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// repo.writer().write(&mut car)?;
    /// // The CAR of a repository depends on nothing but its blocks.
    /// let mut again = Vec::new();
    /// Repo::from_slice(&car)?.writer().write(&mut again)?;
    /// assert_eq!(again, car);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn write<W: Write>(self, output: W) -> Result<WriteStats> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let root = self.commit.map_or(self.tree.root(), Commit::cid);
        let written = if self.repeats { None } else { Some(Written::of(self.tree.store())) };
        let mut sections = Sections::begin(output, root, written)?;
        if let Some(commit) = self.commit {
            sections.write(commit.cid(), commit.bytes())?;
        }
        let walk = self.tree.walk().nodes(true).records(self.records);
        let walk = if let Some(ranges) = self.ranges { walk.ranges(ranges) } else { walk };
        let mut walk = walk.start();
        while let Some(event) = walk.next_event()? {
            match event {
                Event::Node { cid, block, .. } => sections.write(cid, block)?,
                Event::Record { entry, block, form: Form::Original, offset } => {
                    sections.write_record(entry.cid(), block, offset)?;
                }
                Event::Record { entry, .. } => return Err(processed(&entry)),
                _ => {}
            }
        }
        sections.finish()
    }
}

/// Returns the error of an entry whose record was replaced by a processed value.
#[cold]
fn processed(entry: &Entry<'_>) -> Error {
    let error = Error::new(ErrorKind::InvalidSpillFile(SpillFileFault::Processed));
    error.in_structure(Structure::Record).of_cid(entry.cid()).of_key(entry.key())
}

/// The sections that were written.
struct Sections<W> {
    writer: Writer<W>,
    /// The last records that were written. `None` if every record is written.
    written: Option<Written>,
    repeats: u64,
}

impl<W: Write> Sections<W> {
    fn begin(output: W, root: Cid, written: Option<Written>) -> Result<Self> {
        let writer = Writer::new(output, &[root]).map_err(Error::output)?;
        Ok(Sections { writer, written, repeats: 0 })
    }

    #[inline]
    fn write(&mut self, cid: Cid, block: &[u8]) -> Result<()> {
        self.writer.write(cid, block).map_err(Error::output)
    }

    /// Writes a record, unless an equal one was written recently.
    #[inline]
    fn write_record(&mut self, cid: Cid, block: &[u8], offset: Option<u64>) -> Result<()> {
        if self.written.as_mut().is_none_or(|written| written.enter(cid, offset)) {
            return self.write(cid, block);
        }
        self.repeats = self.repeats.saturating_add(1);
        Ok(())
    }

    fn finish(self) -> Result<WriteStats> {
        let Sections { writer, repeats, .. } = self;
        let stats = WriteStats { bytes: writer.bytes(), sections: writer.sections(), repeats };
        writer.finish().map_err(Error::output)?;
        Ok(stats)
    }
}

/// The last records that were written, by what identifies them in their store.
enum Written {
    Offsets(Recent<u64, ()>),
    Cids(Recent<Cid, ()>),
}

impl Written {
    fn of<S: BlockStore>(store: &S) -> Self {
        if store.has_unique_offsets() {
            Written::Offsets(Recent::new(RECORDS))
        } else {
            Written::Cids(Recent::new(RECORDS))
        }
    }

    /// Enters a record. Returns whether no equal one is in the window. A block without an offset
    /// counts as new where offsets identify blocks.
    #[inline]
    fn enter(&mut self, cid: Cid, offset: Option<u64>) -> bool {
        match self {
            Written::Offsets(recent) => offset.is_none_or(|offset| recent.note_new(offset, ())),
            Written::Cids(recent) => recent.note_new(cid, ()),
        }
    }
}

impl<S: BlockStore> Repo<S> {
    /// Writes the whole repository as a CAR in [pre-order](crate::mst), without unreached blocks.
    /// Only for repositories without a process function.
    ///
    /// [`writer`](Repo::writer) has options: some of the keys, no records, repeated records. Such a
    /// CAR is faster to spill and walk than one in random order, as a [table][guide] shows, and it
    /// can be verified while it streams.
    ///
    /// [guide]: crate::guide::limits_and_stores
    ///
    /// # Errors
    ///
    /// - `Missing` if a node or record is missing
    /// - `HashMismatch` if a block does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `InvalidSpillFile` if the store has processed values instead of the records
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    /// - `Output` if writing fails
    ///
    /// After an error, what was written is not a whole CAR.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// // A CAR in pre-order, from one in another order.
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// let stats = repo.write(&mut car)?;
    /// assert_eq!((stats.sections, stats.bytes), (50, bytes.len() as u64));
    /// assert_ne!(car, bytes);
    /// assert_eq!(Repo::from_slice(car)?.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn write<W: Write>(&self, output: W) -> Result<WriteStats> {
        self.writer().write(output)
    }

    /// Returns a builder for a CAR in pre-order with all or some of the keys. Only for repositories
    /// without a process function.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let stats = repo.writer().records(false).write(&mut Vec::new())?;
    /// // The commit and 9 nodes.
    /// assert_eq!(stats.sections, 10);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn writer(&self) -> RepoWriter<'_, S> {
        RepoWriter::new(self.tree(), Some(self.commit()))
    }
}

impl<S: BlockStore> Tree<S> {
    /// Returns a builder for a CAR in pre-order whose root is the root node of the tree: a CAR
    /// without a commit. Only for trees without a process function.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::store::{CarStore, SliceStore};
    /// use carwalk::{Repo, Tree};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let mut car = Vec::new();
    /// // 9 nodes and 40 records.
    /// assert_eq!(Repo::from_slice(bytes)?.tree().writer().write(&mut car)?.sections, 49);
    /// let store = SliceStore::new(car)?;
    /// let root = store.header().root();
    /// assert_eq!(Tree::new(store, root).records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn writer(&self) -> RepoWriter<'_, S> {
        RepoWriter::new(self, None)
    }
}

impl<S: BlockStore> fmt::Debug for RepoWriter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepoWriter")
            .field("ranges", &self.ranges)
            .field("records", &self.records)
            .field("repeats", &self.repeats)
            .finish_non_exhaustive()
    }
}
