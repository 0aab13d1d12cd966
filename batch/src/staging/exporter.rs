//! Exporting one input after the other.

use std::fmt;

use super::{Rows, Selection, Staging};
use crate::inputs::Input;
use crate::outcome::{Outcome, Skip};
use crate::reading::Worker;
use crate::report::{History, Line};
use crate::stop::Stop;
use crate::threads::Sender;

/// Makes the rows of one input after the other. Each thread has one.
///
/// Memory: that of a [`Worker`], and at most 8 MiB of rows, with a copy of as much while they are
/// sent. What was sent counts for [`Threads::waiting`](crate::Threads::waiting).
///
/// # Examples
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::ops::ControlFlow;
///
/// use carwalk_batch::columns::Columns;
/// use carwalk_batch::staging::{Encode, Encoding, Exporter, Selection};
/// use carwalk_batch::text::Format;
/// use carwalk_batch::{Delivery, History, Inputs, Settings, Stop, Threads, Worker};
///
/// let mut inputs = Inputs::new();
/// inputs.add("../samples")?;
/// let (stop, history) = (Stop::new(), History::default());
/// let columns: Columns = "collection,rkey".parse().unwrap();
/// let (encoding, selection) = (Encoding::new(Format::Csv, columns), Selection::new(columns));
/// let mut text = encoding.header()?;
/// Threads::new(NonZeroUsize::MIN).stop(stop.clone()).run(
///     inputs.as_slice(),
///     || {
///         let worker = Worker::new(Settings::new(), stop.clone(), |_bytes| {});
///         Exporter::new(worker, encoding.rows(), &selection, &history, &stop)
///     },
///     |exporter, input, sender| exporter.export(input, sender),
///     |delivery| {
///         match delivery {
///             Delivery::Piece { piece, .. } => text.extend_from_slice(&piece),
///             Delivery::Result { result, .. } => assert!(result.is_done()),
///         }
///         ControlFlow::Continue(())
///     },
/// );
/// assert!(text.starts_with(b"collection,rkey\napp.bsky.actor.profile,self\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Exporter<'e, R> {
    worker: Worker,
    rows: R,
    selection: &'e Selection,
    history: &'e History,
    stop: &'e Stop,
}

impl<'e, R: Rows> Exporter<'e, R> {
    /// Creates an exporter. Inputs that `history` has as finished are skipped.
    #[must_use]
    pub fn new(
        worker: Worker,
        rows: R,
        selection: &'e Selection,
        history: &'e History,
        stop: &'e Stop,
    ) -> Self {
        Exporter { worker, rows, selection, history, stop }
    }

    /// Sends the rows of an input, all of them or none: see [`Staging`]. Returns the line for the
    /// report.
    pub fn export(&mut self, input: &Input, sender: &Sender<'_, R::Piece, Line>) -> Line {
        if self.history.finished(input).is_some() {
            let mut line = Line::of(input);
            line.outcome = Outcome::Skipped(Skip::Finished);
            return line;
        }
        let Exporter { worker, rows, selection, stop, .. } = self;
        let send = |piece, bytes| sender.send(piece, bytes);
        worker.process(input, &mut Staging::new(rows, selection, stop, send))
    }
}

impl<R> fmt::Debug for Exporter<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter")
            .field("worker", &self.worker)
            .field("selection", self.selection)
            .finish_non_exhaustive()
    }
}
