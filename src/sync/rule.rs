//! The rules that a message can break.

use core::fmt;

/// A rule that a message breaks: the name that a [`Reason`](super::Reason) begins with.
///
/// [`is_invalid`](Rule::is_invalid) returns whether a rule makes the message invalid or
/// unverifiable. If several rules are broken, the first in the order of the variants is reported,
/// with three exceptions: the CAR is checked section by section; the length of a record is checked
/// together with [`RecordMissing`](Rule::RecordMissing); the tree is checked in key order, each
/// node before those below it.
///
/// # Examples
///
/// ```
/// use carwalk::sync::Rule;
///
/// assert_eq!(Rule::OpMismatch.name(), "op_mismatch");
/// assert!(Rule::OpMismatch.is_invalid() && !Rule::MissingNode.is_invalid());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The frame is not a header and a body in strict DAG-CBOR, or an unknown field is nested more
    /// than [`MAX_NESTING`](crate::limits::MAX_NESTING) deep.
    Frame,
    /// A field is missing, or has another type or syntax than its schema.
    Field,
    /// A length or count exceeds its limit: see the setters of [`Verifier`](super::Verifier).
    Limit,
    /// `blocks` is not a CAR.
    Car,
    /// A block of the CAR, used or not, does not hash to its CID.
    BlockHash,
    /// The block of the commit is missing.
    CommitMissing,
    /// The commit is malformed.
    CommitForm,
    /// The message names another commit than the first root of the CAR.
    CommitCid,
    /// The commit is by another account than the message names.
    CommitDid,
    /// The commit has another revision than the message names.
    CommitRev,
    /// The revision lies too far in the future.
    FutureRev,
    /// The commit is not signed with the given key.
    Signature,
    /// An operation has an unknown action.
    OpAction,
    /// The path of an operation is not a collection's NSID and a record key.
    OpPath,
    /// Two operations have the same path.
    OpDuplicate,
    /// An operation has a field that its action does not have, or lacks one that it needs.
    OpShape,
    /// An update whose `prev` equals its `cid`.
    OpUnchanged,
    /// The block of a created or updated record is missing.
    RecordMissing,
    /// A node of the tree breaks a rule.
    Tree,
    /// The tree does not have the record of a create or update.
    OpMismatch,
    /// The tree has a key that is deleted.
    OpPresent,
    /// Before the operations, the tree was not `prevData`.
    PrevData,
    /// A node is missing without which the operations cannot be undone.
    MissingNode,
    /// A node is missing that may have a key next to a created one.
    MissingNeighbour,
    /// `prevData` is missing, and `since` is not null.
    NoPrevData,
    /// An update or delete has no `prev`.
    NoPrev,
}

impl Rule {
    /// All rules, in the order of the variants.
    pub const ALL: [Rule; 26] = [
        Rule::Frame,
        Rule::Field,
        Rule::Limit,
        Rule::Car,
        Rule::BlockHash,
        Rule::CommitMissing,
        Rule::CommitForm,
        Rule::CommitCid,
        Rule::CommitDid,
        Rule::CommitRev,
        Rule::FutureRev,
        Rule::Signature,
        Rule::OpAction,
        Rule::OpPath,
        Rule::OpDuplicate,
        Rule::OpShape,
        Rule::OpUnchanged,
        Rule::RecordMissing,
        Rule::Tree,
        Rule::OpMismatch,
        Rule::OpPresent,
        Rule::PrevData,
        Rule::MissingNode,
        Rule::MissingNeighbour,
        Rule::NoPrevData,
        Rule::NoPrev,
    ];

    /// Returns the name of the rule, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Frame => "frame",
            Rule::Field => "field",
            Rule::Limit => "limit",
            Rule::Car => "car",
            Rule::BlockHash => "block_hash",
            Rule::CommitMissing => "commit_missing",
            Rule::CommitForm => "commit_form",
            Rule::CommitCid => "commit_cid",
            Rule::CommitDid => "commit_did",
            Rule::CommitRev => "commit_rev",
            Rule::FutureRev => "future_rev",
            Rule::Signature => "signature",
            Rule::OpAction => "op_action",
            Rule::OpPath => "op_path",
            Rule::OpDuplicate => "op_duplicate",
            Rule::OpShape => "op_shape",
            Rule::OpUnchanged => "op_unchanged",
            Rule::RecordMissing => "record_missing",
            Rule::Tree => "tree",
            Rule::OpMismatch => "op_mismatch",
            Rule::OpPresent => "op_present",
            Rule::PrevData => "prev_data",
            Rule::MissingNode => "missing_node",
            Rule::MissingNeighbour => "missing_neighbour",
            Rule::NoPrevData => "no_prev_data",
            Rule::NoPrev => "no_prev",
        }
    }

    /// Returns whether a message that breaks the rule is invalid. Otherwise it is unverifiable.
    #[must_use]
    pub const fn is_invalid(self) -> bool {
        !matches!(
            self,
            Rule::MissingNode | Rule::MissingNeighbour | Rule::NoPrevData | Rule::NoPrev
        )
    }
}

/// Writes the name.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
