//! The order of the blocks in a CAR, found by comparing its sections with a walk.
//!
//! - *Pre-order*: the commit, the root, and after each node its slots from left to right: the
//!   subtree `l`, then for each entry the record and the subtree `t`. Where a block is due again,
//!   it may be repeated or left out. Sections after the last block that is due are ignored: a
//!   reader of the stream does not need them.
//! - *PDS order*: an order that the reference PDS can have written: newest revision first, within a
//!   revision by descending CID text. A CAR does not contain the revisions of blocks, but a node is
//!   never older than the blocks that it links to. So a CAR is in PDS order if every child comes
//!   after its parent or is in the same run of descending CIDs, if no block occurs twice, and if a
//!   record comes before the last node. Blocks in the order of the walk with other blocks in
//!   between are not in PDS order.
//! - Any other order.
//!
//! If the tree is partial, only the present blocks are compared.

use core::fmt;
use core::iter::Peekable;

use carwalk::car::SectionHead;
use carwalk::cid::CidText;
use carwalk::store::CarStore;
use carwalk::{Cid, Result};

/// The class of a block order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockOrder {
    PreOrder,
    Pds,
    Other,
}

impl BlockOrder {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            BlockOrder::PreOrder => "pre-order",
            BlockOrder::Pds => "PDS order",
            BlockOrder::Other => "other",
        }
    }
}

impl fmt::Display for BlockOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A block that a walk reached.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) cid: Cid,
    /// The offset of its section.
    pub(crate) offset: u64,
    /// Whether it was not reached before.
    pub(crate) is_new: bool,
}

/// Determines the order from the blocks of a walk, which are passed one after the other: the
/// commit, then nodes and records.
///
/// Once a link goes backwards, takes one bit of memory for 37 bytes of the CAR.
pub(crate) struct OrderCheck<'s, S, I: Iterator> {
    store: &'s S,
    /// The sections that the walk has not reached yet, for pre-order.
    due: Peekable<I>,
    /// Whether the sections so far are in pre-order.
    is_pre_order: bool,
    /// Whether each new block comes after all blocks that were reached before it.
    ascends: bool,
    /// Whether all parents and children so far are in PDS order.
    links_fit: bool,
    /// The largest offset that was reached.
    last: u64,
    /// The offsets of the commit and of the open nodes.
    parents: Vec<u64>,
    first_record: u64,
    last_node: u64,
    /// The runs of descending CIDs, computed when they are first needed.
    runs: Option<DescendingRuns>,
}

/// Begins a check of the sections of a store with its commit.
pub(crate) fn check<S: CarStore>(
    store: &S,
    commit: Cid,
) -> Result<OrderCheck<'_, S, impl Iterator<Item = Result<SectionHead>>>> {
    let mut check = OrderCheck {
        store,
        due: store.sections().peekable(),
        is_pre_order: true,
        ascends: true,
        links_fit: store.stats().repeated_blocks() == 0,
        last: 0,
        parents: Vec::new(),
        first_record: u64::MAX,
        last_node: 0,
        runs: None,
    };
    if let Some(offset) = store.get(&commit)?.and_then(|found| found.offset) {
        check.reach(Reach { cid: commit, offset, is_new: true })?;
        check.parents.push(offset);
    }
    Ok(check)
}

impl<'s, S: CarStore, I: Iterator<Item = Result<SectionHead>>> OrderCheck<'s, S, I> {
    /// Adds a node that is `depth` links below the root.
    pub(crate) fn node(&mut self, node: Reach, depth: usize) -> Result<()> {
        self.reach(node)?;
        self.link(node, depth)?;
        self.parents.truncate(depth.saturating_add(1));
        self.parents.push(node.offset);
        self.last_node = self.last_node.max(node.offset);
        Ok(())
    }

    /// Adds a record of a node that is `depth` links below the root.
    pub(crate) fn record(&mut self, record: Reach, depth: usize) -> Result<()> {
        self.reach(record)?;
        self.link(record, depth.saturating_add(1))?;
        self.first_record = self.first_record.min(record.offset);
        Ok(())
    }

    pub(crate) fn finish(self) -> BlockOrder {
        // Without a node there is no order.
        if self.is_pre_order && self.last_node > 0 {
            BlockOrder::PreOrder
        } else if self.links_fit && !self.ascends && self.first_record < self.last_node {
            BlockOrder::Pds
        } else {
            BlockOrder::Other
        }
    }

    fn reach(&mut self, block: Reach) -> Result<()> {
        if block.is_new {
            self.ascends &= block.offset >= self.last;
            self.last = self.last.max(block.offset);
        }
        if self.is_pre_order {
            self.is_pre_order = self.is_due(block)?;
        }
        Ok(())
    }

