//! Threads that hash sections while the loading thread reads further ones.
//!
//! The loading thread hands over stretches of adjacent sections, each with the bytes that contain
//! it. Threads start with the first stretch. No thread outlives the load, its suspension or its
//! panic.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::batch::first_mismatch;
use crate::car::{Placement, Source, changed};
use crate::error::Result;
use crate::sha256::BATCH;

/// Number of bytes that the loading thread hashes alone at the start of a load: for less, starting
/// threads does not pay.
const ALONE: u64 = 1 << 20;

/// Length of a stretch for another thread, in bytes, exceeded by less than one section.
const STRETCH_LEN: u64 = 1 << 18;

/// Maximum number of stretches that wait for a thread.
const MAX_WAITING: usize = 1 << 8;

/// Maximum number of threads. Framing keeps far fewer busy.
const MAX_THREADS: usize = 64;

/// Upper bound on the memory of a thread without its stack, in bytes.
const THREAD_COST: usize = 1 << 10;

/// Size of a thread's stack, in bytes. Hashing takes less than an eighth of it.
const STACK_LEN: usize = 1 << 18;

/// Not the bits of any placement.
const NONE: u64 = u64::MAX;

/// Adjacent sections that are not hashed yet.
#[derive(Clone, Copy)]
struct Stretch {
    first: Placement,
    sections: usize,
}

/// The size at which a stretch is handed over: either number is enough.
#[derive(Clone, Copy)]
struct StretchLimit {
    sections: usize,
    bytes: u64,
}

/// A stretch, and the bytes that contain it. It begins at position `at`.
struct Piece<L> {
    stretch: Stretch,
    lent: L,
    at: usize,
}

/// The state that the threads share.
pub(crate) struct Queue<L> {
    pieces: Mutex<Pieces<L>>,
    /// Signalled when a piece is waiting, or when the load is over.
    news: Condvar,
    /// The placement of the first section found so far that does not have its CID, or `NONE`.
    first_mismatch: AtomicU64,
}

struct Pieces<L> {
    waiting: VecDeque<Piece<L>>,
    done: Vec<Piece<L>>,
    idle_threads: usize,
    is_over: bool,
}

/// Hashes the sections of a load, with the help of threads.
pub(crate) struct Hashers<'scope, 'env, L> {
    /// `None` if no thread may be started.
    scope: Option<&'scope Scope<'scope, 'env>>,
    queue: &'scope Queue<L>,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    max_workers: usize,
    /// The sections noted since the last stretch was handed over.
    stretch: Option<Stretch>,
    /// The placement of the first stretch.
    begin: Option<Placement>,
    full_at: StretchLimit,
    held: u64,
}

impl<L> Queue<L> {
    pub(crate) fn new() -> Self {
        let pieces =
            Pieces { waiting: VecDeque::new(), done: Vec::new(), idle_threads: 0, is_over: false };
        let first_mismatch = AtomicU64::new(NONE);
        Queue { pieces: Mutex::new(pieces), news: Condvar::new(), first_mismatch }
    }

    /// A poisoned lock is used on: no holder leaves the state inconsistent, even if it panics.
    fn lock(&self) -> MutexGuard<'_, Pieces<L>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes a stretch, unless a mismatch was found before it.
    ///
    /// `Relaxed` is enough: the verdict is read after all threads were joined, and a stale value
    /// here costs only an unnecessary hash.
    fn check(&self, stretch: Stretch, bytes: &[u8]) {
        if stretch.first.to_bits() < self.first_mismatch.load(Ordering::Relaxed)
            && let Some(at) = first_mismatch(bytes, stretch.sections)
        {
            let at = stretch.first.plus(at).to_bits();
            self.first_mismatch.fetch_min(at, Ordering::Relaxed);
        }
    }

    fn first_mismatch(&self) -> Option<Placement> {
        let bits = self.first_mismatch.load(Ordering::Relaxed);
        (bits != NONE).then(|| Placement::from_bits(bits))
    }
}

impl<L: AsRef<[u8]>> Queue<L> {
    fn check_piece(&self, piece: &Piece<L>) {
        self.check(piece.stretch, piece.lent.as_ref().get(piece.at..).unwrap_or_default());
    }

