//! Files as redb reads and writes them: a spill file is written, a kept one is only read.

use core::fmt;
use core::ops::Range;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::car::SPILL_SIGNATURE;
use crate::error::{Error, ErrorKind, KeptFault, Result};

/// Bytes that are copied when one of them is to be other than in the file.
const GRANULE: u64 = 1 << 12;

/// Bytes of a kept file that may be other than in the file, beside a part of its length: redb only
/// writes down what it knows of free pages.
const OVERLAY: u64 = 16 << 20;

/// Part of a kept file's length that may be other than in the file.
const OVERLAY_PART: u64 = 16;

/// What went wrong with a file first. redb knows it when it happens, and later only that something
/// did.
#[derive(Clone, Default)]
pub(super) struct FirstError(Arc<Mutex<Option<io::Error>>>);

impl FirstError {
    /// Remembers an error.
    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| same(error));
        })
    }

    /// The library's error for one of redb's.
    #[cold]
    pub(super) fn explain(&self, error: impl Into<redb::Error>) -> Error {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let error = error.into();
        // It may quote the file.
        let text = || error.to_string().escape_debug().to_string();
        match (first.as_ref(), &error) {
            (Some(first), _) => Error::spill_io(same(first)),
            (None, redb::Error::ValueTooLarge(_)) => Error::store(text()),
            // The system had no complaint, so it is what the file says that makes no sense.
            (None, _) => Error::kept(KeptFault::Damaged(text().into())),
        }
    }
}

impl fmt::Debug for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstError").finish_non_exhaustive()
    }
}

