//! Everything that can be observed of a repository, in any store.

use std::borrow::Borrow;
use std::fmt::Debug;

use carwalk::mst::Event;
use carwalk::store::{BlockStore, CarStore};
use carwalk::{Error, Repo};

use crate::common::{self, Told};
use crate::export::pool;
use crate::judge::shown;

/// Everything that can be observed of a repository, complete or not. Errors are text with all
/// details.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    told: Result<Told<Vec<u8>>, String>,
    fault: Option<String>,
    /// The events of a partial walk, with the blocks.
    events: Vec<(String, Vec<u8>)>,
    lookups: Vec<String>,
    /// The CAR that a writer makes of it.
    written: Result<Vec<u8>, String>,
}

impl Seen {
    pub(crate) fn of<S: CarStore>(repo: &Repo<S>) -> Self {
        Seen {
            told: common::told(repo).map_err(|error| common::details(&error)),
            fault: repo.store().fault().map(common::details),
            events: events(repo),
            lookups: pool()
                .iter()
                .step_by(17)
                .map(|key| shown(&repo.tree().get_key(key)))
                .collect(),
            written: written(repo).map_err(|error| common::details(&error)),
        }
    }
}

fn written<S: BlockStore>(repo: &Repo<S>) -> carwalk::Result<Vec<u8>> {
    let mut car = Vec::new();
    let stats = repo.write(&mut car)?;
    assert_eq!(stats.bytes, car.len() as u64);
    Ok(car)
}

fn events<S: BlockStore>(repo: &Repo<S>) -> Vec<(String, Vec<u8>)> {
    let mut events = Vec::new();
    let mut walk = repo.walk().partial(true).nodes(true).start();
    while let Some(event) = walk.next_event().unwrap() {
        events.push(match event {
            Event::Node { cid, layer, depth, block, offset, .. } => (
                format!("node {cid}, layer {layer:?}, depth {depth}, at {offset:?}"),
                block.to_vec(),
            ),
            Event::Record { entry, block, offset, .. } => {
                (format!("{entry:?} at {offset:?}"), block.to_vec())
            }
            other => (format!("{other:?}"), Vec::new()),
        });
    }
    events
}

/// Asserts that two ways of loading give the same result, or errors with the same details.
#[track_caller]
pub(crate) fn assert_same<T: PartialEq + Debug>(
    way: &str,
    expected: &Result<T, impl Borrow<Error>>,
    found: &Result<T, impl Borrow<Error>>,
) {
    match (expected, found) {
        (Ok(expected), Ok(found)) => {
            assert!(expected == found, "{way}: {found:#?}, not {expected:#?}")
        }
        (Err(expected), Err(found)) => {
            assert_eq!(
                common::details(expected.borrow()),
                common::details(found.borrow()),
                "{way}"
            );
        }
        (Ok(_), Err(error)) => {
            panic!("{way}: refused, but accepted as a slice: {}", error.borrow())
        }
        (Err(error), Ok(_)) => {
            panic!("{way}: accepted, but refused as a slice: {}", error.borrow())
        }
    }
}
