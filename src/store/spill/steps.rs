//! Counters of the steps of a thread, for tests of how work grows.

use core::cell::Cell;
use std::thread::LocalKey;

thread_local! {
    /// Number of comparisons of index entries.
    pub(super) static COMPARED: Cell<u64> = const { Cell::new(0) };
    /// Number of pieces of the unfinished index that were read.
    pub(super) static PIECES_READ: Cell<u64> = const { Cell::new(0) };
    /// Number of writes of a backend. redb writes on the calling thread.
    pub(super) static WRITES: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn count(counter: &'static LocalKey<Cell<u64>>) {
    counter.set(counter.get().saturating_add(1));
}

/// Returns how many steps `run` takes.
pub(super) fn counted<T>(
    counter: &'static LocalKey<Cell<u64>>,
    run: impl FnOnce() -> T,
) -> (u64, T) {
    let before = counter.get();
    let returned = run();
    (counter.get().saturating_sub(before), returned)
}
