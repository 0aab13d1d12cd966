//! The messages of the stream.

use super::Operation;
use crate::cid::Cid;

/// A message of the stream.
///
/// [`Message::parse`] reads one from a frame. Callers who decode frames themselves build messages
/// from fields: see [`CommitMessage::new`] and [`SyncMessage::new`].
///
/// # Examples
///
/// ```
/// use carwalk::sync::Message;
///
/// // {"t": "#info", "op": 1}, then {"name": "OutdatedCursor"}
/// let frame = b"\xa2at\x65#infobop\x01\xa1dnamenOutdatedCursor";
/// let Message::Info(info) = Message::parse(frame)? else { panic!() };
/// assert_eq!((info.name, info.message), ("OutdatedCursor", None));
/// # Ok::<(), carwalk::sync::FrameError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Message<'m> {
    /// `#commit`: a new commit, with its operations and blocks.
    Commit(CommitMessage<'m>),
    /// `#sync`: the current commit, without operations.
    Sync(SyncMessage<'m>),
    /// `#identity`: the handle or DID document may have changed.
    Identity(IdentityMessage<'m>),
    /// `#account`: the account's hosting status changed.
    Account(AccountMessage<'m>),
    /// `#info`: a notice about the stream.
    Info(InfoMessage<'m>),
    /// An error frame. The server closes the stream after it.
    Error(ErrorMessage<'m>),
    /// A message of another type.
    Other(OtherMessage<'m>),
}

impl<'m> Message<'m> {
    /// Returns the type as frames name it, like `#commit`. `None` for an error frame, or if
    /// the header has no type.
    #[must_use]
    pub fn type_name(&self) -> Option<&'m str> {
        match self {
            Message::Commit(_) => Some("#commit"),
            Message::Sync(_) => Some("#sync"),
            Message::Identity(_) => Some("#identity"),
            Message::Account(_) => Some("#account"),
            Message::Info(_) => Some("#info"),
            Message::Error(_) => None,
            Message::Other(message) => message.type_name,
        }
    }

    /// Returns the sequence number, if the message has one.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self {
            Message::Commit(message) => message.seq,
            Message::Sync(message) => message.seq,
            Message::Identity(message) => message.seq,
            Message::Account(message) => message.seq,
            Message::Info(_) | Message::Error(_) | Message::Other(_) => None,
        }
    }

    /// Returns the account, if the message has one. Its syntax is not checked yet.
    #[must_use]
    pub fn did(&self) -> Option<&'m str> {
        match self {
            Message::Commit(message) => Some(message.repo),
            Message::Sync(message) => Some(message.did),
            Message::Identity(message) => Some(message.did),
            Message::Account(message) => Some(message.did),
            Message::Info(_) | Message::Error(_) | Message::Other(_) => None,
        }
    }

    /// Returns the revision of a `#commit` or `#sync`. Its syntax is not checked yet.
    #[must_use]
    pub fn rev(&self) -> Option<&'m str> {
        match self {
            Message::Commit(message) => Some(message.rev),
            Message::Sync(message) => Some(message.rev),
            _ => None,
        }
    }
}

/// A `#commit` message. Nothing is checked yet, except the types of the fields.
///
/// The fields `tooBig`, `rebase`, `blobs` and `time` say nothing about the commit and are left out.
/// See the
/// [lexicon](https://github.com/bluesky-social/atproto/blob/main/lexicons/com/atproto/sync/subscribeRepos.json).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommitMessage<'m> {
    /// The sequence number of the message.
    pub seq: Option<u64>,
    /// The DID of the account.
    pub repo: &'m str,
    /// The revision of the commit.
    pub rev: &'m str,
    /// The revision before. `None` (null or absent in a frame) for a first commit: without
    /// `prev_data`, the tree before it is the empty one.
    pub since: Option<&'m str>,
    /// The commit.
    pub commit: Cid,
    /// The root of the tree before this commit. Messages of old servers do not have it.
    pub prev_data: Option<Cid>,
    /// A CAR with the commit, nodes and records.
    pub blocks: &'m [u8],
    /// The operations.
    pub ops: Vec<Operation<'m>>,
    /// The length of the frame, in bytes, if there was one.
    pub frame_len: Option<usize>,
}

