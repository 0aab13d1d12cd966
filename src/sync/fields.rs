//! The fields of a header or body.

use super::{Action, Operation, Reason, Rule};
use crate::cbor::{Cursor, KeyOrder};
use crate::cid::Cid;
use crate::error::{Error, LimitName, MessageFault, Result};
use crate::limits::MAX_OPERATIONS;

/// The expected values of fields, for error messages.
pub(super) const TEXT: &str = "a text";
pub(super) const INTEGER: &str = "an integer from 0 to 2^63 - 1";
pub(super) const BOOLEAN: &str = "true or false";
pub(super) const BYTES: &str = "a byte string";
pub(super) const COMMIT: &str = "a link to a commit";
pub(super) const TREE: &str = "a link to a tree";
const RECORD: &str = "a link to a record";

/// Reads maps of fields.
///
/// Bytes that are not strict DAG-CBOR end the reading. A field of another type does not: the first
/// is kept, and the fields after it are read, so that the error can name the account.
pub(super) struct Fields<'m> {
    cursor: Cursor<'m>,
    fault: Option<Reason>,
}

impl<'m> Fields<'m> {
    pub(super) fn new(bytes: &'m [u8]) -> Self {
        Fields { cursor: Cursor::new(bytes), fault: None }
    }

    /// Reads a map: calls `read` after each key.
    pub(super) fn each(
        &mut self,
        mut read: impl FnMut(&mut Self, &'m str) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let count = self.cursor.map().map_err(broken)?;
        let mut keys = KeyOrder::default();
        for _ in 0..count {
            let key = keys.key(&mut self.cursor).map_err(broken)?;
            read(self, key)?;
        }
        Ok(())
    }

    /// Reads a value. If it has another type, keeps the fault, moves past it and returns `None`.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&mut Cursor<'m>) -> Result<T>,
    ) -> Result<Option<T>, Reason> {
        let mut cursor = self.cursor;
        if let Ok(value) = read(&mut cursor) {
            self.cursor = cursor;
            return Ok(Some(value));
        }
        let error = Error::message(MessageFault::Field { name, expected });
        let error = error.within(self.cursor.position());
        self.note(Reason::new(Rule::Field, error));
        self.skip()?;
        Ok(None)
    }

    /// Reads a value that may be null.
    pub(super) fn nullable<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&mut Cursor<'m>) -> Result<T>,
    ) -> Result<Option<T>, Reason> {
        if self.cursor.accept_null() { Ok(None) } else { self.value(name, expected, read) }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<&'m str>, Reason> {
        self.value(name, TEXT, Cursor::text)
    }

    pub(super) fn nullable_text(&mut self, name: &'static str) -> Result<Option<&'m str>, Reason> {
        self.nullable(name, TEXT, Cursor::text)
    }

    pub(super) fn seq(&mut self) -> Result<Option<u64>, Reason> {
        // The data model has integers of 64 bits with a sign.
        self.value("seq", INTEGER, |cursor| {
            let value = cursor.int()?;
            u64::try_from(value).map_err(|_| Error::message(MessageFault::NoField("seq")))
        })
    }

    /// Moves past a value, which must be strict DAG-CBOR.
    pub(super) fn skip(&mut self) -> Result<(), Reason> {
        self.cursor.skip().map_err(broken)
    }

    /// Reads the operations.
    pub(super) fn ops(&mut self) -> Result<Option<Vec<Operation<'m>>>, Reason> {
        let Some(count) = self.value("ops", "an array", Cursor::array)? else { return Ok(None) };
        // Not with the capacity `count`: only what was read takes memory.
        let mut ops = Vec::new();
        for number in 0..count {
            match self.op(number)? {
                Some(op) if number < MAX_OPERATIONS => ops.push(op),
                _ => {}
            }
        }
        if count > MAX_OPERATIONS {
            let (max, found) = (MAX_OPERATIONS as u64, count as u64);
            self.note(Reason::new(Rule::Limit, Error::limit(LimitName::Operations, max, found)));
        }
        Ok(Some(ops))
    }

    /// Reads an operation. Returns `None` if a field has another type or is missing.
    fn op(&mut self, number: usize) -> Result<Option<Operation<'m>>, Reason> {
        let mut as_map = self.cursor;
        if as_map.map().is_err() {
            let fault = MessageFault::Field { name: "ops", expected: "an array of maps" };
            let error = Error::message(fault).within(self.cursor.position());
            self.note(Reason::new(Rule::Field, error).in_op(number, None));
            self.skip()?;
            return Ok(None);
        }
        let (mut action, mut path, mut cid, mut prev) = (None, None, None, None);
        let had_fault = self.fault.is_some();
        self.each(|fields, key| {
            match key {
                "action" => action = fields.text("action")?,
                "path" => path = fields.text("path")?,
                "cid" => cid = fields.nullable("cid", RECORD, Cursor::link)?,
                "prev" => prev = fields.nullable("prev", RECORD, Cursor::link)?,
                _ => fields.skip()?,
            }
            Ok(())
        })?;
        let action = action.or_else(|| self.lack("action"));
        let path = path.or_else(|| self.lack("path"));
        if let Some(reason) = self.fault.take_if(|_| !had_fault) {
            self.fault = Some(reason.in_op(number, path));
        }
        Ok(action
            .zip(path)
            .map(|(action, path)| Operation::new(Action::from_name(action), path, cid, prev)))
    }

    /// Notes that a field is missing, unless a fault was noted before.
    pub(super) fn lack<T>(&mut self, name: &'static str) -> Option<T> {
        self.note(Reason::fault(Rule::Field, MessageFault::NoField(name)));
        None
    }

    fn note(&mut self, reason: Reason) {
        self.fault.get_or_insert(reason);
    }

    /// Returns the fault, if a field has one. Otherwise the values are there.
    pub(super) fn finish<T>(&mut self, values: Option<T>) -> Result<T, Reason> {
        match (self.fault.take(), values) {
            (None, Some(values)) => Ok(values),
            (Some(fault), _) => Err(fault),
            (None, None) => {
                debug_assert!(false, "a value is missing without a fault");
                Err(Reason::fault(Rule::Field, MessageFault::NoField("body")))
            }
        }
    }

    pub(super) fn position(&self) -> usize {
        self.cursor.position()
    }

    /// Checks that no bytes remain.
    pub(super) fn end(&self) -> Result<(), Reason> {
        self.cursor.end().map_err(broken)
    }
}

/// Reads a link to a block of CBOR.
pub(super) fn cbor_link(cursor: &mut Cursor<'_>) -> Result<Cid> {
    cursor.link()?.into_dag_cbor()
}

fn broken(error: Error) -> Reason {
    Reason::new(Rule::Frame, error)
}
