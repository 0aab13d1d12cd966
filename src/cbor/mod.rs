//! DAG-CBOR: the strict cursor that headers, commits and nodes are parsed with.

mod read;
mod skip;

pub(crate) use self::read::{Cursor, KeyOrder};
