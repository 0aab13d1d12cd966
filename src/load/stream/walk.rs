//! A walk over a stream in pre-order.

use std::io::Read;

use super::sections::Sections;
use crate::car::{Header, Located, Section};
use crate::cid::Cid;
use crate::commit::Commit;
use crate::error::Result;
use crate::mst::{Due, Entry, Event, Offered, OnePass, Repeat};
use crate::process::Keep;
use crate::repo::Opening;
use crate::store::Form;

/// A one-pass walk over a CAR in pre-order, while it is read: [`Loader::stream`] returns it.
///
/// Returns the same events as a [`Walker`](crate::mst::Walker) over the loaded repository, with the
/// exceptions below. There is neither an index nor a store, so the memory does not depend on the
/// length of the stream: about 5 MiB of digests at most, the reader's buffer, the open nodes, and
/// what [`Loader::keep_repeats`] allows. Once its buffers have grown, a walk allocates nothing per
/// node or record.
///
/// Events are returned before later blocks are verified. The repository is complete and intact only
/// if `Ok(None)` is returned without an error before, and verification is not off: then the tree
/// was complete, and the rest of the stream was framed and verified, too.
///
/// - **Repeated records.** Several keys can have equal records. If a record is due that is not the
///   next block, but one of the last 65,536 that came, it is a repeated record. Its event is
///   [`Event::RepeatedRecord`], or [`Event::Record`] without an offset if
///   [`Loader::keep_repeats`] kept its bytes.
/// - **Extra sections.** Other blocks that are not due are verified, counted and passed over. The
///   last 4,096 are remembered. If one of them is due later, the error is `OutOfOrder`: the stream
///   is not in pre-order, and has to be loaded.
/// - **Missing blocks.** The error is returned at the end of the stream, because only then it is
///   certain. It is `Missing`, or `OutOfOrder` if a block was forgotten that may have been the
///   missing one.
///
/// The stream cannot be continued after an error, and what was read is lost.
///
/// # Examples
///
/// ```
/// use carwalk::{Loader, Repo, Streamed};
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// # let mut packed = Vec::new();
/// # Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
/// // `packed` is a CAR in pre-order, of which 10,000 bytes arrived.
/// let Streamed::PreOrder(mut walk) = Loader::new().stream(&packed[..10_000])? else { panic!() };
/// let end = loop {
///     match walk.next_event() {
///         Ok(Some(event)) => println!("{event:?}"),
///         end => break end,
///     }
/// };
/// assert_eq!(end.unwrap_err().class(), carwalk::ErrorClass::Truncated);
/// // Nothing follows.
/// assert!(walk.next_event()?.is_none());
/// # Ok::<(), carwalk::Error>(())
/// ```
///
/// [`Loader::stream`]: crate::Loader::stream
/// [`Loader::keep_repeats`]: crate::Loader::keep_repeats
#[must_use]
pub struct StreamWalk<R, P = Keep> {
    sections: Sections<R>,
    pass: OnePass,
    commit: Commit<'static>,
    pub(super) opening: Opening<P>,
    nodes: bool,
    records: bool,
    extra_sections: u64,
    done: bool,
}

/// Counts of a stream up to the current position of a walk.
///
/// # Examples
///
/// ```
/// use carwalk::{Loader, Repo, Streamed};
///
/// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
/// let mut packed = Vec::new();
/// Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
/// // All sections once more, after those of the tree.
/// packed.extend_from_within(59..);
/// let Streamed::PreOrder(mut walk) = Loader::new().stream(&packed[..])? else { panic!() };
/// while walk.next_event()?.is_some() {}
/// let stats = walk.stats();
/// assert_eq!((stats.bytes, stats.sections, stats.extra_sections), (25_223, 100, 50));
/// # Ok::<(), carwalk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StreamStats {
    /// Length of the CAR up to the end of the last section that was read, in bytes.
    pub bytes: u64,
    /// Number of sections, extra sections included.
    pub sections: u64,
    /// Number of extra sections: those that were not due.
    pub extra_sections: u64,
}

/// The current position of a walk.
pub(super) enum Step {
    Node,
    EmptyTree(Cid),
    Entry(Cid),
    Record(Cid, Located),
    Repeat(Repeat),
    Done,
}