    /// Hashes pieces until the load is over.
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
                pieces.idle_threads = pieces.idle_threads.saturating_add(1);
                pieces = self.news.wait(pieces).unwrap_or_else(PoisonError::into_inner);
                pieces.idle_threads = pieces.idle_threads.saturating_sub(1);
            }
        }
    }
}

impl<'scope, 'env, L: AsRef<[u8]> + Send> Hashers<'scope, 'env, L> {
    /// Starts no thread yet. Until stretches are shared, each has `portion` bytes, exceeded by less
    /// than one section.
    pub(crate) fn new(
        scope: Option<&'scope Scope<'scope, 'env>>,
        queue: &'scope Queue<L>,
        threads: usize,
        portion: u64,
    ) -> Self {
        Hashers {
            scope,
            queue,
            workers: Vec::new(),
            max_workers: scope.map_or(0, |_| threads.min(MAX_THREADS).saturating_sub(1)),
            stretch: None,
            begin: None,
            full_at: StretchLimit { sections: BATCH, bytes: portion },
            held: 0,
        }
    }

    /// Returns how many bytes of memory are held.
    #[inline]
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Returns whether the stretch must be handed over before the section at `at` is noted.
    #[inline]
    pub(crate) fn is_full(&self, source: &impl Source, at: Placement) -> bool {
        self.stretch.is_some_and(|Stretch { first, sections }| {
            sections >= self.full_at.sections
                || at.distance_from(first) >= self.full_at.bytes
                || !source.are_joined(first, at)
        })
    }

    /// Notes a section to be hashed.
    #[inline]
    pub(crate) fn note(&mut self, at: Placement) {
        match &mut self.stretch {
            Some(stretch) => stretch.sections = stretch.sections.saturating_add(1),
            None => self.stretch = Some(Stretch { first: at, sections: 1 }),
        }
    }

    /// Hashes the noted sections, or hands them to other threads, which may take `allowance` more
    /// bytes of memory. Returns false after a mismatch: the load need not continue.
    #[inline(never)]
    pub(crate) fn hand_over<S: Source<Lent = L>>(
        &mut self,
        source: &mut S,
        allowance: u64,
    ) -> bool {
        if let Some(stretch) = self.stretch.take() {
            let begin = *self.begin.get_or_insert(stretch.first);
            let is_long = stretch.first.distance_from(begin) >= ALONE;
            let lent = if is_long && self.may_share(allowance) {
                source.lend(stretch.first)
            } else {
                None
            };
            match lent {
                Some((lent, at)) => self.share(source, Piece { stretch, lent, at }),
                None => self.queue.check(stretch, source.bytes_from(stretch.first)),
            }
        }
        self.queue.first_mismatch().is_none()
    }

    /// Allocates the shared state once. Returns false if that takes more than `allowance` bytes, or
    /// if no other thread may be used.
    fn may_share(&mut self, allowance: u64) -> bool {
        if self.held > 0 {
            return true;
        }
        let threads = self.max_workers.saturating_mul(THREAD_COST);
        // Each thread may finish one piece more than those that were waiting.
        let waiting = MAX_WAITING.saturating_mul(size_of::<Piece<L>>());
        let done =
            MAX_WAITING.saturating_add(self.max_workers).saturating_mul(size_of::<Piece<L>>());
        let held = threads.saturating_add(waiting).saturating_add(done) as u64;
        if self.max_workers == 0 || held > allowance {
            return false;
        }
        let mut pieces = self.queue.lock();
        pieces.waiting.reserve_exact(MAX_WAITING);
        pieces.done.reserve_exact(MAX_WAITING.saturating_add(self.max_workers));
        self.workers.reserve_exact(self.max_workers);
        self.full_at = StretchLimit { sections: usize::MAX, bytes: STRETCH_LEN };
        self.held = held;
        true
    }

