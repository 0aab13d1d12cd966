//! Readers that behave like the worst streams: short reads, interruptions, failures, panics, and
//! false return values.
//!
//! Offsets count the bytes that a reader has returned.
//!
//! ```
//! use std::io::{ErrorKind, Read};
//!
//! use carwalk_testkit::readers::{Counts, FailsAt, OneByte};
//!
//! let counts = Counts::default();
//! let input = FailsAt::new(&b"blocks"[..], 4, ErrorKind::TimedOut);
//! let mut read = Vec::new();
//! let error = OneByte(counts.reader(input)).read_to_end(&mut read).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::TimedOut);
//! assert_eq!((&read[..], counts.bytes(), counts.reads()), (&b"bloc"[..], 4, 5));
//! ```

use std::cell::Cell;
use std::io::{self, Read};

use crate::rng::Rng;

/// A reader that returns one byte at each call.
#[derive(Clone, Debug)]
pub struct OneByte<R>(
    /// The underlying reader.
    pub R,
);

impl<R: Read> Read for OneByte<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

/// A reader that returns random amounts, and is interrupted at one call in four.
#[derive(Debug)]
pub struct Ragged<R> {
    input: R,
    rng: Rng,
}

impl<R> Ragged<R> {
    /// Reads `input` in amounts that depend on `seed`.
    pub fn new(input: R, seed: u64) -> Self {
        Ragged { input, rng: Rng::new(seed) }
    }
}

impl<R: Read> Read for Ragged<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rng.chance(1, 4) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = if self.rng.chance(1, 3) { 4 } else { 5000 };
        let len = buffer.len().min(self.rng.range(1, most));
        self.input.read(&mut buffer[..len])
    }
}

/// A reader that returns pieces of given lengths. No read spans two pieces; a piece may take
/// several reads.
///
/// An empty piece is an interruption. The bytes after the last piece are returned without division
/// into pieces.
#[derive(Debug)]
pub struct Pieces<R, L> {
    input: R,
    lens: L,
    /// Remaining bytes of the current piece.
    left: usize,
}

impl<R, L: Iterator<Item = usize>> Pieces<R, L> {
    /// Reads `input` in pieces of these lengths.
    pub fn new(input: R, lens: impl IntoIterator<IntoIter = L>) -> Self {
        Pieces { input, lens: lens.into_iter(), left: 0 }
    }
}

impl<R: Read, L: Iterator<Item = usize>> Read for Pieces<R, L> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.left = self.lens.next().unwrap_or(usize::MAX);
        }
        if self.left == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(self.left);
        let read = self.input.read(&mut buffer[..len])?;
        self.left -= read;
        Ok(read)
    }
}

/// The counts of a [`Counting`] reader.
#[derive(Debug, Default)]
pub struct Counts {
    bytes: Cell<u64>,
    reads: Cell<u64>,
}

impl Counts {
    /// Returns a reader that adds to these counts.
    pub fn reader<R>(&self, input: R) -> Counting<'_, R> {
        Counting { input, counts: self }
    }

    /// Returns the number of bytes that the reader returned.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Returns the number of calls of `read`, including those that failed.
    pub fn reads(&self) -> u64 {
        self.reads.get()
    }
}

/// A reader that counts calls and bytes. Made by [`Counts::reader`].
#[derive(Debug)]
pub struct Counting<'c, R> {
    input: R,
    counts: &'c Counts,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.counts.reads.set(self.counts.reads.get() + 1);
        let read = self.input.read(buffer)?;
        self.counts.bytes.set(self.counts.bytes.get() + read as u64);
        Ok(read)
    }
}

/// A reader that calls a function once, when it is read at an offset.
#[derive(Debug)]
pub struct CallsAt<R, F> {
    input: R,
    /// Remaining bytes before the offset.
    left: usize,
    call: Option<F>,
}

impl<R, F: FnOnce()> CallsAt<R, F> {
    /// Reads `input`, and calls `call` before the byte at `at`, or the end at this offset, is read.
    pub fn new(input: R, at: usize, call: F) -> Self {
        CallsAt { input, left: at, call: Some(call) }
    }
}

impl<R, F> CallsAt<R, F> {
    /// Returns the function if the offset is reached for the first time.
    fn due(&mut self) -> Option<F> {
        if self.left == 0 { self.call.take() } else { None }
    }
}

impl<R: Read, F> CallsAt<R, F> {
    /// Reads up to the offset, or anything after it.
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = if self.left == 0 { buffer.len() } else { buffer.len().min(self.left) };
        let read = self.input.read(&mut buffer[..most])?;
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}

impl<R: Read, F: FnOnce()> Read for CallsAt<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(call) = self.due() {
            call();
        }
        self.read_on(buffer)
    }
}

/// A reader that fails once, when it is read at an offset. Later reads continue.
#[derive(Debug)]
pub struct FailsAt<R>(CallsAt<R, io::Error>);

impl<R> FailsAt<R> {
    /// Reads `input`, and fails with `error` in place of the byte at `at`, or of the end at this
    /// offset.
    pub fn new(input: R, at: usize, error: impl Into<io::Error>) -> Self {
        FailsAt(CallsAt { input, left: at, call: Some(error.into()) })
    }
}

impl<'a> FailsAt<&'a [u8]> {
    /// Fails after all of `bytes`.
    pub fn after(bytes: &'a [u8], error: impl Into<io::Error>) -> Self {
        FailsAt::new(bytes, bytes.len(), error)
    }
}

impl<R: Read> Read for FailsAt<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.due() {
            Some(error) => Err(error),
            None => self.0.read_on(buffer),
        }
    }
}

