//! Prefetches bytes into the cache of the CPU.

/// Length of a cache line on most machines, in bytes.
const CACHE_LINE: usize = 64;

/// Starts to fetch `values` into the cache, without waiting. Does nothing except on x86-64.
#[inline]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the prefetch instruction takes a pointer")
)]
pub(crate) fn prefetch<T>(values: &[T]) {
    let step = const { CACHE_LINE.checked_div(size_of::<T>()) };
    for value in values.iter().step_by(step.unwrap_or(1).max(1)) {
        #[cfg(target_arch = "x86_64")]
        {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint, which does not fault at any address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(value).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = value;
    }
}
