//! The queue between the worker threads and the calling thread.
//!
//! Each input that was taken and not delivered has a slot. At any time at most one input is
//! current: its pieces are delivered until its result is. In the order of inputs, that is the first
//! which is not delivered. Its thread never waits in vain: all that this thread has not delivered
//! belongs to the current input. As they finish, it is the first finished one, or, if there is
//! none, one whose thread waits for room.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Order;
use crate::stop::Stop;

/// Bytes that a result counts as, so that results cannot pile up without bound.
const RESULT_COST: u64 = 1 << 10;

/// Bytes that are added before the calling thread is woken. To wake it for every small input would
/// take longer than to read one. It also looks by itself from time to time.
const NEWS: u64 = 256 << 10;

/// Time between two looks at the flag while waiting: a signal handler cannot wake a thread.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is delivered.
pub(super) enum Item<P, T> {
    Piece(P),
    Result(T),
}

pub(super) struct Queue<P, T> {
    state: Mutex<State<P, T>>,
    /// Wakes workers: there is room, or the batch is stopped.
    room: Condvar,
    /// Wakes the calling thread: there is something to deliver, or a worker ended.
    news: Condvar,
    order: Order,
    /// Most bytes of each job that may wait.
    waiting: u64,
    stop: Stop,
}

struct State<P, T> {
    len: usize,
    /// The next input to take.
    next: usize,
    /// The number of delivered inputs.
    delivered: usize,
    slots: BTreeMap<usize, Slot<P, T>>,
    /// Finished inputs in the order in which they finished, except the current one.
    finished: VecDeque<usize>,
    current: Option<usize>,
    /// Bytes of each job that are not delivered.
    held: Vec<u64>,
    /// Bytes that were added since the calling thread looked.
    news: u64,
    /// The number of worker threads that have not ended.
    running: usize,
    is_closed: bool,
}

/// An input that was taken and not delivered.
struct Slot<P, T> {
    job: usize,
    pieces: VecDeque<(P, u64)>,
    result: Option<T>,
    /// Whether its job waits for room.
    is_waiting: bool,
}

impl<P, T> Queue<P, T> {
    /// Creates the queue for `len` inputs and `jobs` threads, which run from now on.
    pub(super) fn new(len: usize, jobs: usize, order: Order, waiting: u64, stop: Stop) -> Self {
        let state = State {
            len,
            next: 0,
            delivered: 0,
            slots: BTreeMap::new(),
            finished: VecDeque::new(),
            current: None,
            held: vec![0; jobs],
            news: 0,
            running: jobs,
            is_closed: false,
        };
        let (room, news) = (Condvar::new(), Condvar::new());
        Queue { state: Mutex::new(state), room, news, order, waiting, stop }
    }

    /// Takes the next input. Waits while too much of this job waits for delivery. Returns `None` at
    /// the end, or if the batch is stopped.
    pub(super) fn take(&self, job: usize) -> Option<usize> {
        let mut state = self.lock();
        while state.held_by(job) > self.waiting && !self.is_stopped(&state) {
            self.news.notify_one();
            state = self.wait(&self.room, state);
        }
        if self.is_stopped(&state) || state.next == state.len {
            return None;
        }
        let index = state.next;
        state.next = index.saturating_add(1);
        let slot = Slot { job, pieces: VecDeque::new(), result: None, is_waiting: false };
        state.slots.insert(index, slot);
        Some(index)
    }

    /// Adds a piece. Waits for room. Returns false if the batch is stopped.
    pub(super) fn send(&self, job: usize, index: usize, piece: P, bytes: u64) -> bool {
        let mut state = self.lock();
        while !self.has_room(state.held_by(job), bytes) && !self.is_stopped(&state) {
            state.set_waiting(index, true);
            self.news.notify_one();
            state = self.wait(&self.room, state);
        }
        state.set_waiting(index, false);
        if self.is_stopped(&state) {
            return false;
        }
        if let Some(slot) = state.slots.get_mut(&index) {
            slot.pieces.push_back((piece, bytes));
        }
        state.hold(job, bytes);
        self.tell(&mut state, bytes);
        true
    }

    /// Adds the result of an input. Never waits.
    pub(super) fn finish(&self, job: usize, index: usize, result: T) {
        let mut state = self.lock();
        if let Some(slot) = state.slots.get_mut(&index) {
            slot.result = Some(result);
        }
        if self.order == Order::Finished && state.current != Some(index) {
            state.finished.push_back(index);
        }
        state.hold(job, RESULT_COST);
        self.tell(&mut state, RESULT_COST);
    }

