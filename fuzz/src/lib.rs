//! Runs the body of a fuzz target, and limits its heap.

use std::sync::Once;

#[doc(hidden)]
pub use libfuzzer_sys;
use peak_alloc::PeakAlloc;

/// Counts the memory that Rust allocates. The fuzzer's own memory is not included.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Maximum heap of one run in bytes. Inputs are a few kilobytes long, so a run that takes more has
/// allocated memory from a declared length.
const MAX_HEAP: usize = 64 << 20;

/// Runs `body` on `data`.
///
/// # Panics
///
/// Panics if the body does, or if it takes more than 64 MiB of heap.
pub fn run(body: fn(&[u8]), data: &[u8]) {
    // Memory that a body allocates only once is not counted.
    static FIRST: Once = Once::new();
    FIRST.call_once(|| body(&[]));
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    body(data);
    let taken = HEAP.peak_usage().saturating_sub(before);
    assert!(taken <= MAX_HEAP, "{taken} bytes of heap for {} bytes", data.len());
}

/// Defines the fuzz target of a body.
#[macro_export]
macro_rules! target {
    ($body:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run(
            carwalk_fuzz_bodies::$body,
            data
        ));
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic = "bytes of heap for 1 bytes"]
    fn a_run_that_takes_much_heap_for_few_bytes_fails() {
        run(|data| drop(vec![1_u8; data.len() * (MAX_HEAP + 1)]), &[0]);
    }
}
