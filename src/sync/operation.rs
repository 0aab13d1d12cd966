//! The operations of a commit message.

use core::fmt;
use std::borrow::Cow;

use crate::cid::Cid;

/// The action of an operation on its key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'m> {
    /// Adds the key.
    Create,
    /// Changes the record of the key.
    Update,
    /// Removes the key.
    Delete,
    /// A text that is none of the three. A message with one is invalid.
    Other(Cow<'m, str>),
}

impl<'m> Action<'m> {
    /// Returns the action with this name.
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::sync::Action;
    ///
    /// assert_eq!(Action::from_name("create"), Action::Create);
    /// assert_eq!(Action::from_name("Create").name(), "Create");
    /// ```
    pub fn from_name(name: impl Into<Cow<'m, str>>) -> Self {
        let name = name.into();
        match &*name {
            "create" => Action::Create,
            "update" => Action::Update,
            "delete" => Action::Delete,
            _ => Action::Other(name),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::Other(name) => name,
        }
    }
}

impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An operation of a [`CommitMessage`](super::CommitMessage), as the message has it: nothing is
/// checked.
///
/// # Examples
///
/// ```
/// use carwalk::cid::{Cid, Codec};
/// use carwalk::sync::{Action, Operation};
///
/// let (old, new) = (Cid::of(Codec::DagCbor, b"\xa0"), Cid::of(Codec::DagCbor, b"\x80"));
/// let update = Operation::update("app.bsky.actor.profile/self", old, new);
/// assert_eq!((update.action, update.prev, update.cid), (Action::Update, Some(old), Some(new)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation<'m> {
    /// The action.
    pub action: Action<'m>,
    /// The key: collection, slash, record key.
    pub path: Cow<'m, str>,
    /// The record after the operation. `None` in a delete.
    pub cid: Option<Cid>,
    /// The record before the operation. `None` in a create, and in messages of old servers.
    pub prev: Option<Cid>,
}

impl<'m> Operation<'m> {
    /// Creates an operation from its fields.
    pub fn new(
        action: Action<'m>,
        path: impl Into<Cow<'m, str>>,
        cid: Option<Cid>,
        prev: Option<Cid>,
    ) -> Self {
        Operation { action, path: path.into(), cid, prev }
    }

    /// Copies the texts, so that the operation no longer borrows from the frame.
    #[must_use]
    pub fn into_owned(self) -> Operation<'static> {
        let action = match self.action {
            Action::Create => Action::Create,
            Action::Update => Action::Update,
            Action::Delete => Action::Delete,
            Action::Other(name) => Action::Other(name.into_owned().into()),
        };
        Operation::new(action, self.path.into_owned(), self.cid, self.prev)
    }

    /// Creates an operation that adds a key.
    pub fn create(path: impl Into<Cow<'m, str>>, cid: Cid) -> Self {
        Operation::new(Action::Create, path, Some(cid), None)
    }

    /// Creates an operation that changes the record of a key.
    pub fn update(path: impl Into<Cow<'m, str>>, old: Cid, new: Cid) -> Self {
        Operation::new(Action::Update, path, Some(new), Some(old))
    }

    /// Creates an operation that removes a key.
    pub fn delete(path: impl Into<Cow<'m, str>>, old: Cid) -> Self {
        Operation::new(Action::Delete, path, None, Some(old))
    }
}
