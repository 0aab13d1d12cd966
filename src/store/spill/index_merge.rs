//! Merging sorted runs of index entries.

use core::cmp::Ordering;
use core::ops::Range;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::index_entry::IndexEntry;
use super::repeats::Repeats;

/// The numbers of the pieces of a run.
pub(super) type Run = Range<u32>;

/// Notes the segment of `dropped`, which is removed because `first` has the same CID.
pub(super) fn note_repeat(repeats: &mut Option<Repeats>, first: IndexEntry, dropped: IndexEntry) {
    if let Some(repeats) = repeats
        && dropped.payload() != first.payload()
    {
        repeats.insert(dropped.payload());
    }
}

/// A merge of runs. One piece of each run is in memory.
pub(super) struct Merge {
    runs: Vec<RunReader>,
    /// The next entry of each run that has one.
    next: BinaryHeap<Head>,
    last: Option<IndexEntry>,
    taken: u64,
}

impl Merge {
    /// Begins with the first piece of each run. `read` reads a piece by its number.
    pub(super) fn begin<E>(
        runs: &[Run],
        mut read: impl FnMut(u32, &mut Vec<IndexEntry>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut runs: Vec<RunReader> = runs.iter().cloned().map(RunReader::new).collect();
        let mut next = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            if let Some(entry) = run.next(&mut read)? {
                next.push(Head { entry, run: number });
            }
        }
        Ok(Merge { runs, next, last: None, taken: 0 })
    }

    /// Returns the next entry in order, only the first of each CID. Notes the others as repeats.
    pub(super) fn next<E>(
        &mut self,
        repeats: &mut Option<Repeats>,
        mut read: impl FnMut(u32, &mut Vec<IndexEntry>) -> Result<(), E>,
    ) -> Result<Option<IndexEntry>, E> {
        while let Some(mut top) = self.next.peek_mut() {
            let Head { entry, run: number } = *top;
            let following = match self.runs.get_mut(number) {
                Some(run) => run.next(&mut read)?,
                None => None,
            };
            // Replacing the top sifts once; popping and pushing would sift twice.
            match following {
                Some(following) => *top = Head { entry: following, run: number },
                None => drop(PeekMut::pop(top)),
            }
            self.taken = self.taken.saturating_add(1);
            match self.last.filter(|last| last.identity() == entry.identity()) {
                Some(last) => note_repeat(repeats, last, entry),
                None => {
                    self.last = Some(entry);
                    return Ok(Some(entry));
                }
            }
        }
        Ok(None)
    }

    /// Returns how many entries were taken from the runs.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}

/// The next entry of a run. The order is reversed, because a heap has the greatest item on top.
// Equal entries are of one block, so the order of their runs does not matter.
#[derive(Clone, Copy)]
struct Head {
    entry: IndexEntry,
    run: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry
    }
}

impl Eq for Head {}

impl Ord for Head {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.entry.cmp(&self.entry)
    }
}

impl PartialOrd for Head {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The rest of a run.
struct RunReader {
    /// The entries of the current piece.
    entries: Vec<IndexEntry>,
    /// The position of the next entry.
    at: usize,
    /// The pieces that were not read yet.
    pieces: Run,
}

impl RunReader {
    fn new(pieces: Run) -> Self {
        RunReader { entries: Vec::new(), at: 0, pieces }
    }

    fn next<E>(
        &mut self,
        read: &mut impl FnMut(u32, &mut Vec<IndexEntry>) -> Result<(), E>,
    ) -> Result<Option<IndexEntry>, E> {
        if self.at >= self.entries.len() {
            let Some(piece) = self.pieces.next() else { return Ok(None) };
            read(piece, &mut self.entries)?;
            self.at = 0;
        }
        let entry = self.entries.get(self.at).copied();
        debug_assert!(entry.is_some(), "no piece is empty");
        self.at = self.at.saturating_add(1);
        Ok(entry)
    }
}
