//! Ranges of keys.

use core::fmt;
use core::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

use crate::error::{ArgumentFault, Error, Result};
use crate::path::check_collection;

/// A range of keys.
///
/// The range types of the standard library over strings or bytes convert into it, such as
/// `"a".."b"`; so do a pair of [`Bound`]s and `&KeyRange`. Keys are byte strings and are compared
/// byte by byte.
///
/// A range that ends before it starts, such as `"b".."a"`, can be created. The iterator, walk or
/// proof that it is passed to returns an error of kind `Argument` and class
/// [`Caller`](crate::ErrorClass::Caller). `"a".."a"` is empty and not an error.
///
/// # Examples
///
/// ```
/// use carwalk::{KeyRange, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let posts = KeyRange::collection("app.bsky.feed.post")?;
/// let old = posts.and(&(.."app.bsky.feed.post/3l4o").into());
/// assert_eq!(repo.records_in(posts).try_count()?, 14);
/// assert_eq!(repo.records_in(old).try_count()?, 8);
/// assert!(repo.records_in("b".."a").try_count().is_err());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// All keys are at least this one. The empty key is below all others. The least key above `k`
    /// is `k` followed by a zero byte, so every bound can be expressed as "at least" or "below".
    pub(super) start: Vec<u8>,
    /// All keys are below this one.
    pub(super) end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Creates a range from any [`RangeBounds`], such as a type of your own.
    ///
    /// For the range types of the standard library and for pairs of bounds, [`From`] is shorter,
    /// because the type of the keys is inferred: `KeyRange::from("a".."b")`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::{Bound, RangeBounds};
    ///
    /// use carwalk::KeyRange;
    ///
    /// struct After<'k>(&'k str);
    ///
    /// impl<'k> RangeBounds<&'k str> for After<'k> {
    ///     fn start_bound(&self) -> Bound<&&'k str> {
    ///         Bound::Excluded(&self.0)
    ///     }
    ///
    ///     fn end_bound(&self) -> Bound<&&'k str> {
    ///         Bound::Unbounded
    ///     }
    /// }
    ///
    /// let after = KeyRange::of(After("a"));
    /// assert!(!after.contains(b"a") && after.contains(b"a\0"));
    /// ```
    pub fn of<K: AsRef<[u8]>>(range: impl RangeBounds<K>) -> Self {
        let (first, start) = match range.start_bound() {
            Bound::Included(key) => (key.as_ref(), key.as_ref().to_vec()),
            Bound::Excluded(key) => (key.as_ref(), next(key.as_ref())),
            Bound::Unbounded => (&[][..], Vec::new()),
        };
        let end = match range.end_bound() {
            Bound::Included(key) => Some((key.as_ref(), next(key.as_ref()))),
            Bound::Excluded(key) => Some((key.as_ref(), key.as_ref().to_vec())),
            Bound::Unbounded => None,
        };
        // Two bounds that exclude the same key are in order, but `start` is above `end`.
        let end = end.map(
            |(last, end)| {
                if first <= last { end.max(start.clone()) } else { last.to_vec() }
            },
        );
        KeyRange { start, end }
    }

    /// Returns the range of all keys: `..`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::KeyRange;
    ///
    /// assert_eq!(KeyRange::all(), (..).into());
    /// assert!(KeyRange::all().contains(b"\xff"));
    /// ```
    #[must_use]
    pub fn all() -> Self {
        KeyRange { start: Vec::new(), end: None }
    }

    /// Returns the range that contains one key.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::KeyRange;
    ///
    /// let profile = KeyRange::key("app.bsky.actor.profile/self");
    /// assert!(profile.contains(b"app.bsky.actor.profile/self"));
    /// assert!(!profile.contains(b"app.bsky.actor.profile/self2"));
    /// ```
    pub fn key(key: impl AsRef<[u8]>) -> Self {
        let key = key.as_ref();
        KeyRange { start: key.to_vec(), end: Some(next(key)) }
    }

    /// Returns the range of the keys that begin with `prefix`, including `prefix` itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// // All collections below `app.bsky.feed`: likes and posts.
    /// let feed = KeyRange::prefix("app.bsky.feed.");
    /// assert_eq!(repo.records_in(&feed).try_count()?, 30);
    /// assert!(feed.contains(b"app.bsky.feed."));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let start = prefix.as_ref().to_vec();
        let mut end = start.clone();
        // The least key above all of them: the prefix up to its last byte that is not 0xff, with
        // that byte plus one. There is none if all bytes are 0xff.
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                return KeyRange { start, end: Some(end) };
            }
        }
        KeyRange { start, end: None }
    }

    /// Returns the range of the keys of a collection, such as `app.bsky.feed.post`.
    ///
    /// Accepts every collection that a repo path can have, whether it is a valid NSID or not.
    ///
    /// # Errors
    ///
    /// `Path`, with the argument, if `collection` is empty or has a byte other than
    /// `A-Z a-z 0-9 . - _ : ~`. So `app.bsky.feed.*` and `app.bsky.feed.post/` are errors.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{ErrorClass, KeyRange};
    ///
    /// let posts = KeyRange::collection("app.bsky.feed.post")?;
    /// assert!(posts.contains(b"app.bsky.feed.post/3jui7kd54zh2y"));
    /// assert!(!posts.contains(b"app.bsky.feed.postgate/3jui7kd54zh2y"));
    /// let error = KeyRange::collection("app.bsky.feed.*").unwrap_err();
    /// assert_eq!(error.class(), ErrorClass::Caller);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn collection(collection: &str) -> Result<Self> {
        check_collection(collection)?;
        Ok(KeyRange::prefix([collection, "/"].concat()))
    }

    /// Returns the range of the keys after those of a collection.
    pub(crate) fn after_collection(collection: &str) -> Self {
        // In ASCII, `/` is followed by `0`.
        KeyRange { start: [collection, "0"].concat().into_bytes(), end: None }
    }

    /// Returns the range of the keys that are in both ranges. It is empty if there are none. If
    /// either range ends before it starts, so does the result.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::{KeyRange, Repo};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let posts = KeyRange::collection("app.bsky.feed.post")?;
    /// // The record keys of posts are TIDs, which ascend with time.
    /// let new = posts.and(&("app.bsky.feed.post/3l4o"..).into());
    /// assert_eq!(repo.records_in(new).try_count()?, 6);
    /// assert!(posts.and(&(.."app.bsky.feed.like/").into()).is_empty());
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn and(&self, other: &KeyRange) -> Self {
        let is_inverted = self.is_inverted() || other.is_inverted();
        let start = self.start.as_slice().max(&other.start).to_vec();
        // `None` is above every other end.
        let end = [&self.end, &other.end].into_iter().flatten().min().cloned();
        // The result of disjoint ranges is empty, and not an `Argument` error later.
        let end = end.map(|end| if is_inverted { end } else { end.max(start.clone()) });
        KeyRange { start, end }
    }

    /// Returns whether a key is in the range.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::KeyRange;
    ///
    /// let range = KeyRange::from("a".."c");
    /// assert!(range.contains(b"a") && range.contains(b"bcd"));
    /// assert!(!range.contains(b"c"));
    /// ```
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && self.end.as_ref().is_none_or(|end| key < end.as_slice())
    }

    /// Returns whether the range contains no key.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::KeyRange;
    ///
    /// assert!(KeyRange::from("a".."a").is_empty());
    /// assert!(KeyRange::from("b".."a").is_empty());
    /// assert!(!KeyRange::from("a"..="a").is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Returns whether the range ends before it starts.
    fn is_inverted(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end < self.start)
    }

    /// Checks that the range does not end before it starts.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.is_inverted() {
            return Ok(());
        }
        let range = format!("{self:?}").into();
        Err(Error::argument(ArgumentFault::Range { range }))
    }

    pub(super) fn is_all(&self) -> bool {
        self.start.is_empty() && self.end.is_none()
    }
}