/// The same error again.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// An error of the file, in the words of the store.
#[derive(Debug, thiserror::Error)]
#[error("the spill file failed")]
struct SpillIo(#[source] io::Error);

impl Error {
    #[cold]
    pub(super) fn spill_io(error: io::Error) -> Self {
        Error::store(SpillIo(error))
    }

    #[cold]
    pub(super) fn kept(fault: KeptFault) -> Self {
        Error::new(ErrorKind::Kept(fault))
    }
}

/// A file that is written.
#[derive(Debug)]
pub(super) struct SpillBackend {
    file: FileBackend,
    first: FirstError,
}

impl SpillBackend {
    pub(super) fn new(file: File, first: FirstError) -> Result<Self> {
        let file = FileBackend::new(file).map_err(|error| first.explain(error))?;
        Ok(SpillBackend { file, first })
    }
}

impl StorageBackend for SpillBackend {
    fn len(&self) -> io::Result<u64> {
        self.first.note(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.first.note(self.file.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.first.note(self.file.set_len(len))
    }

    /// A file that is to outlast the machine gets its name after all of it was written, and is on
    /// the disk before.
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.first.note(self.file.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.first.note(self.file.close())
    }
}

/// A file that is read. redb writes when it opens a file and when it closes it, so what it writes
/// stays in memory: the file need not be writable, is not changed, and can be read by many at once.
#[derive(Debug)]
pub(super) struct KeptBackend {
    file: FileBackend,
    first: FirstError,
    overlay: Mutex<Overlay>,
}

/// What is other than in the file, by granules.
#[derive(Debug)]
struct Overlay {
    granules: BTreeMap<u64, Box<[u8]>>,
    /// Length that the file seems to have.
    len: u64,
    /// Length that it has.
    file_len: u64,
}

impl KeptBackend {
    pub(super) fn new(file: File, first: FirstError) -> Result<Self> {
        let file = FileBackend::new(file).map_err(|error| first.explain(error))?;
        let len = file.len().map_err(Error::spill_io)?;
        let overlay = Mutex::new(Overlay { granules: BTreeMap::new(), len, file_len: len });
        Ok(KeptBackend { file, first, overlay })
    }

    /// Refuses what redb would not know, and what it would begin anew.
    pub(super) fn check_signature(&self) -> Result<()> {
        let mut found = [0; SPILL_SIGNATURE.len()];
        let read = self.file.len().and_then(|len| {
            if len < found.len() as u64 { Ok(()) } else { self.file.read(0, &mut found) }
        });
        read.map_err(Error::spill_io)?;
        if found == SPILL_SIGNATURE { Ok(()) } else { Err(Error::kept(KeptFault::NotOurs)) }
    }

    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the file has.
    fn read_file(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.first.note(self.file.read(offset, out))
    }
}

impl StorageBackend for KeptBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.overlay().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.overlay().read(|offset, out| self.read_file(offset, out), offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.overlay().set_len(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.overlay().write(|offset, out| self.read_file(offset, out), offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.first.note(self.file.close())
    }
}

/// How the file is read.
trait Read: Fn(u64, &mut [u8]) -> io::Result<()> {}

impl<F: Fn(u64, &mut [u8]) -> io::Result<()>> Read for F {}

impl Overlay {
    fn read(&self, file: impl Read, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64).filter(|&end| end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let in_file = usize::try_from(self.file_len.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(out.len());
        let (there, beyond) = out.split_at_mut_checked(in_file).unwrap_or_default();
        if !there.is_empty() {
            file(offset, there)?;
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

    fn write(&mut self, file: impl Read, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(data.len() as u64).filter(|&end| end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut start = offset.saturating_sub(offset % GRANULE);
        while start < end {
            let next = start.saturating_add(GRANULE);
            if !self.granules.contains_key(&(start / GRANULE)) {
                let held = (self.granules.len() as u64).saturating_mul(GRANULE);
                if held > OVERLAY.saturating_add(self.file_len / OVERLAY_PART) {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                let mut granule = vec![0; usize::try_from(GRANULE).unwrap_or(0)].into_boxed_slice();
                let there = self.len.min(next).saturating_sub(start);
                if let Some(there) = granule.get_mut(..usize::try_from(there).unwrap_or(0)) {
                    self.read(&file, start, there)?;
                }
                self.granules.insert(start / GRANULE, granule);
            }
            let common = start.max(offset)..next.min(end);
            if let Some(granule) = self.granules.get_mut(&(start / GRANULE))
                && let (Some(from), Some(to)) =
                    (part(data, &common, offset), part_mut(granule, &common, start))
            {
                to.copy_from_slice(from);
            }
            start = next;
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            // What comes back later is zeros, as in a file.
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

/// The part of `bytes`, which begin at `start`, that lies in `range`.
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
    use super::*;

    /// An overlay over a file of some bytes, beside what a file would be.
    struct Beside {
        file: Vec<u8>,
        overlay: Overlay,
        model: Vec<u8>,
    }

    impl Beside {
        fn new(len: usize) -> Self {
            let file: Vec<u8> = (1..=251).cycle().take(len).collect();
            let overlay =
                Overlay { granules: BTreeMap::new(), len: len as u64, file_len: len as u64 };
            Beside { model: file.clone(), file, overlay }
        }

        fn from(file: &[u8]) -> impl Read {
            |offset, out: &mut [u8]| {
                let at = usize::try_from(offset).unwrap();
                out.copy_from_slice(&file[at..][..out.len()]);
                Ok(())
            }
        }

        fn write(&mut self, at: usize, len: usize, byte: u8) {
            self.overlay.write(Self::from(&self.file), at as u64, &vec![byte; len]).unwrap();
            self.model[at..][..len].fill(byte);
        }

        fn set_len(&mut self, len: usize) {
            self.overlay.set_len(len as u64);
            self.model.resize(len, 0);
        }

        #[track_caller]
        fn check(&self) {
            let mut whole = vec![0xee; self.model.len()];
            self.overlay.read(Self::from(&self.file), 0, &mut whole).unwrap();
            assert!(whole == self.model);
            let len = whole.len() as u64;
            for (offset, wanted) in [(len, 1), (len.saturating_sub(1), 2), (u64::MAX, 1)] {
                let read = self.overlay.read(Self::from(&self.file), offset, &mut vec![0; wanted]);
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
        let beyond = beside.overlay.write(Beside::from(&beside.file), 12_345, &[1]);
        assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_file_that_is_written_without_end_takes_no_more_memory_than_it_may() {
        let mut beside = Beside::new(0);
        beside.overlay.set_len(u64::MAX);
        let mut writes = (0..1 << 14)
            .map(|number| beside.overlay.write(|_, _: &mut [u8]| Ok(()), number * GRANULE, &[1]));
        let refused = writes.find_map(Result::err).unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        assert!(beside.overlay.granules.len() as u64 * GRANULE <= OVERLAY + 2 * GRANULE);
    }

    #[test]
    fn the_first_error_of_the_file_is_what_is_told() {
        let first = FirstError::default();
        let later = || redb::Error::Corrupted("\u{1b}[2J".to_owned());
        assert!(
            matches!(first.explain(later()).kind(), ErrorKind::Kept(KeptFault::Damaged(text)) if !text.contains('\u{1b}'))
        );
        assert!(matches!(first.explain(redb::Error::ValueTooLarge(7)).kind(), ErrorKind::Store(_)));
        first.note(Ok(())).unwrap();
        for error in [io::Error::from_raw_os_error(28), io::ErrorKind::TimedOut.into()] {
            let first = FirstError::default();
            let kind = error.kind();
            first.note::<()>(Err(error)).unwrap_err();
            first.note::<()>(Err(io::ErrorKind::NotFound.into())).unwrap_err();
            let told = first.explain(later());
            assert!(matches!(told.kind(), ErrorKind::Store(_)), "{told}");
            assert_eq!(io::Error::from(told).kind(), kind);
        }
    }
}
