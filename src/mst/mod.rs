//! The tree of a repository: a Merkle Search Tree from keys to record CIDs.
//!
//! ```text
//! layer 2                    [ k ]
//!                           /     \
//! layer 1            [ d    g ]    [ ]          a node without entries only has a link
//!                   /    |            \
//! layer 0     [ a b c ] [ e f ]    [ m  p  z ]  keys ascend from left to right
//! ```
//!
//! A key's layer is half the number of leading zero bits of its hash: one key in four reaches the
//! next layer. So each set of keys has exactly one tree, and [`Walker`] checks that the tree is
//! that one. Three words have different meanings: the *layer* of a key or node is 0 at the bottom,
//! the *height* of a tree is the layer of its root, and the *depth* of a node is the number of
//! links from the root to it. An [`Entry`] is a key and the CID of its record; a [`TreeEntry`] is
//! what a node's block has of one. See "MST structure" in the [repository
//! specification](https://atproto.com/specs/repository#mst-structure).

mod ahead;
mod completeness;
mod descent;
mod digests;
mod event;
mod frame;
mod key;
mod levels;
mod lookup;
mod node;
mod queue;
mod range;
mod read_node;
mod walk;
mod walker;
mod window;

pub use self::completeness::{Completeness, Gaps};
pub use self::event::{Entry, Event};
pub use self::key::Layer;
pub use self::lookup::{Gap, Lookup};
pub use self::node::{Node, TreeEntries, TreeEntry};
pub use self::range::KeyRange;
pub use self::walk::Walk;
pub use self::walker::Walker;
