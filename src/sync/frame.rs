//! Frames: a header and a body, each one item of DAG-CBOR.
//!
//! ```text
//! { "t": "#commit", "op": 1 } { "ops": [..], "rev": "..", .. }       a message
//! { "op": -1 }                { "error": "..", "message": ".." }     an error
//! ```

use core::fmt;

use super::fields::{BOOLEAN, BYTES, COMMIT, Fields, TREE, cbor_link};
use super::{
    AccountMessage, CommitMessage, ErrorMessage, IdentityMessage, InfoMessage, Message,
    OtherMessage, Reason, SyncMessage,
};
use crate::cbor::Cursor;

/// The header of a frame with a message, and of one with an error.
const MESSAGE: i64 = 1;
const ERROR: i64 = -1;

impl<'m> Message<'m> {
    /// Parses a frame. Texts and blocks are borrowed from it; only the list of operations is
    /// allocated: at most 128 bytes for each of the first 10,000, and up to twice as much with
    /// spare capacity.
    ///
    /// The whole frame must be strict DAG-CBOR: a header, a body, and nothing after it. Unknown
    /// fields are skipped. Costs one pass over the frame. Its length is not limited here, but
    /// by [`Verifier::examine`](super::Verifier::examine).
    ///
    /// # Errors
    ///
    /// - [`Rule::Frame`](super::Rule::Frame) if the frame is not strict DAG-CBOR, ends early or has
    ///   trailing bytes
    /// - [`Rule::Field`](super::Rule::Field) if a field is missing or has another type
    /// - [`Rule::Limit`](super::Rule::Limit) if there are more than
    ///   [`MAX_OPERATIONS`](crate::limits::MAX_OPERATIONS) operations
    ///
    /// Any of them makes the message invalid: the error converts to a [`Verdict`](super::Verdict).
    ///
    /// # Examples
    ///
    /// ```
    /// use carwalk::sync::{Message, Rule};
    ///
    /// // {"t": "#account", "op": 1} {"did": "did:web:a.example", "seq": 7, "active": true}
    /// let frame = b"\xa2at\x68#accountbop\x01\xa3cdidqdid:web:a.examplecseq\x07factive\xf5";
    /// let message = Message::parse(frame)?;
    /// assert_eq!((message.seq(), message.did()), (Some(7), Some("did:web:a.example")));
    ///
    /// let error = Message::parse(&frame[..40]).unwrap_err();
    /// assert_eq!(error.reason().rule(), Some(Rule::Frame));
    /// # Ok::<(), carwalk::sync::FrameError>(())
    /// ```
    pub fn parse(frame: &'m [u8]) -> Result<Self, FrameError> {
        let mut parser = Parser { fields: Fields::new(frame), frame, known: Known::default() };
        parser.message().map_err(|reason| FrameError::new(reason, &parser.known))
    }
}

/// What is known of a message while it is read.
#[derive(Default)]
struct Known<'m> {
    type_name: Option<&'m str>,
    seq: Option<u64>,
    did: Option<&'m str>,
    rev: Option<&'m str>,
}

struct Parser<'m> {
    fields: Fields<'m>,
    frame: &'m [u8],
    known: Known<'m>,
}

