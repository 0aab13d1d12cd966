//! The backend of redb for kept spill files, which does not change the file.
//!
//! redb writes when it opens and closes a file. These writes stay in memory, so the file need not
//! be writable, and several processes can read it.

use core::ops::Range;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{Database, StorageBackend};

use super::backend::SpillBackend;
use super::file_errors::FileErrors;
use crate::budget::{Budget, overlay};
use crate::car::SPILL_SIGNATURE;
use crate::error::{Error, Result, SpillFileFault};

/// Bytes that are copied into memory when one of them is overwritten.
const GRANULE: u64 = 1 << 12;

/// Opens the database in a kept spill file. With `check`, redb reads all of it and compares
/// checksums.
pub(super) fn open(
    file: File,
    budget: Budget,
    check: bool,
    errors: &FileErrors,
) -> Result<Database> {
    let file = SpillBackend::new(file, errors.clone())?;
    check_signature(&file, errors)?;
    let mut builder = Database::builder();
    builder.set_cache_size(usize::try_from(budget.redb()).unwrap_or(usize::MAX));
    builder.set_check_integrity_on_open(check);
    let backend = KeptBackend(Mutex::new(Overlay::new(file).map_err(|error| errors.io(error))?));
    errors.of(builder.create_with_backend(backend))
}

/// Checks that a file begins like one of redb's. In an empty file, redb would create a database.
fn check_signature(file: &SpillBackend, errors: &FileErrors) -> Result<()> {
    let mut found = [0; SPILL_SIGNATURE.len()];
    let read = file
        .len()
        .and_then(|len| if len < found.len() as u64 { Ok(()) } else { file.read(0, &mut found) });
    read.map_err(|error| errors.io(error))?;
    if found == SPILL_SIGNATURE {
        Ok(())
    } else {
        Err(errors.name(Error::spill_file(SpillFileFault::NotOurs)))
    }
}

/// A file that is only read.
#[derive(Debug)]
struct KeptBackend(Mutex<Overlay<SpillBackend>>);

impl KeptBackend {
    fn overlay(&self) -> MutexGuard<'_, Overlay<SpillBackend>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for KeptBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.overlay().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.overlay().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.overlay().set_len(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.overlay().write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.overlay().file.close()
    }
}

/// A file, and the bytes that were written over it.
#[derive(Debug)]
struct Overlay<F> {
    file: F,
    /// The granules with written bytes, by their numbers.
    granules: BTreeMap<u64, Box<[u8]>>,
    /// Maximum number of bytes of all granules.
    max_held: u64,
    /// Length of the file as redb sees it.
    len: u64,
    /// Length up to which bytes are those of the file, where no granule has others.
    file_len: u64,
}

impl<F: StorageBackend> Overlay<F> {
    fn new(file: F) -> io::Result<Self> {
        let len = file.len()?;
        let (granules, max_held) = (BTreeMap::new(), overlay(len));
        Ok(Overlay { file, granules, max_held, len, file_len: len })
    }

