//! The check of messages, on several threads and in the order of the input.
//!
//! Each thread reads a batch, examines it, and waits for its turn to compare it with the states and
//! to print. So there are at most as many batches in memory as threads.

use std::io::{self, Write};
use std::process;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use carwalk::sync::{Examined, FrameError, Message, Verifier};

use super::batch::{Batch, Body, Item, Refusal};
use super::json::{JsonMessage, Ready};
use super::judged::{Judged, Known};
use super::keys::Keys;
use super::source::Source;
use super::state::States;
use crate::failure::{Cause, Failure};

/// What the threads share.
pub(super) struct Check {
    pub(super) source: Mutex<Source>,
    pub(super) verifier: Verifier,
    pub(super) keys: Keys,
    pub(super) sink: Mutex<Sink>,
    /// Notified after each turn.
    pub(super) turn: Condvar,
}

/// Where verdicts go, in the order of the input.
pub(super) struct Sink {
    pub(super) states: States,
    pub(super) counts: Counts,
    pub(super) is_json: bool,
    /// The number of the batch whose turn it is.
    next: u64,
    lines: Vec<u8>,
}

/// The number of messages with each verdict.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) valid: u64,
    pub(super) invalid: u64,
    pub(super) unverifiable: u64,
    pub(super) out_of_sync: u64,
    pub(super) stale: u64,
    pub(super) passed: u64,
    /// The number of inputs that could not be read.
    pub(super) unreadable: u64,
}

/// A message that is parsed, if it can be.
enum Parsed<'b> {
    /// The message is taken out to be examined.
    Frame(Option<Message<'b>>),
    BrokenFrame(FrameError),
    Json(JsonMessage<'b>),
    Refused(&'b Refusal),
    Unreadable(&'b io::Error),
}

/// A message that waits for its turn.
enum Pending<'m> {
    Examined { known: Known<'m>, examined: Examined<'m>, has_key: bool },
    Passed(Known<'m>),
    Refused(Known<'m>, &'m Refusal),
    BrokenFrame(&'m FrameError),
    Unreadable(&'m io::Error),
}

impl Sink {
    pub(super) fn new(states: States, is_json: bool) -> Self {
        Sink { states, counts: Counts::default(), is_json, next: 0, lines: Vec::new() }
    }

    /// Compares a batch with the states, and prints its verdicts.
    fn take<'m>(&mut self, batch: impl Iterator<Item = (&'m Item, Pending<'m>)>) -> io::Result<()> {
        for (item, pending) in batch {
            let Some(line) = self.judge(item, pending)? else { continue };
            self.counts.count(line.verdict());
            if self.is_json {
                line.write_json(&mut self.lines)?;
            } else {
                line.write_text(&mut self.lines)?;
            }
        }
        self.flush()
    }

    /// Returns the line of a message. Reports an input that cannot be read, which has none.
    fn judge<'m>(
        &mut self,
        item: &'m Item,
        pending: Pending<'m>,
    ) -> io::Result<Option<Judged<'m>>> {
        Ok(Some(match pending {
            Pending::Examined { known, examined, has_key } => {
                let state = known.did.and_then(|did| self.states.get(did));
                let (is_anchored, verdict) = (state.is_some(), examined.against(state));
                let line = Judged::of(item, known, &verdict, has_key, is_anchored);
                if let Some(valid) = verdict.valid() {
                    self.states.set(valid.into_state());
                }
                line
            }
            Pending::Passed(known) => Judged::passed(item, known, self.is_anchored(&known)),
            Pending::Refused(known, refusal) => {
                Judged::refused(item, known, refusal, self.is_anchored(&known))
            }
            Pending::BrokenFrame(error) => {
                let known = Known {
                    type_name: error.type_name(),
                    seq: error.seq(),
                    did: error.did(),
                    rev: error.rev(),
                    ops: None,
                };
                Judged::broken(item, known, error.reason(), self.is_anchored(&known))
            }
            Pending::Unreadable(error) => {
                self.flush()?;
                report(item, error);
                self.counts.unreadable = self.counts.unreadable.saturating_add(1);
                return Ok(None);
            }
        }))
    }

    fn is_anchored(&self, known: &Known<'_>) -> bool {
        known.did.is_some_and(|did| self.states.get(did).is_some())
    }

    /// Prints the lines of a batch at once: the next message may take its time.
    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.lines)?;
        self.lines.clear();
        stdout.flush()
    }
}

