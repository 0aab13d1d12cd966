//! Options for a range of keys.

use std::ffi::{OsStr, OsString};

use carwalk::{KeyRange, syntax};
use clap::Args;

use crate::failure::Cause;

/// A range of keys.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    /// Only the keys of one collection: the same as --prefix NSID/
    #[arg(long, value_name = "NSID", value_parser = nsid, help_heading = "Ranges")]
    pub(crate) collection: Option<String>,

    /// Only keys that begin with PREFIX, which is all or part of collection/rkey
    #[arg(long, value_name = "PREFIX", help_heading = "Ranges")]
    prefix: Option<OsString>,

    /// Only keys from KEY on: collection/rkey, or the first part of it
    #[arg(long, value_name = "KEY", help_heading = "Ranges")]
    from: Option<OsString>,

    /// Only keys before KEY
    #[arg(long, value_name = "KEY", help_heading = "Ranges")]
    to: Option<OsString>,
}

impl Keys {
    /// Returns whether any of the options is given.
    pub(crate) fn any(&self) -> bool {
        let Keys { collection, prefix, from, to } = self;
        collection.is_some() || prefix.is_some() || from.is_some() || to.is_some()
    }

    /// Refuses a range that no key can be in.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        if self.range()?.is_empty() {
            return Err(Cause::Usage(
                "no key can be in the range: its options contradict each other",
            ));
        }
        Ok(())
    }

    /// Returns the keys that are in the range of each option.
    pub(crate) fn range(&self) -> carwalk::Result<KeyRange> {
        let Keys { collection, prefix, from, to } = self;
        let bytes = OsStr::as_encoded_bytes;
        let parts = [
            collection.as_deref().map(KeyRange::collection).transpose()?,
            prefix.as_deref().map(|prefix| KeyRange::prefix(bytes(prefix))),
            from.as_deref().map(|from| (bytes(from)..).into()),
            to.as_deref().map(|to| (..bytes(to)).into()),
        ];
        Ok(parts.into_iter().flatten().fold(KeyRange::all(), |range, part| range.and(&part)))
    }
}

/// Parses the name of a collection.
fn nsid(text: &str) -> Result<String, String> {
    if syntax::is_nsid(text) {
        Ok(text.to_owned())
    } else {
        Err("expected an NSID such as app.bsky.feed.post; for other names, use --prefix NAME/"
            .to_owned())
    }
}
