//! Repo paths: `<collection>/<record key>`, the keys of a repository's tree.

#[macro_use]
mod compare;
mod owned;
#[cfg(feature = "serde")]
mod serde;

use core::fmt;
use core::num::NonZeroUsize;

pub use self::owned::RepoPathBuf;
use crate::error::{Error, ErrorKind, PathFault, Result};
use crate::limits::MAX_KEY_LEN;
use crate::syntax;

/// The weight of a byte that no path has: more than the number of slashes in a part.
const ODD: u32 = 1 << 16;

/// The weight of each byte: 1 for a slash, 0 for the other bytes that a record key can have
/// (`ALPHA / DIGIT / "." / "-" / "_" / ":" / "~"`), `ODD` for all others.
///
/// Weights are summed, so that one pass without a branch per byte checks a key. Every record's path
/// is checked.
const WEIGHTS: [u32; 256] = {
    let mut weights = [0; 256];
    let (mut rest, mut byte) = (weights.as_mut_slice(), 0u8);
    while let [weight, others @ ..] = rest {
        *weight = match byte {
            b'/' => 1,
            _ if syntax::is_record_key_byte(byte) => 0,
            _ => ODD,
        };
        (rest, byte) = (others, byte.wrapping_add(1));
    }
    weights
};

/// A borrowed repo path, `<collection>/<record key>`.
///
/// A repo path is ASCII text: two parts that are not empty, with one slash between them. Both parts
/// have only characters of record keys: `A-Z a-z 0-9 . - _ : ~`. Every
/// [`Record`](crate::Record) has such a path.
///
/// The full syntax of both parts is a separate check, [`check_syntax`](RepoPath::check_syntax),
/// because one invalid name must not make an account's other records unreadable.
///
/// Has the size of three pointers. Equality, order and hash are those of the text. See the
/// [repository specification](https://atproto.com/specs/repository#repo-data-structure-v3).
///
/// # Examples
///
/// ```
/// use carwalk::RepoPath;
///
/// let path = RepoPath::parse(b"app.bsky.feed.post/3jui7kd54zh2y")?;
/// assert_eq!(path.collection(), "app.bsky.feed.post");
/// assert_eq!(path.record_key(), "3jui7kd54zh2y");
/// assert_eq!(path.as_str(), "app.bsky.feed.post/3jui7kd54zh2y");
/// assert!(RepoPath::parse(b"app.bsky.feed.post").is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct RepoPath<'a> {
    text: &'a str,
    slash: NonZeroUsize,
}

