//! The tree of a repository: a Merkle Search Tree from keys to record CIDs.
//!
//! ```text
//! layer 2                    [ k ]
//!                           /     \
//! layer 1            [ d    g ]    [ ]          a node without entries has only a link
//!                   /    |            \
//! layer 0     [ a b c ] [ e f ]    [ m  p  z ]  keys ascend from left to right
//! ```
//!
//! A key's layer is half the number of leading zero bits of its SHA-256, rounded down, so one key
//! in four reaches the next layer. Each set of keys has exactly one tree, and [`Walker`] checks
//! that the tree is that one.
//!
//! - The *layer* of a key or node is counted from the bottom, from 0 to 128.
//! - The *height* of a tree is the layer of its root.
//! - The *depth* of a node is the number of links from the root to it.
//! - The *search path* of a key: the nodes from the root to the place where the key is or would be.
//! - *Pre-order*: the order of a walk, a node before its entries and subtrees.
//!
//! [`Walk`] configures a walk and [`Walker`] is one; [`Event`] is what it returns. An [`Entry`] is
//! a key and the CID of its record. A [`TreeEntry`] is the encoded form of one, in a [`Node`]. See
//! "MST Structure" in the [repository
//! specification](https://atproto.com/specs/repository#mst-structure).

mod ahead;
mod buffers;
mod builder;
mod completeness;
mod descent;
mod diff;
mod digests;
mod encode;
mod event;
mod frame;
mod kept_bytes;
mod key;
mod layout;
mod levels;
mod lookup;
mod node;
mod one_pass;
mod queue;
mod range;
mod read_node;
mod walk;
mod walker;
mod window;

pub(crate) use self::buffers::WalkBuffers;
pub use self::builder::Builder;
#[cfg(feature = "sync")]
pub(crate) use self::builder::BuilderBuffers;
pub use self::completeness::{Completeness, Gaps};
pub use self::diff::{Change, Diff, DiffSide, RowSide, TreeSide};
pub use self::event::{Entry, Event};
pub use self::key::Layer;
#[cfg(feature = "sync")]
pub(crate) use self::layout::empty_root;
pub use self::lookup::{Gap, Lookup};
pub use self::node::{Node, TreeEntries, TreeEntry};
pub(crate) use self::one_pass::{Due, Offered, OnePass, Repeat};
pub use self::range::KeyRange;
pub use self::walk::Walk;
pub use self::walker::Walker;
