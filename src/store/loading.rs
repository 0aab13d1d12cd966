//! How the sections of a CAR come into a store: each checked, each handed on to where it will lie.

use core::fmt;
use std::{io, thread};

use super::hashing::{Hashers, Judged, Queue};
use super::intake::{CarStats, Intake, Verification, check_place};
use super::memory::MemorySink;
use super::packed::{Packed, State};
#[cfg(feature = "redb")]
use super::redb::{PlaceSink, Writer};
use crate::car::{Advance, Header, Source};
#[cfg(feature = "redb")]
use crate::car::{Reader, SliceReader};
use crate::cid::Cid;
use crate::error::{Error, Result, Structure};
use crate::mst::may_be_node;

/// Progress is told each time about this many bytes have come.
const PROGRESS_STEP: u64 = 1 << 20;

/// Bytes of a reduced record that there is room for in any case.
const USUAL_REDUCED: usize = 1 << 16;

/// Appends what a process function makes of a record.
pub(crate) type Reducer<'a> = &'a dyn Fn(&[u8], &mut Vec<u8>) -> Result<()>;

/// Where the sections of a load go.
pub(crate) trait Sink {
    /// Whether sections stay where the source has them, and are only noted; else they are taken.
    fn is_in_place(&self) -> bool;

    /// Makes room for what is known of one section more, or at the end, for all that is left to do.
    /// False if that takes more than `memory_limit` bytes, the source's included.
    fn make_room(&mut self, source: &impl Source, at_end: bool, memory_limit: u64) -> Result<bool>;

    /// How many sections can be noted before room has to be made again.
    fn room(&self) -> usize;

    /// Notes a section that stays where it is, at `place` in the source.
    fn note(&mut self, source: &impl Source, cid: &Cid, place: u64) -> Result<()>;

    /// Copies a section, which is at `place` in the source, and tells the place that it has from
    /// now on. `None`, and nothing is done, if more than `allowance` bytes would be held here.
    fn take(&mut self, section: &Packed<'_>, place: u64, allowance: u64) -> Result<Option<u64>>;

    /// Bytes of memory that are held.
    fn held(&self) -> u64;
}

/// A load that can be interrupted between two sections.
pub(crate) struct Loading<K> {
    pub(crate) sink: K,
    pub(crate) progress: Progress,
}

/// How far a load has come.
pub(crate) struct Progress {
    pub(super) stats: CarStats,
    /// The place of the first section.
    pub(super) first: Option<u64>,
    /// The place of the section that names the CID of the commit, of several the first.
    commit: Option<u64>,
    /// What comes next; `Full` as long as the source was not asked, or had no room to tell.
    pub(super) next: Advance,
    /// What is known of the sections that will be copied next.
    judged: Judged,
    /// What is known of the section that comes next, if it was looked at. Then `reduced` is of it.
    pub(super) state: Option<State>,
    /// What the process function made of a section.
    pub(super) reduced: Vec<u8>,
    pub(super) fault: Option<Error>,
    /// The position that was told last.
    told: u64,
}

impl<K: Sink> Loading<K> {
    pub(crate) fn new(sink: K) -> Self {
        Loading {
            sink,
            progress: Progress {
                stats: CarStats::default(),
                first: None,
                commit: None,
                next: Advance::Full,
                judged: Judged::default(),
                state: None,
                reduced: Vec::new(),
                fault: None,
                told: 0,
            },
        }
    }

    /// Takes in sections until there are no more, or more than `memory_limit` bytes would be held;
    /// true if there are no more.
    pub(crate) fn go_on<S: Source>(
        &mut self,
        source: &mut S,
        settings: &mut Intake<'_>,
        reduce: Option<Reducer<'_>>,
        memory_limit: u64,
    ) -> Result<bool> {
        let queue = Queue::new();
        thread::scope(|scope| {
            let mut hashers = Hashers::new(scope, &queue, settings.threads, S::PORTION);
            let went = self.pass(source, settings, reduce, memory_limit, &mut hashers);
            hashers.end(source);
            // Of two errors the one that comes first in the CAR is told.
            hashers.verdict(source)?;
            went
        })
    }

    fn pass<S: Source>(
        &mut self,
        source: &mut S,
        settings: &mut Intake<'_>,
        reduce: Option<Reducer<'_>>,
        memory_limit: u64,
        hashers: &mut Hashers<'_, '_, S::Lent>,
    ) -> Result<bool> {
        loop {
            let at_end = matches!(self.progress.next, Advance::End);
            if at_end && !S::FINDS_LENT {
                hashers.end(source);
            }
            let memory_limit = memory_limit.saturating_sub(hashers.held());
            if !self.sink.make_room(
                source,
                at_end,
                memory_limit.saturating_sub(self.progress.held()),
            )? {
                return Ok(false);
            }
            source.allow(memory_limit.saturating_sub(self.held()));
            match self.progress.next {
                Advance::Section(place, cid) if self.sink.is_in_place() => {
                    if !hashers.is_full(source, place) {
                        self.note(source, settings, (place, cid), hashers)?;
                    } else if !self.hand_on(source, memory_limit, hashers) {
                        return Ok(false);
                    }
                }
                Advance::Section(place, _) => {
                    if !self.take(source, settings, reduce, place, memory_limit)? {
                        return Ok(false);
                    }
                }
                Advance::End => break,
                Advance::Full => self.progress.next = self.progress.advance(source, settings)?,
            }
            self.progress.tell(source.position(), settings);
            if matches!(self.progress.next, Advance::Full) {
                return Ok(false);
            }
        }
        settings.tell(source.position());
        Ok(true)
    }

