//! A walk over blocks that come in pre-order, one by one.
//!
//! ```text
//! due() -> Node, Record   offer(section) -> Node, Record: it was taken
//!                                           Extra: it was passed over
//!                                           Repeat: the record came earlier; offer it again
//!       -> End
//! ```
//!
//! The [`Descent`] decides which block is due. This file compares it with the sections that come,
//! and remembers which blocks came before. Its memory does not depend on the number of blocks.

mod ahead;

use core::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use self::ahead::ParsedNodes;
use super::descent::{Descent, DescentBuffers, Fetched, Manner, Next};
use super::event::{Entry, Event};
use super::frame::{Link, Order};
use super::kept_bytes::{KeptBytes, Span};
use crate::car::Section;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, LimitName, Result, Structure, TreeRule};
use crate::store::recent::{RECORDS, Recent};
use crate::store::trust::Trust;
use crate::store::{Block, Form};

/// The number of extra sections that are remembered, and of nodes.
const MAX_OTHERS: usize = 1 << 12;

/// The largest buffer that is kept for the block of another node, in bytes.
const MAX_SPARE: usize = 1 << 13;

/// A walk over blocks that come in pre-order.
pub(crate) struct OnePass {
    descent: Descent<NodeBytes>,
    ahead: ParsedNodes,
    /// The block that is due, if the descent has reached it.
    reached: Option<Reached>,
    /// Whether the walk has passed over a record. Then sections that are not due may be records in
    /// their places.
    passes_records: bool,
    commit: Cid,
    /// Records that were taken.
    records: Recent<Cid, Span>,
    kept: KeptBytes,
    /// The commit and nodes that were taken, with their section offsets.
    nodes: Recent<Cid, u64>,
    /// Sections that were not due, with their offsets.
    extras: Recent<Cid, u64>,
    /// The bytes of the last record that was repeated.
    repeat: Vec<u8>,
    spare: Arc<SpareBytes>,
}

/// The position of a descent before a block.
#[derive(Clone, Copy)]
enum Reached {
    Node(Link),
    Record(Cid),
    End,
}

/// What is due in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Node(Cid),
    /// The record of the last entry.
    Record(Cid),
    /// Nothing: the tree is complete.
    End,
}

/// The outcome of offering a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// The section is the node that was due. It was entered.
    Node,
    /// The section is the record that was due.
    Record(Cid),
    /// The record that was due came earlier. The section was not taken.
    Repeat(Repeat),
    /// The section is not due.
    Extra,
    /// There are no more sections. The tree is empty, and its root needs no block.
    EmptyTree(Cid),
}

/// A repeated record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) cid: Cid,
    pub(crate) len: usize,
    /// The number of bytes of records from its first occurrence up to here.
    distance: u64,
    /// Whether its bytes are kept.
    pub(crate) is_kept: bool,
}

impl OnePass {
    /// Begins a walk after the commit. `memory_limit` bounds the open nodes, `keep_repeats` the
    /// bytes of records that are kept.
    pub(crate) fn new(
        (commit, offset): (Cid, u64),
        root: Cid,
        memory_limit: u64,
        keep_repeats: u64,
    ) -> Self {
        // Sections are hashed before they are offered.
        let manner = Manner { order: Order::Ascending, trust: Trust::Hashed, memory_limit };
        let mut nodes = Recent::new(MAX_OTHERS);
        nodes.note(commit, offset);
        OnePass {
            descent: Descent::new(root, manner, DescentBuffers::default()),
            ahead: ParsedNodes::default(),
            reached: None,
            passes_records: false,
            commit,
            records: Recent::new(RECORDS),
            kept: KeptBytes::new(keep_repeats),
            nodes,
            extras: Recent::new(MAX_OTHERS),
            repeat: Vec::new(),
            spare: Arc::default(),
        }
    }

