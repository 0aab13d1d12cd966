//! The pages of the index, which map CIDs to segments or placements.
//!
//! ```text
//! page    the entries whose hashes are in one part of their range, sorted by tag
//! entry   tag (2 bytes, big-endian)   payload (as many bytes as the largest takes, little-endian)
//! ```
//!
//! The tag is the 16 bits of the hash after those that select the page.

use redb::WriteTransaction;

use super::index_entry::{IndexEntry, PAYLOAD_BITS};
use super::index_sort::IndexSorter;
use super::repeats::Repeats;
use super::tables::{PAGES, page_len};

/// Average length of a page in bytes. Few pages exceed 4,084 bytes, which fill a page of redb's.
const PAGE_LEN: u64 = 3584;

const TAG_LEN: usize = 2;

/// Length of the longest payload in bytes.
const MAX_PAYLOAD_LEN: usize = PAYLOAD_BITS.div_ceil(8) as usize;

/// The number of pages of an index and the length of its payloads.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageLayout {
    pub(super) pages: u32,
    pub(super) payload_len: usize,
}

impl PageLayout {
    /// Returns the layout for `entries` entries with payloads up to `max_payload`.
    pub(super) fn of(entries: u64, max_payload: u64) -> Self {
        debug_assert!(max_payload >> PAYLOAD_BITS == 0, "a payload has at most 40 bits");
        let bits = u64::BITS.saturating_sub(max_payload.leading_zeros());
        let payload_len =
            usize::try_from(bits.div_ceil(8)).map_or(MAX_PAYLOAD_LEN, |len| len.max(1));
        let payload_len = payload_len.min(MAX_PAYLOAD_LEN);
        let len = entries.saturating_mul(payload_len.saturating_add(TAG_LEN) as u64);
        let pages = u32::try_from(len.div_ceil(PAGE_LEN)).unwrap_or(u32::MAX);
        PageLayout { pages, payload_len }
    }

    /// Returns whether any index has this layout.
    pub(super) fn is_possible(self) -> bool {
        (1..=MAX_PAYLOAD_LEN).contains(&self.payload_len)
    }

    /// Returns the payloads of a page, or `None` if its length is not that of whole entries.
    pub(super) fn payloads(self, page: &[u8]) -> Option<impl Iterator<Item = u64>> {
        let entries = page.chunks_exact(self.entry_len().max(1));
        let payload = |entry: &[u8]| read_payload(entry.get(TAG_LEN..).unwrap_or_default());
        entries.remainder().is_empty().then(|| entries.map(payload))
    }

    fn entry_len(self) -> usize {
        self.payload_len.saturating_add(TAG_LEN)
    }

    /// Returns the page of a hash, and the tag that it has there.
    #[inline]
    pub(super) fn locate(self, hash: u64) -> (u32, u16) {
        let product = u128::from(hash).wrapping_mul(u128::from(self.pages));
        let page = u32::try_from(product >> u64::BITS).unwrap_or(0);
        let within = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
        (page, u16::try_from(within >> (u64::BITS - u16::BITS)).unwrap_or(0))
    }

    /// Returns the payloads of a page that have this tag.
    #[inline]
    pub(super) fn find(self, page: &[u8], tag: u16) -> impl Iterator<Item = u64> {
        let entry = move |number: usize| {
            let at = number.checked_mul(self.entry_len())?;
            page.get(at..at.checked_add(self.entry_len())?)?.split_first_chunk::<TAG_LEN>()
        };
        let tag_of = move |number| entry(number).map(|(tag, _)| u16::from_be_bytes(*tag));
        // Tags are spread evenly, so the search begins where an exact spread would have the tag.
        let count = page.len().div_euclid(self.entry_len().max(1));
        let mut low = count.saturating_mul(usize::from(tag)) >> u16::BITS;
        while let Some(before) = low.checked_sub(1).filter(|&before| tag_of(before) >= Some(tag)) {
            low = before;
        }
        while tag_of(low).is_some_and(|found| found < tag) {
            low = low.saturating_add(1);
        }
        let entries =
            (low..).map_while(entry).take_while(move |(found, _)| **found == tag.to_be_bytes());
        entries.map(|(_, payload)| read_payload(payload))
    }
}

