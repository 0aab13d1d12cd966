//! Record batches from a background thread.

use std::any::Any;
use std::fmt;
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use carwalk_batch::Stop;

use crate::error::{Failures, InputFailure, ScanError};

/// Batches that wait until the consumer takes them.
const WAITING: usize = 1;

/// What comes from the background thread.
enum Message {
    Batch(RecordBatch),
    Failure(InputFailure),
    /// The last message.
    Error(ScanError),
    /// The last message of a scan that ends before its threads do.
    End,
}

/// The end of a background thread that sends.
pub(crate) struct Outlet {
    sender: SyncSender<Message>,
}

impl Outlet {
    /// Sends a batch, and waits for room. Breaks if nobody takes batches any more.
    pub(crate) fn batch(&self, batch: RecordBatch) -> ControlFlow<()> {
        self.send(Message::Batch(batch))
    }

    /// Sends the failure of an input that was skipped.
    pub(crate) fn failure(&self, failure: InputFailure) -> ControlFlow<()> {
        self.send(Message::Failure(failure))
    }

    /// Sends the error that ends the scan.
    pub(crate) fn error(&self, error: ScanError) -> ControlFlow<()> {
        let _ = self.send(Message::Error(error));
        ControlFlow::Break(())
    }

    /// Sends the end: no batch follows, although threads may still read.
    pub(crate) fn end(&self) -> ControlFlow<()> {
        let _ = self.send(Message::End);
        ControlFlow::Break(())
    }

    fn send(&self, message: Message) -> ControlFlow<()> {
        match self.sender.send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// What the background thread does.
type Job = Box<dyn FnOnce(&Outlet, &Stop) + Send>;

/// An iterator over the record batches of a scan. Other threads fill the next batch while the
/// consumer uses the current one.
///
/// Created by [`Scan::batches`](crate::Scan::batches) and [`Scan::files`](crate::Scan::files). The
/// scan begins when the first batch is requested. No batches follow an error.
///
/// Dropping it ends the threads and waits for them: milliseconds, unless a thread reads a pipe that
/// nobody writes to.
///
/// [`into_reader`](Batches::into_reader) converts it into a [`RecordBatchReader`].
///
/// # Examples
///
/// ```
/// use carwalk_arrow::Scan;
/// use carwalk_batch::Inputs;
///
/// let mut inputs = Inputs::new();
/// inputs.add("../../samples")?;
/// let mut rows = 0;
/// for batch in Scan::new(inputs).columns("collection".parse()?).batches() {
///     rows += batch?.num_rows();
/// }
/// assert_eq!(rows, 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Batches {
    schema: SchemaRef,
    state: State,
    failures: Failures,
    stop: Stop,
}

enum State {
    /// No batch was requested.
    Ready(Job),
    Running(Receiver<Message>, JoinHandle<()>),
    /// Nothing more comes. The thread may still run.
    Ended(Option<JoinHandle<()>>),
}

/// What a look at the channel found.
enum Received {
    Message(Message),
    /// Nothing in time.
    Nothing,
    /// The thread has ended.
    End,
}

impl Batches {
    /// Creates the batches of a job, which begins when the first one is requested.
    pub(crate) fn new(
        schema: SchemaRef,
        job: impl FnOnce(&Outlet, &Stop) + Send + 'static,
    ) -> Self {
        Batches {
            schema,
            state: State::Ready(Box::new(job)),
            failures: Failures::default(),
            stop: Stop::new(),
        }
    }

    /// Returns the schema of all batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Returns the inputs that have failed so far, in the order of the inputs. The list is complete
    /// after the last batch. It includes the input whose failure ended the scan, as the last. Needs
    /// about 200 bytes of memory per failure.
    #[must_use]
    pub fn failures(&self) -> Vec<InputFailure> {
        self.failures.list()
    }

    /// Returns a handle on the failures, which stays valid after the batches are moved or dropped.
    #[must_use]
    pub fn failures_handle(&self) -> Failures {
        self.failures.clone()
    }

