//! The index of a spill file: from CIDs to segments, in pages that are read when they are needed.
//!
//! ```text
//! page    entry  entry  ..        by their tags; of a page all hashes lie in one part of their range
//! entry   tag (2 bytes, big-endian)   payload (as many bytes as the largest takes, little-endian)
//! ```
//!
//! The tag is what the hash says beyond the number of the page, so a page is sorted by it.

use redb::WriteTransaction;

use super::cache::pages_of;
use super::meta::PAGES;
use super::runs::{Entry, Repeats, Runs};

/// Bytes that a page has on average: redb's pages have room for values of 4,084 bytes, which few
/// pages exceed.
const PAGE_LEN: u64 = 3584;

const TAG_LEN: usize = 2;

/// The shape of an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) pages: u32,
    pub(super) payload_len: usize,
}

impl Shape {
    /// The shape for so many entries, of which the largest payload is known.
    pub(super) fn of(entries: u64, max_payload: u64) -> Self {
        let bits = u64::BITS.saturating_sub(max_payload.leading_zeros());
        let payload_len = usize::try_from(bits.div_ceil(8)).unwrap_or(5).clamp(1, 5);
        let len = entries.saturating_mul(payload_len.saturating_add(TAG_LEN) as u64);
        let pages = u32::try_from(len.div_ceil(PAGE_LEN)).unwrap_or(u32::MAX);
        Shape { pages, payload_len }
    }

    fn entry_len(self) -> usize {
        self.payload_len.saturating_add(TAG_LEN)
    }

    /// The page of a hash, and the tag that it has there.
    #[inline]
    pub(super) fn locate(self, hash: u64) -> (u32, u16) {
        let product = u128::from(hash).wrapping_mul(u128::from(self.pages));
        let page = u32::try_from(product >> u64::BITS).unwrap_or(0);
        let within = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
        (page, u16::try_from(within >> (u64::BITS - u16::BITS)).unwrap_or(0))
    }

    /// The payloads that a page has for a tag.
    #[inline]
    pub(super) fn find(self, page: &[u8], tag: u16) -> impl Iterator<Item = u64> {
        let entry = move |number: usize| {
            let at = number.checked_mul(self.entry_len())?;
            page.get(at..at.checked_add(self.entry_len())?)?.split_first_chunk::<TAG_LEN>()
        };
        let tag_of = move |number| entry(number).map(|(tag, _)| u16::from_be_bytes(*tag));
        // Tags are spread evenly, so it is not far from where it would be if they were so to the
        // last.
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
        entries.map(|(_, payload)| {
            payload.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
        })
    }
}

/// What was written of an index.
pub(super) struct Written {
    pub(super) shape: Shape,
    pub(super) distinct: u64,
    pub(super) repeats: Repeats,
    /// Bytes that all pages take in the file.
    pub(super) bytes: u64,
}

/// Makes an index of all entries.
pub(super) fn write(
    runs: Runs,
    max_payload: u64,
    txn: &WriteTransaction,
) -> Result<Written, redb::Error> {
    let shape = Shape::of(runs.max_len(), max_payload);
    // It is there even if nothing is in it.
    txn.open_table(PAGES)?;
    let mut writer = PageWriter { shape, txn, number: 0, page: Vec::new(), bytes: 0 };
    let (distinct, repeats) = runs.merge(txn, |entry| writer.push(entry))?;
    writer.flush()?;
    Ok(Written { shape, distinct, repeats, bytes: writer.bytes })
}

struct PageWriter<'t> {
    shape: Shape,
    txn: &'t WriteTransaction,
    number: u32,
    page: Vec<u8>,
    bytes: u64,
}

impl PageWriter<'_> {
    fn push(&mut self, entry: Entry) -> Result<(), redb::Error> {
        let (number, tag) = self.shape.locate(entry.hash());
        if number != self.number {
            self.flush()?;
            self.number = number;
        }
        self.page.extend_from_slice(&tag.to_be_bytes());
        let payload = entry.payload().to_le_bytes();
        self.page.extend_from_slice(payload.get(..self.shape.payload_len).unwrap_or_default());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), redb::Error> {
        if !self.page.is_empty() {
            self.txn.open_table(PAGES)?.insert(self.number, self.page.as_slice())?;
            self.bytes = self.bytes.saturating_add(pages_of(&self.page) as u64);
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
            let mut runs = Runs::new(1 << 20, false);
            let cids: Vec<Cid> =
                (0..len).map(|number: u64| Cid::of(Codec::Raw, &number.to_le_bytes())).collect();
            let payload = |number: u64| max_payload.saturating_sub(number);
            for (number, cid) in (0..).zip(&cids) {
                runs.push(Entry::new(&secrets, cid, true, payload(number)));
            }
            let Written { shape, distinct, bytes, .. } = write(runs, max_payload, &txn).unwrap();
            assert_eq!(distinct, len);
            assert!(bytes <= len * 10 + 4096 && shape.payload_len <= 5);
            let table = txn.open_table(PAGES).unwrap();
            let mut strangers = 0;
            for (number, cid) in (0..).zip(&cids) {
                let (page, tag) = shape.locate(secrets[0].hash(cid));
                let page = table.get(page).unwrap().unwrap();
                let found: Vec<u64> = shape.find(page.value(), tag).collect();
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
        let shape = Shape { pages: 3, payload_len: 3 };
        for page in [&[][..], &[0], &[0xff; 7], &[0; 5000], &[9, 3, 200]] {
            for tag in [0, 1, 0xffff] {
                assert!(shape.find(page, tag).count() <= page.len());
            }
        }
    }
}