    /// Queues a piece for other threads, and starts one more thread if all are busy. If the queue
    /// is full, the calling thread hashes the piece.
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
        let are_enough = pieces.waiting.len() <= pieces.idle_threads;
        drop(pieces);
        self.queue.news.notify_one();
        if let Some(scope) = self.scope
            && !are_enough
            && self.workers.len() < self.max_workers
        {
            let queue = self.queue;
            let worker = Builder::new().stack_size(STACK_LEN).spawn_scoped(scope, || queue.work());
            match worker {
                Ok(worker) => self.workers.push(worker),
                // The system refuses further threads. The existing ones do the work, at the end
                // with the help of this one.
                Err(_) => self.max_workers = self.workers.len(),
            }
        }
    }

    /// Hashes the remaining sections, ends all threads, and takes back the lent bytes.
    pub(crate) fn end<S: Source<Lent = L>>(&mut self, source: &mut S) {
        if let Some(stretch) = self.stretch.take() {
            self.queue.check(stretch, source.bytes_from(stretch.first));
        }
        self.announce_end();
        self.queue.work();
        for worker in self.workers.drain(..) {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
        let mut pieces = self.queue.lock();
        take_back(source, &mut pieces.done);
        debug_assert!(pieces.waiting.is_empty(), "every piece was hashed");
        (pieces.waiting, pieces.done) = (VecDeque::new(), Vec::new());
        (self.max_workers, self.held) = (0, 0);
    }

    /// Returns an error for the first hashed section that does not have its CID.
    pub(crate) fn verdict(&self, source: &impl Source) -> Result<()> {
        let Some(first) = self.queue.first_mismatch() else {
            return Ok(());
        };
        source.section_at(first).ok_or_else(changed)?.verify()?;
        Err(changed())
    }
}

impl<L> Hashers<'_, '_, L> {
    fn announce_end(&self) {
        self.queue.lock().is_over = true;
        // Without threads, notifying would be a useless system call.
        if !self.workers.is_empty() {
            self.queue.news.notify_all();
        }
    }
}

/// Ends the threads also if the load panics: a source or a progress function may.
impl<L> Drop for Hashers<'_, '_, L> {
    fn drop(&mut self) {
        self.announce_end();
    }
}

