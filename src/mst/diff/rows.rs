//! Sorted rows as a side of a diff.

use core::fmt;
use core::mem::take;

use super::side::{Item, Opened, Side};
use crate::cid::Cid;
use crate::error::{ArgumentFault, Error, Result};
use crate::mst::frame::Frame;

/// Sorted rows, each a key and the CID of its record, as the old side of a [`Diff`](super::Diff).
pub struct RowSide<I, K> {
    rows: I,
    /// The current row, or the last one if it was passed.
    row: Option<(K, Cid)>,
    /// The number of this row, counted from 1.
    number: u64,
    is_passed: bool,
}

impl<I, K> RowSide<I, K> {
    pub(crate) fn new(rows: I) -> Self {
        RowSide { rows, row: None, number: 0, is_passed: true }
    }
}

#[expect(private_interfaces, reason = "the trait cannot be named outside of this module")]
impl<I: Iterator<Item = Result<(K, Cid)>>, K: AsRef<[u8]>> Side for RowSide<I, K> {
    type Bytes = [u8; 0];

    #[inline]
    fn node(&mut self) -> Option<&mut Frame<[u8; 0]>> {
        None
    }

    #[inline]
    fn advance(&mut self) -> Result<()> {
        // After the end, `row` is empty and was not passed.
        if !take(&mut self.is_passed) {
            return Ok(());
        }
        let Some(next) = self.rows.next().transpose()? else {
            self.row = None;
            return Ok(());
        };
        self.number = self.number.saturating_add(1);
        let last = self.row.as_ref().map_or(&[][..], |(key, _)| key.as_ref());
        let key = next.0.as_ref();
        if key <= last {
            let error = Error::argument(ArgumentFault::RowOrder { row: self.number });
            return Err(error.of_key(key));
        }
        self.row = Some(next);
        Ok(())
    }

    #[inline]
    fn item(&self) -> Item<'_> {
        match &self.row {
            Some((key, cid)) => Item::Entry { key: key.as_ref(), cid },
            None => Item::End,
        }
    }

    #[inline]
    fn pass(&mut self) {
        debug_assert!(self.row.is_some(), "the end cannot be passed");
        self.is_passed = true;
    }

    fn open(&mut self, _partial: bool) -> Result<Opened> {
        debug_assert!(false, "rows have no links");
        Ok(Opened::Node)
    }

    fn opened(&self) -> impl Iterator<Item = Cid> {
        core::iter::empty()
    }

    fn has_opened(&self, _cid: &Cid) -> bool {
        false
    }
}

impl<I, K> fmt::Debug for RowSide<I, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSide").field("number", &self.number).finish_non_exhaustive()
    }
}
