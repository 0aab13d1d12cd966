//! Single nodes and their encoded entries.

use core::fmt;

use super::key::Key;
use super::layout::{EntryLayout, NodeLayout, cid_at};
use crate::cid::Cid;
use crate::error::{Result, Structure};

/// A single node, parsed and checked by the rules that need only the node.
///
/// ```text
/// { e: [{ k: bytes, p: uint, t: link | null, v: link }, ..], l: link | null }
/// ```
///
/// `p` is the number of bytes that an entry's key shares with the key before it, and `k` is the
/// rest of the key. `v` links to the record, `t` to the subtree between this key and the next, and
/// `l` to the subtree before the first key. All fields are present, in this order, nulls included.
///
/// The rules are: exactly these fields, in canonical DAG-CBOR; ascending keys of 1 to 1,024 bytes;
/// prefixes as long as possible; links of the one CID form. A [`Walker`](super::Walker) checks all
/// rules, including those about layers and about the tree around a node. See
/// [`TreeRule`](crate::error::TreeRule).
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::Node;
/// use carwalk::store::BlockStore;
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let root = repo.store().get(&repo.commit().data())?.unwrap();
/// let node = Node::parse(root.bytes)?;
/// assert_eq!((node.left(), node.entries().len()), (None, 9));
/// let second = node.entries().nth(1).unwrap();
/// assert_eq!((second.prefix_len(), second.key_suffix()), (9, &b"feed.like/3l4ntayhb422l"[..]));
/// assert!(second.tree().is_some());
/// assert_eq!(Some(second.value()), repo.get("app.bsky.feed.like/3l4ntayhb422l")?.cid());
/// # Ok::<(), carwalk::Error>(())
/// ```
pub struct Node<'a> {
    block: &'a [u8],
    layout: NodeLayout,
}

impl<'a> Node<'a> {
    /// Parses the block of a node in one pass. Takes 16 bytes of memory per entry, and up to twice
    /// as much with spare capacity.
    ///
    /// # Errors
    ///
    /// - `Malformed` if the block is not a node
    /// - `NonCanonical` if an integer or length is not in its shortest form
    /// - `Tree` if a key or prefix breaks a rule
    /// - `Limit` if a key is longer than 1,024 bytes, or the block longer than 2^32 - 1 bytes
    ///
    /// All but `Limit` have the class [`Invalid`](crate::ErrorClass::Invalid). The error has the
    /// position in the block, unless the block is too long. It has the key if the key is empty or
    /// not above the key before it, if its prefix is not as long as possible, or if `v` is not a
    /// link.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::error::ErrorKind;
    /// use carwalk::mst::Node;
    ///
    /// // The node of an empty tree: `{"e": [], "l": null}`.
    /// let node = Node::parse(b"\xa2\x61e\x80\x61l\xf6")?;
    /// assert_eq!(node.entries().len(), 0);
    /// let error = Node::parse(b"\xa1\x61e\x80").unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Malformed(_)));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn parse(block: &'a [u8]) -> Result<Self> {
        let mut layout = NodeLayout::default();
        let parsed = layout.parse(block, &mut Key::default(), |_, _| Ok(()));
        parsed.map_err(|error| error.in_structure(Structure::Node))?;
        Ok(Node { block, layout })
    }

    /// Returns the link to the subtree before the first key, or `None` if it is null: `l`.
    #[must_use]
    pub fn left(&self) -> Option<Cid> {
        cid_at(self.block, self.layout.left_at()?)
    }

    /// Returns the entries in key order: `e`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::Repo;
    /// use carwalk::mst::{Event, Node};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
    /// let repo = Repo::from_slice(bytes)?;
    /// let mut walk = repo.walk().nodes(true).start();
    /// let Some(Event::Node { block, .. }) = walk.next_event()? else { panic!() };
    /// let node = Node::parse(block)?;
    /// // The links to the nodes below this one.
    /// let links = node.left().into_iter().chain(node.entries().filter_map(|entry| entry.tree()));
    /// assert_eq!(links.count(), 8);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn entries(&self) -> TreeEntries<'_> {
        TreeEntries { block: self.block, layouts: self.layout.entries().iter() }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("left", &self.left())
            .field("entries", &self.layout.entries().len())
            .finish()
    }
}

