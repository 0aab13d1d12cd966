//! The input of a reader.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

/// The input of a reader.
#[derive(Debug)]
pub enum Source<'a> {
    /// A file, to map or to read.
    File(&'a Path),
    /// Standard input.
    Pipe,
    /// Bytes that were loaded into memory before the clock started.
    Memory(&'a [u8]),
}

impl<'a> Source<'a> {
    /// Returns all bytes without copying. A file is mapped.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or mapped. A pipe cannot be mapped.
    pub fn bytes(&self) -> io::Result<Bytes<'a>> {
        match self {
            Self::File(path) => map(&File::open(path)?).map(Bytes::Mapped),
            Self::Pipe => map(&standard_input()?).map(Bytes::Mapped),
            Self::Memory(bytes) => Ok(Bytes::Memory(bytes)),
        }
    }

    /// Returns the bytes as an unbuffered stream.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or standard input cannot be duplicated.
    pub fn stream(&self) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match *self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Pipe => Box::new(standard_input()?),
            Self::Memory(bytes) => Box::new(bytes),
        })
    }
}

fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[expect(unsafe_code, reason = "mapping a file is always unsafe")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: whoever compares readers does not modify the file meanwhile.
    unsafe { Mmap::map(file) }
}

/// The bytes of a whole file.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// A memory map.
    Mapped(Mmap),
    /// Bytes that were already in memory.
    Memory(&'a [u8]),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(bytes) => bytes,
        }
    }
}

/// Returns the path itself if it is a file, or the files in the folder in the order of their names.
///
/// # Errors
///
/// If the folder cannot be read or has no files.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.is_file());
    files.sort_unstable();
    if files.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the folder has no files"));
    }
    Ok(files)
}

/// Returns the total length of a file, or of the files in a folder.
///
/// # Errors
///
/// Those of [`files`], or if the length of a file is not known.
pub fn total_len(path: &Path) -> io::Result<u64> {
    files(path)?.iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
}
