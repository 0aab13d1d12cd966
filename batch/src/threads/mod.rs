//! Worker threads: inputs are taken in order, results come back to the calling thread.

mod queue;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic;
use std::thread::{self, ScopedJoinHandle};

use self::queue::{Queue, Running};
use crate::outcome::Failure;
use crate::stop::Stop;

/// Bytes that may wait for delivery, for each thread. Default of [`Threads::waiting`].
const WAITING: u64 = 32 << 20;

/// The order in which inputs are delivered. All that comes from one input is delivered together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third order")]
pub enum Order {
    /// In the order of the inputs.
    #[default]
    Inputs,
    /// As they finish. An input that has more pieces than may wait is delivered while it is still
    /// worked on.
    Finished,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third ending")]
pub enum Ending {
    /// Everything was delivered.
    Complete,
    /// The sink or the flag stopped it.
    Stopped,
}

/// An item for the sink: a piece of an input, or its result, which comes last.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "so that a match over all is checked")]
pub enum Delivery<'i, I, P, T> {
    /// A piece that the worker sent.
    Piece {
        /// The input.
        input: &'i I,
        /// The piece.
        piece: P,
    },
    /// What the worker returned. Nothing else comes from this input.
    Result {
        /// The input.
        input: &'i I,
        /// What the worker returned.
        result: T,
    },
}

/// Worker threads that take inputs in their order.
///
/// # Examples
///
/// Squares of numbers, each in pieces of one byte:
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::ops::ControlFlow;
///
/// use carwalk_batch::{Delivery, Ending, Threads};
///
/// let mut text = String::new();
/// let ending = Threads::new(NonZeroUsize::MIN).run(
///     &[2_u32, 30, 4],
///     || (),
///     |_worker, number, sender| {
///         for digit in (number * number).to_string().chars() {
///             sender.send(digit, 1)?;
///         }
///         Ok::<_, carwalk_batch::Failure>(())
///     },
///     |delivery| {
///         match delivery {
///             Delivery::Piece { piece, .. } => text.push(piece),
///             Delivery::Result { .. } => text.push(' '),
///         }
///         ControlFlow::Continue(())
///     },
/// );
/// assert_eq!((text.as_str(), ending), ("4 900 16 ", Ending::Complete));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Threads {
    jobs: NonZeroUsize,
    order: Order,
    waiting: u64,
    stop: Stop,
}

/// Sends pieces of one input to the calling thread.
#[derive(Debug)]
pub struct Sender<'q, P, T> {
    queue: &'q Queue<P, T>,
    job: usize,
    index: usize,
}

impl<P, T> Sender<'_, P, T> {
    /// Sends a piece that keeps `bytes` bytes of memory until it is delivered.
    ///
    /// Waits while the pieces and results of this thread that are not delivered would exceed the
    /// limit. A piece that exceeds it alone waits until none is left.
    ///
    /// # Errors
    ///
    /// [`Failure::stopped`] if the batch was stopped.
    pub fn send(&self, piece: P, bytes: u64) -> Result<(), Failure> {
        if self.queue.send(self.job, self.index, piece, bytes) {
            Ok(())
        } else {
            Err(Failure::stopped())
        }
    }
}

impl Threads {
    /// Creates the settings of `jobs` threads, which deliver in the order of the inputs.
    pub fn new(jobs: NonZeroUsize) -> Self {
        Threads { jobs, order: Order::default(), waiting: WAITING, stop: Stop::new() }
    }

    /// Sets the order of delivery. Default: the order of the inputs.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// Sets how many bytes of pieces may wait for delivery, for each thread. Default: 32 MiB.
    ///
    /// A result counts as 1 KiB.
    pub fn waiting(mut self, bytes: u64) -> Self {
        self.waiting = bytes;
        self
    }

    /// Sets the flag that ends the batch.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Calls `work` for each input on the threads, and `sink` on the calling thread.
    ///
    /// `worker` is called once on each thread, and makes what its calls of `work` share. There are
    /// no more threads than inputs, and fewer if the system refuses more. If `sink` returns
    /// `Break`, the flag is set and nothing more is delivered. The function returns when all
    /// threads have ended.
    ///
    /// # Panics
    ///
    /// - If `worker`, `work` or `sink` panics, the threads are stopped, and the panic continues on
    ///   the calling thread.
    /// - If the system refuses the first thread.
    pub fn run<I, W, P, T>(
        &self,
        inputs: &[I],
        worker: impl Fn() -> W + Sync,
        work: impl Fn(&mut W, &I, &Sender<'_, P, T>) -> T + Sync,
        mut sink: impl FnMut(Delivery<'_, I, P, T>) -> ControlFlow<()>,
    ) -> Ending
    where
        I: Sync,
        P: Send,
        T: Send,
    {
        let jobs = self.jobs.get().min(inputs.len());
        let queue = Queue::new(inputs.len(), jobs, self.order, self.waiting, self.stop.clone());
        let (queue, worker, work) = (&queue, &worker, &work);
        thread::scope(|scope| {
            let job = |job| {
                let running = queue.running();
                move || run_job(queue, running, job, inputs, worker, work)
            };
            let first = (jobs > 0).then(|| scope.spawn(job(0)));
            let more = |number| thread::Builder::new().spawn_scoped(scope, job(number)).ok();
            let threads: Vec<_> = first.into_iter().chain((1..jobs).filter_map(more)).collect();
            // Ends the threads if the sink panics.
            let closing = queue.closing();
            let ending = deliver(queue, inputs, &mut sink);
            drop(closing);
            join(threads);
            ending
        })
    }
}

/// Works on one input after the other.
fn run_job<I, W, P, T>(
    queue: &Queue<P, T>,
    _running: Running<'_, P, T>,
    job: usize,
    inputs: &[I],
    worker: &impl Fn() -> W,
    work: &impl Fn(&mut W, &I, &Sender<'_, P, T>) -> T,
) {
    let mut worker = worker();
    while let Some(index) = queue.take(job) {
        // The queue has as many inputs as the slice.
        let Some(input) = inputs.get(index) else { return };
        let result = work(&mut worker, input, &Sender { queue, job, index });
        queue.finish(job, index, result);
    }
}

/// Delivers until everything is delivered or the batch is stopped.
fn deliver<I, P, T>(
    queue: &Queue<P, T>,
    inputs: &[I],
    sink: &mut impl FnMut(Delivery<'_, I, P, T>) -> ControlFlow<()>,
) -> Ending {
    while let Some((index, item)) = queue.next() {
        let Some(input) = inputs.get(index) else { break };
        let delivery = match item {
            queue::Item::Piece(piece) => Delivery::Piece { input, piece },
            queue::Item::Result(result) => Delivery::Result { input, result },
        };
        if sink(delivery).is_break() {
            queue.close();
            return Ending::Stopped;
        }
    }
    if queue.is_complete() { Ending::Complete } else { Ending::Stopped }
}

/// Waits for all threads. The first panic among them continues here.
fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    let ends: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
    if let Some(Err(payload)) = ends.into_iter().find(Result::is_err) {
        panic::resume_unwind(payload);
    }
}
