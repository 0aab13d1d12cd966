//! The readers: how each one is run, what it returns, and what it checks.

mod carwalk;
mod iroh_car;
mod jacquard;
mod repo_stream;
mod repo_stream_0_2;
mod script;
mod sha2;
mod shrike;

use std::sync::LazyLock;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

pub use self::script::Script;
use crate::Result;
use crate::source::Source;
use crate::tally::{CidBytes, Tally};

/// Reads a source and counts the items.
pub type ReadFn = Box<dyn FnMut(&Source<'_>, &mut Tally) -> Result<()>>;

/// A reader that is measured.
#[derive(Debug)]
pub struct Reader {
    /// Name on the command line and in record files.
    pub name: &'static str,
    /// Name in tables and charts.
    pub title: &'static str,
    /// Way in which it receives a file.
    pub input: Input,
    /// Kind of items that it returns.
    pub items: Items,
    /// Whether it is timed on small files in memory. Readers that would do the same there as
    /// another reader are not.
    pub repeats: bool,
    /// The checks that it makes or leaves out.
    pub checks: &'static str,
    /// Function or script that runs it.
    pub work: Work,
}

/// The way in which a reader receives a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// It opens the file.
    File,
    /// Another process writes the file into a pipe.
    Pipe,
}

/// The kind of items that a reader returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Items {
    /// Records in key order: key, CID and bytes.
    Records,
    /// Entries of the tree in key order: key and CID.
    Entries,
    /// Blocks in the order of the file: CID and bytes.
    Blocks,
}

/// The function or script that runs a reader.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// The function that this one creates, in the worker's process.
    Rust(fn() -> ReadFn),
    /// A script, in the process of an interpreter.
    Script(Script),
}

/// The purpose of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Read the file once, and time that.
    Once,
    /// Load the file into memory, read it repeatedly, and time that.
    Repeat,
    /// Hash everything that the reader returns. The time is meaningless.
    Check,
}

/// The reader that all others are compared with.
pub const REFERENCE: &str = "carwalk-mapped";

/// Name of the reader with which all others are compared on folders of small files.
pub const BATCH_REFERENCE: &str = "carwalk-scratch";

/// The reader that does nothing but hash the blocks.
pub const YARDSTICK: &str = "sha2";

/// All readers, in the order of the table.
pub const READERS: &[Reader] = &[
    carwalk::SCRATCH,
    carwalk::MAPPED,
    carwalk::RECORDS,
    carwalk::READER,
    carwalk::PIPE,
    carwalk::SPILLED,
    carwalk::ONE_PASS,
    carwalk::ENTRIES,
    repo_stream::IN_MEMORY,
    repo_stream::KEYS,
    repo_stream::SPILLED,
    repo_stream_0_2::IN_MEMORY,
    shrike::LOAD_CAR,
    shrike::PARTS,
    jacquard::IN_MEMORY,
    script::ATCUTE,
    script::PYTHON_LIBIPLD,
    iroh_car::FRAMING,
    iroh_car::HASHING,
    sha2::HASHING,
];

/// Finds a reader by its name.
///
/// # Errors
///
/// If there is no such reader.
pub fn find(name: &str) -> Result<&'static Reader> {
    let found = READERS.iter().find(|reader| reader.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = READERS.iter().map(|reader| reader.name).collect();
        format!("unknown reader {name:?}: the readers are {}", names.join(", ")).into()
    })
}

/// The runtime of async peers, created once. It has a single thread; tasks for blocking work run on
/// further threads.
static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_current_thread().build());

fn block_on<F: Future<Output = Result<()>>>(work: F) -> Result<()> {
    RUNTIME.as_ref().map_err(ToString::to_string)?.block_on(work)
}

/// Returns the bytes of a CID of the `cid` crate, which most peers use.
fn cid_bytes(cid: &cid::Cid) -> CidBytes {
    let mut bytes = [0; 36];
    let written = cid.write_bytes(bytes.as_mut_slice());
    debug_assert_eq!(written.ok(), Some(bytes.len()));
    bytes
}

/// Computes the CID of a block, for peers that do not return it.
fn cid_of(block: &[u8]) -> CidBytes {
    *carwalk_cid(block).as_bytes()
}

fn carwalk_cid(block: &[u8]) -> ::carwalk::Cid {
    ::carwalk::Cid::of(::carwalk::cid::Codec::DagCbor, block)
}
