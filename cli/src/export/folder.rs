//! Rows into a folder of parts.

use carwalk_batch::parts::{Parts, PartsError, TextSheet};
use carwalk_batch::staging::Selection;
use carwalk_batch::{Delivery, Ending, Order};

use super::Export;
use crate::failure::Cause;
use crate::interrupt::Interrupt;

impl Export {
    /// Writes the rows into parts. With a report, a later run goes on where this one ended.
    pub(super) fn to_folder(&self, selection: &Selection) -> Result<(), Cause> {
        let inputs = self.inputs()?;
        let (report, mut history) = self.batch.report(&self.run_digest())?;
        let encoding = self.encoding();
        let header = encoding.header()?;
        let begin = move |file| TextSheet::begin(file, &header);
        let parts = Parts::open(&self.output, &encoding.extension(), report, &mut history, begin)?;
        let mut parts = match self.part_size {
            Some(bytes) => parts.size(bytes),
            None => parts,
        };
        let interrupt = Interrupt::watch();
        let (stop, mut tally) = (interrupt.stop(), self.tally(&inputs, false));
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

impl From<PartsError> for Cause {
    fn from(error: PartsError) -> Self {
        match error {
            PartsError::Report(error) => Cause::Report(error),
            error => Cause::Parts(error),
        }
    }
}
