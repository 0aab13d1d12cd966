//! One line of a report.

use std::borrow::Cow;
use std::io::{self, Write};

use carwalk::Commit;
use serde::{Deserialize, Serialize};

use crate::inputs::Input;
use crate::outcome::{Failure, Outcome, Reason};

/// What is known of an input after it was processed: a line of a report.
///
/// As JSON it has these keys, in this order, null where unknown: `path`, `bytes`, `modified`,
/// `outcome`, `reason`, `error`, `did`, `rev`, `commit`, `records`, `invalid_paths`, `output`,
/// `run`, `seconds`.
///
/// # Examples
///
/// ```
/// use carwalk_batch::{Input, Line, Outcome};
///
/// let mut line = Line::of(&Input::new("../samples/repo.car"));
/// line.outcome = Outcome::Done;
/// line.records = Some(40);
/// let mut text = Vec::new();
/// line.write_to(&mut text)?;
/// assert!(text.starts_with(br#"{"path":"../samples/repo.car","bytes":12641,"modified":"#));
/// assert_eq!(Line::parse(&text)?, line);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// The input: see [`path_name`](crate::path_name).
    pub path: String,
    /// Its length in bytes.
    pub bytes: Option<u64>,
    /// When it was last modified, as RFC 3339 in UTC.
    pub modified: Option<String>,
    /// The outcome. As JSON: `outcome` and `reason`.
    pub outcome: Outcome,
    /// The message about a failure.
    pub error: Option<String>,
    /// The DID in the commit.
    pub did: Option<String>,
    /// The revision in the commit.
    pub rev: Option<String>,
    /// The CID of the commit.
    pub commit: Option<String>,
    /// The number of records that were read.
    pub records: Option<u64>,
    /// The number of keys that are not valid repo paths, by full syntax: the same for every
    /// command. An export has rows for those with two halves.
    pub invalid_paths: Option<u64>,
    /// The file with the rows.
    pub output: Option<String>,
    /// The digest of the options: see [`run_digest`](crate::run_digest). With the rows in a folder,
    /// `-` and the number in its file `.carwalk-run` follow.
    pub run: Option<String>,
    /// The time that it took, in seconds.
    pub seconds: Option<f64>,
}

impl Line {
    /// Creates the line of an input, of which nothing else is known. Its outcome is `failed`, `io`.
    #[must_use]
    pub fn of(input: &Input) -> Self {
        Line {
            path: input.name(),
            bytes: input.bytes(),
            modified: input.modified(),
            outcome: Outcome::Failed(Reason::Io),
            error: None,
            did: None,
            rev: None,
            commit: None,
            records: None,
            invalid_paths: None,
            output: None,
            run: None,
            seconds: None,
        }
    }

    /// Sets the account, revision and CID of the commit. Legacy commits may have no revision.
    pub fn identify(&mut self, commit: &Commit<'_>) {
        self.did = Some(commit.did().to_owned());
        self.rev = Some(commit.rev().to_owned()).filter(|rev| !rev.is_empty());
        self.commit = Some(commit.cid().to_string());
    }

    /// Sets the outcome to a failure, and its message.
    pub fn fail(&mut self, failure: Failure) {
        self.outcome = Outcome::Failed(failure.reason());
        self.error = Some(failure.into_message());
    }

    /// Returns whether the outcome is `done`.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }

    /// Returns whether the outcome is `skipped`.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        matches!(self.outcome, Outcome::Skipped(_))
    }

    /// Returns whether the outcome is `failed`.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    /// Writes the line as JSON, with a line break.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_to(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, &Fields::of(self))?;
        out.write_all(b"\n")
    }

    /// Parses a line of a report.
    ///
    /// # Errors
    ///
    /// `InvalidData` if it is not JSON with the keys of a line, or has an unknown outcome.
    pub fn parse(text: &[u8]) -> io::Result<Self> {
        let fields: Fields<'_> = serde_json::from_slice(text)?;
        let outcome = Outcome::of_names(&fields.outcome, fields.reason.as_deref());
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "unknown outcome or reason");
        let text = |field: Option<Cow<'_, str>>| field.map(Cow::into_owned);
        Ok(Line {
            outcome: outcome.ok_or_else(unknown)?,
            path: fields.path.into_owned(),
            bytes: fields.bytes,
            modified: text(fields.modified),
            error: text(fields.error),
            did: text(fields.did),
            rev: text(fields.rev),
            commit: text(fields.commit),
            records: fields.records,
            invalid_paths: fields.invalid_paths,
            output: text(fields.output),
            run: text(fields.run),
            seconds: fields.seconds,
        })
    }
}

/// The keys of a line, in their order.
#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    path: Cow<'a, str>,
    bytes: Option<u64>,
    modified: Option<Cow<'a, str>>,
    outcome: Cow<'a, str>,
    reason: Option<Cow<'a, str>>,
    error: Option<Cow<'a, str>>,
    did: Option<Cow<'a, str>>,
    rev: Option<Cow<'a, str>>,
    commit: Option<Cow<'a, str>>,
    records: Option<u64>,
    invalid_paths: Option<u64>,
    output: Option<Cow<'a, str>>,
    run: Option<Cow<'a, str>>,
    seconds: Option<f64>,
}

impl<'a> Fields<'a> {
    fn of(line: &'a Line) -> Self {
        let text = |field: &'a Option<String>| field.as_deref().map(Cow::Borrowed);
        Fields {
            path: Cow::Borrowed(&line.path),
            bytes: line.bytes,
            modified: text(&line.modified),
            outcome: Cow::Borrowed(line.outcome.name()),
            reason: line.outcome.reason().map(Cow::Borrowed),
            error: text(&line.error),
            did: text(&line.did),
            rev: text(&line.rev),
            commit: text(&line.commit),
            records: line.records,
            invalid_paths: line.invalid_paths,
            output: text(&line.output),
            run: text(&line.run),
            // Digits beyond a microsecond are noise.
            seconds: line.seconds.map(|seconds| (seconds * 1e6).round() / 1e6),
        }
    }
}
