//! Walks over a repository, for any store.

use std::ops::Bound;

use carwalk::store::{BlockStore, CarStore};
use carwalk::{Cid, KeyRange, Repo, RepoPathBuf, Result};
use carwalk_batch::{Check, Failure, Input, Line, Stop, Visit};

/// Most records of a piece.
const PIECE_RECORDS: usize = 256;

/// Bytes of records from which on a piece is complete.
const PIECE_BYTES: usize = 1 << 20;

/// A record with a copy of its block.
pub(super) type Taken = (RepoPathBuf, Cid, Vec<u8>);

/// Looks up one record.
pub(super) fn get<S: BlockStore>(repo: &Repo<S>, path: &str) -> Result<Option<Taken>> {
    let found = repo.get(path)?.into_result()?;
    Ok(found.map(|record| taken(&record)))
}

/// Takes the records after a path: a piece, empty only at the end. An error comes after the records
/// before it.
pub(super) fn piece<S: BlockStore>(
    repo: &Repo<S>,
    last: Option<&RepoPathBuf>,
) -> (Vec<Taken>, Result<()>) {
    let rest = match last {
        Some(last) => KeyRange::from((Bound::Excluded(last.as_str()), Bound::Unbounded)),
        None => KeyRange::all(),
    };
    let (mut records, mut bytes) = (Vec::new(), 0_usize);
    for record in repo.records_in(rest) {
        match record {
            Ok(record) => {
                bytes = bytes.saturating_add(record.bytes().len());
                records.push(taken(&record));
            }
            Err(error) => return (records, Err(error)),
        }
        if records.len() >= PIECE_RECORDS || bytes >= PIECE_BYTES {
            break;
        }
    }
    (records, Ok(()))
}

/// Counts the records, without looking them up.
pub(super) fn count<S: BlockStore>(
    repo: &Repo<S>,
    stop: &Stop,
) -> std::result::Result<u64, Failure> {
    repo.entries().try_fold(0_u64, |count, entry| {
        entry?;
        stop.check()?;
        Ok(count.saturating_add(1))
    })
}

/// Walks the whole tree and looks every record up.
pub(super) fn verify<S: CarStore>(repo: &Repo<S>, stop: &Stop) -> std::result::Result<(), Failure> {
    // The counts are not wanted.
    let mut line = Line::of(&Input::new(""));
    Check::new(stop).visit(repo, &mut line)
}

fn taken<B: AsRef<[u8]>>(record: &carwalk::Record<B>) -> Taken {
    (record.path().to_owned(), record.cid(), record.bytes().to_vec())
}
