//! DAG-CBOR: the strict cursor that parses headers, commits and nodes, and its inverse. Records,
//! which may be any CBOR, are read with `lax`.

mod lax;
mod read;
mod skip;
mod write;

pub(crate) use self::lax::{LaxHead, NoHead, half_float};
pub(crate) use self::read::{Cursor, KeyOrder, compare_keys};
pub(crate) use self::write::{ItemHead, put_link, put_nullable_link};
