//! The index of a spill file, to look up in.

use redb::ReadTransaction;

use super::backend::FirstError;
use super::cache::Clock;
use super::meta::PAGES;
use super::pages::Shape;
use super::{Table, open_table};
use crate::cid::Cid;
use crate::error::Result;
use crate::store::hash::Secret;

/// Pages that are held.
pub(super) type PageCache = Clock<Box<[u8]>>;

/// The index of a spill file.
pub(super) struct PagedIndex {
    table: Table,
    shape: Shape,
    secret: Secret,
}

impl PagedIndex {
    pub(super) fn open(txn: &ReadTransaction, shape: Shape, secret: Secret, first: &FirstError) -> Result<Self> {
        Ok(PagedIndex { table: open_table(txn, PAGES, first)?, shape, secret })
    }

    /// What `read` makes of the payload of a CID. `read` is asked about each that may be the one, and gives `None` for
    /// another CID's.
    pub(super) fn find<T>(
        &self,
        cache: &mut PageCache,
        first: &FirstError,
        cid: &Cid,
        mut read: impl FnMut(u64) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let (number, tag) = self.shape.locate(self.secret.hash(cid));
        let mut search = |page: &[u8]| self.shape.find(page, tag).find_map(|payload| read(payload).transpose());
        if let Some(page) = cache.get(number) {
            return search(page).transpose();
        }
        let value = self.table.get_owned(number).map_err(|error| first.explain(error))?;
        // A part of the range of hashes that no block has is no page.
        let page: Box<[u8]> = value.map(|value| value.value().into()).unwrap_or_default();
        let found = search(&page).transpose();
        let len = page.len();
        cache.insert(number, page, len);
        found
    }
}