/// Prints why an input, or the rest of it, cannot be read.
fn report(item: &Item, error: &io::Error) {
    let name = match &*item.input {
        "-" => "standard input".to_owned(),
        name => format!("{name:?}"),
    };
    // An error is not `Clone`. Its message is that of the system.
    let error = error.raw_os_error().map_or_else(
        || io::Error::new(error.kind(), error.to_string()),
        io::Error::from_raw_os_error,
    );
    let cause = Cause::Read { name, error };
    let failure = Failure { input: String::new(), cause, has_partial: false, is_binary: false };
    failure.report();
}

impl Counts {
    fn count(&mut self, verdict: &str) {
        let count = match verdict {
            "valid" => &mut self.valid,
            "invalid" => &mut self.invalid,
            "unverifiable" => &mut self.unverifiable,
            "out_of_sync" => &mut self.out_of_sync,
            "stale" => &mut self.stale,
            _ => &mut self.passed,
        };
        *count = count.saturating_add(1);
    }
}

impl Check {
    /// Checks all messages on so many threads. Ends at the first error of the output, even if
    /// another thread waits for input.
    pub(super) fn run(self: &Arc<Self>, jobs: usize) -> io::Result<()> {
        if jobs <= 1 {
            return self.work();
        }
        let (sender, done) = mpsc::channel();
        for _ in 0..jobs {
            let worker = Worker { check: Arc::clone(self), done: sender.clone() };
            thread::Builder::new().spawn(move || worker.work())?;
        }
        drop(sender);
        done.iter().collect()
    }

    /// Checks batches until the inputs end.
    fn work(&self) -> io::Result<()> {
        let mut batch = Batch::default();
        loop {
            let number = lock(&self.source).next_batch(&mut batch);
            let Some(number) = number else { return Ok(()) };
            let mut parsed: Vec<_> =
                batch.items().map(|(item, body)| (item, Parsed::of(body))).collect();
            let parsed = parsed.iter_mut();
            let pending: Vec<_> =
                parsed.map(|(item, parsed)| (*item, self.examine(parsed))).collect();
            let sink = lock(&self.sink);
            let waited = self.turn.wait_while(sink, |sink| sink.next != number);
            let mut sink = waited.unwrap_or_else(PoisonError::into_inner);
            let taken = sink.take(pending.into_iter());
            sink.next = number.saturating_add(1);
            drop(sink);
            self.turn.notify_all();
            taken?;
        }
    }

    fn examine<'m>(&self, parsed: &'m mut Parsed<'_>) -> Pending<'m> {
        let (known, message) = match parsed {
            Parsed::Frame(message) => match message.take() {
                Some(message) => (Known::of(&message), message),
                None => return Pending::Passed(Known::default()),
            },
            Parsed::BrokenFrame(error) => return Pending::BrokenFrame(error),
            Parsed::Json(message) => match message.ready() {
                (known, Ready::Message(message)) => (known, message),
                (known, Ready::Passed) => return Pending::Passed(known),
                (known, Ready::Refused(refusal)) => return Pending::Refused(known, refusal),
            },
            Parsed::Refused(refusal) => return Pending::Refused(Known::default(), refusal),
            Parsed::Unreadable(error) => return Pending::Unreadable(error),
        };
        let key = known.did.and_then(|did| self.keys.get(did));
        let examined = self.verifier.examine(message, key);
        Pending::Examined { known, examined, has_key: key.is_some() }
    }
}

impl<'b> Parsed<'b> {
    fn of(body: Body<'b>) -> Self {
        match body {
            Body::Frame(frame) => match Message::parse(frame) {
                Ok(message) => Parsed::Frame(Some(message)),
                Err(error) => Parsed::BrokenFrame(error),
            },
            // The bytes were checked when the value was found.
            Body::Json(json) => {
                Parsed::Json(JsonMessage::parse(std::str::from_utf8(json).unwrap_or_default()))
            }
            Body::Refused(refusal) => Parsed::Refused(refusal),
            Body::Unreadable(error) => Parsed::Unreadable(error),
        }
    }
}

/// A thread that checks.
struct Worker {
    check: Arc<Check>,
    done: Sender<io::Result<()>>,
}

impl Worker {
    fn work(self) {
        // If nobody listens, the program is ending.
        let _ = self.done.send(self.check.work());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The other threads would wait for the turn of this one. The panic is printed already.
        if thread::panicking() {
            process::exit(101);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
