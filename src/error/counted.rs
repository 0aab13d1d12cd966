//! Numbers of things in messages.

use core::fmt;

/// A number of things: `1 byte`, `2 bytes`.
pub(super) struct Counted<N>(pub(super) N, pub(super) &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == N::from(1) { "" } else { "s" })
    }
}
