//! DAG-CBOR: the strict cursor that headers, commits and nodes are parsed with, and its inverse.

mod read;
mod skip;
mod write;

pub(crate) use self::read::{Cursor, KeyOrder};
pub(crate) use self::write::{ItemHead, put_link};
