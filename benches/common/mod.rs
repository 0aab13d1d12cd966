//! Shared code of the benches: exports, the complete walk, medians and the name of the machine.
#![allow(dead_code, reason = "no bench uses all of it")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carwalk::mst::Event;
use carwalk::store::BlockStore;
use carwalk::{Repo, Result};
use carwalk_testkit::export::{Export, Order};

/// Records and bytes that a row read. They must be the same for all rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// Walks the whole repository with `next_event`, which allocates nothing per record.
pub(crate) fn walk<S: BlockStore>(repo: &Repo<S>) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut walk = repo.walk().start();
    while let Some(event) = walk.next_event()? {
        if let Event::Record { entry, block, .. } = event {
            black_box(entry.path()?);
            tally.records += 1;
            tally.bytes += block.len();
        }
    }
    Ok(tally)
}

/// Returns the path of an export below `benches/data`, and writes the export if it is missing.
pub(crate) fn export(order: Order, records: usize) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/data");
    let path = folder.join(format!("{}-{records}.car", format!("{order:?}").to_lowercase()));
    if !path.exists() {
        fs::create_dir_all(&folder).unwrap();
        let unfinished = path.with_extension("unfinished");
        let mut file = BufWriter::new(File::create(&unfinished).unwrap());
        Export { records, seed: 1, order }.write_to(&mut file).unwrap();
        file.flush().unwrap();
        fs::rename(unfinished, &path).unwrap();
    }
    path
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.swap_remove(times.len() / 2)
}

pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_owned()
    };
    let sha =
        if field("flags").split(' ').any(|flag| flag == "sha_ni") { "with" } else { "without" };
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    format!("{}, {sha} SHA extension, {cores} cores", field("model name"))
}
