//! Counts of the sections of a CAR and of its tree.

use carwalk::StreamStats;
use carwalk::mst::Event;
use carwalk::store::CarStats;
use serde::Serialize;

/// The sections of a CAR.
#[derive(Default, Serialize)]
pub(crate) struct SectionCounts {
    pub(crate) sections: u64,
    pub(crate) distinct_blocks: u64,
    pub(crate) repeated_blocks: u64,
    pub(crate) unreached_blocks: u64,
}

impl SectionCounts {
    /// Returns the counts of a CAR in which a walk reached `reached` blocks.
    pub(crate) fn of(stats: CarStats, reached: u64) -> Self {
        SectionCounts {
            sections: stats.sections,
            distinct_blocks: stats.distinct_blocks,
            repeated_blocks: stats.repeated_blocks(),
            unreached_blocks: stats.distinct_blocks.saturating_sub(reached),
        }
    }
}

/// The sections of a stream that was walked in one pass, which does not count blocks.
#[derive(Serialize)]
pub(crate) struct StreamCounts {
    pub(crate) sections: u64,
    distinct_blocks: (),
    repeated_blocks: (),
    unreached_blocks: (),
}

impl StreamCounts {
    pub(crate) fn of(stats: StreamStats) -> Self {
        let sections = stats.sections;
        StreamCounts { sections, distinct_blocks: (), repeated_blocks: (), unreached_blocks: () }
    }
}

/// Counts of the events of a walk. Each command has its own names for them in its JSON.
#[derive(Default)]
pub(crate) struct TreeCounts {
    /// The layer of the root; `None` if it is missing or bad.
    pub(crate) height: Option<u8>,
    pub(crate) nodes: u64,
    pub(crate) missing_nodes: u64,
    pub(crate) bad_subtrees: u64,
    pub(crate) records: u64,
    pub(crate) record_bytes: u64,
    pub(crate) missing_records: u64,
    pub(crate) bad_records: u64,
    /// Invalid repo paths. Each command decides which syntax it requires.
    pub(crate) invalid_paths: u64,
}

impl TreeCounts {
    /// Counts an event. Does not check the path of its key.
    pub(crate) fn count(&mut self, event: &Event<'_>) {
        match event {
            Event::Node { layer, .. } => {
                self.height.get_or_insert(layer.get());
                add(&mut self.nodes, 1);
            }
            Event::Record { block, .. } => {
                add(&mut self.records, 1);
                add(&mut self.record_bytes, block.len() as u64);
            }
            Event::RepeatedRecord { len, .. } => {
                add(&mut self.records, 1);
                add(&mut self.record_bytes, *len as u64);
            }
            Event::MissingRecord { .. } => add(&mut self.missing_records, 1),
            Event::BadRecord { .. } => add(&mut self.bad_records, 1),
            Event::MissingSubtree { .. } => add(&mut self.missing_nodes, 1),
            Event::BadSubtree { .. } => add(&mut self.bad_subtrees, 1),
            _ => {}
        }
    }

    /// Returns whether no block is missing and no node or record is bad.
    pub(crate) fn is_complete(&self) -> bool {
        let TreeCounts { missing_nodes, bad_subtrees, missing_records, bad_records, .. } = self;
        [missing_nodes, bad_subtrees, missing_records, bad_records] == [&0; 4]
    }
}

/// Adds to a count.
pub(crate) fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}
