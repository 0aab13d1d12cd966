//! Which keys a walk is about.

use core::ops::{Bound, RangeBounds};

use super::key::Layer;
use crate::error::KeyInterval;

/// A range of keys. Keys are byte strings, so the least key above `k` is `k` with a zero byte: any bound can be said as
/// "at least" or "below".
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// All keys are at least this one.
    start: Option<Vec<u8>>,
    /// All keys are below this one.
    end: Option<Vec<u8>>,
    /// The layer of the one key there is, if it is one.
    layer: Option<Layer>,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    Inside,
    After,
}

impl Window {
    /// The keys in a range.
    pub(super) fn of<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(key) => Some(key.as_ref().to_vec()),
            Bound::Excluded(key) => Some(next(key.as_ref())),
            Bound::Unbounded => None,
        };
        let end = match range.end_bound() {
            Bound::Included(key) => Some(next(key.as_ref())),
            Bound::Excluded(key) => Some(key.as_ref().to_vec()),
            Bound::Unbounded => None,
        };
        Window { start, end, layer: None }
    }

    /// One key.
    pub(super) fn one(key: &[u8]) -> Self {
        Window { start: Some(key.to_vec()), end: Some(next(key)), layer: Some(Layer::of(key)) }
    }

    /// Whether there is no key that is not in it.
    #[inline]
    pub(super) fn is_all(&self) -> bool {
        self.start.is_none() && self.end.is_none()
    }

    /// Whether it is about one key.
    pub(super) fn is_one(&self) -> bool {
        self.layer.is_some()
    }

    #[inline]
    pub(super) fn side(&self, key: &[u8]) -> Side {
        if self.start.as_ref().is_some_and(|start| key < start.as_slice()) {
            Side::Before
        } else if self.end.as_ref().is_some_and(|end| key >= end.as_slice()) {
            Side::After
        } else {
            Side::Inside
        }
    }

    /// Whether a node of that layer, with keys strictly inside an interval, or any below it, can have a key in the window.
    pub(super) fn touches(&self, interval: KeyInterval<&[u8]>, layer: Option<Layer>) -> bool {
        // A key of a higher layer would stand in a node further up.
        if self.layer.zip(layer).is_some_and(|(of_key, of_node)| of_node < of_key) {
            return false;
        }
        let KeyInterval { lower, upper } = interval;
        // The least key that is in the interval and not before the window.
        let least = match (lower, self.start.as_deref()) {
            (Some(lower), start) if start.is_none_or(|start| start <= lower) => Least::Above(lower),
            (_, start) => Least::At(start.unwrap_or_default()),
        };
        let is_below = |bound: Option<&[u8]>| bound.is_none_or(|bound| least.is_below(bound));
        is_below(upper) && is_below(self.end.as_deref())
    }
}

/// The least key of a set.
#[derive(Clone, Copy)]
enum Least<'k> {
    At(&'k [u8]),
    /// The key with a zero byte after it.
    Above(&'k [u8]),
}

impl Least<'_> {
    fn is_below(self, bound: &[u8]) -> bool {
        match self {
            Least::At(key) => key < bound,
            Least::Above(key) => key < bound && bound.strip_prefix(key) != Some(&[0]),
        }
    }
}

/// The least key above `key`.
fn next(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len().saturating_add(1));
    next.extend_from_slice(key);
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys up to three bytes long of three bytes, and the empty one: dense enough for every border.
    fn keys() -> Vec<Vec<u8>> {
        let mut keys = vec![vec![]];
        for len in 0..3 {
            let longer: Vec<Vec<u8>> = keys.iter().filter(|key| key.len() == len).cloned().collect();
            for key in longer {
                for byte in [0, 1, 0xff] {
                    keys.push([&key[..], &[byte]].concat());
                }
            }
        }
        keys.sort();
        keys
    }

    fn bounds(keys: &[Vec<u8>]) -> Vec<Bound<Vec<u8>>> {
        let mut bounds = vec![Bound::Unbounded];
        for key in keys.iter().filter(|key| key.len() < 3) {
            bounds.extend([Bound::Included(key.clone()), Bound::Excluded(key.clone())]);
        }
        bounds
    }

    #[test]
    fn sides_are_those_of_the_range() {
        let keys = keys();
        for start in bounds(&keys) {
            for end in bounds(&keys) {
                let range = (start.clone(), end);
                let window = Window::of(&range);
                for key in &keys {
                    assert_eq!(window.side(key) == Side::Inside, range.contains(key), "{range:?} {key:?}");
                }
            }
        }
    }

    #[test]
    fn an_interval_touches_a_window_exactly_if_they_share_a_key() {
        let keys = keys();
        let few: Vec<&Vec<u8>> = keys.iter().filter(|key| key.len() < 3).collect();
        let ends: Vec<Option<&[u8]>> =
            core::iter::once(None).chain(few.iter().map(|key| Some(key.as_slice()))).collect();
        for start in bounds(&keys) {
            for end in bounds(&keys) {
                let window = Window::of(&(start.clone(), end.clone()));
                for &lower in &ends {
                    for &upper in &ends {
                        let inside = |key: &[u8]| {
                            lower.is_none_or(|lower| key > lower)
                                && upper.is_none_or(|upper| key < upper)
                                && window.side(key) == Side::Inside
                        };
                        // Whatever two sets of such borders share, they share a key that is at most one byte longer.
                        let expected = keys.iter().any(|key| inside(key));
                        let found = window.touches(KeyInterval { lower, upper }, None);
                        assert_eq!(found, expected, "{window:?} {lower:?} {upper:?}");
                    }
                }
            }
        }
    }
}
