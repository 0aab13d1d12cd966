//! A strict parser of nodes, whose encoding is described at [`Node`](super::Node).

use super::key::Key;
use crate::cbor::Cursor;
use crate::cid::{self, Cid, Codec};
use crate::error::{Error, LimitName, Malformed, Result};
use crate::limits::MAX_KEY_LEN;

/// The node of an empty tree.
pub(super) const EMPTY_NODE: &[u8] = b"\xa2\x61e\x80\x61l\xf6";

/// The SHA-256 of [`EMPTY_NODE`].
const EMPTY_NODE_DIGEST: [u8; 32] =
    *b"\x9d\xfe\xfe\x61\xdd\x76\xea\x3d\xca\xe5\x02\x38\x80\xb0\x83\x79\
       \xd5\x7a\xdf\x20\x48\x2d\x6f\xdb\xe2\x75\x92\x89\xf6\x47\x67\x7b";

/// Returns the root of the empty tree.
#[cfg(feature = "sync")]
pub(crate) fn empty_root() -> Cid {
    Cid::of(Codec::DagCbor, EMPTY_NODE)
}

/// Returns whether a CID is that of the empty tree's node. Its CID fixes its bytes, so it need not
/// be read.
pub(super) fn is_empty_node(cid: &Cid) -> bool {
    cid.codec() == Codec::DagCbor && *cid.digest() == EMPTY_NODE_DIGEST
}

/// The positions of a node's parts in its block: 16 bytes per entry, however long its key is.
#[derive(Default)]
pub(super) struct NodeLayout {
    left_at: Option<u32>,
    entries: Vec<EntryLayout>,
    /// For each entry, the last one before it with a shorter prefix. Only for unfolding keys.
    shorter: Vec<u32>,
}

/// The positions of an entry's parts in the block.
#[derive(Clone, Copy)]
pub(super) struct EntryLayout {
    suffix_at: u32,
    value_at: u32,
    /// 0 for null, because no link is at the start of a block.
    tree_at: u32,
    suffix_len: u16,
    prefix_len: u16,
}

impl EntryLayout {
    #[inline]
    pub(super) fn prefix_len(&self) -> usize {
        usize::from(self.prefix_len)
    }

    /// Returns the end of the key. Empty if the block is not the one that was parsed: `AsRef` may
    /// return other bytes at each call.
    #[inline]
    pub(super) fn suffix<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        let at = widen(self.suffix_at);
        block.get(at..at.saturating_add(usize::from(self.suffix_len))).unwrap_or_default()
    }

    /// Returns the position of the record's CID in the block.
    #[inline]
    pub(super) fn value_at(&self) -> u32 {
        self.value_at
    }

    /// Returns the position in the block of the CID of the subtree after the entry, or `None` if
    /// that link is null.
    #[inline]
    pub(super) fn tree_at(&self) -> Option<u32> {
        (self.tree_at != 0).then_some(self.tree_at)
    }
}

