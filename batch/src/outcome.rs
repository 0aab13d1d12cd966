//! The outcome of an input, and its reason.

use std::error::Error as _;
use std::fmt;
use std::io;

use carwalk::error::{LimitName, LookAlike, Malformed, Structure};
use carwalk::{Error, ErrorClass, ErrorKind};

use crate::compressed::Undecodable;
use crate::counted::Counted;
use crate::{header, message};

/// The outcome of an input. Every input has exactly one.
///
/// # Examples
///
/// ```
/// use carwalk_batch::{Outcome, Reason};
///
/// let outcome = Outcome::Failed(Reason::NotACar);
/// assert_eq!((outcome.name(), outcome.reason()), ("failed", Some("not_a_car")));
/// assert_eq!((Outcome::Done.name(), Outcome::Done.reason()), ("done", None));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "so that a match over all outcomes is checked")]
pub enum Outcome {
    /// Read to its end.
    Done,
    /// Not read, or only as far as its commit.
    Skipped(Skip),
    /// Not read, or not to its end.
    Failed(Reason),
}

impl Outcome {
    /// Returns `done`, `skipped` or `failed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Skipped(_) => "skipped",
            Outcome::Failed(_) => "failed",
        }
    }

    /// Returns the name of the reason; `None` for `Done`.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Outcome::Done => None,
            Outcome::Skipped(skip) => Some(skip.name()),
            Outcome::Failed(reason) => Some(reason.name()),
        }
    }

    /// Returns the outcome with these names, or `None` for other names.
    #[must_use]
    pub fn of_names(name: &str, reason: Option<&str>) -> Option<Self> {
        let skips = Skip::ALL.map(Outcome::Skipped);
        let failures = Reason::ALL.map(Outcome::Failed);
        let mut all = [Outcome::Done].into_iter().chain(skips).chain(failures);
        all.find(|outcome| outcome.name() == name && outcome.reason() == reason)
    }
}

/// The reason why an input was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "so that a match over all reasons is checked")]
pub enum Skip {
    /// The report says that it is done.
    Finished,
    /// It is the repository of another account.
    NotSelected,
}

impl Skip {
    const ALL: [Self; 2] = [Skip::Finished, Skip::NotSelected];

    /// Returns the name: `finished` or `not_selected`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Skip::Finished => "finished",
            Skip::NotSelected => "not_selected",
        }
    }
}

/// The reason why an input failed.
///
/// # Examples
///
/// ```
/// use carwalk_batch::Reason;
///
/// let error = carwalk::Repo::from_slice(b"{\"error\":\"RepoNotFound\"}").unwrap_err();
/// assert_eq!(Reason::of(&error), Reason::NotACar);
/// let error = carwalk::Repo::from_slice(b"").unwrap_err();
/// assert_eq!(Reason::of(&error), Reason::Truncated);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "so that a match over all reasons is checked")]
pub enum Reason {
    /// It is something else: an error message of a server, for example.
    NotACar,
    /// It is empty, or ends inside a structure.
    Truncated,
    /// It breaks a rule: of a format, of the tree, a hash, or the syntax of paths.
    Invalid,
    /// Its commit is of an old version, which has to be accepted explicitly.
    Legacy,
    /// A block is missing.
    Missing,
    /// It exceeds a limit.
    Limit,
    /// It cannot be opened or read.
    Io,
}

impl Reason {
    const ALL: [Self; 7] = [
        Reason::NotACar,
        Reason::Truncated,
        Reason::Invalid,
        Reason::Legacy,
        Reason::Missing,
        Reason::Limit,
        Reason::Io,
    ];

    /// Returns the name: `not_a_car`, `truncated`, `invalid`, `legacy`, `missing`, `limit` or `io`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotACar => "not_a_car",
            Reason::Truncated => "truncated",
            Reason::Invalid => "invalid",
            Reason::Legacy => "legacy",
            Reason::Missing => "missing",
            Reason::Limit => "limit",
            Reason::Io => "io",
        }
    }

    /// Returns the reason of an error. This is the only place that decides it, except that
    /// [`Failure::of`] also looks at the first bytes.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        if let Some(undecodable) = Undecodable::of(error) {
            return undecodable.reason();
        }
        match error.kind() {
            ErrorKind::Malformed(Malformed::LegacyCommit(_)) => return Reason::Legacy,
            // A full spill file is no fault of the CAR.
            ErrorKind::Limit { limit: LimitName::Stored, .. } => return Reason::Io,
            ErrorKind::InvalidSpillFile(_) | ErrorKind::LookAlike(LookAlike::BareTree) => {
                return Reason::Invalid;
            }
            ErrorKind::LookAlike(other) if *other != LookAlike::Empty => return Reason::NotACar,
            _ => {}
        }
        match error.class() {
            ErrorClass::Truncated => Reason::Truncated,
            ErrorClass::Missing => Reason::Missing,
            ErrorClass::Limit => Reason::Limit,
            ErrorClass::Environment | ErrorClass::Io => Reason::Io,
            // The outcome of a cancelled load is not reported.
            ErrorClass::Invalid | ErrorClass::Caller | ErrorClass::Cancelled => Reason::Invalid,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The reason of a failure, and a message for people: one line without control characters. It does
/// not name the input.
///
/// # Examples
///
/// ```
/// use carwalk_batch::{Failure, Reason};
///
/// let error = carwalk::Repo::from_slice(b"Not Found").unwrap_err();
/// let failure = Failure::of(&error, b"Not Found");
/// assert_eq!(failure.reason(), Reason::NotACar);
/// assert_eq!(failure.message(), "CAR header at byte 0: this does not begin like a CAR");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    reason: Reason,
    message: String,
}

