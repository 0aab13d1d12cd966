//! Rows into a folder of parts.

use std::sync::Arc;

use carwalk_batch::parts::{Parts, PartsError};
use carwalk_batch::staging::{Encode, Selection};
use carwalk_batch::{Delivery, Ending, History, Inputs, Order};

use super::tally::Tally;
use super::task::Task;
use crate::failure::Cause;
use crate::interrupt::Interrupt;
use crate::output::Counted;

impl<E: Encode + 'static> Task<'_, E> {
    /// Writes the rows into parts. With a report, a later run goes on where this one ended.
    pub(super) fn to_folder(&self, selection: &Selection) -> Result<(), Cause> {
        let options = self.options;
        let inputs = options.inputs()?;
        let (report, mut history) = options.batch.report(&self.run_digest())?;
        let encoding = Arc::clone(&self.encoding);
        let (extension, begin) = (encoding.extension(), move |file| encoding.sheet(file));
        let parts = Parts::open(&options.output, &extension, report, &mut history, begin)?;
        let mut parts = match options.part_size {
            Some(bytes) => parts.size(bytes),
            None => parts,
        };
        let interrupt = Interrupt::watch();
        let (stop, mut tally) = (interrupt.stop(), options.tally(&inputs, false));
        note_unknown(&inputs, &history, &tally);
        let (what, how) = ((selection, &history), (Order::Finished, &stop));
        let ended = self.export_each(&inputs, what, how, &mut tally, |delivery, tally| {
            match delivery {
                Delivery::Piece { piece, .. } => parts.write(piece)?,
                Delivery::Result { result: line, .. } => {
                    tally.add(&line);
                    parts.take(line)?;
                }
            }
            Ok(())
        });
        // After Ctrl-C, the last part is dropped: to complete it could take too long.
        let done = match ended {
            Ok(ending) if ending == Ending::Complete || tally.is_over() => {
                parts.finish().map_err(Cause::from)
            }
            ended => {
                drop(parts);
                ended.map(drop)
            }
        };
        interrupt.end();
        done?;
        tally.finish()
    }
}

/// Prints a note if the folder has rows, but of none of the inputs: the paths may be other ones for
/// the same files.
fn note_unknown(inputs: &Inputs, history: &History, tally: &Tally) {
    let count = history.iter().count();
    if count > 0 && inputs.as_slice().iter().all(|input| history.finished(input).is_none()) {
        tally.progress.note(format_args!(
            "the folder has the rows of {}, none of which is among these. The same files \
             under other paths, or with other times, are exported again",
            Counted(count as u64, "input")
        ));
    }
}

impl From<PartsError> for Cause {
    fn from(error: PartsError) -> Self {
        match error {
            PartsError::Report(error) => Cause::Report(error),
            error => Cause::Parts(error),
        }
    }
}
