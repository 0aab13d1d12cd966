//! The order of the blocks in a CAR, told by holding its sections against a walk.
//!
//! - *Pre-order*: the commit, the root, and after each node its slots from left to right: the
//!   subtree `l`, then for each entry the record and the subtree `t`. A block that is due once more
//!   is repeated or left out. What comes after the last block that is due is no part of the order:
//!   a reader of the stream is done by then.
//! - *PDS order*: what the reference PDS can have written: newest revision first, in a revision by
//!   CID text, descending. Revisions are not told in the CAR, but a node is never older than what
//!   it links to. So the order is this one if every child stands after its parent or in one run of
//!   descending CIDs with it, no block occurs twice, and a record stands before the last node.
//!   Blocks in the order of the walk, with others in between, are not.
//! - Anything else.
//!
//! Of an incomplete tree, the part that is there counts.

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
    /// Where its section begins.
    pub(crate) offset: u64,
    /// Whether it was not reached before.
    pub(crate) is_new: bool,
}

/// Tells the order from the blocks of a walk, given one after the other: the commit, then nodes and
/// records.
///
/// Takes a look at some bits for each link that goes backwards, and one bit for 37 bytes of the
/// CAR.
pub(crate) struct OrderCheck<'s, S, I: Iterator> {
    store: &'s S,
    /// The sections that are still to come in the order of the walk.
    due: Peekable<I>,
    /// Whether the sections so far are in pre-order.
    is_pre_order: bool,
    /// Whether each new block stands after all blocks that were reached before it.
    ascends: bool,
    /// Whether parents and children stand as in a CAR of the PDS.
    links_fit: bool,
    /// The hindmost section that was reached.
    last: u64,
    /// The sections of the commit and of the open nodes.
    parents: Vec<u64>,
    first_record: u64,
    last_node: u64,
    /// The runs of descending CIDs, once they are needed.
    runs: Option<DescendingRuns>,
}

/// A check over the sections of a store, whose commit comes first.
pub(crate) fn check<S: CarStore>(
    store: &S,
    commit: Cid,
) -> Result<OrderCheck<'_, S, impl Iterator<Item = Result<SectionHead>>>> {
    let mut check = OrderCheck {
        store,
        due: store.sections().peekable(),
        is_pre_order: true,
        ascends: true,
        links_fit: store.stats().duplicates() == 0,
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
    /// A node, as many links below the root as `depth` says.
    pub(crate) fn node(&mut self, node: Reach, depth: usize) -> Result<()> {
        self.reach(node)?;
        self.link(node, depth)?;
        self.parents.truncate(depth.saturating_add(1));
        self.parents.push(node.offset);
        self.last_node = self.last_node.max(node.offset);
        Ok(())
    }

    /// A record, linked by a node as many links below the root as `depth` says.
    pub(crate) fn record(&mut self, record: Reach, depth: usize) -> Result<()> {
        self.reach(record)?;
        self.link(record, depth.saturating_add(1))?;
        self.first_record = self.first_record.min(record.offset);
        Ok(())
    }

    pub(crate) fn finish(self) -> BlockOrder {
        // Without a node there is nothing to be in order.
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

    /// Whether the next section is this block's, or an earlier one was.
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
            // An error was seen: take it out and give it.
            None => self.due.next().transpose().map(|_| false),
        }
    }

    /// Holds the link to a block, from the open block of that number, against the order of the PDS.
    fn link(&mut self, block: Reach, parent: usize) -> Result<()> {
        // What is new and in pre-order comes after its parent.
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

/// Where runs of sections begin, as bits: no two sections begin closer together than one is long.
struct DescendingRuns {
    starts: Vec<u64>,
    /// Most words that the CAR's length allows, whatever offsets its store has.
    max: usize,
    /// How many runs begin before each group of words.
    before: Vec<u64>,
    count: u64,
}

impl DescendingRuns {
    /// None yet, of a CAR of `car_len` bytes.
    fn new(car_len: u64) -> Self {
        let max = Self::place(car_len).0.saturating_add(1);
        DescendingRuns { starts: Vec::new(), max, before: Vec::new(), count: 0 }
    }

    /// Enters a run that begins at `offset`, after all others.
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

    /// The number of the run that the section at `offset` is in.
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

    /// The word and the bit of a section.
    fn place(offset: u64) -> (usize, u64) {
        let number = offset / MIN_SECTION_LEN;
        (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
    }
}

/// The runs of sections whose CIDs descend as texts.
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
