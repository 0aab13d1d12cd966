//! Messages that are read and not examined yet.

use std::io;
use std::sync::Arc;

use carwalk::sync::Rule;

/// Most messages and bytes of a batch, before its last message.
const MAX_ITEMS: usize = 64;
const MAX_BYTES: usize = 1 << 20;

/// Some messages in a row. Keeps its memory for the next ones.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// A message, by its place in the input.
pub(super) struct Item {
    /// The name of the input.
    pub(super) input: Arc<str>,
    /// The number of the message in the input, from 0 on.
    pub(super) index: u64,
    body: Stored,
}

enum Stored {
    Frame { end: usize },
    Json { end: usize },
    Refused(Refusal),
    Unreadable(io::Error),
}

/// What was read of a message.
pub(super) enum Body<'b> {
    Frame(&'b [u8]),
    /// JSON with the right syntax.
    Json(&'b [u8]),
    Refused(&'b Refusal),
    /// The rest of the input cannot be read.
    Unreadable(&'b io::Error),
}

/// Why a message is invalid that the library does not see.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) rule: Rule,
    /// The operation at fault, and its path.
    pub(super) op: Option<usize>,
    pub(super) path: Option<String>,
    /// The message, safe to print.
    pub(super) message: String,
}

/// The kinds of messages that have bytes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Frame,
    Json,
}

impl Refusal {
    pub(super) fn new(rule: Rule, message: String) -> Self {
        Refusal { rule, op: None, path: None, message }
    }
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= MAX_ITEMS || self.bytes.len() >= MAX_BYTES
    }

    pub(super) fn push(&mut self, input: &Arc<str>, index: u64, kind: Kind, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        let body = match kind {
            Kind::Frame => Stored::Frame { end },
            Kind::Json => Stored::Json { end },
        };
        self.items.push(Item { input: Arc::clone(input), index, body });
    }

    pub(super) fn push_refused(&mut self, input: &Arc<str>, index: u64, refusal: Refusal) {
        let body = Stored::Refused(refusal);
        self.items.push(Item { input: Arc::clone(input), index, body });
    }

    pub(super) fn push_unreadable(&mut self, input: &Arc<str>, index: u64, error: io::Error) {
        let body = Stored::Unreadable(error);
        self.items.push(Item { input: Arc::clone(input), index, body });
    }

    /// Returns the messages in the order of the input.
    pub(super) fn items(&self) -> impl Iterator<Item = (&Item, Body<'_>)> {
        let mut start = 0;
        self.items.iter().map(move |item| {
            let mut bytes = |end| {
                let bytes = self.bytes.get(start..end).unwrap_or_default();
                start = end;
                bytes
            };
            let body = match &item.body {
                Stored::Frame { end } => Body::Frame(bytes(*end)),
                Stored::Json { end } => Body::Json(bytes(*end)),
                Stored::Refused(refusal) => Body::Refused(refusal),
                Stored::Unreadable(error) => Body::Unreadable(error),
            };
            (item, body)
        })
    }
}