    /// Returns whether this block is in the next section, or was in an earlier one.
    fn is_due(&mut self, block: Reach) -> Result<bool> {
        let next = match self.due.peek() {
            Some(Ok(section)) => Some((section.cid(), section.offset())),
            Some(Err(_)) => None,
            None => return Ok(true),
        };
        match next {
            Some((cid, _)) if cid == block.cid => {
                self.due.next();
                Ok(true)
            }
            Some((_, offset)) => Ok(block.offset < offset),
            // The next section is an error: return it.
            None => self.due.next().transpose().map(|_| false),
        }
    }

    /// Checks the link from the open block with the number `parent` to a block for PDS order.
    fn link(&mut self, block: Reach, parent: usize) -> Result<()> {
        // A new block in pre-order comes after its parent.
        if !self.links_fit || self.is_pre_order && block.is_new {
            return Ok(());
        }
        let child = block.offset;
        let Some(&parent) = self.parents.get(parent).filter(|&&parent| child < parent) else {
            return Ok(());
        };
        let runs = match self.runs.take() {
            Some(runs) => runs,
            None => runs(self.store)?,
        };
        self.links_fit = runs.number(child) == runs.number(parent);
        self.runs = Some(runs);
        Ok(())
    }
}

/// Shortest section: a length of one byte and a CID.
const MIN_SECTION_LEN: u64 = 1 + carwalk::cid::LEN as u64;

/// Words that are counted together.
const GROUP: usize = 16;

/// The starts of runs of sections, as bits. One bit for each `MIN_SECTION_LEN` bytes suffices,
/// because at most one section begins in them.
struct DescendingRuns {
    starts: Vec<u64>,
    /// Most words that the CAR's length allows; larger offsets of a store are ignored.
    max: usize,
    /// The number of runs that begin before each group of words.
    before: Vec<u64>,
    count: u64,
}

impl DescendingRuns {
    /// Creates an empty set for a CAR of `car_len` bytes.
    fn new(car_len: u64) -> Self {
        let max = Self::place(car_len).0.saturating_add(1);
        DescendingRuns { starts: Vec::new(), max, before: Vec::new(), count: 0 }
    }

    /// Adds a run that begins at `offset`, after all other runs.
    fn push(&mut self, offset: u64) {
        let (at, bit) = Self::place(offset);
        debug_assert!(at < self.max, "stores have no section beyond the end of the CAR");
        if at >= self.max {
            return;
        }
        while self.starts.len() <= at {
            if self.starts.len().is_multiple_of(GROUP) {
                self.before.push(self.count);
            }
            self.starts.push(0);
        }
        if let Some(word) = self.starts.get_mut(at) {
            *word |= bit;
        }
        self.count = self.count.saturating_add(1);
    }

    /// Returns the number of the run that contains the section at `offset`.
    fn number(&self, offset: u64) -> u64 {
        let (at, bit) = Self::place(offset);
        let Some(last) = self.starts.get(at) else {
            return self.count;
        };
        let group = at / GROUP;
        let words = self.starts.get(group.saturating_mul(GROUP)..at).unwrap_or_default();
        // The bit itself, and all below it.
        let last = last & (bit | bit.saturating_sub(1));
        let within: u32 = words.iter().chain([&last]).map(|word| word.count_ones()).sum();
        self.before.get(group).copied().unwrap_or_default().saturating_add(within.into())
    }

    /// Returns the word and the bit of a section.
    fn place(offset: u64) -> (usize, u64) {
        let number = offset / MIN_SECTION_LEN;
        (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
    }
}

/// Returns the runs of sections whose CID texts descend.
fn runs<S: CarStore>(store: &S) -> Result<DescendingRuns> {
    let mut runs = DescendingRuns::new(store.stats().bytes);
    let mut previous: Option<CidText> = None;
    for section in store.sections() {
        let section = section?;
        let text = section.cid().to_text();
        if previous.is_none_or(|previous| text >= previous) {
            runs.push(section.offset());
        }
        previous = Some(text);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_is_in_the_last_run_that_begins_no_later() {
        let offsets: Vec<u64> =
            (0..9000).map(|number| 59 + number * MIN_SECTION_LEN + number / 100 * 53).collect();
        for step in [1, 2, 7, 64, 1000, 2500] {
            let (mut runs, mut expected) = (DescendingRuns::new(offsets[offsets.len() - 1]), 0);
            offsets.iter().step_by(step).for_each(|&offset| runs.push(offset));
            for (number, &offset) in offsets.iter().enumerate() {
                expected += u64::from(number % step == 0);
                assert_eq!(runs.number(offset), expected, "{number}, {step}");
            }
            assert!(
                runs.starts.len() as u64 <= offsets[offsets.len() - 1] / MIN_SECTION_LEN / 64 + 1
            );
        }
    }
}
