//! Lookups in a finished index.

use redb::{ReadTransaction, ReadableTable};

use super::clock::Clock;
use super::file_errors::FileErrors;
use super::index_page::PageLayout;
use super::tables::{PAGES, Table, open_table};
use crate::cid::Cid;
use crate::error::{Error, Result};
use crate::store::hash::Secret;

/// Length of the longest accepted page, in bytes. Hashes are spread evenly, so no page is much
/// longer than the others.
const MAX_PAGE_LEN: usize = 1 << 16;

/// Maximum number of entries of a page with one tag. By chance, there are rarely more than two.
const MAX_CANDIDATES: usize = 64;

/// A cache of pages.
pub(super) type PageCache = Clock<Box<[u8]>>;

/// The index of a spill file.
pub(super) struct PagedIndex {
    table: Table,
    layout: PageLayout,
    secret: Secret,
}

/// A block with the requested CID that an entry with the right tag leads to.
pub(super) struct Candidate<T> {
    /// Whether the block is known not to hash to its CID.
    pub(super) is_bad: bool,
    pub(super) value: T,
}

impl PagedIndex {
    pub(super) fn open(
        txn: &ReadTransaction,
        layout: PageLayout,
        secret: Secret,
        errors: &FileErrors,
    ) -> Result<Self> {
        Ok(PagedIndex { table: open_table(txn, PAGES, errors)?, layout, secret })
    }

    /// Returns the value of the best candidate for a CID. `read` is called with the payload of each
    /// entry with the right tag, and returns `None` if there is no block with the CID.
    ///
    /// The entry of another CID may lead to a repeated block. The first intact block is the best
    /// one, otherwise the first.
    pub(super) fn find<T>(
        &self,
        cache: &mut PageCache,
        errors: &FileErrors,
        cid: &Cid,
        read: impl FnMut(u64) -> Result<Option<Candidate<T>>>,
    ) -> Result<Option<T>> {
        let (number, tag) = self.layout.locate(self.secret.hash(cid));
        if let Some(page) = cache.get(number) {
            return best(self.layout.find(page, tag), read);
        }
        let value = errors.of(self.table.get_owned(number))?;
        // A part of the range of hashes without blocks has no page.
        let page: Box<[u8]> = match &value {
            Some(value) if value.value().len() > MAX_PAGE_LEN => return Err(not_by_chance()),
            Some(value) => value.value().into(),
            None => Box::default(),
        };
        let found = best(self.layout.find(&page, tag), read);
        let len = page.len();
        cache.insert(number, page, len);
        found
    }

    /// Checks that there are `count` entries, and that their payloads are below `end`.
    pub(super) fn verify(&self, count: u64, end: u64, errors: &FileErrors) -> Result<()> {
        let mut entries = 0_u64;
        for page in errors.of(self.table.iter())? {
            let (number, page) = errors.of(page)?;
            if number.value() >= self.layout.pages || page.value().len() > MAX_PAGE_LEN {
                return Err(Error::damaged("a page of the index has an invalid number or length"));
            }
            let payloads = self.layout.payloads(page.value());
            let payloads = payloads
                .ok_or_else(|| Error::damaged("a page of the index ends inside an entry"))?;
            for payload in payloads {
                if payload >= end {
                    return Err(Error::damaged("the index names a segment that does not exist"));
                }
                entries = entries.saturating_add(1);
            }
        }
        if entries == count {
            Ok(())
        } else {
            Err(Error::damaged("the index does not have one entry for each distinct block"))
        }
    }
}

/// Returns the value of the best candidate: the first intact one in the CAR, otherwise the first.
fn best<T>(
    payloads: impl Iterator<Item = u64>,
    mut read: impl FnMut(u64) -> Result<Option<Candidate<T>>>,
) -> Result<Option<T>> {
    let mut best: Option<((bool, u64), T)> = None;
    for (number, payload) in payloads.enumerate() {
        if number >= MAX_CANDIDATES {
            return Err(not_by_chance());
        }
        if let Some(Candidate { is_bad, value }) = read(payload)? {
            let rank = (is_bad, payload);
            if best.as_ref().is_none_or(|(best, _)| rank < *best) {
                best = Some((rank, value));
            }
        }
    }
    Ok(best.map(|(_, value)| value))
}

