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

/// Number of bytes between two calls of the progress function.
pub(super) const PROGRESS_STEP: u64 = 1 << 20;

/// Capacity that is kept for the next processed value, in bytes.
const USUAL_VALUE_LEN: usize = 1 << 16;

/// Appends the encoded value of a record: a process function without its types.
pub(super) type ValueFn<'a> = &'a dyn Fn(&[u8], &mut Vec<u8>) -> Result<()>;

/// The destination of the sections of a load.
pub(super) trait Sink {
    /// Returns whether sections stay in the source and are only noted. Otherwise they are taken.
    fn is_in_place(&self) -> bool;

    /// Makes room for one more section, or at the end for the remaining work. Returns false if that
    /// takes more than `allowance` bytes of memory.
    fn make_room(&mut self, source: &impl Source, at_end: bool, allowance: u64) -> Result<bool>;

    /// Returns how many sections can be noted before room has to be made again.
    fn room(&self) -> usize;

    /// Notes a section that stays in the source.
    fn note(&mut self, source: &impl Source, section: &Located) -> Result<()>;

    /// Copies the section at `at` of the source, and returns its new placement. Does nothing and
    /// returns `None` if that takes more than `allowance` bytes of memory.
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

/// The state of a load between two sections.
pub(super) struct LoadState {
    stats: CarStats,
    first: Option<Placement>,
    /// The first section with the CID of the commit.
    commit: Option<Placement>,
    next: Next,
    verdicts: Verdicts,
    /// The state of the next section, if it is classified already. Then `value` is its value.
    classified: Option<State>,
    /// The processed value of the next section.
    value: Vec<u8>,
    fault: Option<Error>,
    /// The position that was reported last.
    reported: u64,
}

/// The next section of the source.
#[derive(Clone, Copy)]
enum Next {
    /// Not looked for yet, or the source had no room to read it.
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
        // A scope takes memory, so there is none if no thread may be started.
        if settings.threads <= 1 {
            let hashers = Hashers::new(None, &queue, settings.threads, S::PORTION);
            return self.pass(source, settings, value_fn, memory_limit, hashers);
        }
        thread::scope(|scope| {
            let hashers = Hashers::new(Some(scope), &queue, settings.threads, S::PORTION);
            self.pass(source, settings, value_fn, memory_limit, hashers)
        })
    }

    fn pass<S: Source>(
        &mut self,
        source: &mut S,
        settings: &Settings,
        value_fn: Option<ValueFn<'_>>,
        memory_limit: u64,
        hashers: Hashers<'_, '_, S::Lent>,
    ) -> Result<bool> {
        let Loading { sink, state } = self;
        let commit = settings.commit.unwrap_or_else(|| source.header().root());
        let mut pass =
            Pass { source, sink, state, settings, commit, value_fn, memory_limit, hashers };
        let outcome = pass.run();
        pass.hashers.end(pass.source);
        // A mismatch comes before any other error: a block is framed before it is hashed.
        pass.hashers.verdict(pass.source)?;
        outcome
    }

    /// Loads all sections without a memory limit.
    pub(super) fn run_to_end(
        &mut self,
        source: &mut impl Source,
        settings: &Settings,
        value_fn: Option<ValueFn<'_>>,
    ) -> Result<()> {
        // No load holds `u64::MAX` bytes. If one did, it would be incomplete.
        if self.run(source, settings, value_fn, u64::MAX)? {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::OutOfMemory).into())
        }
    }

    /// Returns how many bytes of memory are held, without those of the source.
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
            // Making the index reads sections, so no bytes may be lent to threads.
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
            // The source had no room for the next section, and gets none in this pass.
            if matches!(self.state.next, Next::Unknown) {
                return Ok(false);
            }
        }
        self.report()?;
        Ok(true)
    }

    /// Notes sections that stay in the source, until there is other work between two of them.
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

    /// Hashes the noted sections, or hands them to other threads. Returns false after a mismatch.
    #[inline(never)]
    fn hand_over(&mut self) -> bool {
        let room_left = self.room_left();
        self.hashers.hand_over(self.source, room_left)
    }

    /// Classifies and copies a section. Returns false if that takes more memory than the limit
    /// allows: then the next pass copies it, without classifying it again.
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

    /// Verifies a section that will be copied. Applies the process function to its block, unless
    /// the block is the commit or may be a node.
    fn classify(&mut self, section: &Located) -> Result<State> {
        let Located { at, cid, .. } = *section;
        let section = section.section(self.source)?;
        let trust = self.settings.trust;
        if trust.once_copied() == Trust::Hashed
            && !self.state.verdicts.next_in(self.source, at)
            && let Err(error) = section.verify()
        {
            // The store marks a damaged block, so that an intact one with the same CID is found.
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

    /// Advances to the next section. With `salvage`, malformed or truncated framing is the end.
    // Inlined: called for each section, with a large result.
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

    /// Returns how many more bytes of memory may be taken.
    fn room_left(&self) -> u64 {
        let held = self.sink.held().saturating_add(self.state.held());
        let held = held.saturating_add(self.source.held()).saturating_add(self.hashers.held());
        self.memory_limit.saturating_sub(held)
    }

    /// Allows the source to grow by the room that is left.
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

    /// Returns the placement of the first section with the CID of the commit, if it is loaded.
    pub(super) fn commit(&self) -> Option<Placement> {
        self.commit
    }

    /// Returns the placement of the first loaded section, and the number of loaded sections.
    #[cfg(feature = "redb")]
    pub(super) fn loaded(&self) -> (Option<Placement>, u64) {
        (self.first, self.stats.sections)
    }

    /// Adjusts the placement of the next section after the source moved it down by `len` bytes.
    #[cfg(feature = "redb")]
    pub(super) fn move_down(&mut self, len: u64) {
        if let Next::Section(section) = &mut self.next {
            *section = section.moved_down(len);
        }
    }

    /// Returns the contents of a loaded CAR. A CAR that is damaged before its commit cannot be
    /// salvaged: its fault is returned as the error.
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
