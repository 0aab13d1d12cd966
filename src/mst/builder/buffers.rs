//! The memory of a builder.

use crate::mst::encode::NodeEncoder;
#[cfg(feature = "sync")]
use crate::reuse::Reuse;

/// The buffers of a builder, which are empty at first. Another builder can use the memory again.
#[derive(Default)]
pub(crate) struct BuilderBuffers {
    /// The open nodes, from layer 0 up.
    pub(super) open: Vec<OpenNode>,
    /// The key of the last entry. Empty before the first.
    pub(super) key: Vec<u8>,
    /// The bounds of the last subtree. Empty where it has none.
    pub(super) lower: Vec<u8>,
    pub(super) upper: Vec<u8>,
    /// The node that is finished.
    pub(super) block: Vec<u8>,
}

/// A node to which more entries may be added.
#[derive(Default)]
pub(super) struct OpenNode {
    pub(super) node: NodeEncoder,
    /// Number of bytes that all keys since the last entry of this node share with it.
    pub(super) shared: usize,
}

impl BuilderBuffers {
    pub(super) fn is_empty(&self) -> bool {
        self.key.is_empty() && self.open.iter().all(|open| open.node.is_empty())
    }

    /// Makes sure that there is an open node of a layer, and of all layers below.
    pub(super) fn open_up_to(&mut self, number: usize) {
        if self.open.len() <= number {
            self.open.resize_with(number.saturating_add(1), OpenNode::default);
        }
    }

    /// Removes all content, and frees memory beyond a fixed bound.
    #[cfg(feature = "sync")]
    pub(super) fn reset(&mut self) {
        for open in &mut self.open {
            open.node.reset();
            open.shared = 0;
        }
        for list in [&mut self.key, &mut self.lower, &mut self.upper, &mut self.block] {
            list.reset();
        }
    }
}
