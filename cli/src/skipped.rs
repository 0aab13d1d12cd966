//! Entries that a listing cannot show completely.

use std::borrow::Cow;
use std::io;

use carwalk::cid::Codec;
use carwalk::mst::Entry;
use carwalk::{Error, ErrorKind};

use crate::counts::add;
use crate::failure::Cause;
use crate::output::Output;

/// Names entries on stderr and counts them, so that one of them does not end the listing.
#[derive(Default)]
pub(crate) struct Skipped {
    paths: u64,
    records: u64,
}

impl Skipped {
    /// Names a key that is not a repo path.
    #[cold]
    pub(crate) fn path(&mut self, error: &Error, out: &mut Output) -> io::Result<()> {
        add(&mut self.paths, 1);
        out.note(format_args!("invalid path: {error}"))
    }

    /// Names a record that cannot be read.
    #[cold]
    pub(crate) fn record(
        &mut self,
        entry: Entry<'_>,
        why: &Unreadable,
        out: &mut Output,
    ) -> io::Result<()> {
        add(&mut self.records, 1);
        let (cid, key) = (entry.cid(), entry.key().escape_ascii());
        out.note(format_args!("unreadable record {cid}: {}, key \"{key}\"", why.reason()))
    }

    /// Fails if any entry was named.
    pub(crate) fn into_result(self) -> Result<(), Cause> {
        let paths = match self.paths {
            0 => None,
            1 => Some("1 key is not a repo path".to_owned()),
            more => Some(format!("{more} keys are not repo paths")),
        };
        let records = match self.records {
            0 => None,
            1 => Some("1 record cannot be read as CBOR (see `carwalk get --raw`)".to_owned()),
            more => {
                Some(format!("{more} records cannot be read as CBOR (see `carwalk get --raw`)"))
            }
        };
        let parts: Vec<_> = [paths, records].into_iter().flatten().collect();
        if parts.is_empty() { Ok(()) } else { Err(Cause::Invalid(parts.join(", "))) }
    }
}

/// The reason why a record cannot be read as CBOR, with the byte in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(Cow<'static, str>);

impl Unreadable {
    /// Fails if the CID says that the record is not CBOR.
    pub(crate) fn check(entry: Entry<'_>) -> Result<(), Self> {
        if entry.cid().codec() == Codec::Raw {
            return Err(Unreadable(Cow::Borrowed("raw bytes, not CBOR")));
        }
        Ok(())
    }

    /// Returns the reason for an error of reading a record.
    #[cold]
    pub(crate) fn of(error: &Error) -> Self {
        Unreadable(Cow::Owned(reason(error)))
    }

    /// Returns the reason, with the byte in the record.
    pub(crate) fn reason(&self) -> &str {
        &self.0
    }
}

/// Returns why a record cannot be read, with the byte in the record.
pub(crate) fn reason(error: &Error) -> String {
    let within = error.position().within().unwrap_or_default();
    match error.kind() {
        ErrorKind::Limit { max, .. } => {
            format!("byte {within}: nesting exceeds the limit of {max}")
        }
        kind => format!("byte {within}: {kind}"),
    }
}