macro_rules! from_ranges {
    ($($range:ident),*) => {
        $(
            impl<K: AsRef<[u8]>> From<$range<K>> for KeyRange {
                fn from(range: $range<K>) -> Self {
                    KeyRange::of(range)
                }
            }
        )*
    };
}

from_ranges!(Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive);

impl From<RangeFull> for KeyRange {
    fn from(_: RangeFull) -> Self {
        KeyRange::all()
    }
}

/// Converts a pair of bounds.
///
/// # Examples
///
/// ```
/// use std::ops::Bound;
///
/// use carwalk::KeyRange;
///
/// // The keys after the one that was seen last.
/// let rest = KeyRange::from((Bound::Excluded("a/1"), Bound::Unbounded));
/// assert!(!rest.contains(b"a/1") && rest.contains(b"a/10"));
/// ```
impl<K: AsRef<[u8]>> From<(Bound<K>, Bound<K>)> for KeyRange {
    fn from(range: (Bound<K>, Bound<K>)) -> Self {
        KeyRange::of(range)
    }
}

/// Copies the range, so that one range can be passed to several functions.
///
/// # Examples
///
/// ```
/// use carwalk::{KeyRange, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let posts = KeyRange::collection("app.bsky.feed.post")?;
/// assert_eq!(repo.entries_in(&posts).try_count()?, 14);
/// assert!(repo.walk().range(&posts).completeness()?.is_complete());
/// # Ok::<(), carwalk::Error>(())
/// ```
impl From<&KeyRange> for KeyRange {
    fn from(range: &KeyRange) -> Self {
        range.clone()
    }
}

