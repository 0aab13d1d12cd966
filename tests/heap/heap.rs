//! The allocator, which counts.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// What the heap held at some time. What it held more is counted from there.
pub(crate) struct Before(usize);

impl Before {
    pub(crate) fn now() -> Self {
        HEAP.reset_peak_usage();
        Before(HEAP.current_usage())
    }

    /// Runs something and returns its result. Asserts that at no time meanwhile the heap held more
    /// than `most` bytes more than before, including what it held already.
    #[track_caller]
    pub(crate) fn within<T>(&self, what: &str, most: usize, run: impl FnOnce() -> T) -> T {
        self.forget_peak();
        let done = run();
        let peak = self.peak();
        assert!(peak <= most, "{what}: {peak} bytes, expected {most} at most");
        done
    }

    /// Forgets what [`peak`](Before::peak) was.
    pub(crate) fn forget_peak(&self) {
        HEAP.reset_peak_usage();
    }

    /// Returns the most bytes more than before, since then or since the peak was forgotten.
    pub(crate) fn peak(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.0)
    }

    /// Returns the bytes more than before.
    pub(crate) fn held(&self) -> usize {
        HEAP.current_usage().saturating_sub(self.0)
    }
}

/// Runs something and returns its result. Asserts that it holds at most `most` bytes at once.
#[track_caller]
pub(crate) fn within<T>(what: &str, most: usize, run: impl FnOnce() -> T) -> T {
    Before::now().within(what, most, run)
}

/// Returns the most bytes that something holds at once, for tests that say more of them than
/// [`within`] does.
pub(crate) fn peak_of<T>(run: impl FnOnce() -> T) -> usize {
    let before = Before::now();
    let kept = run();
    let peak = before.peak();
    drop(kept);
    peak
}