impl<'m> CommitMessage<'m> {
    /// Creates a message from its required fields. `seq`, `since`, `prev_data` and `frame_len` are
    /// `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use carwalk::Repo;
    /// use carwalk::cid::{Cid, Codec};
    /// use carwalk::sync::{CommitMessage, Verifier};
    ///
    /// # let blocks: &[u8] = include_bytes!("../../samples/repo.car");
    /// // A whole repository and no operations.
    /// let commit = Repo::from_slice(blocks)?.commit().clone();
    /// let mut message =
    ///     CommitMessage::new(commit.did(), commit.rev(), commit.cid(), blocks, Vec::new());
    /// message.since = Some("3l4nm7hmk2222");
    /// message.prev_data = Some(commit.data());
    /// let verdict = Verifier::new(SystemTime::now).examine(message.clone(), None).against(None);
    /// assert_eq!(verdict.name(), "valid");
    ///
    /// message.prev_data = Some(Cid::of(Codec::DagCbor, b"another tree"));
    /// let verdict = Verifier::new(SystemTime::now).examine(message, None).against(None);
    /// assert_eq!(verdict.name(), "invalid");
    /// # Ok::<(), carwalk::Error>(())
    /// ```
    #[must_use]
    pub fn new(
        repo: &'m str,
        rev: &'m str,
        commit: Cid,
        blocks: &'m [u8],
        ops: Vec<Operation<'m>>,
    ) -> Self {
        CommitMessage {
            seq: None,
            repo,
            rev,
            since: None,
            commit,
            prev_data: None,
            blocks,
            ops,
            frame_len: None,
        }
    }
}

impl<'m> From<CommitMessage<'m>> for Message<'m> {
    fn from(message: CommitMessage<'m>) -> Self {
        Message::Commit(message)
    }
}

/// A `#sync` message. Nothing is checked yet, except the types of the fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SyncMessage<'m> {
    /// The sequence number of the message.
    pub seq: Option<u64>,
    /// The DID of the account.
    pub did: &'m str,
    /// The revision of the commit.
    pub rev: &'m str,
    /// A CAR with the commit.
    pub blocks: &'m [u8],
    /// The length of the frame, in bytes, if there was one.
    pub frame_len: Option<usize>,
}

impl<'m> SyncMessage<'m> {
    /// Creates a message from its required fields. `seq` and `frame_len` are `None`.
    #[must_use]
    pub fn new(did: &'m str, rev: &'m str, blocks: &'m [u8]) -> Self {
        SyncMessage { seq: None, did, rev, blocks, frame_len: None }
    }
}

impl<'m> From<SyncMessage<'m>> for Message<'m> {
    fn from(message: SyncMessage<'m>) -> Self {
        Message::Sync(message)
    }
}

/// An `#identity` message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentityMessage<'m> {
    /// The sequence number of the message.
    pub seq: Option<u64>,
    /// The DID of the account.
    pub did: &'m str,
    /// The handle, if the server says which.
    pub handle: Option<&'m str>,
}

/// An `#account` message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccountMessage<'m> {
    /// The sequence number of the message.
    pub seq: Option<u64>,
    /// The DID of the account.
    pub did: &'m str,
    /// Whether the account's repository can be read.
    pub active: bool,
    /// Why it cannot be read, like `deactivated`.
    pub status: Option<&'m str>,
}

/// An `#info` message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InfoMessage<'m> {
    /// The kind of notice, like `OutdatedCursor`.
    pub name: &'m str,
    /// The notice as a text.
    pub message: Option<&'m str>,
}

/// An error frame.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorMessage<'m> {
    /// The kind of error, like `FutureCursor`.
    pub error: &'m str,
    /// The error as a text.
    pub message: Option<&'m str>,
}

/// A message of another type. Its body is one item of strict DAG-CBOR.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OtherMessage<'m> {
    /// The type, like `#labels`. `None` if the header has none.
    pub type_name: Option<&'m str>,
    /// The field `op` of the header: 1 for messages.
    pub op: i64,
    /// The body.
    pub body: &'m [u8],
}