/// Writes the range with an inclusive start and an exclusive end, such as `"a".."b"`; so `..="a"`
/// is written `.."a\x00"`. Bounds that do not exist are left out. Bytes outside printable ASCII,
/// quotes and backslashes are escaped.
impl fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.start.is_empty() {
            write!(f, "\"{}\"", self.start.escape_ascii())?;
        }
        f.write_str("..")?;
        match &self.end {
            Some(end) => write!(f, "\"{}\"", end.escape_ascii()),
            None => Ok(()),
        }
    }
}

/// Returns the least key above `key`.
fn next(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len().saturating_add(1));
    next.extend_from_slice(key);
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges() -> Vec<KeyRange> {
        let keys = ["", "\0", "a", "a\0", "a\u{1}", "aa", "b"];
        let mut bounds = vec![Bound::Unbounded];
        bounds.extend(keys.iter().flat_map(|&key| [Bound::Included(key), Bound::Excluded(key)]));
        let pairs = bounds.iter().flat_map(|&start| bounds.iter().map(move |&end| (start, end)));
        let mut ranges: Vec<KeyRange> = pairs.map(KeyRange::from).collect();
        ranges.extend(keys.map(KeyRange::prefix));
        ranges.extend(keys.map(KeyRange::key));
        ranges
    }

    /// Keys of every kind that the ranges can tell apart.
    fn probes() -> Vec<Vec<u8>> {
        let parts: [&[u8]; 5] = [b"", b"\0", b"\x01", b"a", b"b"];
        let pairs = parts.iter().flat_map(|first| parts.map(|second| [first, second].concat()));
        pairs.flat_map(|pair| [pair.clone(), [&pair[..], b"\0"].concat()]).collect()
    }

    #[test]
    fn two_ranges_share_what_is_in_both() {
        let (ranges, probes) = (ranges(), probes());
        for one in &ranges {
            for other in &ranges {
                let both = one.and(other);
                for key in &probes {
                    assert_eq!(
                        both.contains(key),
                        one.contains(key) && other.contains(key),
                        "{both:?}"
                    );
                }
                assert_eq!(
                    both.is_empty(),
                    !probes.iter().any(|key| both.contains(key)),
                    "{both:?}"
                );
            }
        }
    }

    #[test]
    fn a_prefix_ends_before_the_next() {
        assert_eq!(KeyRange::collection("a").unwrap(), ("a/".."a0").into());
        assert_eq!(KeyRange::prefix(b"a\xff\xff"), (&b"a\xff\xff"[..]..b"b").into());
        assert_eq!(KeyRange::prefix(b"\xff"), (b"\xff"..).into());
        assert!(KeyRange::prefix("").is_all());
    }

    #[test]
    fn what_is_after_a_collection_begins_where_it_ends() {
        for nsid in ["a", "app.bsky.feed.post", "~"] {
            let (collection, after) =
                (KeyRange::collection(nsid).unwrap(), KeyRange::after_collection(nsid));
            assert_eq!((collection.end, after.end), (Some(after.start), None));
        }
    }

    #[test]
    fn ranges_are_told_as_they_are_written() {
        let told = |range: KeyRange| format!("{range:?}");
        assert_eq!(told((..).into()), "..");
        assert_eq!(told(("a".."b\n").into()), "\"a\"..\"b\\n\"");
        assert_eq!(told(("a"..).into()), "\"a\"..");
        assert_eq!(told((..="a").into()), "..\"a\\x00\"");
    }

    #[test]
    fn keys_of_all_kinds_need_no_hint() {
        let (string, bytes) = (String::from("a"), vec![b'a']);
        let ranges: [KeyRange; 6] = [
            (&string..&string).into(),
            (string.as_str()..).into(),
            (..=bytes.as_slice()).into(),
            (..&bytes).into(),
            (string.clone()..=string).into(),
            (Bound::Excluded(bytes), Bound::Unbounded).into(),
        ];
        assert_eq!(
            ranges.map(|range| range.contains(b"a")),
            [false, true, true, false, true, false]
        );
    }
}
