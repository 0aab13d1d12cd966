//! Walks over a loaded repository and over a stream, for commands that treat both alike.

use std::io::Read;

use carwalk::mst::{Event, Walker};
use carwalk::store::BlockStore;
use carwalk::{Result, StreamWalk};

/// A walk that returns events.
pub(crate) trait Walking {
    /// Advances to the next event and returns it, or `None` at the end.
    fn next(&mut self) -> Result<Option<Event<'_>>>;
}

impl<S: BlockStore> Walking for Walker<'_, S> {
    #[inline]
    fn next(&mut self) -> Result<Option<Event<'_>>> {
        self.next_event()
    }
}

impl<R: Read> Walking for StreamWalk<R> {
    #[inline]
    fn next(&mut self) -> Result<Option<Event<'_>>> {
        self.next_event()
    }
}
