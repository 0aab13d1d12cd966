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

    #[command(flatten)]
    bounds: Bounds,
}

/// A range of keys, whatever their collection is.
#[derive(Args, Debug)]
pub(crate) struct Bounds {
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
        self.collection.is_some() || self.bounds.given().count() > 0
    }

    /// Refuses a range that no key can be in.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        if self.range()?.is_empty() { Err(CONTRADICTION) } else { Ok(()) }
    }

    /// Returns the keys that are in the range of each option.
    pub(crate) fn range(&self) -> carwalk::Result<KeyRange> {
        let collection = self.collection.as_deref().map(KeyRange::collection).transpose()?;
        let collection = collection.unwrap_or_else(KeyRange::all);
        Ok(collection.and(&self.bounds.range()))
    }
}

impl Bounds {
    /// Returns the given options, by name.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        let Bounds { prefix, from, to } = self;
        let options = [("prefix", prefix), ("from", from), ("to", to)];
        options.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Returns the keys that are in the range of each option.
    pub(crate) fn range(&self) -> KeyRange {
        self.given().fold(KeyRange::all(), |range, (name, value)| {
            let bytes = value.as_encoded_bytes();
            range.and(&match name {
                "prefix" => KeyRange::prefix(bytes),
                "from" => (bytes..).into(),
                _ => (..bytes).into(),
            })
        })
    }
}

/// A range that no key can be in.
pub(crate) const CONTRADICTION: Cause =
    Cause::Usage("no key can be in the range: its options contradict each other");

/// Parses the name of a collection.
pub(crate) fn nsid(text: &str) -> Result<String, String> {
    if syntax::is_nsid(text) {
        Ok(text.to_owned())
    } else {
        Err("expected an NSID such as app.bsky.feed.post; for other names, use --prefix NAME/"
            .to_owned())
    }
}
