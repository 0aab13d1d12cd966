//! The values of one column.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::ByteArrayType;
use arrow_array::{ArrayRef, GenericByteArray, Int64Array, TimestampMicrosecondArray};
use arrow_buffer::{ArrowNativeType, Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

use super::nulls::Nulls;
use crate::schema::UTC;

/// Buffers of at least this many bytes are moved into the batch. The values of smaller ones are
/// copied, so that the batch has no spare capacity, and the buffer is reused.
const PASSED_ON: usize = 64 << 10;

/// Most bytes of all values. Offsets could express 8 MiB more; a page of Parquet, which has the
/// lengths of its values too, could not.
const MOST: usize = (1 << 31) - (8 << 20);

/// Texts or byte strings.
pub(super) struct Strings {
    values: Vec<u8>,
    /// The end of each value, after a 0.
    offsets: Vec<i32>,
    nulls: Nulls,
    /// Most bytes of all values.
    most: usize,
    is_over: bool,
}

impl Strings {
    pub(super) fn new() -> Self {
        Strings::bounded(MOST)
    }

    fn bounded(most: usize) -> Self {
        let nulls = Nulls::default();
        Strings { values: Vec::new(), offsets: vec![0], nulls, most, is_over: false }
    }

    /// Adds a value. Returns its bytes of memory.
    #[inline]
    pub(super) fn push(&mut self, value: &[u8]) -> usize {
        self.push_with(|values| {
            values.extend_from_slice(value);
            true
        })
    }

    /// Adds a text; null if it is empty.
    #[inline]
    pub(super) fn push_text(&mut self, text: Option<&str>) -> usize {
        match text {
            Some(text) if !text.is_empty() => self.push(text.as_bytes()),
            _ => self.push_null(),
        }
    }

    /// Adds what `append` appends; null if it returns false. If offsets cannot express the end of
    /// the value, the column is [over](Strings::is_over) its limit.
    #[inline]
    pub(super) fn push_with(&mut self, append: impl FnOnce(&mut Vec<u8>) -> bool) -> usize {
        let start = self.values.len();
        let is_value = append(&mut self.values);
        let end = self.values.len();
        match i32::try_from(end) {
            Ok(offset) if is_value && end <= self.most => {
                self.offsets.push(offset);
                self.nulls.push_value();
                end.saturating_sub(start).saturating_add(size_of::<i32>())
            }
            _ => {
                self.is_over |= is_value;
                self.values.truncate(start);
                self.push_null()
            }
        }
    }

    #[inline]
    pub(super) fn push_null(&mut self) -> usize {
        self.nulls.push_null(self.rows());
        let end = self.offsets.last().copied().unwrap_or_default();
        self.offsets.push(end);
        size_of::<i32>()
    }

    fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Adds the values of some rows of another column, if offsets can express their end.
    pub(super) fn append(&mut self, other: &Strings, rows: Range<usize>) {
        let shift = other.end_of(rows.start);
        let values = other.values.get(shift..other.end_of(rows.end)).unwrap_or_default();
        let start = self.values.len();
        if start.saturating_add(values.len()) > self.most {
            self.is_over = true;
            for _ in rows {
                self.push_null();
            }
            return;
        }
        self.nulls.append(self.rows(), &other.nulls, rows.clone());
        self.values.extend_from_slice(values);
        // The sum of both is in bounds.
        let shift = signed(start).wrapping_sub(signed(shift));
        let ends = rows.start.saturating_add(1)..rows.end.saturating_add(1);
        let ends = other.offsets.get(ends).unwrap_or_default();
        self.offsets.extend(ends.iter().map(|end| end.wrapping_add(shift)));
    }

    /// Returns where the first `rows` values end.
    fn end_of(&self, rows: usize) -> usize {
        self.offsets.get(rows).map_or(0, |end| end.as_usize())
    }

    /// Returns whether a value was left out because all of them together would exceed 2 GiB.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes all values. Fails if those of a text are not UTF-8.
    pub(super) fn take<T: ByteArrayType<Offset = i32>>(&mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(taken(&mut self.offsets)));
        self.offsets.push(0);
        let values = taken(&mut self.values);
        Ok(Arc::new(GenericByteArray::<T>::try_new(offsets, values, self.nulls.take())?))
    }

    /// Drops the values after the first `rows`, which were not [over](Strings::is_over) the limit.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.values.truncate(self.end_of(rows));
        self.offsets.truncate(rows.saturating_add(1));
        self.nulls.truncate(rows);
        self.is_over = false;
    }

    /// Returns the bytes of memory.
    pub(super) fn capacity(&self) -> usize {
        let offsets = self.offsets.capacity().saturating_mul(size_of::<i32>());
        let others = offsets.saturating_add(self.nulls.capacity());
        self.values.capacity().saturating_add(others)
    }
}

