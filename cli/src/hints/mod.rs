//! Explanations of a refused input: messages that replace the library's, and say what the input is
//! and what to do.

pub(crate) mod answer;
mod delay;
mod encoded;
mod http;
mod json;
mod roots;
mod tail;
mod text;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};

use carwalk::error::{LimitName, LookAlike, Malformed, Structure};
use carwalk::{Error, ErrorKind};
use carwalk_batch::header;

use self::delay::Delay;
use self::encoded::Base64;
use crate::failure::Cause;
use crate::output::Counted;

const NO_CAR: &str = "this does not begin like a CAR: download it again as binary";

/// Fewest zero bytes before other bytes that are taken for a part of the file that was never
/// written.
const GAP_LEN: u64 = 16;

/// Most bytes of an input that are counted for a message.
const MOST_COUNTED: u64 = 1 << 30;

/// Fewest bytes of a head that is not the whole input. The head has 4096 bytes, which are 2048
/// characters in UTF-16. A shorter head is the whole input.
const LEAST_CUT: usize = 2000;

/// The parts of a refused input that can be examined.
///
/// More of a stream is read for that. A writer that neither writes nor closes its pipe delays the
/// message, and a warning is printed. Reading only the available bytes would make the message
/// depend on timing, because a pipe may return any part of the written bytes.
pub(crate) trait Evidence {
    /// The first bytes, a few KiB at most.
    fn head(&mut self) -> Vec<u8>;

    /// Returns the bytes from `offset` on, or `None` if a stream no longer has them.
    fn from(&mut self, offset: u64) -> Option<Box<dyn Read + '_>>;

    /// Returns the most bytes of the input that may be read, counted from its beginning.
    fn most(&self) -> u64;

    /// Returns the length if it is at most `most`. Reads up to `most + 1` bytes of a stream.
    fn len_within(&mut self, most: u64) -> Option<u64>;

    /// Returns whether offsets are those of decompressed bytes.
    fn is_compressed(&self) -> bool;
}

/// Returns the cause with the message of [`message`], or else with the library's.
pub(crate) fn explain(error: Error, evidence: &mut dyn Evidence) -> Cause {
    match message(&error, evidence) {
        Some(message) => Cause::Explained { error, message },
        None => error.into(),
    }
}

/// Explains the error of a refused input: one line, safe to print, with the offset.
pub(crate) fn message(error: &Error, evidence: &mut dyn Evidence) -> Option<String> {
    let _delay = Delay::after(error);
    let position = error.position();
    let structure = position.structure();
    let message = match (structure, position.offset()) {
        (Structure::Header, _) => in_header(error.kind(), evidence),
        (Structure::Section, Some(offset)) => section(error.kind(), offset, evidence),
        (Structure::Commit, _) => roots::what(error, evidence),
        _ => None,
    }?;
    let cid = error.cid().map(|cid| format!(" {cid}")).unwrap_or_default();
    let at = position.offset().map(|offset| format!(" at byte {offset}")).unwrap_or_default();
    Some(format!("{structure}{cid}{at}: {message}"))
}

/// Explains a refused header. Formats that the library names keep its message, except JSON.
fn in_header(kind: &ErrorKind, evidence: &mut dyn Evidence) -> Option<String> {
    match kind {
        ErrorKind::LookAlike(LookAlike::Json) => json::what(&evidence.head()),
        ErrorKind::LookAlike(_)
        | ErrorKind::Io(_)
        | ErrorKind::Limit { limit: LimitName::StreamLen, .. } => None,
        ErrorKind::Malformed(Malformed::CidCodec { found: 0x55, .. }) => Some(roots::raw()),
        ErrorKind::Malformed(Malformed::NoRoots) => Some(roots::NO_ROOT.to_owned()),
        kind => {
            let head = evidence.head();
            // An input that begins like a CAR is a damaged or truncated CAR. A rule for text could
            // match it by chance.
            let is_text = !header::begins_like_car(&head);
            let named = is_text.then(|| text(&head, evidence)).flatten();
            named.or_else(|| by_kind(kind, &head, evidence))
        }
    }
}