impl<'m> Parser<'m> {
    fn message(&mut self) -> Result<Message<'m>, Reason> {
        let op = self.header()?;
        let type_name = self.known.type_name;
        let start = self.fields.position();
        match (op, type_name) {
            (MESSAGE, Some("#commit")) => self.commit().map(Message::Commit),
            (MESSAGE, Some("#sync")) => self.sync().map(Message::Sync),
            (MESSAGE, Some("#identity")) => self.identity().map(Message::Identity),
            (MESSAGE, Some("#account")) => self.account().map(Message::Account),
            (MESSAGE, Some("#info")) => self.info().map(Message::Info),
            (ERROR, _) => self.error().map(Message::Error),
            _ => {
                self.fields.skip()?;
                self.fields.end()?;
                let body = self.frame.get(start..).unwrap_or_default();
                Ok(Message::Other(OtherMessage { type_name, op, body }))
            }
        }
    }

    /// Reads the header and returns its field `op`.
    fn header(&mut self) -> Result<i64, Reason> {
        let (mut op, mut type_name) = (None, None);
        self.fields.each(|fields, key| {
            match key {
                "op" => op = fields.value("op", "an integer", Cursor::int)?,
                "t" => type_name = fields.text("t")?,
                _ => fields.skip()?,
            }
            Ok(())
        })?;
        self.known.type_name = type_name;
        if op == Some(MESSAGE) && type_name.is_none() {
            self.fields.lack::<()>("t");
        }
        let op = op.or_else(|| self.fields.lack("op"));
        self.fields.finish(op)
    }

    fn commit(&mut self) -> Result<CommitMessage<'m>, Reason> {
        let Parser { fields, known, .. } = self;
        let (mut since, mut commit, mut prev_data) = (None, None, None);
        let (mut blocks, mut ops) = (None, None);
        fields.each(|fields, key| {
            match key {
                "seq" => known.seq = fields.seq()?,
                "repo" => known.did = fields.text("repo")?,
                "rev" => known.rev = fields.text("rev")?,
                "since" => since = fields.nullable_text("since")?,
                "commit" => commit = fields.value("commit", COMMIT, cbor_link)?,
                "prevData" => prev_data = fields.nullable("prevData", TREE, cbor_link)?,
                "blocks" => blocks = fields.value("blocks", BYTES, Cursor::bytes)?,
                "ops" => ops = fields.ops()?,
                _ => fields.skip()?,
            }
            Ok(())
        })?;
        fields.end()?;
        let repo = known.did.or_else(|| fields.lack("repo"));
        let rev = known.rev.or_else(|| fields.lack("rev"));
        let commit = commit.or_else(|| fields.lack("commit"));
        let blocks = blocks.or_else(|| fields.lack("blocks"));
        let ops = ops.or_else(|| fields.lack("ops"));
        let message = repo.zip(rev).zip(commit).zip(blocks).zip(ops);
        let ((((repo, rev), commit), blocks), ops) = fields.finish(message)?;
        let frame_len = Some(self.frame.len());
        Ok(CommitMessage {
            seq: known.seq,
            since,
            prev_data,
            frame_len,
            ..CommitMessage::new(repo, rev, commit, blocks, ops)
        })
    }

    fn sync(&mut self) -> Result<SyncMessage<'m>, Reason> {
        let Parser { fields, known, .. } = self;
        let mut blocks = None;
        fields.each(|fields, key| {
            match key {
                "seq" => known.seq = fields.seq()?,
                "did" => known.did = fields.text("did")?,
                "rev" => known.rev = fields.text("rev")?,
                "blocks" => blocks = fields.value("blocks", BYTES, Cursor::bytes)?,
                _ => fields.skip()?,
            }
            Ok(())
        })?;
        fields.end()?;
        let did = known.did.or_else(|| fields.lack("did"));
        let rev = known.rev.or_else(|| fields.lack("rev"));
        let blocks = blocks.or_else(|| fields.lack("blocks"));
        let ((did, rev), blocks) = fields.finish(did.zip(rev).zip(blocks))?;
        let frame_len = Some(self.frame.len());
        Ok(SyncMessage { seq: known.seq, frame_len, ..SyncMessage::new(did, rev, blocks) })
    }

    fn identity(&mut self) -> Result<IdentityMessage<'m>, Reason> {
        let Parser { fields, known, .. } = self;
        let mut handle = None;
        fields.each(|fields, key| {
            match key {
                "seq" => known.seq = fields.seq()?,
                "did" => known.did = fields.text("did")?,
                "handle" => handle = fields.nullable_text("handle")?,
                _ => fields.skip()?,
            }
            Ok(())
        })?;
        fields.end()?;
        let did = known.did.or_else(|| fields.lack("did"));
        Ok(IdentityMessage { seq: known.seq, did: fields.finish(did)?, handle })
    }

    fn account(&mut self) -> Result<AccountMessage<'m>, Reason> {
        let Parser { fields, known, .. } = self;
        let (mut active, mut status) = (None, None);
        fields.each(|fields, key| {
            match key {
                "seq" => known.seq = fields.seq()?,
                "did" => known.did = fields.text("did")?,
                "active" => active = fields.value("active", BOOLEAN, Cursor::bool)?,
                "status" => status = fields.nullable_text("status")?,
                _ => fields.skip()?,
            }
            Ok(())
        })?;
        fields.end()?;
        let did = known.did.or_else(|| fields.lack("did"));
        let active = active.or_else(|| fields.lack("active"));
        let (did, active) = fields.finish(did.zip(active))?;
        Ok(AccountMessage { seq: known.seq, did, active, status })
    }

    fn info(&mut self) -> Result<InfoMessage<'m>, Reason> {
        let (name, message) = self.named("name")?;
        Ok(InfoMessage { name, message })
    }

    fn error(&mut self) -> Result<ErrorMessage<'m>, Reason> {
        let (error, message) = self.named("error")?;
        Ok(ErrorMessage { error, message })
    }

    /// Reads a body with a name and a message.
    fn named(&mut self, field: &'static str) -> Result<(&'m str, Option<&'m str>), Reason> {
        let (mut name, mut message) = (None, None);
        self.fields.each(|fields, key| {
            match key {
                key if key == field => name = fields.text(field)?,
                "message" => message = fields.nullable_text("message")?,
                _ => fields.skip()?,
            }
            Ok(())
        })?;
        self.fields.end()?;
        let name = name.or_else(|| self.fields.lack(field));
        Ok((self.fields.finish(name)?, message))
    }
}

