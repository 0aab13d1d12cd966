//! External sorting of the entries of the index.
//!
//! Entries that fit into memory are sorted and stored as a run, in pieces of 16 KiB. Then runs are
//! merged, as many at a time as memory has room for a piece of each, and the merged runs are stored
//! again. The last merge returns all entries. Each entry is read and compared about log n times.

use std::collections::VecDeque;

use redb::{ReadableTable, WriteTransaction};

use super::index_entry::IndexEntry;
use super::index_merge::{Merge, Run, note_repeat};
use super::repeats::Repeats;
use super::tables::{PIECES, page_len};

/// Number of entries of a piece, which fills a page of redb's of 16 KiB.
const PIECE: usize = 16_372 / IndexEntry::LEN;

/// Takes entries in any order and returns them sorted, one for each CID.
pub(super) struct IndexSorter {
    buffer: Vec<IndexEntry>,
    /// Number of entries that are sorted together.
    capacity: usize,
    /// The stored runs, in the order in which they were stored.
    runs: VecDeque<Run>,
    /// Number of entries in the stored runs.
    stored: u64,
    /// The number of the next piece.
    next_piece: u32,
    /// Payloads of removed entries, if they are the numbers of segments.
    repeats: Option<Repeats>,
}

impl IndexSorter {
    /// Creates a sorter that takes `memory` bytes. With `of_segments`, payloads are the numbers of
    /// segments, and those with repeated blocks are noted.
    pub(super) fn new(memory: u64, of_segments: bool) -> Self {
        let capacity = usize::try_from(memory).unwrap_or(usize::MAX) / IndexEntry::LEN;
        IndexSorter {
            buffer: Vec::new(),
            capacity: capacity.max(PIECE),
            runs: VecDeque::new(),
            stored: 0,
            next_piece: 0,
            repeats: of_segments.then(Repeats::default),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= self.capacity
    }

    pub(super) fn push(&mut self, entry: IndexEntry) {
        if self.buffer.len() == self.buffer.capacity() {
            let room = self.capacity.saturating_sub(self.buffer.len());
            // Doubles, but never beyond the capacity, which is the share of memory.
            self.buffer.reserve_exact(self.buffer.len().max(PIECE).min(room).max(1));
        }
        self.buffer.push(entry);
    }

    /// Returns an upper bound of the number of distinct CIDs.
    pub(super) fn max_len(&self) -> u64 {
        self.stored.saturating_add(self.buffer.len() as u64)
    }

    /// Stores the buffered entries as a run. Returns the number of bytes that it takes in the file.
    pub(super) fn flush(&mut self, txn: &WriteTransaction) -> Result<u64, redb::Error> {
        self.sort();
        let mut table = txn.open_table(PIECES)?;
        let mut run = RunWriter::new(self.next_piece);
        for piece in self.buffer.chunks(PIECE) {
            for &entry in piece {
                run.push(&mut table, entry)?;
            }
        }
        self.buffer.clear();
        run.finish(&mut table, self)
    }

    /// Makes the next step towards [`finish`](IndexSorter::finish): stores a run, or merges runs
    /// into one. Returns the number of bytes that it takes in the file, or `None` if there is no
    /// further step.
    pub(super) fn prepare(&mut self, txn: &WriteTransaction) -> Result<Option<u64>, redb::Error> {
        if self.runs.is_empty() {
            return Ok(None);
        }
        if !self.buffer.is_empty() {
            let written = self.flush(txn)?;
            // The pieces that are merged need the memory.
            self.buffer = Vec::new();
            return Ok(Some(written));
        }
        let surplus = self.runs.len().saturating_sub(self.fan_in());
        if surplus == 0 {
            return Ok(None);
        }
        // Early runs are the shortest; merging no more than necessary reads the fewest entries.
        let count = surplus.saturating_add(1).min(self.fan_in());
        let runs: Vec<Run> = self.runs.drain(..count).collect();
        self.merge(&runs, txn).map(Some)
    }

    /// Merges runs into one, and frees them.
    fn merge(&mut self, runs: &[Run], txn: &WriteTransaction) -> Result<u64, redb::Error> {
        debug_assert!(runs.len() <= self.fan_in(), "memory has room for a piece of each run");
        let mut table = txn.open_table(PIECES)?;
        let mut run = RunWriter::new(self.next_piece);
        let take = |table: &mut Pieces<'_>, number, entries: &mut Vec<IndexEntry>| {
            let piece = table.remove(number)?.ok_or_else(missing)?;
            read_piece(piece.value(), entries);
            Ok::<_, redb::Error>(())
        };
        let mut merge = Merge::begin(runs, |number, entries| take(&mut table, number, entries))?;
        while let Some(entry) =
            merge.next(&mut self.repeats, |number, entries| take(&mut table, number, entries))?
        {
            run.push(&mut table, entry)?;
        }
        self.stored = self.stored.saturating_sub(merge.taken());
        run.finish(&mut table, self)
    }

