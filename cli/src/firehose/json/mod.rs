//! Messages in JSON: as `goat firehose` prints them, as header and body, or as bare bodies.

mod body;
mod fields;

use std::borrow::Cow;
use std::mem;

use carwalk::Cid;
use carwalk::sync::{CommitMessage, Message, Operation, SyncMessage};

use self::body::{Body, fault};
use self::fields::{
    BOOLEAN, BYTES, COMMIT, Fields, INTEGER, TEXT, TREE, boolean, bytes, cbor_link, integer,
    sequence, text,
};
use super::batch::Refusal;
use super::judged::Known;

/// A message in JSON.
pub(super) struct JsonMessage<'j> {
    type_name: Option<Cow<'j, str>>,
    seq: Option<u64>,
    did: Option<Cow<'j, str>>,
    rev: Option<Cow<'j, str>>,
    content: Content<'j>,
}

enum Content<'j> {
    Commit {
        since: Option<Cow<'j, str>>,
        commit: Cid,
        prev_data: Option<Cid>,
        blocks: Vec<u8>,
        ops: Vec<Operation<'j>>,
    },
    Sync {
        blocks: Vec<u8>,
    },
    /// Messages that are not checked.
    Other,
    Refused(Refusal),
}

/// A message that can be examined, or not.
pub(super) enum Ready<'m> {
    Message(Message<'m>),
    Passed,
    Refused(&'m Refusal),
}

/// Where a body comes from, for the message about missing blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Goat,
    Other,
}

impl<'j> JsonMessage<'j> {
    /// Reads a message. The syntax of the JSON is known to be right.
    pub(super) fn parse(json: &'j str) -> Self {
        let Some(mut fields) = Fields::of(json) else {
            return Self::faulty("the JSON value is not an object");
        };
        if let Some(frame) = fields.get("frame") {
            let Some(inner) = Fields::of(frame.get()) else {
                return Self::faulty("`frame` is not an object");
            };
            fields = inner;
        }
        if fields.get("header").is_some() || fields.get("body").is_some() {
            return Self::of_frame(&fields);
        }
        if fields.get("payload").is_some() || fields.get("type").is_some() {
            return Self::of_goat(fields);
        }
        let type_name = match (fields.get("ops"), fields.get("blocks")) {
            (Some(_), _) => "#commit",
            (None, Some(_)) => "#sync",
            (None, None) => return Self::faulty("neither `ops` nor `blocks` is there"),
        };
        Self::of_body(Some(type_name.into()), Body::new(fields), Origin::Other)
    }

    /// Reads `{"header": {"t": .., "op": 1}, "body": {..}}`.
    fn of_frame(fields: &Fields<'j>) -> Self {
        let mut header = Body::of("header", fields.get("header"));
        let op = header.required("op", "an integer", integer);
        let type_name = header.optional("t", TEXT, text);
        if let Some(fault) = header.into_fault() {
            return Self::refused(type_name, fault);
        }
        let body = Body::of("body", fields.get("body"));
        match op {
            Some(1) => Self::of_body(type_name, body, Origin::Other),
            Some(-1) => Self::of_body(Some("error".into()), body, Origin::Other),
            _ => Self { type_name, ..Self::new(Content::Other) },
        }
    }

    /// Reads `{"type": "commit", "payload": {..}}`.
    fn of_goat(fields: Fields<'j>) -> Self {
        let payload = fields.get("payload");
        let mut outer = Body::new(fields);
        let type_name = outer.required("type", TEXT, text);
        let type_name =
            type_name.map(|name| Cow::Owned(format!("#{}", name.trim_start_matches('#'))));
        if let Some(fault) = outer.into_fault() {
            return Self::refused(type_name, fault);
        }
        Self::of_body(type_name, Body::of("payload", payload), Origin::Goat)
    }

    fn of_body(type_name: Option<Cow<'j, str>>, mut body: Body<'j>, origin: Origin) -> Self {
        let mut message = Self::new(Content::Other);
        let content = match type_name.as_deref() {
            Some("#commit") => message.commit(&mut body, origin),
            Some("#sync") => message.sync(&mut body, origin),
            Some("#identity") => message.identity(&mut body),
            Some("#account") => message.account(&mut body),
            Some("#info") => Self::named(&mut body, "name"),
            Some("error") => Self::named(&mut body, "error"),
            _ => Some(Content::Other),
        };
        message.type_name = type_name.filter(|name| name != "error");
        message.content = match (body.into_fault(), content) {
            (None, Some(content)) => content,
            (found, _) => Content::Refused(found.unwrap_or_else(|| fault("a field is missing"))),
        };
        message
    }

