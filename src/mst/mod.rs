//! The tree of a repository: a Merkle Search Tree from keys to record CIDs.
//!
//! ```text
//! layer 2                    [ k ]
//!                           /     \
//! layer 1            [ d    g ]    [ ]          a node without entries only passes on
//!                   /    |            \
//! layer 0     [ a b c ] [ e f ]    [ m  p  z ]  keys ascend from left to right
//! ```
//!
//! A key's layer is its hash's number of leading zero bits, halved: one key in four reaches the
//! next layer. So the tree of a set of keys is unique, and [`Walker`] checks that the tree at hand
//! is that one. Three words are kept apart: a *layer* belongs to keys and nodes and is 0 at the
//! bottom, the *height* of a tree is the layer of its root, and the *depth* of a node is its number
//! of links below the root. See "MST structure" in the [repository
//! specification](https://atproto.com/specs/repository#mst-structure).

mod ahead;
mod completeness;
mod digests;
mod event;
mod frame;
mod key;
mod lookup;
mod node;
mod range;
mod walk;
mod window;

pub use self::completeness::{Completeness, Gaps};
pub use self::event::{Entry, Event};
pub use self::key::Layer;
pub use self::lookup::{Gap, Lookup};
pub use self::node::{Node, TreeEntries, TreeEntry};
pub use self::range::KeyRange;
pub use self::walk::Walker;
