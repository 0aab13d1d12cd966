//! Opening a repository: a file or bytes, compressed or not.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use carwalk::store::{MappedFile, MemoryStore, SliceStore};
use carwalk::{Limits, Loader, Repo};
use carwalk_batch::compressed::{Decompressed, Format, is_compressed};
use carwalk_batch::{Failure, MAPPED_LEN, Stop, map_file};
use pyo3::pybacked::PyBackedBytes;

use super::bytes::Bytes;

/// Bytes that recognize a header.
const HEAD_LEN: usize = 16;

/// A repository whose blocks are verified.
#[derive(Debug)]
pub(super) enum Opened {
    /// Blocks are read in place, from a CAR that is not compressed.
    InPlace(Repo<SliceStore<Bytes>>),
    /// Blocks are in memory, because the CAR is compressed or a pipe.
    InMemory(Repo<MemoryStore>),
}

/// Opens a file.
pub(super) fn path(path: &Path, stop: &Stop) -> Result<Opened, Failure> {
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || is_compressed(&file).map_err(failed)? {
        return stream(file, stop);
    }
    if metadata.len() < MAPPED_LEN {
        let (mut bytes, longest) = (Vec::new(), Limits::default().stream_len());
        file.take(longest).read_to_end(&mut bytes).map_err(failed)?;
        return in_place(Bytes::Buffer(bytes), stop);
    }
    match map(&file)? {
        Some(mapped) => in_place(Bytes::Mapped(mapped), stop),
        None => stream(file, stop),
    }
}

/// Maps a file. Returns `None` if it cannot be mapped.
#[allow(unsafe_code, reason = "a file can be mapped in no other way")]
fn map(file: &File) -> Result<Option<MappedFile>, Failure> {
    // SAFETY: this crate does not change the file. Other code of the process and other processes
    // can. `read` maps files at the same risk, and `Repo` documents it: programs that cannot accept
    // it pass the bytes instead of the path.
    unsafe { map_file(file) }.map_err(failed)
}

/// Opens a CAR in memory.
pub(super) fn bytes(bytes: PyBackedBytes, stop: &Stop) -> Result<Opened, Failure> {
    match Format::of(&bytes) {
        Some(_) => stream(&*bytes, stop),
        None => in_place(Bytes::Python(bytes), stop),
    }
}

/// Opens a CAR in place.
fn in_place(bytes: Bytes, stop: &Stop) -> Result<Opened, Failure> {
    let head: Vec<u8> = bytes.as_ref().iter().copied().take(HEAD_LEN).collect();
    let repo = loader(stop).from_slice(bytes);
    repo.map(Opened::InPlace).map_err(|error| Failure::of(&error, &head))
}

/// Loads a stream into memory.
fn stream(source: impl Read, stop: &Stop) -> Result<Opened, Failure> {
    // The error of a decoder is recognized inside of the library's.
    let refused = |error: io::Error| Failure::from(carwalk::Error::from(error));
    let mut plain = Decompressed::new(source, false).map_err(refused)?;
    let mut head = Vec::new();
    plain.by_ref().take(HEAD_LEN as u64).read_to_end(&mut head).map_err(refused)?;
    let repo = loader(stop).from_reader(head.as_slice().chain(plain));
    repo.map(Opened::InMemory).map_err(|error| Failure::of(&error, &head))
}

/// Returns the loader: every block is verified, with default limits.
fn loader(stop: &Stop) -> Loader {
    let stop = stop.clone();
    Loader::new().progress(move |_| {
        if stop.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

fn failed(error: io::Error) -> Failure {
    Failure::of_io(&error)
}