    fn commit(&mut self, body: &mut Body<'j>, origin: Origin) -> Option<Content<'j>> {
        self.seq = body.optional("seq", INTEGER, sequence);
        self.did = body.required("repo", TEXT, text);
        self.rev = body.required("rev", TEXT, text);
        let since = body.optional("since", TEXT, text);
        let commit = body.required("commit", COMMIT, cbor_link);
        let prev_data = body.optional("prevData", TREE, cbor_link);
        let blocks = blocks(body, origin);
        let ops = body.ops();
        Some(Content::Commit { since, commit: commit?, prev_data, blocks: blocks?, ops: ops? })
    }

    fn sync(&mut self, body: &mut Body<'j>, origin: Origin) -> Option<Content<'j>> {
        self.seq = body.optional("seq", INTEGER, sequence);
        self.did = body.required("did", TEXT, text);
        self.rev = body.required("rev", TEXT, text);
        Some(Content::Sync { blocks: blocks(body, origin)? })
    }

    fn identity(&mut self, body: &mut Body<'j>) -> Option<Content<'j>> {
        self.seq = body.optional("seq", INTEGER, sequence);
        self.did = body.required("did", TEXT, text);
        body.optional("handle", TEXT, text);
        Some(Content::Other)
    }

    fn account(&mut self, body: &mut Body<'j>) -> Option<Content<'j>> {
        self.seq = body.optional("seq", INTEGER, sequence);
        self.did = body.required("did", TEXT, text);
        body.required("active", BOOLEAN, boolean)?;
        body.optional("status", TEXT, text);
        Some(Content::Other)
    }

    /// Reads a body with a name and a message.
    fn named(body: &mut Body<'j>, name: &str) -> Option<Content<'j>> {
        body.required(name, TEXT, text)?;
        body.optional("message", TEXT, text);
        Some(Content::Other)
    }

    fn new(content: Content<'j>) -> Self {
        JsonMessage { type_name: None, seq: None, did: None, rev: None, content }
    }

    fn faulty(message: &str) -> Self {
        Self::new(Content::Refused(fault(message)))
    }

    fn refused(type_name: Option<Cow<'j, str>>, fault: Refusal) -> Self {
        Self { type_name, ..Self::new(Content::Refused(fault)) }
    }

    /// Returns what the output names of the message, and the message.
    pub(super) fn ready(&mut self) -> (Known<'_>, Ready<'_>) {
        let (ops, count) = match &mut self.content {
            Content::Commit { ops, .. } => (mem::take(ops), true),
            _ => (Vec::new(), false),
        };
        let known = Known {
            type_name: self.type_name.as_deref(),
            seq: self.seq,
            did: self.did.as_deref(),
            rev: self.rev.as_deref(),
            ops: count.then_some(ops.len()),
        };
        let (did, rev) = (known.did.unwrap_or_default(), known.rev.unwrap_or_default());
        let ready = match &self.content {
            Content::Commit { since, commit, prev_data, blocks, .. } => {
                let mut message = CommitMessage::new(did, rev, *commit, blocks, ops);
                message.since = since.as_deref();
                message.prev_data = *prev_data;
                message.seq = self.seq;
                Ready::Message(message.into())
            }
            Content::Sync { blocks } => {
                let mut message = SyncMessage::new(did, rev, blocks);
                message.seq = self.seq;
                Ready::Message(message.into())
            }
            Content::Other => Ready::Passed,
            Content::Refused(refusal) => Ready::Refused(refusal),
        };
        (known, ready)
    }
}

/// Reads the CAR of a message. `goat` leaves it out unless it is asked for.
fn blocks(body: &mut Body<'_>, origin: Origin) -> Option<Vec<u8>> {
    if origin == Origin::Goat && !body.has("blocks") {
        body.note(fault("`blocks` is missing: `goat firehose` prints it with --blocks"));
    }
    body.required("blocks", BYTES, bytes)
}
