//! The buffers of a walk, which the next walk can use again.

use super::ahead::AheadBuffers;
use super::descent::DescentBuffers;
use crate::reuse::Reuse;

/// The buffers of a walk.
///
/// The layout of their items is that of walks over stores that lend slices, so those find memory in
/// them. Walks over other stores free some of it.
#[derive(Default)]
pub(crate) struct WalkBuffers {
    pub(super) descent: DescentBuffers,
    pub(super) ahead: AheadBuffers,
}

impl Reuse for WalkBuffers {
    fn reset(&mut self) {
        self.descent.reset();
        self.ahead.reset();
    }

    fn held(&self) -> u64 {
        self.descent.held().saturating_add(self.ahead.held())
    }
}
