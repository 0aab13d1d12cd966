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

    /// The most bytes more than then, since then or since the peak was forgotten.
    pub(crate) fn peak(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.0)
    }

    /// The bytes more than then.
    pub(crate) fn held(&self) -> usize {
        HEAP.current_usage().saturating_sub(self.0)
    }

    pub(crate) fn forget_peak(&self) {
        HEAP.reset_peak_usage();
    }
}

/// The most bytes of heap that `run` holds at once.
pub(crate) fn peak_of<T>(run: impl FnOnce() -> T) -> usize {
    let before = Before::now();
    let kept = run();
    let peak = before.peak();
    drop(kept);
    peak
}