    /// Wakes the calling thread if there is enough to deliver.
    fn tell(&self, state: &mut State<P, T>, bytes: u64) {
        state.news = state.news.saturating_add(bytes);
        if state.news >= NEWS {
            self.news.notify_one();
        }
    }

    /// Waits for the next item and returns it with the number of its input. `None` if everything is
    /// delivered or the batch is stopped.
    pub(super) fn next(&self) -> Option<(usize, Item<P, T>)> {
        let mut state = self.lock();
        loop {
            if self.is_stopped(&state) || state.delivered == state.len {
                return None;
            }
            if let Some(item) = state.pop(self.order) {
                self.room.notify_all();
                return Some(item);
            }
            // A thread that ended early has panicked.
            if state.running == 0 {
                return None;
            }
            state.news = 0;
            state = self.wait(&self.news, state);
        }
    }

    /// Returns whether everything is delivered.
    pub(super) fn is_complete(&self) -> bool {
        let state = self.lock();
        state.delivered == state.len
    }

    /// Stops the batch.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.stop.set();
        self.room.notify_all();
        self.news.notify_all();
    }

    /// Returns a guard that stops the batch if it is dropped by a panic.
    pub(super) fn closing(&self) -> Closing<'_, P, T> {
        Closing(self)
    }

    /// Returns the guard of a worker thread: one for each job.
    pub(super) fn running(&self) -> Running<'_, P, T> {
        Running(self)
    }

    fn has_room(&self, held: u64, bytes: u64) -> bool {
        held == 0 || held.saturating_add(bytes) <= self.waiting
    }

    fn is_stopped(&self, state: &State<P, T>) -> bool {
        state.is_closed || self.stop.is_set()
    }

    fn lock(&self) -> MutexGuard<'_, State<P, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'s, State<P, T>>,
    ) -> MutexGuard<'s, State<P, T>> {
        let waited = condition.wait_timeout(state, PATIENCE);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<P, T> State<P, T> {
    fn held_by(&self, job: usize) -> u64 {
        self.held.get(job).copied().unwrap_or_default()
    }

    fn hold(&mut self, job: usize, bytes: u64) {
        if let Some(held) = self.held.get_mut(job) {
            *held = held.saturating_add(bytes);
        }
    }

    fn release(&mut self, job: usize, bytes: u64) {
        if let Some(held) = self.held.get_mut(job) {
            *held = held.saturating_sub(bytes);
        }
    }

    fn set_waiting(&mut self, index: usize, is_waiting: bool) {
        if let Some(slot) = self.slots.get_mut(&index) {
            slot.is_waiting = is_waiting;
        }
    }

    /// Removes the next item of the current input, if there is one.
    fn pop(&mut self, order: Order) -> Option<(usize, Item<P, T>)> {
        let index = self.choose(order)?;
        let slot = self.slots.get_mut(&index)?;
        let job = slot.job;
        if let Some((piece, bytes)) = slot.pieces.pop_front() {
            self.release(job, bytes);
            return Some((index, Item::Piece(piece)));
        }
        let result = slot.result.take()?;
        self.slots.remove(&index);
        self.release(job, RESULT_COST);
        self.delivered = self.delivered.saturating_add(1);
        self.current = None;
        Some((index, Item::Result(result)))
    }

    /// Returns the current input, or chooses one.
    fn choose(&mut self, order: Order) -> Option<usize> {
        if self.current.is_none() {
            self.current = match order {
                Order::Inputs => Some(self.delivered),
                Order::Finished => self.finished.pop_front().or_else(|| self.first_waiting()),
            };
        }
        self.current
    }

    /// Returns the first input whose job waits for room.
    fn first_waiting(&self) -> Option<usize> {
        let mut slots = self.slots.iter();
        slots.find(|(_, slot)| slot.is_waiting).map(|(&index, _)| index)
    }
}

impl<P, T> fmt::Debug for Queue<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// Stops the batch if the calling thread panics.
pub(super) struct Closing<'q, P, T>(&'q Queue<P, T>);

impl<P, T> Drop for Closing<'_, P, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}

/// Counts a worker thread as running until it is dropped. Stops the batch if the thread panics.
pub(super) struct Running<'q, P, T>(&'q Queue<P, T>);

impl<P, T> Drop for Running<'_, P, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
        let mut state = self.0.lock();
        state.running = state.running.saturating_sub(1);
        drop(state);
        self.0.news.notify_all();
    }
}
