//! Blocks checked against their CIDs, many at a time: by the thread that loads, and by others if there are to be any.
//!
//! What is handed over are stretches of sections, each with the bytes that it lies in. Threads begin to work when the first
//! stretch is there, and end before the load stops, for whatever reason.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::loading::changed;
use crate::car::{Source, sections_in};
use crate::cid::{self, Cid};
use crate::error::Result;
use crate::sha256::{BATCH, sha256_each};

/// Bytes of a load that the thread hashes that reads them, before there are others. To start a thread takes as long as to
/// hash some 100 KiB.
pub(super) const ALONE: u64 = 1 << 18;

/// Bytes of a stretch that another thread hashes, and more by a section at most.
const HANDED_LEN: u64 = 1 << 19;

/// Stretches that wait for a thread at most.
const MAX_WAITING: usize = 1 << 8;

/// Threads at most, of which framing keeps far fewer at work.
const MAX_THREADS: usize = 64;

/// Bytes that the standard library takes for a thread, all in all and at most, but for the stack.
const THREAD: usize = 1 << 10;

/// Bytes of a stack; hashing takes less than an eighth of it.
const STACK: usize = 1 << 18;

/// The place of no section.
const NONE: u64 = u64::MAX;

/// Sections one behind the other, none of which was hashed.
#[derive(Clone, Copy, Default)]
struct Stretch {
    first: u64,
    count: usize,
}

/// A stretch, and the bytes that it lies in.
struct Piece<L> {
    stretch: Stretch,
    lent: L,
    at: usize,
}

/// What threads share.
pub(super) struct Queue<L> {
    pieces: Mutex<Pieces<L>>,
    /// There is something to do, or nothing will come any more.
    news: Condvar,
    /// The place of the first section that does not have its CID, of those that were hashed.
    first_bad: AtomicU64,
}

struct Pieces<L> {
    waiting: VecDeque<Piece<L>>,
    done: Vec<Piece<L>>,
    /// Threads that wait.
    idle: usize,
    is_over: bool,
}

/// What hashes the sections of a load.
pub(super) struct Hashers<'scope, 'env, L> {
    scope: &'scope Scope<'scope, 'env>,
    queue: &'scope Queue<L>,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    max_workers: usize,
    /// What comes next.
    stretch: Stretch,
    /// Where the load began.
    begin: u64,
    /// When the stretch is full: at so many sections, or so many bytes.
    full: (usize, u64),
    held: u64,
}

impl<L> Queue<L> {
    pub(super) fn new() -> Self {
        let pieces = Pieces { waiting: VecDeque::new(), done: Vec::new(), idle: 0, is_over: false };
        Queue { pieces: Mutex::new(pieces), news: Condvar::new(), first_bad: AtomicU64::new(NONE) }
    }

    /// Nothing is left half done by whoever holds the lock, even if it panics.
    fn lock(&self) -> MutexGuard<'_, Pieces<L>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes a stretch, unless a bad section was found before it.
    fn check(&self, stretch: Stretch, bytes: &[u8]) {
        if stretch.first < self.first_bad.load(Ordering::Relaxed)
            && let Some(at) = first_bad(bytes, stretch.count)
        {
            self.first_bad.fetch_min(stretch.first.saturating_add(at as u64), Ordering::Relaxed);
        }
    }

    fn is_bad(&self) -> bool {
        self.first_bad.load(Ordering::Relaxed) != NONE
    }
}

impl<L: AsRef<[u8]>> Queue<L> {
    fn check_piece(&self, piece: &Piece<L>) {
        self.check(piece.stretch, piece.lent.as_ref().get(piece.at..).unwrap_or_default());
    }

    /// Hashes what is there and comes, until nothing will come any more.
    fn work(&self) {
        let mut pieces = self.lock();
        loop {
            if let Some(piece) = pieces.waiting.pop_front() {
                drop(pieces);
                self.check_piece(&piece);
                pieces = self.lock();
                pieces.done.push(piece);
            } else if pieces.is_over {
                return;
            } else {
                pieces.idle = pieces.idle.saturating_add(1);
                pieces = self.news.wait(pieces).unwrap_or_else(PoisonError::into_inner);
                pieces.idle = pieces.idle.saturating_sub(1);
            }
        }
    }
}