    /// Passes all entries to `give` in order, one for each CID. Stored runs are not deleted.
    /// Returns the number of these entries, and the payloads of the removed ones.
    pub(super) fn finish<E: From<redb::Error>>(
        mut self,
        txn: &WriteTransaction,
        mut give: impl FnMut(IndexEntry) -> Result<(), E>,
    ) -> Result<(u64, Repeats), E> {
        if self.runs.is_empty() {
            self.sort();
            self.buffer.iter().try_for_each(|&entry| give(entry))?;
            return Ok((self.buffer.len() as u64, self.repeats.unwrap_or_default()));
        }
        debug_assert!(self.buffer.is_empty() && self.runs.len() <= self.fan_in(), "was prepared");
        let table = txn.open_table(PIECES).map_err(redb::Error::from)?;
        let read = |number, entries: &mut Vec<IndexEntry>| {
            let piece = table.get(number)?.ok_or_else(missing)?;
            read_piece(piece.value(), entries);
            Ok::<_, redb::Error>(())
        };
        let mut distinct = 0_u64;
        let mut merge = Merge::begin(self.runs.make_contiguous(), read)?;
        while let Some(entry) = merge.next(&mut self.repeats, read)? {
            distinct = distinct.saturating_add(1);
            give(entry)?;
        }
        Ok((distinct, self.repeats.unwrap_or_default()))
    }

    /// Returns how many runs are merged at a time: memory has room for a piece of each, and for the
    /// piece that is written.
    fn fan_in(&self) -> usize {
        (self.capacity / PIECE).saturating_sub(1).max(2)
    }

    /// Sorts the buffered entries and keeps the first of each CID.
    fn sort(&mut self) {
        let IndexSorter { buffer, repeats, .. } = self;
        buffer.sort_unstable();
        buffer.dedup_by(|later, first| {
            let is_repeat = later.identity() == first.identity();
            if is_repeat {
                note_repeat(repeats, *first, *later);
            }
            is_repeat
        });
    }
}

type Pieces<'t> = redb::Table<'t, u32, &'static [u8]>;

#[cold]
fn missing() -> redb::Error {
    redb::Error::Corrupted("a piece of the index is missing".to_owned())
}

fn read_piece(piece: &[u8], entries: &mut Vec<IndexEntry>) {
    #[cfg(test)]
    super::steps::count(&super::steps::PIECES_READ);
    let (stored, rest) = piece.as_chunks();
    debug_assert!(rest.is_empty(), "a piece has whole entries");
    entries.clear();
    entries.extend(stored.iter().map(|&bytes| IndexEntry::from_bytes(bytes)));
}

/// Stores a run piece by piece.
struct RunWriter {
    bytes: Vec<u8>,
    pieces: Run,
    entries: u64,
    /// Number of bytes that the pieces take in the file.
    stored: u64,
}

impl RunWriter {
    fn new(first: u32) -> Self {
        let bytes = Vec::with_capacity(PIECE.saturating_mul(IndexEntry::LEN));
        RunWriter { bytes, pieces: first..first, entries: 0, stored: 0 }
    }

    fn push(&mut self, table: &mut Pieces<'_>, entry: IndexEntry) -> Result<(), redb::Error> {
        if self.bytes.len() == PIECE.saturating_mul(IndexEntry::LEN) {
            self.store(table)?;
        }
        self.entries = self.entries.saturating_add(1);
        self.bytes.extend_from_slice(&entry.to_bytes());
        Ok(())
    }

    fn store(&mut self, table: &mut Pieces<'_>) -> Result<(), redb::Error> {
        let number = self.pieces.end;
        self.pieces.end =
            number.checked_add(1).ok_or(redb::Error::ValueTooLarge(self.bytes.len()))?;
        table.insert(number, self.bytes.as_slice())?;
        self.stored = self.stored.saturating_add(page_len(self.bytes.len()) as u64);
        self.bytes.clear();
        Ok(())
    }

    /// Stores the last piece and adds the run to the sorter. Returns the number of bytes that the
    /// run takes in the file.
    fn finish(
        mut self,
        table: &mut Pieces<'_>,
        sorter: &mut IndexSorter,
    ) -> Result<u64, redb::Error> {
        if !self.bytes.is_empty() {
            self.store(table)?;
        }
        sorter.next_piece = self.pieces.end;
        sorter.stored = sorter.stored.saturating_add(self.entries);
        sorter.runs.push_back(self.pieces);
        Ok(self.stored)
    }
}

#[cfg(test)]
mod tests {
    use redb::{Database, backends::InMemoryBackend};

    use super::super::steps::{COMPARED, PIECES_READ, counted};
    use super::*;
    use crate::cid::{Cid, Codec};
    use crate::store::hash::Secret;

