//! Which values of a column are null.

use std::ops::Range;

use arrow_buffer::{NullBuffer, NullBufferBuilder};

/// Which values of a column are null. Most columns have none, and then nothing is stored.
#[derive(Default)]
pub(super) struct Nulls {
    /// For each row, whether it has a value (not null). Empty before the first null.
    are_values: Vec<bool>,
}

impl Nulls {
    /// Adds a value.
    #[inline]
    pub(super) fn push_value(&mut self) {
        if !self.are_values.is_empty() {
            self.are_values.push(true);
        }
    }

    /// Adds a null after `rows` others.
    #[inline]
    pub(super) fn push_null(&mut self, rows: usize) {
        self.are_values.resize(rows, true);
        self.are_values.push(false);
    }

    /// Adds a range of another column after `rows` values.
    pub(super) fn append(&mut self, rows: usize, other: &Nulls, range: Range<usize>) {
        let end = rows.saturating_add(range.len());
        match other.are_values.get(range) {
            Some(are_values) if !are_values.is_empty() => {
                self.are_values.resize(rows, true);
                self.are_values.extend_from_slice(are_values);
            }
            _ if self.are_values.is_empty() => {}
            _ => self.are_values.resize(end, true),
        }
    }

    /// Takes all of them. `None` if there are no nulls.
    pub(super) fn take(&mut self) -> Option<NullBuffer> {
        if self.are_values.is_empty() {
            return None;
        }
        let mut bits = NullBufferBuilder::new(self.are_values.len());
        bits.append_slice(&self.are_values);
        self.are_values.clear();
        bits.finish()
    }

    /// Drops what follows the first `rows` values.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.are_values.truncate(rows);
    }

    /// Returns the bytes of memory.
    pub(super) fn capacity(&self) -> usize {
        self.are_values.capacity()
    }
}
