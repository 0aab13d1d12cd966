//! Why a message is not valid.

use core::fmt;

use super::Rule;
use crate::cid::Cid;
use crate::error::{Error, ErrorKind, MessageFault, Structure};
use crate::limits::MAX_KEY_LEN;

/// Why a message is not valid: the rule, the operation, and the fault.
///
/// Displays as the rule's name, if there is one, and a sentence.
///
/// # Examples
///
/// ```
/// use carwalk::sync::{Message, Rule};
///
/// // {"op": 1, "t": "#commit"} in the wrong order of keys.
/// let error = Message::parse(b"\xa2\x62op\x01\x61t\x67#commit").unwrap_err();
/// let reason = error.into_reason();
/// assert_eq!(reason.rule(), Some(Rule::Frame));
/// assert_eq!(
///     reason.to_string(),
///     "frame: map keys are not in canonical order, at byte 5 of the message"
/// );
/// ```
#[derive(Debug)]
pub struct Reason {
    rule: Option<Rule>,
    op: Option<usize>,
    error: Error,
}

impl Reason {
    #[cold]
    pub(super) fn new(rule: Rule, error: Error) -> Self {
        Reason { rule: Some(rule), op: None, error: error.in_structure(Structure::Message) }
    }

    /// The reason of a message that is stale or out of sync.
    #[cold]
    pub(super) fn without_rule(error: Error) -> Self {
        Reason { rule: None, op: None, error: error.in_structure(Structure::Message) }
    }

    /// Creates a reason from a fault of the message as a whole.
    #[cold]
    pub(super) fn fault(rule: Rule, fault: MessageFault) -> Self {
        Reason::new(rule, Error::message(fault))
    }

    /// Creates a reason from a fault of an operation.
    #[cold]
    pub(super) fn of_op(rule: Rule, op: usize, path: &str, error: Error) -> Self {
        let error = error.in_structure(Structure::Operation).of_key(path.as_bytes());
        let error = error.cut_key(MAX_KEY_LEN);
        Reason { rule: Some(rule), op: Some(op), error }
    }

    /// Adds the operation at fault.
    #[cold]
    pub(super) fn in_op(self, op: usize, path: Option<&str>) -> Self {
        let error = match path {
            Some(path) => self.error.of_key(path.as_bytes()).cut_key(MAX_KEY_LEN),
            None => self.error,
        };
        Reason { op: Some(op), error, ..self }
    }

    /// Returns the broken rule. `None` if the message is stale or out of sync.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        self.rule
    }

    /// Returns the number of the operation at fault, counted from 0 in the order of the message.
    #[must_use]
    pub fn op(&self) -> Option<usize> {
        self.op
    }

    /// Returns the path of the operation or the key of the tree at fault: at most 1,024 bytes.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        self.error.key()
    }

    /// Returns the CID at fault:
    ///
    /// - the CID of a node that breaks a rule or is missing, or of a block with another hash
    /// - the CID of a record that is missing or too long
    /// - the CID that the tree has instead of the operation's
    /// - the tree before the operations, if it is not `prevData`
    /// - the first root of the CAR, if the message names another commit
    /// - `data` of the state, if the message continues from another tree
    #[must_use]
    pub fn cid(&self) -> Option<Cid> {
        let ErrorKind::Message(fault) = self.error.kind() else { return self.error.cid().copied() };
        match fault {
            MessageFault::OtherCommit { found: cid, .. }
            | MessageFault::Present { found: cid }
            | MessageFault::OtherPrevious { found: cid, .. }
            | MessageFault::OutOfSync { held: cid, .. } => Some(*cid),
            MessageFault::OtherRecord { found } => *found,
            _ => self.error.cid().copied(),
        }
    }

    /// Returns the fault.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Converts to the error.
    #[must_use]
    pub fn into_error(self) -> Error {
        self.error
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rule) = self.rule {
            write!(f, "{rule}: ")?;
        }
        match self.op {
            Some(op) => write!(f, "operation {op}: {}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

impl std::error::Error for Reason {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
