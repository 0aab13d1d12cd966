//! Maps files into memory.
#![allow(unsafe_code)]

use std::fs::File;

use carwalk::Result;
use carwalk::store::MappedFile;

/// Maps a file.
pub(super) fn file(file: &File) -> Result<MappedFile> {
    // SAFETY: this crate does not change the file. Other code of the process, or another process,
    // could: truncating the file ends this process with a signal, and overwriting it can make
    // results wrong. `read` maps large files at the same risk, and `Repo` documents it. Programs
    // that cannot accept it pass the bytes instead of the path.
    unsafe { MappedFile::map(file) }
}