fn read_payload(payload: &[u8]) -> u64 {
    payload.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// An index that was written.
pub(super) struct WrittenIndex {
    pub(super) layout: PageLayout,
    /// Number of distinct CIDs.
    pub(super) distinct: u64,
    pub(super) repeats: Repeats,
    /// Number of bytes that all pages take in the file.
    pub(super) bytes: u64,
}

/// Writes the pages of all entries of a sorter that was prepared.
pub(super) fn write(
    sorter: IndexSorter,
    max_payload: u64,
    txn: &WriteTransaction,
) -> Result<WrittenIndex, redb::Error> {
    let layout = PageLayout::of(sorter.max_len(), max_payload);
    // The table must exist even if the index has no entries.
    txn.open_table(PAGES)?;
    let mut writer = PageWriter { layout, txn, number: 0, page: Vec::new(), bytes: 0 };
    let (distinct, repeats) = sorter.finish(txn, |entry| writer.push(entry))?;
    writer.flush()?;
    Ok(WrittenIndex { layout, distinct, repeats, bytes: writer.bytes })
}

struct PageWriter<'t> {
    layout: PageLayout,
    txn: &'t WriteTransaction,
    number: u32,
    page: Vec<u8>,
    bytes: u64,
}

impl PageWriter<'_> {
    fn push(&mut self, entry: IndexEntry) -> Result<(), redb::Error> {
        let (number, tag) = self.layout.locate(entry.hash());
        debug_assert!(number >= self.number, "entries come in the order of their hashes");
        if number != self.number {
            self.flush()?;
            self.number = number;
        }
        self.page.extend_from_slice(&tag.to_be_bytes());
        let payload = entry.payload().to_le_bytes();
        let (payload, rest) = payload.split_at_checked(self.layout.payload_len).unwrap_or_default();
        debug_assert!(rest.iter().all(|&byte| byte == 0), "no payload is above the largest");
        self.page.extend_from_slice(payload);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), redb::Error> {
        if !self.page.is_empty() {
            self.txn.open_table(PAGES)?.insert(self.number, self.page.as_slice())?;
            self.bytes = self.bytes.saturating_add(page_len(self.page.len()) as u64);
            self.page.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use redb::{Database, ReadableTable, backends::InMemoryBackend};

    use super::*;
    use crate::cid::{Cid, Codec};
    use crate::store::hash::Secret;

    #[test]
    fn every_entry_is_found_in_its_page() {
        let secrets = [Secret::random(), Secret::random()];
        let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        for (len, max_payload) in [(1, 0u64), (1000, 255), (50_000, 70_000), (1000, (1 << 40) - 1)]
        {
            let txn = db.begin_write().unwrap();
            let mut sorter = IndexSorter::new(1 << 20, false);
            let cids: Vec<Cid> =
                (0..len).map(|number: u64| Cid::of(Codec::Raw, &number.to_le_bytes())).collect();
            let payload = |number: u64| max_payload.saturating_sub(number);
            for (number, cid) in (0..).zip(&cids) {
                sorter.push(IndexEntry::new(&secrets, cid, true, payload(number)));
            }
            let WrittenIndex { layout, distinct, bytes, .. } =
                write(sorter, max_payload, &txn).unwrap();
            assert_eq!(distinct, len);
            assert!(bytes <= len * 10 + 4096 && layout.payload_len <= 5);
            let table = txn.open_table(PAGES).unwrap();
            let mut strangers = 0;
            for (number, cid) in (0..).zip(&cids) {
                let (page, tag) = layout.locate(secrets[0].hash(cid));
                let page = table.get(page).unwrap().unwrap();
                let found: Vec<u64> = layout.find(page.value(), tag).collect();
                assert!(found.contains(&payload(number)));
                strangers += found.len() - 1;
            }
            assert!(strangers <= cids.len() / 20, "{strangers}");
            drop(table);
            txn.abort().unwrap();
        }
    }

    #[test]
    fn a_page_of_any_bytes_is_searched_without_harm() {
        let layout = PageLayout { pages: 3, payload_len: 3 };
        for page in [&[][..], &[0], &[0xff; 7], &[0; 5000], &[9, 3, 200]] {
            for tag in [0, 1, 0xffff] {
                assert!(layout.find(page, tag).count() <= page.len());
            }
        }
    }
}