/// Converts a position, which always fits: it is within a block, whose length is a `usize`.
#[inline]
fn widen(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// Returns the CID at `at` in a block, or `None` if the block is not the one that was parsed.
#[inline]
pub(super) fn cid_at(block: &[u8], at: u32) -> Option<Cid> {
    Cid::parse(cid_bytes_at(block, at)?).ok()
}

/// Returns the bytes of the CID at `at` in a block, or `None` if they are not in it.
#[inline]
pub(super) fn cid_bytes_at(block: &[u8], at: u32) -> Option<&[u8; cid::LEN]> {
    block.get(widen(at)..)?.first_chunk()
}

/// The number of fields of an entry.
const FIELDS: usize = 4;

/// Returns the bytes of a field with a link to a dag-cbor block, up to the digest. Nearly every
/// link is one, so one comparison accepts it, without parsing name, tag and CID one by one.
const fn link_field(name: u8) -> [u8; 11] {
    [0x61, name, 0xd8, 0x2a, 0x58, 0x25, 0x00, 0x01, 0x71, 0x12, 0x20]
}

const LEFT: &[u8; 11] = &link_field(b'l');

const TREE: &[u8; 11] = &link_field(b't');

const VALUE: &[u8; 11] = &link_field(b'v');

impl NodeLayout {
    #[inline]
    pub(super) fn left_at(&self) -> Option<u32> {
        self.left_at
    }

    #[inline]
    pub(super) fn entries(&self) -> &[EntryLayout] {
        &self.entries
    }

    /// Returns the position of the link before entry `number`, or of the last link if `number` is
    /// the number of entries.
    #[inline]
    pub(super) fn link_before(&self, number: usize) -> Option<u32> {
        debug_assert!(number <= self.entries.len());
        match number.checked_sub(1) {
            Some(before) => self.entries.get(before)?.tree_at(),
            None => self.left_at,
        }
    }

    /// Returns the bytes of memory that the tables take.
    pub(super) fn held(&self) -> usize {
        let entries = self.entries.capacity().saturating_mul(size_of::<EntryLayout>());
        entries.saturating_add(self.shorter.capacity().saturating_mul(size_of::<u32>()))
    }

    /// Prepares [`unfold`](NodeLayout::unfold).
    ///
    /// The prefix of an entry consists of suffixes of entries before it, with ever shorter
    /// prefixes. A chain leads from one of these entries to the next, past all others.
    pub(super) fn chain_prefixes(&mut self) {
        self.shorter.clear();
        for (number, entry) in self.entries.iter().enumerate() {
            let mut before = number.checked_sub(1);
            while let Some(candidate) = before
                && self
                    .entries
                    .get(candidate)
                    .is_some_and(|candidate| candidate.prefix_len >= entry.prefix_len)
            {
                before = self.before(candidate);
            }
            self.shorter.push(before.map_or(u32::MAX, narrow));
        }
    }

    /// Returns the last entry before `number` with a shorter prefix.
    fn before(&self, number: usize) -> Option<usize> {
        #[cfg(test)]
        tests::STEPS.set(tests::STEPS.get().wrapping_add(1));
        let before = self.shorter.get(number).map(|&before| widen(before))?;
        (before < number).then_some(before)
    }

    /// Sets `key` to the key of an entry, in at most as many steps as the key has bytes.
    pub(super) fn unfold(&self, number: usize, block: &[u8], key: &mut Key) {
        let mut next = Some(number);
        let mut end = None;
        while let Some((number, entry)) =
            next.and_then(|number| Some((number, self.entries.get(number)?)))
        {
            let (start, suffix) = (entry.prefix_len(), entry.suffix(block));
            key.put(start, suffix, end);
            end = Some(start);
            next = self.before(number);
        }
    }

    pub(super) fn has_links(&self) -> bool {
        self.left_at.is_some() || self.entries.iter().any(|entry| entry.tree_at().is_some())
    }

    /// Parses `block` in one pass and calls `check` with the number and key of each entry.
    ///
    /// Checks rules N1 to N6 and N13 to N15, which a node alone can break. Afterwards `key` is the
    /// last key, or the key at fault if the error is about a key.
    pub(super) fn parse(
        &mut self,
        block: &[u8],
        key: &mut Key,
        mut check: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.entries.clear();
        self.left_at = None;
        key.clear();
        let (len, max) = (block.len() as u64, u64::from(u32::MAX));
        if len > max {
            return Err(Error::limit(LimitName::BlockLen, max, len));
        }
        let mut cursor = Cursor::new(block);
        fields(&mut cursor, 2)?;
        cursor.field(b"\x61e", "e")?;
        let count = cursor.array()?;
        for number in 0..count {
            let start = cursor.position();
            let entry =
                parse_entry(&mut cursor, number, key).map_err(|error| error.within(start))?;
            check(number, key.as_bytes())
                .map_err(|error| error.within(start).of_key(key.as_bytes()))?;
            self.entries.push(entry);
        }
        self.left_at = parse_subtree(&mut cursor, LEFT, "l")?;
        cursor.end()
    }
}

fn parse_entry(cursor: &mut Cursor<'_>, number: usize, key: &mut Key) -> Result<EntryLayout> {
    // If the rest is too short for four fields, the error is about the count, not about a field.
    let has_room = cursor.remaining() > FIELDS * 2;
    if !(has_room && cursor.accept(b"\xa4\x61k")) {
        fields(cursor, FIELDS)?;
        cursor.field(b"\x61k", "k")?;
    }
    let suffix = cursor.bytes()?;
    debug_assert!(cursor.position() >= suffix.len());
    let suffix_at = cursor.position().saturating_sub(suffix.len());
    cursor.field(b"\x61p", "p")?;
    let prefix_len = cursor.uint()?;
    key.advance_checked(number, prefix_len, suffix)?;
    let tree_at = parse_subtree(cursor, TREE, "t")?.unwrap_or(0);
    let value_at = match cursor.accept_link(VALUE) {
        Some(at) => at,
        None => {
            cursor.field(b"\x61v", "v")?;
            cursor.link_at().map_err(|error| error.of_key(key.as_bytes()))?
        }
    };
    // No conversion fails: both are at most the length of a key, which was checked.
    debug_assert!(prefix_len <= MAX_KEY_LEN as u64 && suffix.len() <= MAX_KEY_LEN);
    let prefix_len = u16::try_from(prefix_len).unwrap_or(u16::MAX);
    let suffix_len = u16::try_from(suffix.len()).unwrap_or(u16::MAX);
    Ok(EntryLayout {
        suffix_at: narrow(suffix_at),
        value_at: narrow(value_at),
        tree_at,
        suffix_len,
        prefix_len,
    })
}

/// Parses a field with a link to a subtree. Returns the position of its CID, or `None` if the link
/// is null.
#[inline]
fn parse_subtree(
    cursor: &mut Cursor<'_>,
    link: &[u8; 11],
    name: &'static str,
) -> Result<Option<u32>> {
    if let Some(at) = cursor.accept_link(link) {
        return Ok(Some(narrow(at)));
    }
    let [key @ .., _, _, _, _, _, _, _, _, _] = link;
    cursor.field(key, name)?;
    Ok(cursor.nullable_node_link_at()?.map(narrow))
}

#[inline]
fn fields(cursor: &mut Cursor<'_>, expected: usize) -> Result<()> {
    let at = cursor.position();
    match cursor.map()? {
        found if found == expected => Ok(()),
        found => Err(Error::malformed(Malformed::FieldCount { expected, found }).within(at)),
    }
}

/// Converts a position, which always fits: blocks of at most `u32::MAX` bytes are parsed.
#[inline]
fn narrow(at: usize) -> u32 {
    debug_assert!(u32::try_from(at).is_ok());
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests fail by panicking")]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::cid::Codec;
    use crate::testing::{self, Rng};

    thread_local! {
        /// Steps from an entry to the one that its prefix comes from.
        pub(super) static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// Returns how many steps along chains of prefixes `run` takes.
    fn steps(run: impl FnOnce()) -> usize {
        let before = STEPS.get();
        run();
        STEPS.get() - before
    }

    #[test]
    fn an_entry_takes_16_bytes() {
        assert_eq!(size_of::<EntryLayout>(), 16);
    }

    fn layout(prefix_lens: &[u16]) -> NodeLayout {
        let entry = |&prefix_len: &u16| EntryLayout {
            suffix_at: 0,
            value_at: 0,
            tree_at: 0,
            suffix_len: 1,
            prefix_len,
        };
        NodeLayout {
            left_at: None,
            entries: prefix_lens.iter().map(entry).collect(),
            shorter: Vec::new(),
        }
    }

    /// Returns the prefixes of the entries from which an entry's key is rebuilt, its own first.
    fn chain(layout: &NodeLayout, number: usize) -> Vec<u16> {
        let chain = core::iter::successors(Some(number), |&number| layout.before(number));
        chain.map(|number| layout.entries[number].prefix_len).collect()
    }

    #[test]
    fn an_entry_is_chained_to_the_last_one_before_it_with_a_shorter_prefix() {
        let mut rng = Rng::new(1);
        for round in 0..400 {
            let longest = 1 + round % 40;
            let prefix_lens: Vec<u16> =
                (0..round).map(|_| u16::try_from(rng.below(longest)).unwrap()).collect();
            let mut layout = layout(&prefix_lens);
            layout.chain_prefixes();
            for (number, len) in prefix_lens.iter().enumerate() {
                let expected = prefix_lens[..number].iter().rposition(|before| before < len);
                assert_eq!(layout.before(number), expected, "entry {number} of {prefix_lens:?}");
                let chain = chain(&layout, number);
                assert!(chain.is_sorted_by(|a, b| a > b), "{chain:?}");
            }
        }
    }

    /// Otherwise a key would be rebuilt from all keys before it.
    #[test]
    fn a_chain_has_no_more_steps_than_there_are_shorter_prefixes() {
        let mut alike = layout(&[0; 1000]);
        alike.chain_prefixes();
        assert_eq!(chain(&alike, 999), [0]);
        let mut two = layout(&[&[0][..], &[7; 999]].concat());
        two.chain_prefixes();
        assert_eq!(chain(&two, 999), [7, 0]);
        let mut rising = layout(&(0..1000).map(|number| number / 10).collect::<Vec<_>>());
        rising.chain_prefixes();
        assert_eq!(chain(&rising, 999).len(), 100);
    }

    /// Returns the block of a node with these keys, and its layout.
    fn parsed(keys: &[Vec<u8>]) -> (Vec<u8>, NodeLayout) {
        let record = Cid::of(Codec::DagCbor, b"record");
        let entries: Vec<_> = keys.iter().map(|key| (key.clone(), record, None)).collect();
        let block = testing::node(None, &entries);
        let mut layout = NodeLayout::default();
        layout.parse(&block, &mut Key::default(), |_, _| Ok(())).unwrap();
        (block, layout)
    }

    /// Each of the last keys is rebuilt from hundreds of entries. That takes a step per byte, like
    /// hashing the key, which every walk does.
    #[test]
    fn keys_that_are_chained_deep_take_a_step_for_each_byte() {
        let stem = [b'a'; 250];
        let mut keys: Vec<Vec<u8>> = (1..=stem.len()).map(|len| stem[..len].to_vec()).collect();
        keys.extend((0..19_500u32).map(|number| [&stem[..], &number.to_be_bytes()].concat()));
        let (block, mut layout) = parsed(&keys);
        assert!(steps(|| layout.chain_prefixes()) <= 2 * keys.len());
        let mut key = Key::default();
        let taken = steps(|| {
            for (number, expected) in keys.iter().enumerate() {
                layout.unfold(number, &block, &mut key);
                assert_eq!(key.as_bytes(), expected);
            }
        });
        assert!(taken <= keys.iter().map(Vec::len).sum(), "{taken}");
        // Going back entry by entry would take this many.
        assert!(30 * taken < keys.len() * (keys.len() - 1) / 2, "{taken}");
    }

    /// After a long ascent the prefixes fall, so the last shorter one is ever further back. The
    /// search has to leap.
    #[test]
    fn prefixes_that_rise_and_fall_are_chained_in_linear_time() {
        let stem = [b'a'; 200];
        let ascent = (1..=stem.len()).map(|len| stem[..len].to_vec());
        let descent = (0..stem.len()).rev().flat_map(|len| {
            let stem = &stem[..len];
            (b'b'..=0xff).map(move |byte| [stem, &[byte]].concat())
        });
        let keys: Vec<_> = ascent.chain(descent).collect();
        let (_, mut layout) = parsed(&keys);
        let taken = steps(|| layout.chain_prefixes());
        assert!(taken <= 2 * keys.len(), "{taken} for {}", keys.len());
        // Without leaps, each passes all entries back to the last shorter prefix.
        let prefixes = || layout.entries.iter().map(EntryLayout::prefix_len).enumerate();
        let passed = |(number, len): (usize, usize)| {
            let shorter = prefixes().take(number).rfind(|&(_, before)| before < len);
            number - shorter.map_or(0, |(at, _)| at)
        };
        assert!(100 * taken < prefixes().map(passed).sum(), "{taken}");
    }

    #[test]
    fn the_chain_is_held_beside_the_entries() {
        let mut layout = layout(&[0; 100]);
        let before = layout.held();
        assert_eq!(before, layout.entries.capacity() * 16);
        layout.chain_prefixes();
        assert!(layout.held() >= before + 100 * 4, "{before}, {}", layout.held());
    }
}
