//! An allocator that measures the heap.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// The size of the heap at some time. Later sizes are measured from there.
pub(crate) struct Before(usize);

impl Before {
    pub(crate) fn now() -> Self {
        HEAP.reset_peak_usage();
        Before(HEAP.current_usage())
    }

    /// Runs `run` and returns its result. Asserts that the heap never grows by more than `most`
    /// bytes since `now`, including its growth before the call.
    #[track_caller]
    pub(crate) fn within<T>(&self, what: &str, most: usize, run: impl FnOnce() -> T) -> T {
        self.forget_peak();
        let done = run();
        let peak = self.peak();
        assert!(peak <= most, "{what}: {peak} bytes, expected {most} at most");
        done
    }

    /// Resets [`peak`](Before::peak).
    pub(crate) fn forget_peak(&self) {
        HEAP.reset_peak_usage();
    }

    /// Returns the peak of the heap since `now` or since the last reset, in bytes above the size at
    /// `now`.
    pub(crate) fn peak(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.0)
    }

    /// Returns the current size of the heap, in bytes above the size at `now`.
    pub(crate) fn held(&self) -> usize {
        HEAP.current_usage().saturating_sub(self.0)
    }
}

/// Runs `run` and returns its result. Asserts that it never holds more than `most` bytes.
#[track_caller]
pub(crate) fn within<T>(what: &str, most: usize, run: impl FnOnce() -> T) -> T {
    Before::now().within(what, most, run)
}

/// Returns the peak of the heap while `run` runs, for tests that check more than [`within`] does.
pub(crate) fn peak_of<T>(run: impl FnOnce() -> T) -> usize {
    let before = Before::now();
    let kept = run();
    let peak = before.peak();
    drop(kept);
    peak
}
