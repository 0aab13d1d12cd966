//! Maps files into memory: the only module with `unsafe` code.
#![allow(unsafe_code)]

use std::fs::File;

use carwalk::store::{CarStore, MappedFile, SliceStore, SpillFile};
use carwalk::{Loader, Repo, Result};

/// Maps a file and opens the repository in it. `index` is the memory limit of its index in bytes,
/// and the file for a larger index. Also returns the bytes that were stored in that file, if any.
pub(crate) fn open(
    loader: Loader,
    file: &File,
    index: Option<(u64, SpillFile)>,
) -> Result<(Repo<impl CarStore + use<>>, Option<u64>)> {
    // SAFETY: this process does not change the file. Another process could: truncating the file
    // ends this process with a signal, and overwriting it can make the output wrong. Tools that map
    // their input commonly accept this risk; `--no-mmap` avoids it.
    let repo = unsafe {
        match index {
            Some((limit, index)) => loader.memory_limit(limit).map(file, index),
            None => loader.map(file),
        }
    }?;
    let stored = repo.store().index_stored();
    Ok((repo, stored))
}

/// Maps a file and loads it without opening its commit, with the same arguments and results.
pub(crate) fn load(
    loader: Loader,
    file: &File,
    index: Option<(u64, SpillFile)>,
) -> Result<(SliceStore<MappedFile>, Option<u64>)> {
    // SAFETY: as in `open`.
    let bytes = unsafe { MappedFile::map(file) }?;
    let store = match index {
        Some((limit, index)) => loader.memory_limit(limit).load_slice(bytes, index),
        None => loader.load_slice(bytes),
    }?;
    let stored = store.index_stored();
    Ok((store, stored))
}