impl<'a> RepoPath<'a> {
    /// Parses a key of a tree.
    ///
    /// Costs one pass over the key, and allocates only for an error.
    /// [`TryFrom<&str>`](#impl-TryFrom<%26str>-for-RepoPath<'a>) parses text.
    ///
    /// # Errors
    ///
    /// `Path`, with the key, if it is not a repo path. The class is
    /// [`Caller`](crate::ErrorClass::Caller); [`Entry::path`](crate::mst::Entry::path) parses the
    /// keys of a walk and returns an error of the class [`Invalid`](crate::ErrorClass::Invalid).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::RepoPath;
    /// use carwalk::error::{ErrorKind, PathFault};
    ///
    /// // Any collection of these characters is accepted, also one that is not an NSID.
    /// assert_eq!(RepoPath::parse(b"posts/1")?.collection(), "posts");
    /// let error = RepoPath::parse(b"posts/1/2").unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Path(PathFault::Slashes { found: 2 })));
    /// assert_eq!(error.key(), Some(&b"posts/1/2"[..]));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn parse(key: &'a [u8]) -> Result<Self> {
        match Self::split(key) {
            Ok(path) => Ok(path),
            Err(fault) => Err(refuse(fault, key)),
        }
    }

    fn split(key: &'a [u8]) -> Result<Self, PathFault> {
        let (mut is_sound, mut slashes) = (true, 0usize);
        // The sum over a part of at most 1,024 bytes is below 2^32. Keys of valid trees are one
        // part.
        const { assert!(MAX_KEY_LEN < 1 << 16 && (MAX_KEY_LEN as u64) * (ODD as u64) < 1 << 32) };
        for part in key.chunks(MAX_KEY_LEN) {
            let sum = part.iter().fold(0u32, |sum, &byte| sum.wrapping_add(weight(byte)));
            is_sound &= sum < ODD;
            slashes = slashes.saturating_add(usize::try_from(sum % ODD).unwrap_or(usize::MAX));
        }
        let text = core::str::from_utf8(key).ok().filter(|_| is_sound);
        let Some(text) = text else {
            return Err(odd_character(key));
        };
        let slash = key.iter().position(|&byte| byte == b'/').filter(|_| slashes == 1);
        let slash = slash.ok_or(PathFault::Slashes { found: slashes })?;
        let slash = NonZeroUsize::new(slash).ok_or(PathFault::NoCollection)?;
        if key.len() == slash.saturating_add(1).get() {
            return Err(PathFault::NoRecordKey);
        }
        Ok(RepoPath { text, slash })
    }

    /// Returns the text of the path.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Returns the collection: the part before the slash. With the full syntax, it is the NSID of
    /// the records' schema.
    #[must_use]
    pub fn collection(&self) -> &'a str {
        self.text.get(..self.slash.get()).unwrap_or_default()
    }

    /// Returns the record key: the part after the slash.
    #[doc(alias = "rkey")]
    #[must_use]
    pub fn record_key(&self) -> &'a str {
        self.text.get(self.slash.saturating_add(1).get()..).unwrap_or_default()
    }

    /// Checks the full syntax of both parts.
    ///
    /// The collection must be a [normalized NSID](syntax::is_normalized_nsid), and the record key
    /// must have the [syntax of record keys](syntax::is_record_key). Allocates only for an error.
    ///
    /// # Errors
    ///
    /// `Path`, with the whole path, if either part breaks the syntax. The class is
    /// [`Caller`](crate::ErrorClass::Caller). For the paths of a tree,
    /// [`Entry::strict_path`](crate::mst::Entry::strict_path) and
    /// [`Loader::strict_paths`](crate::Loader::strict_paths) return an error of the class
    /// [`Invalid`](crate::ErrorClass::Invalid) instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorClass, RepoPath};
    ///
    /// RepoPath::try_from("app.bsky.feed.post/3jui7kd54zh2y")?.check_syntax()?;
    /// // A repo path, but an NSID has at least three segments.
    /// let odd = RepoPath::try_from("posts/3jui7kd54zh2y")?;
    /// let error = odd.check_syntax().unwrap_err();
    /// assert_eq!(error.key(), Some(&b"posts/3jui7kd54zh2y"[..]));
    /// assert_eq!(error.class(), ErrorClass::Caller);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn check_syntax(&self) -> Result<()> {
        let fault = if !syntax::is_normalized_nsid(self.collection()) {
            PathFault::Nsid
        } else if !syntax::is_record_key(self.record_key()) {
            PathFault::RecordKey
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Path(fault)).of_key(self.text.as_bytes()))
    }
}

#[cold]
fn refuse(fault: PathFault, key: &[u8]) -> Error {
    let fault = if key.starts_with(b"at://") { PathFault::AtUri } else { fault };
    Error::new(ErrorKind::Path(fault)).of_key(key)
}

/// Checks that a text can be the collection of a repo path. Accepts the same characters as
/// [`RepoPath::parse`], so that every collection in a repository passes.
pub(crate) fn check_collection(collection: &str) -> Result<()> {
    let fault = if collection.is_empty() {
        PathFault::NoCollection
    } else if collection.contains('/') {
        PathFault::CollectionSlash
    } else if collection.bytes().any(|byte| weight(byte) == ODD) {
        odd_character(collection.as_bytes())
    } else {
        return Ok(());
    };
    Err(refuse(fault, collection.as_bytes()))
}

#[inline]
fn weight(byte: u8) -> u32 {
    WEIGHTS.get(usize::from(byte)).copied().unwrap_or(ODD)
}

/// Returns the fault for the first character that no repo path has.
#[cold]
fn odd_character(key: &[u8]) -> PathFault {
    let odd = key.iter().copied().enumerate().find(|&(_, byte)| weight(byte) == ODD);
    odd.map_or(PathFault::Slashes { found: 0 }, |(at, found)| PathFault::Character { found, at })
}

