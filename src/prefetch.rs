//! Bringing bytes into the cache before they are wanted.

/// Bytes that come into the cache together, on most machines.
const CACHE_LINE: usize = 64;

/// Has the CPU fetch some bytes, and does not wait for them.
#[inline]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the CPU is told where by a pointer")
)]
pub(crate) fn prefetch<T>(values: &[T]) {
    let step = const { CACHE_LINE.checked_div(size_of::<T>()) };
    for value in values.iter().step_by(step.unwrap_or(1).max(1)) {
        #[cfg(target_arch = "x86_64")]
        {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a hint, which faults at no address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(value).cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = value;
    }
}
