//! Commits: the signed statement that a tree is the content of a repository.
//!
//! ```text
//! { did: text, rev: text, sig: bytes, data: link, prev: link | null, version: 3 }
//! ```
//!
//! in this order, which is the canonical one. What was signed is the same map without `sig`; the
//! encoding being canonical, that is the commit's own bytes with the pair cut out, so that fields
//! which carwalk does not know stay covered. See "Commit objects" in the [repository
//! specification](https://atproto.com/specs/repository).

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

/// Length of a signature: two numbers of 32 bytes.
const SIGNATURE_LEN: usize = 64;

/// Which commits are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitRules {
    /// Version 3 with all of its fields.
    #[default]
    Current,
    /// Also version 2, and version 3 without `prev`, which old exports have.
    Legacy,
}

/// A commit whose form and syntax were checked; its signature was not, before `verify_signature` is
/// called (feature `signature`).
///
/// Borrows the block, or owns it: the commit of a [`Repo`](crate::Repo) does. Accessors cost
/// nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Commit<'a> {
    cid: Cid,
    bytes: Cow<'a, [u8]>,
    fields: Fields,
}

/// Where the fields lie in the block.
#[derive(Clone, PartialEq, Eq)]
struct Fields {
    /// Length of the head of the map.
    head_len: usize,
    /// The head of the map without the pair `sig`.
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
    /// Parses the block of a commit. Does not check that the block hashes to `cid`.
    ///
    /// # Errors
    ///
    /// `Malformed` or `NonCanonical` for anything that is not the commit of a repository by
    /// `rules`; `LookAlike` for a node of a tree; `Limit` for too many fields.
    pub fn parse(cid: Cid, block: &'a [u8], rules: CommitRules) -> Result<Self> {
        match Fields::parse(block, rules) {
            Ok(fields) => Ok(Commit { cid, bytes: Cow::Borrowed(block), fields }),
            Err(error) => Err(error.in_structure(Structure::Commit).of_cid(cid)),
        }
    }

    /// The same commit with bytes of its own: one allocation, if it does not own them yet.
    #[must_use]
    pub fn into_owned(self) -> Commit<'static> {
        Commit { cid: self.cid, bytes: Cow::Owned(self.bytes.into_owned()), fields: self.fields }
    }

    /// The commit's own CID.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The account.
    #[must_use]
    pub fn did(&self) -> &str {
        self.text(&self.fields.did)
    }

    /// The revision, a TID. Empty only in a commit of version 2 that has none.
    #[must_use]
    pub fn rev(&self) -> &str {
        self.text(&self.fields.rev)
    }

    /// The root node of the tree.
    #[must_use]
    pub fn data(&self) -> Cid {
        self.fields.data
    }

    /// The commit before this one. Hardly any commit of version 3 names it.
    #[must_use]
    pub fn prev(&self) -> Option<Cid> {
        self.fields.prev
    }

    /// The version of the repository format: 3, or 2 for a legacy commit.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.fields.version
    }

    /// The signature: two numbers of 32 bytes, big-endian.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        // The parser saw that the pair ends with 64 bytes.
        const NONE: [u8; SIGNATURE_LEN] = [0; SIGNATURE_LEN];
        self.slice(self.fields.sig.clone()).last_chunk().unwrap_or(&NONE)
    }

    /// The bytes that were signed, in three pieces: the head of the map with one pair less, what
    /// stands before the pair `sig`, and what stands after it. Nothing is copied.
    ///
    /// Their SHA-256 is what the signature is over.
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
    /// `OtherAccount`, with both DIDs; `Argument` if `did` is not a DID.
    ///
    /// ```
    /// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
    /// let repo = carwalk::Repo::from_slice(bytes)?;
    /// assert!(repo.commit().verify_account("did:plc:ewvi7nxzyoun6zhxrhs64oiz").is_ok());
    /// assert!(repo.commit().verify_account("did:web:example.com").is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn verify_account(&self, did: &str) -> Result<()> {
        if self.did() == did {
            return Ok(());
        }
        if !is_did(did) {
            return Err(Error::new(ErrorKind::Argument(ArgumentFault::Did { found: did.into() })));
        }
        let error =
            Error::new(ErrorKind::OtherAccount { expected: did.into(), found: self.did().into() });
        Err(error.in_structure(Structure::Commit).of_cid(self.cid))
    }

    /// Checks that the commit is signed with `key`. Nothing is copied.
    ///
    /// `Ok` means that the holder of the private key signed exactly these bytes, and nothing more.
    /// You have to know that the key is the account's, from its DID document, and that
    /// [`did`](Commit::did) is the account that you asked for. After a key rotation, older commits
    /// still verify with the old key only.
    ///
    /// # Errors
    ///
    /// `Signature`, located as this commit, if the signature does not hold, whatever the reason.
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
    /// # let other: VerifyingKey =
    /// #     "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme".parse()?;
    /// # assert!(repo.commit().verify_signature(&other).is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[cfg(feature = "signature")]
    pub fn verify_signature(&self, key: &VerifyingKey) -> Result<()> {
        let outcome = key.verify(self.signed_bytes(), self.signature());
        outcome.map_err(|error| error.in_structure(Structure::Commit).of_cid(self.cid))
    }

    /// The block.
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

/// What has been read of a commit.
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
        // The pair `sig` was found, so there is one pair to be left out.
        debug_assert!(count > 0, "a commit without pairs has no `sig`");
        let head_len = ItemHead::map(count).len();
        let unsigned_head = ItemHead::map(count.saturating_sub(1));
        let prev = self.prev.flatten();
        Ok(Fields { head_len, unsigned_head, did, rev, sig, data, prev, version })
    }
}

/// Where the text lies that the cursor is at, if it passes `check`.
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
