//! The memory of a builder.

use crate::mst::encode::NodeEncoder;
use crate::reuse::Reuse;

/// What a builder keeps of the tree, empty in the beginning. Another builder can use the memory
/// again.
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
}

impl Reuse for BuilderBuffers {
    fn reset(&mut self) {
        for open in &mut self.open {
            open.node.reset();
            open.shared = 0;
        }
        for list in [&mut self.key, &mut self.lower, &mut self.upper, &mut self.block] {
            list.reset();
        }
    }

    fn held(&self) -> u64 {
        let lists = [&self.key, &self.lower, &self.upper, &self.block];
        let lists = lists.into_iter().map(Reuse::held);
        let nodes = self.open.iter().map(|open| open.node.held());
        lists.chain(nodes).fold(self.open.held(), u64::saturating_add)
    }
}
