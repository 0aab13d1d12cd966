//! The kinds of error, and their messages.

use std::io;

use thiserror::Error;

use super::counted::Counted;
use super::faults::{
    ArgumentFault, LookAlike, Malformed, NonCanonical, PathFault, RevisionFault, SpillFileFault,
    TreeRule,
};
use super::interval::KeyInterval;
use super::message::MessageFault;
use super::signing::{PublicKeyFault, SignatureFault};
use crate::cid::Cid;

/// The error of a store or of a caller's code.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The fault that an [`Error`](crate::Error) reports.
///
/// Displays as the part of the message that describes the fault. "It" is the structure that the
/// error's [`position`](crate::Error::position) names. If the position names no structure, "it" is
/// the argument.
///
/// # Examples
///
/// ```
/// use carwalk::{ErrorKind, Repo};
///
/// # let bytes: &[u8] = include_bytes!("../../samples/repo.car");
/// // The section at byte 808 has 987 bytes: its length in 2, then 985.
/// let error = Repo::from_slice(&bytes[..1000]).unwrap_err();
/// let ErrorKind::Truncated { expected, available } = error.kind() else { panic!("{error}") };
/// assert_eq!((*expected, *available), (987, 192));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Reading a stream or file failed. The cause is the error's source.
    #[error("reading failed")]
    Io(#[source] io::Error),
    /// Writing the output failed. The cause is the error's source.
    #[error("writing failed")]
    Output(#[source] io::Error),
    /// The store or the spill file failed. The cause is the error's source.
    #[error("the {} failed", failed(.0.as_ref()))]
    Store(#[source] Cause),
    /// The input ends inside a structure.
    #[error(
        "the input ends inside it: {} expected, {available} available",
        Counted(*expected, "byte")
    )]
    Truncated {
        /// The least number of bytes that the structure, or its current part, needs.
        expected: u64,
        /// The number of bytes up to the end of the input.
        available: u64,
    },
    /// The input is something else than the export of a repository.
    #[error(transparent)]
    LookAlike(LookAlike),
    /// The bytes do not have the form that the format requires.
    #[error(transparent)]
    Malformed(Malformed),
    /// The bytes can be parsed but are not canonical: each value has exactly one valid encoding.
    #[error(transparent)]
    NonCanonical(NonCanonical),
    /// A rule of the Merkle Search Tree is broken.
    #[error(transparent)]
    Tree(TreeRule),
    /// The bytes of a block do not hash to its CID.
    #[error("its bytes hash to {found} instead")]
    HashMismatch {
        /// The CID of the bytes.
        found: Cid,
    },
    /// A block that a node links to, or the root node, is missing.
    #[error("its block is missing{}", hidden(interval))]
    Missing {
        /// The interval of the keys that the missing node can have below it. `None` for a record.
        interval: Option<KeyInterval>,
    },
    /// The CAR or store does not contain the block of the commit. Its CID is the first root of the
    /// CAR, or was passed to [`Loader::commit`](crate::Loader::commit) or
    /// [`Repo::from_store`](crate::Repo::from_store).
    #[error("its block is missing: not a repository, or only a part of one")]
    MissingCommit,
    /// A [`Builder`](crate::mst::Builder) was given only the CID of this node, but has to change
    /// what is below it.
    #[error("its block is needed, because something below it changes")]
    NeedsNode,
    /// A one-pass walk cannot continue: the due block, the next one in pre-order, came too early.
    /// Or it may be missing: the walk no longer remembers all earlier blocks.
    ///
    /// The error has the CID of the due block, and the key of a record. A load accepts any order.
    #[error("its block {}: load the CAR instead of walking it in one pass", displaced(*seen_at))]
    OutOfOrder {
        /// The section offset of the earlier block. `None` if it was forgotten, or if the block
        /// was a record.
        seen_at: Option<u64>,
    },
    /// The input exceeds a limit.
    #[error("{limit} of {found} exceeds the limit of {max}{}", hint(*limit))]
    Limit {
        /// The limit.
        limit: LimitName,
        /// Its value.
        max: u64,
        /// The least value that the input needs.
        found: u64,
    },
    /// The commit belongs to another account.
    #[error("the commit is by {found}, expected {}", expected.escape_debug())]
    OtherAccount {
        /// The expected DID.
        expected: Box<str>,
        /// The DID in the commit.
        found: Box<str>,
    },
    /// The commits of several CARs contradict each other: see
    /// [`Loader::from_cars`](crate::Loader::from_cars).
    #[error(transparent)]
    Revision(RevisionFault),
    /// A spill file cannot be used, or needs other settings.
    #[error(transparent)]
    InvalidSpillFile(SpillFileFault),
    /// A key of the tree, or an argument, is not a repo path, or a part of it breaks the syntax.
    #[error(transparent)]
    Path(PathFault),
    /// An argument is refused. The message repeats a range, DID, CID or length.
    #[error(transparent)]
    Argument(ArgumentFault),
    /// The progress function ended the load.
    #[error("the load was cancelled")]
    Cancelled,
    /// A public key is malformed, or of a kind that accounts do not sign with.
    #[error(transparent)]
    PublicKey(PublicKeyFault),
    /// A signature is not valid for this key and these bytes.
    #[error(transparent)]
    Signature(SignatureFault),
    /// A message of the live stream, or an operation in it, is refused.
    #[error(transparent)]
    Message(MessageFault),
    /// A record does not decode into the requested type, or a stored value not into the type of the
    /// process function. The cause is the error's source.
    #[error("the record does not decode into this type")]
    Decode(#[source] Cause),
    /// The value of a process function could not be encoded. The cause is the error's source.
    #[error("the processed value cannot be encoded")]
    Encode(#[source] Cause),
}

/// The cause of a `Store` error: an operation on the spill file failed.
#[derive(Debug, Error)]
#[error("an operation on the file failed")]
pub(super) struct SpillIo(#[source] pub(super) io::Error);

/// Returns what failed, by the cause of a `Store` error.
fn failed(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> &'static str {
    if cause.is::<SpillIo>() { "spill file" } else { "block store" }
}

fn hidden(interval: &Option<KeyInterval>) -> String {
    interval.as_ref().map(|interval| format!(", which hides {interval}")).unwrap_or_default()
}

/// Returns where the block came that is due.
fn displaced(seen_at: Option<u64>) -> String {
    match seen_at {
        Some(offset) => format!("came too early, at byte {offset}"),
        None => "came earlier or is missing".to_owned(),
    }
}

/// Returns how to raise a limit that valid repositories reach.
fn hint(limit: LimitName) -> &'static str {
    match limit {
        LimitName::StreamLen => "; raise it with `Limits::max_stream_len`",
        LimitName::KeptRepeats => "; raise it with `Loader::keep_repeats`",
        _ => "",
    }
}

/// The name of a limit, in the kind [`Limit`](ErrorKind::Limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum LimitName {
    /// [`Limits::max_header_len`](crate::Limits::max_header_len), in bytes.
    #[error("header length")]
    HeaderLen,
    /// [`Limits::max_block_len`](crate::Limits::max_block_len), in bytes.
    #[error("block length")]
    BlockLen,
    /// [`Limits::max_stream_len`](crate::Limits::max_stream_len), in bytes.
    #[error("stream length")]
    StreamLen,
    /// [`MAX_CAR_LEN`](crate::limits::MAX_CAR_LEN), in bytes.
    #[error("CAR length")]
    CarLen,
    /// [`MAX_KEY_LEN`](crate::limits::MAX_KEY_LEN), in bytes.
    #[error("key length")]
    KeyLen,
    /// [`MAX_NESTING`](crate::limits::MAX_NESTING), or in a record
    /// [`MAX_RECORD_NESTING`](crate::limits::MAX_RECORD_NESTING), in levels.
    #[error("CBOR nesting")]
    Nesting,
    /// `SpillFile::max_stored` (feature `redb`), in bytes.
    #[error("stored size")]
    Stored,
    /// Segments of a spill file: 2^24.
    #[error("segment count")]
    Segments,
    /// [`Loader::keep_repeats`](crate::Loader::keep_repeats), in bytes.
    #[error("distance to a repeated record")]
    KeptRepeats,
    /// [`Walk::memory_limit`](crate::mst::Walk::memory_limit), in bytes.
    #[error("walk memory")]
    WalkMemory,
    /// [`MAX_COMMIT_FIELDS`](crate::limits::MAX_COMMIT_FIELDS).
    #[error("commit field count")]
    CommitFields,
    /// `sync::Verifier::max_frame_len` (feature `sync`), in bytes.
    #[error("frame length")]
    FrameLen,
    /// `sync::Verifier::max_blocks_len` or `max_sync_blocks_len` (feature `sync`), in bytes.
    #[error("length of `blocks`")]
    BlocksLen,
    /// `sync::Verifier::max_ops` (feature `sync`).
    #[error("operation count")]
    Operations,
    /// `sync::Verifier::max_record_len` (feature `sync`), in bytes.
    #[error("record length")]
    RecordLen,
}
