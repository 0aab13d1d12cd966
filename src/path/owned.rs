//! Owned repo paths.

use core::borrow::Borrow;
use core::fmt;
use core::num::NonZeroUsize;
use core::str::FromStr;

use super::RepoPath;
use crate::error::{Error, Result};

/// An owned repo path, `<collection>/<record key>`.
///
/// Has the form of a [`RepoPath`] and takes one allocation. Equality, order and hash are those of
/// the text, so a map with such keys can be searched with a `&str`.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// use carwalk::RepoPathBuf;
///
/// let path: RepoPathBuf = "app.bsky.actor.profile/self".parse()?;
/// assert_eq!(path.collection(), "app.bsky.actor.profile");
/// assert_eq!(path.record_key(), "self");
/// assert_eq!(path.as_str().len(), 27);
/// let map = BTreeMap::from([(path, 1)]);
/// assert_eq!(map.get("app.bsky.actor.profile/self"), Some(&1));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone)]
pub struct RepoPathBuf {
    text: Box<str>,
    slash: NonZeroUsize,
}

impl RepoPathBuf {
    /// Borrows the path.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::RepoPathBuf;
    ///
    /// let path: RepoPathBuf = "posts/3l4ozvargq22l".parse()?;
    /// // `check_syntax` is a function of the borrowed path. `posts` is not an NSID.
    /// assert!(path.as_path().check_syntax().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn as_path(&self) -> RepoPath<'_> {
        RepoPath { text: &self.text, slash: self.slash }
    }

    /// Returns the text of the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the collection: the part before the slash. With the full syntax, it is the NSID of
    /// the records' schema.
    #[must_use]
    pub fn collection(&self) -> &str {
        self.as_path().collection()
    }

    /// Returns the record key: the part after the slash.
    #[doc(alias = "rkey")]
    #[must_use]
    pub fn record_key(&self) -> &str {
        self.as_path().record_key()
    }
}

compare_as_text!(RepoPathBuf);

impl RepoPath<'_> {
    /// Copies the path into an owned [`RepoPathBuf`], with one allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{RepoPath, RepoPathBuf};
    ///
    /// let key = b"app.bsky.actor.profile/self".to_vec();
    /// let path: RepoPathBuf = RepoPath::parse(&key)?.to_owned();
    /// drop(key);
    /// assert_eq!(path.record_key(), "self");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn to_owned(&self) -> RepoPathBuf {
        RepoPathBuf { text: self.text.into(), slash: self.slash }
    }
}

impl FromStr for RepoPathBuf {
    type Err = Error;

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
    /// use carwalk::RepoPathBuf;
    ///
    /// assert_eq!("app.bsky.actor.profile/self".parse::<RepoPathBuf>()?.record_key(), "self");
    /// assert!("app.bsky.actor.profile/".parse::<RepoPathBuf>().is_err());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        RepoPath::try_from(text).map(|path| path.to_owned())
    }
}

impl TryFrom<&str> for RepoPathBuf {
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
    /// use carwalk::RepoPathBuf;
    ///
    /// assert_eq!(RepoPathBuf::try_from("app.bsky.actor.profile/self")?.record_key(), "self");
    /// let error = RepoPathBuf::try_from("app.bsky.actor.profile").unwrap_err();
    /// assert_eq!(error.key(), Some(&b"app.bsky.actor.profile"[..]));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

/// Copies the path, with one allocation.
///
/// # Examples
///
/// ```
/// use carwalk::{Repo, RepoPathBuf};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut walk = repo.walk().records(false).start();
/// // The paths of a walk last until the next event.
/// let mut paths: Vec<RepoPathBuf> = Vec::new();
/// while let Some(carwalk::mst::Event::Entry { entry, .. }) = walk.next_event()? {
///     paths.push(entry.path()?.into());
/// }
/// assert_eq!(paths.len(), 40);
/// # Ok::<(), carwalk::Error>(())
/// ```
impl From<RepoPath<'_>> for RepoPathBuf {
    fn from(path: RepoPath<'_>) -> Self {
        path.to_owned()
    }
}

/// Converts into the text, without a copy.
///
/// # Examples
///
/// ```
/// use carwalk::RepoPathBuf;
///
/// let path: RepoPathBuf = "app.bsky.actor.profile/self".parse()?;
/// let uri = format!("at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/{}", String::from(path));
/// assert!(uri.ends_with("oiz/app.bsky.actor.profile/self"));
/// # Ok::<(), carwalk::Error>(())
/// ```
impl From<RepoPathBuf> for String {
    fn from(path: RepoPathBuf) -> Self {
        path.text.into()
    }
}

/// Borrows the text, so that maps with such keys can be searched with a `&str`.
impl Borrow<str> for RepoPathBuf {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// Borrows the text.
///
/// # Examples
///
/// ```
/// use carwalk::{Repo, RepoPathBuf};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let path: RepoPathBuf = "app.bsky.actor.profile/self".parse()?;
/// // `get` accepts a path as well as a string.
/// assert!(repo.get(&path)?.record().is_some());
/// # Ok::<(), carwalk::Error>(())
/// ```
impl AsRef<str> for RepoPathBuf {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Borrows the text as bytes, the form of keys.
///
/// # Examples
///
/// ```
/// use carwalk::{KeyRange, RepoPathBuf};
///
/// let last: RepoPathBuf = "app.bsky.actor.profile/self".parse()?;
/// assert!(KeyRange::from(..=last).contains(b"app.bsky.actor.profile/self"));
/// # Ok::<(), carwalk::Error>(())
/// ```
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
