//! Commits: the signed statement that a tree is the content of a repository.

use core::fmt;
use core::ops::Range;
use std::borrow::Cow;

use crate::cbor::{Cursor, ItemHead, KeyOrder};
use crate::cid::Cid;
use crate::error::{
    ArgumentFault, Error, ErrorKind, LimitName, LookAlike, Malformed, Result, Structure,
};
use crate::limits::MAX_COMMIT_FIELDS;
use crate::shape::begins_like_node;
#[cfg(feature = "signature")]
use crate::signature::VerifyingKey;
use crate::syntax::{is_did, is_tid};

/// Length of a signature, in bytes: two numbers of 32.
const SIGNATURE_LEN: usize = 64;

/// The versions of commits that are accepted. Default: [`Current`](CommitRules::Current).
///
/// # Examples
///
/// ```
/// use carwalk::cid::{Cid, Codec};
/// use carwalk::{Commit, CommitRules, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let block = repo.commit().bytes();
/// // The same map with five pairs, without `prev: null`.
/// let start = block.windows(6).position(|pair| pair == b"\x64prev\xf6").unwrap();
/// let old = [&[0xa5], &block[1..start], &block[start + 6..]].concat();
/// let cid = Cid::of(Codec::DagCbor, &old);
/// assert!(Commit::parse(cid, &old, CommitRules::Current).is_err());
/// assert_eq!(Commit::parse(cid, &old, CommitRules::Legacy)?.version(), 3);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitRules {
    /// Only version 3 with all of its fields.
    #[default]
    Current,
    /// Also version 2, and version 3 without `prev`. Old exports have these.
    Legacy,
}

/// A commit: the account, the revision, the root node of the tree, and their signature.
///
/// ```text
/// { did: text, rev: text, sig: bytes, data: link, prev: link | null, version: 3 }
/// ```
///
/// The fields are in this order, which is the canonical one. The signed bytes are the same map
/// without `sig`. Because the encoding is canonical, they are the commit's own bytes with that pair
/// cut out, so unknown fields are covered too. See "Commit Objects" in the [repository
/// specification](https://atproto.com/specs/repository).
///
/// Form and syntax were checked. The signature was not: `verify_signature` checks it (feature
/// `signature`). Borrows the block from [`parse`](Commit::parse), or owns it:
/// [`Repo::commit`](crate::Repo::commit) returns an owned one. Getters do not allocate.
///
/// # Examples
///
/// ```
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = carwalk::Repo::from_slice(bytes)?;
/// let commit = repo.commit();
/// assert_eq!(commit.did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
/// assert_eq!(commit.rev(), "3l4ozvcohu22l");
/// assert_eq!((commit.version(), commit.prev()), (3, None));
/// assert_eq!(commit.bytes().len(), 188);
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Commit<'a> {
    cid: Cid,
    bytes: Cow<'a, [u8]>,
    fields: Fields,
}

/// The fields, as values or as ranges of the block.
#[derive(Clone, PartialEq, Eq)]
struct Fields {
    /// Length of the map's head.
    head_len: usize,
    /// The head that the map has without the pair `sig`.
    unsigned_head: ItemHead,
    did: Range<usize>,
    rev: Range<usize>,
    /// The whole pair, key and value.
    sig: Range<usize>,
    data: Cid,
    prev: Option<Cid>,
    version: u64,
}

