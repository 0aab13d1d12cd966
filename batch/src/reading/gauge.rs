//! How far a worker is, and whether it should stop.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::stop::Stop;

/// A function that gets the numbers of bytes that were read.
pub(super) type Meter = Arc<dyn Fn(u64) + Send + Sync>;

/// Counts the bytes of one input after the other. Over a batch, each input counts with the length
/// that it had when it was listed, however it ends.
pub(super) struct Gauge {
    stop: Stop,
    meter: Meter,
    /// The length of the input.
    len: AtomicU64,
    /// The bytes of it that were counted.
    counted: AtomicU64,
    /// Whether loaded bytes are those of the file. Those of a compressed file are not.
    follows_load: AtomicBool,
}

impl Gauge {
    pub(super) fn new(stop: Stop, meter: Meter) -> Self {
        let (len, counted) = (AtomicU64::new(0), AtomicU64::new(0));
        Gauge { stop, meter, len, counted, follows_load: AtomicBool::new(false) }
    }

    /// Begins with an input of `len` bytes.
    pub(super) fn begin(&self, len: u64) {
        self.len.store(len, Ordering::Relaxed);
        self.counted.store(0, Ordering::Relaxed);
        self.follows_load.store(false, Ordering::Relaxed);
    }

    /// Counts what is left of the input.
    pub(super) fn finish(&self) {
        self.count_to(u64::MAX);
    }

    /// Counts the bytes before `position` that are not counted yet.
    pub(super) fn count_to(&self, position: u64) {
        let position = position.min(self.len.load(Ordering::Relaxed));
        // Only the thread of the worker counts.
        let more = position.saturating_sub(self.counted.load(Ordering::Relaxed));
        if more > 0 {
            self.counted.store(position, Ordering::Relaxed);
            (self.meter)(more);
        }
    }

    /// Counts loaded bytes from now on.
    pub(super) fn follow_load(&self) {
        self.follows_load.store(true, Ordering::Relaxed);
    }

    /// Is called by a load.
    pub(super) fn loaded(&self, position: u64) -> ControlFlow<()> {
        if self.follows_load.load(Ordering::Relaxed) {
            self.count_to(position);
        }
        if self.stop.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A source whose bytes are counted. It fails once the batch is stopped.
pub(super) struct Gauged<'g, R> {
    source: R,
    gauge: &'g Gauge,
    read: u64,
}

impl<'g, R> Gauged<'g, R> {
    pub(super) fn new(source: R, gauge: &'g Gauge) -> Self {
        Gauged { source, gauge, read: 0 }
    }
}

impl<R: Read> Read for Gauged<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.gauge.stop.is_set() {
            return Err(io::Error::other("stopped"));
        }
        let len = self.source.read(room)?;
        self.read = self.read.saturating_add(len as u64);
        self.gauge.count_to(self.read);
        Ok(len)
    }
}
