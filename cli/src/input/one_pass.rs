//! Commands over a CAR in pre-order, which is read once and not loaded.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carwalk::mst::Entry;
use carwalk::{Loaded, Streamed};

use super::stream::Stream;
use super::{Command, Input, Origin, finish};
use crate::failure::Cause;
use crate::progress::{SharedProgress, Unit};

/// Bytes of records that are kept for repeats, in one pass.
const KEPT_REPEATS: u64 = 16 << 20;

/// How a command reads a CAR in one pass.
pub(crate) struct OnePass {
    /// Whether it needs the bytes of every record.
    pub(crate) needs_records: bool,
}

impl OnePass {
    /// Returns how many bytes of records are kept, so that a repeated record can be read.
    fn keep_repeats(&self) -> u64 {
        if self.needs_records { KEPT_REPEATS } else { 0 }
    }
}

/// Returns the error for a repeated record whose bytes are needed and were not kept.
#[cold]
pub(crate) fn repeated(entry: Entry<'_>) -> Cause {
    let (cid, key) = (entry.cid(), entry.key().escape_ascii());
    Cause::Invalid(format!(
        "record {cid}: it equals a record that came too long before to be in memory, \
         key \"{key}\" (run without --one-pass)"
    ))
}

impl Input {
    /// Runs the command over a stream: in one pass if its blocks are in pre-order, or else over the
    /// loaded repository.
    pub(super) fn pass<C: Command>(
        &self,
        command: &C,
        source: Origin<'_>,
        one_pass: &OnePass,
    ) -> Result<(), Cause> {
        let (source, len): (Box<dyn Read>, _) = match source {
            Origin::Stdin => (Box::new(io::stdin().lock()), None),
            Origin::File { file, len } => (Box::new(file), len),
            Origin::Mapped { file, len } => (Box::new(file), Some(len)),
            Origin::Kept(_) => return Err(Cause::Usage("--kept has no blocks in pre-order")),
        };
        let mut stream =
            Stream::new(source, self.limits().stream_len(), false).map_err(carwalk::Error::from)?;
        let done = self.pass_stream(command, &mut stream, len, one_pass);
        done.map_err(|cause| match cause {
            Cause::Car(error) => self.explain(error, &mut stream),
            cause => cause,
        })
    }

    fn pass_stream<C: Command>(
        &self,
        command: &C,
        stream: &mut Stream<'_>,
        len: Option<u64>,
        one_pass: &OnePass,
    ) -> Result<(), Cause> {
        let len = len.filter(|_| !stream.is_compressed());
        let progress = SharedProgress::new(Unit::Bytes, len);
        let loader = self.loader(false).keep_repeats(one_pass.keep_repeats());
        // The output of a walk has its own bar.
        let is_walk = Arc::new(AtomicBool::new(false));
        let (follow, is_over) = (progress.follow(), Arc::clone(&is_walk));
        let loader = loader.progress(move |position| match is_over.load(Ordering::Relaxed) {
            true => ControlFlow::Continue(()),
            false => follow(position),
        });
        match loader.memory_limit(self.storage.memory_limit()).stream(stream)? {
            Streamed::PreOrder(walk) => {
                is_walk.store(true, Ordering::Relaxed);
                finish(None, |out| command.pass(walk, out))
            }
            Streamed::Loaded(Loaded::Complete(repo)) => finish(None, |out| command.run(&repo, out)),
            Streamed::Loaded(Loaded::Suspended(load)) => {
                let repo = self.storage.spill(load, |note| progress.note(note))?;
                finish(None, |out| command.run(&repo, out))
            }
        }
    }
}