impl Failure {
    /// Creates a failure. Control characters of the message are escaped.
    #[must_use]
    pub fn new(reason: Reason, message: &str) -> Self {
        Failure { reason, message: message::escaped(message) }
    }

    /// Returns the failure for an error of an input that begins with `head`.
    ///
    /// A header that is malformed, truncated or too long means `not_a_car` if `head` does not begin
    /// like a CAR. 16 bytes are enough; without any, the error alone decides.
    #[must_use]
    pub fn of(error: &Error, head: &[u8]) -> Self {
        if !may_be_car(error, head) {
            let message =
                format!("{} at byte 0: this does not begin like a CAR", Structure::Header);
            return Failure::new(Reason::NotACar, &message);
        }
        Failure::new(Reason::of(error), &full_message(error))
    }

    /// Returns the failure of an input that cannot be opened or read.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        Failure::new(Reason::Io, &format!("reading failed: {}", message::of_io(error)))
    }

    /// Returns the failure of an input that was given up because the batch was stopped. Nobody sees
    /// it: see [`Stop`](crate::Stop).
    #[must_use]
    pub fn stopped() -> Self {
        Failure::new(Reason::Io, "stopped")
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the message as a text of its own.
    #[must_use]
    pub fn into_message(self) -> String {
        self.message
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::of(&error, &[])
    }
}

/// Returns false if a header does not parse, and does not begin like one. The library names formats
/// that it knows.
fn may_be_car(error: &Error, head: &[u8]) -> bool {
    if error.position().structure() != Structure::Header {
        return true;
    }
    match error.kind() {
        ErrorKind::Malformed(_) | ErrorKind::NonCanonical(_) | ErrorKind::Truncated { .. } => {
            header::may_be_header(head)
        }
        ErrorKind::Limit { limit: LimitName::HeaderLen, .. } => header::may_be_long_header(head),
        _ => true,
    }
}

/// Returns the message of an error, with those of its causes.
fn full_message(error: &Error) -> String {
    if let Some(undecodable) = Undecodable::of(error) {
        return undecodable.to_string();
    }
    // The library's message names a setting of the library.
    if let ErrorKind::Limit { limit: LimitName::StreamLen, max, .. } = error.kind() {
        return format!("the stream exceeds the limit of {}", Counted(*max, "byte"));
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        match error.downcast_ref::<io::Error>() {
            Some(error) => text.push_str(&message::of_io(error)),
            None => text.push_str(&error.to_string()),
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_outcomes() {
        let all = [Outcome::Done]
            .into_iter()
            .chain(Skip::ALL.map(Outcome::Skipped))
            .chain(Reason::ALL.map(Outcome::Failed));
        for outcome in all {
            assert_eq!(Outcome::of_names(outcome.name(), outcome.reason()), Some(outcome));
        }
        for (name, reason) in
            [("done", Some("io")), ("failed", None), ("failed", Some("finished")), ("gone", None)]
        {
            assert_eq!(Outcome::of_names(name, reason), None, "{name}");
        }
    }

    #[test]
    fn messages_are_one_harmless_line() {
        let failure = Failure::new(Reason::Io, "a\n\u{1b}[2J\u{202e}\"é\\");
        assert_eq!(failure.message(), "a\\n\\u{1b}[2J\\u{202e}\"é\\");
        let error = io::Error::from_raw_os_error(2);
        let message = Failure::of_io(&error).into_message();
        assert!(message.starts_with("reading failed: ") && !message.contains("os error"));
    }

    #[test]
    fn a_long_header_is_a_limit_only_if_it_begins_like_one() {
        let reason = |bytes: &[u8]| {
            let error = carwalk::Repo::from_slice(bytes).unwrap_err();
            Failure::of(&error, bytes).reason()
        };
        // Lengths of 1.9 MiB and of 64 GiB.
        for prefix in [&b"\xff\xff\x74"[..], b"\x80\x80\x80\x80\x80\x02"] {
            let header = [prefix, b"\xa2eroots\x81"].concat();
            assert_eq!(reason(&header), Reason::Limit);
            let noise = [prefix, b"\x37\x12\x9f\xc4\x05\x5d\x77\xe1"].concat();
            assert_eq!(reason(&noise), Reason::NotACar);
        }
    }

    #[test]
    fn an_error_of_a_store_is_no_fault_of_the_input() {
        let error = carwalk::Error::store("connection lost");
        let failure = Failure::from(error);
        assert_eq!(failure.reason(), Reason::Io);
        assert_eq!(failure.message(), "the block store failed: connection lost");
    }
}
