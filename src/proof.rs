//! Proofs: parts of a repository that prove which keys it has.

#[cfg(feature = "signature")]
mod record_proof;

use core::fmt;
use std::io::Write;

#[cfg(feature = "signature")]
pub use self::record_proof::{RecordProof, verify_record_proof};
use crate::error::Result;
use crate::mst::KeyRange;
use crate::repo::{Repo, RepoWriter, WriteStats};
use crate::store::BlockStore;

/// Configures and writes a CAR that proves which keys a repository has: see [`Repo::prove`].
///
/// The CAR has the commit, the nodes on the [search paths](crate::mst) of all added keys and
/// ranges, and their records, in [pre-order](crate::mst). A [`RepoWriter`] writes it, so a record
/// is left out if an equal one is among the last 65,536 written. Without a key or range, the CAR
/// has only the commit. It proves to anyone who trusts the commit which of the keys exist, and
/// which keys each range has. It proves nothing about the rest of the repository.
///
/// [`Repo::write`] writes the whole repository.
///
/// # Examples
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
    writer: RepoWriter<'r, S>,
}

impl<'r, S: BlockStore> ProofBuilder<'r, S> {
    fn new(repo: &'r Repo<S>) -> Self {
        ProofBuilder { writer: repo.writer().no_keys() }
    }

    /// Adds a repo path: proves that it exists, with its record, or that it is absent.
    ///
    /// A text that is not a repo path is an error of [`write`](ProofBuilder::write). For other
    /// keys, use `range(KeyRange::key(..))`.
    ///
    /// The whole search path of an absent key is included, also below the layer of the key, for
    /// verifiers that do not check layers.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// // The commit, the root, and the record: the entry is in the root.
    /// let stats = repo.prove().key("app.bsky.actor.profile/self").write(&mut car)?;
    /// assert_eq!((stats.sections, stats.bytes), (3, car.len() as u64));
    /// // A mistake is returned before anything is written.
    /// let mut other = Vec::new();
    /// assert!(repo.prove().key("app.bsky.actor.profile").write(&mut other).is_err());
    /// assert!(other.is_empty());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn key(self, path: impl AsRef<str>) -> Self {
        ProofBuilder { writer: self.writer.key(path) }
    }

    /// Adds a range: proves which keys it has. Several ranges add up, and may overlap. Those of
    /// [`Walk::range`](crate::mst::Walk::range) intersect instead.
    ///
    /// A range that ends before it starts is an error of [`write`](ProofBuilder::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// let likes = "app.bsky.feed.like/".."app.bsky.feed.post/";
    /// repo.prove().range(likes.clone()).write(&mut car)?;
    /// let proof = Repo::from_slice(car)?;
    /// assert_eq!(proof.records_in(likes).try_count()?, 16);
    /// // Nothing is proven about all posts: some of their nodes and records are missing.
    /// assert!(proof.records_in("app.bsky.feed.post/"..).try_count().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn range(self, range: impl Into<KeyRange>) -> Self {
        ProofBuilder { writer: self.writer.range(range) }
    }

    /// Sets whether the CAR has the records. On by default. If off, the nodes still prove the keys
    /// and the CIDs of the records.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// // The commit and all nodes: every key and CID of the repository.
    /// let stats = repo.prove().range(..).records(false).write(&mut car)?;
    /// assert_eq!(stats.sections, 10);
    /// let proof = Repo::from_slice(car)?;
    /// assert_eq!(proof.entries().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records(self, yes: bool) -> Self {
        ProofBuilder { writer: self.writer.records(yes) }
    }

    /// Writes the CAR and returns its counts.
    ///
    /// All rules of the tree are checked in every node that is written. Takes as much memory as
    /// [`RepoWriter::write`]. Each section is two writes: wrap files and sockets in a `BufWriter`.
    ///
    /// # Errors
    ///
    /// - `Path` if a key is not a repo path, before anything is written
    /// - `Argument` if a range ends before it starts, before anything is written
    /// - `Missing` if a node or record that the proof needs is missing
    /// - `HashMismatch` if a block does not hash to its CID
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `InvalidSpillFile` if the store has processed values instead of the records
    /// - `Store`, `Io` or `InvalidSpillFile` if the store fails
    /// - `Output` if writing fails
    ///
    /// After an error, what was written is not a proof.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// let profile = repo.prove().key("app.bsky.actor.profile/self").write(&mut car)?;
    /// // The commit, one node, and the record.
    /// assert_eq!((profile.sections, profile.bytes), (3, car.len() as u64));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn write<W: Write>(self, output: W) -> Result<WriteStats> {
        self.writer.write(output)
    }
}

impl<S: BlockStore> Repo<S> {
    /// Returns a builder for a CAR that proves which keys the repository has. Only for repositories
    /// without a process function.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Lookup, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut car = Vec::new();
    /// let stats = repo.prove().key("app.bsky.feed.post/none").write(&mut car)?;
    /// // The commit, and the two nodes on the search path of the post.
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

impl<S: BlockStore> fmt::Debug for ProofBuilder<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofBuilder").field("writer", &self.writer).finish()
    }
}
