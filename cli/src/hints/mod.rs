//! What a refused input is or holds, and what can be done: messages in place of the library's.

mod answer;
mod http;
mod json;
mod roots;
mod tail;
mod text;

use std::io::Read;

use carwalk::error::{LimitName, LookAlike, Malformed, Structure};
use carwalk::{Error, ErrorKind};

use crate::failure::Cause;
use crate::output::Counted;

/// What can be looked at of an input after it was refused.
pub(crate) trait Evidence {
    /// The first bytes, a few KiB at most.
    fn head(&mut self) -> Vec<u8>;

    /// The bytes from an offset on, if they can still be had.
    fn from(&mut self, offset: u64) -> Option<Box<dyn Read + '_>>;

    /// Most bytes that may be looked at.
    fn most(&self) -> u64;

    /// The length, if it is at most so many bytes. A stream is read that far.
    fn len_within(&mut self, most: u64) -> Option<u64>;

    /// Whether offsets are those of decompressed bytes.
    fn is_compressed(&self) -> bool;
}

/// Returns the cause with the message of [`message`], or else with the library's.
pub(crate) fn explain(error: Error, evidence: &mut dyn Evidence) -> Cause {
    match message(&error, evidence) {
        Some(message) => Cause::Explained { error, message },
        None => error.into(),
    }
}

/// Returns what is known of an input that was refused with `error`: one line, safe to print, with
/// the place.
pub(crate) fn message(error: &Error, evidence: &mut dyn Evidence) -> Option<String> {
    let position = error.position();
    let structure = position.structure();
    let message = match (structure, position.offset()) {
        (Structure::Header, _) => header(error.kind(), evidence),
        (Structure::Section, Some(offset)) => section(error.kind(), offset, evidence),
        (Structure::Commit, _) => roots::what(error, evidence),
        _ => None,
    }?;
    let cid = error.cid().map(|cid| format!(" {cid}")).unwrap_or_default();
    let at = position.offset().map(|offset| format!(" at byte {offset}")).unwrap_or_default();
    Some(format!("{structure}{cid}{at}: {message}"))
}

/// Explains a refused header. Formats that the library names keep its message, except JSON.
fn header(kind: &ErrorKind, evidence: &mut dyn Evidence) -> Option<String> {
    match kind {
        ErrorKind::LookAlike(LookAlike::Json) => json::what(&evidence.head()),
        ErrorKind::LookAlike(_)
        | ErrorKind::Io(_)
        | ErrorKind::Limit { limit: LimitName::StreamLen, .. } => None,
        ErrorKind::Malformed(Malformed::CidCodec { found: 0x55, .. }) => Some(roots::raw()),
        ErrorKind::Malformed(Malformed::NoRoots) => Some(roots::NO_ROOT.to_owned()),
        kind => text::what(&evidence.head()).or_else(|| match *kind {
            ErrorKind::Truncated { expected, available } => {
                match text::may_be_header(&evidence.head()) {
                    true => Some(tail::cut(0, available, expected, evidence)),
                    false => Some("this does not begin like a CAR".to_owned()),
                }
            }
            ErrorKind::Limit { limit: LimitName::HeaderLen, max, found } => {
                long_header(max, found, evidence)
            }
            _ => None,
        }),
    }
}

/// A section that is none, or not whole.
fn section(kind: &ErrorKind, offset: u64, evidence: &mut dyn Evidence) -> Option<String> {
    match *kind {
        ErrorKind::Truncated { expected, available } => tail::what(offset, None, evidence)
            .or_else(|| Some(tail::cut(offset, available, expected, evidence))),
        ErrorKind::Limit { limit: LimitName::BlockLen, max, found } => {
            tail::what(offset, Some(tail::LongBlock { max, found }), evidence)
        }
        ErrorKind::Malformed(_) | ErrorKind::NonCanonical(_) => tail::what(offset, None, evidence),
        _ => None,
    }
}

/// A header that is declared to be longer than the input: no limit helps.
fn long_header(max: u64, found: u64, evidence: &mut dyn Evidence) -> Option<String> {
    // For greater lengths no limit can be set, so none is named.
    let len = Counted(evidence.len_within(found.min(u32::MAX.into()))?, "byte");
    Some(format!(
        "header length of {found} exceeds the limit of {max}, and the input has only {len}: \
         this is not a CAR"
    ))
}
