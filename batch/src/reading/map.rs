//! Maps files into memory: the only module with `unsafe` code.
#![allow(unsafe_code)]

use std::fs::File;

use carwalk::Result;
use carwalk::store::MappedFile;

/// Maps a file.
pub(super) fn bytes(file: &File) -> Result<MappedFile> {
    // SAFETY: this process does not change the file. Another process could: truncating the file
    // ends this process with a signal, and overwriting it can make the output wrong. Tools that map
    // their input commonly accept this risk; `Settings::map` avoids it.
    unsafe { MappedFile::map(file) }
}