/// An iterator over the entries of a node in key order: see [`Node::entries`].
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::{Event, Node};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut walk = repo.walk().nodes(true).start();
/// let Some(Event::Node { block, .. }) = walk.next_event()? else { panic!() };
/// let node = Node::parse(block)?;
/// // The keys, of which each entry has the part after its prefix.
/// let mut keys: Vec<Vec<u8>> = Vec::new();
/// for entry in node.entries() {
///     let prefix = keys.last().map_or(&[][..], |key| &key[..entry.prefix_len()]);
///     keys.push([prefix, entry.key_suffix()].concat());
/// }
/// assert_eq!(keys[8], b"app.bsky.graph.follow/3l4o7c4rwc22l");
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone)]
pub struct TreeEntries<'a> {
    block: &'a [u8],
    layouts: core::slice::Iter<'a, EntryLayout>,
}

impl<'a> Iterator for TreeEntries<'a> {
    type Item = TreeEntry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let layout = self.layouts.next()?;
        Some(TreeEntry {
            prefix_len: layout.prefix_len(),
            key_suffix: layout.suffix(self.block),
            tree: layout.tree_at().and_then(|at| cid_at(self.block, at)),
            value: cid_at(self.block, layout.value_at())?,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.layouts.size_hint()
    }
}

impl ExactSizeIterator for TreeEntries<'_> {}

/// Writes the number of entries instead of the entries.
impl fmt::Debug for TreeEntries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeEntries").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// One entry of a node as it is encoded, without the part of its key that is shared with the key
/// before it: the specification's
/// [`TreeEntry`](https://atproto.com/specs/repository#mst-structure).
///
/// An [`Entry`](super::Entry) has its whole key.
///
/// # Examples
///
/// ```
/// use carwalk::Repo;
/// use carwalk::mst::{Event, Node};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// let repo = Repo::from_slice(bytes)?;
/// let mut walk = repo.walk().nodes(true).start();
/// let Some(Event::Node { block, .. }) = walk.next_event()? else { panic!() };
/// let node = Node::parse(block)?;
/// // The first key has no prefix, so its suffix is the whole key.
/// let first = node.entries().next().unwrap();
/// assert_eq!((first.prefix_len(), first.key_suffix()), (0, &b"app.bsky.actor.profile/self"[..]));
/// assert_eq!(Some(first.value()), repo.get("app.bsky.actor.profile/self")?.cid());
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    prefix_len: usize,
    key_suffix: &'a [u8],
    tree: Option<Cid>,
    value: Cid,
}

impl<'a> TreeEntry<'a> {
    /// Returns the number of bytes that the key shares with the key before it: `p`.
    #[must_use]
    pub fn prefix_len(&self) -> usize {
        self.prefix_len
    }

    /// Returns the rest of the key: `k`.
    #[must_use]
    pub fn key_suffix(&self) -> &'a [u8] {
        self.key_suffix
    }

    /// Returns the link to the subtree between this key and the next, or `None` if it is null: `t`.
    #[must_use]
    pub fn tree(&self) -> Option<Cid> {
        self.tree
    }

    /// Returns the link to the record: `v`.
    #[must_use]
    pub fn value(&self) -> Cid {
        self.value
    }
}

impl fmt::Debug for TreeEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeEntry")
            .field("prefix_len", &self.prefix_len)
            .field("key_suffix", &format_args!("\"{}\"", self.key_suffix.escape_ascii()))
            .field("tree", &self.tree)
            .field("value", &self.value)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Malformed;

    #[test]
    fn a_huge_count_of_entries_allocates_nothing() {
        let error = Node::parse(b"\xa2\x61e\x9b\x00\x00\x00\x01\x00\x00\x00\x00").unwrap_err();
        assert!(
            matches!(error.kind(), crate::ErrorKind::Malformed(Malformed::CborEnd { .. })),
            "{error}"
        );
    }
}
