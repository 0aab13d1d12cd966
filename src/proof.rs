//! Proofs: parts of a repository that show what it has, or does not have.

use core::fmt;
use std::collections::HashSet;
use std::io::{self, Write};

use crate::car::Writer;
#[cfg(feature = "signature")]
use crate::car::block_at_offset;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, Result, SpillFileFault, Structure};
#[cfg(feature = "signature")]
use crate::mst::Lookup;
use crate::mst::{Event, KeyRange};
#[cfg(feature = "signature")]
use crate::path::RepoPath;
use crate::repo::Repo;
#[cfg(feature = "signature")]
use crate::signature::VerifyingKey;
use crate::store::{BlockStore, CarStats, Form};

/// What is to be proved of a repository, and the CAR that does it: see [`Repo::prove`].
///
/// The CAR has the commit, the nodes on the way to all keys that were named, and the records under
/// those that are there, each block once, in the order in which a walk reaches them. Whoever trusts
/// the commit can tell from it that these keys are there or not, and that no others are in the
/// ranges; of the rest of the repository it tells little and proves nothing.
///
/// ```
/// use carwalk::{Lookup, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut car = Vec::new();
/// let proof = repo.prove().key("app.bsky.actor.profile/self");
/// proof.collection("app.bsky.graph.follow").write(&mut car)?;
///
/// let proof = Repo::from_slice(car)?;
/// let profile = proof.get("app.bsky.actor.profile/self")?;
/// assert!(matches!(profile, Lookup::Present { record: Some(_), .. }));
/// assert!(proof.walk().collection("app.bsky.graph.follow").completeness()?.is_complete());
/// # assert!(proof.walk().completeness()?.gaps > 0);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[must_use]
pub struct ProofBuilder<'r, S> {
    repo: &'r Repo<S>,
    ranges: Vec<KeyRange>,
    records: bool,
}

impl<'r, S: BlockStore> ProofBuilder<'r, S> {
    pub(crate) fn new(repo: &'r Repo<S>) -> Self {
        ProofBuilder { repo, ranges: Vec::new(), records: true }
    }

    /// Also proves of one key that it is there, with its record, or that it is not.
    ///
    /// The way to a key that is not there goes to its very end, so that all verifiers can follow
    /// it.
    pub fn key(self, key: impl AsRef<[u8]>) -> Self {
        self.range(KeyRange::key(key))
    }

    /// Also proves which keys a range has.
    pub fn range(mut self, range: impl Into<KeyRange>) -> Self {
        self.ranges.push(range.into());
        self
    }

    /// Also proves which keys begin with `prefix`.
    pub fn prefix(self, prefix: impl AsRef<[u8]>) -> Self {
        self.range(KeyRange::prefix(prefix))
    }

    /// Also proves which keys a collection has, like `app.bsky.feed.post`.
    pub fn collection(self, collection: &str) -> Self {
        self.range(KeyRange::collection(collection))
    }

    /// Sets whether records are part of the proof, as by default, or only their CIDs in the nodes.
    pub fn records(mut self, yes: bool) -> Self {
        self.records = yes;
        self
    }

    /// Writes the CAR, and tells what is in it.
    ///
    /// Every node is checked on the way, as by a walk. Takes memory for the CID of each block that
    /// is written. The sections are small writes: put a `BufWriter` around files.
    ///
    /// # Errors
    ///
    /// `Missing` if a node or record is not there that the proof needs; `InvalidSpillFile` if a
    /// store has not the record but what was made of it; else those of a complete walk, and
    /// `Output` if writing fails. What was written is no proof then.
    pub fn write<W: Write>(self, output: W) -> Result<CarStats> {
        let commit = self.repo.commit();
        let mut blocks = Blocks::new(output, commit.cid()).map_err(output_error)?;
        blocks.write(commit.cid(), commit.bytes()).map_err(output_error)?;
        let mut walk = self.repo.walk().nodes(true).records(self.records).ranges(self.ranges);
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
            blocks.write(cid, block).map_err(output_error)?;
        }
        blocks.finish().map_err(output_error)
    }
}

/// Checks a proof, as `com.atproto.sync.getRecord` answers with one, and tells what it says of one
/// path: all in one call.
///
/// The CAR's framing and the hash of every block; that the commit is by the account `did` and
/// signed with `key`; every node on the way to `path`, by all rules of the tree; the record's hash.
/// The record is borrowed from `car`.
///
/// That `key` is the account's key is the caller's to know, from its DID document. It is for CARs
/// of today's form and of default limits: [`Loader`](crate::Loader),
/// [`Commit::verify_signature`](crate::Commit::verify_signature) and [`Repo::get`] do the same by
/// any other.
///
/// # Errors
///
/// `OtherAccount` if the commit is not by `did`; `Signature` if it is not signed with `key`; `Path`
/// if `path` has not the form of one; else as [`Repo::from_slice`] and [`Repo::get`]. That a node
/// or the record is missing is none.
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
/// match verify_record_proof(&response, did, &key, "app.bsky.actor.profile/self")? {
///     Lookup::Present { cid, record: Some(record) } => println!("{cid}, {} bytes", record.len()),
///     Lookup::Present { cid, record: None } => println!("{cid}, which the answer does not hold"),
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
) -> Result<Lookup<&'a [u8]>> {
    let path = RepoPath::parse(path.as_bytes())?;
    let repo = Repo::from_slice(car)?;
    let commit = repo.commit();
    commit.verify_account(did)?;
    commit.verify_signature(key)?;
    Ok(match repo.walk().partial(true).one(path.as_ref()).find()? {
        Lookup::Present { cid, record } => {
            // Borrowed from the CAR, and not from the repository, which ends here.
            let offset = record.and_then(|found| found.offset);
            let record = offset.and_then(|offset| block_at_offset(car, offset, &cid));
            Lookup::Present { cid, record }
        }
        Lookup::Absent => Lookup::Absent,
        Lookup::Unknown(gap) => Lookup::Unknown(gap),
    })
}

impl<S: BlockStore> Repo<S> {
    /// A proof to be made: name what it is about, then write it.
    pub fn prove(&self) -> ProofBuilder<'_, S> {
        ProofBuilder::new(self)
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

impl<S: BlockStore> fmt::Debug for ProofBuilder<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofBuilder")
            .field("ranges", &self.ranges)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}