impl<'a> Commit<'a> {
    /// Parses the block of a commit, which the result borrows. Does not check that the block hashes
    /// to `cid`.
    ///
    /// # Errors
    ///
    /// - `LookAlike` (`BareTree`) if the block begins like a node of a tree
    /// - `Malformed` if it is not a map in strict DAG-CBOR, a field is missing or of another type,
    ///   the DID or TID syntax is wrong, the signature does not have 64 bytes, or `rules` do not
    ///   accept the version
    /// - `NonCanonical` if the encoding is not canonical: padded numbers, unordered or repeated
    ///   keys, floats of another width than 64 bits, negative zero
    /// - `Limit` if it has more than [`MAX_COMMIT_FIELDS`] fields, or an unknown field is nested
    ///   more than [`MAX_NESTING`](crate::limits::MAX_NESTING) deep
    ///
    /// All but `Limit` have the class [`Invalid`](crate::ErrorClass::Invalid).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::car::SliceReader;
    /// use carwalk::{Commit, CommitRules};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// // In most exports the first section is the commit.
    /// let section = SliceReader::new(bytes)?.next().unwrap()?;
    /// let commit = Commit::parse(section.cid(), section.block(), CommitRules::Current)?;
    /// assert_eq!(commit.rev(), "3l4ozvcohu22l");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn parse(cid: Cid, block: &'a [u8], rules: CommitRules) -> Result<Self> {
        match Fields::parse(block, rules) {
            Ok(fields) => Ok(Commit { cid, bytes: Cow::Borrowed(block), fields }),
            Err(error) => Err(error.in_structure(Structure::Commit).of_cid(cid)),
        }
    }

    /// Converts into a commit that owns its bytes. One allocation, unless it already owns them.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Commit, CommitRules, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let block = repo.commit().bytes().to_vec();
    /// let commit = Commit::parse(repo.commit().cid(), &block, CommitRules::Current)?.into_owned();
    /// drop(block);
    /// assert_eq!(commit.did(), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn into_owned(self) -> Commit<'static> {
        Commit { cid: self.cid, bytes: Cow::Owned(self.bytes.into_owned()), fields: self.fields }
    }

    /// Returns the CID of the commit: the first root of the CAR, unless
    /// [`Loader::commit`](crate::Loader::commit) names another commit.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::car::SliceReader;
    ///
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// assert_eq!(repo.commit().cid(), SliceReader::new(bytes)?.header().root());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// Returns the DID of the account. [`verify_account`](Commit::verify_account) compares it.
    #[must_use]
    pub fn did(&self) -> &str {
        self.text(&self.fields.did)
    }

    /// Returns the revision, a [TID](https://atproto.com/specs/tid). Empty only for a commit of
    /// version 2 without one. Later revisions of an account compare greater as strings.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let known = "3l4nmdewke22l";
    /// assert!(repo.commit().rev() > known, "newer than the revision that was fetched last");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn rev(&self) -> &str {
        self.text(&self.fields.rev)
    }

    /// Returns the CID of the root node of the tree.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let root = repo.commit().data();
    /// let tree = carwalk::Tree::new(repo.store(), root);
    /// assert_eq!(tree.records().try_count()?, 40);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn data(&self) -> Cid {
        self.fields.data
    }

    /// Returns the CID of the previous commit. Nearly always `None` in version 3.
    #[must_use]
    pub fn prev(&self) -> Option<Cid> {
        self.fields.prev
    }

    /// Returns the version of the repository format: 3, or 2 for some legacy commits.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.fields.version
    }

    /// Returns the signature: r and s, 32 bytes each, big-endian.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let s = &repo.commit().signature()[32..];
    /// // A valid s is at most half of the curve's order, which is just below 2^256.
    /// assert!(s[0] < 0x80);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        // The parser checked that the pair ends with 64 bytes.
        const NONE: [u8; SIGNATURE_LEN] = [0; SIGNATURE_LEN];
        self.slice(self.fields.sig.clone()).last_chunk().unwrap_or(&NONE)
    }

    /// Returns the signed bytes in three pieces, without copying: the head of a map with one pair
    /// less, the bytes before the pair `sig`, and the bytes after it.
    ///
    /// The signature is over the SHA-256 of the three pieces together.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let commit = repo.commit();
    /// let signed = commit.signed_bytes().concat();
    /// // A map of five pairs instead of six, and 70 bytes less: key, head and signature.
    /// assert_eq!((commit.bytes()[0], signed[0]), (0xa6, 0xa5));
    /// assert_eq!(signed.len(), commit.bytes().len() - 70);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn signed_bytes(&self) -> [&[u8]; 3] {
        let Fields { head_len, unsigned_head, sig, .. } = &self.fields;
        let before = self.slice(*head_len..sig.start);
        let after = self.slice(sig.end..self.bytes.len());
        [unsigned_head.as_bytes(), before, after]
    }

    /// Checks that the commit is by the expected account. DIDs are compared byte by byte.
    ///
    /// # Errors
    ///
    /// - `OtherAccount`, with both DIDs, if the commit is by another account
    /// - `Argument` (`Did`) if `did` is not a DID
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// assert!(repo.commit().verify_account("did:plc:ewvi7nxzyoun6zhxrhs64oiz").is_ok());
    /// let error = repo.commit().verify_account("did:web:example.com").unwrap_err();
    /// assert_eq!(error.class(), carwalk::ErrorClass::Invalid);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn verify_account(&self, did: &str) -> Result<()> {
        if self.did() == did {
            return Ok(());
        }
        if !is_did(did) {
            return Err(Error::argument(ArgumentFault::Did { found: did.into() }));
        }
        let error =
            Error::new(ErrorKind::OtherAccount { expected: did.into(), found: self.did().into() });
        Err(error.in_structure(Structure::Commit).of_cid(self.cid))
    }

    /// Checks that the commit is signed with `key`. Costs one SHA-256 over the commit and one
    /// verification on the curve.
    ///
    /// `Ok` means that the holder of the private key signed exactly these bytes, and nothing else.
    /// The caller has to know that the key is the account's, from its DID document, and that
    /// [`did`](Commit::did) is the account that was asked for. After a key rotation, older commits
    /// verify with the old key only.
    ///
    /// # Errors
    ///
    /// `Signature`, with the CID of this commit:
    ///
    /// - `OutOfRange`: r or s is zero, or not below the order of the curve
    /// - `HighS`: s is above half of the order
    /// - `Mismatch`: made with another key, or over other bytes
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{Repo, VerifyingKey};
    ///
    /// # let file: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = Repo::from_slice(file)?;
    /// let key: VerifyingKey =
    ///     "did:key:zQ3shXgWjVsCJsv9mBm6kVqFSjAnErMg3zG9CcyvmUCCaFRCr".parse()?;
    /// repo.commit().verify_account("did:plc:ewvi7nxzyoun6zhxrhs64oiz")?;
    /// repo.commit().verify_signature(&key)?;
    ///
    /// let other: VerifyingKey =
    ///     "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// assert!(repo.commit().verify_signature(&other).is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "signature")]
    pub fn verify_signature(&self, key: &VerifyingKey) -> Result<()> {
        let outcome = key.verify(self.signed_bytes(), self.signature());
        outcome.map_err(|error| error.in_structure(Structure::Commit).of_cid(self.cid))
    }

    /// Returns the bytes of the block.
    ///
    /// # Examples
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// let commit = repo.commit();
    /// assert!(commit.cid().verify(commit.bytes()).is_ok());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn text(&self, range: &Range<usize>) -> &str {
        core::str::from_utf8(self.slice(range.clone())).unwrap_or_default()
    }
}

