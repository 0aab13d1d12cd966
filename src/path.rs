//! Repo paths: `<collection>/<record key>`, what the keys of a repository's tree say.
//!
//! The tree itself works on bytes. A key is a repo path if it is ASCII with exactly one slash, both
//! halves are not empty, and all else are characters of record keys. That much is asked of every
//! record, so that paths can be used as text and split in two; the full syntax of both halves is a
//! stricter check, [`RepoPath::check_syntax`], since one odd name must not keep an account's other
//! records from being read. See "Repo paths" in the [repository
//! specification](https://atproto.com/specs/repository#repo-data-structure-v3).

use core::fmt;
use core::num::NonZeroUsize;

use crate::error::{Error, ErrorKind, PathFault, Result};
use crate::limits::MAX_KEY_LEN;
use crate::syntax;

/// The weight of a byte that no path has: more than the slashes of a part can add up to.
const ODD: u32 = 1 << 16;

/// The weight of each byte: 1 for a slash, 0 for the other bytes that a record key can have
/// (`ALPHA / DIGIT / "." / "-" / "_" / ":" / "~"`), `ODD` for all others.
///
/// Weights are summed, so that a key is judged in one pass without a branch for each byte: every
/// record's path is checked.
const CLASSES: [u32; 256] = {
    let mut classes = [0; 256];
    let (mut rest, mut byte) = (classes.as_mut_slice(), 0u8);
    while let [class, others @ ..] = rest {
        *class = match byte {
            b'/' => 1,
            _ if syntax::is_record_key_byte(byte) => 0,
            _ => ODD,
        };
        (rest, byte) = (others, byte.wrapping_add(1));
    }
    classes
};

/// A repo path, borrowed: `Copy`, ordered as its bytes.
///
/// ```
/// use carwalk::RepoPath;
///
/// let path = RepoPath::parse(b"app.bsky.feed.post/3jui7kd54zh2y")?;
/// assert_eq!(path.collection(), "app.bsky.feed.post");
/// assert_eq!(path.record_key(), "3jui7kd54zh2y");
/// assert!(RepoPath::parse(b"app.bsky.feed.post").is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath<'a> {
    text: &'a str,
    slash: NonZeroUsize,
}

impl<'a> RepoPath<'a> {
    /// Parses a key of a tree.
    ///
    /// # Errors
    ///
    /// `Path`, with the key, if it has not the form of a repo path.
    pub fn parse(key: &'a [u8]) -> Result<Self> {
        match Self::split(key) {
            Ok(path) => Ok(path),
            Err(fault) => Err(Error::new(ErrorKind::Path(fault)).of_key(key)),
        }
    }

    fn split(key: &'a [u8]) -> Result<Self, PathFault> {
        let (mut is_sound, mut slashes) = (true, 0usize);
        // A part of at most 1,024 bytes has a sum below 2^32. All keys of valid trees are one part.
        const { assert!(MAX_KEY_LEN < 1 << 16 && (MAX_KEY_LEN as u64) * (ODD as u64) < 1 << 32) };
        for part in key.chunks(MAX_KEY_LEN) {
            let sum = part.iter().fold(0u32, |sum, &byte| sum.wrapping_add(class(byte)));
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

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The half before the slash: by the specification the NSID of the records' schema.
    #[must_use]
    pub fn collection(&self) -> &'a str {
        self.text.get(..self.slash.get()).unwrap_or_default()
    }

    /// The half after the slash, "rkey" for short.
    #[doc(alias = "rkey")]
    #[must_use]
    pub fn record_key(&self) -> &'a str {
        self.text.get(self.slash.saturating_add(1).get()..).unwrap_or_default()
    }

    /// Checks the full syntax: the collection a normalized NSID, the record key a record key.
    ///
    /// # Errors
    ///
    /// `Path`, with the path as key.
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

    /// The same path with text of its own: one allocation.
    #[must_use]
    pub fn to_owned(&self) -> RepoPathBuf {
        RepoPathBuf { text: self.text.into(), slash: self.slash }
    }
}

#[inline]
fn class(byte: u8) -> u32 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(ODD)
}

/// The first character that no repo path has.
#[cold]
fn odd_character(key: &[u8]) -> PathFault {
    let odd = key.iter().copied().enumerate().find(|&(_, byte)| class(byte) == ODD);
    odd.map_or(PathFault::Slashes { found: 0 }, |(at, found)| PathFault::Character { found, at })
}

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

impl AsRef<str> for RepoPath<'_> {
    fn as_ref(&self) -> &str {
        self.text
    }
}

impl PartialEq<str> for RepoPath<'_> {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for RepoPath<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

/// A repo path with text of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPathBuf {
    text: Box<str>,
    slash: NonZeroUsize,
}

impl RepoPathBuf {
    /// Borrows the path.
    #[must_use]
    pub fn as_path(&self) -> RepoPath<'_> {
        RepoPath { text: &self.text, slash: self.slash }
    }
}

impl AsRef<[u8]> for RepoPathBuf {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl fmt::Display for RepoPathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for RepoPathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
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
