//! One-pass walks, and what they may return for a CAR whose load is known.

use std::io::Read;

use carwalk::{Error, ErrorKind, Loader, Result, Streamed};

use super::Row;

/// How the records of a stream were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    OnePass,
    Load,
}

/// Returns the records of a stream, read in one pass if its blocks are in pre-order.
#[track_caller]
pub(crate) fn rows(loader: &Loader, stream: impl Read) -> (Way, Result<Vec<Row>>) {
    match loader.stream(stream) {
        Ok(Streamed::PreOrder(walk)) => {
            let mut records = walk.into_records();
            let rows = records.by_ref().map(|record| {
                let record = record?;
                Ok((record.path().as_str().into(), record.cid(), record.bytes().to_vec()))
            });
            let rows = rows.collect();
            assert!(records.next().is_none() && records.next().is_none());
            (Way::OnePass, rows)
        }
        Ok(Streamed::Loaded(repo)) => (Way::Load, super::rows(&repo)),
        Err(error) => (Way::Load, Err(error)),
    }
}

/// Returns whether an error says that blocks came out of order.
pub(crate) fn is_out_of_order(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::OutOfOrder { .. })
}

/// Returns whether two errors are of one kind and about one block.
pub(crate) fn are_alike(one: &Error, other: &Error) -> bool {
    let kind = |error: &Error| std::mem::discriminant(error.kind());
    kind(one) == kind(other) && (one.class(), one.cid()) == (other.class(), other.cid())
}

/// Asserts that reading a CAR in one pass gives the records of its load or a similar error, or
/// finds that its blocks are not in pre-order.
#[track_caller]
pub(crate) fn agrees(car: &[u8], stream: impl Read, loader: &Loader) -> Way {
    let expected = loader.from_reader(car).and_then(|repo| super::rows(&repo));
    let (way, found) = rows(loader, stream);
    match (&expected, &found) {
        (Ok(expected), Ok(found)) => assert!(expected == found, "other records"),
        (Ok(_), Err(error)) => assert!(is_out_of_order(error), "{error:?}"),
        (Err(expected), Err(found)) => {
            assert!(are_alike(expected, found) || is_out_of_order(found), "{expected:?} {found:?}");
        }
        (Err(error), Ok(_)) => panic!("accepted, but a load fails: {error:?}"),
    }
    way
}