fn take_back<S: Source>(source: &mut S, done: &mut Vec<Piece<S::Lent>>) {
    for piece in done.drain(..) {
        source.take_back(piece.stretch.first, piece.lent);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use super::*;
    use crate::car::{Advance, Header, Section, SliceReader, Writer};
    use crate::cid::{Cid, Codec};

    /// Bytes that only one thread can read, if one is named.
    struct Lent<'a>(&'a [u8], Option<thread::ThreadId>);

    impl AsRef<[u8]> for Lent<'_> {
        fn as_ref(&self) -> &[u8] {
            assert!(self.1.is_none_or(|only| only == thread::current().id()), "a worker panics");
            self.0
        }
    }

    /// A slice that lends its bytes as [`Lent`].
    struct Lender<'a>(SliceReader<'a>, Option<thread::ThreadId>);

    impl<'a> Source for Lender<'a> {
        type Lent = Lent<'a>;

        const FINDS_LENT: bool = true;

        fn header(&self) -> &Header {
            self.0.header()
        }

        fn advance(&mut self) -> Result<Advance> {
            Source::advance(&mut self.0)
        }

        fn section_at(&self, at: Placement) -> Option<Section<'_>> {
            self.0.section_at(at)
        }

        fn offset_of(&self, at: Placement) -> u64 {
            self.0.offset_of(at)
        }

        fn are_joined(&self, at: Placement, later: Placement) -> bool {
            self.0.are_joined(at, later)
        }

        fn bytes_from(&self, at: Placement) -> &[u8] {
            self.0.bytes_from(at)
        }

        fn lend(&mut self, at: Placement) -> Option<(Lent<'a>, usize)> {
            self.0.lend(at).map(|(bytes, at)| (Lent(bytes, self.1), at))
        }

        fn take_back(&mut self, _: Placement, _: Lent<'a>) {}

        fn position(&self) -> u64 {
            self.0.position()
        }
    }

    fn car(blocks: usize) -> Vec<u8> {
        let block = |number: usize| number.to_be_bytes().repeat(5_000);
        let root = Cid::of(Codec::Raw, &block(0));
        let mut writer = Writer::new(Vec::new(), &[root]).unwrap();
        (0..blocks).for_each(|number| {
            writer.write(Cid::of(Codec::Raw, &block(number)), &block(number)).unwrap()
        });
        writer.finish().unwrap()
    }

    /// Hashes a CAR, and returns the number of started threads and the memory held.
    fn hash(
        car: &[u8],
        only: Option<thread::ThreadId>,
        threads: usize,
        allowance: u64,
    ) -> Result<(usize, u64)> {
        let mut source = Lender(SliceReader::new(car).unwrap(), only);
        let queue = Queue::new();
        thread::scope(|scope| {
            let mut hashers = Hashers::new(Some(scope), &queue, threads, STRETCH_LEN);
            while let Advance::Section(section) = source.advance().unwrap() {
                let is_full = hashers.is_full(&source, section.at);
                if is_full && !hashers.hand_over(&mut source, allowance) {
                    break;
                }
                hashers.note(section.at);
            }
            let told = (hashers.workers.len(), hashers.held());
            hashers.end(&mut source);
            assert_eq!(hashers.held(), 0);
            hashers.verdict(&source).map(|()| told)
        })
    }

    #[test]
    fn threads_are_started_when_there_is_something_for_them_to_do() {
        let (short, long) = (car(25), car(100));
        assert_eq!(hash(&short, None, 8, u64::MAX).unwrap(), (0, 0));
        for threads in [0, 1] {
            assert_eq!(hash(&long, None, threads, u64::MAX).unwrap(), (0, 0));
        }
        let (workers, held) = hash(&long, None, 2, u64::MAX).unwrap();
        assert_eq!(workers, 1);
        assert!(held < 32 << 10, "{held}");
        let (workers, held) = hash(&long, None, usize::MAX, u64::MAX).unwrap();
        assert!(workers > 0 && workers < MAX_THREADS && held < 128 << 10, "{workers}, {held}");
    }

    #[test]
    fn no_thread_is_started_that_there_is_no_room_for() {
        let long = car(100);
        let (_, held) = hash(&long, None, 3, u64::MAX).unwrap();
        assert_eq!(hash(&long, None, 3, held - 1).unwrap(), (0, 0));
        assert!(hash(&long, None, 3, held).unwrap().0 > 0);
    }

    #[test]
    fn a_worker_that_panics_is_no_success() {
        let long = car(100);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            hash(&long, Some(thread::current().id()), 2, u64::MAX)
        }));
        // The loading thread may have left nothing to the worker.
        if let Err(panic) = panic {
            assert_eq!(panic.downcast_ref(), Some(&"a worker panics"));
        }
        let nobody = thread::spawn(|| thread::current().id()).join().unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| hash(&long, Some(nobody), 2, u64::MAX))).is_err());
    }

    #[test]
    fn the_first_of_several_bad_sections_is_found_in_each_stretch() {
        let good = car(100);
        let starts: Vec<_> =
            SliceReader::new(&good).unwrap().map(|section| section.unwrap().offset()).collect();
        // With so many, several threads find one at the same time.
        let all_but_the_first_stretches = (30..100).collect();
        for bad in [
            vec![0],
            vec![99],
            vec![40, 41],
            vec![98, 3, 50],
            vec![6, 7, 8, 99],
            all_but_the_first_stretches,
        ] {
            let mut car = good.clone();
            bad.iter().for_each(|&number| car[usize::try_from(starts[number]).unwrap() + 100] ^= 1);
            for threads in [0, 2, 4] {
                let error = hash(&car, None, threads, u64::MAX).unwrap_err();
                assert_eq!(
                    error.position().offset(),
                    bad.iter().map(|&number| starts[number]).min()
                );
            }
        }
    }

    /// Sections can vanish if another process writes to a mapped file.
    #[test]
    fn sections_that_are_there_no_more_are_bad() {
        let car = car(3);
        let first = SliceReader::new(&car).unwrap().next().unwrap().unwrap().offset();
        let first = usize::try_from(first).unwrap();
        assert_eq!(first_mismatch(&car[first..], 3), None);
        assert_eq!(first_mismatch(&car[first..], 4), Some(0));
        assert_eq!(first_mismatch(&[], 1), Some(0));
        assert_eq!(first_mismatch(&[], 0), None);
    }
}