impl<'scope, 'env, L: AsRef<[u8]> + Send> Hashers<'scope, 'env, L> {
    /// Starts no thread yet.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, queue: &'scope Queue<L>, threads: usize) -> Self {
        Hashers {
            scope,
            queue,
            workers: Vec::new(),
            max_workers: threads.min(MAX_THREADS).saturating_sub(1),
            stretch: Stretch::default(),
            begin: NONE,
            full: (BATCH, u64::MAX),
            held: 0,
        }
    }

    /// Bytes of memory that are held.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Whether the stretch is to be handed on before the section at `place` is noted.
    #[inline]
    pub(super) fn is_full(&self, source: &impl Source, place: u64) -> bool {
        let (count, len) = self.full;
        let Stretch { first, count: noted } = self.stretch;
        noted >= count || noted > 0 && (place.saturating_sub(first) >= len || !source.are_joined(first, place))
    }

    /// Notes a section that is to be hashed.
    #[inline]
    pub(super) fn note(&mut self, place: u64) {
        if self.stretch.count == 0 {
            self.stretch.first = place;
        }
        self.stretch.count = self.stretch.count.saturating_add(1);
    }

    /// Hashes what was noted, or hands it to others. `allowance` is how many bytes that may take. False if there is no use in
    /// going on, because some section does not have its CID.
    #[inline(never)]
    pub(super) fn hand_on<S: Source<Lent = L>>(&mut self, source: &mut S, allowance: u64) -> bool {
        let stretch = core::mem::take(&mut self.stretch);
        self.begin = self.begin.min(stretch.first);
        let is_long = stretch.first.saturating_sub(self.begin) >= ALONE;
        let lent = if is_long && self.begin_to_share(allowance) { source.lend(stretch.first) } else { None };
        match lent {
            Some((lent, at)) => self.share(source, Piece { stretch, lent, at }),
            None => self.queue.check(stretch, source.bytes_from(stretch.first)),
        }
        !self.queue.is_bad()
    }

    /// Makes room for what threads share, if that is not done; false if that takes too much memory, or there is to be but one.
    fn begin_to_share(&mut self, allowance: u64) -> bool {
        if self.held > 0 {
            return true;
        }
        let threads = self.max_workers.saturating_mul(THREAD);
        // Besides those that wait, each thread has one that is done before it is taken back.
        let waiting = MAX_WAITING.saturating_mul(size_of::<Piece<L>>());
        let done = MAX_WAITING.saturating_add(self.max_workers).saturating_mul(size_of::<Piece<L>>());
        let held = threads.saturating_add(waiting).saturating_add(done) as u64;
        if self.max_workers == 0 || held > allowance {
            return false;
        }
        let mut pieces = self.queue.lock();
        pieces.waiting.reserve_exact(MAX_WAITING);
        pieces.done.reserve_exact(MAX_WAITING.saturating_add(self.max_workers));
        self.workers.reserve_exact(self.max_workers);
        self.full = (usize::MAX, HANDED_LEN);
        self.held = held;
        true
    }

    /// Hands a piece to other threads, of which one more is started if all are at work. If too many pieces wait, this thread
    /// helps.
    fn share<S: Source<Lent = L>>(&mut self, source: &mut S, piece: Piece<L>) {
        let mut pieces = self.queue.lock();
        take_back(source, &mut pieces.done);
        if pieces.waiting.len() >= MAX_WAITING {
            drop(pieces);
            self.queue.check_piece(&piece);
            source.take_back(piece.stretch.first, piece.lent);
            return;
        }
        pieces.waiting.push_back(piece);
        let is_enough = pieces.waiting.len() <= pieces.idle;
        drop(pieces);
        self.queue.news.notify_one();
        if !is_enough && self.workers.len() < self.max_workers {
            let queue = self.queue;
            let worker = Builder::new().stack_size(STACK).spawn_scoped(self.scope, || queue.work());
            match worker {
                Ok(worker) => self.workers.push(worker),
                // The system gives no more; what waits is done by those that there are, this one at the end.
                Err(_) => self.max_workers = self.workers.len(),
            }
        }
    }

    /// Hashes what is left, ends all threads, and takes back what was lent.
    pub(super) fn end<S: Source<Lent = L>>(&mut self, source: &mut S) {
        let stretch = core::mem::take(&mut self.stretch);
        if stretch.count > 0 {
            self.queue.check(stretch, source.bytes_from(stretch.first));
        }
        self.say_over();
        self.queue.work();
        for worker in self.workers.drain(..) {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
        let mut pieces = self.queue.lock();
        take_back(source, &mut pieces.done);
        (pieces.waiting, pieces.done) = (VecDeque::new(), Vec::new());
        (self.max_workers, self.held) = (0, 0);
    }

    /// The first of the sections that were hashed and do not have their CIDs is an error.
    pub(super) fn verdict(&self, source: &impl Source) -> Result<()> {
        if !self.queue.is_bad() {
            return Ok(());
        }
        let first = self.queue.first_bad.load(Ordering::Relaxed);
        source.section_at(first).ok_or_else(changed)?.verify()?;
        Err(changed())
    }
}

impl<L> Hashers<'_, '_, L> {
    fn say_over(&self) {
        self.queue.lock().is_over = true;
        self.queue.news.notify_all();
    }
}

/// Threads end even if the load panics, as whoever reads or is told of progress may.
impl<L> Drop for Hashers<'_, '_, L> {
    fn drop(&mut self) {
        self.say_over();
    }
}

fn take_back<S: Source>(source: &mut S, done: &mut Vec<Piece<S::Lent>>) {
    for piece in done.drain(..) {
        source.take_back(piece.stretch.first, piece.lent);
    }
}

/// Where the first of `count` sections begins that `bytes` begin with and that does not have its CID.
fn first_bad(bytes: &[u8], mut count: usize) -> Option<usize> {
    let mut sections = sections_in(bytes);
    let mut batch = [(0, &[][..]); BATCH];
    while count > 0 {
        let expected = count.min(BATCH);
        let mut read = 0_usize;
        for (slot, section) in batch.iter_mut().zip(sections.by_ref().take(expected)) {
            *slot = section;
            read = read.saturating_add(1);
        }
        if read < expected {
            // The bytes were changed. There is some place to tell, and its section need not be bad.
            return Some(0);
        }
        let bad = first_bad_of(batch.get(..read).unwrap_or_default());
        if bad.is_some() {
            return bad;
        }
        count = count.saturating_sub(read);
    }
    None
}

fn first_bad_of(batch: &[(usize, &[u8])]) -> Option<usize> {
    let blocks = batch.iter().map(|(_, body)| body.get(cid::LEN..).unwrap_or_default());
    let mut first_bad = None;
    sha256_each(blocks, |number, digest| {
        let Some((at, body)) = batch.get(number) else { return };
        let cid = body.get(..cid::LEN).and_then(|cid| Cid::parse(cid).ok());
        if cid.is_none_or(|cid| cid.digest() != digest) && first_bad.is_none_or(|first| *at < first) {
            first_bad = Some(*at);
        }
    });
    first_bad
}
