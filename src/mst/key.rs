//! Keys: their layers, and the buffer in which the keys of a node are rebuilt.

use core::fmt;

use crate::error::{Error, LimitName, Result, TreeRule};
use crate::limits::MAX_KEY_LEN;
use crate::sha256::sha256;

/// The layer of a key or node: 0 at the bottom, at most 128.
///
/// The repository specification calls it "depth", the protocol's interoperability tests "height".
/// Here these words have [other meanings](super). With the feature `serde`, a layer is serialized
/// as a number.
///
/// # Examples
///
/// ```
/// use carwalk::mst::Layer;
///
/// let layer = Layer::of(b"app.bsky.actor.profile/self");
/// assert_eq!((layer.get(), u8::from(layer), layer.to_string()), (1, 1, "1".to_owned()));
/// assert!(layer > Layer::of(b"app.bsky.feed.like/3l4npkxvnm22l"));
/// # #[cfg(feature = "serde")]
/// assert_eq!(serde_json::to_string(&layer).unwrap(), "1");
/// ```
#[doc(alias = "depth")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Layer(u8);

impl Layer {
    /// The lowest layer.
    pub(super) const BOTTOM: Self = Layer(0);

    /// Returns the layer of `key`: half the number of leading zero bits of its SHA-256, rounded
    /// down.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::Layer;
    ///
    /// assert_eq!(Layer::of(b"blue").get(), 1);
    /// assert_eq!(Layer::of(b"app.bsky.feed.post/9adeb165882c").get(), 8);
    /// ```
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self::of_digest(&sha256(key))
    }

    #[inline]
    pub(super) fn of_digest(digest: &[u8; 32]) -> Self {
        let zeros = match digest.iter().position(|&byte| byte != 0) {
            Some(zeros) => {
                let first = digest.get(zeros).map_or(0, |byte| byte.leading_zeros());
                u32::try_from(zeros).unwrap_or(0).saturating_mul(8).saturating_add(first)
            }
            None => u32::try_from(digest.len()).unwrap_or(0).saturating_mul(8),
        };
        debug_assert!(zeros <= 256, "a digest has 256 bits");
        Layer(u8::try_from(zeros / 2).unwrap_or(u8::MAX))
    }

    /// Returns the layer as a number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// Returns the layer with this number. There are 129.
    pub(super) fn from_number(number: usize) -> Self {
        debug_assert!(number <= 128, "no key has this layer");
        Layer(u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// Returns the layer below, or `None` for layer 0.
    pub(super) fn below(self) -> Option<Self> {
        self.0.checked_sub(1).map(Layer)
    }
}

impl From<Layer> for u8 {
    fn from(layer: Layer) -> Self {
        layer.get()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A buffer with one key of a node. To become the next key, the prefix stays and the suffix is
/// replaced.
///
/// In a checked node, a prefix is at most as long as the key before it. That is not asserted, and
/// longer prefixes are cut: the `AsRef` of a block may return other bytes than those that were
/// checked.
#[derive(Default)]
pub(super) struct Key(Vec<u8>);

impl Key {
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Becomes the next key, which was checked before.
    #[inline]
    pub(super) fn advance(&mut self, prefix_len: usize, suffix: &[u8]) {
        self.0.truncate(prefix_len);
        self.0.extend_from_slice(suffix);
    }

    /// Becomes the key after `previous`.
    #[inline]
    pub(super) fn follow(&mut self, previous: &Key, prefix_len: usize, suffix: &[u8]) {
        self.0.clear();
        self.0.extend_from_slice(previous.0.get(..prefix_len).unwrap_or(&previous.0));
        self.0.extend_from_slice(suffix);
    }

    /// Sets a part of a key that is rebuilt from its end: the bytes from `start` up to `end`, where
    /// the part that was set before begins. Without `end`, the part is the last one.
    #[inline]
    pub(super) fn put(&mut self, start: usize, part: &[u8], end: Option<usize>) {
        let end = end.unwrap_or_else(|| {
            let len = start.saturating_add(part.len());
            self.0.resize(len, 0);
            len
        });
        // Each entry in a chain has a shorter prefix than the one after it.
        debug_assert!(start <= end);
        let len = end.saturating_sub(start);
        if let (Some(to), Some(from)) = (self.0.get_mut(start..end), part.get(..len)) {
            to.copy_from_slice(from);
        }
    }

    /// Returns the bytes of memory that the key takes.
    pub(super) fn held(&self) -> usize {
        self.0.capacity()
    }

    /// Becomes the key of the next entry of a node, whose number is `entry`, after checking rules
    /// N2 to N6 and N15.
    #[inline]
    pub(super) fn advance_checked(
        &mut self,
        entry: usize,
        prefix_len: u64,
        suffix: &[u8],
    ) -> Result<()> {
        let previous_len = self.0.len();
        let Some(prefix_len) = usize::try_from(prefix_len).ok().filter(|&len| len <= previous_len)
        else {
            return Err(Error::tree(match entry {
                0 => TreeRule::FirstPrefix { prefix_len },
                _ => TreeRule::PrefixTooLong { entry, prefix_len, previous_len },
            }));
        };
        let len = prefix_len.saturating_add(suffix.len());
        if len > MAX_KEY_LEN {
            return Err(Error::limit(LimitName::KeyLen, MAX_KEY_LEN as u64, len as u64));
        }
        // The bytes after a maximal prefix differ and decide the order; after a shorter one they
        // are equal. So one comparison checks N4, N5 and N6.
        let ascends = match (self.0.get(prefix_len), suffix.first()) {
            (Some(before), Some(after)) => before < after,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if !ascends {
            return Err(self.misplaced(entry, prefix_len, suffix));
        }
        self.advance(prefix_len, suffix);
        Ok(())
    }

    /// Returns the error for an entry whose first byte after the prefix does not ascend.
    #[cold]
    fn misplaced(&self, entry: usize, prefix_len: usize, suffix: &[u8]) -> Error {
        let mut next = Key::default();
        next.follow(self, prefix_len, suffix);
        let rule = if next.0.is_empty() {
            TreeRule::EmptyKey { entry }
        } else {
            match self.0.cmp(&next.0) {
                core::cmp::Ordering::Less => TreeRule::PrefixNotMaximal { entry, prefix_len },
                core::cmp::Ordering::Equal => TreeRule::DuplicateKey { entry },
                core::cmp::Ordering::Greater => TreeRule::KeyOrder { entry },
            }
        };
        Error::tree(rule).of_key(&next.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorClass;
    use crate::ErrorKind;

    #[test]
    fn layers_of_the_specification() {
        for (key, layer) in [
            ("2653ae71", 0),
            ("blue", 1),
            ("app.bsky.feed.post/454397e440ec", 4),
            ("app.bsky.feed.post/9adeb165882c", 8),
            ("key1", 0),
            ("key7", 1),
            ("key515", 4),
        ] {
            assert_eq!(Layer::of(key.as_bytes()).get(), layer, "{key}");
        }
    }

    #[test]
    fn layers_count_pairs_of_zero_bits_up_to_all_of_them() {
        let mut digest = [0; 32];
        assert_eq!(Layer::of_digest(&digest).get(), 128);
        digest[31] = 1;
        assert_eq!(Layer::of_digest(&digest).get(), 127);
        digest[0] = 0b0000_0100;
        assert_eq!(Layer::of_digest(&digest).get(), 2);
        digest[0] = 0x80;
        assert_eq!(Layer::of_digest(&digest), Layer::BOTTOM);
    }

    fn rule(previous: &str, entry: usize, prefix_len: u64, suffix: &str) -> TreeRule {
        let mut key = Key(previous.into());
        let error = key.advance_checked(entry, prefix_len, suffix.as_bytes()).unwrap_err();
        match error.kind() {
            ErrorKind::Tree(rule) => rule.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_follow_each_other() {
        let mut key = Key::default();
        for (entry, (prefix_len, suffix, whole)) in
            [(0, "a/b", "a/b"), (3, "b", "a/bb"), (3, "c", "a/bc"), (0, "b", "b")]
                .into_iter()
                .enumerate()
        {
            key.advance_checked(entry, prefix_len, suffix.as_bytes()).unwrap();
            assert_eq!(key.as_bytes(), whole.as_bytes());
        }
    }

    #[test]
    fn each_misplaced_key_has_its_rule() {
        assert_eq!(rule("", 0, 1, "a"), TreeRule::FirstPrefix { prefix_len: 1 });
        assert_eq!(rule("", 0, 0, ""), TreeRule::EmptyKey { entry: 0 });
        assert_eq!(
            rule("ab", 1, 3, "c"),
            TreeRule::PrefixTooLong { entry: 1, prefix_len: 3, previous_len: 2 }
        );
        assert_eq!(rule("ab", 1, 0, "ac"), TreeRule::PrefixNotMaximal { entry: 1, prefix_len: 0 });
        assert_eq!(rule("ab", 1, 1, "bc"), TreeRule::PrefixNotMaximal { entry: 1, prefix_len: 1 });
        assert_eq!(rule("ab", 1, 1, "a"), TreeRule::KeyOrder { entry: 1 });
        assert_eq!(rule("ab", 1, 1, ""), TreeRule::KeyOrder { entry: 1 });
        assert_eq!(rule("ab", 1, 2, ""), TreeRule::DuplicateKey { entry: 1 });
        assert_eq!(rule("ab", 1, 0, "ab"), TreeRule::DuplicateKey { entry: 1 });
    }

    #[test]
    fn keys_stop_at_their_limit() {
        let mut key = Key::default();
        key.advance_checked(0, 0, &[b'a'; MAX_KEY_LEN]).unwrap();
        let error = key.advance_checked(1, MAX_KEY_LEN as u64, b"a").unwrap_err();
        assert_eq!(error.class(), ErrorClass::Limit, "{error}");
    }
}
