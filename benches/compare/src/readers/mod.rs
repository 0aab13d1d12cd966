//! The readers: what each one is, what it gives, and what it leaves unchecked.

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

/// A reader, under test or as a yardstick.
#[derive(Debug)]
pub struct Reader {
    /// Its name on the command line and in record files.
    pub name: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// Where it has a file from.
    pub input: Input,
    /// What it gives.
    pub items: Items,
    /// Whether it is timed on small files, in memory: not those that would do there what another
    /// does.
    pub repeats: bool,
    /// What it checks, or what it leaves unchecked, in one sentence.
    pub checks: &'static str,
    /// How it is run.
    pub work: Work,
}

/// Where a reader has a file from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// It opens the file.
    File,
    /// Another process writes the file into a pipe.
    Pipe,
}

/// What a reader gives.
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

/// How a reader is run.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// In the worker's process, by this function.
    Rust(fn(&Source<'_>, &mut Tally) -> Result<()>),
    /// By an interpreter.
    Script(Script),
}

/// What a run is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The file is read once, and that is timed.
    Once,
    /// The file is in memory and read again and again.
    Repeat,
    /// Everything that the reader gives is hashed; the time means nothing.
    Check,
}

/// The reader that all others are compared with.
pub const REFERENCE: &str = "carwalk-mapped";

/// The hashing that no reader can do without.
pub const YARDSTICK: &str = "sha2";

/// All readers, in the order of the table.
pub const READERS: &[Reader] = &[
    carwalk::MAPPED,
    carwalk::READER,
    carwalk::PIPE,
    carwalk::SPILLED,
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

/// The reader of that name.
///
/// # Errors
///
/// If there is none.
pub fn find(name: &str) -> Result<&'static Reader> {
    let found = READERS.iter().find(|reader| reader.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = READERS.iter().map(|reader| reader.name).collect();
        format!("no reader {name:?}: there are {}", names.join(", ")).into()
    })
}

/// For the peers that are async: one thread, made once. Those that start tasks for blocking work
/// get a second from it.
static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_current_thread().build());

fn block_on<F: Future<Output = Result<()>>>(work: F) -> Result<()> {
    RUNTIME.as_ref().map_err(ToString::to_string)?.block_on(work)
}

/// The bytes of the CID that most peers use.
fn cid_bytes(cid: &cid::Cid) -> CidBytes {
    let mut bytes = [0; 36];
    let written = cid.write_bytes(bytes.as_mut_slice());
    debug_assert_eq!(written.ok(), Some(bytes.len()));
    bytes
}

/// The CID of a block, for peers that do not tell it.
fn cid_of(block: &[u8]) -> CidBytes {
    *carwalk_cid(block).as_bytes()
}

fn carwalk_cid(block: &[u8]) -> ::carwalk::Cid {
    ::carwalk::Cid::of(::carwalk::cid::Codec::DagCbor, block)
}