/// Explains an input that is not a CAR by its first bytes.
fn text(head: &[u8], evidence: &mut dyn Evidence) -> Option<String> {
    let evidence = RefCell::new(evidence);
    let whole = || base64(head, &mut **evidence.borrow_mut());
    text::what(&text::Text { bytes: head, skipped: 0, whole: &whole })
}

/// Reads an input that is base64 text to its end.
fn base64(head: &[u8], evidence: &mut dyn Evidence) -> Base64 {
    let most = evidence.most().min(MOST_COUNTED);
    let mut whole = Base64::default();
    let len = evidence.from(head.len() as u64).and_then(|rest| {
        let mut bytes = head.chain(rest).take(most.saturating_add(1));
        io::copy(&mut bytes, &mut whole).ok()
    });
    whole.is_part = len.is_none_or(|len| len > most);
    whole
}

/// Explains a refused header by the error alone.
fn by_kind(kind: &ErrorKind, head: &[u8], evidence: &mut dyn Evidence) -> Option<String> {
    match *kind {
        ErrorKind::Truncated { expected, available } if header::may_be_header(head) => {
            Some(tail::cut(0, available, expected, evidence))
        }
        ErrorKind::Truncated { .. } => Some(NO_CAR.to_owned()),
        ErrorKind::Limit { limit: LimitName::HeaderLen, max, found } => {
            long_header(max, found, head, evidence)
        }
        ErrorKind::Malformed(Malformed::HeaderEmpty) => Some(zeros(head)),
        _ => None,
    }
}

/// Explains an input that begins with a zero byte.
fn zeros(head: &[u8]) -> String {
    let zeros = head.iter().take_while(|&&byte| byte == 0).count();
    match zeros as u64 {
        count if zeros == head.len() || count >= GAP_LEN => format!(
            "the first {} zero: the file was probably never written; download it again",
            match count {
                1 => "byte is".to_owned(),
                count => format!("{count} bytes are"),
            }
        ),
        _ => NO_CAR.to_owned(),
    }
}

/// Explains a malformed or truncated section.
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

/// Explains a header that is declared to be longer than the input, so that raising its limit does
/// not help.
fn long_header(max: u64, found: u64, head: &[u8], evidence: &mut dyn Evidence) -> Option<String> {
    let shortage = Shortage::of(0, found, evidence)?;
    let remedy = match header::may_be_header(head) {
        true => shortage.remedy(),
        false => "this is not a CAR",
    };
    Some(format!("header length of {found} exceeds the limit of {max}, and {shortage}: {remedy}"))
}

/// Why the input cannot have the bytes that a length declares.
enum Shortage {
    /// The input has only this many bytes.
    Len(Counted),
    /// `--max-stream` allows only this many bytes.
    Limit(u64),
}

impl Shortage {
    /// Returns why the input cannot have `found` bytes from `offset` on, if that is known.
    fn of(offset: u64, found: u64, evidence: &mut dyn Evidence) -> Option<Self> {
        // The limits of blocks and headers are at most `u32::MAX`, so larger lengths name no
        // option.
        let needed = offset.saturating_add(found.min(u32::MAX.into()));
        match evidence.len_within(needed) {
            Some(len) => Some(Shortage::Len(Counted(len, unit(evidence)))),
            None => Some(evidence.most()).filter(|&most| needed > most).map(Shortage::Limit),
        }
    }

    /// Returns what to do if the length itself looks right.
    fn remedy(&self) -> &'static str {
        match self {
            Shortage::Len(_) => "it was cut, or is damaged; download it again",
            Shortage::Limit(_) => "it is damaged, or needs a higher --max-stream",
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shortage::Len(len) => write!(f, "the input has only {len}"),
            Shortage::Limit(most) => {
                write!(f, "--max-stream allows only {}", Counted(*most, "byte"))
            }
        }
    }
}

/// Returns the unit of offsets and lengths.
fn unit(evidence: &dyn Evidence) -> &'static str {
    if evidence.is_compressed() { "decompressed byte" } else { "byte" }
}