    fn database() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    /// Sorts entries, and checks that no merge is wider than memory allows.
    fn sorted(
        memory: u64,
        entries: impl Iterator<Item = IndexEntry>,
    ) -> (u64, Repeats, Vec<IndexEntry>) {
        let db = database();
        let txn = db.begin_write().unwrap();
        let mut sorter = IndexSorter::new(memory, true);
        for entry in entries {
            sorter.push(entry);
            assert!(sorter.buffer.capacity() <= sorter.capacity);
            if sorter.is_full() {
                sorter.flush(&txn).unwrap();
            }
        }
        while sorter.prepare(&txn).unwrap().is_some() {}
        let mut given = Vec::new();
        let finished = sorter.finish(&txn, |entry| {
            given.push(entry);
            Ok::<(), redb::Error>(())
        });
        let (distinct, repeats) = finished.unwrap();
        (distinct, repeats, given)
    }

    #[test]
    fn entries_come_sorted_and_once_for_each_cid_however_often_they_were_stored() {
        let secrets = [Secret::random(), Secret::random()];
        let cids: Vec<Cid> =
            (0..60_000u32).map(|number| Cid::of(Codec::Raw, &number.to_le_bytes())).collect();
        let mut expected: Vec<IndexEntry> =
            (0..).zip(&cids).map(|(at, cid)| IndexEntry::new(&secrets, cid, true, at)).collect();
        expected.sort_unstable();
        // All in memory, with one merge, with two levels, and with as many as there can be.
        for memory in [1 << 24, 1 << 20, 1 << 18, 0] {
            // Later ones and bad ones come first, and do not stay.
            let entries = [2, 1, 0].into_iter().flat_map(|round| {
                let payloads = (0..).map(move |at| at + (round % 2) * 100_000);
                let entry =
                    move |(payload, cid)| IndexEntry::new(&secrets, cid, round != 2, payload);
                payloads.zip(&cids).map(entry)
            });
            let (distinct, repeats, given) = sorted(memory, entries);
            assert_eq!(distinct, cids.len() as u64);
            // There may be others: entries that were first until an earlier one was merged.
            assert!((100_000..160_000).all(|at| repeats.contains(at)));
            assert!(given == expected);
        }
    }

    #[test]
    fn one_cid_repeated_without_end_takes_one_entry_of_a_run() {
        let db = database();
        let txn = db.begin_write().unwrap();
        let secrets = [Secret::random(), Secret::random()];
        let cid = Cid::of(Codec::Raw, b"");
        let mut sorter = IndexSorter::new(1 << 20, true);
        let capacity = sorter.capacity as u64;
        for number in 0..200_000 {
            sorter.push(IndexEntry::new(&secrets, &cid, true, number));
            if sorter.is_full() {
                sorter.flush(&txn).unwrap();
            }
        }
        assert!(sorter.max_len() < 200_000 / capacity + capacity);
        let entries = (0..200_000).map(|number| IndexEntry::new(&secrets, &cid, true, number));
        let (distinct, repeats, given) = sorted(0, entries);
        assert!((0..300_000).all(|at| repeats.contains(at) == (1..200_000).contains(&at)));
        assert_eq!((distinct, given), (1, vec![IndexEntry::new(&secrets, &cid, true, 0)]));
    }

    /// Sorting one part of the range of hashes at a time would read each piece for each part.
    #[test]
    fn work_grows_as_n_log_n_at_a_fixed_limit() {
        const MEMORY: u64 = 1 << 16;
        let secrets = [Secret::random(), Secret::random()];
        let mut before: Option<f64> = None;
        for doublings in 13..20 {
            let count = 1_u64 << doublings;
            let entries = (0..count).map(|number| {
                let mut digest = [0; 32];
                digest[..8].copy_from_slice(&number.to_le_bytes());
                let cid = Cid::of(Codec::Raw, &digest);
                IndexEntry::new(&secrets, &cid, true, number & MAX_PAYLOAD)
            });
            let (compared, (read, (distinct, ..))) =
                counted(&COMPARED, || counted(&PIECES_READ, || sorted(MEMORY, entries)));
            assert_eq!(distinct, count);
            let (n, log) = (count as f64, doublings as f64);
            let pieces = n / PIECE as f64;
            // Three runs are merged at a time, so there are log3 n levels at most, each of which
            // reads every piece once and compares each entry some times.
            assert!((read as f64) <= 1.5 * pieces * log, "{read} pieces of {pieces} at {count}");
            assert!((compared as f64) <= 4.0 * n * log, "{compared} comparisons at {count}");
            let steps = (compared as f64 + read as f64 * PIECE as f64) / (n * log);
            if let Some(before) = before {
                assert!(steps < before * 1.2, "{before} steps, then {steps} at {count}");
            }
            before = Some(steps);
        }
    }

    /// A payload that can be a segment's number.
    const MAX_PAYLOAD: u64 = (1 << 20) - 1;
}
