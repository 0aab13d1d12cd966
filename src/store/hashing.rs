//! Blocks checked against their CIDs, many at a time: by the thread that loads, and by others if
//! there are to be any.
//!
//! What is handed over are stretches of sections, each with the bytes that it lies in. Threads
//! begin to work when the first stretch is there, and end before the load stops, for whatever
//! reason.

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

/// Bytes of a load that the thread hashes that reads them, before there are others. To start and
/// end one takes as long as to hash some 100 KiB.
const ALONE: u64 = 1 << 20;

/// Bytes of a stretch for another thread, and more by a section at most.
const STRETCH_LEN: u64 = 1 << 18;

/// Stretches that wait for a thread at most.
const MAX_WAITING: usize = 1 << 8;

/// Threads at most, of which framing keeps far fewer at work.
const MAX_THREADS: usize = 64;

/// Bytes that the standard library takes for a thread, all in all and at most, but for the stack.
const THREAD: usize = 1 << 10;

/// Bytes of a stack; hashing takes less than an eighth of it.
const STACK: usize = 1 << 18;

/// Sections that a small CAR has at most.
const FEW: usize = 32;

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
    /// Starts no thread yet. Until then, a stretch has `portion` bytes, and more by a section at
    /// most.
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        queue: &'scope Queue<L>,
        threads: usize,
        portion: u64,
    ) -> Self {
        Hashers {
            scope,
            queue,
            workers: Vec::new(),
            max_workers: threads.min(MAX_THREADS).saturating_sub(1),
            stretch: Stretch::default(),
            begin: NONE,
            full: (BATCH, portion),
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
        noted >= count
            || noted > 0 && (place.saturating_sub(first) >= len || !source.are_joined(first, place))
    }

    /// Notes a section that is to be hashed.
    #[inline]
    pub(super) fn note(&mut self, place: u64) {
        if self.stretch.count == 0 {
            self.stretch.first = place;
        }
        self.stretch.count = self.stretch.count.saturating_add(1);
    }

    /// Hashes what was noted, or hands it to others. `allowance` is how many bytes that may take.
    /// False if there is no use in going on, because some section does not have its CID.
    #[inline(never)]
    pub(super) fn hand_on<S: Source<Lent = L>>(&mut self, source: &mut S, allowance: u64) -> bool {
        let stretch = core::mem::take(&mut self.stretch);
        self.begin = self.begin.min(stretch.first);
        let is_long = stretch.first.saturating_sub(self.begin) >= ALONE;
        let lent = if is_long && self.begin_to_share(allowance) {
            source.lend(stretch.first)
        } else {
            None
        };
        match lent {
            Some((lent, at)) => self.share(source, Piece { stretch, lent, at }),
            None => self.queue.check(stretch, source.bytes_from(stretch.first)),
        }
        !self.queue.is_bad()
    }

    /// Makes room for what threads share, if that is not done; false if that takes too much memory,
    /// or there is to be but one.
    fn begin_to_share(&mut self, allowance: u64) -> bool {
        if self.held > 0 {
            return true;
        }
        let threads = self.max_workers.saturating_mul(THREAD);
        // Besides those that wait, each thread has one that is done before it is taken back.
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
        self.full = (usize::MAX, STRETCH_LEN);
        self.held = held;
        true
    }

    /// Hands a piece to other threads, of which one more is started if all are at work. If too many
    /// pieces wait, this thread helps.
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
                // The system gives no more; what waits is done by those that there are, this one at
                // the end.
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
        // That costs a call of the system.
        if !self.workers.is_empty() {
            self.queue.news.notify_all();
        }
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

/// Where the first of `count` sections begins that `bytes` begin with and that does not have its
/// CID.
fn first_bad(bytes: &[u8], count: usize) -> Option<usize> {
    // Room for many batches' sections would take a small CAR longer to make than to fill.
    if count <= FEW {
        first_bad_by::<FEW>(bytes, count)
    } else {
        first_bad_by::<BATCH>(bytes, count)
    }
}

/// As `first_bad`, with so many sections hashed together.
fn first_bad_by<const N: usize>(bytes: &[u8], mut count: usize) -> Option<usize> {
    let mut sections = sections_in(bytes);
    while count > 0 {
        let expected = count.min(N);
        let mut bad = None;
        let read = hash::<N>(&mut sections.by_ref().take(expected), |_, at| {
            bad = Some(bad.map_or(at, |first: usize| first.min(at)));
        });
        if read < expected {
            // The bytes were changed. There is some place to tell, and its section need not be bad.
            return Some(0);
        }
        if bad.is_some() {
            return bad;
        }
        count = count.saturating_sub(read);
    }
    None
}

/// Hashes sections together, `N` at most, and tells the number and the place of each that does not
/// have its CID. Gives how many there were.
fn hash<'a, const N: usize>(
    sections: &mut impl Iterator<Item = (usize, &'a [u8])>,
    mut tell: impl FnMut(usize, usize),
) -> usize {
    let mut batch = [(0, &[][..]); N];
    let mut read = 0_usize;
    for (slot, section) in batch.iter_mut().zip(sections) {
        *slot = section;
        read = read.saturating_add(1);
    }
    let batch = batch.get(..read).unwrap_or_default();
    let block = |number: usize| {
        batch.get(number).and_then(|(_, body)| body.get(cid::LEN..)).unwrap_or_default()
    };
    sha256_each(read, block, |number, digest| {
        let Some((at, body)) = batch.get(number) else { return };
        let cid = body.get(..cid::LEN).and_then(|cid| Cid::parse(cid).ok());
        if cid.is_none_or(|cid| cid.digest() != digest) {
            tell(number, *at);
        }
    });
    read
}

/// Sections that will be copied one by one, hashed together.
#[derive(Default)]
pub(super) struct Judged {
    /// A bit for each that does not have its CID.
    is_bad: [u64; BATCH / 64],
    count: usize,
    next: usize,
}

impl Judged {
    /// Whether the section at `place` has its CID, which is the one after that was asked about
    /// last. If not all of it could be looked at, it is said to have none.
    #[inline]
    pub(super) fn is_good(&mut self, source: &impl Source, place: u64) -> bool {
        if self.next >= self.count {
            *self = Self::judge(source.bytes_from(place));
        }
        let number = self.next;
        self.next = number.saturating_add(1);
        number < self.count
            && self.is_bad.get(number / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 0)
    }

    #[inline(never)]
    fn judge(bytes: &[u8]) -> Self {
        let mut judged = Judged::default();
        let mut sections = sections_in(bytes);
        let note = |number: usize, _| {
            if let Some(bits) = judged.is_bad.get_mut(number / 64) {
                *bits |= 1 << (number % 64);
            }
        };
        // A stream may come in small pieces.
        let is_short = bytes.len() < FEW.saturating_mul(cid::LEN);
        judged.count = if is_short {
            hash::<FEW>(&mut sections, note)
        } else {
            hash::<BATCH>(&mut sections, note)
        };
        judged
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use super::*;
    use crate::car::{Advance, Header, Section, SliceReader, Writer};
    use crate::cid::Codec;

    /// Bytes that some threads cannot read.
    struct Lent<'a>(&'a [u8], Option<thread::ThreadId>);

    impl AsRef<[u8]> for Lent<'_> {
        fn as_ref(&self) -> &[u8] {
            assert!(self.1.is_none_or(|only| only == thread::current().id()), "a worker panics");
            self.0
        }
    }

    /// A slice whose bytes are lent so.
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

        fn section_at(&self, place: u64) -> Option<Section<'_>> {
            self.0.section_at(place)
        }

        fn are_joined(&self, place: u64, later: u64) -> bool {
            self.0.are_joined(place, later)
        }

        fn bytes_from(&self, place: u64) -> &[u8] {
            self.0.bytes_from(place)
        }

        fn lend(&mut self, place: u64) -> Option<(Lent<'a>, usize)> {
            self.0.lend(place).map(|(bytes, at)| (Lent(bytes, self.1), at))
        }

        fn take_back(&mut self, _: u64, _: Lent<'a>) {}

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

    /// Hashes all of a CAR, and tells how many threads were started and what was held at most.
    fn hash(
        car: &[u8],
        only: Option<thread::ThreadId>,
        threads: usize,
        allowance: u64,
    ) -> Result<(usize, u64)> {
        let mut source = Lender(SliceReader::new(car).unwrap(), only);
        let queue = Queue::new();
        thread::scope(|scope| {
            let mut hashers = Hashers::new(scope, &queue, threads, STRETCH_LEN);
            while let Advance::Section(place, _) = source.advance().unwrap() {
                if hashers.is_full(&source, place) && !hashers.hand_on(&mut source, allowance) {
                    break;
                }
                hashers.note(place);
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
        // The loading thread may have been so fast that nothing was left for the worker.
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
        // Of the last, threads find several at the same time.
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

    /// As of a mapped file that somebody else wrote.
    #[test]
    fn sections_that_are_there_no_more_are_bad() {
        let car = car(3);
        let first = SliceReader::new(&car).unwrap().next().unwrap().unwrap().offset();
        let first = usize::try_from(first).unwrap();
        assert_eq!(first_bad(&car[first..], 3), None);
        assert_eq!(first_bad(&car[first..], 4), Some(0));
        assert_eq!(first_bad(&[], 1), Some(0));
        assert_eq!(first_bad(&[], 0), None);
    }
}
