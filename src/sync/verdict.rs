//! Verdicts.

use core::fmt;

use super::{FrameError, Operation, Reason, RepoState};

/// The outcome of checking a message.
///
/// If several apply, the first of `Invalid`, `Unverifiable`, `Stale` and `OutOfSync` is returned.
/// Only a `Valid` message may change your data. See [the
/// guide](crate::guide::live_stream#what-to-do) for what to do on each.
///
/// # Examples
///
/// ```
/// use carwalk::sync::{Message, Verdict};
///
/// let verdict = Verdict::from(Message::parse(b"").unwrap_err());
/// assert_eq!(verdict.name(), "invalid");
/// let reason = verdict.reason().unwrap().to_string();
/// assert!(reason.starts_with("frame: "), "{reason}");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict<'m> {
    /// The message proves what it says and continues from the state.
    Valid(Valid<'m>),
    /// The message contradicts itself, its key or a limit, whatever the state is.
    Invalid(Reason),
    /// Blocks or fields are missing without which the message proves nothing.
    Unverifiable(Reason),
    /// The revision is not after that of the state.
    Stale(Reason),
    /// The message does not continue from the state: a message between them was lost, or the
    /// account was restored.
    OutOfSync(Reason),
    /// The message is not of a type that is checked.
    Passed,
}

impl<'m> Verdict<'m> {
    /// Returns the name of the verdict, in snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Valid(_) => "valid",
            Verdict::Invalid(_) => "invalid",
            Verdict::Unverifiable(_) => "unverifiable",
            Verdict::Stale(_) => "stale",
            Verdict::OutOfSync(_) => "out_of_sync",
            Verdict::Passed => "passed",
        }
    }

    /// Returns why the message is not valid. `None` if it is valid or was passed.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Verdict::Invalid(reason)
            | Verdict::Unverifiable(reason)
            | Verdict::Stale(reason)
            | Verdict::OutOfSync(reason) => Some(reason),
            Verdict::Valid(_) | Verdict::Passed => None,
        }
    }

    /// Returns what a valid message proves.
    #[must_use]
    pub fn valid(self) -> Option<Valid<'m>> {
        match self {
            Verdict::Valid(valid) => Some(valid),
            _ => None,
        }
    }
}

impl From<FrameError> for Verdict<'_> {
    fn from(error: FrameError) -> Self {
        Verdict::Invalid(error.into_reason())
    }
}

/// Writes the name, and the reason if there is one.
impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(reason) => write!(f, "{}: {reason}", self.name()),
            None => f.pad(self.name()),
        }
    }
}

/// The facts that a valid message proves: the next state, and the operations with their records.
#[derive(Clone, Debug)]
pub struct Valid<'m> {
    pub(super) state: RepoState,
    pub(super) is_signature_checked: bool,
    pub(super) is_anchored: bool,
    pub(super) ops: Vec<Operation<'m>>,
    /// The record of each operation that has one.
    pub(super) records: Vec<Option<&'m [u8]>>,
}

impl<'m> Valid<'m> {
    /// Returns the state after the message.
    #[must_use]
    pub fn state(&self) -> &RepoState {
        &self.state
    }

    /// Converts to the state after the message.
    #[must_use]
    pub fn into_state(self) -> RepoState {
        self.state
    }

    /// Returns whether the signature was checked, because a key was given.
    #[must_use]
    pub fn is_signature_checked(&self) -> bool {
        self.is_signature_checked
    }

    /// Returns whether there was a state to continue from. Without one, the message may be an old
    /// one.
    #[must_use]
    pub fn is_anchored(&self) -> bool {
        self.is_anchored
    }

    /// Returns the operations in the order of the message, with their records. Empty for a
    /// `#sync`.
    #[must_use]
    pub fn ops(&self) -> impl ExactSizeIterator<Item = ValidOperation<'_, 'm>> {
        let records = self.records.iter();
        self.ops.iter().zip(records).map(|(op, record)| ValidOperation { op, record: *record })
    }
}

/// An operation of a valid message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ValidOperation<'v, 'm> {
    /// The operation.
    pub op: &'v Operation<'m>,
    /// The record of a create or update: a block of the frame.
    pub record: Option<&'m [u8]>,
}

impl<'v> ValidOperation<'v, '_> {
    /// Returns the first part of the path: an NSID.
    #[must_use]
    pub fn collection(&self) -> &'v str {
        self.op.path.split_once('/').map_or("", |(collection, _)| collection)
    }

    /// Returns the second part of the path.
    #[must_use]
    pub fn record_key(&self) -> &'v str {
        self.op.path.split_once('/').map_or("", |(_, record_key)| record_key)
    }
}
