//! Where a reader has the file from.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::path::Path;

use memmap2::Mmap;

/// Where a reader has the file from.
#[derive(Debug)]
pub enum Source<'a> {
    /// A file, to map or to read.
    File(&'a Path),
    /// Standard input.
    Pipe,
    /// Bytes that are in memory before the clock starts.
    Memory(&'a [u8]),
}

impl<'a> Source<'a> {
    /// All bytes at once: a file is mapped, memory is there. Nothing is copied.
    ///
    /// # Errors
    ///
    /// If the file cannot be mapped; a pipe cannot.
    pub fn bytes(&self) -> io::Result<Bytes<'a>> {
        match self {
            Self::File(path) => map(&File::open(path)?).map(Bytes::Mapped),
            Self::Pipe => map(&standard_input()?).map(Bytes::Mapped),
            Self::Memory(bytes) => Ok(Bytes::Memory(bytes)),
        }
    }

    /// The bytes as a stream, without a buffer between.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
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

#[expect(unsafe_code, reason = "a file can be mapped in no other way")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: whoever compares readers leaves the file alone meanwhile.
    unsafe { Mmap::map(file) }
}

/// A whole file.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// In a memory map.
    Mapped(Mmap),
    /// In memory before.
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
