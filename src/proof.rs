//! Proofs: parts of a repository that show what it has, or does not have.

use core::fmt;
use std::collections::HashSet;
use std::io::{self, Write};

use crate::car::Writer;
#[cfg(feature = "signature")]
use crate::car::block_at_offset;
use crate::cid::Cid;
#[cfg(feature = "signature")]
use crate::commit::Commit;
use crate::error::{Error, ErrorKind, Result, SpillFileFault, Structure};
#[cfg(feature = "signature")]
use crate::mst::Lookup;
use crate::mst::{Event, KeyRange};
use crate::path::RepoPath;
use crate::repo::Repo;
#[cfg(feature = "signature")]
use crate::signature::VerifyingKey;
#[cfg(feature = "signature")]
use crate::store::Block;
use crate::store::{BlockStore, CarStats, Form};

/// Builds a CAR that proves which keys a repository has, with their records: see [`Repo::prove`].
///
/// The CAR has the commit, the nodes on the search paths of all named keys, and the records under
/// those that exist, each block once, in pre-order. To anyone who trusts the commit it proves which
/// of the named keys exist, and which keys each range has. It proves nothing about the rest of the
/// repository.
///
/// With `range(..)` it rewrites a whole repository: in pre-order, without unreached or repeated
/// blocks. A CAR in random order is much faster to spill and walk afterwards, and readers that verify
/// a CAR while it streams need pre-order.
///
/// ```
/// use carwalk::{KeyRange, Lookup, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut car = Vec::new();
/// let follows = KeyRange::collection("app.bsky.graph.follow")?;
/// repo.prove().key("app.bsky.actor.profile/self").range(&follows).write(&mut car)?;
///
/// let proof = Repo::from_slice(car)?;
/// let profile = proof.get("app.bsky.actor.profile/self")?;
/// assert!(matches!(profile, Lookup::Present { record: Some(_), .. }));
/// assert!(proof.walk().range(follows).completeness()?.is_complete());
/// assert!(!proof.walk().completeness()?.is_complete());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use = "a proof is written with `write`"]
pub struct ProofBuilder<'r, S> {
    repo: &'r Repo<S>,
    ranges: Vec<KeyRange>,
    records: bool,
    /// An argument that was refused.
    refused: Option<Error>,
}

impl<'r, S: BlockStore> ProofBuilder<'r, S> {
    pub(crate) fn new(repo: &'r Repo<S>) -> Self {
        ProofBuilder { repo, ranges: Vec::new(), records: true, refused: None }
    }

    /// Adds a path: proves that it exists, with its record, or that it does not.
    ///
    /// The search path of a key that does not exist is included to its very end, so that all
    /// verifiers can follow it. A text that is not a repo path is an error of
    /// [`write`](ProofBuilder::write).
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

    /// Adds a range: proves which keys it has.
    ///
    /// A range that ends before it starts is an error of [`write`](ProofBuilder::write).
    pub fn range(mut self, range: impl Into<KeyRange>) -> Self {
        let range = range.into();
        self.refused = self.refused.or(range.check().err());
        self.ranges.push(range);
        self
    }

    /// Sets whether records are part of the proof, or only their CIDs in the nodes. On by default.
    pub fn records(mut self, yes: bool) -> Self {
        self.records = yes;
        self
    }

    /// Writes the CAR, and returns its counts.
    ///
    /// Every node is checked, as in a walk. Takes 42 to 130 bytes of memory for each block written.
    /// Sections are written in small pieces: wrap files and sockets in a `BufWriter`.
    ///
    /// # Errors
    ///
    /// - `Path` or `Argument` if a key or range was refused: nothing is written then
    /// - `Missing` if a node or record that the proof needs is missing
    /// - `InvalidSpillFile` if the store has processed values instead of the records
    /// - `HashMismatch`, `Tree`, `Malformed`, `NonCanonical`, `Limit`, `Store` or `Io` as in a
    ///   complete walk
    /// - `Output` if writing fails
    ///
    /// After an error, the output is not a proof.
    pub fn write<W: Write>(self, output: W) -> Result<CarStats> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let commit = self.repo.commit();
        let mut blocks = Blocks::new(output, commit.cid()).map_err(Error::output)?;
        blocks.write(commit.cid(), commit.bytes()).map_err(Error::output)?;
        let walk = self.repo.walk().nodes(true).records(self.records);
        let mut walk = walk.ranges(self.ranges).start();
        while let Some(event) = walk.next_event()? {
            let (cid, block) = match event {
                Event::Node { cid, block, .. } => (cid, block),
                Event::Record { entry, block, form: Form::Original, .. } => (entry.cid(), block),
                Event::Record { entry, .. } => {
                    let error = Error::new(ErrorKind::InvalidSpillFile(SpillFileFault::Processed));
                    return Err(error
                        .in_structure(Structure::Record)
                        .of_cid(entry.cid())
                        .of_key(entry.key()));
                }
                _ => continue,
            };
            blocks.write(cid, block).map_err(Error::output)?;
        }
        blocks.finish().map_err(Error::output)
    }
}