    /// Returns the next batch, or `Poll::Pending` if none is ready after `wait`. `None` after the
    /// last. For callers that check something meanwhile, such as signals.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::task::Poll;
    /// use std::time::Duration;
    ///
    /// use carwalk_arrow::Scan;
    /// use carwalk_batch::Inputs;
    ///
    /// let mut inputs = Inputs::new();
    /// inputs.add("../../samples")?;
    /// let mut batches = Scan::new(inputs).batches();
    /// let batch = loop {
    ///     match batches.poll(Duration::from_millis(50)) {
    ///         Poll::Ready(batch) => break batch,
    ///         Poll::Pending => println!("still reading"),
    ///     }
    /// };
    /// assert_eq!(batch.unwrap()?.num_rows(), 40);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&mut self, wait: Duration) -> Poll<Option<Result<RecordBatch, ScanError>>> {
        // A deadline beyond the range of `Instant`: wait without one.
        let deadline = Instant::now().checked_add(wait);
        self.advance(|receiver| {
            let Some(deadline) = deadline else { return receive(receiver) };
            match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(message) => Received::Message(message),
                Err(RecvTimeoutError::Timeout) => Received::Nothing,
                Err(RecvTimeoutError::Disconnected) => Received::End,
            }
        })
    }

    /// Converts into a reader for Arrow's traits.
    #[must_use]
    pub fn into_reader(self) -> BatchReader {
        BatchReader { batches: self }
    }

    /// Returns the next batch. `receive` takes the next message from the channel.
    fn advance(
        &mut self,
        receive: impl Fn(&Receiver<Message>) -> Received,
    ) -> Poll<Option<Result<RecordBatch, ScanError>>> {
        if let Err(error) = self.begin() {
            return Poll::Ready(Some(Err(ScanError::Thread(error))));
        }
        loop {
            let State::Running(receiver, _) = &self.state else { return Poll::Ready(None) };
            match receive(receiver) {
                Received::Message(Message::Batch(batch)) => return Poll::Ready(Some(Ok(batch))),
                Received::Message(Message::Failure(failure)) => self.failures.push(failure),
                Received::Message(Message::Error(error)) => {
                    self.stop.set();
                    self.leave();
                    return Poll::Ready(Some(Err(error)));
                }
                Received::Message(Message::End) => {
                    self.stop.set();
                    self.leave();
                    return Poll::Ready(None);
                }
                Received::Nothing => return Poll::Pending,
                Received::End => return Poll::Ready(self.end().err().map(Err)),
            }
        }
    }

    /// Starts the thread if no batch was requested yet.
    fn begin(&mut self) -> io::Result<()> {
        if !matches!(self.state, State::Ready(_)) {
            return Ok(());
        }
        let State::Ready(job) = mem::replace(&mut self.state, State::Ended(None)) else {
            return Ok(());
        };
        let (sender, receiver) = mpsc::sync_channel(WAITING);
        let (outlet, stop) = (Outlet { sender }, self.stop.clone());
        let run = move || job(&outlet, &stop);
        let thread = thread::Builder::new().name("carwalk-scan".to_owned()).spawn(run)?;
        self.state = State::Running(receiver, thread);
        Ok(())
    }

    /// Waits for the thread. Fails if it panicked.
    fn end(&mut self) -> Result<(), ScanError> {
        self.leave();
        match mem::replace(&mut self.state, State::Ended(None)) {
            State::Ended(Some(thread)) => {
                thread.join().map_err(|panic| ScanError::Panicked(words(&*panic)))
            }
            _ => Ok(()),
        }
    }

    /// Receives nothing more. Does not wait for the thread, which may be reading a pipe.
    fn leave(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Ended(None)) {
            // Closes the channel, so that a thread that waits for room in it can end.
            State::Running(_receiver, thread) => State::Ended(Some(thread)),
            State::Ended(thread) => State::Ended(thread),
            State::Ready(_) => State::Ended(None),
        };
    }
}

fn receive(receiver: &Receiver<Message>) -> Received {
    receiver.recv().map_or(Received::End, Received::Message)
}

/// Returns the message of a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance(receive) {
            Poll::Ready(batch) => batch,
            // Receiving waits for ever.
            Poll::Pending => None,
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop.set();
        // A panic cannot be returned here.
        let _ = self.end();
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ready(_) => "ready",
            State::Running(..) => "running",
            State::Ended(_) => "ended",
        };
        f.debug_struct("Batches")
            .field("schema", &self.schema)
            .field("state", &state)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

/// The batches of a scan as a [`RecordBatchReader`], whose errors are [`ArrowError`]s with a
/// [`ScanError`] as source.
///
/// # Examples
///
/// ```
/// use arrow_array::RecordBatchReader;
/// use carwalk_arrow::Scan;
/// use carwalk_batch::Inputs;
///
/// let mut inputs = Inputs::new();
/// inputs.add("../../samples")?;
/// let reader = Scan::new(inputs).columns("did,size".parse()?).batches().into_reader();
/// assert_eq!(reader.schema().fields().len(), 2);
/// let batches = reader.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(batches[0].num_rows(), 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BatchReader {
    batches: Batches,
}

impl BatchReader {
    /// Returns the batches.
    #[must_use]
    pub fn get_ref(&self) -> &Batches {
        &self.batches
    }

    /// Returns the remaining batches.
    #[must_use]
    pub fn into_inner(self) -> Batches {
        self.batches
    }
}

impl Iterator for BatchReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next().map(|batch| batch.map_err(ArrowError::from))
    }
}

impl RecordBatchReader for BatchReader {
    fn schema(&self) -> SchemaRef {
        self.batches.schema()
    }
}