impl<R: Read, P> StreamWalk<R, P> {
    /// Begins a walk over sections of which the first is the commit.
    pub(super) fn begin(
        mut sections: Sections<R>,
        commit: Commit<'static>,
        opening: Opening<P>,
        keep_repeats: u64,
    ) -> Result<Self> {
        let offset = sections.reader().position();
        let first = sections.current()?;
        debug_assert!(first.is_some_and(|first| first.cid == commit.cid()));
        sections.pass()?;
        let (at, data) = ((commit.cid(), offset), commit.data());
        let pass = OnePass::new(at, data, opening.walk_memory, keep_repeats);
        Ok(StreamWalk {
            sections,
            pass,
            commit,
            opening,
            nodes: false,
            records: true,
            extra_sections: 0,
            done: false,
        })
    }

    /// Advances to the next event and returns it, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// - `OutOfOrder` if a block that is due came earlier, or may have come earlier
    /// - `Missing` if a node or record is missing
    /// - `HashMismatch` for a block that does not have its CID, whether it is due or not
    /// - `Tree`, `Malformed`, `NonCanonical` or `Limit` if a node breaks a rule
    /// - `Limit` if the open nodes exceed the memory limit of the walk
    /// - `Truncated` if the stream ends inside a section
    /// - `Malformed` or `NonCanonical` if a section is invalid
    /// - `Limit` if the stream or a block exceeds its limit
    /// - `Io` if reading fails, or if memory for a long block cannot be allocated
    /// - `Cancelled` if the progress function ends the walk
    ///
    /// After an error, every later call returns `Ok(None)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::Event;
    /// use carwalk::{Loader, Repo, Streamed};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// # let mut packed = Vec::new();
    /// # Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
    /// # let stream = &packed[..];
    /// let Streamed::PreOrder(mut walk) = Loader::new().stream(stream)? else { panic!() };
    /// let Some(Event::Record { entry, block, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!(entry.key(), b"app.bsky.actor.profile/self");
    /// assert_eq!(block.len(), 128);
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        Ok(match self.advance()? {
            Step::Done => None,
            Step::Node => self.pass.node_event(),
            Step::EmptyTree(root) => Some(Event::empty_tree(root)),
            Step::Entry(cid) => Some(Event::Entry { entry: self.pass.entry(cid) }),
            Step::Repeat(repeat) => Some(self.pass.repeat_event(repeat)),
            Step::Record(cid, located) => {
                let section = self.sections.section(&located)?;
                let (block, offset) = (section.block(), Some(section.offset()));
                let entry = self.pass.entry(cid);
                Some(Event::Record { entry, block, form: Form::Original, offset })
            }
        })
    }

    /// Takes one step. An error ends the walk.
    pub(super) fn advance(&mut self) -> Result<Step> {
        if self.done {
            return Ok(Step::Done);
        }
        let step = self.step();
        if matches!(step, Ok(Step::Done) | Err(_)) {
            self.done = true;
            self.pass.stop();
        }
        step
    }

    fn step(&mut self) -> Result<Step> {
        loop {
            match self.pass.due()? {
                Due::End => {
                    let before = self.sections.passed();
                    self.sections.pass_all()?;
                    let extra = self.sections.passed().saturating_sub(before);
                    self.extra_sections = self.extra_sections.saturating_add(extra);
                    return Ok(Step::Done);
                }
                Due::Record(cid) if !self.records => {
                    self.pass.pass_record();
                    return Ok(Step::Entry(cid));
                }
                Due::Node(_) | Due::Record(_) => {}
            }
            if let Some(step) = self.offer()? {
                return Ok(step);
            }
        }
    }

    /// Offers the next section to the tree.
    #[inline]
    fn offer(&mut self) -> Result<Option<Step>> {
        let located = self.sections.current()?;
        let section = located.map(|located| self.sections.section(&located)).transpose()?;
        let bytes = || located.as_ref().map(|located| self.sections.bytes_from(located));
        let offered = self.pass.offer(section.as_ref(), || bytes().unwrap_or_default())?;
        Ok(match (offered, located) {
            (Offered::Repeat(repeat), _) => Some(Step::Repeat(repeat)),
            (Offered::EmptyTree(root), _) => self.nodes.then_some(Step::EmptyTree(root)),
            (Offered::Record(cid), Some(located)) => {
                self.sections.pass()?;
                Some(Step::Record(cid, located))
            }
            (Offered::Node, _) => {
                self.sections.pass()?;
                self.nodes.then_some(Step::Node)
            }
            (Offered::Extra, _) => {
                self.sections.pass()?;
                self.extra_sections = self.extra_sections.saturating_add(1);
                None
            }
            (Offered::Record(_), None) => return Err(super::unexpected()),
        })
    }

    /// Returns the section of the last step.
    pub(super) fn section(&self, located: &Located) -> Result<Section<'_>> {
        self.sections.section(located)
    }

    /// Returns the bytes of the repeated record of the last step.
    pub(super) fn repeated(&self, repeat: Repeat) -> Result<&[u8]> {
        if repeat.is_kept { Ok(self.pass.repeated()) } else { Err(self.pass.not_kept(repeat)) }
    }

    /// Returns the entry of the last step.
    pub(super) fn entry(&self, cid: Cid) -> Entry<'_> {
        self.pass.entry(cid)
    }
}