/// What a proof says about one path: see [`verify_record_proof`].
#[cfg(feature = "signature")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordProof<'a> {
    /// The signed commit. Compare its [`rev`](Commit::rev) with the newest one that you know: an
    /// old commit stays validly signed.
    pub commit: Commit<'static>,
    /// Whether the record exists, borrowed from the CAR.
    pub lookup: Lookup<&'a [u8]>,
}

/// Checks a proof, such as the answer of `com.atproto.sync.getRecord`, and returns what it says
/// about one path.
///
/// Checks the framing of the CAR and the hash of every block; that the commit is by the account
/// `did` and signed with `key`; every node on the search path of `path`, by all rules of the tree;
/// and the hash of the record. The record is borrowed from `car`.
///
/// You have to make sure that `key` is the account's key, from its DID document. Accepts current
/// commits only, with default limits; for other settings, combine [`Loader`](crate::Loader),
/// [`Commit::verify_signature`](crate::Commit::verify_signature) and [`Repo::get`].
///
/// # Errors
///
/// - `Path` if `path` does not have the form of a repo path, `Argument` if `did` is not a DID
/// - `OtherAccount` if the commit is not by `did`
/// - `Signature` if the commit is not signed with `key`
/// - those of [`Repo::from_slice`] and [`Repo::get`]
///
/// A missing node or record is not an error.
///
/// ```
/// use carwalk::{Lookup, verify_record_proof};
///
/// # let whole: &[u8] = include_bytes!("../samples/repo.car");
/// # let mut response = Vec::new();
/// # let repo = carwalk::Repo::from_slice(whole)?;
/// # repo.prove().key("app.bsky.actor.profile/self").write(&mut response)?;
/// let did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
/// let key = "did:key:zQ3shXgWjVsCJsv9mBm6kVqFSjAnErMg3zG9CcyvmUCCaFRCr".parse()?;
/// let proof = verify_record_proof(&response, did, &key, "app.bsky.actor.profile/self")?;
/// assert_eq!(proof.commit.rev(), "3l4ozvcohu22l");
/// match proof.lookup {
///     Lookup::Present { record: Some(record), .. } => assert_eq!(record.len(), 128),
///     Lookup::Present { cid, record: None } => println!("{cid}, which the answer does not have"),
///     Lookup::Absent => println!("there is no such record"),
///     Lookup::Unknown(gap) => println!("the answer proves nothing: {gap}"),
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
#[cfg(feature = "signature")]
pub fn verify_record_proof<'a>(
    car: &'a [u8],
    did: &str,
    key: &VerifyingKey,
    path: &str,
) -> Result<RecordProof<'a>> {
    let path = RepoPath::try_from(path)?;
    let repo = Repo::from_slice(car)?;
    let commit = repo.commit();
    commit.verify_account(did)?;
    commit.verify_signature(key)?;
    let found = repo.walk().partial(true).one(path.as_ref()).start().find()?;
    // Borrowed from the CAR, and not from the repository, which ends here.
    let borrow = |cid: Cid, block: Block<_>| {
        let offset = block.offset;
        offset.and_then(|offset| block_at_offset(car, offset, &cid)).ok_or_else(|| {
            debug_assert!(false, "the store of a slice returned a block without its offset");
            Error::store("a block has no offset")
        })
    };
    let lookup = found.try_map(borrow)?;
    Ok(RecordProof { commit: commit.clone(), lookup })
}

impl<S: BlockStore> Repo<S> {
    /// Returns a builder of a CAR that proves which keys the repository has.
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// let stats = repo.prove().key("app.bsky.feed.post/none").write(&mut car)?;
    /// // The commit, and the two nodes on the way to where the post would be.
    /// assert_eq!((stats.sections, repo.stats().sections), (3, 50));
    /// let proof = Repo::from_slice(&car)?;
    /// assert!(matches!(proof.get("app.bsky.feed.post/none")?, Lookup::Absent));
    /// assert!(matches!(proof.get("app.bsky.feed.like/3l4npkxvnm22l")?, Lookup::Unknown(_)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn prove(&self) -> ProofBuilder<'_, S> {
        ProofBuilder::new(self)
    }
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

impl<S: BlockStore> fmt::Debug for ProofBuilder<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofBuilder")
            .field("ranges", &self.ranges)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}
