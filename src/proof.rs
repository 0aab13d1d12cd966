//! Proofs: parts of a repository that show what it has, or does not have.

use core::fmt;
use core::ops::RangeBounds;
use std::collections::HashSet;
use std::io::{self, Write};

use crate::car::Writer;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, Result, Structure};
use crate::mst::{Event, Span};
use crate::repo::Repo;
use crate::store::{BlockStore, CarStats, Form};

/// What is to be proved of a repository, and the CAR that does it: see [`Repo::prove`].
///
/// The CAR has the commit, the nodes on the way to all keys that were named, and the records under those that are there,
/// each block once, in the order in which a walk reaches them. Whoever trusts the commit can tell from it that these keys
/// are there or not, and that no others are in the ranges; of the rest of the repository it tells little and proves
/// nothing.
///
/// ```
/// use carwalk::{Lookup, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut car = Vec::new();
/// repo.prove().key("app.bsky.actor.profile/self").collection("app.bsky.graph.follow").write(&mut car)?;
///
/// let proof = Repo::from_slice(car)?;
/// assert!(matches!(proof.get("app.bsky.actor.profile/self")?, Lookup::Present { record: Some(_), .. }));
/// assert!(proof.walk().collection("app.bsky.graph.follow").completeness()?.is_complete());
/// # assert!(proof.walk().completeness()?.gaps > 0);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct Proof<'r, S> {
    repo: &'r Repo<S>,
    spans: Vec<Span>,
    records: bool,
}

impl<'r, S: BlockStore> Proof<'r, S> {
    pub(crate) fn new(repo: &'r Repo<S>) -> Self {
        Proof { repo, spans: Vec::new(), records: true }
    }

    /// Also proves of one key that it is there, with its record, or that it is not.
    ///
    /// The way to a key that is not there goes to its very end, so that all verifiers can follow it.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.spans.push(Span::one(key.as_ref()));
        self
    }

    /// Also proves which keys a range has.
    pub fn range<K: AsRef<[u8]>>(mut self, range: impl RangeBounds<K>) -> Self {
        self.spans.push(Span::of(&range));
        self
    }

    /// Also proves which keys begin with `prefix`.
    pub fn prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.spans.push(Span::prefix(prefix.as_ref()));
        self
    }

    /// Also proves which keys a collection has, like `app.bsky.feed.post`.
    pub fn collection(self, collection: &str) -> Self {
        self.prefix([collection, "/"].concat())
    }

    /// Sets whether records are part of the proof, as by default, or only their CIDs in the nodes.
    pub fn records(mut self, yes: bool) -> Self {
        self.records = yes;
        self
    }

    /// Writes the CAR, and tells what is in it.
    ///
    /// Every node is checked on the way, as by a walk. Takes memory for the CID of each block that is written. The sections
    /// are small writes: put a `BufWriter` around files.
    ///
    /// # Errors
    ///
    /// `Missing` if a node or record is not there that the proof needs; else those of a complete walk, and `Output` if
    /// writing fails. What was written is no proof then.
    pub fn write<W: Write>(self, output: W) -> Result<CarStats> {
        let commit = self.repo.commit();
        let mut blocks = Blocks::new(output, commit.cid()).map_err(output_error)?;
        blocks.write(commit.cid(), commit.bytes()).map_err(output_error)?;
        let mut walk = self.repo.walk().nodes(true).records(self.records).spans(self.spans);
        while let Some(event) = walk.next_event()? {
            let (cid, block) = match event {
                Event::Node { cid, block, .. } => (cid, block),
                Event::Record { entry, block, form: Form::Raw, .. } => (entry.cid(), block),
                Event::Record { entry, .. } => {
                    let error = Error::store("the store has not the record, but what was made of it");
                    return Err(error.in_structure(Structure::Record).of_cid(entry.cid()).of_key(entry.key()));
                }
                _ => continue,
            };
            blocks.write(cid, block).map_err(output_error)?;
        }
        blocks.finish().map_err(output_error)
    }
}

fn output_error(error: io::Error) -> Error {
    Error::new(ErrorKind::Output(error))
}

/// A CAR that takes each block once.
struct Blocks<W> {
    writer: Writer<W>,
    written: HashSet<Cid>,
}

impl<W: Write> Blocks<W> {
    fn new(output: W, root: Cid) -> io::Result<Self> {
        Ok(Blocks { writer: Writer::new(output, &[root])?, written: HashSet::new() })
    }

    fn write(&mut self, cid: Cid, block: &[u8]) -> io::Result<()> {
        if self.written.insert(cid) { self.writer.write(cid, block) } else { Ok(()) }
    }

    fn finish(self) -> io::Result<CarStats> {
        let (bytes, sections) = (self.writer.bytes(), self.writer.sections());
        self.writer.finish()?;
        Ok(CarStats { bytes, sections, distinct_blocks: sections })
    }
}

impl<S: BlockStore> fmt::Debug for Proof<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").field("spans", &self.spans).field("records", &self.records).finish_non_exhaustive()
    }
}
