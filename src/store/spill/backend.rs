//! The backend of redb for spill files that are not complete.

use std::fs::File;
use std::io;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::file_errors::FileErrors;
use crate::error::Result;

/// A file that redb reads and writes.
#[derive(Debug)]
pub(super) struct SpillBackend {
    file: FileBackend,
    errors: FileErrors,
}

impl SpillBackend {
    pub(super) fn new(file: File, errors: FileErrors) -> Result<Self> {
        let file = errors.of(FileBackend::new(file))?;
        Ok(SpillBackend { file, errors })
    }
}

impl StorageBackend for SpillBackend {
    fn len(&self) -> io::Result<u64> {
        self.errors.note(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.errors.note(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.errors.note(self.file.set_len(len))
    }

    // Nothing has to survive a crash: a temporary file is deleted then, and a kept one is synced
    // once, before it is renamed.
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        super::steps::count(&super::steps::WRITES);
        self.errors.note(self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.errors.note(self.file.close())
    }
}
