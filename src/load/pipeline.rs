//! The loading pipeline: each section is framed, verified and handed to a sink.

use core::fmt;
use std::{io, thread};

use super::hashing::{Hashers, Queue, Verdicts};
use super::settings::Settings;
use crate::car::{Advance, Located, Placement, Source};
use crate::cid::Cid;
use crate::error::{Error, ErrorClass, Result, Structure};
use crate::shape::may_be_node;
use crate::store::contents::{CarStats, Contents};
use crate::store::packed::{Packed, State};
use crate::store::trust::Trust;

/// Progress is reported each time about this many bytes were loaded.
const PROGRESS_STEP: u64 = 1 << 20;

/// Bytes of a processed value for which room is kept.
const USUAL_VALUE_LEN: usize = 1 << 16;

/// Appends the value that a process function makes of a record.
pub(super) type ValueFn<'a> = &'a dyn Fn(&[u8], &mut Vec<u8>) -> Result<()>;

/// Where the sections of a load go.
pub(super) trait Sink {
    /// Returns whether sections stay where the source has them and are only noted; otherwise they
    /// are taken.
    fn is_in_place(&self) -> bool;

    /// Makes room for one more section, or at the end for everything that is left to do. Returns
    /// false if that takes more than `allowance` bytes of memory.
    fn make_room(&mut self, source: &impl Source, at_end: bool, allowance: u64) -> Result<bool>;

    /// Returns how many sections can be noted before room has to be made again.
    fn room(&self) -> usize;

    /// Notes a section that stays in the source.
    fn note(&mut self, source: &impl Source, section: &Located) -> Result<()>;

    /// Copies a section, which the source has at `at`, and returns its placement from now on.
    /// `None`, and nothing is done, if that takes more than `allowance` bytes of memory.
    fn take(
        &mut self,
        section: &Packed<'_>,
        at: Placement,
        allowance: u64,
    ) -> Result<Option<Placement>>;

    /// Returns how many bytes of memory are held.
    fn held(&self) -> u64;
}

/// A load that can be interrupted between any two sections.
pub(super) struct Loading<K> {
    pub(super) sink: K,
    pub(super) state: LoadState,
}

/// How far a load has come.
pub(super) struct LoadState {
    stats: CarStats,
    first: Option<Placement>,
    /// The first section that names the CID of the commit.
    commit: Option<Placement>,
    next: Next,
    verdicts: Verdicts,
    /// The state of the next section, if it was classified. Then `value` belongs to it.
    classified: Option<State>,
    /// The processed value of the next section.
    value: Vec<u8>,
    fault: Option<Error>,
    /// The position that was reported last.
    reported: u64,
}

/// What the source has next.
#[derive(Clone, Copy)]
enum Next {
    /// It was not asked yet, or had no room to find out.
    Unknown,
    Section(Located),
    End,
}

impl<K: Sink> Loading<K> {
    pub(super) fn new(sink: K) -> Self {
        let state = LoadState {
            stats: CarStats::default(),
            first: None,
            commit: None,
            next: Next::Unknown,
            verdicts: Verdicts::default(),
            classified: None,
            value: Vec::new(),
            fault: None,
            reported: 0,
        };
        Loading { sink, state }
    }

    /// Loads sections until there are no more, or until more than `memory_limit` bytes would be
    /// held. Returns true if there are no more.
    pub(super) fn run<S: Source>(
        &mut self,
        source: &mut S,
        settings: &Settings,
        value_fn: Option<ValueFn<'_>>,
        memory_limit: u64,
    ) -> Result<bool> {
        let queue = Queue::new();
        thread::scope(|scope| {
            let hashers = Hashers::new(scope, &queue, settings.threads, S::PORTION);
            let Loading { sink, state } = self;
            let commit = settings.commit.unwrap_or_else(|| source.header().root());
            let mut pass =
                Pass { source, sink, state, settings, commit, value_fn, memory_limit, hashers };
            let outcome = pass.run();
            pass.hashers.end(pass.source);
            // A mismatch that was found stands before any other error in the CAR.
            pass.hashers.verdict(pass.source)?;
            outcome
        })
    }