/// The error of a frame that cannot be parsed: the reason, and what could be read of the message.
///
/// Has the size of a pointer. Displays as the reason.
///
/// # Examples
///
/// ```
/// use carwalk::sync::{Message, Verdict};
///
/// // The field `active` is missing.
/// let frame = b"\xa2at\x68#accountbop\x01\xa2cdidqdid:web:a.examplecseq\x07";
/// let error = Message::parse(frame).unwrap_err();
/// assert_eq!(error.to_string(), "field: `active` is missing");
/// assert_eq!((error.type_name(), error.seq()), (Some("#account"), Some(7)));
/// assert_eq!(error.did(), Some("did:web:a.example"));
/// assert_eq!(Verdict::from(error).name(), "invalid");
/// ```
pub struct FrameError(Box<Refused>);

struct Refused {
    reason: Reason,
    type_name: Option<Box<str>>,
    seq: Option<u64>,
    did: Option<Box<str>>,
    rev: Option<Box<str>>,
}

/// The number of bytes of each text that an error keeps: as many as a DID can have.
const MAX_COPIED: usize = 2048;

/// Returns the start of a text, which the sender chose, so that errors stay short.
fn start_of(text: &str) -> &str {
    // A character has at most 4 bytes.
    let ends = (MAX_COPIED.saturating_sub(3)..=MAX_COPIED).rev();
    ends.filter_map(|end| text.get(..end)).next().unwrap_or(text)
}

impl FrameError {
    #[cold]
    fn new(reason: Reason, known: &Known<'_>) -> Self {
        let Known { type_name, seq, did, rev } = *known;
        let copy = |text: Option<&str>| text.map(|text| start_of(text).into());
        let (type_name, did, rev) = (copy(type_name), copy(did), copy(rev));
        FrameError(Box::new(Refused { reason, type_name, seq, did, rev }))
    }

    /// Returns the broken rule and the fault.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// Converts to the reason.
    #[must_use]
    pub fn into_reason(self) -> Reason {
        self.0.reason
    }

    /// Returns the type of the message, if the header could be read and has one.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        self.0.type_name.as_deref()
    }

    /// Returns the sequence number, if it could be read.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.0.seq
    }

    /// Returns the account, if it could be read: at most 2,048 bytes of it. Nothing is checked.
    #[must_use]
    pub fn did(&self) -> Option<&str> {
        self.0.did.as_deref()
    }

    /// Returns the revision, if it could be read. Nothing is checked.
    #[must_use]
    pub fn rev(&self) -> Option<&str> {
        self.0.rev.as_deref()
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl fmt::Debug for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameError")
            .field("reason", self.reason())
            .field("type_name", &self.type_name())
            .field("seq", &self.seq())
            .field("did", &self.did())
            .field("rev", &self.rev())
            .finish()
    }
}

impl std::error::Error for FrameError {}