#[cold]
fn not_by_chance() -> Error {
    Error::damaged("a page of the index is too long, or too many of its entries agree")
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};

    use super::*;
    use crate::cid::Codec;
    use crate::error::{ErrorKind, SpillFileFault};

    /// An index of one page.
    struct OnePage {
        db: Database,
        layout: PageLayout,
        secret: Secret,
        cid: Cid,
    }

    impl OnePage {
        fn new() -> Self {
            let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let layout = PageLayout { pages: 1, payload_len: 1 };
            OnePage { db, layout, secret: Secret::random(), cid: Cid::of(Codec::Raw, b"") }
        }

        fn tag(&self) -> [u8; 2] {
            self.layout.locate(self.secret.hash(&self.cid)).1.to_be_bytes()
        }

        /// Looks the CID up twice: the second time, the page is in the cache.
        fn find(
            &self,
            page: &[u8],
            mut read: impl FnMut(u64) -> Option<Candidate<u64>>,
        ) -> Result<Option<u64>> {
            let txn = self.db.begin_write().unwrap();
            txn.open_table(PAGES).unwrap().insert(0, page).unwrap();
            txn.commit().unwrap();
            let errors = FileErrors::new(std::path::Path::new("kept"));
            let index =
                PagedIndex::open(&self.db.begin_read().unwrap(), self.layout, self.secret, &errors)
                    .unwrap();
            let mut cache = PageCache::new(1 << 20);
            let mut find =
                || index.find(&mut cache, &errors, &self.cid, |payload| Ok(read(payload)));
            let found = find()?;
            assert_eq!(find().unwrap(), found);
            Ok(found)
        }
    }

    #[test]
    fn a_page_of_hostile_length_or_with_one_tag_only_is_damage() {
        let index = OnePage::new();
        let [high, low] = index.tag();
        let found = |page: &[u8]| {
            let mut asked = 0;
            let found = index.find(page, |payload| {
                asked += 1;
                (payload == 9).then_some(Candidate { is_bad: false, value: payload })
            });
            assert!(asked <= 2 * MAX_CANDIDATES);
            found
        };
        let page =
            |entries: usize| [[high, low, 8].repeat(entries - 1), vec![high, low, 9]].concat();
        assert_eq!(found(&page(MAX_CANDIDATES)).unwrap(), Some(9));
        for page in [page(MAX_CANDIDATES + 1), page(10_000), vec![0; MAX_PAGE_LEN + 1]] {
            let error = found(&page).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::InvalidSpillFile(SpillFileFault::Damaged(_))),
                "{error}"
            );
        }
    }

    /// Entries with one tag are sorted by the rest of their hashes, so payloads are in any order.
    #[test]
    fn of_many_payloads_the_first_good_one_is_meant_else_the_first_bad_one() {
        const STRANGER: fn(u64) -> bool = |payload| payload % 10 == 0;
        const BAD: fn(u64) -> bool = |payload| payload % 10 >= 5;
        let index = OnePage::new();
        let [high, low] = index.tag();
        let found = |payloads: &[u8]| {
            let page: Vec<u8> = payloads.iter().flat_map(|&payload| [high, low, payload]).collect();
            let read = |payload| {
                let candidate = Candidate { is_bad: BAD(payload), value: payload };
                (!STRANGER(payload)).then_some(candidate)
            };
            index.find(&page, read).unwrap()
        };
        for (payloads, meant) in [
            (&[][..], None),
            (&[10], None),
            (&[30, 10, 20], None),
            (&[21], Some(21)),
            (&[11, 21], Some(11)),
            (&[21, 11], Some(11)),
            (&[15, 21], Some(21)),
            (&[21, 15], Some(21)),
            (&[15, 31, 21, 16], Some(21)),
            (&[10, 15, 20, 31, 5], Some(31)),
            (&[15], Some(15)),
            (&[15, 25], Some(15)),
            (&[25, 15], Some(15)),
            (&[10, 25, 40, 15, 30], Some(15)),
        ] {
            assert_eq!(found(payloads), meant, "{payloads:?}");
        }
    }
}
