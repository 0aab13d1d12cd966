//! Walking over a CAR in pre-order in one pass, and writing one: `cargo bench --bench stream`.
//!
//! `cargo bench --bench stream [-- RECORDS ROUNDS]` writes an export of 1.2 million records below
//! `benches/data` if it is missing. All rows run in turn. Prints median times, and their ratios to
//! a load of the same bytes from a pipe, and to a load and walk of a slice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

mod common;

use std::fs;
use std::hint::black_box;
use std::io::{Write, pipe};
use std::thread;
use std::time::{Duration, Instant};

use carwalk::mst::Event;
use carwalk::{Loader, Repo, Streamed};
use carwalk_testkit::export::Order;
use common::{machine, median, walk};

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let records = args.next().map_or(1_200_000, |arg| arg.parse().unwrap());
    let rounds = args.next().map_or(5, |arg| arg.parse().unwrap());
    let source = fs::read(common::export(Order::Pds, records)).unwrap();
    let repo = Repo::from_slice(&source[..]).unwrap();
    let mut packed = Vec::new();
    repo.write(&mut packed).unwrap();
    let loader = Loader::new();

    println!("{}", machine());
    println!("{records} records, {} bytes packed, medians of {rounds} rounds", packed.len());
    let mut times: [Vec<Duration>; 5] = Default::default();
    for _ in 0..rounds {
        times[0].push(time(|| piped(&packed, |pipe| drop(loader.load_reader(pipe).unwrap()))));
        times[1].push(time(|| piped(&packed, |pipe| one_pass(&loader, pipe))));
        times[2].push(time(|| {
            piped(&packed, |pipe| {
                black_box(walk(&loader.from_reader(pipe).unwrap()).unwrap());
            })
        }));
        times[3].push(time(|| {
            black_box(walk(&loader.from_slice(&source[..]).unwrap()).unwrap());
        }));
        times[4].push(time(|| {
            let repo = loader.from_slice(&source[..]).unwrap();
            let output = fs::File::create("/dev/null").unwrap();
            repo.write(std::io::BufWriter::new(output)).unwrap();
        }));
    }
    let [load, pass, load_and_walk, verify, pack] = times.map(median);
    let ratio = |time: Duration, to: Duration| time.as_secs_f64() / to.as_secs_f64();
    println!("load from a pipe: {load:?}");
    println!("one pass from a pipe: {pass:?}, {:.2} of the load", ratio(pass, load));
    println!("load and walk from a pipe: {load_and_walk:?}, {:.2}", ratio(load_and_walk, load));
    println!("load and walk of a slice: {verify:?}");
    println!("load and write of a slice: {pack:?}, {:.2} of the walk", ratio(pack, verify));
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// Passes the bytes through a pipe.
fn piped(bytes: &[u8], read: impl FnOnce(std::io::PipeReader)) {
    let (reader, mut writer) = pipe().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || writer.write_all(bytes).unwrap());
        read(reader);
    });
}

fn one_pass(loader: &Loader, reader: std::io::PipeReader) {
    let Streamed::PreOrder(mut walk) = loader.stream(reader).unwrap() else {
        panic!("not in pre-order")
    };
    let mut len = 0;
    while let Some(event) = walk.next_event().unwrap() {
        if let Event::Record { block, .. } = event {
            len += block.len();
        }
    }
    black_box(len);
}
