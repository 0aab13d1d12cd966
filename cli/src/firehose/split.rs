//! Where messages begin and end in each format.

use carwalk::sync::Rule;
use carwalk::varint;

use super::MAX_FRAME_LEN;
use super::batch::{Kind, Refusal};
use super::format::Format;
use super::values::{Found, Values};
use crate::escape::escaped;
use crate::output::Counted;

/// Longest accepted JSON value, in bytes: the bytes in it take four thirds of their length.
const MAX_VALUE_LEN: usize = 2 * MAX_FRAME_LEN;

/// Finds messages in the bytes of an input.
pub(super) enum Split {
    Frame,
    Varint {
        /// Bytes of a frame that is too long.
        skip: u64,
    },
    Json(Values),
    /// The rest of the input is not read.
    Done,
}

/// What comes next.
pub(super) enum Step {
    /// More bytes are needed.
    More,
    /// So many bytes are skipped.
    Skip(usize),
    /// A message from `start` to `end`.
    Message {
        kind: Kind,
        start: usize,
        end: usize,
    },
    /// A message that is invalid. So many bytes of it are used.
    Refused(usize, Refusal),
    End,
}

impl Split {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Frame => Split::Frame,
            Format::Varint => Split::Varint { skip: 0 },
            Format::Json => Split::Json(Values::new(MAX_VALUE_LEN)),
        }
    }

    /// Looks at the bytes that are not used yet. The caller uses as many as the answer says before
    /// the next call.
    pub(super) fn step(&mut self, bytes: &[u8], is_at_end: bool) -> Step {
        match self {
            Split::Frame => self.frame(bytes, is_at_end),
            Split::Varint { skip: 0 } => self.varint(bytes, is_at_end),
            Split::Varint { skip } if !bytes.is_empty() => {
                let len = usize::try_from(*skip).unwrap_or(usize::MAX).min(bytes.len());
                *skip = skip.saturating_sub(len as u64);
                Step::Skip(len)
            }
            Split::Json(values) => match values.step(bytes, is_at_end) {
                Found::More => Step::More,
                Found::Skip(len) => Step::Skip(len),
                Found::Value { len, .. } => self.value(bytes, len),
                Found::TooLong { len, .. } => {
                    Step::Refused(len, too_long("JSON value", "more than", MAX_VALUE_LEN))
                }
                Found::End => Step::End,
            },
            Split::Varint { .. } if !is_at_end => Step::More,
            Split::Varint { .. } | Split::Done => Step::End,
        }
    }

    /// The whole input is a frame, even if it is empty.
    fn frame(&mut self, bytes: &[u8], is_at_end: bool) -> Step {
        if bytes.len() > MAX_FRAME_LEN {
            *self = Split::Done;
            let refusal = too_long("frame", "more than", MAX_FRAME_LEN);
            return Step::Refused(bytes.len(), refusal);
        }
        if !is_at_end {
            return Step::More;
        }
        *self = Split::Done;
        Step::Message { kind: Kind::Frame, start: 0, end: bytes.len() }
    }

    /// A frame behind its length. A frame that is longer than the limit is skipped, so that it
    /// never takes memory; its verdict is printed before. Without a length, the rest is lost.
    fn varint(&mut self, bytes: &[u8], is_at_end: bool) -> Step {
        let (len, start) = match varint::decode(bytes) {
            Ok(Some(found)) => found,
            Ok(None) if !is_at_end => return Step::More,
            Ok(None) if bytes.is_empty() => return Step::End,
            Ok(None) => return self.broken(bytes, "the input ends in the length of a frame"),
            Err(error) => {
                return self.broken(bytes, &format!("length of a frame: {}", error.kind()));
            }
        };
        if len > MAX_FRAME_LEN as u64 {
            *self = Split::Varint { skip: len };
            return Step::Refused(start, too_long("frame", &len.to_string(), MAX_FRAME_LEN));
        }
        let end = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(start);
        if end <= bytes.len() {
            return Step::Message { kind: Kind::Frame, start, end };
        }
        if !is_at_end {
            return Step::More;
        }
        let found = Counted(bytes.len().saturating_sub(start) as u64, "byte");
        self.broken(bytes, &format!("the input ends after {found} of a frame of {len}"))
    }

    /// Checks the syntax of a value here and not on another thread: after a fault, nobody knows
    /// where the next value begins.
    fn value(&mut self, bytes: &[u8], len: usize) -> Step {
        let value = bytes.get(..len).unwrap_or_default();
        let checked = match std::str::from_utf8(value) {
            Ok(text) => serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match checked {
            Ok(_) => Step::Message { kind: Kind::Json, start: 0, end: len },
            Err(error) => self.broken(bytes, &format!("not JSON: {}", escaped(&error))),
        }
    }

    /// Ends the reading of the input with an invalid message.
    fn broken(&mut self, bytes: &[u8], message: &str) -> Step {
        *self = Split::Done;
        let refusal = Refusal::new(Rule::Frame, message.to_string());
        Step::Refused(bytes.len(), refusal)
    }
}

fn too_long(what: &str, found: &str, max: usize) -> Refusal {
    let message = format!("{what} length of {found} exceeds the limit of {max}");
    Refusal::new(Rule::Limit, message)
}
