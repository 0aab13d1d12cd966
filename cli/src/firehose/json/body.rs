//! The body of a message in JSON.

use std::borrow::Cow;
use std::fmt;

use carwalk::sync::{Action, Operation, Rule};
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{Fields, OBJECT, RECORD, TEXT, link, text};
use crate::escape::escaped;
use crate::firehose::batch::Refusal;

/// Reads the fields of a body. The first fault is kept, and the other fields are read, so that the
/// output can name the account.
pub(super) struct Body<'j> {
    fields: Fields<'j>,
    fault: Option<Refusal>,
}

impl<'j> Body<'j> {
    pub(super) fn new(fields: Fields<'j>) -> Self {
        let fault = fields.repeated.map(|name| fault(&format!("there are two of `{name}`")));
        Body { fields, fault }
    }

    /// Reads a body that is the value of a field.
    pub(super) fn of(name: &str, value: Option<&'j RawValue>) -> Self {
        match value.map(|value| Fields::of(value.get())) {
            Some(Some(fields)) => Body::new(fields),
            Some(None) => Body::faulty(&format!("`{name}` is not {OBJECT}")),
            None => Body::faulty(&format!("`{name}` is missing")),
        }
    }

    /// A body without fields.
    pub(super) fn faulty(message: &str) -> Self {
        let fields = Fields::none();
        Body { fields, fault: Some(fault(message)) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some()
    }

    /// Reads a field that may be missing.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'j RawValue) -> Option<T>,
    ) -> Option<T> {
        let value = self.fields.get(name)?;
        let read = read(value);
        if read.is_none() {
            self.note(fault(&format!("`{name}` is not {expected}")));
        }
        read
    }

    /// Reads a field that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'j RawValue) -> Option<T>,
    ) -> Option<T> {
        if !self.has(name) {
            self.note(fault(&format!("`{name}` is missing")));
        }
        self.optional(name, expected, read)
    }

    /// Reads the operations.
    pub(super) fn ops(&mut self) -> Option<Vec<Operation<'j>>> {
        let (ops, found) = self.required("ops", "an array of objects", |value| {
            serde_json::Deserializer::from_str(value.get()).deserialize_seq(OfArray).ok()
        })?;
        if let Some(found) = found {
            self.note(found);
        }
        Some(ops)
    }

    pub(super) fn note(&mut self, fault: Refusal) {
        self.fault.get_or_insert(fault);
    }

    /// Returns the first fault.
    pub(super) fn into_fault(self) -> Option<Refusal> {
        self.fault
    }
}

/// A fault of the message as a whole.
pub(super) fn fault(message: &str) -> Refusal {
    Refusal::new(Rule::Field, message.to_string())
}

/// Reads operations one by one, so that only those that are read take memory.
struct OfArray;

impl<'de> Visitor<'de> for OfArray {
    type Value = (Vec<Operation<'de>>, Option<Refusal>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut ops, mut fault) = (Vec::new(), None);
        let mut number = 0_usize;
        while let Some(value) = seq.next_element::<&RawValue>()? {
            match operation(number, value) {
                Ok(op) => ops.push(op),
                Err(refusal) => fault = fault.or(Some(refusal)),
            }
            number = number.saturating_add(1);
        }
        Ok((ops, fault))
    }
}

fn operation(number: usize, value: &RawValue) -> Result<Operation<'_>, Refusal> {
    let Some(fields) = Fields::of(value.get()) else {
        return Err(fault("`ops` is not an array of objects"));
    };
    let mut body = Body::new(fields);
    let action = body.required("action", TEXT, text);
    let path = body.required("path", TEXT, text);
    let cid = body.optional("cid", RECORD, link);
    let prev = body.optional("prev", RECORD, link);
    match (body.into_fault(), action, path) {
        (None, Some(action), Some(path)) => {
            Ok(Operation::new(Action::from_name(action), path, cid, prev))
        }
        (found, _, path) => Err(in_op(found, number, path)),
    }
}

/// Adds the operation to a fault.
fn in_op(found: Option<Refusal>, number: usize, path: Option<Cow<'_, str>>) -> Refusal {
    let found = found.unwrap_or_else(|| fault("`ops` has a fault"));
    let path = path.map(|path| escaped(&path));
    Refusal {
        op: Some(number),
        path,
        message: format!("operation {number}: {}", found.message),
        ..found
    }
}
