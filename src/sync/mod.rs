//! The live stream of a server: its messages, and whether a commit message proves what it says.
//!
//! A server announces each commit of its accounts in a `#commit` message. The message has the new
//! commit, the operations, and a partial CAR with the new nodes of the tree and what is needed to
//! undo the operations. A [`Verifier`] checks all of it, without a store and without the rest of
//! the repository: see [the guide](crate::guide::live_stream) for what a valid message proves and
//! what to do with others.
//!
//! ```text
//! frame --Message::parse--> Message --Verifier::examine--> Examined --against(state)--> Verdict
//!                                     on any thread,                  in the order of each
//!                                     needs no state                  account's messages
//! ```
//!
//! See "Streaming and Firehose" in the [synchronization
//! specification](https://atproto.com/specs/sync).

mod diff_blocks;
mod edits;
mod envelope;
mod examined;
mod fields;
mod frame;
mod inversion;
mod message;
mod operation;
mod reason;
mod rule;
mod state;
mod verdict;
mod verifier;

pub use self::diff_blocks::{diff_blocks, diff_nodes, ops};
pub use self::examined::Examined;
pub use self::frame::FrameError;
pub use self::inversion::{Inverted, Unproven, invert};
pub use self::message::{
    AccountMessage, CommitMessage, ErrorMessage, IdentityMessage, InfoMessage, Message,
    OtherMessage, SyncMessage,
};
pub use self::operation::{Action, Operation};
pub use self::reason::Reason;
pub use self::rule::Rule;
pub use self::state::RepoState;
pub use self::verdict::{Valid, ValidOperation, Verdict};
pub use self::verifier::Verifier;
