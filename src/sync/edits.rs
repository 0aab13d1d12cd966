//! The operations of a message, checked and in key order.

use super::{Action, Operation, Reason, Rule};
use crate::cid::Cid;
use crate::error::{Error, LimitName, MessageFault};
use crate::limits::MAX_KEY_LEN;
use crate::path::RepoPath;

/// An operation whose fields fit its action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit<'o> {
    /// The number of the operation in the message.
    pub(super) op: usize,
    pub(super) path: &'o str,
    pub(super) change: EditChange,
}

/// The change that an operation claims.
#[derive(Clone, Copy, Debug)]
pub(super) enum EditChange {
    Created { new: Cid },
    Updated { new: Cid, old: Option<Cid> },
    Deleted { old: Option<Cid> },
}

impl Edit<'_> {
    pub(super) fn key(&self) -> &[u8] {
        self.path.as_bytes()
    }

    /// Returns the record that the new tree must have.
    pub(super) fn new_record(&self) -> Option<Cid> {
        match self.change {
            EditChange::Created { new } | EditChange::Updated { new, .. } => Some(new),
            EditChange::Deleted { .. } => None,
        }
    }

    /// Returns whether the old record is needed and the message does not name it.
    pub(super) fn lacks_old(&self) -> bool {
        matches!(
            self.change,
            EditChange::Updated { old: None, .. } | EditChange::Deleted { old: None }
        )
    }

    #[cold]
    pub(super) fn refuse(&self, rule: Rule, fault: MessageFault) -> Reason {
        Reason::of_op(rule, self.op, self.path, Error::message(fault))
    }

    #[cold]
    pub(super) fn reason(&self, rule: Rule, error: Error) -> Reason {
        Reason::of_op(rule, self.op, self.path, error)
    }
}

/// How far the syntax of paths is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paths {
    /// Collections must be NSIDs, and record keys record keys.
    Strict,
    /// Any key of a tree.
    AnyKey,
}

impl Paths {
    fn check(self, path: &str) -> Result<(), Error> {
        match (self, path.len()) {
            (Paths::Strict, _) => RepoPath::try_from(path).and_then(|path| path.check_syntax()),
            (Paths::AnyKey, 0) => Err(Error::message(MessageFault::Shape("the path is empty"))),
            (Paths::AnyKey, 1..=MAX_KEY_LEN) => Ok(()),
            (Paths::AnyKey, len) => {
                Err(Error::limit(LimitName::KeyLen, MAX_KEY_LEN as u64, len as u64))
            }
        }
    }
}

/// Checks the operations by themselves and returns them in key order.
///
/// The result does not depend on their order: one rule after the other is checked, in key order.
pub(super) fn edits<'o>(ops: &'o [Operation<'_>], paths: Paths) -> Result<Vec<Edit<'o>>, Reason> {
    let mut sorted: Vec<_> = ops.iter().enumerate().collect();
    sorted.sort_unstable_by_key(|(number, op)| (op.path.as_bytes(), *number));
    let refuse = |rule, (number, op): (usize, &Operation<'_>), fault| {
        Err(Reason::of_op(rule, number, &op.path, Error::message(fault)))
    };
    for &(number, op) in &sorted {
        if let Action::Other(name) = &op.action {
            let found = name.chars().take(MAX_QUOTED).collect::<String>().into();
            return refuse(Rule::OpAction, (number, op), MessageFault::Action { found });
        }
    }
    for &(number, op) in &sorted {
        paths
            .check(&op.path)
            .map_err(|error| Reason::of_op(Rule::OpPath, number, &op.path, error))?;
    }
    for (one, two) in sorted.iter().zip(sorted.iter().skip(1)) {
        if one.1.path == two.1.path {
            return refuse(Rule::OpDuplicate, *two, MessageFault::DuplicatePath { other: one.0 });
        }
    }
    let mut edits = Vec::with_capacity(sorted.len());
    for &(number, op) in &sorted {
        match change(op) {
            Ok(change) => edits.push(Edit { op: number, path: &op.path, change }),
            Err(fault) => return refuse(Rule::OpShape, (number, op), MessageFault::Shape(fault)),
        }
    }
    for edit in &edits {
        if let EditChange::Updated { new, old: Some(old) } = edit.change
            && new == old
        {
            return Err(edit.refuse(Rule::OpUnchanged, MessageFault::Unchanged));
        }
    }
    Ok(edits)
}

/// The number of characters of an unknown action that an error repeats.
const MAX_QUOTED: usize = 64;

/// Returns the change that an operation claims, or the fault of its fields.
fn change(op: &Operation<'_>) -> Result<EditChange, &'static str> {
    match (&op.action, op.cid, op.prev) {
        (Action::Create, Some(new), None) => Ok(EditChange::Created { new }),
        (Action::Create, None, _) => Err("a create has no `cid`"),
        (Action::Create, Some(_), Some(_)) => Err("a create has a `prev`"),
        (Action::Update, Some(new), old) => Ok(EditChange::Updated { new, old }),
        (Action::Update, None, _) => Err("an update has no `cid`"),
        (Action::Delete, None, old) => Ok(EditChange::Deleted { old }),
        (Action::Delete, Some(_), _) => Err("a delete has a `cid`"),
        (Action::Other(_), _, _) => Err("the action is unknown"),
    }
}