/// Borrows the text as bytes, the form of keys.
///
/// # Examples
///
/// ```
/// use carwalk::{KeyRange, RepoPath};
///
/// let path = RepoPath::try_from("app.bsky.actor.profile/self")?;
/// assert!(KeyRange::key(path).contains(b"app.bsky.actor.profile/self"));
/// # Ok::<(), carwalk::Error>(())
/// ```
impl AsRef<[u8]> for RepoPath<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl fmt::Display for RepoPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text)
    }
}

impl fmt::Debug for RepoPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text, f)
    }
}

/// Borrows the text.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
///
/// # let bytes: &[u8] = include_bytes!("../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// for record in repo.records().take(3) {
///     let record = record?;
///     // `get` accepts a path as well as a string.
///     assert_eq!(repo.get(record.path())?.cid(), Some(record.cid()));
/// }
/// # Ok::<(), carwalk::Error>(())
/// ```
impl AsRef<str> for RepoPath<'_> {
    fn as_ref(&self) -> &str {
        self.text
    }
}

compare_as_text!(RepoPath<'_>);

impl<'a> TryFrom<&'a str> for RepoPath<'a> {
    type Error = Error;

    /// Parses a repo path.
    ///
    /// # Errors
    ///
    /// `Path`, with the text, if it is not a repo path. The class is
    /// [`Caller`](crate::ErrorClass::Caller).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::RepoPath;
    ///
    /// let path = RepoPath::try_from("app.bsky.actor.profile/self")?;
    /// assert_eq!(path.collection(), "app.bsky.actor.profile");
    /// assert!(RepoPath::try_from("at://example.com/app.bsky.actor.profile/self").is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn try_from(text: &'a str) -> Result<Self> {
        RepoPath::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(key: &[u8]) -> PathFault {
        match RepoPath::parse(key).unwrap_err().kind() {
            ErrorKind::Path(fault) => *fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        assert_eq!(fault(b""), PathFault::Slashes { found: 0 });
        assert_eq!(fault(b"ab"), PathFault::Slashes { found: 0 });
        assert_eq!(fault(b"a/b/c"), PathFault::Slashes { found: 2 });
        assert_eq!(fault(b"/b"), PathFault::NoCollection);
        assert_eq!(fault(b"a/"), PathFault::NoRecordKey);
        assert_eq!(fault(b"a/\xc3\xa9"), PathFault::Character { found: 0xc3, at: 2 });
        assert_eq!(fault(b"a/b c"), PathFault::Character { found: b' ', at: 3 });
    }

    #[test]
    fn keys_longer_than_any_that_a_tree_has_are_looked_at_whole() {
        let long = |end: &[u8]| [b"a/".as_slice(), &[b'x'; 5 * MAX_KEY_LEN], end].concat();
        assert_eq!(RepoPath::parse(&long(b"y")).unwrap().record_key().len(), 5 * MAX_KEY_LEN + 1);
        assert_eq!(fault(&long(b"/")), PathFault::Slashes { found: 2 });
        assert_eq!(
            fault(&long(b" ")),
            PathFault::Character { found: b' ', at: 5 * MAX_KEY_LEN + 2 }
        );
        assert_eq!(fault(&[b'/'; 1 << 17]), PathFault::Slashes { found: 1 << 17 });
        assert_eq!(fault(&[b' '; 1 << 17]), PathFault::Character { found: b' ', at: 0 });
    }

    #[test]
    fn odd_names_are_paths_that_fail_only_the_strict_check() {
        for odd in
            ["x/y", "app.Bsky.feed.post/self", "app.bsky.feed.post/..", "app.bsky.feed.3post/a"]
        {
            let path = RepoPath::parse(odd.as_bytes()).unwrap();
            assert!(path.check_syntax().is_err(), "{odd}");
        }
        for good in ["app.bsky.feed.post/3jui7kd54zh2y", "com.example.test/a:b~c._-"] {
            RepoPath::parse(good.as_bytes()).unwrap().check_syntax().unwrap();
        }
    }
}
