//! The bytes of the last records that came in a stream.

/// Where the bytes of a record are among those that were kept.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The number of bytes of records before it.
    start: u64,
    pub(super) len: u32,
}

/// The last bytes of records, in a ring.
pub(super) struct KeptBytes {
    ring: Vec<u8>,
    /// The number of bytes that are kept.
    max: u64,
    /// The number of bytes of all records.
    total: u64,
}

impl KeptBytes {
    pub(super) fn new(max: u64) -> Self {
        // No slice is longer.
        KeptBytes { ring: Vec::new(), max: max.min(isize::MAX as u64), total: 0 }
    }

    /// Returns how many of the last bytes are kept.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// Appends a record.
    #[inline]
    pub(super) fn push(&mut self, record: &[u8]) -> Span {
        let span = Span { start: self.total, len: u32::try_from(record.len()).unwrap_or(u32::MAX) };
        if self.max > 0 {
            self.write(record);
        }
        self.total = self.total.saturating_add(record.len() as u64);
        span
    }

    fn write(&mut self, record: &[u8]) {
        let skipped = (record.len() as u64).saturating_sub(self.max);
        let mut at = self.index_of(self.total.saturating_add(skipped));
        let mut rest = record.get(usize::try_from(skipped).unwrap_or(0)..).unwrap_or_default();
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(max.saturating_sub(at)));
            let end = at.saturating_add(part.len());
            self.lengthen(end);
            if let Some(place) = self.ring.get_mut(at..end) {
                place.copy_from_slice(part);
            }
            (at, rest) = (0, after);
        }
    }

    /// Lengthens the ring to `len` bytes, if it is shorter. It never takes more than the maximum.
    #[inline]
    fn lengthen(&mut self, len: usize) {
        if len <= self.ring.len() {
            return;
        }
        if len > self.ring.capacity() {
            let max = usize::try_from(self.max).unwrap_or(usize::MAX);
            let capacity = len.max(self.ring.capacity().saturating_mul(2)).min(max);
            self.ring.reserve_exact(capacity.saturating_sub(self.ring.len()));
        }
        self.ring.resize(len, 0);
    }

    /// Returns the index of a byte in the ring.
    fn index_of(&self, number: u64) -> usize {
        usize::try_from(number.checked_rem(self.max).unwrap_or(0)).unwrap_or(0)
    }

    /// Returns how many of the last bytes have to be kept so that a record is among them.
    pub(super) fn distance(&self, span: Span) -> u64 {
        debug_assert!(span.start <= self.total);
        self.total.saturating_sub(span.start)
    }

    /// Copies the bytes of a record into `out`. Returns whether they are still kept.
    pub(super) fn copy(&self, span: Span, out: &mut Vec<u8>) -> bool {
        out.clear();
        if self.distance(span) > self.max {
            return false;
        }
        let len = usize::try_from(span.len).unwrap_or(usize::MAX);
        let start = self.index_of(span.start);
        let first = self.ring.get(start..).unwrap_or_default();
        out.extend_from_slice(first.get(..len).unwrap_or(first));
        let missing = len.saturating_sub(out.len());
        out.extend_from_slice(self.ring.get(..missing).unwrap_or_default());
        debug_assert!(out.len() == len, "a record is not longer than the ring");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    #[test]
    fn a_record_is_kept_while_no_more_than_the_maximum_came_since_its_start() {
        for (seed, max) in [(1, 0), (2, 1), (3, 10), (4, 100), (5, 1 << 40)] {
            let mut rng = Rng::new(seed);
            let mut kept = KeptBytes::new(max);
            let (mut all, mut spans, mut out) = (Vec::new(), Vec::new(), Vec::new());
            for byte in (0..=u8::MAX).cycle().take(300) {
                let record = vec![byte; rng.below(30)];
                spans.push((all.len(), kept.push(&record)));
                all.extend_from_slice(&record);
                let &(start, span) = &spans[rng.below(spans.len())];
                let distance = (all.len() - start) as u64;
                assert_eq!(kept.distance(span), distance);
                assert_eq!(kept.copy(span, &mut out), distance <= max, "{max}");
                if distance <= max {
                    assert_eq!(out, &all[start..start + span.len as usize]);
                }
            }
            assert!(kept.ring.len() as u64 <= max);
        }
    }
}