/// A reader that panics when it is read at an offset.
#[derive(Debug)]
pub struct PanicsAt<R>(CallsAt<R, ()>);

/// The message with which [`PanicsAt`] panics.
pub const PANIC: &str = "the stream panics";

impl<R> PanicsAt<R> {
    /// Reads `input`, and panics in place of the byte at `at`, or of the end at this offset.
    pub fn new(input: R, at: usize) -> Self {
        PanicsAt(CallsAt { input, left: at, call: Some(()) })
    }
}

impl<R: Read> Read for PanicsAt<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.due().is_some() {
            panic!("{PANIC}");
        }
        self.0.read_on(buffer)
    }
}

/// A reader that once returns 0 at an offset, as at the end. Later reads continue.
#[derive(Debug)]
pub struct EndsAt<R>(CallsAt<R, ()>);

impl<R> EndsAt<R> {
    /// Reads `input`, and claims to be at the end when the byte at `at` is read.
    pub fn new(input: R, at: usize) -> Self {
        EndsAt(CallsAt { input, left: at, call: Some(()) })
    }
}

impl<R: Read> Read for EndsAt<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.due() {
            Some(()) => Ok(0),
            None => self.0.read_on(buffer),
        }
    }
}

/// A reader that returns a larger number than the bytes that it has read, at each call.
#[derive(Debug)]
pub struct Overstates<R> {
    input: R,
    by: usize,
}

impl<R> Overstates<R> {
    /// Reads `input`, and adds `by` to each returned number of bytes.
    pub fn new(input: R, by: usize) -> Self {
        Overstates { input, by }
    }
}

impl<R: Read> Read for Overstates<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.input.read(buffer)?.saturating_add(self.by))
    }
}

/// A reader over byte strings, one after the other. Each is made when the one before has been read.
#[derive(Debug)]
pub struct Generated<I> {
    items: I,
    current: io::Cursor<Vec<u8>>,
}

impl<I: Iterator<Item = Vec<u8>>> Generated<I> {
    /// Reads these byte strings.
    pub fn new(items: impl IntoIterator<IntoIter = I>) -> Self {
        Generated { items: items.into_iter(), current: io::Cursor::default() }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Read for Generated<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.items.next() {
                Some(item) => self.current = io::Cursor::new(item),
                None => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const INPUT: &[u8] = b"a stream of some bytes";

    /// The results of reads into a buffer of 100 bytes, up to the second end.
    fn reads(mut reader: impl Read) -> Vec<Result<Vec<u8>, io::ErrorKind>> {
        let (mut reads, mut ends) = (Vec::new(), 0);
        while ends < 2 {
            let mut buffer = [0; 100];
            let read = reader.read(&mut buffer);
            ends += u32::from(matches!(read, Ok(0)));
            reads.push(read.map(|len| buffer[..len].to_vec()).map_err(|error| error.kind()));
        }
        reads
    }

    fn all(mut reader: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn short_reads_lose_nothing() {
        assert_eq!(all(OneByte(INPUT)), INPUT);
        assert_eq!(all(Ragged::new(INPUT, 3)), INPUT);
        assert_eq!(all(Pieces::new(INPUT, [0, 3, 0, 0, 5])), INPUT);
        assert_eq!(all(Generated::new(INPUT.chunks(3).map(Vec::from))), INPUT);
        assert_eq!(all(Generated::new([vec![], INPUT.to_vec(), vec![], vec![]])), INPUT);
    }

    #[test]
    fn no_read_spans_two_pieces() {
        let [first, interruption, second, rest] = &reads(Pieces::new(INPUT, [2, 0, 6]))[..4] else {
            panic!()
        };
        assert_eq!(*first, Ok(b"a ".to_vec()));
        assert_eq!(*interruption, Err(io::ErrorKind::Interrupted));
        assert_eq!((second, rest), (&Ok(b"stream".to_vec()), &Ok(INPUT[8..].to_vec())));
    }

    #[test]
    fn whatever_happens_at_an_offset_happens_once_before_its_byte() {
        for at in [0, 1, 8, INPUT.len()] {
            let (before, after) = (INPUT[..at].to_vec(), INPUT[at..].to_vec());
            let failed = reads(FailsAt::new(INPUT, at, io::ErrorKind::TimedOut));
            let fault = failed.iter().position(Result::is_err).unwrap();
            assert_eq!(failed[fault], Err(io::ErrorKind::TimedOut));
            assert_eq!((fault, failed[fault + 1].clone()), (usize::from(at > 0), Ok(after)));
            assert_eq!(all(EndsAt::new(INPUT, at)), before);
            let called = Cell::new(0);
            assert_eq!(all(CallsAt::new(INPUT, at, || called.set(called.get() + 1))), INPUT);
            assert_eq!(called.get(), 1);
            let panicked = catch_unwind(AssertUnwindSafe(|| all(PanicsAt::new(INPUT, at))));
            let message = panicked.unwrap_err();
            assert_eq!(message.downcast_ref::<String>().map(String::as_str), Some(PANIC));
        }
        assert_eq!(all(EndsAt::new(INPUT, 8)).len(), 8);
        assert_eq!(all(PanicsAt::new(INPUT, INPUT.len() + 1)), INPUT);
    }

    #[test]
    fn calls_and_bytes_are_counted() {
        let counts = Counts::default();
        all(OneByte(counts.reader(INPUT)));
        let len = INPUT.len() as u64;
        assert_eq!((counts.bytes(), counts.reads()), (len, len + 1));
    }
}