/// Returns a length that is in the bounds of offsets.
fn signed(len: usize) -> i32 {
    debug_assert!(len <= MOST);
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// Numbers or times.
#[derive(Default)]
pub(super) struct Numbers {
    values: Vec<i64>,
    nulls: Nulls,
}

impl Numbers {
    /// Adds a value. Returns its bytes of memory.
    #[inline]
    pub(super) fn push(&mut self, value: Option<i64>) -> usize {
        match value {
            Some(_) => self.nulls.push_value(),
            None => self.nulls.push_null(self.values.len()),
        }
        self.values.push(value.unwrap_or_default());
        size_of::<i64>()
    }

    /// Adds the values of some rows of another column.
    pub(super) fn append(&mut self, other: &Numbers, rows: Range<usize>) {
        self.nulls.append(self.values.len(), &other.nulls, rows.clone());
        self.values.extend_from_slice(other.values.get(rows).unwrap_or_default());
    }

    /// Takes all values as numbers.
    pub(super) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = ScalarBuffer::from(taken(&mut self.values));
        Ok(Arc::new(Int64Array::try_new(values, self.nulls.take())?))
    }

    /// Takes all values as times.
    pub(super) fn take_times(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = ScalarBuffer::from(taken(&mut self.values));
        let times = TimestampMicrosecondArray::try_new(values, self.nulls.take())?;
        Ok(Arc::new(times.with_timezone(UTC)))
    }

    /// Drops the values after the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.nulls.truncate(rows);
    }

    /// Returns the bytes of memory.
    pub(super) fn capacity(&self) -> usize {
        let values = self.values.capacity().saturating_mul(size_of::<i64>());
        values.saturating_add(self.nulls.capacity())
    }
}

/// Takes the items of a vector and leaves an empty one. No room is reserved in the new vector:
/// growing into memory that was just freed is faster than allocating while the old items are still
/// in use.
fn taken<T: ArrowNativeType>(items: &mut Vec<T>) -> Buffer {
    if items.len().saturating_mul(size_of::<T>()) < PASSED_ON {
        let copy = Buffer::from_slice_ref(&*items);
        items.clear();
        return copy;
    }
    let mut full = mem::take(items);
    full.shrink_to_fit();
    Buffer::from_vec(full)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, Utf8Type};

    use super::*;

    fn texts(strings: &mut Strings) -> Vec<Option<String>> {
        let array = strings.take::<Utf8Type>().unwrap();
        array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    fn owned<const N: usize>(texts: [Option<&str>; N]) -> [Option<String>; N] {
        texts.map(|text| text.map(str::to_owned))
    }

    #[test]
    fn values_come_back_and_buffers_are_used_again() {
        let mut strings = Strings::new();
        for len in [0, 10, PASSED_ON - 1, PASSED_ON, 10] {
            let text = "a".repeat(len);
            assert_eq!(strings.push(text.as_bytes()), len + 4);
            assert_eq!(strings.push_null(), 4);
            assert_eq!(strings.push_text(Some("")), 4);
            let expected = [Some(text), None, None];
            assert_eq!(texts(&mut strings), expected);
        }
        assert!(texts(&mut strings).is_empty());
    }

    #[test]
    fn what_is_dropped_does_not_come_back() {
        let (mut strings, mut numbers) = (Strings::new(), Numbers::default());
        strings.push(b"a");
        strings.push_null();
        numbers.push(None);
        strings.truncate(1);
        numbers.truncate(0);
        strings.push(b"b");
        numbers.push(Some(7));
        assert_eq!(texts(&mut strings), owned([Some("a"), Some("b")]));
        let array = numbers.take().unwrap();
        assert_eq!(array.as_primitive::<Int64Type>().values(), &[7]);
        assert_eq!((array.len(), array.null_count()), (1, 0));
    }

    #[test]
    fn some_rows_of_another_column_are_appended() {
        let values = [Some("a"), None, Some("bc"), Some("def")];
        for (start, end) in (0..=4).flat_map(|end| (0..=end).map(move |start| (start, end))) {
            for before in [vec![], vec![Some("x")], vec![None], vec![None, Some("yz")]] {
                let (mut other, mut strings) = (Strings::new(), Strings::new());
                let (mut of_other, mut numbers) = (Numbers::default(), Numbers::default());
                let len = |text: Option<&str>| text.map(|text| i64::try_from(text.len()).unwrap());
                for text in values {
                    other.push_text(text);
                    of_other.push(len(text));
                }
                for &text in &before {
                    strings.push_text(text);
                    numbers.push(len(text));
                }
                strings.append(&other, start..end);
                numbers.append(&of_other, start..end);
                strings.push(b"z");
                numbers.push(Some(1));
                let expected = [&before[..], &values[start..end], &[Some("z")]].concat();
                let found = texts(&mut strings);
                assert!(found.iter().map(Option::as_deref).eq(expected.iter().copied()));
                let array = numbers.take().unwrap();
                let expected = expected.iter().map(|text| len(*text));
                assert!(array.as_primitive::<Int64Type>().iter().eq(expected));
            }
        }
    }

    #[test]
    fn a_value_beyond_the_limit_of_offsets_is_left_out_and_noticed() {
        let mut strings = Strings::bounded(5);
        strings.push(b"abc");
        strings.push(b"de");
        assert!(!strings.is_over());
        assert_eq!(strings.push(b"f"), 4);
        assert!(strings.is_over());
        strings.push(b"");
        let expected = owned([Some("abc"), Some("de"), None, Some("")]);
        assert_eq!(texts(&mut strings), expected);
        strings.truncate(0);
        assert!(!strings.is_over());
        let mut other = Strings::new();
        other.push(b"abc");
        strings.append(&other, 0..1);
        assert!(!strings.is_over());
        strings.append(&other, 0..1);
        assert!(strings.is_over());
        assert_eq!(texts(&mut strings), owned([Some("abc"), None]));
    }

    #[test]
    fn a_text_that_is_not_utf_8_is_an_error() {
        let mut strings = Strings::new();
        strings.push(b"\xff");
        assert!(strings.take::<Utf8Type>().is_err());
    }
}