    /// Takes in all sections, whatever memory that takes.
    pub(crate) fn go_to_end(
        &mut self,
        source: &mut impl Source,
        settings: &mut Intake<'_>,
        reduce: Option<Reducer<'_>>,
    ) -> Result<()> {
        // Nothing that is counted in 64 bits can be more; if it were, what is loaded is not all.
        let is_done = self.go_on(source, settings, reduce, u64::MAX)?;
        if is_done { Ok(()) } else { Err(io::Error::from(io::ErrorKind::OutOfMemory).into()) }
    }

    /// Takes in sections that stay where they are, until there is something else to do between two
    /// of them.
    fn note<S: Source>(
        &mut self,
        source: &mut S,
        settings: &Intake<'_>,
        first: (u64, Cid),
        hashers: &mut Hashers<'_, '_, S::Lent>,
    ) -> Result<()> {
        let Loading { sink, progress } = self;
        let (mut place, mut cid) = first;
        for _ in 0..sink.room().max(1) {
            check_place(place, || source.section_at(place).map(|section| section.offset()))?;
            sink.note(source, &cid, place)?;
            progress.count(&cid, source.header(), Some(place));
            if settings.verification == Verification::EveryBlock {
                hashers.note(place);
            }
            match progress.advance(source, settings)? {
                Advance::Section(next, next_cid)
                    if !hashers.is_full(source, next)
                        && !progress.is_to_tell(source.position()) =>
                {
                    (place, cid) = (next, next_cid);
                }
                next => {
                    progress.next = next;
                    return Ok(());
                }
            }
        }
        progress.next = Advance::Section(place, cid);
        Ok(())
    }

    /// Has the sections hashed that were noted; false if there is no use in going on.
    #[inline(never)]
    fn hand_on<S: Source>(
        &self,
        source: &mut S,
        memory_limit: u64,
        hashers: &mut Hashers<'_, '_, S::Lent>,
    ) -> bool {
        let allowance = memory_limit.saturating_sub(source.held()).saturating_sub(self.held());
        hashers.hand_on(source, allowance)
    }

    /// Takes in a section that is copied, or what is left of it.
    #[inline(never)]
    fn take(
        &mut self,
        source: &mut impl Source,
        settings: &Intake<'_>,
        reduce: Option<Reducer<'_>>,
        place: u64,
        memory_limit: u64,
    ) -> Result<bool> {
        if self.progress.state.is_none() {
            self.progress.state = Some(self.progress.classify(source, settings, reduce, place)?);
        }
        let others = source.held().saturating_add(self.progress.held());
        let packed = self.progress.packed(source, place)?;
        let cid = packed.cid;
        let place = self.sink.take(&packed, place, memory_limit.saturating_sub(others))?;
        if place.is_none() {
            return Ok(false);
        }
        self.progress.state = None;
        self.progress.count(&cid, source.header(), place);
        source.allow(memory_limit.saturating_sub(self.held()));
        self.progress.next = self.progress.advance(source, settings)?;
        Ok(true)
    }

    /// Bytes of memory that are held.
    pub(crate) fn held(&self) -> u64 {
        self.sink.held().saturating_add(self.progress.held())
    }
}

impl Loading<MemorySink> {
    /// Gives all sections that were taken in to a writer, in the order of the CAR, and their memory
    /// back piece by piece.
    #[cfg(feature = "redb")]
    pub(crate) fn move_into<R>(
        self,
        writer: &mut Writer,
        reader: &mut Reader<R>,
        verification: Verification,
    ) -> Result<Progress> {
        let Loading { sink, mut progress } = self;
        let packed = sink.into_packed();
        if let Some(arena) = packed {
            for chunk in arena.into_chunks() {
                let mut at = 0;
                while let Some((packed, next)) = Packed::read(chunk.bytes(), at, chunk.offset()) {
                    writer.push(&packed)?;
                    at = next;
                }
            }
            return Ok(progress);
        }
        let mut left = progress.stats.sections;
        let moved = reader.release(progress.first.unwrap_or(u64::MAX), |section| {
            if left == 0 {
                return Ok(());
            }
            left = left.saturating_sub(1);
            let is_bad = verification == Verification::ReachedBlocks && section.verify().is_err();
            let state = if is_bad { State::Bad } else { State::Raw };
            let (offset, cid, bytes) = (section.offset(), section.cid(), section.block());
            writer.push(&Packed { offset, cid, state, bytes })
        })?;
        if let Advance::Section(place, _) = &mut progress.next {
            *place = place.saturating_sub(moved);
        }
        Ok(progress)
    }

