//! The kinds of error, and their messages.

use std::io;

use thiserror::Error;

use super::faults::{
    ArgumentFault, LookAlike, Malformed, NonCanonical, PathFault, PublicKeyFault, SignatureFault,
    SpillFileFault, TreeRule,
};
use super::interval::KeyInterval;
use crate::cid::Cid;

/// The error of a store or of a caller's type.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What is wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The reader or the file system failed. The cause is the error's source.
    #[error("reading failed")]
    Io(#[source] io::Error),
    /// What was to be written could not be. The cause is the error's source.
    #[error("writing failed")]
    Output(#[source] io::Error),
    /// The store failed. The cause is the error's source.
    #[error("the block store failed")]
    Store(#[source] Cause),
    /// The input ends inside the structure.
    #[error("the input ends inside it: {expected} bytes expected, {available} there")]
    Truncated {
        /// Bytes that the structure, or the part of it at hand, takes at least.
        expected: u64,
        /// Bytes that were there.
        available: u64,
    },
    /// The input is something else than the export of a repository.
    #[error(transparent)]
    LookAlike(LookAlike),
    /// The bytes have not the form that the format lays down.
    #[error(transparent)]
    Malformed(Malformed),
    /// The bytes could be understood, but no correct writer makes them: each value has one encoding
    /// only.
    #[error(transparent)]
    NonCanonical(NonCanonical),
    /// A rule of the Merkle Search Tree is broken.
    #[error(transparent)]
    Tree(TreeRule),
    /// The bytes of a block do not hash to its CID.
    #[error("its bytes hash to {found}")]
    HashMismatch {
        /// The CID that the bytes have.
        found: Cid,
    },
    /// A block that is linked is not there.
    #[error("its block is missing{}", hidden(interval))]
    Missing {
        /// For a node: the keys that cannot be known without it.
        interval: Option<KeyInterval>,
    },
    /// The block of the commit is not there, so there is no repository to open.
    #[error("its block is missing: this is no repository, or only a part of one")]
    MissingCommit,
    /// The input asks for more than a limit allows.
    #[error("{limit} of {found} exceeds the limit of {max}{}", hint(*limit))]
    Limit {
        /// Which limit.
        limit: LimitName,
        /// Its value.
        max: u64,
        /// What the input asks for, at least.
        found: u64,
    },
    /// The commit is that of another account.
    #[error("the commit is by {found}, expected {}", expected.escape_debug())]
    OtherAccount {
        /// The DID that was asked for.
        expected: Box<str>,
        /// The DID in the commit.
        found: Box<str>,
    },
    /// A kept spill file cannot be used.
    #[error(transparent)]
    InvalidSpillFile(SpillFileFault),
    /// A key of the tree, or an argument, is not a repo path.
    #[error(transparent)]
    Path(PathFault),
    /// An argument does not fit the function. It is repeated in the message.
    #[error(transparent)]
    Argument(ArgumentFault),
    /// The progress function ended the load.
    #[error("the load was cancelled")]
    Cancelled,
    /// What was given as a public key is none that accounts sign with.
    #[error(transparent)]
    PublicKey(PublicKeyFault),
    /// A signature is not the key's signature of these bytes.
    #[error(transparent)]
    Signature(SignatureFault),
    /// A record could not be decoded into the type that was asked for. The cause is the error's
    /// source.
    #[error("the record does not decode into this type")]
    Decode(#[source] Cause),
    /// What a process function made of a record has no bytes to be stored as. The cause is the
    /// error's source.
    #[error("what was made of the record cannot be stored")]
    Encode(#[source] Cause),
}

fn hidden(interval: &Option<KeyInterval>) -> String {
    interval.as_ref().map(|interval| format!(", which hides {interval}")).unwrap_or_default()
}

/// The one limit that good repositories reach says how to raise it.
fn hint(limit: LimitName) -> &'static str {
    if limit == LimitName::StreamLen { "; `Loader` sets another" } else { "" }
}

/// The name of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum LimitName {
    /// [`Limits::max_header_len`](crate::Limits::max_header_len).
    #[error("header length")]
    HeaderLen,
    /// [`Limits::max_block_len`](crate::Limits::max_block_len).
    #[error("block length")]
    BlockLen,
    /// [`Limits::max_stream_len`](crate::Limits::max_stream_len).
    #[error("stream length")]
    StreamLen,
    /// [`MAX_CAR_LEN`](crate::limits::MAX_CAR_LEN).
    #[error("CAR length")]
    CarLen,
    /// [`MAX_KEY_LEN`](crate::limits::MAX_KEY_LEN).
    #[error("key length")]
    KeyLen,
    /// [`MAX_NESTING`](crate::limits::MAX_NESTING), or in a record
    /// [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING).
    #[error("CBOR nesting")]
    Nesting,
    /// `SpillFile::max_stored` (feature `redb`).
    #[error("stored size")]
    Stored,
    /// Segments of a spill file, 2^24.
    #[error("number of segments")]
    Segments,
    /// [`Walk::memory_limit`](crate::mst::Walk::memory_limit).
    #[error("memory of the walk")]
    WalkMemory,
    /// [`MAX_COMMIT_FIELDS`](crate::limits::MAX_COMMIT_FIELDS).
    #[error("number of commit fields")]
    CommitFields,
}
