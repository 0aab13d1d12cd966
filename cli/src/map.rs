//! The one place where a file is mapped into memory.
#![allow(unsafe_code)]

use std::fs::File;

use carwalk::store::CarStore;
use carwalk::{Loader, Repo, Result};

/// Maps a file and opens the repository in it.
pub(crate) fn open(loader: Loader<'_>, file: &File) -> Result<Repo<impl CarStore + use<>>> {
    // SAFETY: this process does not change the file. Another one could, and nothing here keeps it from doing so: a file
    // that is truncated meanwhile ends this process with a signal, one that is overwritten can make it print nonsense.
    // That is what tools that map their input commonly accept; `--no-mmap` is for those who cannot.
    unsafe { loader.map_file(file) }
}