    /// Loads all sections without a memory limit.
    pub(super) fn run_to_end(
        &mut self,
        source: &mut impl Source,
        settings: &Settings,
        value_fn: Option<ValueFn<'_>>,
    ) -> Result<()> {
        // More than 64 bits can count is never held. If it were, not everything would be loaded.
        if self.run(source, settings, value_fn, u64::MAX)? {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::OutOfMemory).into())
        }
    }

    /// Returns how many bytes of memory are held besides the source's.
    pub(super) fn held(&self) -> u64 {
        self.sink.held().saturating_add(self.state.held())
    }
}

/// One uninterrupted part of a load.
struct Pass<'a, 'scope, 'env, S: Source, K> {
    source: &'a mut S,
    sink: &'a mut K,
    state: &'a mut LoadState,
    settings: &'a Settings,
    /// The CID of the commit that will be opened.
    commit: Cid,
    value_fn: Option<ValueFn<'a>>,
    memory_limit: u64,
    hashers: Hashers<'scope, 'env, S::Lent>,
}

impl<S: Source, K: Sink> Pass<'_, '_, '_, S, K> {
    fn run(&mut self) -> Result<bool> {
        loop {
            let at_end = matches!(self.state.next, Next::End);
            // The index is made from the sections' bytes, so lent ones have to be back.
            if at_end && !S::FINDS_LENT {
                self.hashers.end(self.source);
            }
            let room_left = self.room_left();
            if !self.sink.make_room(self.source, at_end, room_left)? {
                return Ok(false);
            }
            self.allow_source();
            match self.state.next {
                Next::Section(section) if self.sink.is_in_place() => {
                    if !self.hashers.is_full(self.source, section.at) {
                        self.note(section)?;
                    } else if !self.hand_over() {
                        return Ok(false);
                    }
                }
                Next::Section(section) => {
                    if !self.take(&section)? {
                        return Ok(false);
                    }
                }
                Next::End => break,
                Next::Unknown => self.state.next = self.advance()?,
            }
            if self.is_report_due() {
                self.report()?;
            }
            // The source had no room to find the next section, and will have none in this pass.
            if matches!(self.state.next, Next::Unknown) {
                return Ok(false);
            }
        }
        self.report()?;
        Ok(true)
    }

    /// Notes sections that stay in the source, until something else has to be done between two of
    /// them.
    fn note(&mut self, first: Located) -> Result<()> {
        let hashes = self.settings.trust == Trust::Hashed;
        let mut section = first;
        for _ in 0..self.sink.room().max(1) {
            self.sink.note(self.source, &section)?;
            self.state.count(&section, section.at, &self.commit);
            if hashes {
                self.hashers.note(section.at);
            }
            match self.advance()? {
                Next::Section(next)
                    if !self.hashers.is_full(self.source, next.at) && !self.is_report_due() =>
                {
                    section = next;
                }
                next => {
                    self.state.next = next;
                    return Ok(());
                }
            }
        }
        self.state.next = Next::Section(section);
        Ok(())
    }

    /// Has the noted sections hashed. Returns false if it is of no use to continue.
    #[inline(never)]
    fn hand_over(&mut self) -> bool {
        let room_left = self.room_left();
        self.hashers.hand_over(self.source, room_left)
    }

    /// Copies a section, or what is left of one that did not fit before. Returns false if it takes
    /// more memory than the limit allows.
    #[inline(never)]
    fn take(&mut self, section: &Located) -> Result<bool> {
        let state = match self.state.classified {
            Some(state) => state,
            None => self.classify(section)?,
        };
        self.state.classified = Some(state);
        let room_left = self.room_left();
        let mut packed = Packed::of(section.section(self.source)?, state);
        if state == State::Processed {
            packed.bytes = &self.state.value;
        }
        let Some(at) = self.sink.take(&packed, section.at, room_left)? else {
            return Ok(false);
        };
        self.state.classified = None;
        self.state.count(section, at, &self.commit);
        self.allow_source();
        self.state.next = self.advance()?;
        Ok(true)
    }

    /// Verifies a section that will be copied, and applies the process function to its block if
    /// that can be done without knowing what links to it.
    fn classify(&mut self, section: &Located) -> Result<State> {
        let Located { at, cid, .. } = *section;
        let section = section.section(self.source)?;
        let trust = self.settings.trust;
        if trust.once_copied() == Trust::Hashed
            && !self.state.is_good(self.source, at)
            && let Err(error) = section.verify()
        {
            // Of two blocks with one CID the good one is found. Copied blocks are told apart here,
            // once and for all.
            if trust == Trust::HashWhenReached {
                return Ok(State::Bad);
            }
            return Err(error);
        }
        let block = section.block();
        let Some(value_fn) = self.value_fn else {
            return Ok(State::Original);
        };
        if cid == self.commit || may_be_node(&cid, block) {
            return Ok(State::Original);
        }
        let value = &mut self.state.value;
        value.clear();
        value.shrink_to(USUAL_VALUE_LEN);
        value_fn(block, value).map_err(|error| {
            error.in_structure(Structure::Record).at(Some(section.offset())).of_cid(cid)
        })?;
        Ok(State::Processed)
    }

    /// Moves on. With `salvage`, malformed or truncated framing counts as the end.
    // Inlined because it is called for each section, with a result that is copied.
    #[inline(always)]
    fn advance(&mut self) -> Result<Next> {
        match self.source.advance() {
            Ok(Advance::Section(section)) => Ok(Next::Section(section)),
            Ok(Advance::End) => Ok(Next::End),
            Ok(Advance::Full) => Ok(Next::Unknown),
            Err(error)
                if self.settings.salvage
                    && matches!(error.class(), ErrorClass::Truncated | ErrorClass::Invalid) =>
            {
                self.state.fault = Some(error);
                Ok(Next::End)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns how many bytes of memory may be taken besides what is held.
    fn room_left(&self) -> u64 {
        let held = self.sink.held().saturating_add(self.state.held());
        let held = held.saturating_add(self.source.held()).saturating_add(self.hashers.held());
        self.memory_limit.saturating_sub(held)
    }

    /// Lets the source grow by what is left.
    fn allow_source(&mut self) {
        let allowance = self.room_left().saturating_add(self.source.held());
        self.source.allow(allowance);
    }

    #[inline]
    fn is_report_due(&self) -> bool {
        self.source.position().saturating_sub(self.state.reported) >= PROGRESS_STEP
    }

    fn report(&mut self) -> Result<()> {
        self.state.reported = self.source.position();
        self.settings.report(self.state.reported)
    }
}

impl LoadState {
    /// Returns whether the section at `at` has its CID, for sections in their order. A section that
    /// is not whole in memory counts as one that does not.
    fn is_good(&mut self, source: &impl Source, at: Placement) -> bool {
        if let Some(verdict) = self.verdicts.next() {
            return verdict;
        }
        self.verdicts = Verdicts::of(source.bytes_from(at));
        self.verdicts.next().unwrap_or(false)
    }

    fn held(&self) -> u64 {
        self.value.capacity() as u64
    }

    #[inline]
    fn count(&mut self, section: &Located, at: Placement, commit: &Cid) {
        self.first = self.first.or(Some(at));
        if self.commit.is_none() && section.cid == *commit {
            self.commit = Some(at);
        }
        self.stats.sections = self.stats.sections.saturating_add(1);
    }

    /// Returns where the section is that should be the commit's, if it was loaded.
    pub(super) fn commit(&self) -> Option<Placement> {
        self.commit
    }

    /// Returns the first of the loaded sections, and how many there are.
    #[cfg(feature = "redb")]
    pub(super) fn loaded(&self) -> (Option<Placement>, u64) {
        (self.first, self.stats.sections)
    }

    /// Follows the next section, which the source moved down by so many bytes.
    #[cfg(feature = "redb")]
    pub(super) fn move_down(&mut self, len: u64) {
        if let Next::Section(section) = &mut self.next {
            *section = section.moved_down(len);
        }
    }

    /// Returns what is known of the loaded CAR. If it is damaged before its commit, nothing can be
    /// salvaged, and its fault is the error.
    pub(super) fn finish(self, source: &impl Source, distinct_blocks: u64) -> Result<Contents> {
        let LoadState { mut stats, first, commit, fault, .. } = self;
        let fault = match (fault, commit) {
            (Some(fault), None) => return Err(fault),
            (fault, _) => fault,
        };
        stats.bytes = source.position();
        stats.distinct_blocks = distinct_blocks;
        debug_assert!(stats.distinct_blocks <= stats.sections, "every block has a section");
        Ok(Contents { header: source.header().clone(), first, stats, fault })
    }
}

impl<K> fmt::Debug for Loading<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loading").field("stats", &self.state.stats).finish_non_exhaustive()
    }
}
