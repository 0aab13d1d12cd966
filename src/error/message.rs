//! The details of errors of messages of the live stream.

use thiserror::Error;

use super::counted::Counted;
use crate::cid::Cid;

/// Why a message of the live stream is refused: see the module `sync` (feature `sync`).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageFault {
    /// A field has another type or syntax than its schema.
    #[error("`{name}` is not {expected}")]
    Field {
        /// The field.
        name: &'static str,
        /// The expected type or syntax.
        expected: &'static str,
    },
    /// A field is missing.
    #[error("`{0}` is missing")]
    NoField(&'static str),
    /// The message names another commit than the first root of its CAR.
    #[error("the message names the commit {expected}, but the first root is {found}")]
    OtherCommit {
        /// The commit that the message names.
        expected: Cid,
        /// The first root of the CAR.
        found: Cid,
    },
    /// The commit has another revision than the message.
    #[error("the commit has revision {found}, and the message {}", expected.escape_debug())]
    OtherRev {
        /// The revision in the message.
        expected: Box<str>,
        /// The revision in the commit.
        found: Box<str>,
    },
    /// The revision lies in the future by more than the tolerance.
    #[error(
        "revision {rev} is {} in the future, at most {tolerance} tolerated",
        Counted(*ahead, "second")
    )]
    FutureRev {
        /// The revision.
        rev: Box<str>,
        /// How far it lies in the future, in seconds.
        ahead: u64,
        /// The tolerance, in seconds.
        tolerance: u64,
    },
    /// An operation with an unknown action.
    #[error("unknown action \"{}\", expected create, update or delete", found.escape_debug())]
    Action {
        /// The action.
        found: Box<str>,
    },
    /// Two operations have the same path.
    #[error("operation {other} has the same path")]
    DuplicatePath {
        /// The other operation, counted from 0.
        other: usize,
    },
    /// An operation has a field that its action does not have, or lacks one that it needs.
    #[error("{0}")]
    Shape(&'static str),
    /// An update that changes nothing.
    #[error("the update changes nothing: `prev` equals `cid`")]
    Unchanged,
    /// A created or updated key has another record in the tree, or is not there.
    #[error("{}", other_record(found))]
    OtherRecord {
        /// The CID that the tree has. `None` if the key is absent.
        found: Option<Cid>,
    },
    /// A deleted key is in the tree.
    #[error("the key is deleted, but the tree has it, with the record {found}")]
    Present {
        /// The CID that the tree has.
        found: Cid,
    },
    /// The tree before the operations is another than the message says.
    #[error("before the operations, the tree was {found}, expected {expected}")]
    OtherPrevious {
        /// `prevData`, or the empty tree.
        expected: Cid,
        /// The root that the inversion gives.
        found: Cid,
    },
    /// The tree may have a key next to a created one in a missing node.
    #[error("its block is missing: it may have a key next to the created one")]
    NoNeighbour,
    /// The message does not name the tree before it.
    #[error("`prevData` is missing, and `since` is not null")]
    NoPrevData,
    /// An update or delete does not name the record before it.
    #[error("`prev` is missing")]
    NoPrev,
    /// The revision is not after the one of the state.
    #[error("revision {found} is not after {held}, the last one")]
    Stale {
        /// The revision of the state.
        held: Box<str>,
        /// The revision of the message.
        found: Box<str>,
    },
    /// The message continues another tree than that of the state.
    #[error("the message continues from {found}, but the last tree is {held}")]
    OutOfSync {
        /// `data` of the state.
        held: Cid,
        /// What the message continues from: `prevData`, or for `#sync` the `data` of the commit.
        found: Cid,
    },
}

fn other_record(found: &Option<Cid>) -> String {
    match found {
        Some(found) => format!("the tree has the record {found} instead"),
        None => "the tree does not have the key".to_owned(),
    }
}