impl<R, P> StreamWalk<R, P> {
    /// Sets whether the walk returns an [`Event::Node`] for each node, before its entries and
    /// subtrees. Off by default.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::Event;
    /// use carwalk::{Loader, Repo, Streamed};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// # let mut packed = Vec::new();
    /// # Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
    /// # let stream = &packed[..];
    /// let Streamed::PreOrder(walk) = Loader::new().stream(stream)? else { panic!() };
    /// let mut walk = walk.nodes(true);
    /// let Some(Event::Node { layer, block, .. }) = walk.next_event()? else { panic!() };
    /// assert_eq!((layer.get(), block.len()), (1, 949));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn nodes(mut self, yes: bool) -> Self {
        self.nodes = yes;
        self
    }

    /// Sets whether records are due. On by default. If off, the walk is an entries-only walk: it
    /// returns [`Event::Entry`] as soon as the node is there, and passes over the records in the
    /// stream, wherever they are. They count as extra sections.
    ///
    /// Then only nodes have to be in pre-order. If they are not, the error comes at the end of the
    /// stream, because a section that is not due may be a record in its place. Before the walk,
    /// [`Loader::stream`](crate::Loader::stream) requires the first record to be in its place,
    /// unless there are no records.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::mst::Event;
    /// use carwalk::{Loader, Repo, Streamed};
    ///
    /// # let bytes: &[u8] = include_bytes!("../../../samples/repo.car");
    /// # let mut packed = Vec::new();
    /// # Repo::from_slice(bytes)?.prove().range(..).write(&mut packed)?;
    /// # let stream = &packed[..];
    /// let Streamed::PreOrder(walk) = Loader::new().stream(stream)? else { panic!() };
    /// let mut walk = walk.records(false);
    /// let mut entries = 0;
    /// while let Some(Event::Entry { .. }) = walk.next_event()? {
    ///     entries += 1;
    /// }
    /// assert_eq!((entries, walk.stats().extra_sections), (40, 40));
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    pub fn records(mut self, yes: bool) -> Self {
        self.records = yes;
        self
    }

    /// Returns the commit. It is verified, unless verification is off.
    #[must_use]
    pub fn commit(&self) -> &Commit<'static> {
        &self.commit
    }

    /// Returns the header of the CAR.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.sections.reader().header()
    }

    /// Returns the counts up to the last section that was used. They are those of the whole stream
    /// after [`next_event`](StreamWalk::next_event) has returned `Ok(None)` without an error
    /// before.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        StreamStats {
            bytes: self.sections.reader().position(),
            sections: self.sections.passed(),
            extra_sections: self.extra_sections,
        }
    }

    /// Returns a reference to the source. It is ahead of the walk by the bytes in a buffer.
    pub fn get_ref(&self) -> &R {
        self.sections.reader().get_ref()
    }
}
