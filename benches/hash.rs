//! Hashing messages one by one and in lanes: `cargo bench --bench hash --features _internals`. The
//! costs in `src/sha256/method.rs` come from it.
//!
//! `RUSTFLAGS='--cfg sha2_backend="soft"'` measures single messages without the CPU's SHA-256
//! instructions.
//!
//! Prints the median time of hashing 1 to 16 messages of one block each, and of 240 messages of 1
//! to 8 blocks, in each way that this CPU has.

#![expect(
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::time::Instant;

use carwalk::internals::{HashMethod, force_hash_method, hash_all};

/// Number of timed batches, of which the median counts.
const BATCHES: usize = 41;

/// Number of repetitions in a batch.
const REPEAT: u32 = 500;

fn main() {
    let bytes = vec![7; 512];
    let one_block = vec![&bytes[..40]; 16];
    let records: Vec<&[u8]> = (0..240).map(|number| &bytes[..40 + number * 31 % 440]).collect();
    let methods = [HashMethod::Single, HashMethod::Avx2, HashMethod::Avx512];
    let methods: Vec<_> = methods.into_iter().filter(|&method| force_hash_method(method)).collect();
    println!("nanoseconds\t{methods:?}");
    for count in [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16] {
        print_row(&format!("{count} of 1 block"), &methods, &one_block[..count]);
    }
    print_row("240 of 1 to 8 blocks", &methods, &records);
}

fn print_row(title: &str, methods: &[HashMethod], messages: &[&[u8]]) {
    let mut times = vec![Vec::new(); methods.len()];
    for _ in 0..BATCHES {
        for (method, times) in methods.iter().zip(&mut times) {
            force_hash_method(*method);
            let start = Instant::now();
            for _ in 0..REPEAT {
                black_box(hash_all(black_box(messages)));
            }
            times.push(start.elapsed() / REPEAT);
        }
    }
    let medians: Vec<_> = times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[BATCHES / 2].as_nanos().to_string()
        })
        .collect();
    println!("{title}\t{}", medians.join("\t"));
}
