//! The inputs, read one after the other in batches of messages.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

use super::batch::Batch;
use super::buffer::Buffer;
use super::format::Format;
use super::split::{Split, Step};

/// The inputs.
pub(super) struct Source {
    files: vec::IntoIter<PathBuf>,
    /// The format of each input. `None` if its first bytes tell.
    format: Option<Format>,
    open: Option<Open>,
    /// The number of batches so far.
    batches: u64,
}

/// The input that is read.
struct Open {
    name: Arc<str>,
    buffer: Buffer,
    /// `None` until the format is known.
    split: Option<Split>,
    /// The number of messages so far.
    index: u64,
}

impl Source {
    pub(super) fn new(files: Vec<PathBuf>, format: Option<Format>) -> Self {
        Source { files: files.into_iter(), format, open: None, batches: 0 }
    }

    /// Reads the next messages: waits for one, and takes those after it that were read with it.
    /// Returns the number of the batch, or `None` after the last one.
    pub(super) fn next_batch(&mut self, batch: &mut Batch) -> Option<u64> {
        batch.clear();
        while batch.is_empty() {
            if self.open.is_none() {
                let path = self.files.next()?;
                match open(&path) {
                    Ok(buffer) => self.open = Some(Open::new(&path, buffer)),
                    Err(error) => batch.push_unreadable(&name(&path), 0, error),
                }
            }
            let Some(input) = &mut self.open else { continue };
            match input.read_into(batch, self.format) {
                Ok(true) => {}
                Ok(false) => self.open = None,
                Err(error) => {
                    batch.push_unreadable(&input.name, input.index, error);
                    self.open = None;
                }
            }
        }
        let number = self.batches;
        self.batches = number.saturating_add(1);
        Some(number)
    }
}

impl Open {
    fn new(path: &Path, buffer: Buffer) -> Self {
        Open { name: name(path), buffer, split: None, index: 0 }
    }

    /// Adds messages to a batch. Returns whether there may be more.
    fn read_into(&mut self, batch: &mut Batch, format: Option<Format>) -> io::Result<bool> {
        while !batch.is_full() {
            match self.step(format) {
                Step::More if !batch.is_empty() => return Ok(true),
                Step::More => self.buffer.fill()?,
                Step::Skip(len) => self.buffer.consume(len),
                Step::Message { kind, start, end } => {
                    let bytes = self.buffer.bytes().get(start..end).unwrap_or_default();
                    batch.push(&self.name, self.index, kind, bytes);
                    self.pass(end);
                }
                Step::Refused(len, refusal) => {
                    batch.push_refused(&self.name, self.index, refusal);
                    self.pass(len);
                }
                Step::End => return Ok(false),
            }
        }
        Ok(true)
    }

    fn step(&mut self, format: Option<Format>) -> Step {
        let (bytes, is_at_end) = (self.buffer.bytes(), self.buffer.is_at_end());
        if self.split.is_none() {
            let format = format.or_else(|| Format::of(bytes, is_at_end));
            self.split = format.map(Split::new);
        }
        self.split.as_mut().map_or(Step::More, |split| split.step(bytes, is_at_end))
    }

    /// Moves past a message.
    fn pass(&mut self, len: usize) {
        self.buffer.consume(len);
        self.index = self.index.saturating_add(1);
    }
}

fn open(path: &Path) -> io::Result<Buffer> {
    if path == Path::new("-") {
        return Ok(Buffer::new(io::stdin()));
    }
    File::open(path).map(Buffer::new)
}

/// Returns the name of an input as it was given.
fn name(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}
