//! Reads many small repositories from memory, one after the other: `cargo bench --bench small`.
//!
//! Prints the median time for a repository and the repositories per second, for a new load each
//! and for loads in one scratch.

#![expect(
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use carwalk::mst::Event;
use carwalk::store::BlockStore;
use carwalk::{LoadScratch, Loader, Repo};
use carwalk_testkit::export::{Network, Order};

const ACCOUNTS: u32 = 3_000;

const ROUNDS: usize = 11;

fn main() {
    let network = Network::new(ACCOUNTS as usize, 1);
    let export = |number| {
        let mut bytes = Vec::new();
        network.write_to(number, Order::Pds, &mut bytes).unwrap();
        bytes
    };
    let exports: Vec<Vec<u8>> = (0..network.len()).map(export).collect();
    let (loader, mut scratch) = (Loader::new(), LoadScratch::new());
    let (mut fresh, mut reused) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        fresh.push(time(&exports, |bytes| walk(&loader.from_slice(bytes).unwrap())));
        let in_scratch = |bytes: &[u8]| walk(&loader.from_slice_in(&mut scratch, bytes).unwrap());
        reused.push(time(&exports, in_scratch));
    }
    print("new load each", fresh);
    print("one scratch", reused);
}

fn time(exports: &[Vec<u8>], mut read: impl FnMut(&[u8]) -> usize) -> Duration {
    let start = Instant::now();
    for bytes in exports {
        black_box(read(bytes));
    }
    start.elapsed()
}

/// Returns the total length of all paths and records.
fn walk<S: BlockStore>(repo: &Repo<S>) -> usize {
    let (mut walk, mut len) = (repo.walk().start(), 0_usize);
    while let Some(event) = walk.next_event().unwrap() {
        if let Event::Record { entry, block, .. } = event {
            let path = entry.path().unwrap().as_str().len();
            len = len.wrapping_add(path).wrapping_add(block.len());
        }
    }
    len
}

fn print(title: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let each = times[ROUNDS / 2] / ACCOUNTS;
    println!("{title}: {each:?}, {:.0} repositories/s", 1.0 / each.as_secs_f64());
}
