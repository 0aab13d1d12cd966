//! What a program should do about an error.

use super::{Error, ErrorKind, LookAlike};

impl Error {
    /// True if reading, writing or the store failed: trying again may help.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self.kind(), ErrorKind::Io(_) | ErrorKind::Output(_) | ErrorKind::Store(_))
    }

    /// True if the bytes end too soon: download them again.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        matches!(self.kind(), ErrorKind::Truncated { .. } | ErrorKind::LookAlike(LookAlike::Empty))
    }

    /// True if a block is not there: the CAR is partial, or was cut between two sections.
    #[must_use]
    pub fn is_missing_block(&self) -> bool {
        matches!(self.kind(), ErrorKind::Missing { .. } | ErrorKind::MissingCommit)
    }

    /// True if a limit was reached that the caller can raise, or that the formats set.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.kind(), ErrorKind::Limit { .. })
    }

    /// True if the bytes are there and wrong: whoever made them is to blame. True of each error of
    /// which none of the other predicates is.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        !(self.is_io() || self.is_truncated() || self.is_missing_block() || self.is_limit())
    }
}