    /// Returns the end of `len` bytes at `offset`, which must be within the length.
    fn end(&self, offset: u64, len: usize) -> io::Result<u64> {
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.len);
        end.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = self.end(offset, out.len())?;
        let in_file = usize::try_from(self.file_len.saturating_sub(offset))
            .map_or(out.len(), |in_file| in_file.min(out.len()));
        let (there, beyond) = out.split_at_mut_checked(in_file).unwrap_or_default();
        if !there.is_empty() {
            self.file.read(offset, there)?;
        }
        beyond.fill(0);
        for (&number, granule) in self.granules.range(offset / GRANULE..=end / GRANULE) {
            let start = number.saturating_mul(GRANULE);
            let common = start.max(offset)..start.saturating_add(GRANULE).min(end);
            if let (Some(from), Some(to)) =
                (part(granule, &common, start), part_mut(out, &common, offset))
            {
                to.copy_from_slice(from);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = self.end(offset, data.len())?;
        let mut start = offset.saturating_sub(offset % GRANULE);
        while start < end {
            let next = start.saturating_add(GRANULE);
            let common = start.max(offset)..next.min(end);
            let granule = self.granule(start)?;
            if let (Some(from), Some(to)) =
                (part(data, &common, offset), part_mut(granule, &common, start))
            {
                to.copy_from_slice(from);
            }
            start = next;
        }
        Ok(())
    }

    /// Returns the granule that begins at `start`, copied from the file if necessary.
    fn granule(&mut self, start: u64) -> io::Result<&mut [u8]> {
        let number = start / GRANULE;
        if !self.granules.contains_key(&number) {
            let held = (self.granules.len() as u64).saturating_mul(GRANULE);
            if held >= self.max_held {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let mut granule = vec![0; usize::try_from(GRANULE).unwrap_or(0)].into_boxed_slice();
            let there = self.len.min(start.saturating_add(GRANULE)).saturating_sub(start);
            if let Some(there) = granule.get_mut(..usize::try_from(there).unwrap_or(0)) {
                self.read(start, there)?;
            }
            self.granules.insert(number, granule);
        }
        Ok(self.granules.get_mut(&number).map(|granule| &mut **granule).unwrap_or_default())
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            // If the file grows again, the bytes that were cut off are zeros.
            self.granules.retain(|&number, _| number.saturating_mul(GRANULE) < len);
            if let Some(granule) = self.granules.get_mut(&(len / GRANULE)) {
                let kept = usize::try_from(len % GRANULE).unwrap_or(0);
                granule.get_mut(kept..).unwrap_or_default().fill(0);
            }
            self.file_len = self.file_len.min(len);
        }
        self.len = len;
    }
}

/// Returns the part in `range` of bytes that begin at `start`.
fn part<'a>(bytes: &'a [u8], range: &Range<u64>, start: u64) -> Option<&'a [u8]> {
    bytes.get(relative(range, start)?)
}

fn part_mut<'a>(bytes: &'a mut [u8], range: &Range<u64>, start: u64) -> Option<&'a mut [u8]> {
    bytes.get_mut(relative(range, start)?)
}

fn relative(range: &Range<u64>, start: u64) -> Option<Range<usize>> {
    let relative = |at: u64| usize::try_from(at.checked_sub(start)?).ok();
    Some(relative(range.start)?..relative(range.end)?)
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    /// An overlay over a file of some bytes, beside what a file would be.
    struct Beside {
        overlay: Overlay<InMemoryBackend>,
        model: Vec<u8>,
    }

    impl Beside {
        fn new(len: usize) -> Self {
            let model: Vec<u8> = (1..=251).cycle().take(len).collect();
            let file = InMemoryBackend::new();
            file.set_len(len as u64).unwrap();
            file.write(0, &model).unwrap();
            Beside { overlay: Overlay::new(file).unwrap(), model }
        }

        fn write(&mut self, at: usize, len: usize, byte: u8) {
            self.overlay.write(at as u64, &vec![byte; len]).unwrap();
            self.model[at..][..len].fill(byte);
        }

        fn set_len(&mut self, len: usize) {
            self.overlay.set_len(len as u64);
            self.model.resize(len, 0);
        }

        #[track_caller]
        fn check(&self) {
            let mut whole = vec![0xee; self.model.len()];
            self.overlay.read(0, &mut whole).unwrap();
            assert!(whole == self.model);
            let len = whole.len() as u64;
            for (offset, wanted) in [(len, 1), (len.saturating_sub(1), 2), (u64::MAX, 1)] {
                let read = self.overlay.read(offset, &mut vec![0; wanted]);
                assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }

    #[test]
    fn what_is_written_over_a_file_is_read_as_from_a_file_that_was_written() {
        let mut beside = Beside::new(20_000);
        beside.check();
        for (at, len) in [(0, 1), (4095, 2), (4096, 4096), (5000, 9000), (19_999, 1), (123, 0)] {
            beside.write(at, len, 0xaa);
            beside.check();
        }
        // Within a granule, at its end, beyond the file, down to nothing, and up again.
        for len in [19_000, 8192, 8193, 30_000, 4100, 100, 0, 12_345] {
            beside.set_len(len);
            beside.check();
            if len > 0 {
                beside.write(len / 2, len - len / 2, 0xbb);
                beside.check();
            }
        }
        let beyond = beside.overlay.write(12_345, &[1]);
        assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_file_that_is_written_without_end_takes_no_more_memory_than_it_may() {
        let mut beside = Beside::new(0);
        beside.overlay.set_len(u64::MAX);
        let mut writes = (0..1 << 14).map(|number| beside.overlay.write(number * GRANULE, &[1]));
        let refused = writes.find_map(Result::err).unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert!(beside.overlay.granules.len() as u64 * GRANULE <= overlay(0));
    }
}