    /// The section that should be the commit's, if it was seen.
    pub(crate) fn commit<'a>(&'a self, source: &'a impl Source) -> Option<Packed<'a>> {
        self.sink.section_at(source, self.progress.commit?)
    }
}

impl Progress {
    /// Checks the section at hand, and reduces its block if that can be done without knowing what
    /// links to it.
    fn classify(
        &mut self,
        source: &impl Source,
        settings: &Intake<'_>,
        reduce: Option<Reducer<'_>>,
        place: u64,
    ) -> Result<State> {
        let section = settings.check_frame(source, place)?;
        if settings.verification != Verification::DangerouslyNone
            && !self.judged.is_good(source, place)
        {
            match section.verify() {
                // Of two blocks with one CID the good one is found. Here they are told apart once
                // and for all.
                Err(_) if settings.verification == Verification::ReachedBlocks => {
                    return Ok(State::Bad);
                }
                verified => verified?,
            }
        }
        let (cid, block) = (section.cid(), section.block());
        let Some(reduce) =
            reduce.filter(|_| cid != source.header().root() && !may_be_node(&cid, block))
        else {
            return Ok(State::Raw);
        };
        self.reduced.clear();
        self.reduced.shrink_to(USUAL_REDUCED);
        let reduced = reduce(block, &mut self.reduced);
        reduced.map_err(|error| {
            error.in_structure(Structure::Record).at(Some(section.offset())).of_cid(cid)
        })?;
        Ok(State::Reduced)
    }

    /// The section at hand, as it was classified.
    fn packed<'a>(&'a self, source: &'a impl Source, place: u64) -> Result<Packed<'a>> {
        let section = source.section_at(place).zip(self.state);
        let (section, state) = section.ok_or_else(changed)?;
        let bytes = if state == State::Reduced { &self.reduced[..] } else { section.block() };
        Ok(Packed { offset: section.offset(), cid: section.cid(), state, bytes })
    }

    /// Bytes of memory that are held.
    fn held(&self) -> u64 {
        self.reduced.capacity() as u64
    }

    /// Takes in once more what was taken in before, in place.
    #[cfg(feature = "redb")]
    pub(super) fn replay(&self, source: &SliceReader<'_>, sink: &mut PlaceSink) -> Result<()> {
        let mut place = self.first.unwrap_or_default();
        for _ in 0..self.stats.sections {
            let (section, next) = source.section_and_next(place).ok_or_else(changed)?;
            let (offset, cid, bytes) = (section.offset(), section.cid(), section.block());
            sink.enter(&Packed { offset, cid, state: State::Raw, bytes }, place)?;
            place = next;
        }
        Ok(())
    }

    #[inline]
    fn count(&mut self, cid: &Cid, header: &Header, place: Option<u64>) {
        self.first = self.first.or(place);
        if self.commit.is_none() && *cid == header.root() {
            self.commit = place;
        }
        self.stats.sections = self.stats.sections.saturating_add(1);
    }

    /// The next section. Bad framing is taken for the end, if that is wanted.
    // One call less for each section, with what it gives copied.
    #[inline(always)]
    fn advance(&mut self, source: &mut impl Source, settings: &Intake<'_>) -> Result<Advance> {
        match source.advance() {
            Err(error) if settings.salvage && (error.is_truncated() || error.is_invalid()) => {
                self.fault = Some(error);
                Ok(Advance::End)
            }
            next => next,
        }
    }

    #[inline]
    fn is_to_tell(&self, position: u64) -> bool {
        position.saturating_sub(self.told) >= PROGRESS_STEP
    }

    #[inline]
    fn tell(&mut self, position: u64, settings: &mut Intake<'_>) {
        if self.is_to_tell(position) {
            self.told = position;
            settings.tell(position);
        }
    }

    /// What was loaded. Of a CAR that is bad before its commit nothing can be saved: then its fault
    /// is the error.
    pub(crate) fn finish(self, source: &impl Source, distinct_blocks: u64) -> Result<Contents> {
        let Progress { mut stats, first, commit, fault, .. } = self;
        let fault = match (fault, commit) {
            (Some(fault), None) => return Err(fault),
            (fault, _) => fault,
        };
        stats.bytes = source.position();
        stats.distinct_blocks = distinct_blocks;
        Ok(Contents { header: source.header().clone(), first, stats, fault })
    }
}

/// `AsRef` gave other bytes than before.
#[cold]
pub(crate) fn changed() -> Error {
    Error::store("the input's bytes changed while they were read").in_structure(Structure::Section)
}

/// A sink that copies sections was to note one, or the other way round.
#[cold]
pub(crate) fn out_of_place() -> Error {
    Error::store("a section came to where it does not belong")
}

/// What a load came to, besides the blocks.
pub(crate) struct Contents {
    pub(super) header: Header,
    /// The place of the first section.
    pub(super) first: Option<u64>,
    pub(super) stats: CarStats,
    /// What is wrong with the rest of the CAR, if that was given up.
    pub(super) fault: Option<Error>,
}

impl<K> fmt::Debug for Loading<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading").field("stats", &self.progress.stats).finish_non_exhaustive()
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("header", &self.header)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