impl fmt::Debug for Commit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit")
            .field("cid", &self.cid)
            .field("did", &self.did())
            .field("rev", &self.rev())
            .field("data", &self.data())
            .field("prev", &self.prev())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// The fields of a commit that were read so far.
#[derive(Default)]
struct Draft {
    did: Option<Range<usize>>,
    rev: Option<Range<usize>>,
    sig: Option<Range<usize>>,
    data: Option<Cid>,
    prev: Option<Option<Cid>>,
    version: Option<u64>,
}

impl Fields {
    fn parse(block: &[u8], rules: CommitRules) -> Result<Self> {
        if begins_like_node(block) {
            return Err(Error::look_alike(LookAlike::BareTree));
        }
        let mut cursor = Cursor::new(block);
        let count = cursor.map()?;
        if count > MAX_COMMIT_FIELDS {
            return Err(Error::limit(
                LimitName::CommitFields,
                MAX_COMMIT_FIELDS as u64,
                count as u64,
            ));
        }
        let mut draft = Draft::default();
        let mut keys = KeyOrder::default();
        for _ in 0..count {
            let start = cursor.position();
            let key = keys.key(&mut cursor)?;
            draft.field(key, start, &mut cursor)?;
        }
        cursor.end()?;
        draft.finish(count, rules)
    }
}

impl Draft {
    fn field(&mut self, key: &str, start: usize, cursor: &mut Cursor<'_>) -> Result<()> {
        let at = cursor.position();
        match key {
            "did" => self.did = Some(checked_text(cursor, is_did, Malformed::Did)?),
            "rev" => self.rev = Some(checked_text(cursor, is_tid, Malformed::Rev)?),
            "sig" => {
                let found = cursor.bytes()?.len();
                if found != SIGNATURE_LEN {
                    return Err(Error::malformed(Malformed::SigLen { found }).within(at));
                }
                self.sig = Some(start..cursor.position());
            }
            "data" => {
                let data =
                    cursor.link().and_then(Cid::into_dag_cbor).map_err(|error| error.within(at))?;
                self.data = Some(data);
            }
            "prev" => self.prev = Some(cursor.nullable_node_link()?),
            "version" => {
                let found = cursor.uint()?;
                if !(2..=3).contains(&found) {
                    return Err(Error::malformed(Malformed::CommitVersion { found }).within(at));
                }
                self.version = Some(found);
            }
            _ => cursor.skip()?,
        }
        Ok(())
    }

    fn finish(self, count: usize, rules: CommitRules) -> Result<Fields> {
        let missing = |field| Error::malformed(Malformed::FieldMissing(field));
        let legacy = |what| match rules {
            CommitRules::Legacy => Ok(()),
            CommitRules::Current => Err(Error::malformed(Malformed::LegacyCommit(what))),
        };
        let version = self.version.ok_or_else(|| missing("version"))?;
        let did = self.did.ok_or_else(|| missing("did"))?;
        let sig = self.sig.ok_or_else(|| missing("sig"))?;
        let data = self.data.ok_or_else(|| missing("data"))?;
        if version == 2 {
            legacy("version 2")?;
        }
        let rev = match self.rev {
            None if version == 3 => return Err(missing("rev")),
            rev => rev.unwrap_or_default(),
        };
        if self.prev.is_none() && version == 3 {
            legacy("version 3 without `prev`")?;
        }
        // The pair `sig` was found, so there is a pair to leave out.
        debug_assert!(count > 0, "a commit without pairs has no `sig`");
        let head_len = ItemHead::map(count).len();
        let unsigned_head = ItemHead::map(count.saturating_sub(1));
        let prev = self.prev.flatten();
        Ok(Fields { head_len, unsigned_head, did, rev, sig, data, prev, version })
    }
}

/// Reads the next text and returns its range, if it passes `check`.
fn checked_text(
    cursor: &mut Cursor<'_>,
    check: fn(&str) -> bool,
    fault: Malformed,
) -> Result<Range<usize>> {
    let at = cursor.position();
    let text = cursor.text()?;
    if !check(text) {
        return Err(Error::malformed(fault).within(at));
    }
    let end = cursor.position();
    Ok(end.saturating_sub(text.len())..end)
}
