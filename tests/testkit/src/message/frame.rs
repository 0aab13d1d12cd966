//! Frames, field by field: a header and a body in canonical DAG-CBOR.

use crate::car::Car;
use crate::cbor::Value;
use crate::cid::Cid;

/// The time in every message.
pub const TIME: &str = "2024-09-21T08:00:00.000Z";

/// An operation. Its fields need not fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The action: `create`, `update` or `delete`.
    pub action: String,
    /// The key of the tree.
    pub path: String,
    /// The record after the operation. `None` is written as null.
    pub cid: Option<Cid>,
    /// The record before the operation. `None` is left out.
    pub prev: Option<Cid>,
}

impl Operation {
    /// The operation that leads from one state of a key to another.
    ///
    /// # Panics
    ///
    /// Panics if the key is absent before and after.
    pub fn between(path: &str, prev: Option<Cid>, cid: Option<Cid>) -> Self {
        let action = match (prev, cid) {
            (None, Some(_)) => "create",
            (Some(_), Some(_)) => "update",
            (Some(_), None) => "delete",
            (None, None) => panic!("no operation on {path}"),
        };
        Self { action: action.to_owned(), path: path.to_owned(), cid, prev }
    }

    /// The operation as CBOR.
    pub fn to_value(&self) -> Value {
        let cid = self.cid.map_or(Value::Null, Value::Link);
        let mut pairs = vec![
            ("cid", cid),
            ("path", Value::text(&self.path)),
            ("action", Value::text(&self.action)),
        ];
        pairs.extend(self.prev.map(|prev| ("prev", Value::Link(prev))));
        Value::map_sorted(pairs)
    }
}

/// A `#commit` message.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitMessage {
    /// The sequence number.
    pub seq: u64,
    /// The account.
    pub repo: String,
    /// The revision.
    pub rev: String,
    /// The revision before. `None` is written as null.
    pub since: Option<String>,
    /// The tree before. `None` is left out.
    pub prev_data: Option<Cid>,
    /// The commit.
    pub commit: Cid,
    /// The blocks.
    pub blocks: Car,
    /// The operations.
    pub ops: Vec<Operation>,
}

impl CommitMessage {
    /// The body, open to further change.
    pub fn body(&self) -> Value {
        let text = |text: &String| Value::text(text);
        let mut pairs = vec![
            ("seq", Value::Uint(self.seq)),
            ("repo", text(&self.repo)),
            ("rev", text(&self.rev)),
            ("since", self.since.as_ref().map_or(Value::Null, text)),
            ("commit", Value::Link(self.commit)),
            ("blocks", Value::Bytes(self.blocks.to_bytes())),
            ("ops", Value::Array(self.ops.iter().map(Operation::to_value).collect())),
            ("time", Value::text(TIME)),
            ("blobs", Value::Array(Vec::new())),
            ("rebase", Value::Bool(false)),
            ("tooBig", Value::Bool(false)),
        ];
        pairs.extend(self.prev_data.map(|data| ("prevData", Value::Link(data))));
        Value::map_sorted(pairs)
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        frame(&header("#commit"), &self.body())
    }

    /// The operation on a path.
    ///
    /// # Panics
    ///
    /// Panics if there is no operation on it.
    pub fn op_mut(&mut self, path: &str) -> &mut Operation {
        let op = self.ops.iter_mut().find(|op| op.path == path);
        op.unwrap_or_else(|| panic!("no operation on {path}"))
    }
}

/// A `#sync` message.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncMessage {
    /// The sequence number.
    pub seq: u64,
    /// The account.
    pub did: String,
    /// The revision.
    pub rev: String,
    /// The commit.
    pub blocks: Car,
}

impl SyncMessage {
    /// The body, open to further change.
    pub fn body(&self) -> Value {
        Value::map_sorted([
            ("seq", Value::Uint(self.seq)),
            ("did", Value::text(&self.did)),
            ("rev", Value::text(&self.rev)),
            ("blocks", Value::Bytes(self.blocks.to_bytes())),
            ("time", Value::text(TIME)),
        ])
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        frame(&header("#sync"), &self.body())
    }
}

/// An `#identity` message.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityMessage {
    /// The sequence number.
    pub seq: u64,
    /// The account.
    pub did: String,
    /// The handle. `None` is left out.
    pub handle: Option<String>,
}

impl IdentityMessage {
    /// The body, open to further change.
    pub fn body(&self) -> Value {
        let mut pairs = account_pairs(self.seq, &self.did);
        pairs.extend(self.handle.as_ref().map(|handle| ("handle", Value::text(handle))));
        Value::map_sorted(pairs)
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        frame(&header("#identity"), &self.body())
    }
}

/// An `#account` message.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountMessage {
    /// The sequence number.
    pub seq: u64,
    /// The account.
    pub did: String,
    /// Whether the account is active.
    pub active: bool,
    /// Why it is not. `None` is left out.
    pub status: Option<String>,
}

impl AccountMessage {
    /// The body, open to further change.
    pub fn body(&self) -> Value {
        let mut pairs = account_pairs(self.seq, &self.did);
        pairs.push(("active", Value::Bool(self.active)));
        pairs.extend(self.status.as_ref().map(|status| ("status", Value::text(status))));
        Value::map_sorted(pairs)
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        frame(&header("#account"), &self.body())
    }
}

fn account_pairs(seq: u64, did: &str) -> Vec<(&'static str, Value)> {
    vec![("seq", Value::Uint(seq)), ("did", Value::text(did)), ("time", Value::text(TIME))]
}

/// The header of a message of a type, like `#commit`.
pub fn header(type_name: &str) -> Value {
    Value::map([("t", Value::text(type_name)), ("op", Value::Uint(1))])
}

/// An `#info` frame (with the field `name`) or an error frame (with the field `error`).
pub fn named_frame(field: &str, name: &str, message: Option<&str>) -> Vec<u8> {
    let header = match field {
        "error" => Value::map([("op", Value::Int(-1))]),
        _ => header("#info"),
    };
    let mut pairs = vec![(field, Value::text(name))];
    pairs.extend(message.map(|message| ("message", Value::text(message))));
    frame(&header, &Value::map_sorted(pairs))
}

/// A frame from its two items.
pub fn frame(header: &Value, body: &Value) -> Vec<u8> {
    [header.encode(), body.encode()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_operation_are_in_canonical_order() {
        let record = Cid::dag_cbor(b"\xa0");
        let update = Operation::between("a.b.c/d", Some(record), Some(record)).to_value();
        let Value::Map(pairs) = update else { panic!() };
        let keys: Vec<_> = pairs.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["cid", "path", "prev", "action"].map(Value::text));
        let delete = Operation::between("a.b.c/d", Some(record), None);
        assert_eq!(delete.action, "delete");
        assert_eq!(delete.to_value().get("cid"), Some(&Value::Null));
        assert_eq!(Operation::between("a.b.c/d", None, Some(record)).to_value().get("prev"), None);
    }

    #[test]
    fn error_frames_have_no_type() {
        let frame = named_frame("error", "FutureCursor", None);
        assert_eq!(frame, b"\xa1bop\x20\xa1eerrorlFutureCursor");
        let info = named_frame("name", "OutdatedCursor", None);
        assert_eq!(info, b"\xa2at\x65#infobop\x01\xa1dnamenOutdatedCursor");
    }
}
