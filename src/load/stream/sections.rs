//! The sections of a stream, verified one after the other.

use std::io::Read;

use crate::car::{Advance, Located, Reader, Section, Source};
use crate::error::{Error, Result};
use crate::load::hashing::Verdicts;
use crate::load::pipeline::PROGRESS_STEP;
use crate::load::settings::Settings;
use crate::store::trust::Trust;

/// The maximum length of the sections that are held until the block order is known, in bytes.
const MAX_HELD: u64 = 1 << 20;

/// The sections of a stream. All that are whole in the reader's buffer are hashed together.
pub(super) struct Sections<R> {
    reader: Reader<R>,
    settings: Settings,
    /// The section that was read and not passed.
    current: Option<Located>,
    verdicts: Verdicts,
    /// The number of sections that were passed.
    passed: u64,
    /// The position that was reported last.
    reported: u64,
}

impl<R: Read> Sections<R> {
    /// Reads the header. All sections are held.
    pub(super) fn open(input: R, settings: Settings) -> Result<Self> {
        let mut reader = Reader::open(input, settings.limits.clone(), false)?;
        reader.hold();
        Ok(Sections {
            reader,
            settings,
            current: None,
            verdicts: Verdicts::default(),
            passed: 0,
            reported: 0,
        })
    }

    /// Returns the first section that was not passed, or `None` at the end of the stream.
    #[inline]
    pub(super) fn current(&mut self) -> Result<Option<Located>> {
        if self.current.is_none() {
            self.current = self.advance()?;
        }
        Ok(self.current)
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<Located>> {
        let located = match self.reader.advance()? {
            Advance::Section(located) => located,
            Advance::End => return Ok(None),
            // Only loads set an allowance.
            Advance::Full => return Err(Error::store("a stream without a limit reached one")),
        };
        if self.settings.trust != Trust::Unchecked
            && !self.verdicts.next_in(&self.reader, located.at)
        {
            self.section(&located)?.verify()?;
        }
        Ok(Some(located))
    }

    /// Returns the section that was read last.
    #[inline]
    pub(super) fn section(&self, located: &Located) -> Result<Section<'_>> {
        located.section(&self.reader)
    }

    /// Returns the bytes from a section on, as far as they were read.
    #[inline]
    pub(super) fn bytes_from(&self, located: &Located) -> &[u8] {
        self.reader.bytes_from(located.at)
    }

    /// Passes the current section. Its bytes stay until the next one is requested.
    #[inline]
    pub(super) fn pass(&mut self) -> Result<()> {
        debug_assert!(self.current.is_some(), "no section is current");
        self.current = None;
        self.passed = self.passed.saturating_add(1);
        if self.reader.position().saturating_sub(self.reported) >= PROGRESS_STEP {
            return self.report();
        }
        Ok(())
    }

    /// Passes all sections up to the end of the stream.
    pub(super) fn pass_all(&mut self) -> Result<()> {
        while self.current()?.is_some() {
            self.pass()?;
        }
        self.report()
    }

    fn report(&mut self) -> Result<()> {
        self.reported = self.reader.position();
        self.settings.report(self.reported)
    }

    /// Returns whether more sections are held than may be.
    pub(super) fn holds_too_much(&self) -> bool {
        self.reader.held_len() > MAX_HELD
    }

    /// Moves back to the first section. From now on, none is held.
    pub(super) fn rewind(&mut self) {
        self.reader.rewind(false);
        (self.current, self.verdicts) = (None, Verdicts::default());
        (self.passed, self.reported) = (0, 0);
    }
}

impl<R> Sections<R> {
    pub(super) fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// Returns the reader, before the first section. Sections that are read from it stay in memory
    /// if `keep` is set.
    pub(super) fn into_reader(mut self, keep: bool) -> Reader<R> {
        self.reader.rewind(keep);
        self.reader
    }

    /// Returns the number of sections that were passed.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }
}
