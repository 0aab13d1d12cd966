//! Walks from the last key to the first: what a walk the other way gives, turned round.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod common;

use carwalk::Repo;
use common::part::{Part, Removal};

const SEEDS: u64 = 200;

/// All events of a walk, each as text.
fn events(walk: carwalk::mst::Walker<'_, impl carwalk::store::BlockStore>) -> Vec<String> {
    let mut walk = walk;
    let mut events = Vec::new();
    while let Some(event) = walk.next_event().unwrap() {
        events.push(format!("{event:?}"));
    }
    events
}

#[test]
fn a_partial_walk_in_reverse_gives_the_same_events() {
    for seed in 0..SEEDS {
        for removal in Removal::ALL {
            let part = Part::of(seed, removal);
            let repo = Repo::from_slice(&part.car).unwrap();
            let forward = events(repo.walk().partial(true));
            let mut backward = events(repo.walk().partial(true).reverse(true));
            backward.reverse();
            assert_eq!(forward, backward, "{}", part.name);
        }
    }
}
