//! The keys that a command is about.

use std::ffi::OsString;
use std::ops::Bound;

use clap::Args;

use crate::failure::Cause;

/// A range of keys.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    /// Keep one collection only: the same as --prefix NSID/
    #[arg(long, value_name = "NSID", help_heading = "Ranges")]
    pub(crate) collection: Option<String>,

    /// Keep keys that begin so, all or part of collection/rkey
    #[arg(long, value_name = "PREFIX", help_heading = "Ranges")]
    prefix: Option<OsString>,

    /// Keep keys from this one on: collection/rkey, or the first part of it
    #[arg(long, value_name = "KEY", help_heading = "Ranges")]
    from: Option<OsString>,

    /// Keep keys before this one
    #[arg(long, value_name = "KEY", help_heading = "Ranges")]
    to: Option<OsString>,
}

impl Keys {
    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        let Keys { collection, prefix, from, to } = self;
        collection.is_some() || prefix.is_some() || from.is_some() || to.is_some()
    }

    /// Refuses a range that ends before it begins.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from.as_encoded_bytes() > to.as_encoded_bytes() => {
                Err(Cause::Usage("--from is beyond --to"))
            }
            _ => Ok(()),
        }
    }

    /// The keys that all of the options keep.
    pub(crate) fn range(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let bytes = |text: &OsString| text.as_encoded_bytes().to_vec();
        let (mut start, mut end) = (self.from.as_ref().map(bytes), self.to.as_ref().map(bytes));
        let collection = self.collection.as_ref().map(|nsid| [nsid.as_bytes(), b"/"].concat());
        for prefix in self.prefix.as_ref().map(bytes).into_iter().chain(collection) {
            let after = after_prefix(&prefix);
            // No start is before any, but no end is after all.
            end = [end, after].into_iter().flatten().min();
            start = start.max(Some(prefix));
        }
        (start.map_or(Bound::Unbounded, Bound::Included), end.map_or(Bound::Unbounded, Bound::Excluded))
    }
}

/// The least key above all that begin with `prefix`; `None` if there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_prefix_is_exact() {
        assert_eq!(after_prefix(b"a/"), Some(b"a0".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }
}
