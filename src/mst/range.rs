//! Ranges of keys.

use core::fmt;
use core::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

/// A range of keys.
///
/// Ranges of the standard library over strings or bytes convert into it, as in `"a".."b"`. Keys are
/// byte strings and are compared byte by byte.
///
/// ```
/// use carwalk::{KeyRange, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let posts = KeyRange::collection("app.bsky.feed.post");
/// let old = posts.and(&(.."app.bsky.feed.post/3l4o").into());
/// # let mut count = 0;
/// for record in repo.records().range(old) {
///     println!("{}", record?.path());
/// #   count += 1;
/// }
/// # assert!(count > 0 && count < repo.records().collection("app.bsky.feed.post").count());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// All keys are at least this one; the empty key is below all others. The least key above `k`
    /// is `k` with a zero byte, so every bound can be expressed as "at least" or "below".
    pub(super) start: Vec<u8>,
    /// All keys are below this one.
    pub(super) end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Creates a range from any [`RangeBounds`]. The range types of the standard library also
    /// convert by [`From`].
    pub fn of<K: AsRef<[u8]>>(range: impl RangeBounds<K>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(key) => key.as_ref().to_vec(),
            Bound::Excluded(key) => next(key.as_ref()),
            Bound::Unbounded => Vec::new(),
        };
        let end = match range.end_bound() {
            Bound::Included(key) => Some(next(key.as_ref())),
            Bound::Excluded(key) => Some(key.as_ref().to_vec()),
            Bound::Unbounded => None,
        };
        KeyRange { start, end }
    }

    /// Returns the range of all keys.
    #[must_use]
    pub fn all() -> Self {
        KeyRange { start: Vec::new(), end: None }
    }

    /// Returns the range that contains one key.
    pub fn key(key: impl AsRef<[u8]>) -> Self {
        let key = key.as_ref();
        KeyRange { start: key.to_vec(), end: Some(next(key)) }
    }

    /// Returns the range of the keys that begin with `prefix`.
    pub fn prefix(prefix: impl AsRef<[u8]>) -> Self {
        let start = prefix.as_ref().to_vec();
        let mut end = start.clone();
        // The least key above all of them: the last byte that is not 0xff, plus one. There is none
        // if all bytes are 0xff.
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                return KeyRange { start, end: Some(end) };
            }
        }
        KeyRange { start, end: None }
    }

    /// Returns the range of the keys of a collection, such as `app.bsky.feed.post`.
    #[must_use]
    pub fn collection(collection: &str) -> Self {
        KeyRange::prefix([collection, "/"].concat())
    }

    /// Returns the range of the keys that are in both ranges.
    #[must_use]
    pub fn and(&self, other: &KeyRange) -> Self {
        let start = self.start.as_slice().max(&other.start).to_vec();
        // A range without an end goes beyond every end.
        let end = [&self.end, &other.end].into_iter().flatten().min().cloned();
        KeyRange { start, end }
    }

    /// Returns whether the range contains no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
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

impl<K: AsRef<[u8]>> From<(Bound<K>, Bound<K>)> for KeyRange {
    fn from(range: (Bound<K>, Bound<K>)) -> Self {
        KeyRange::of(range)
    }
}

impl RangeBounds<Vec<u8>> for KeyRange {
    fn start_bound(&self) -> Bound<&Vec<u8>> {
        Bound::Included(&self.start)
    }

    fn end_bound(&self) -> Bound<&Vec<u8>> {
        self.end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)
    }
}

/// Writes `"a".."b"`, without the sides that are unbounded, and with control characters escaped.
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

    /// Of everything that the ranges can tell apart there is a key here.
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
        assert_eq!(KeyRange::collection("a"), ("a/".."a0").into());
        assert_eq!(KeyRange::prefix(b"a\xff\xff"), (&b"a\xff\xff"[..]..b"b").into());
        assert_eq!(KeyRange::prefix(b"\xff"), (b"\xff"..).into());
        assert!(KeyRange::prefix("").is_all());
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
            ranges.map(|range| range.contains(&b"a".to_vec())),
            [false, true, true, false, true, false]
        );
    }
}
