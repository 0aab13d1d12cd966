//! The line of a message: what it is, and the verdict.

use std::borrow::Cow;
use std::io::{self, Write};

use carwalk::sync::{Message, Reason, Rule, Verdict};
use serde::Serialize;

use super::batch::{Item, Refusal};
use crate::escape::escaped;
use crate::json;

/// Most bytes that are printed of a text that the sender chose. A DID has at most 2,048.
const MAX_TEXT_LEN: usize = 4096;

/// What is known of a message before it is checked.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'m> {
    pub(super) type_name: Option<&'m str>,
    pub(super) seq: Option<u64>,
    pub(super) did: Option<&'m str>,
    pub(super) rev: Option<&'m str>,
    /// The number of operations.
    pub(super) ops: Option<usize>,
}

impl<'m> Known<'m> {
    pub(super) fn of(message: &Message<'m>) -> Self {
        let ops = match message {
            Message::Commit(commit) => Some(commit.ops.len()),
            _ => None,
        };
        Known {
            type_name: message.type_name(),
            seq: message.seq(),
            did: message.did(),
            rev: message.rev(),
            ops,
        }
    }
}

/// A line of the output, with the fields of the JSON in their order.
#[derive(Serialize)]
pub(super) struct Judged<'m> {
    input: &'m str,
    index: u64,
    #[serde(rename = "type")]
    type_name: Option<Cow<'m, str>>,
    seq: Option<u64>,
    did: Option<Cow<'m, str>>,
    rev: Option<Cow<'m, str>>,
    verdict: &'static str,
    rule: Option<&'static str>,
    signature: &'static str,
    anchored: bool,
    ops: Option<usize>,
    op: Option<usize>,
    path: Option<Cow<'m, str>>,
    cid: Option<String>,
    message: Option<Cow<'m, str>>,
}

impl<'m> Judged<'m> {
    /// Creates the line of a valid or passed message.
    fn new(item: &'m Item, known: Known<'m>, verdict: &'static str, anchored: bool) -> Self {
        Judged {
            input: &item.input,
            index: item.index,
            type_name: known.type_name.map(cut),
            seq: known.seq,
            did: known.did.map(cut),
            rev: known.rev.map(cut),
            verdict,
            rule: None,
            signature: "unchecked",
            anchored,
            ops: known.ops,
            op: None,
            path: None,
            cid: None,
            message: None,
        }
    }

    /// Creates the line of a message that was checked. `has_key` is whether there was a key for the
    /// account, `anchored` whether there was a state.
    pub(super) fn of(
        item: &'m Item,
        known: Known<'m>,
        verdict: &Verdict<'_>,
        has_key: bool,
        anchored: bool,
    ) -> Self {
        let mut line = Judged::new(item, known, verdict.name(), anchored);
        if has_key && is_signature_checked(verdict) {
            line.signature = "checked";
        }
        if let Some(reason) = verdict.reason() {
            line.explain(reason);
        }
        line
    }

    /// Creates the line of a frame that is not a message.
    pub(super) fn broken(
        item: &'m Item,
        known: Known<'m>,
        reason: &Reason,
        anchored: bool,
    ) -> Self {
        let mut line = Judged::new(item, known, "invalid", anchored);
        line.explain(reason);
        line
    }

    fn explain(&mut self, reason: &Reason) {
        self.rule = reason.rule().map(Rule::name);
        self.op = reason.op();
        self.path = reason.path().map(|path| cut_owned(path.escape_ascii().to_string()));
        self.cid = reason.cid().map(|cid| cid.to_string());
        self.message = Some(cut_owned(sentence(reason)));
    }

    /// Creates the line of a message that is invalid already before the check.
    pub(super) fn refused(
        item: &'m Item,
        known: Known<'m>,
        refusal: &'m Refusal,
        anchored: bool,
    ) -> Self {
        Judged {
            rule: Some(refusal.rule.name()),
            op: refusal.op,
            path: refusal.path.as_deref().map(cut),
            message: Some(cut(&refusal.message)),
            ..Judged::new(item, known, "invalid", anchored)
        }
    }

    /// Creates the line of a message that is not checked.
    pub(super) fn passed(item: &'m Item, known: Known<'m>, anchored: bool) -> Self {
        Judged::new(item, known, "passed", anchored)
    }

    pub(super) fn verdict(&self) -> &'static str {
        self.verdict
    }

    pub(super) fn write_json(&self, out: impl Write) -> io::Result<()> {
        json::write_line(self, out)
    }

    pub(super) fn write_text(&self, mut out: impl Write) -> io::Result<()> {
        match self.seq {
            Some(seq) => write!(out, "{seq}")?,
            None => write!(out, "-")?,
        }
        for text in [&self.did, &self.rev] {
            write!(out, "\t{}", text.as_deref().map_or_else(|| "-".to_owned(), escaped))?;
        }
        write!(out, "\t{}\t", self.verdict)?;
        if let Some(rule) = self.rule {
            write!(out, "{rule}: ")?;
        }
        // The library and the refusals escape what they quote.
        writeln!(out, "{}", escaped(self.message.as_deref().unwrap_or("-")))
    }
}

/// Returns whether the signature is checked before what decided the verdict.
fn is_signature_checked(verdict: &Verdict<'_>) -> bool {
    match verdict {
        Verdict::Valid(valid) => valid.is_signature_checked(),
        Verdict::Invalid(reason) => reason.rule().is_some_and(|rule| rule >= Rule::Signature),
        Verdict::Passed => false,
        _ => true,
    }
}

/// Returns a reason without the name of its rule.
fn sentence(reason: &Reason) -> String {
    match reason.op() {
        Some(op) => format!("operation {op}: {}", reason.error()),
        None => reason.error().to_string(),
    }
}

/// Cuts a text that is too long to be printed.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_LEN {
        return text.into();
    }
    let end = (0..=MAX_TEXT_LEN).rev().find(|&end| text.is_char_boundary(end));
    let start = text.get(..end.unwrap_or_default()).unwrap_or_default();
    format!("{start}..").into()
}

fn cut_owned(text: String) -> Cow<'static, str> {
    if text.len() <= MAX_TEXT_LEN { text.into() } else { cut(&text).into_owned().into() }
}
