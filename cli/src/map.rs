//! The one place where a file is mapped into memory.
#![allow(unsafe_code)]

use std::fs::File;

use carwalk::store::{CarStore, SpillFile};
use carwalk::{Loader, Repo, Result};

/// Maps a file and opens the repository in it. `index` is how much memory its index may take, and
/// the file for a larger one; how much went there is told.
pub(crate) fn open(
    loader: Loader,
    file: &File,
    index: Option<(u64, SpillFile)>,
) -> Result<(Repo<impl CarStore + use<>>, Option<u64>)> {
    // SAFETY: this process does not change the file. Another one could, and nothing here keeps it
    // from doing so: a file that is truncated meanwhile ends this process with a signal, one that
    // is overwritten can make it print nonsense. That is what tools that map their input commonly
    // accept; `--no-mmap` is for those who cannot.
    let repo = unsafe {
        match index {
            Some((limit, index)) => loader.memory_limit(limit).map(file, index),
            None => loader.map(file),
        }
    }?;
    let stored = repo.store().index_stored();
    Ok((repo, stored))
}