    /// Returns what is due. After an error, the caller has to call [`stop`](OnePass::stop).
    #[inline]
    pub(crate) fn due(&mut self) -> Result<Due> {
        if self.reached.is_none() {
            self.reached = Some(match self.descent.next()? {
                Next::Link(link) => Reached::Node(link),
                Next::Entry(record) => Reached::Record(record),
                Next::End => Reached::End,
            });
        }
        Ok(match &self.reached {
            Some(Reached::Node(link)) => Due::Node(link.cid),
            Some(Reached::Record(cid)) => Due::Record(*cid),
            Some(Reached::End) | None => Due::End,
        })
    }

    /// Passes over the record that is due.
    pub(crate) fn pass_record(&mut self) {
        debug_assert!(matches!(self.reached, Some(Reached::Record(_))), "no record is due");
        self.reached = None;
        self.passes_records = true;
    }

    /// Compares the next section, which was verified, with what is due. Without a section, there
    /// are no more. `bytes` returns the section and what was read after it.
    #[inline]
    pub(crate) fn offer<'b>(
        &mut self,
        section: Option<&Section<'_>>,
        bytes: impl FnOnce() -> &'b [u8],
    ) -> Result<Offered> {
        match (&self.reached, section) {
            (Some(Reached::Record(cid)), Some(section)) if section.cid() == *cid => {
                let cid = *cid;
                self.reached = None;
                self.records.note(cid, self.kept.push(section.block()));
                Ok(Offered::Record(cid))
            }
            (Some(Reached::Node(link)), Some(section)) if section.cid() == link.cid => {
                let link = *link;
                self.reached = None;
                self.enter(&link, section, bytes())?;
                Ok(Offered::Node)
            }
            (Some(reached), section) => self.offer_other(*reached, section),
            (None, _) => Err(Error::store("a block was offered before it was known what is due")),
        }
    }

    fn enter(&mut self, link: &Link, section: &Section<'_>, bytes: &[u8]) -> Result<()> {
        let offset = section.offset();
        self.nodes.note(link.cid, offset);
        let read = self.ahead.take(bytes, offset, link.layer, &mut self.descent.spare);
        let bytes = SpareBytes::copy(&self.spare, section.block());
        let cost = bytes.bytes.capacity() as u64;
        let mut found = Block::new(bytes).at(offset);
        found.verified = Some(link.cid);
        self.descent.enter(link, Fetched { found, cost, read })
    }

    /// Handles a section that is not due, or the end of the input.
    fn offer_other(&mut self, reached: Reached, section: Option<&Section<'_>>) -> Result<Offered> {
        if let Reached::Record(cid) = reached
            && let Some(&span) = self.records.get(&cid)
        {
            self.reached = None;
            let len = usize::try_from(span.len).unwrap_or(usize::MAX);
            let distance = self.kept.distance(span);
            let is_kept = self.kept.copy(span, &mut self.repeat);
            return Ok(Offered::Repeat(Repeat { cid, len, distance, is_kept }));
        }
        self.check_order(reached, section.is_none())?;
        match (section, reached) {
            (Some(section), _) => {
                self.extras.note(section.cid(), section.offset());
                Ok(Offered::Extra)
            }
            (None, Reached::Node(link)) if link.is_empty_tree() => {
                self.reached = Some(Reached::End);
                self.descent.stop();
                Ok(Offered::EmptyTree(link.cid))
            }
            (None, reached) => Err(self.missing(reached)),
        }
    }

    /// Checks that the block that is due did not come too early. If records are passed over, one of
    /// them may equal the node that is due, which can still come up to the end of the input.
    fn check_order(&self, reached: Reached, is_end: bool) -> Result<()> {
        let (cid, is_record) = match reached {
            Reached::Node(link) => (link.cid, self.records.get(&link.cid).is_some()),
            Reached::Record(cid) => (cid, false),
            Reached::End => return Ok(()),
        };
        let node = self.nodes.get(&cid);
        match (reached, node, self.extras.get(&cid)) {
            (Reached::Node(link), Some(&offset), _) if cid != self.commit => {
                Err(self.linked_twice(&link, offset))
            }
            _ if self.passes_records && !is_end => Ok(()),
            (_, Some(&offset), _) | (_, None, Some(&offset)) => {
                Err(self.out_of_order(reached, Some(offset)))
            }
            (_, None, None) if is_record && is_end => Err(self.out_of_order(reached, None)),
            (_, None, None) => Ok(()),
        }
    }

    /// Returns the error for a second link to a node: its keys cannot be within the bounds of both.
    #[cold]
    fn linked_twice(&self, link: &Link, offset: u64) -> Error {
        let interval = self.descent.interval(link).to_owned();
        let error = Error::tree(TreeRule::KeyOutside { interval });
        error.in_structure(Structure::Node).at(Some(offset)).of_cid(link.cid)
    }

    /// Returns the error for a block that did not come. If blocks were forgotten, it may have come
    /// too early.
    #[cold]
    fn missing(&self, reached: Reached) -> Error {
        let is_uncertain = match reached {
            Reached::Record(_) => self.extras.has_forgotten() || self.records.has_forgotten(),
            _ => self.extras.has_forgotten(),
        };
        match reached {
            _ if is_uncertain => self.out_of_order(reached, None),
            Reached::Node(link) => self.descent.missing(&link),
            _ => self.locate(Error::new(ErrorKind::Missing { interval: None }), reached),
        }
    }

    #[cold]
    fn out_of_order(&self, reached: Reached, seen_at: Option<u64>) -> Error {
        self.locate(Error::new(ErrorKind::OutOfOrder { seen_at }), reached)
    }

    /// Adds to an error which block is due.
    fn locate(&self, error: Error, reached: Reached) -> Error {
        match reached {
            Reached::Node(link) => error.in_structure(Structure::Node).of_cid(link.cid),
            Reached::Record(cid) => {
                error.in_structure(Structure::Record).of_cid(cid).of_key(self.descent.key())
            }
            Reached::End => error,
        }
    }

    /// Returns the error for a repeated record whose bytes are not kept, but wanted.
    #[cold]
    pub(crate) fn not_kept(&self, repeat: Repeat) -> Error {
        let error = Error::limit(LimitName::KeptRepeats, self.kept.max(), repeat.distance);
        self.locate(error, Reached::Record(repeat.cid))
    }

    /// Ends the walk.
    pub(crate) fn stop(&mut self) {
        self.descent.stop();
        self.reached = Some(Reached::End);
    }

    /// Returns the last entry, whose record has the CID `cid`.
    #[inline]
    pub(crate) fn entry(&self, cid: Cid) -> Entry<'_> {
        self.descent.entry(cid)
    }

    /// Returns the event of the node that was taken last.
    pub(crate) fn node_event(&self) -> Option<Event<'_>> {
        self.descent.node_event()
    }

    /// Returns the event of a repeated record.
    pub(crate) fn repeat_event(&self, repeat: Repeat) -> Event<'_> {
        let entry = self.entry(repeat.cid);
        if repeat.is_kept {
            Event::Record { entry, block: &self.repeat, form: Form::Original, offset: None }
        } else {
            Event::RepeatedRecord { entry, len: repeat.len }
        }
    }

    /// Returns the bytes of the last repeated record, if they were kept.
    pub(crate) fn repeated(&self) -> &[u8] {
        &self.repeat
    }
}

/// The bytes of an open node. Their memory is used again for another node.
struct NodeBytes {
    bytes: Vec<u8>,
    spare: Arc<SpareBytes>,
}

/// The memory of closed nodes.
#[derive(Default)]
struct SpareBytes(Mutex<Vec<Vec<u8>>>);

impl SpareBytes {
    /// Copies a block into the memory of a closed node.
    fn copy(this: &Arc<Self>, block: &[u8]) -> NodeBytes {
        let spare = this.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = spare.unwrap_or_default();
        bytes.extend_from_slice(block);
        NodeBytes { bytes, spare: Arc::clone(this) }
    }
}

impl AsRef<[u8]> for NodeBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for NodeBytes {
    fn drop(&mut self) {
        let mut bytes = take(&mut self.bytes);
        if bytes.capacity() <= MAX_SPARE {
            bytes.clear();
            self.spare.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}
